"""Learned limits in a person's hands: locked, raised, undone, learned anew, over restarts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.clock import ReplayClock
from appliance.errors import Rejected
from appliance.journal.record import CommitResult, NewRecord, Record, RecordKind
from dsp.samples import SampleBlock
from tests.appliance.conftest import LEARNS_S
from tests.appliance.house import House, hanging_disk, house, running, until
from tests.appliance.journal.builders import QUICK, START_NS
from tests.appliance.test_pipeline import feed_all
from web.limit_schemas import LimitActionName, LimitChange, LimitsView, LimitView
from web.station_view import LimitRefusedError, UnknownIdError

CHANNEL = "motor-1.x"


@pytest.fixture
def folder(one_learned: tuple[Path, int], tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(one_learned[0], tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def clock(one_learned: tuple[Path, int]) -> ReplayClock:
    set_clock = ReplayClock(START_NS)
    set_clock.set(one_learned[1])
    return set_clock


def learned(one: House) -> LimitView:
    """The one limit, in service."""
    one.start()
    (limit,) = one.station.limits("motor-1").limits
    assert limit.in_service
    return limit


async def change(one: House, action: LimitActionName, reason: str = "because", **more: object) -> LimitsView:
    seen = one.station.limits("motor-1").revision
    scope = {"channel_id": None, "operating_state": None}
    said = {"action": action, "reason": reason, "seen_revision": seen, **scope, **more}
    wish = LimitChange.model_validate(said)
    return await one.station.change_limits("motor-1", wish, "anna")


def of(limit: LimitView) -> dict[str, object]:
    return {"channel_id": limit.channel_id, "operating_state": limit.operating_state}


async def scores(one: House, seconds: float, seed: int) -> list[float]:
    """Scores of further running, as they are published."""
    found: list[float] = []
    take = one.station.take_findings

    def listen(asset_id: str, findings: object) -> None:
        found.extend(score.value for score in findings.scores)  # type: ignore[attr-defined]
        take(asset_id, findings)  # type: ignore[arg-type]

    one.station.take_findings = listen  # type: ignore[method-assign]
    await feed_all(one, running(seconds, seed))
    one.station.take_findings = take  # type: ignore[method-assign]
    return found


async def test_what_is_learned_is_a_version_with_its_data(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        assert (limit.version, limit.action, limit.actor) == (1, "learned", "appliance")
        assert limit.percent == 100.0
        assert limit.provisional
        assert limit.durable
        assert limit.rests_on_h * 3600.0 >= 40.0
        (version,) = await one.station.limit_history("motor-1", 10)
        assert "of running" in version.reason
        assert version.newest
        assert version.learned


async def test_what_is_learned_while_the_history_is_read_does_not_break_it(
    folder: Path, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(folder, clock) as one:
        newest = one.limit_desk._assets["motor-1"].newest
        (key,) = newest
        read = one.journal.history

        async def meanwhile(kind: RecordKind, subject: str, limit: int) -> list[Record]:
            found = await read(kind, subject, limit)
            newest[replace(key, operating_state="just learned")] = newest[key]
            return found

        monkeypatch.setattr(one.journal, "history", meanwhile)
        assert [version.version for version in await one.station.limit_history("motor-1", 10)] == [1]
        assert len(newest) == 2


async def test_a_raised_limit_holds_at_once_and_after_a_restart(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        before = await scores(one, 20.0, 5)
        await change(one, "raise", "coupling renewed, runs a little rougher", **of(limit), percent=200.0)
        (raised,) = one.station.limits("motor-1").limits
        assert (raised.percent, raised.pinned, raised.actor) == (200.0, True, "anna")
        after = await scores(one, 20.0, 6)
        assert np.median(after) == pytest.approx(np.median(before) / 2.0, rel=0.2)
    async with house(folder, clock) as two:
        (again,) = two.station.limits("motor-1").limits
        assert (again.percent, again.version, again.reason) == (
            200.0,
            2,
            "coupling renewed, runs a little rougher",
        )
        two.start()
        assert np.median(await scores(two, 20.0, 7)) == pytest.approx(np.median(before) / 2.0, rel=0.2)


async def test_one_step_undoes_a_raise_and_undoing_that_raises_again(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        await change(one, "raise", **of(limit), percent=150.0)
        view = await change(one, "undo", "was too much", **of(limit))
        assert (view.limits[0].percent, view.limits[0].version) == (100.0, 3)
        assert not view.limits[0].pinned
        assert (await change(one, "undo", **of(limit))).limits[0].percent == 150.0
        told = [(v.version, v.action, v.of_version) for v in await one.station.limit_history("motor-1", 10)]
        assert told == [(4, "undone", 3), (3, "undone", 2), (2, "raised", None), (1, "learned", None)]


async def test_learning_anew_is_undone_with_all_that_was_known(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        known = one.analysis.limits.content(one.limit_desk.standing("motor-1")[0].facts.key)
        await change(one, "learn anew", "bearing replaced")
        assert not any(view.in_service for view in one.station.limits("motor-1").limits)
        assert await scores(one, 5.0, 8) == []
        assert one.station.machines()[0].learning.states_learned == 0
    async with house(folder, clock) as two:
        two.start()
        assert await scores(two, 5.0, 9) == []  # a restart does not bring the old limit back
        view = await change(two, "undo", "it was another pump")
        (back,) = view.limits
        assert back.in_service
        assert (back.version, back.action, back.operating_state) == (3, "undone", limit.operating_state)
        content = two.analysis.limits.content(two.limit_desk.standing("motor-1")[0].facts.key)
        assert content["detector"][0]["baseline"] == known["detector"][0]["baseline"]
        assert content["lines"] == known["lines"]
        assert len(await scores(two, 5.0, 10)) > 3
    async with house(folder, clock) as three:
        assert three.station.limits("motor-1").limits[0].in_service


async def test_a_state_that_is_not_met_again_can_be_restored_too(folder: Path, clock: ReplayClock) -> None:
    """After learning anew, and before the machine ever came back to it: also after a restart."""
    async with house(folder, clock) as one:
        limit = learned(one)
        view = await change(one, "learn anew", "bearing replaced")
        (forgotten,) = view.limits
        assert (forgotten.operating_state, forgotten.in_service) == (limit.operating_state, False)
        assert forgotten.needed_h > 0.0
        assert (view.learning.states_learned, view.learning.states_seen) == (0, 1)
    async with house(folder, clock) as two:
        two.start()
        (waiting,) = two.station.limits("motor-1").limits
        assert not waiting.in_service
        assert (await change(two, "undo", "it was another pump")).limits[0].in_service


async def test_an_old_version_can_be_restored_after_it_was_learned_anew(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        await change(one, "learn anew", "bearing replaced")
        await feed_all(one, running(LEARNS_S, 11))
        (fresh,) = one.station.limits("motor-1").limits
        assert (fresh.version, fresh.action) == (3, "learned")
        history = await one.station.limit_history("motor-1", 10)
        with pytest.raises(LimitRefusedError, match="was learned, nobody changed it"):
            await change(one, "undo", **of(limit))
        await change(one, "restore", "the old bearing is back", **of(limit), version=1)
        newest = (await one.station.limit_history("motor-1", 10))[0]
        assert (newest.version, newest.action, newest.of_version) == (4, "restored", 1)
        assert newest.baseline == history[-1].baseline != history[0].baseline
        with pytest.raises(LimitRefusedError, match="had nothing learned"):
            await change(one, "restore", **of(limit), version=2)
        with pytest.raises(LimitRefusedError, match="not in the journal"):
            await change(one, "restore", **of(limit), version=99)


async def test_a_locked_limit_is_not_learned_anew_until_it_is_unlocked(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        assert (await change(one, "lock", "accepted with the maker")).limits[0].locked
        with pytest.raises(LimitRefusedError, match="is locked") as refused:
            await change(one, "learn anew", "bearing replaced")
        assert "Unlock it first" in refused.value.remedy
        assert one.station.limits("motor-1").limits[0].in_service
        with pytest.raises(LimitRefusedError, match="locked already"):
            await change(one, "lock", **of(limit))
        # a person may still raise it, and it stays locked
        raised = (await change(one, "raise", **of(limit), percent=120.0)).limits[0]
        assert (raised.locked, raised.percent) == (True, 120.0)
        unlocked = (await change(one, "unlock")).limits[0]
        assert (unlocked.locked, unlocked.pinned, unlocked.percent) == (False, True, 120.0)
        await change(one, "learn anew", "bearing replaced")


async def test_what_cannot_be_done_says_why(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(10.0))
        (limit,) = one.station.limits("motor-1").limits
        with pytest.raises(LimitRefusedError, match="still being learned") as refused:
            await change(one, "raise", **of(limit), percent=120.0)
        assert refused.value.remedy == "Wait until it is learned."
        with pytest.raises(LimitRefusedError, match="one limit at a time"):
            await change(one, "raise", percent=120.0)
        with pytest.raises(UnknownIdError, match="nowhere"):
            await change(one, "lock", channel_id="nowhere")
        with pytest.raises(UnknownIdError, match="no machine"):
            one.station.limits("motor-9")
        await feed_all(one, running(LEARNS_S, 12))
        with pytest.raises(LimitRefusedError, match="would not raise it"):
            await change(one, "raise", **of(limit), percent=100.0)
        with pytest.raises(LimitRefusedError, match="more than 300 %"):
            await change(one, "raise", **of(limit), percent=301.0)
        stale = LimitChange(
            action="lock", channel_id=None, operating_state=None, reason="seen it", seen_revision=0
        )
        with pytest.raises(LimitRefusedError, match="changed since you looked"):
            await one.station.change_limits("motor-1", stale, "anna")
        assert len(await one.station.limit_history("motor-1", 10)) == 1


async def test_what_was_half_learned_is_given_up_too(tmp_path: Path) -> None:
    """Commissioning went wrong (a loose sensor): begin again, without a version that could be restored."""
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(20.0))
        await change(one, "learn anew", "the magnet was loose")
        await feed_all(one, running(10.0, 13))
        (limit,) = one.station.limits("motor-1").limits
        assert limit.learned_h * 3600.0 < 15.0
        with pytest.raises(LimitRefusedError, match="not there"):
            await change(one, "undo", **of(limit))


async def test_what_the_journal_refuses_is_not_done_at_all(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        commit = one.journal.commit

        async def refuse(records: Sequence[NewRecord]) -> CommitResult:
            raise Rejected("payload of 2000000 bytes exceeds 1048576")

        one.journal.commit = refuse  # type: ignore[method-assign]
        for action, more in (("learn anew", {}), ("raise", {"percent": 150.0})):
            with pytest.raises(LimitRefusedError, match="nothing was changed: payload of 2000000"):
                await change(one, action, **of(limit), **more)  # type: ignore[arg-type]
        one.journal.commit = commit  # type: ignore[method-assign]
        (still,) = one.station.limits("motor-1").limits
        assert (still.in_service, still.version, still.percent) == (True, 1, 100.0)
        assert len(await scores(one, 4.0, 15)) > 2


async def test_a_broken_disk_does_not_stop_a_person_and_says_so(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock, timing=QUICK) as one:
        limit = learned(one)
        with hanging_disk(one.journal):
            (held,) = (await change(one, "raise", **of(limit), percent=150.0)).limits
            assert (held.percent, held.durable) == (150.0, False)
        await until(lambda: one.journal.latest(RecordKind.LIMIT_VERSION)[0].payload.find(b"raised") > 0)
        history = await one.station.limit_history("motor-1", 10)
        assert [(v.version, v.sequence > 0) for v in history] == [(2, True), (1, True)]
        assert one.station.limits("motor-1").limits[0].durable


async def test_an_alarm_says_by_which_limit(folder: Path, clock: ReplayClock) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        await change(one, "raise", **of(limit), percent=101.0)
        rough = [
            replace(item, samples=item.samples * np.float32(12.0))
            if isinstance(item, SampleBlock) and item.sample_rate_hz > 0
            else item
            for batch in running(12.0, 16)
            for item in batch
        ]
        await feed_all(one, [rough])
        (alarm,) = [a for a in await one.station.alarms(False, 10) if a.rule == "machine condition"]
        assert "x the limit that a person set at 101 %" in alarm.text


async def test_versions_are_of_class_limit_and_the_newest_state_is_with_them(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        await change(one, "learn anew", "bearing replaced")
        (version,) = one.journal.latest(RecordKind.LIMIT_VERSION)
        (state,) = one.journal.latest(RecordKind.LEARNED_LIMIT)
        assert version.record_class == state.record_class == "limit"
        assert version.subject == f"{limit.channel_id}/{limit.operating_state}"
        assert b'"learned":[]' in state.payload


async def test_the_trend_shows_what_was_learned_and_when_it_was_changed(
    folder: Path, clock: ReplayClock
) -> None:
    async with house(folder, clock) as one:
        limit = learned(one)
        await feed_all(one, running(4.0, 14))
        trend = await one.station.trend(CHANNEL, "velocity_rms_mm_s", None, None, 500)
        (level,) = trend.limits
        assert level.present
        values = [value for value in trend.values if value is not None]
        assert level.usual == pytest.approx(np.median(values), rel=0.1)
        assert level.limit > 1.5 * level.usual
        await change(one, "raise", **of(limit), percent=200.0)
        again = await one.station.trend(CHANNEL, "velocity_rms_mm_s", None, None, 500)
        # twice as many spreads in dB: the level's ratio squared
        assert again.limits[0].limit / level.usual == pytest.approx(
            (level.limit / level.usual) ** 2, rel=0.01
        )
        assert [mark.text for mark in again.limit_marks] == ["limit learned", "limit raised to 200 % by anna"]
        score = await one.station.trend(CHANNEL, "score", None, None, 500)
        assert score.limit == 1.0
        assert score.limits == []
