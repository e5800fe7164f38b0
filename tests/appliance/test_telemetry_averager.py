"""What is stored of every window's figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import orjson
import pytest

from appliance.journal.features import NameList, decode
from appliance.journal.record import NewRecord, RecordKind
from appliance.telemetry_averager import TelemetryAverager
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from models.detector import AnomalyScore
from tests.fakes.machine_items import tag

S = 1_000_000_000
NAMES = ("rms_mps2", "velocity_rms_mm_s")


def vector(start_s: float, rms: float, velocity: float = np.nan, state: str = "1800 rpm") -> FeatureVector:
    values = np.array([rms, velocity], np.float32)
    return FeatureVector("m.x", round(start_s * S), 1.0, NAMES, values, state, Quality.GOOD, "trend-1")


def score(start_s: float, value: float) -> AnomalyScore:
    return AnomalyScore("m.x", round(start_s * S), value, "v", "numpy", np.zeros(2, np.float32))


def decoded(record: NewRecord) -> FeatureVector:
    return decode(record.payload, NameList("trend-1", NAMES), record.subject, record.monotonic_ns)


def test_period_zero_stores_every_window_as_it_is() -> None:
    averager = TelemetryAverager(0.0)
    (record,) = averager.features(vector(3.0, 1.5, 2.5))
    stored = decoded(record)
    assert (stored.start_ns, stored.duration_s) == (3 * S, 1.0)
    np.testing.assert_allclose(stored.values, [1.5, 2.5])
    assert averager.flush() == []


def test_windows_of_a_period_are_averaged_and_the_unstated_left_out() -> None:
    averager = TelemetryAverager(3.0)
    assert averager.features(vector(0.0, 1.0)) == []
    assert averager.features(vector(1.0, 2.0, 4.0)) == []
    (record,) = averager.features(vector(2.0, 3.0, 6.0))
    stored = decoded(record)
    assert (stored.start_ns, stored.duration_s) == (0, 3.0)
    np.testing.assert_allclose(stored.values, [2.0, 5.0])


def test_lines_of_an_average_are_those_of_its_strongest_window() -> None:
    names = ("rms_mps2", "line_1_hz", "line_1_rms_mps2", "line_2_hz", "line_2_rms_mps2")
    windows = ((1.0, 50.0, 0.5, 90.0, 0.4), (2.0, 90.0, 0.8, 50.0, 0.3), (3.0, np.nan, np.nan, 0.0, 0.0))
    averager = TelemetryAverager(3.0)
    records = []
    for i, values in enumerate(windows):
        one = dataclasses.replace(vector(float(i), 0.0), names=names, values=np.array(values, np.float32))
        records += averager.features(one)
    (record,) = records
    stored = decode(record.payload, NameList("trend-1", names), record.subject, record.monotonic_ns)
    np.testing.assert_allclose(stored.values, [2.0, 90.0, 0.8, 50.0, 0.3], rtol=1e-6)


@pytest.mark.parametrize("how", ["gap", "state"])
def test_average_never_spans_a_gap_or_another_operating_state(how: str) -> None:
    averager = TelemetryAverager(10.0)
    averager.features(vector(0.0, 1.0))
    if how == "gap":
        (record,) = averager.interrupt("m.x")
        assert averager.features(vector(5.0, 9.0)) == []
    else:
        (record,) = averager.features(vector(5.0, 9.0, state="900 rpm"))
    np.testing.assert_allclose(decoded(record).values[0], 1.0)
    (rest,) = averager.flush()
    np.testing.assert_allclose(decoded(rest).values[0], 9.0)


def test_the_greatest_score_and_the_mean_tag_of_a_period_are_kept() -> None:
    averager = TelemetryAverager(2.0)
    assert [averager.score(score(t, v)) for t, v in ((0.0, 0.3), (1.0, 1.7))] == [[], []]
    (record,) = averager.score(score(2.0, 0.4))
    assert record.kind is RecordKind.SCORE
    assert orjson.loads(record.payload) == {"value": 1.7}
    for t, v in ((0.0, 10.0), (1.0, 20.0)):
        averager.tag(tag("m.t", round(t * S), v))
    (record,) = averager.tag(tag("m.t", 2 * S, 30.0))
    assert orjson.loads(record.payload) == {"value": 20.0}
    assert record.monotonic_ns == 0


def test_an_average_never_spans_a_gap() -> None:
    """Also where the gap is told late: windows that do not touch do not belong together."""
    averager = TelemetryAverager(60.0)
    assert averager.features(vector(0.0, 1.0)) == []
    assert averager.features(vector(0.5, 1.0)) == []
    (record,) = averager.features(vector(1.6, 9.0))
    assert decoded(record).duration_s == 1.5
    np.testing.assert_allclose(decoded(record).values[0], 1.0)
