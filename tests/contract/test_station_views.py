"""What every StationView promises: the appliance's own, and the one that pages are built against."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.alarms.lifecycle import AlarmTransition, Condition, Severity, clear, raise_alarm
from tests.appliance.house import House, house, running, until
from tests.appliance.test_pipeline import feed_all
from tests.fakes.fake_station import FakeStation
from web.limit_schemas import LimitChange
from web.schemas import AlarmTransitionView, AlarmView
from web.station_view import (
    LimitRefusedError,
    LiveUpdate,
    StaleAcknowledgementError,
    StationView,
    UnknownIdError,
)

KINDS = ("appliance", "fake")
PATIENCE_S = 60.0
LATEST = ["machines", "machine", "appliance"]


@dataclass(frozen=True)
class Stage:
    """A view, and what makes something happen behind it."""

    view: StationView
    channel_id: str
    feature: str
    rouse: Callable[[], Awaitable[str]]  # the alarm becomes active (again); its id
    calm: Callable[[], Awaitable[None]]  # its condition is gone


@contextlib.asynccontextmanager
async def of_the_appliance(folder: Path) -> AsyncIterator[Stage]:
    async with house(folder) as one:
        one.start()
        await feed_all(one, running(4.0))
        async with asyncio.timeout(PATIENCE_S):  # the group commit of what was measured
            while not (await one.journal.features("motor-1.x", "rms_mps2", 0, 1 << 62))[0].size:
                await asyncio.sleep(0.01)

        async def rouse() -> str:
            condition = Condition("motor-1.machine-condition", "motor-1", "motor-1.x", "machine condition",
                                  Severity.WARN, "outer race")  # fmt: skip
            known = one.desk.get(condition.alarm_id)
            before = None if known is None else known.transition.alarm
            await published(one, raise_alarm(before, condition, one.clock.monotonic_ns()))
            return condition.alarm_id

        async def calm() -> None:
            stored = one.desk.get("motor-1.machine-condition")
            assert stored is not None
            await published(one, clear(stored.transition.alarm, one.clock.monotonic_ns()))

        yield Stage(one.station, "motor-1.x", "rms_mps2", rouse, calm)


async def published(one: House, transition: AlarmTransition) -> None:
    (stored,) = await one.desk.publish([transition])
    one.analysis.restore({}, [transition.alarm])
    await until(lambda: one.desk._told_sequence >= stored.sequence)  # what is over is no news to a new page


@contextlib.asynccontextmanager
async def of_the_fake(folder: Path) -> AsyncIterator[Stage]:
    station = FakeStation()
    machine = next(iter(station._machines.values()))

    def known() -> AlarmView | None:
        return station._alarms.get(f"{machine.asset_id}.machine-condition")

    async def rouse() -> str:
        before = known()
        alarm = station.new_alarm(machine, "warn", 1 if before is None else before.activation + 1)
        await station.transit("raised" if before is None else "re-raised", "appliance", alarm)
        return alarm.alarm_id

    async def calm() -> None:
        before = known()
        assert before is not None
        acknowledged = before.state == "active, acknowledged"
        state = "normal" if acknowledged else "cleared, unacknowledged"
        await station.transit(
            "closed" if acknowledged else "cleared", "appliance", before.model_copy(update={"state": state})
        )

    yield Stage(station, machine.channel_ids[-1], "velocity_rms_mm_s", rouse, calm)


STAGES = {"appliance": of_the_appliance, "fake": of_the_fake}


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with STAGES[request.param](tmp_path) as one:
        yield one


async def some(
    view: StationView, after: int | None, enough: Callable[[list[LiveUpdate]], bool]
) -> list[LiveUpdate]:
    """What a page sees until it has seen enough; then it is closed."""
    seen: list[LiveUpdate] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(view.updates(after)) as updates:  # type: ignore[type-var]
        async for update in updates:
            seen.append(update)
            if enough(seen):
                return seen
    raise AssertionError("the stream ended")


def steps(seen: list[LiveUpdate]) -> list[tuple[int | None, str]]:
    return [(one.sequence, one.data.what) for one in seen if isinstance(one.data, AlarmTransitionView)]


async def test_a_machine_s_page_and_its_line_in_the_list_agree(stage: Stage) -> None:
    listed = stage.view.machines()
    assert listed
    for summary in listed:
        detail = stage.view.machine(summary.asset_id)
        assert (detail.summary.asset_id, detail.summary.name) == (summary.asset_id, summary.name)
        assert detail.channels
        ids = [channel.channel_id for channel in detail.channels]
        assert len(set(ids)) == len(ids)


async def test_unknown_ids_are_told_with_what_there_is(stage: Stage) -> None:
    view, channel = stage.view, stage.channel_id
    with pytest.raises(UnknownIdError, match="no-such-thing") as caught:
        view.machine("no-such-thing")
    assert caught.value.known == [one.asset_id for one in view.machines()]
    with pytest.raises(UnknownIdError, match="no-such-thing") as caught:
        view.spectrum("no-such-thing", "envelope")
    assert channel in caught.value.known
    with pytest.raises(UnknownIdError, match="no-such-thing") as caught:
        await view.trend("no-such-thing", stage.feature, None, None, 10)
    assert channel in caught.value.known
    with pytest.raises(UnknownIdError, match="no-such-thing") as caught:
        await view.trend(channel, "no-such-thing", None, None, 10)
    assert stage.feature in caught.value.known
    alarm_id = await stage.rouse()
    for asked in (view.alarm_history("no-such-thing"), view.acknowledge("no-such-thing", 1, "eva", "")):
        with pytest.raises(UnknownIdError, match="no-such-thing") as caught:
            await asked
        assert caught.value.known == [alarm_id]
    with pytest.raises(UnknownIdError, match="no-such-thing"):
        await view.dead_letters("no-such-thing", 0, 10)
    with pytest.raises(UnknownIdError, match="no-such-thing"):
        await view.redrive("no-such-thing", None, "eva")
    asset = view.machines()[0].asset_id
    lock = LimitChange(
        action="lock", channel_id="no-such-thing", operating_state=None, reason="why", seen_revision=0
    )
    with pytest.raises(UnknownIdError, match="no-such-thing"):
        view.limits("no-such-thing")
    for refused in (view.limit_history("no-such-thing", 10), view.change_limits(asset, lock, "eva")):
        with pytest.raises(UnknownIdError, match="no-such-thing"):
            await refused


async def test_a_change_of_limits_needs_fresh_eyes_and_is_in_the_history(stage: Stage) -> None:
    asset = next(m.asset_id for m in stage.view.machines() if stage.channel_id.startswith(f"{m.asset_id}."))
    before = stage.view.limits(asset)
    limit = next(limit for limit in before.limits if limit.channel_id == stage.channel_id)
    wish = LimitChange(
        action="learn anew", channel_id=limit.channel_id, operating_state=limit.operating_state,
        reason="bearing replaced", seen_revision=before.revision,
    )  # fmt: skip
    after = await stage.view.change_limits(asset, wish, "eva")
    assert after.revision > before.revision
    newest = (await stage.view.limit_history(asset, 10))[0]
    assert (newest.action, newest.actor, newest.reason) == ("learn anew", "eva", "bearing replaced")
    with pytest.raises(LimitRefusedError) as stale:
        await stage.view.change_limits(asset, wish, "eva")
    assert stale.value.remedy
    assert stage.view.limits(asset).revision == after.revision


async def test_a_trend_is_bounded_ordered_and_within_what_was_asked(stage: Stage) -> None:
    whole = await stage.view.trend(stage.channel_id, stage.feature, None, None, 100)
    assert (whole.channel_id, whole.feature) == (stage.channel_id, stage.feature)
    assert len(whole.times_ms) == len(whole.values) <= 2 * 100
    assert whole.times_ms == sorted(whole.times_ms)
    assert whole.unit
    if whole.times_ms:
        from_ms = whole.times_ms[len(whole.times_ms) // 2]
        late = await stage.view.trend(stage.channel_id, stage.feature, from_ms, None, 100)
        assert all(time_ms >= from_ms for time_ms in late.times_ms)
    nothing = await stage.view.trend(stage.channel_id, stage.feature, 0.0, 1.0, 100)
    assert nothing.times_ms == nothing.values == []


async def test_a_spectrum_is_none_or_whole(stage: Stage) -> None:
    for kind in ("amplitude", "envelope"):
        spectrum = stage.view.spectrum(stage.channel_id, kind)  # type: ignore[arg-type]
        if spectrum is not None:
            assert (spectrum.channel_id, spectrum.kind) == (stage.channel_id, kind)
            assert spectrum.values
            assert spectrum.step_hz > 0


async def test_alarms_show_what_stands_newest_first_and_closed_ones_on_demand(stage: Stage) -> None:
    view = stage.view
    assert await view.alarms(include_closed=True, limit=10) == []
    alarm_id = await stage.rouse()
    (standing,) = await view.alarms(include_closed=False, limit=10)
    assert (standing.alarm_id, standing.activation, standing.state) == (alarm_id, 1, "active, unacknowledged")
    assert sum(machine.active_alarms for machine in view.machines()) == 1
    await view.acknowledge(alarm_id, 1, "eva", "seen")
    await stage.calm()
    assert await view.alarms(include_closed=False, limit=10) == []
    (closed,) = await view.alarms(include_closed=True, limit=10)
    assert closed.state == "normal"
    assert await view.alarms(include_closed=True, limit=0) == []


async def test_an_acknowledgement_names_the_activation_that_it_saw(stage: Stage) -> None:
    view, alarm_id = stage.view, await stage.rouse()
    for wrong in (0, 2):
        with pytest.raises(StaleAcknowledgementError, match=alarm_id):
            await view.acknowledge(alarm_id, wrong, "eva", "")
    taken = await view.acknowledge(alarm_id, 1, "eva", "I go and look")
    assert (taken.state, taken.acknowledged_by, taken.comment) == (
        "active, acknowledged",
        "eva",
        "I go and look",
    )
    assert taken.acknowledged_ms is not None
    with pytest.raises(StaleAcknowledgementError):
        await view.acknowledge(alarm_id, 1, "max", "me too")
    history = await view.alarm_history(alarm_id)
    assert [(step.what, step.actor) for step in history] == [("raised", "appliance"), ("acknowledged", "eva")]
    assert [step.sequence for step in history] == sorted({step.sequence for step in history})
    await stage.calm()
    await stage.rouse()
    with pytest.raises(StaleAcknowledgementError):  # of a life that is over
        await view.acknowledge(alarm_id, 1, "eva", "")
    assert (await view.acknowledge(alarm_id, 2, "eva", "")).activation == 2


async def test_a_shelved_alarm_says_by_whom_and_until_when(stage: Stage) -> None:
    view, alarm_id = stage.view, await stage.rouse()
    with pytest.raises(StaleAcknowledgementError, match=alarm_id):
        await view.shelve(alarm_id, 2, "eva", 8.0, "")
    shelved = await view.shelve(alarm_id, 1, "eva", 8.0, "spare comes on Monday")
    assert shelved.shelved is not None
    assert (shelved.shelved.actor, shelved.shelved.origin) == ("eva", "box")
    assert shelved.shelved.reason == "spare comes on Monday"
    assert shelved.shelved_until_ms == pytest.approx(shelved.shelved.time_ms + 8 * 3.6e6)
    assert shelved.state == "active, unacknowledged"
    again = await view.shelve(alarm_id, 1, "max", 0.0, "")
    assert (again.shelved, again.shelved_until_ms) == (None, None)
    assert [step.what for step in await view.alarm_history(alarm_id)] == ["raised", "shelved", "unshelved"]
    await view.acknowledge(alarm_id, 1, "eva", "")
    await stage.calm()
    with pytest.raises(StaleAcknowledgementError):
        await view.shelve(alarm_id, 1, "eva", 8.0, "")


async def test_a_page_sees_the_latest_states_first_and_every_step_from_then_on(stage: Stage) -> None:
    await stage.rouse()
    opened = asyncio.Event()

    def enough(seen: list[LiveUpdate]) -> bool:
        if {one.event for one in seen} >= set(LATEST):
            opened.set()
        return len(steps(seen)) == 2

    page = asyncio.create_task(some(stage.view, None, enough))
    async with asyncio.timeout(PATIENCE_S):
        await opened.wait()
    await stage.calm()
    await stage.rouse()
    seen = await page
    assert list(dict.fromkeys(one.event for one in seen))[:3] == LATEST
    assert [what for _, what in steps(seen)] == ["cleared", "re-raised"], "from now on means no past"
    latest = [one for one in seen if one.event in LATEST]
    assert all(one.sequence is None for one in latest)


async def test_a_page_that_was_away_misses_nothing_and_gets_nothing_twice(stage: Stage) -> None:
    alarm_id = await stage.rouse()
    await stage.calm()
    await stage.rouse()
    everything = [(step.sequence, step.what) for step in await stage.view.alarm_history(alarm_id)]
    assert [what for _, what in everything] == ["raised", "cleared", "re-raised"]
    for missed in range(4):
        after = everything[2 - missed][0] if missed < 3 else 0
        seen = await some(stage.view, after, lambda seen: {one.event for one in seen} >= set(LATEST))
        assert steps(seen) == everything[3 - missed :]
    # A sequence that was never given is of another journal: all is news.
    seen = await some(stage.view, 5_000, lambda seen: {one.event for one in seen} >= set(LATEST))
    assert steps(seen) == everything


async def test_two_pages_are_told_the_same_and_one_that_leaves_disturbs_no_other(stage: Stage) -> None:
    def two(seen: list[LiveUpdate]) -> bool:
        return len(steps(seen)) == 2

    pages = [asyncio.create_task(some(stage.view, 0, two)) for _ in range(2)]
    leaving = asyncio.create_task(some(stage.view, 0, lambda seen: bool(steps(seen))))
    await stage.rouse()
    await leaving
    await stage.calm()
    one, other = await asyncio.gather(*pages)
    assert steps(one) == steps(other)
    assert [what for _, what in steps(one)] == ["raised", "cleared"]


async def test_the_appliance_s_own_pages_state_themselves(stage: Stage) -> None:
    appliance = stage.view.appliance()
    assert appliance.name
    assert appliance.version
    assert {one.record_class for one in appliance.backlog} >= {"alarm", "counter", "limit", "telemetry"}
    tallies = appliance.dead_letters
    page = await stage.view.dead_letters(None, 0, 100)
    assert page.total == sum(one.refused for one in tallies) == len(page.letters)
    for tally in tallies:
        assert await stage.view.redrive(tally.destination, None, "eva") == tally.refused
        assert await stage.view.redrive(tally.destination, None, "eva") == 0, "once more changes nothing"
