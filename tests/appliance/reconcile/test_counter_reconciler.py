"""Counters of real journals and a real influxd: restored, cloned, forgotten, cut; a witness counts beside."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import urllib.request
from collections import Counter as Tally
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.clock import ReplayClock
from appliance.counter_desk import CounterDesk
from appliance.counter_records import is_total
from appliance.counters import Counters, counter_totals
from appliance.demo_agreement import compare, journal_account
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.counter_reconciler import DAY_NS, CounterReconciler
from appliance.reconcile.counters import CounterOutcome, Side
from appliance.reconcile.report import ReportDraft
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import DEVICE, Way, journal_in, way

_MINUTES = itertools.count()  # no two starts at one time
HOURS, HALL = ("running hours", "pump-1"), ("service starts", 'hall 3, "west"\n=')


@dataclass
class Box:
    """One start of the service, with its way to the centre."""

    journal: Journal
    clock: ReplayClock
    counters: Counters
    desk: CounterDesk
    reconciler: CounterReconciler
    way: Way
    witness: Tally[tuple[str, str]]

    async def count(self, amount: float) -> None:
        """Count, and bring it to the disk."""
        self.witness[HOURS] += amount  # type: ignore[assignment]
        self.counters.add(*HOURS, amount)
        assert await self.desk.commit()

    async def reconcile(self) -> CounterOutcome:
        await self.way.drained()
        outcome = await self.reconciler.reconcile()
        assert outcome is not None
        await self.way.drained()
        return outcome

    def shown(self) -> dict[tuple[str, str], float]:
        return {(one.counter, one.subject): one.value for one in self.counters.committed()}


@contextlib.asynccontextmanager
async def started(
    folder: Path, server: LocalInflux, witness: Tally[tuple[str, str]], clock: ReplayClock | None = None
) -> AsyncIterator[Box]:
    set_clock = clock or ReplayClock(START_NS + next(_MINUTES) * 60 * SECOND_NS)
    reader = CentralReader(server.url, Target(DATABASE), timeout_s=60.0)
    async with journal_in(folder, set_clock) as journal, way(journal, folder, server) as one:
        counters = Counters(journal.incarnation, journal.boot_id)
        desk = CounterDesk(journal, set_clock, counters)
        desk.restore()
        lane = one.courier.lanes[RecordClass.COUNTER]
        reconciler = CounterReconciler(
            desk, reader, set_clock, device_id=DEVICE, acknowledged=lambda: lane.confirmed
        )
        witness[HALL] += 1
        counters.add(*HALL)
        box = Box(journal, set_clock, counters, desk, reconciler, one, witness)
        assert await desk.commit()
        try:
            yield box
        finally:
            await reader.close()


def copied(folder: Path, name: str) -> Path:
    """A copy of a state folder, taken while nobody writes there."""
    return Path(shutil.copytree(folder, folder.parent / name))


async def there(server: LocalInflux) -> dict[tuple[str, str], float]:
    """What anybody reads at the centre, with the question of the document."""
    rows = await asyncio.to_thread(
        server.ask, 'SELECT max("total") AS t FROM "counter" GROUP BY "asset", "counter", "incarnation"'
    )
    totals: Tally[tuple[str, str]] = Tally()
    for row in rows:
        totals[row["counter"], row["asset"].replace("%0A", "\n")] += row["t"]
    return dict(totals)


async def test_an_older_store_is_noticed_and_nothing_is_swallowed(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    state = tmp_path / "state"
    async with started(state, influxd, witness) as one:
        await one.count(60)
    backup = copied(state, "backup")
    async with started(state, influxd, witness) as two:
        await two.count(40)
        assert (await two.reconcile()).fork is None, "a start of its own is no other's"
    shutil.rmtree(state)
    copied(backup, "state")
    async with started(state, influxd, witness) as three:
        await three.count(15)  # 75 here, 100 there: below the maximum
        await three.way.drained()
        assert (await there(influxd))[HOURS] == 100
        outcome = await three.reconcile()
        assert outcome.fork is not None
        here = [one for one in outcome.repairs if (one.counter, one.side) == ("running hours", Side.HERE)]
        assert [(one.old, one.new) for one in here] == [(75.0, 115.0)]
        await three.count(5)
        await three.way.drained()
        assert await there(influxd) == three.shown() == dict(witness)
        again = await three.reconcile()
        assert (again.fork, again.repairs) == (None, ())
    async with started(state, influxd, witness) as four:
        assert four.counters.incarnation == outcome.fork.incarnation
        await four.count(1)
        assert (await four.reconcile()).fork is None
        assert await there(influxd) == four.shown() == dict(witness)
        told = await asyncio.to_thread(influxd.ask, "SELECT subject, document FROM audit")
        assert [row["subject"] for row in told] == ["counter life"]
        assert outcome.fork.incarnation in told[0]["document"]


async def test_two_boxes_of_one_name_add_up_on_both_and_at_the_centre(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path / "one", influxd, witness) as box:
        await box.count(10)
    copied(tmp_path / "one", "two")
    skewed = ReplayClock(START_NS - 5 * 3600 * SECOND_NS)  # the copy's clock is five hours behind
    async with (
        started(tmp_path / "one", influxd, witness) as one,
        started(tmp_path / "two", influxd, witness, skewed) as two,
    ):
        await one.count(3)
        await two.count(4)
        await asyncio.gather(one.way.drained(), two.way.drained())
        assert (await there(influxd))[HOURS] == 14, "the maximum swallows one of them"
        forks = [(await box.reconcile()).fork for box in (one, two)]
        assert all(forks)
        assert (await there(influxd))[HOURS] == 17
        await one.count(100)
        await two.count(1000)
        for box in (one, two, one):
            await box.reconcile()
        assert await there(influxd) == one.shown() == two.shown() == dict(witness)


async def test_a_lost_store_takes_up_what_the_centre_has(tmp_path: Path, influxd: LocalInflux) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(12.5)
        await one.way.drained()
    shutil.rmtree(tmp_path / "journal")
    async with started(tmp_path, influxd, witness) as two:
        await two.count(0.25)
        outcome = await two.reconcile()
        assert outcome.fork is None
        assert {one.why for one in outcome.repairs} == {"this store did not know the life; the centre has it"}
        assert two.shown() == await there(influxd) == dict(witness)
    async with started(tmp_path, influxd, witness) as three:
        assert three.shown() == dict(witness), "what was learned is durable"


@pytest.mark.parametrize("cut", ["DROP MEASUREMENT counter", "DELETE FROM counter WHERE time < {}"])
async def test_what_the_centre_forgot_or_cut_is_told_again(
    tmp_path: Path, influxd: LocalInflux, cut: str
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(7)
    async with started(tmp_path, influxd, witness) as two:
        two.clock.set(2 * DAY_NS)
        await two.way.drained()
        await asyncio.to_thread(influxd.ask, cut.format(START_NS + 3600 * SECOND_NS))
        assert await there(influxd) != dict(witness)
        outcome = await two.reconcile()
        assert outcome.centre_judged
        assert {one.side for one in outcome.repairs} == {Side.CENTRE}
        assert await there(influxd) == two.shown() == dict(witness)


async def test_what_is_on_its_way_is_no_repair(tmp_path: Path, influxd: LocalInflux) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(7)
        await one.way.drained()
        one.way.task.cancel()
        await one.count(1)
        outcome = await one.reconciler.reconcile()
        assert outcome is not None
        assert (outcome.repairs, outcome.centre_judged) == ((), False)


async def test_all_lives_are_told_again_once_a_day(tmp_path: Path, influxd: LocalInflux) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(7)
        await one.way.drained()
    shutil.rmtree(tmp_path / "journal")
    clock = ReplayClock(START_NS)
    async with started(tmp_path, influxd, witness, clock) as two:
        await two.reconcile()
        assert not await two.reconciler.tell_daily(), "the first round has told them"
        clock.set(DAY_NS + 60 * SECOND_NS)
        assert await two.reconciler.tell_daily()
        await two.way.drained()
        # a retention of a day
        before_ns = clock.wall(clock.monotonic_ns()).time_ns - DAY_NS
        await asyncio.to_thread(influxd.ask, f"DELETE FROM counter WHERE time < {before_ns}")
        assert await there(influxd) == two.shown() == dict(witness)
        records = await two.journal.read(0, {RecordKind.COUNTER_VALUE}, 1000)
    async with started(tmp_path, influxd, witness, clock) as three:
        assert not await three.reconciler.tell_daily(), "a restart is no new day"
        assert len(records) < 40
        assert counter_totals(three.counters.committed_lives()) == dict(witness)


async def test_a_centre_that_was_rolled_back_gets_everything_again(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    data = tmp_path / "influxd"
    async with started(tmp_path / "state", influxd, witness) as one:
        await one.count(5)
        await one.way.drained()
        await influxd.stop()
        shutil.copytree(data, tmp_path / "last week")
        await influxd.start()
        await one.count(6)
        await one.way.drained()
        await influxd.kill()
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "last week", data)
        await influxd.start()
        assert (await there(influxd))[HOURS] == 5
        outcome = await one.reconcile()
        assert {one.side for one in outcome.repairs} == {Side.CENTRE}
        assert await there(influxd) == one.shown() == dict(witness)


async def test_a_garbled_counter_at_the_centre_is_not_believed(tmp_path: Path, influxd: LocalInflux) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(5)
        await one.way.drained()
        body = f"counter,device_id={DEVICE},asset=pump-1,counter=starts,incarnation=x total=-4 {START_NS}"
        url = f"{influxd.url}/write?db={DATABASE}&precision=ns"
        await asyncio.to_thread(lambda: urllib.request.urlopen(url, data=body.encode(), timeout=60).close())
        await one.reconcile()
        assert one.shown() == dict(witness)


async def test_a_centre_that_keeps_nothing_is_told_twice_and_then_daily(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    draft = ReportDraft("r", "interval", 0)
    async with started(tmp_path, influxd, witness) as one:
        await one.count(5)
        for tried in (True, True, False, False):
            await one.way.drained()
            await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT counter")
            outcome = await one.reconciler.reconcile(draft)
            assert outcome is not None
            assert (bool(outcome.repairs), bool(outcome.stubborn)) == (tried, not tried)
        assert draft.figures["counters_repaired"] == draft.figures["conflicts"] == 4
        await one.way.drained()
        await one.reconcile()
        one.clock.set(DAY_NS + 60 * SECOND_NS)
        await one.reconcile()
        assert await there(influxd) == dict(witness)


async def test_a_copy_of_the_running_program_is_noticed(tmp_path: Path, influxd: LocalInflux) -> None:
    """A virtual machine that was copied with its memory: two programs count under the name of one start."""
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(5)
        await one.way.drained()
        life = one.counters.incarnation
        tags = f"device_id={DEVICE},asset=pump-1,counter=running\\ hours,incarnation={life}"
        said = f'counter,{tags} value=9,total=9,boot_id="{one.counters.boot_id}" {START_NS + DAY_NS}'
        url = f"{influxd.url}/write?db={DATABASE}&precision=ns"
        await asyncio.to_thread(lambda: urllib.request.urlopen(url, data=said.encode(), timeout=60).close())
        fork = (await one.reconcile()).fork
        assert fork is not None
        assert "further than this store's" in fork.reason
        await one.count(2)
        await one.reconcile()
        assert one.shown()[HOURS] == 11, "what both counted until then counts once, what follows adds up"
        assert (await there(influxd))[HOURS] == 11


async def test_what_is_told_again_is_in_the_journal_and_at_the_centre_alike(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness: Tally[tuple[str, str]] = Tally()
    async with started(tmp_path, influxd, witness) as one:
        await one.count(2.5)
        await one.reconcile()
        records = await one.journal.read(0, {RecordKind.COUNTER_VALUE}, 100)
        assert sum(is_total(record) for record in records) == 2, "the first round tells all totals"
        account = journal_account(tmp_path / "journal", one.journal.last_sequence)
        agreement = await asyncio.to_thread(compare, account, influxd.ask)
        assert agreement.differences == ()
        (row,) = await asyncio.to_thread(
            influxd.ask,
            "SELECT count(boot_id) AS boots, count(total) AS totals FROM counter WHERE asset = 'pump-1'",
        )
        assert row["boots"] == row["totals"] - 1, "a total of a life names no start"
