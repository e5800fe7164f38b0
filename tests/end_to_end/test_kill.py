"""kill -9 in the middle of the stream, again and again: what the appliance has shown or promised survives.

The witness stands outside: it asks the interface until the moment of the kill and remembers what it saw.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from appliance.demo_config import MACHINE_ID
from dsp.samples import GapCause
from tests.end_to_end.api_client import points
from tests.end_to_end.journal_copy import JournalCopy
from tests.end_to_end.rig import AXES, SENSOR, WATCHED, Rig
from tests.end_to_end.told_process import marked_processes, until
from tests.end_to_end.witness import Witness

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

N_KILLS = 4
SEED = 20_816
COMMIT_WITHIN_S = 1.0  # telemetry: a power cut may cost the last second
STOP_WITHIN_S = 15.0  # systemd gives 20
LOST_ALARM = f"appliance.source-lost.{SENSOR}"
COMMENT = "cable seated again, bay 3"
STARTS = ("service starts", "stethos-demo")
ROUNDING_MS = 0.01
SPEED = f"{MACHINE_ID}.speed"


@dataclass(frozen=True)
class Ended:
    """One end of the appliance: what had been seen before, and what there was after the next start."""

    end_s: float  # monotonic
    end_ms: float  # UTC
    before: Witness
    after: Witness
    counters_at_start: dict[tuple[str, str], float]
    trends: dict[str, dict[str, Any]]
    integrity: str


def end_and_restart(rig: Rig, folder: Path, watch_s: float, end: Callable[[], None]) -> Ended:
    """Let it run for a while, end it, look at what is on the disk, start it again."""
    before, after = Witness(), Witness()
    rig.wait_for_windows(1)  # telemetry flows
    before.watch(rig.api, watch_s)
    end_s, end_ms = time.monotonic(), time.time() * 1000.0
    end()
    copy = JournalCopy(rig.journal_dir, folder / f"{end_s:.3f}")
    integrity = copy.integrity()
    rig.start_appliance()
    counters = rig.api.counters()
    rig.wait_for_link(SENSOR, "connected")
    rig.wait_for_windows(1)
    until(lambda: rig.api.counters()[STARTS] > counters[STARTS], "this start is counted, and durable")
    after.look(rig.api)
    trends = {axis: rig.api.trend(axis, WATCHED) for axis in AXES}
    trends[SPEED] = rig.api.trend(SPEED, "value")
    return Ended(end_s, end_ms, before, after, counters, trends, integrity)


def only_sensor_and_plant_live(rig: Rig) -> bool:
    """Whether nothing of the appliance is left, its reader of the serial port included."""
    return set(marked_processes(rig.mark)) == {rig.sensor.pid, rig.plant.pid}


@pytest.fixture(scope="module")
def rig(start_rig: Callable[..., Rig]) -> Rig:
    """A healthy machine with an alarm in its past: the sensor's cable was pulled, seen, acknowledged."""
    rig = start_rig()
    rig.wait_for_windows(1)
    rig.unplug()
    alarm = until(lambda: rig.api.alarm(LOST_ALARM), "the lost source is an alarm")
    rig.api.acknowledge(LOST_ALARM, alarm["activation"], COMMENT)
    rig.plug()
    until(lambda: (rig.api.alarm(LOST_ALARM) or {})["state"] == "normal", "the alarm clears")
    return rig


