"""A change of limits from the centre, whose author did not see what happened on the box meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.clock import ReplayClock
from appliance.limit_versions import LimitChangeError
from appliance.limit_wish import LimitWish
from tests.appliance.house import House, house
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_limits import change, learned, of

BOB = "bob (centre)"


@pytest.fixture
def folder(one_learned: tuple[Path, int], tmp_path: Path) -> Path:
    """A copy of a journal in which healthy running has been learned."""
    shutil.copytree(one_learned[0], tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def clock(one_learned: tuple[Path, int]) -> ReplayClock:
    set_clock = ReplayClock(START_NS)
    set_clock.set(one_learned[1])
    return set_clock


def wish(one: House, seen: int, action: str = "raise", factor: float | None = 1.5) -> LimitWish:
    limit = one.station.limits("motor-1").limits[0]
    return LimitWish(
        action=action,  # type: ignore[arg-type]
        reason="seen in the control room",
        seen_revision=seen,
        channel_id=limit.channel_id,
        operating_state=limit.operating_state,
        factor=factor,
    )


async def test_what_was_seen_as_it_is_is_carried_out(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        learned(one)
        plan = await one.limit_desk.merge("motor-1", wish(one, one.limit_desk.revision("motor-1")), BOB)
        assert (plan.conflict, [v.actor for v in plan.versions]) == (False, [BOB])
        (limit,) = one.station.limits("motor-1").limits
        assert (limit.percent, limit.actor) == (150.0, BOB)


async def test_the_higher_one_is_kept_and_one_undo_brings_it_into_service(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        seen = one.limit_desk.revision("motor-1")
        await change(one, "raise", "coupling renewed", **of(limit), percent=120.0)
        plan = await one.limit_desk.merge("motor-1", wish(one, seen), BOB)
        assert plan.conflict
        assert "limit 120 %, not 150 %" in plan.text
    async with house(folder, clock) as two:  # durable
        (limit,) = two.station.limits("motor-1").limits
        assert (limit.percent, limit.actor) == (120.0, "anna")
        told = [(v.version, v.action, v.actor) for v in await two.station.limit_history("motor-1", 10)]
        assert told[:2] == [(4, "restored", "anna"), (3, "raised", BOB)]
        two.start()
        view = await change(two, "undo", "the control room was right", **of(limit))
        assert (view.limits[0].percent, view.limits[0].version) == (150.0, 5)


async def test_a_lock_of_the_centre_is_held_against_what_was_raised_here(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        seen = one.limit_desk.revision("motor-1")
        await change(one, "raise", "coupling renewed", **of(limit), percent=200.0)
        await change(one, "raise", "a little more", **of(limit), percent=250.0)
        plan = await one.limit_desk.merge("motor-1", wish(one, seen, "lock", None), BOB)
        assert plan.conflict
        (limit,) = one.station.limits("motor-1").limits
        assert (limit.percent, limit.locked, limit.actor) == (100.0, True, BOB)
        view = await change(one, "undo", "no, higher", **of(limit))
        assert (view.limits[0].percent, view.limits[0].locked) == (250.0, False)


async def test_the_same_change_on_both_sides_is_one(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        seen = one.limit_desk.revision("motor-1")
        await change(one, "lock", "as agreed", **of(limit))
        plan = await one.limit_desk.merge("motor-1", wish(one, seen, "lock", None), BOB)
        assert (plan.versions, plan.conflict) == ((), False)
        assert one.limit_desk.revision("motor-1") == seen + 1


@pytest.mark.parametrize("action", ["learn anew", "undo", "restore"])
async def test_what_cannot_be_merged_is_refused_and_changes_nothing(
    folder: Path, clock: ReplayClock, action: str
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        seen = one.limit_desk.revision("motor-1")
        await change(one, "lock", "as agreed", **of(limit))
        with pytest.raises(LimitChangeError, match="is not merged"):
            await one.limit_desk.merge("motor-1", wish(one, seen, action, None), BOB)
        with pytest.raises(LimitChangeError, match="does not have"):
            await one.limit_desk.merge("motor-1", wish(one, seen + 7), BOB)
        assert one.limit_desk.revision("motor-1") == seen + 1
