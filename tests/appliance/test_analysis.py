"""What a machine's analysis does with bad input, gaps and tags, and how it is called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pytest

from appliance.alarms.lifecycle import NothingToAcknowledgeError, Severity
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from dsp.extractor import EXTRACTOR_VERSION
from dsp.hop_figures import LINE_NAMES
from dsp.samples import Gap, GapCause, Quality, SampleBlock, SourceItem
from dsp.window_extractor import Engine
from models.machine import Machine
from tests.fakes.machine_items import (
    FULL_SCALE,
    LOW_RATE_HZ,
    MOTOR,
    RATE_HZ,
    S,
    block,
    channels,
    joined,
    motor_items,
    run,
    tag,
)

STEP_NS = round(512 / LOW_RATE_HZ * S)  # of the low-rate items

Change = Callable[[np.ndarray], np.ndarray]


def low_rate(profile: str = "demo", axes: str = "xy", tags: bool = False) -> AssetAnalysis:
    return AssetAnalysis(MOTOR, channels(LOW_RATE_HZ, axes, tags), PROFILES[profile])  # type: ignore[index]


@cache
def healthy_items(seconds: float = 75.0, axes: str = "xy", tags: bool = False) -> list[list[SourceItem]]:
    return list(motor_items(31, seconds, rate_hz=LOW_RATE_HZ, axes=axes, tags=tags))


def changed(
    items: list[list[SourceItem]], channel_id: str, after_s: float, change: Change
) -> Iterator[list[SourceItem]]:
    """The items, with one channel's samples changed from a time on."""
    for some in items:
        yield [
            replace(item, samples=change(item.samples).astype(np.float32))
            if isinstance(item, SampleBlock)
            and item.channel_id == channel_id
            and item.start_ns >= after_s * S
            else item
            for item in some
        ]


def machine_alarms(found: Findings) -> list[str]:
    return [t.what for t in found.transitions if t.alarm.rule == "machine condition"]


def some_nan(samples: np.ndarray) -> np.ndarray:
    broken = samples.copy()
    broken[::50] = np.nan
    return broken


def dropouts(samples: np.ndarray) -> np.ndarray:
    broken = samples.copy()
    broken[100:300] = 0.0
    return broken


BROKEN: dict[str, Change] = {
    "not a number": some_nan,
    "flat line": lambda samples: np.full_like(samples, 0.3),
    "clipped": lambda samples: np.clip(samples * 60.0, -FULL_SCALE, FULL_SCALE),
    "dropouts": dropouts,
    "bias lost": lambda samples: samples + FULL_SCALE * 0.95,
}


@pytest.mark.parametrize("verdict", BROKEN)
@pytest.mark.parametrize("after_s", [0.0, 44.0])
def test_a_broken_sensor_is_told_as_such_and_never_as_a_machine_s_alarm(verdict: str, after_s: float) -> None:
    analysis = low_rate()
    items = healthy_items(after_s + 12.0)
    found = run(analysis, changed(items, "motor-1.x", after_s, BROKEN[verdict]))
    assert machine_alarms(found) == []
    assert [t.what for t in found.transitions] in (["raised"], ["raised", "updated"])
    told = found.transitions[-1]
    assert told.alarm.alarm_id == "motor-1.check-sensor.x"
    assert told.alarm.evidence["verdict"] == verdict
    assert told.alarm.raised_ns / S < after_s + 4.0
    # a window that the break falls into may show as dropouts, or as a mean that moved
    assert {v.verdict for v in found.sensor_verdicts} <= {verdict, "dropouts", "bias shift"}
    assert {v.verdict for v in found.sensor_verdicts[2:]} == {verdict}
    assert all(v.channel_id == "motor-1.x" and v.remedy for v in found.sensor_verdicts)
    # the broken channel's windows reach neither detector nor diagnosis; the other channel works on
    late = [e for e in (*found.scores, *found.diagnoses) if e.start_ns >= after_s * S]
    assert {e.channel_id for e in late} == {"motor-1.y"}
    assert found.severity is Severity.GOOD


