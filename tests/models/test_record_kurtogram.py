"""A record's kurtogram by lanes against the plain definition, and where the latter must be taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsp.bearing import BearingFault
from dsp.kurtogram import Kurtogram
from models import record_kurtogram as module
from models.record_kurtogram import LONGEST_S, record_kurtogram
from tests.dsp.bearing_signals import RATE_HZ, impacts, resonant_noise
from tests.dsp.recordings import channels, vibration_entries


def struck(seconds: float, fault: str = "outer race") -> np.ndarray:
    rng = np.random.default_rng(2)
    n = round(seconds * RATE_HZ)
    return (0.5 * resonant_noise(rng, n) + impacts(rng, n, BearingFault(fault))).astype(np.float32)


def assert_alike(found: Kurtogram | None, wanted: Kurtogram | None) -> None:
    assert found is not None
    assert wanted is not None
    assert found.bands == wanted.bands
    assert found.n_windows == wanted.n_windows
    np.testing.assert_allclose(found.kurtosis, wanted.kurtosis, rtol=2e-3, atol=2e-3)
    assert (found.best is None) == (wanted.best is None)
    if found.best is not None and wanted.best is not None:
        assert found.best.lower_hz == wanted.best.lower_hz
        assert found.best.upper_hz == wanted.best.upper_hz


@pytest.mark.parametrize("seconds", [0.4, 1.0, 4.0])
def test_lanes_say_what_the_definition_says(seconds: float) -> None:
    x = struck(seconds)
    assert_alike(record_kurtogram(x, RATE_HZ), record_kurtogram(x, RATE_HZ, "scipy"))


def test_what_lanes_cannot_state_is_the_definition_s(monkeypatch: pytest.MonkeyPatch) -> None:
    x = struck(1.0)
    plain = record_kurtogram(x, RATE_HZ, "scipy")

    def refused(*_: object) -> None:
        raise AssertionError("lanes were asked")

    monkeypatch.setattr(module, "LaneKurtogram", refused)
    large = record_kurtogram(x * np.float32(1e33), RATE_HZ)
    assert_alike(large, plain)
    assert_alike(record_kurtogram(x.astype(np.float64), RATE_HZ), plain)
    with pytest.raises(AssertionError, match="lanes were asked"):
        record_kurtogram(x, RATE_HZ)


def test_no_record_no_kurtogram() -> None:
    x = struck(1.0)
    assert record_kurtogram(x[:8000], RATE_HZ) is None
    assert record_kurtogram(np.full(20_000, 3.0, np.float32), RATE_HZ) is None
    x[100] = np.nan
    assert record_kurtogram(x, RATE_HZ) is None


def test_an_hour_costs_a_minute() -> None:
    x = np.tile(struck(1.0)[::32], 800)
    found = record_kurtogram(x, RATE_HZ / 32)
    assert found is not None
    assert found.n_windows == int(LONGEST_S * RATE_HZ / 32 / 8192)


@pytest.mark.realdata
def test_every_recording_gets_the_same_band(data_dir: Path) -> None:
    n = 0
    for entry in vibration_entries(data_dir):
        for _, rate_hz, samples in channels(data_dir, entry):
            wanted = record_kurtogram(samples, rate_hz, "scipy")
            if wanted is None:
                continue
            found = record_kurtogram(samples, rate_hz)
            assert found is not None
            assert (found.best is None) == (wanted.best is None), entry["id"]
            if found.best is not None and wanted.best is not None:
                assert found.best.lower_hz == wanted.best.lower_hz, entry["id"]
                assert found.best.upper_hz == wanted.best.upper_hz, entry["id"]
            n += 1
    assert n > 100
