"""The arrival audit at a real influxd 1.6.7: what it lost, forgot or got from others is found and mended."""

from __future__ import annotations

import asyncio
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.features import features_record
from appliance.journal.record import RecordKind
from appliance.reconcile.audit import KIND_CLASS, MOST_REPAIRS, SlotState
from appliance.reconcile.audit_book import DONE, ask_for_resend, read_request
from appliance.reconcile.reconciler import START
from tests.appliance.journal.builders import SECOND_NS, START_NS, vector
from tests.appliance.reconcile.side import ALL, CHANNEL, DEVICE, HOUR_NS, Side, ask, side, states
from tests.appliance.sinks.way import (
    alarms,
    at_centre,
    everything,
    flushed,
    own_health,
    stored,
    telemetry,
    until,
)


def put(server: LocalInflux, line: str) -> None:
    url = f"{server.url}/write?db={DATABASE}&precision=ns"
    urllib.request.urlopen(url, data=line.encode(), timeout=60).close()


async def test_everything_that_arrived_is_confirmed_and_nothing_is_sent_again(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        await everything(edge.journal, clock)
        health = await own_health(edge.journal)
        report = await edge.round()
        assert report is not None
        assert (report.cause, report.complete, report.agrees) == (START, True, True)
        wanted = sum((await stored(edge.journal)).values()) + len(health)
        tally = edge.reconciler.status.tally
        assert (tally.sent, tally.confirmed, tally.differing) == (wanted, wanted, 0)
        assert states(edge) == {SlotState.CONFIRMED}
        assert report.figures["records_resent"] == 0
        assert report.figures["slots_audited"] == report.figures["slots_confirmed"] > 10
        assert f"{wanted:,} points sent, {wanted:,} confirmed, 0 differ" in edge.reconciler.status.text
        assert not edge.told.alarms
        again = await edge.round()
        assert again is None, "a round without findings made a report"


async def test_points_that_are_gone_are_found_and_only_they_are_sent_again(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        await everything(edge.journal, clock)
        await edge.round()
        wanted = await at_centre(influxd)
        first, last = START_NS + 3 * SECOND_NS, START_NS + 6 * SECOND_NS
        await ask(influxd, f"DELETE FROM features WHERE time >= {first} AND time <= {last}")
        await ask(influxd, "DROP SERIES FROM alarm")
        await ask(influxd, "DROP MEASUREMENT limit_version")
        assert (await at_centre(influxd))["features"] == wanted["features"] - 4
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == 4 + wanted["alarm"] + wanted["limit_version"]
        assert report.figures["slots_repaired"] == 3
        assert report.agrees
        assert await at_centre(influxd) == wanted
        assert {line.subject for line in report.lines} == {
            f"features {CHANNEL}", "alarm_transition", "limit_version"
        }  # fmt: skip
        assert states(edge) == {SlotState.CONFIRMED}


async def test_a_value_that_somebody_changed_by_a_billionth_is_put_right(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        await everything(edge.journal, clock)
        await edge.round()
        tags = f"device_id={DEVICE},asset=pump-1,channel={CHANNEL}"
        changed = 6.0 * (1 + 1e-9)
        await asyncio.to_thread(
            put, influxd, f"features,{tags} rms_mps2={changed!r} {START_NS + 5 * SECOND_NS}"
        )
        (alarm,) = await ask(influxd, "SELECT * FROM alarm WHERE alarm_id = 'pump-1.rule-7'")
        await asyncio.to_thread(put, influxd, f'alarm,{tags} severity="good" {alarm["time"]}')
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == 2
        assert any(
            "rms_mps2 was sent as 6.0" in line.text or "severity" in line.text for line in report.lines
        )
        rows = await ask(influxd, "SELECT rms_mps2 FROM features")
        assert [row["rms_mps2"] for row in rows] == [1.0 + second for second in range(40)]
        (alarm,) = await ask(influxd, "SELECT severity FROM alarm WHERE alarm_id = 'pump-1.rule-7'")
        assert alarm["severity"] == "warn"


async def test_a_second_writer_ends_in_a_conflict_alarm_not_in_endless_repair(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        telemetry(edge.journal, 0, 5)
        await flushed(edge.journal, RecordKind.TAG, 5)
        await edge.round()
        line = (
            f"features,device_id={DEVICE},asset=pump-1,channel={CHANNEL} rms_mps2=99 {START_NS + SECOND_NS}"
        )
        resent = []
        for _ in range(MOST_REPAIRS + 2):
            await asyncio.to_thread(put, influxd, line)
            report = await edge.round()
            resent.append(report.figures["records_resent"] if report else 0)
        assert resent == [1, 1, 0, 0]
        (row,) = await ask(influxd, f"SELECT rms_mps2 FROM features WHERE time = {START_NS + SECOND_NS}")
        assert row["rms_mps2"] == 99, "the other writer's value was fought over for ever"
        (reason,) = edge.told.alarms[-1:]
        assert "differ again after two repairs" in reason
        assert "rms_mps2 was sent as 2.0, is 99 there" in reason
        assert edge.reconciler.status.tally.alarming == 1
        # A person has found the other writer, and orders the records anew.
        await resent_on_demand(edge, START_NS, START_NS + HOUR_NS)
        await edge.round()
        (row,) = await ask(influxd, f"SELECT rms_mps2 FROM features WHERE time = {START_NS + SECOND_NS}")
        assert row["rms_mps2"] == 2.0
        assert edge.told.alarms[-1] == ""
        assert states(edge) == {SlotState.CONFIRMED}


async def resent_on_demand(edge: Side, from_ns: int, to_ns: int) -> int:
    path = Path(edge.store.path)
    number = ask_for_resend(path, from_ns, to_ns, set(KIND_CLASS.values()))
    await edge.reconciler.look()
    request = read_request(path, number)
    assert request is not None
    assert request.state == DONE
    return request.sent


async def test_a_centre_restored_from_an_old_backup_is_healed(tmp_path: Path, influxd: LocalInflux) -> None:
    """The data directory of a stopped server, copied and put back after more has arrived."""
    clock = ReplayClock(START_NS)
    folder, backup = tmp_path / "influxd", tmp_path / "backup"
    async with side(tmp_path, influxd, clock=clock) as edge:
        telemetry(edge.journal, 0, 100)
        await flushed(edge.journal, RecordKind.TAG, 100)
        await edge.round()
        await influxd.stop()
        await asyncio.to_thread(shutil.copytree, folder, backup)
        await influxd.start()
        await everything(edge.journal, clock)
        telemetry(edge.journal, 3600, 200)
        await flushed(edge.journal, RecordKind.TAG, 300)
        await edge.round()
        wanted = await at_centre(influxd)
        await influxd.stop()
        await asyncio.to_thread(shutil.rmtree, folder)
        await asyncio.to_thread(shutil.copytree, backup, folder)
        await influxd.start()
        lost = sum(wanted.values()) - sum((await at_centre(influxd)).values())
        assert lost > 600
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == lost
        assert report.agrees
        assert await at_centre(influxd) == wanted


async def test_a_centre_that_acknowledges_and_forgets_is_found_and_told(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with (
        forgetful(influxd) as proxy,
        side(tmp_path, influxd, clock=clock, write_url=proxy.url) as edge,
    ):
        await everything(edge.journal, clock)
        await edge.way.drained()
        proxy.forgets = True
        telemetry(edge.journal, 4000, 50)
        await flushed(edge.journal, RecordKind.TAG, 90)
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] > 100, "it did not even try"
        assert not report.agrees
        assert SlotState.DIFFERS in states(edge)
        await edge.round()
        assert states(edge) == {SlotState.CONFIRMED, SlotState.FORGOTTEN}
        assert "differ again after two repairs" in edge.told.alarms[-1]
        sent = proxy.forgotten
        await edge.round()
        assert proxy.forgotten == sent, "it was sent a third time"
        proxy.forgets = False
        await resent_on_demand(edge, START_NS, START_NS + 4 * HOUR_NS)
        await edge.round()
        assert states(edge) == {SlotState.CONFIRMED}
        assert edge.told.alarms[-1] == ""
        assert await at_centre(influxd) == await stored(edge.journal)


async def test_what_a_retention_cut_is_told_and_not_sent_for_ever(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    start_ns = time.time_ns() - 50 * HOUR_NS
    start_ns -= start_ns % HOUR_NS
    async with side(tmp_path, influxd, clock=ReplayClock(start_ns)) as edge:
        edge.now_ns = start_ns + 50 * HOUR_NS
        for hour in range(0, 48, 4):
            at_ns = hour * HOUR_NS
            edge.journal.submit(features_record(vector(at_ns, 1.0, 2.0, 3.0, channel_id=CHANNEL)))
        await flushed(edge.journal, RecordKind.FEATURES, 12)
        await edge.round()
        await ask(influxd, f"ALTER RETENTION POLICY autogen ON {DATABASE} DURATION 24h SHARD DURATION 1h")
        border_ns = time.time_ns() - 24 * HOUR_NS
        await ask(influxd, f"DELETE FROM features WHERE time < {border_ns}")
        older = [slot for slot in edge.store.slots(ALL, 0, 1 << 62) if slot.start_ns < border_ns]
        report = await edge.round()
        assert report is not None
        assert report.figures["slots_cut"] == len(older) >= 5
        assert report.figures["slots_differing"] == report.figures["conflicts"] == 0
        assert {s.state for s in edge.store.slots(ALL, 0, 1 << 62) if s.start_ns < border_ns} == {
            SlotState.CUT
        }
        assert not edge.told.alarms
        questions = edge.reader.questions
        assert await edge.round() is None
        assert edge.reader.questions - questions <= 2
        assert "cut by the centre's retention" in edge.reconciler.status.text


async def test_a_refused_record_is_not_missed_at_the_centre(tmp_path: Path, influxd: LocalInflux) -> None:
    from tests.appliance.sinks.way import spoil_score_type

    await asyncio.to_thread(spoil_score_type, influxd)
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 1, 20)
        await flushed(edge.journal, RecordKind.TAG, 20)
        report = await edge.round()
        assert report is not None
        assert report.figures["dead_letters"] == 18
        assert report.agrees
        assert report.figures["records_resent"] == 0


async def test_a_round_that_is_cut_off_goes_on_and_is_told_once(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        await everything(edge.journal, clock)
        await edge.way.drained()
        await influxd.stop()
        edge.monotonic_s += 1e6
        await edge.reconciler.look()  # the courier has nothing to send, and has not noticed
        assert "cannot be run now" in edge.reconciler.status.text
        assert not edge.told.reports
        await influxd.start()
        report = await edge.round()
        assert report is not None
        assert report.agrees


async def test_an_outage_ends_in_a_report_that_names_it(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        telemetry(edge.journal, 0, 10)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await edge.round()
        await influxd.kill()
        await edge.journal.commit([alarms(edge.journal, clock)(1, 20 * SECOND_NS)])
        await until(lambda: edge.way.courier.report().state == "not reachable")
        edge.now_ns += 5
        await edge.reconciler.look()
        telemetry(edge.journal, 30, 10)
        await influxd.start()
        await flushed(edge.journal, RecordKind.TAG, 20)
        report = await edge.round()
        assert report is not None
        assert (report.cause, report.outage_from_ns) == ("reconnect", edge.now_ns)
        assert report.agrees
        assert await at_centre(influxd) == await stored(edge.journal)


async def test_the_hour_that_has_not_ended_is_looked_at_up_to_now(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 300)
        await flushed(edge.journal, RecordKind.TAG, 300)
        edge.now_ns = START_NS + 200 * SECOND_NS  # rounds look up to a minute ago
        await edge.round()
        assert edge.reconciler.status.tally.sent == 140 + 140 + 126
        await ask(influxd, f"DELETE FROM features WHERE time = {START_NS + 7 * SECOND_NS}")
        report = await edge.round()
        assert report is not None
        assert report.figures["records_resent"] == 1
        edge.now_ns = START_NS + 2 * HOUR_NS
        await edge.round()
        assert edge.reconciler.status.tally.sent == 300 + 300 + 270
        assert states(edge) == {SlotState.CONFIRMED}


class Proxy:
    """Before the server; forgets what is written where a test says so, and answers 204 all the same;
    or takes nothing."""

    def __init__(self, server: LocalInflux) -> None:
        self._server = server
        self.url, self.forgets, self.forgotten = "", False, 0
        self.refuses = False

    async def write(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if self.refuses:
            return web.Response(status=503)
        if self.forgets:
            self.forgotten += 1
            return web.Response(status=204)
        url = f"{self._server.url}{request.path_qs}"
        async with aiohttp.ClientSession() as session, session.post(url, data=raw) as answer:
            return web.Response(status=answer.status, body=await answer.read())


@asynccontextmanager
async def forgetful(server: LocalInflux) -> AsyncIterator[Proxy]:
    proxy = Proxy(server)
    app = web.Application()
    app.router.add_post("/write", proxy.write)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield proxy
    finally:
        await runner.cleanup()