def test_a_sensor_that_recovers_clears_its_alarm() -> None:
    analysis = low_rate()
    items = healthy_items()
    run(analysis, changed(items[:100], "motor-1.x", 0.0, BROKEN["flat line"]))
    found = run(analysis, items[100:300])
    assert [t.what for t in found.transitions] == ["cleared"]


def test_bad_quality_is_not_analysed_at_all() -> None:
    analysis = low_rate(axes="x")
    broken = [
        [replace(item, quality=Quality.BAD) for item in some if isinstance(item, SampleBlock)]
        for some in healthy_items(20.0, "x")
    ]
    found = run(analysis, broken)
    assert found.features == []
    assert found.sensor_verdicts == []
    assert found.transitions == []


def test_another_rate_than_set_up_is_a_sensor_s_fault() -> None:
    analysis = low_rate(axes="x")
    items = [
        [replace(item, sample_rate_hz=LOW_RATE_HZ * 2) for item in some if isinstance(item, SampleBlock)]
        for some in healthy_items(20.0, "x")
    ]
    found = run(analysis, items)
    assert found.features == []
    assert {v.verdict for v in found.sensor_verdicts} == {"wrong rate"}
    assert 15 <= len(found.sensor_verdicts) <= 21
    (told,) = found.transitions
    assert "12800 Hz, it is set up for 6400 Hz" in told.alarm.reason
    for rate_hz in (np.nan, np.inf, 0.0, -5.0):
        bad = block("motor-1.x", 100 * S, np.zeros(100), rate_hz)
        assert analysis.process([bad]).features == []


def test_no_window_spans_a_gap_and_every_gap_is_reported() -> None:
    items = healthy_items(20.0, "x")
    whole = run(low_rate(axes="x"), items)
    begin, end = 50, 62  # items, 0.08 s each
    gap = Gap("motor-1.x", begin * STEP_NS, end * STEP_NS, GapCause.SEQUENCE_GAP, 12 * 512)
    reported = run(low_rate(axes="x"), [*items[:begin], [gap], *items[end:]])
    assert reported.gaps == [gap]
    # a lost block that nobody reported is noticed by the time
    silent = run(low_rate(axes="x"), [*items[:begin], *items[begin + 1 :]])
    assert silent.gaps == []
    for found in (reported, silent):
        assert len(whole.features) - 4 <= len(found.features) < len(whole.features)
        for entry in (*found.features, *found.evidence):
            end_ns = entry.start_ns + round(entry.duration_s * S)
            assert end_ns <= begin * STEP_NS or entry.start_ns > begin * STEP_NS


def test_frequent_gaps_still_let_a_baseline_be_learned_and_raise_nothing() -> None:
    analysis = low_rate(axes="x")
    items = [
        some if i % 70 else [Gap("motor-1.x", i * STEP_NS, (i + 1) * STEP_NS, GapCause.SERIAL_LOSS)]
        for i, some in enumerate(healthy_items(120.0, "x"))
    ]
    found = run(analysis, items)
    assert found.transitions == []
    assert found.learning[0].complete


def test_channels_and_assets_that_are_not_this_machine_s_are_ignored() -> None:
    analysis = low_rate(axes="x")
    found = analysis.process(
        [tag("boiler.speed", 0, 50.0), block("boiler.x", 0, np.zeros(9000), LOW_RATE_HZ)]
    )
    assert found == Findings(operating_state=found.operating_state)
    assert analysis.process([]).transitions == []


def test_how_items_are_parcelled_does_not_matter() -> None:
    items = healthy_items(48.0, "xy", tags=True)
    expected = run(low_rate(tags=True), items)
    assert expected.scores
    for together in (7, 1000):
        parcels = [list(chain(*items[i : i + together])) for i in range(0, len(items), together)]
        found = run(low_rate(tags=True), parcels)
        for one, other in zip(in_order(expected.features), in_order(found.features), strict=True):
            np.testing.assert_array_equal(one.values, other.values)
        assert [s.value for s in in_order(expected.scores)] == [s.value for s in in_order(found.scores)]
        assert [d.text for d in expected.diagnoses] == [d.text for d in found.diagnoses]


