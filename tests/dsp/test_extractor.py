"""The extractor against SciPy feature by feature, and what it makes of hostile windows."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION, FeatureExtractor, TrendExtractor, label_of, unit_of
from dsp.framing import WindowBatch, trend_window_samples
from dsp.samples import Quality
from dsp.severity import velocity_rms
from tests.oracles.trend_features import trend_features

RATES = (25600.0, 12000.0, 48828.0, 1000.0, 200.0)


def batch_of(samples: np.ndarray, rate_hz: float) -> WindowBatch:
    n = len(samples)
    return WindowBatch(
        channel_ids=tuple(f"motor/{i}" for i in range(n)),
        start_ns=tuple(range(n)),
        sample_rate_hz=(rate_hz,) * n,
        samples=samples.astype(np.float32),
        qualities=(Quality.GOOD,) * n,
        operating_states=("full load",) * n,
    )


def machine_like(rate_hz: float, n: int, seed: int, n_channels: int = 3) -> np.ndarray:
    """Gravity, shaft harmonics, noise, and impacts that ring: `(n_channels, n)`, m/s2."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate_hz
    rows = []
    for channel in range(n_channels):
        x = 9.81 * (channel == 0) + rng.normal(0.0, 0.3, n)
        for order in (1, 2, 3, 7):
            x += rng.uniform(0.1, 2.0) * np.sin(
                2 * np.pi * min(24.7, rate_hz / 20) * order * t + rng.uniform(0, 6)
            )
        ring = np.exp(-t * 800.0) * np.sin(2 * np.pi * 0.17 * rate_hz * t)
        impulses = (rng.random(n) < 88.0 / rate_hz) * rng.uniform(1.0, 3.0, n)
        rows.append(x + np.convolve(impulses, ring[: min(n, 500)])[:n])
    return np.array(rows)


@pytest.mark.parametrize("rate_hz", RATES)
def test_every_feature_equals_scipys(rate_hz: float) -> None:
    n = trend_window_samples(rate_hz)
    extractor = TrendExtractor(rate_hz, n, "m/s2")
    samples = machine_like(rate_hz, n, seed=int(rate_hz))
    for vector, x in zip(
        extractor.extract(batch_of(samples, rate_hz)), samples.astype(np.float32), strict=True
    ):
        expected = trend_features(x, rate_hz, extractor.names)
        for name, value in zip(vector.names, vector.values, strict=True):
            if name == "velocity_rms_mm_s" and rate_hz < 2222.0:
                assert math.isnan(value)
            elif name.endswith("_db"):
                assert value == pytest.approx(expected[name], abs=0.01), name
            else:
                assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-4), name


def test_a_vector_says_whose_it_is() -> None:
    extractor: FeatureExtractor = TrendExtractor(1000.0, 1024, "1")
    samples = machine_like(1000.0, 1024, 1, n_channels=300)  # more than are transformed at once
    vectors = extractor.extract(batch_of(samples, 1000.001))
    assert [vector.channel_id for vector in vectors] == [f"motor/{i}" for i in range(300)]
    assert [vector.start_ns for vector in vectors] == list(range(300))
    last = vectors[-1]
    assert last.names == extractor.names
    assert last.values.dtype == np.float32
    assert last.values.shape == (len(extractor.names),)
    assert last.duration_s == pytest.approx(1.024, rel=1e-5)
    assert (last.operating_state, last.quality, last.extractor_version) == (
        "full load", Quality.GOOD, EXTRACTOR_VERSION,
    )  # fmt: skip
    alone = extractor.extract(batch_of(samples[299:], 1000.001))
    assert np.array_equal(alone[0].values, last.values, equal_nan=True)


def test_velocity_is_the_one_that_severity_states() -> None:
    samples = machine_like(25600.0, 32768, 7)
    extractor = TrendExtractor(25600.0, 32768, "m/s2")
    place = extractor.names.index("velocity_rms_mm_s")
    for rate_hz in (25600.0, 25600.0 * 1.004, 25600.0 * 0.95):  # the rate as fitted, not the nominal one
        for vector, x in zip(extractor.extract(batch_of(samples, rate_hz)), samples, strict=True):
            assert vector.values[place] == pytest.approx(velocity_rms(x, rate_hz), rel=2e-3)


