"""The arrival audit over time: one incident or two, rounds that are cut off, wishes that wait."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.audit import KIND_CLASS, MOST_REPAIRS, SlotState
from appliance.reconcile.audit_book import DONE, RUNNING, ask_for_resend, read_request
from appliance.reconcile.errors import CentralUnavailable
from appliance.reconcile.reconciler import RECONNECT
from appliance.reconcile.report import ReportDraft
from appliance.reconcile.slot_store import FILE_NAME, SlotStore
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.side import HOUR_NS, ask, side, states
from tests.appliance.reconcile.test_arrival_audit import forgetful
from tests.appliance.sinks.way import at_centre, flushed, stored, telemetry, until


async def test_each_loss_of_the_same_hour_is_mended_and_none_is_called_a_conflict(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """Where both sides agree in between, or the centre was away: another loss is another incident."""
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.round()
        for number in range(MOST_REPAIRS + 3):
            await ask(influxd, f"DELETE FROM features WHERE time = {START_NS + SECOND_NS}")
            report = await edge.round()
            assert report is not None
            assert report.figures["records_resent"] == 1, number
            if number % 2:
                assert await edge.round() is None  # agrees: the incident is over
            else:
                await influxd.kill()
                telemetry(edge.journal, 10 + number, 1)
                await until(lambda: edge.way.courier.report().state == "not reachable")
                await edge.reconciler.look()
                await influxd.start()
                report = await edge.round()
                assert report is not None
                assert report.cause == RECONNECT
        assert not edge.told.alarms
        assert states(edge) == {SlotState.CONFIRMED}
        assert (await at_centre(influxd))["features"] == (await stored(edge.journal))["features"]


async def test_a_centre_that_stops_forgetting_gets_all_without_a_person(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """After two repairs an alarm stands, and it is tried again ever less often."""
    async with forgetful(influxd) as proxy, side(tmp_path, influxd, write_url=proxy.url) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.way.drained()
        proxy.forgets = True
        await ask(influxd, f"DELETE FROM features WHERE time = {START_NS + SECOND_NS}")
        tried = []
        for _ in range(12):
            before = proxy.forgotten
            await edge.round()
            tried.append(proxy.forgotten > before)
        assert [number for number, sent in enumerate(tried) if sent] == [0, 1, 3, 7]
        assert SlotState.FORGOTTEN in states(edge)
        assert "differ again after two repairs" in edge.told.alarms[-1]
        proxy.forgets = False
        for _ in range(4):
            await edge.round()
        assert states(edge) == {SlotState.CONFIRMED}
        assert edge.told.alarms[-1] == ""
        assert (await at_centre(influxd))["features"] == (await stored(edge.journal))["features"]


async def test_a_round_that_looks_again_at_what_differed_is_no_full_one(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with forgetful(influxd) as proxy, side(tmp_path, influxd, write_url=proxy.url) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.way.drained()
        proxy.forgets = True
        await ask(influxd, f"DELETE FROM features WHERE time = {START_NS + SECOND_NS}")
        await edge.round()
        assert SlotState.DIFFERS in states(edge)
        full_ns = edge.reconciler.status.full_ns
        edge.now_ns += 2 * HOUR_NS
        edge.monotonic_s += 1e6
        await edge.reconciler.look()
        assert edge.reconciler.status.rounds == 2
        assert SlotState.FORGOTTEN in states(edge)
        assert edge.reconciler.status.full_ns == full_ns, "all days still wait to be looked at"


async def test_what_a_round_did_before_it_was_cut_off_stands_in_the_next_ones_report(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    broken: list[bool] = []

    class Breaks:
        async def reconcile(self, draft: ReportDraft) -> None:
            if not broken:
                broken.append(True)
                raise CentralUnavailable("the centre went away in the middle")

    async with side(tmp_path, influxd) as edge:
        edge.reconciler.add(Breaks())
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.way.drained()
        await ask(influxd, f"DELETE FROM features WHERE time = {START_NS + SECOND_NS}")
        edge.monotonic_s += 1e6
        await edge.reconciler.look()
        assert "went away in the middle" in edge.reconciler.status.error
        assert not edge.told.reports
        report = await edge.round()
        assert report is not None
        assert (report.figures["records_resent"], report.figures["slots_repaired"]) == (1, 1)
        assert report.figures["slots_audited"] == report.figures["slots_confirmed"]
        assert any("1 of 5 points are not there" in line.text for line in report.lines)
        assert await edge.round() is None, "it was told twice"


async def test_a_wish_that_cannot_be_done_now_is_not_begun_every_second_and_holds_no_round_up(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.round()
        path = Path(edge.store.path)
        number = ask_for_resend(path, 0, START_NS + HOUR_NS, set(KIND_CLASS.values()))  # since 1970
        await influxd.stop()
        await edge.reconciler.look()
        assert "cannot be run now" in edge.reconciler.status.error
        await influxd.start()
        await edge.reconciler.look()
        waits = read_request(path, number)
        assert waits is not None
        assert (waits.state, waits.sent) == (RUNNING, 0)
        edge.monotonic_s += 29.0
        await edge.reconciler.look()
        assert (read_request(path, number) or waits).state == RUNNING
        edge.monotonic_s += 2.0
        await edge.reconciler.look()
        done = read_request(path, number)
        assert done is not None
        assert (done.state, done.sent) == (DONE, 14)


async def test_a_record_whose_time_nobody_will_ever_know_has_nothing_added_up_anew(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """What a first boot recorded before it was ever told the time lies before all that is known."""
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:

        async def look() -> None:
            await until(lambda: edge.lanes[RecordClass.TELEMETRY].held == 15)
            edge.monotonic_s += 1e6
            rounds = edge.reconciler.status.rounds
            await edge.reconciler.look()
            assert edge.reconciler.status.rounds == rounds + 1

        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.round()
        clock.set_trusted(False)
        telemetry(edge.journal, 100, 5)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await look()
        held = edge.journal.last_sequence
        again = edge.store.followed(held)[1]
        assert 0 < again <= held, "nothing was held back: this shows nothing"
        looked: list[bool] = []
        touch = edge.store.touch

        def touched(*given: object, anew: bool = False) -> None:
            looked.append(anew)
            touch(*given, anew=anew)  # type: ignore[arg-type]

        edge.store.touch = touched  # type: ignore[method-assign]
        await look()
        assert not looked, "the journal was read again although no time had been found"
        assert edge.store.followed(held)[1] == again
        clock.set_trusted(True)
        telemetry(edge.journal, 200, 1)
        await until(lambda: edge.journal.resolutions > 0)
        await flushed(edge.journal, RecordKind.TAG, 11)
        await edge.round()
        assert True in looked
        await until(lambda: edge.lanes[RecordClass.TELEMETRY].held == 0)
        for _ in range(2):
            await edge.round()
        assert states(edge) == {SlotState.CONFIRMED}
        assert await at_centre(influxd) == await stored(edge.journal)
        assert edge.store.followed(edge.journal.last_sequence)[1] == 0


def test_a_file_of_an_earlier_release_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    SlotStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE slot DROP COLUMN earlier_repairs")
    connection.execute(
        "INSERT INTO slot (kind, start_ns, subject, last_sequence, state, repairs) "
        "VALUES ('tag',0,'t',1,'sent',2)"
    )
    connection.commit()
    connection.close()
    store = SlotStore(path)
    (slot,) = store.slots((RecordKind.TAG,), 0, 1)
    assert (slot.repairs, slot.earlier_repairs) == (2, 0)
    store.close()
    assert not path.with_name(f"{FILE_NAME}.damaged").exists()