def in_order(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: (entry.start_ns, entry.channel_id))


def test_in_run_up_and_at_rest_nothing_is_learned_scored_or_rated() -> None:
    analysis = low_rate(axes="x", tags=True)
    for i, some in enumerate(healthy_items(20.0, "x")):
        speed_hz = min(29.4, 2.5 * i * 0.08)  # run-up over 12 s
        found = analysis.process(
            [tag("motor-1.speed", i * STEP_NS, speed_hz), tag("motor-1.load", i * STEP_NS, 0.7), *some]
        )
        assert found.scores == []
        if i < 145:
            assert found.severity is Severity.NOT_RATED
            assert found.operating_state in ("stopped", "transient", "waiting for tags")
            assert analysis.learning_progress() == []
    stopped = low_rate(axes="x", tags=True)
    quiet = changed(healthy_items(30.0, "x"), "motor-1.x", 0.0, lambda samples: samples * 0.0)
    found = joined(
        stopped.process(
            [tag("motor-1.speed", i * STEP_NS, 0.0), tag("motor-1.load", i * STEP_NS, 0.0), *some]
        )
        for i, some in enumerate(quiet)
    )
    assert found.transitions == []
    assert found.operating_state == "stopped"
    assert stopped.learning_progress() == []


def test_stale_tags_teach_nothing_but_what_is_known_is_still_scored() -> None:
    analysis = low_rate(axes="x", tags=True)
    items = healthy_items(75.0, "x", tags=True)
    run(analysis, items[:550])
    assert analysis.learning_progress()[0].complete
    without_tags = [[item for item in some if item.channel_id == "motor-1.x"] for some in items[550:]]
    gap = [Gap(f"motor-1.{name}", 55 * S, 56 * S, GapCause.OPCUA_DOWN) for name in ("speed", "load")]
    found = run(analysis, [gap, *without_tags])
    assert found.operating_state == "tags stale"
    assert len(found.scores) > 20
    assert max(score.value for score in found.scores) < 0.8
    assert found.transitions == []
    assert len(analysis.learning_progress()) == 1
    assert {evidence.speed_refined or evidence.tolerance > 0 for evidence in found.evidence} == {True}


def test_a_new_operating_state_is_learned_for_itself() -> None:
    analysis = low_rate(axes="x", tags=True)
    items = healthy_items(75.0, "x")
    for i, some in enumerate(items):
        load = 0.3 if i < 550 else 0.9
        analysis.process(
            [tag("motor-1.speed", i * STEP_NS, 29.4), tag("motor-1.load", i * STEP_NS, load), *some]
        )
    assert [(p.operating_state, p.complete) for p in analysis.learning_progress()] == [
        ("1764 rpm, load 25-50 %", True),
        ("1764 rpm, load 75-100 %", False),
    ]


def test_a_machine_of_which_nothing_is_known_is_still_watched() -> None:
    unknown = Machine("motor-1", "Motor 1")
    analysis = AssetAnalysis(unknown, channels(LOW_RATE_HZ, "x", tags=False), PROFILES["demo"])
    items = healthy_items(75.0, "x")
    found = run(analysis, changed(items, "motor-1.x", 55.0, lambda samples: samples * 4.0))
    assert found.evidence == []
    assert {spectrum.kind for spectrum in found.spectra} == {"amplitude", "envelope"}
    (raised,) = [t for t in found.transitions if t.what == "raised"]
    assert raised.alarm.fault is None
    assert raised.alarm.severity is Severity.WATCH
    assert "cause could not be looked for: the machine's bearing is not given" in raised.alarm.reason
    assert "+12 dB" in raised.alarm.reason


