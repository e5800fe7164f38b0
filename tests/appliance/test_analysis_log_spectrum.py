"""A machine's windows judged by a network on their log spectra, through the whole analysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.analysis import PROFILES, AssetAnalysis
from dsp.log_spectrum import LogSpectrumExtractor
from firmware_bridge.bearing_impacts import FaultKind
from models.backends.numpy_reference import NumpyReference
from models.bundle import Bundle
from models.detector import AnomalyScore
from models.network_judge import NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from models.training.row_inputs import RowInput
from models.training.simulated_rows import simulated_rows
from tests.fakes.linear_bundle import linear_bundle
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels, motor_items, run
from tests.fakes.trend_bundle import trend_bundle

FAULT_AT_S = 90.0
pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


def judged(bundle: Bundle) -> list[AnomalyScore]:
    """A motor that the network never met: it learns for a minute, and after half a minute more is broken."""
    backend = NumpyReference()
    backend.load(bundle.manifest, bundle.artefact_bytes("numpy_reference"))
    judge = NetworkJudge(bundle.manifest, asked_of(backend))
    own = channels(LOW_RATE_HZ, "xy", tags=False)
    seat = NetworkSeat(lambda: judge)
    networks = {one.channel_id: seat for one in own}
    analysis = AssetAnalysis(MOTOR, own, replace(PROFILES["demo"], networks=networks))
    items = motor_items(
        31, FAULT_AT_S + 20.0, fault=FaultKind.OUTER_RACE, fault_at_s=FAULT_AT_S, growth_s=5.0,
        rate_hz=LOW_RATE_HZ, axes="xy", tags=False,
    )  # fmt: skip
    return run(analysis, items).scores


def test_windows_are_scored_by_their_log_spectra() -> None:
    rows = simulated_rows(60.0, 3, LOW_RATE_HZ, baseline_s=60.0, made_of=RowInput.LOG_SPECTRUM)
    bundle = linear_bundle(rows)
    found = judged(bundle)
    assert len(found) > 60
    assert all(one.model_version.startswith(f"linear {bundle.manifest.version} on ") for one in found)
    assert {one.channel_id for one in found} == {"motor-1.x", "motor-1.y"}
    healthy = [one.value for one in found if one.start_ns < (FAULT_AT_S - 2.0) * 1e9]
    broken = [one.value for one in found if one.start_ns > (FAULT_AT_S + 10.0) * 1e9]
    assert np.median(healthy) < 1.0 < np.median(broken)


def test_nothing_is_computed_for_a_network_that_reads_features(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nobody wants a log spectrum")

    monkeypatch.setattr(LogSpectrumExtractor, "extract", refuse)
    found = judged(trend_bundle(LOW_RATE_HZ))
    assert all(one.model_version.startswith("linear ") for one in found)
    with pytest.raises(AssertionError, match="nobody wants"):
        judged(trend_bundle(LOW_RATE_HZ, log_spectrum=True))
