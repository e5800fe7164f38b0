"""Hours of which the centre has more than the box: the box's own records are missed all the same, and a
later loss is another incident."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordKind
from appliance.reconcile.audit import MOST_REPAIRS, Slot, SlotState
from appliance.sinks.points import encode
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.side import DEVICE, HOUR_NS, Side, ask, side, states
from tests.appliance.reconcile.test_arrival_audit import forgetful, put
from tests.appliance.sinks.way import flushed, telemetry


def tag_slot(edge: Side, hour: int = 0) -> Slot:
    return edge.store.slots((RecordKind.TAG,), 0, 1 << 62)[hour]


def lose_tags_here(folder: Path, before_ns: int) -> None:
    """As a damaged journal does."""
    with sqlite3.connect(folder / "journal" / "journal.sqlite") as connection:
        connection.execute("DELETE FROM record WHERE subject='speed' AND time_ns<?", (before_ns,))


async def tags_at(server: LocalInflux, from_ns: int, to_ns: int) -> int:
    question = f"SELECT count(value) FROM process_value WHERE time >= {from_ns} AND time < {to_ns}"
    rows = await ask(server, question)
    return int(str(rows[0]["count"])) if rows else 0


async def begun_ahead(edge: Side, folder: Path) -> None:
    """A hundred seconds of an hour that has not ended; then the box loses the first ten of its tag."""
    telemetry(edge.journal, 0, 100)
    await flushed(edge.journal, RecordKind.TAG, 100)
    edge.now_ns = START_NS + 200 * SECOND_NS
    await edge.round()
    assert states(edge) == {SlotState.CONFIRMED}
    await asyncio.to_thread(lose_tags_here, folder, START_NS + 10 * SECOND_NS)
    await edge.round()
    assert (tag_slot(edge).state, tag_slot(edge).repairs) == (SlotState.AHEAD, 0)


async def test_what_is_lost_where_the_sums_agree_by_chance_is_found(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """A steady value: as many points as the centre had too many are gone, and count and sum are the box's."""
    async with side(tmp_path, influxd) as edge:
        await begun_ahead(edge, tmp_path)
        lost_from_ns, lost_to_ns = START_NS + 50 * SECOND_NS, START_NS + 60 * SECOND_NS
        question = f"DELETE FROM process_value WHERE time >= {lost_from_ns} AND time < {lost_to_ns}"
        await ask(influxd, question)
        assert await tags_at(influxd, START_NS, START_NS + HOUR_NS) == 90
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == 10
        assert await tags_at(influxd, START_NS, START_NS + HOUR_NS) == 100
        assert tag_slot(edge).state is SlotState.AHEAD
        # What was too much goes: nothing is sent, and the hour is as any other.
        await ask(influxd, f"DELETE FROM process_value WHERE time < {START_NS + 10 * SECOND_NS}")
        await edge.round()
        assert states(edge) == {SlotState.CONFIRMED}


async def test_more_in_one_hour_does_not_hide_a_loss_in_another(tmp_path: Path, influxd: LocalInflux) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 5)
        telemetry(edge.journal, 3600, 5)
        records = await flushed(edge.journal, RecordKind.TAG, 10)
        body = encode(records[0], DEVICE, "")
        assert body is not None
        foreign = f"{body.decode().rsplit(' ', 1)[0]} {START_NS + 100 * SECOND_NS}"
        await edge.way.drained()
        await asyncio.to_thread(put, influxd, foreign)
        await edge.round()
        assert [tag_slot(edge, hour).state for hour in (0, 1)] == [SlotState.AHEAD, SlotState.CONFIRMED]
        assert tag_slot(edge, 0).day == tag_slot(edge, 1).day
        await ask(influxd, f"DELETE FROM process_value WHERE time = {START_NS + 3601 * SECOND_NS}")
        assert await tags_at(influxd, START_NS, START_NS + 2 * HOUR_NS) == 10, "as many as were sent"
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == 1
        assert await tags_at(influxd, START_NS + HOUR_NS, START_NS + 2 * HOUR_NS) == 5


