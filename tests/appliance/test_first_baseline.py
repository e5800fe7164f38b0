"""The first baseline of drift, given up by a person: an act of its own, with a reason, versioned, undone."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.journal.record import RecordKind
from appliance.limit_versions import FIRST_BASELINE
from dsp.samples import SampleBlock
from models.errors import ModelStateError
from tests.appliance.house import House, house, running
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_analysis_watch import Box
from tests.appliance.test_limits import CHANNEL, change
from tests.appliance.test_pipeline import feed_all
from web.limit_schemas import LimitView
from web.station_view import LimitRefusedError


@pytest.fixture(scope="module")
def one_scored(one_learned: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A journal of a machine that was learned, and scored for a while since."""
    folder = tmp_path_factory.mktemp("scored") / "state"
    shutil.copytree(one_learned[0], folder)
    learned = ReplayClock(START_NS)
    learned.set(one_learned[1])

    async def score() -> int:
        async with house(folder, learned) as one:
            one.start()
            await feed_all(one, running(20.0, 9))
            return one.clock.monotonic_ns()

    return folder, asyncio.run(score())


@pytest.fixture
def folder(one_scored: tuple[Path, int], tmp_path: Path) -> Path:
    shutil.copytree(one_scored[0], tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def clock(one_scored: tuple[Path, int]) -> ReplayClock:
    set_clock = ReplayClock(START_NS)
    set_clock.set(one_scored[1])
    return set_clock


async def scored(one: House, seed: int) -> LimitView:
    """The channel's first baseline, after a few more windows were scored."""
    one.start()
    await feed_all(one, running(6.0, seed))
    (first,) = one.station.limits("motor-1").first_baselines
    return first


def name_of(one: House) -> str:
    (first,) = one.limit_desk.first_baselines("motor-1")
    return first.facts.baseline


async def test_it_is_shown_and_given_up_with_who_when_and_why(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        first = await scored(one, 4)
        assert (first.kind, first.operating_state, first.channel_id) == ("drift", FIRST_BASELINE, CHANNEL)
        assert (first.version, first.action) == (0, "")
        assert first.needed_h == 14 * 24.0
        before, limit = name_of(one), one.station.limits("motor-1").limits[0]
        view = await change(one, "new first baseline", "new foundation, accepted")
        (begun,) = view.first_baselines
        assert (begun.version, begun.in_service, begun.learned_h, begun.needed_h) == (2, False, 0.0, 336.0)
        told = [
            (v.version, v.action, v.actor, v.reason) for v in await one.station.limit_history("motor-1", 10)
        ]
        assert told[0] == (2, "new first baseline", "anna", "new foundation, accepted")
        assert told[1][:3] == (1, "learned", "appliance")
        newest = {r.subject: orjson.loads(r.payload) for r in one.journal.latest(RecordKind.LIMIT_VERSION)}
        stored = newest[f"{CHANNEL}/{FIRST_BASELINE}"]
        assert stored["content_of"] == before  # what was given up can be had again
        assert stored["content"]["first"]
        await feed_all(one, running(6.0, 5))
        assert name_of(one) != before
        (still,) = one.station.limits("motor-1").limits
        assert (still.version, still.in_service, still.percent) == (limit.version, True, 100.0)
    async with house(folder, clock) as two:
        again = await scored(two, 6)
        assert (again.version, again.actor) == (2, "anna")
        assert name_of(two) != before


async def test_undo_takes_the_old_one_into_service_again_also_after_a_restart(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        await scored(one, 4)
        before = name_of(one)
        await change(one, "new first baseline", "new foundation")
        await feed_all(one, running(6.0, 5))
    async with house(folder, clock) as two:
        first = await scored(two, 6)
        assert name_of(two) != before
        of = {"channel_id": first.channel_id, "operating_state": first.operating_state}
        (back,) = (await change(two, "undo", "it was another machine", **of)).first_baselines
        assert (back.version, back.action, back.actor) == (3, "undone", "anna")
        assert name_of(two) == before
        with pytest.raises(LimitRefusedError, match="had nothing learned"):
            await change(two, "undo", **of)
    async with house(folder, clock) as three:
        await scored(three, 7)
        assert name_of(three) == before
        await change(three, "new first baseline", "this one after all")
        await feed_all(three, running(6.0, 8))
        later = name_of(three)
        await change(three, "new first baseline", "changed once more")
        (back,) = (await change(three, "undo", "of the whole machine")).first_baselines
        assert name_of(three) == later
        history = await three.station.limit_history("motor-1", 20)
        versions = [v.version for v in history if v.operating_state == FIRST_BASELINE]
        assert versions == list(range(len(versions), 0, -1))
        await change(
            three, "restore", "the very first", channel_id=CHANNEL, operating_state=FIRST_BASELINE, version=1
        )
        assert name_of(three) == before


async def test_other_changes_of_the_whole_machine_leave_it_alone(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        await scored(one, 4)
        before = name_of(one)
        await change(one, "lock", "accepted")
        await change(one, "unlock")
        await change(one, "learn anew", "bearing replaced")
        assert name_of(one) == before
        history = await one.station.limit_history("motor-1", 20)
        assert {v.operating_state for v in history if v.action != "learned"} != {FIRST_BASELINE}
        assert not [v for v in history if v.operating_state == FIRST_BASELINE]
        with pytest.raises(LimitRefusedError, match="no limit here to lock"):
            await change(one, "lock", channel_id=CHANNEL, operating_state=FIRST_BASELINE)


async def test_a_machine_whose_alarm_stands_gives_no_first_baseline(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        await scored(one, 4)
        before = name_of(one)
        rough = [
            replace(item, samples=item.samples * np.float32(12.0))
            if isinstance(item, SampleBlock) and item.sample_rate_hz > 0
            else item
            for batch in running(12.0, 16)
            for item in batch
        ]
        await feed_all(one, [rough])
        assert [a for a in await one.station.alarms(False, 10) if a.rule == "machine condition"]
        with pytest.raises(
            LimitRefusedError, match="no first baseline begins now: its alarm stands"
        ) as refused:
            await change(one, "new first baseline", "I know better")
        assert "See to the machine first" in refused.value.remedy
        assert name_of(one) == before


async def test_without_anything_scored_there_is_nothing_to_give_up(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(10.0))
        with pytest.raises(LimitRefusedError, match="no first baseline here to give up"):
            await change(one, "new first baseline", "why not")


def test_drift_is_compared_with_the_new_first_baseline_afterwards() -> None:
    """A change that is to stay drifts until a person says so; then only what comes on top does."""
    box = Box()
    box.days(0, 10)
    box.days(10, 6, rise_db=5.0)
    assert "first" in {drift.since for drift in box.watch.drifts}
    given_up = box.watch.first_state()
    box.detector.forget("pump.x")  # learned anew: still compared with the first
    box.days(20, 6, rise_db=5.0)
    assert "first" in {drift.since for drift in box.watch.drifts}
    name = box.watch.first_baseline
    box.watch.give_up_first()
    assert box.watch.drifts == []
    assert box.watch.first_baseline is None
    box.days(30, 8, rise_db=5.0)
    assert box.watch.drifts == []
    box = box.restarted()
    assert box.watch.first_baseline is not None
    assert box.watch.first_baseline != name
    box.days(38, 6, rise_db=10.0)  # a fault that grows from then on
    assert "first" in {drift.since for drift in box.watch.drifts}
    box.watch.restore_first(given_up)
    assert "first" in {drift.since for drift in box.watch.drifts}
    for damaged in ({}, {**given_up, "first": {"1800 rpm": {"names": ["a"], "centre": []}}}):
        with pytest.raises(ModelStateError, match="first baseline cannot be read"):
            box.watch.restore_first(damaged)