@pytest.fixture(scope="module")
def kills(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> list[Ended]:
    """Several kills at random moments, each followed by a restart."""
    chance = random.Random(SEED)
    folder = tmp_path_factory.mktemp("killed")

    def kill() -> None:
        rig.appliance.send(signal.SIGKILL)
        assert rig.appliance.wait() == -signal.SIGKILL
        until(lambda: only_sensor_and_plant_live(rig), "its reader ends with it", patience_s=10.0)

    return [end_and_restart(rig, folder, chance.uniform(1.5, 4.0), kill) for _ in range(N_KILLS)]


@pytest.fixture(scope="module")
def stop_s() -> list[float]:
    """How long the orderly stop took."""
    return []


@pytest.fixture(scope="module")
def stopped(
    rig: Rig, kills: list[Ended], stop_s: list[float], tmp_path_factory: pytest.TempPathFactory
) -> Ended:
    """An orderly stop after all the kills, while samples flow, and a start after it."""

    def stop() -> None:
        began_s = time.monotonic()
        rig.appliance.send(signal.SIGTERM)
        assert rig.appliance.wait() == 0
        stop_s.append(time.monotonic() - began_s)
        assert only_sensor_and_plant_live(rig)

    return end_and_restart(rig, tmp_path_factory.mktemp("stopped"), 2.0, stop)


def test_journal_is_whole_after_each_kill(kills: list[Ended]) -> None:
    """As the kill left it, before the appliance has touched it again."""
    assert [killed.integrity for killed in kills] == ["ok"] * N_KILLS


def test_counters_never_go_back(kills: list[Ended]) -> None:
    """What a person has read off is there at once after the start, and only grows from there."""
    for killed in kills:
        assert killed.before.counters["samples", AXES[0]] > 0
        for key, seen in killed.before.counters.items():
            assert killed.counters_at_start[key] >= seen, key
            assert killed.after.counters[key] >= killed.counters_at_start[key], key
    assert kills[-1].after.counters[STARTS] == N_KILLS + 1


def test_alarms_and_acknowledgements_survive(kills: list[Ended]) -> None:
    """Every step that was shown is there, word for word; the acknowledgement with name and comment."""
    for killed in kills:
        assert killed.before.steps.items() <= killed.after.steps.items()
        told = [step for step in killed.after.steps.values() if step.what == "acknowledged"]
        assert [(step.acknowledged_by, step.comment) for step in told] == [("admin", COMMENT)]


def test_kill_costs_at_most_the_last_second_of_telemetry(kills: list[Ended]) -> None:
    """Every window that was shown earlier than that is in the trend."""
    for killed in kills:
        old_enough = [
            key for key, seen_s in killed.before.windows.items() if killed.end_s - seen_s >= COMMIT_WITHIN_S
        ]
        assert len(old_enough) >= len(AXES), "the witness saw too little to say anything"
        stored = {axis: set(points(killed.trends[axis]).values()) for axis in AXES}
        assert [key for key in old_enough if key[0] in AXES and key[1] not in stored[key[0]]] == []


def test_every_kill_is_a_gap(kills: list[Ended]) -> None:
    """The ledger has each, with its cause and around the moment of the kill, and no more of them."""
    for channel_id in (*AXES, SPEED):
        gaps = [
            (gap["start_ms"], gap["end_ms"])
            for gap in kills[-1].trends[channel_id]["gaps"]
            if gap["cause"] == GapCause.POWER_OFF
        ]
        assert len(gaps) == N_KILLS, channel_id
        for killed, (start_ms, end_ms) in zip(kills, gaps, strict=True):
            assert start_ms <= killed.end_ms <= end_ms


def test_trend_breaks_at_a_gap(kills: list[Ended]) -> None:
    """Nothing is interpolated: no point lies inside, and a null stands between the points around it."""
    trend = kills[-1].trends[AXES[0]]
    for gap in trend["gaps"]:
        inside = [
            ms for ms in points(trend) if gap["start_ms"] + ROUNDING_MS < ms < gap["end_ms"] - ROUNDING_MS
        ]
        assert inside == [], gap
    drawn = list(zip(trend["times_ms"], trend["values"], strict=True))
    for (one_ms, one), (next_ms, next_) in pairwise(drawn):
        parted = [gap for gap in trend["gaps"] if one_ms <= gap["start_ms"] and gap["end_ms"] <= next_ms]
        assert not parted or one is None or next_ is None


def test_stop_on_request_is_prompt(stopped: Ended, stop_s: list[float]) -> None:
    """SIGTERM: exit code 0 and no process left (asserted where it is stopped), within seconds."""
    assert stop_s[0] < STOP_WITHIN_S


def test_stop_on_request_loses_nothing(stopped: Ended) -> None:
    """Every window that was ever shown is in the trend; counters and alarms are as they were."""
    assert stopped.integrity == "ok"
    stored = {axis: set(points(stopped.trends[axis]).values()) for axis in AXES}
    shown = [key for key in stopped.before.windows if key[0] in AXES]
    assert shown
    assert [key for key in shown if key[1] not in stored[key[0]]] == []
    assert all(stopped.counters_at_start[key] >= seen for key, seen in stopped.before.counters.items())
    assert stopped.before.steps.items() <= stopped.after.steps.items()