async def test_each_loss_of_an_hour_that_is_ahead_is_mended(tmp_path: Path, influxd: LocalInflux) -> None:
    """Whether a round in between found all there, or the centre was away and the audit alone saw it."""
    async with side(tmp_path, influxd) as edge:
        await begun_ahead(edge, tmp_path)
        for number in range(MOST_REPAIRS + 3):
            await ask(influxd, f"DELETE FROM process_value WHERE time >= {START_NS + 70 * SECOND_NS}")
            report = await edge.round()
            assert report is not None
            assert report.figures["records_resent"] == 30, number
            assert (tag_slot(edge).state, tag_slot(edge).repairs) == (SlotState.AHEAD, 1)
            if number % 2:
                await edge.round()
            else:
                await influxd.stop()
                edge.monotonic_s += 1e6
                await edge.reconciler.look()  # the courier has nothing to send, and notices nothing
                assert "cannot be run now" in edge.reconciler.status.error
                await influxd.start()
            assert tag_slot(edge).repairs == 0
        assert not edge.told.alarms


async def test_a_centre_that_forgot_and_is_then_rolled_back_is_mended_in_an_hour_that_is_ahead(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """The first repair is thrown away, the second one holds; then the server loses it again, and the proxy
    before it kept the courier from noticing that it was away."""
    async with forgetful(influxd) as proxy, side(tmp_path, influxd, write_url=proxy.url) as edge:
        await begun_ahead(edge, tmp_path)
        loss = f"DELETE FROM process_value WHERE time >= {START_NS + 70 * SECOND_NS}"
        proxy.forgets = True
        await ask(influxd, loss)
        await edge.round()
        assert tag_slot(edge).state is SlotState.DIFFERS
        proxy.forgets = False
        await edge.round()
        assert (tag_slot(edge).state, tag_slot(edge).repairs) == (SlotState.AHEAD, 2)
        await ask(influxd, loss)
        await influxd.stop()
        edge.monotonic_s += 1e6
        await edge.reconciler.look()
        await influxd.start()
        await edge.round()
        assert await tags_at(influxd, START_NS, START_NS + HOUR_NS) == 100
        assert tag_slot(edge).state is SlotState.AHEAD
        assert not edge.told.alarms


async def test_a_repair_that_was_never_acknowledged_is_not_counted(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with forgetful(influxd) as proxy, side(tmp_path, influxd, write_url=proxy.url) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.round()
        await ask(influxd, f"DELETE FROM process_value WHERE time = {START_NS + SECOND_NS}")
        proxy.refuses = True
        for _ in range(MOST_REPAIRS + 1):
            edge.monotonic_s += 1e6
            edge.reconciler.status.full_ns = 0
            await edge.reconciler.look()
            assert "cannot be run now" in edge.reconciler.status.error
            assert (tag_slot(edge).state, tag_slot(edge).repairs) == (SlotState.DIFFERS, 0)
        proxy.refuses = False
        await edge.round()
        assert states(edge) == {SlotState.CONFIRMED}
        assert await tags_at(influxd, START_NS, START_NS + HOUR_NS) == 5
        assert not edge.told.alarms


async def test_what_the_centre_still_has_whole_is_looked_at_on(tmp_path: Path, influxd: LocalInflux) -> None:
    """The box lost records of an hour that has ended; then the centre lost some that the box still has."""
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 20)
        await flushed(edge.journal, RecordKind.TAG, 20)
        await edge.round()
        await asyncio.to_thread(lose_tags_here, tmp_path, START_NS + 10 * SECOND_NS)
        for number in range(MOST_REPAIRS + 1):
            await ask(influxd, f"DELETE FROM process_value WHERE time >= {START_NS + 15 * SECOND_NS}")
            report = await edge.round()
            assert report is not None
            assert report.figures["records_resent"] == 5, number
            assert await tags_at(influxd, START_NS, START_NS + HOUR_NS) == 20
            assert states(edge) == {SlotState.CONFIRMED}, "the centre has all that was ever sent"
            await edge.round()