def test_violent_vibration_is_rated_whatever_was_learned() -> None:
    analysis = low_rate("recording", axes="x")
    found = run(analysis, changed(healthy_items(20.0, "x"), "motor-1.x", 0.0, lambda samples: samples * 6.0))
    (alarm,) = analysis.alarms()
    assert alarm.severity is Severity.STOP
    assert "zone D" in alarm.reason
    assert found.severity is Severity.STOP


def test_limits_that_do_not_fit_are_refused_by_name_and_the_channel_learns_anew() -> None:
    analysis = low_rate(axes="x")
    run(analysis, healthy_items(50.0, "x"))
    good = analysis.state().limits["motor-1.x"]
    other_rate = AssetAnalysis(MOTOR, channels(RATE_HZ, "x", tags=False), PROFILES["demo"])
    (refused,) = other_rate.restore({"motor-1.x": good}, ())
    assert "motor-1.x" in refused
    assert "learns anew" in refused
    damaged: list[dict[str, Any]] = [
        {},
        {**good, "format": "other"},
        {**good, "detector": {}},
        {**good, "detector": None},
        {**good, "diagnoser": {"version": 9}},
        {**good, "records_learned": 5},
    ]
    for limits in damaged:
        fresh = low_rate(axes="x")
        assert len(fresh.restore({"motor-1.x": limits}, ())) == 1
        assert fresh.learning_progress() == []
        assert fresh.process(healthy_items(50.0, "x")[0]).transitions == []
    assert low_rate(axes="x").restore({"motor-9.x": good}, ()) == []
    fresh = low_rate(axes="x")
    assert fresh.restore({"motor-1.x": {**good, "operating_bins": "nonsense"}}, ()) == []
    assert fresh.learning_progress()[0].complete


def test_what_is_learned_is_of_levels_alone_and_outlives_a_change_of_engine() -> None:
    analysis = low_rate(axes="x")
    found = [vector for items in healthy_items(50.0, "x") for vector in analysis.process(items).features]
    limits = analysis.state().limits["motor-1.x"]
    for learned in limits["detector"]["learned"]:
        assert learned["extractor_version"] == EXTRACTOR_VERSION  # as on boxes that learned before the hops
        assert "line_1_hz" not in learned["feature_names"]
    assert "line_1_hz" in found[0].names
    assert found[0].extractor_version == f"channel-1 rate={LOW_RATE_HZ!r} window=8192 unit=m/s2"
    other = AssetAnalysis(
        MOTOR, channels(LOW_RATE_HZ, "x", tags=False), replace(PROFILES["demo"], engine=Engine.SCIPY)
    )
    assert other.restore({"motor-1.x": limits}, ()) == []
    other.interrupt()
    again = [other.process(items) for items in healthy_items(50.0, "x")]
    assert other.learning_progress()[0].complete
    assert max(score.value for findings in again for score in findings.scores) < 1.0
    for vector, same in zip((v for f in again for v in f.features), found, strict=True):
        stable = [i for i, name in enumerate(vector.names) if name not in LINE_NAMES]
        np.testing.assert_allclose(vector.values[stable], same.values[stable], rtol=5e-5, atol=1e-5)


def test_limits_are_handed_out_while_learning_and_when_learned() -> None:
    analysis = low_rate(axes="x")
    given = []
    for i, some in enumerate(healthy_items(75.0, "x")):
        findings = analysis.process(some)
        if findings.limits:
            given.append(i)
            json.dumps(findings.limits, allow_nan=False)
    assert len(given) >= 8
    assert max(np.diff(given)[:6]) < 80  # each 5 s while learning, by windows
    assert given[-1] == pytest.approx(40.32 / 0.08, abs=10)  # the whole baseline, at once


def test_acknowledging_what_is_not_there() -> None:
    with pytest.raises(NothingToAcknowledgeError, match="there are: none"):
        low_rate().acknowledge("motor-1.machine-condition", 1, "ada", "", 0)