def test_a_sensor_that_runs_five_percent_fast_has_its_tones_in_their_bands() -> None:
    """Each window at its own true rate, though all were told to run at 25.6 kHz."""
    extractor = TrendExtractor(25600.0, 32768, "m/s2")
    rates_hz = (25600.0 * 1.05, 25600.0, 25600.0 * 0.95)
    samples = np.stack([np.sin(2 * np.pi * 4560.0 * np.arange(32768) / rate_hz) for rate_hz in rates_hz])
    batch = dataclasses.replace(batch_of(samples, 25600.0), sample_rate_hz=rates_hz)
    for vector, rate_hz in zip(extractor.extract(batch), rates_hz, strict=True):
        found = dict(zip(vector.names, vector.values, strict=True))
        assert found["band_4500_7100_hz_db"] == pytest.approx(-3.01, abs=0.01)
        assert found["band_2800_4500_hz_db"] < -60.0
        assert vector.duration_s == pytest.approx(32768 / rate_hz)


def test_a_growing_fault_lifts_the_high_band_and_its_kurtosis_first() -> None:
    rate_hz, n = 25600.0, 32768
    rng = np.random.default_rng(11)
    t = np.arange(n) / rate_hz
    healthy = np.sin(2 * np.pi * 24.7 * t) * 3.0 + rng.normal(0.0, 0.2, n)
    faulty = healthy.copy()
    ring = 1.5 * np.exp(-t[:200] / 4e-4) * np.sin(2 * np.pi * 4200.0 * t[:200])
    for start in np.arange(20, n - 200, 288):  # 88.9 Hz
        faulty[start : start + 200] += ring
    extractor = TrendExtractor(rate_hz, n, "m/s2")
    before, after = (
        dict(zip(vector.names, vector.values, strict=True))
        for vector in extractor.extract(batch_of(np.stack([healthy, faulty]), rate_hz))
    )
    assert after["rms_mps2"] < 1.03 * before["rms_mps2"]
    assert after["velocity_rms_mm_s"] < 1.01 * before["velocity_rms_mm_s"]
    assert (
        after["band_2000_11520_hz_envelope_kurtosis"] > before["band_2000_11520_hz_envelope_kurtosis"] + 2.0
    )
    assert after["band_2800_4500_hz_db"] > before["band_2800_4500_hz_db"] + 5.0
    assert abs(after["band_18_28_hz_db"] - before["band_18_28_hz_db"]) < 0.2


def test_hostile_windows_have_defined_results_and_do_not_touch_their_neighbours() -> None:
    extractor = TrendExtractor(25600.0, 32768, "m/s2")
    good = machine_like(25600.0, 32768, 3, n_channels=1)
    samples = np.repeat(good, 9, axis=0).astype(np.float32)
    samples[1] = 5.5
    samples[2, 100] = np.nan
    samples[3, 32767] = np.inf
    samples[4] *= np.float32(1e35)
    samples[5] *= np.float32(1e-30)
    samples[6] = np.finfo(np.float32).max * np.where(np.arange(32768) % 2, 1, -1)
    samples[7] = 0.0
    values = [vector.values for vector in extractor.extract(batch_of(samples, 25600.0))]
    assert np.array_equal(values[0], values[8])
    assert np.isfinite(values[0]).all()
    names = extractor.names
    for constant in (values[1], values[7]):
        for name, value in zip(names, constant, strict=True):
            if name in ("crest_factor", "skewness", "kurtosis") or name.endswith("envelope_kurtosis"):
                assert math.isnan(value), name
            else:
                assert value == (-200.0 if name.endswith("_db") else 0.0), name
    assert np.isnan(values[2]).all()
    assert np.isnan(values[3]).all()
    for scaled, factor in ((values[4], 1e35), (values[5], 1e-30)):
        for name, value, plain in zip(names, scaled, values[0], strict=True):
            if unit_of(name) in ("m/s2", "mm/s"):
                assert value == pytest.approx(plain * factor, rel=1e-4), name
            elif unit_of(name) == "1":
                assert value == pytest.approx(plain, rel=1e-3, abs=1e-4), name
    assert values[6][names.index("crest_factor")] == pytest.approx(1.0, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(1e-6, 1e6), bias=st.floats(-100.0, 100.0), seed=st.integers(0, 999))
def test_scale_and_bias_change_what_they_must(scale: float, bias: float, seed: int) -> None:
    """Levels move by 20 log10 of the scale, ratios stay, a bias changes nothing."""
    extractor = TrendExtractor(1000.0, 1024, "m/s2")
    x = machine_like(1000.0, 1024, seed, n_channels=1)
    x -= x.mean()
    samples = np.concatenate([x, (x + bias * np.abs(x).max()) * scale])
    plain, moved = (vector.values for vector in extractor.extract(batch_of(samples, 1000.0)))
    for name, one, other in zip(extractor.names, plain, moved, strict=True):
        if unit_of(name) == "dB":
            assert other == pytest.approx(one + 20.0 * math.log10(scale), abs=0.05), name
        elif unit_of(name) == "m/s2":
            assert other == pytest.approx(one * scale, rel=2e-3), name
        elif not math.isnan(one):
            assert other == pytest.approx(one, rel=2e-3, abs=2e-3), name


def test_units_stand_in_the_names() -> None:
    si = TrendExtractor(25600.0, 32768, "m/s2")
    unknown = TrendExtractor(25600.0, 32768, "1")
    assert si.names[:3] == ("rms_mps2", "peak_mps2", "peak_to_peak_mps2")
    assert unknown.names[:3] == ("rms", "peak", "peak_to_peak")
    assert len(si.names) == len(unknown.names) == len(set(si.names)) == 26
    units = {name: unit_of(name) for name in si.names}
    assert units["rms_mps2"] == units["band_2000_11520_hz_rms_mps2"] == "m/s2"
    assert units["velocity_rms_mm_s"] == "mm/s"
    assert units["band_2800_4500_hz_db"] == "dB"
    assert units["crest_factor"] == units["band_2000_11520_hz_envelope_kurtosis"] == "1"
    assert {unit_of(name) for name in unknown.names} == {"1", "dB", "mm/s"}
    x = batch_of(machine_like(25600.0, 32768, 5), 25600.0)
    place = unknown.names.index("velocity_rms_mm_s")
    for known_vector, vector in zip(si.extract(x), unknown.extract(x), strict=True):
        assert math.isnan(vector.values[place])
        others = np.arange(len(vector.values)) != place
        assert np.array_equal(vector.values[others], known_vector.values[others])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("rms_mps2", "RMS"),
        ("velocity_rms_mm_s", "velocity RMS"),
        ("band_2800_4500_hz_db", "band 2.8-4.5 kHz"),
        ("band_7.1_11.2_hz_db", "band 7.1-11.2 Hz"),
        ("band_710_1120_hz_db", "band 710-1120 Hz"),
        ("band_2000_11520_hz_rms", "RMS of band 2-11.52 kHz"),
        ("band_2000_11520_hz_envelope_kurtosis", "envelope kurtosis of band 2-11.52 kHz"),
        ("band_0_800_hz_rms_mps2", "RMS of band 0-800 Hz"),
        ("zero_crossing_rate_hz", "zero crossings per second"),
        ("line_2_hz", "frequency of line 2"),
        ("line_2_rms_mps2", "RMS of line 2"),
        ("something_else", "something else"),
    ],
)
def test_labels_are_for_people(name: str, label: str) -> None:
    assert label_of(name) == label


def test_every_feature_has_its_row_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "dsp" / "README.md").read_text(encoding="utf-8")
    documented = {
        line.split("|")[1].strip().strip("`") for line in readme.splitlines() if line.startswith("| `")
    }
    for rate_hz in RATES:
        for unit in ("m/s2", "1"):
            for name in TrendExtractor(rate_hz, trend_window_samples(rate_hz), unit).names:
                assert pattern_of(name) in documented, f"dsp/README.md has no row for {pattern_of(name)}"


def pattern_of(name: str) -> str:
    """A feature's name as the README writes it: band edges as LOWER and UPPER, no acceleration unit."""
    bare = name.removesuffix("_mps2")
    if bare.startswith("band_"):
        return "band_LOWER_UPPER_hz_" + bare.split("_hz_")[1]
    return bare


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(DspError, match="'g'"):
        TrendExtractor(25600.0, 32768, "g")
    with pytest.raises(DspError, match="even"):
        TrendExtractor(25600.0, 32767, "m/s2")
    extractor = TrendExtractor(1000.0, 1024, "m/s2")
    with pytest.raises(DspError, match=r"\(3, 512\)"):
        extractor.extract(batch_of(machine_like(1000.0, 512, 1), 1000.0))
    with pytest.raises(DspError, match=r"motor/0.*1070"):
        extractor.extract(batch_of(machine_like(1000.0, 1024, 1), 1070.0))
    with pytest.raises(DspError, match=r"motor/0.*nan"):
        extractor.extract(batch_of(machine_like(1000.0, 1024, 1), float("nan")))
    assert extractor.extract(batch_of(np.empty((0, 1024)), 1000.0)) == []


def test_warming_up_leaves_nothing_behind() -> None:
    samples = machine_like(1000.0, 1024, 4)
    cold, warm = TrendExtractor(1000.0, 1024, "m/s2"), TrendExtractor(1000.0, 1024, "m/s2")
    warm.warm_up()
    for one, other in zip(
        cold.extract(batch_of(samples, 1000.0)), warm.extract(batch_of(samples, 1000.0)), strict=True
    ):
        assert np.array_equal(one.values, other.values, equal_nan=True)
