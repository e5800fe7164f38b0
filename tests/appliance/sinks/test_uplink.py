"""A metered line: budgets a day by class, over restarts; what came in beside what went out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.alarm_desk import AlarmDesk
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.counter_desk import CounterDesk
from appliance.counters import Counter, Counters
from appliance.demo_central import LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks.uplink import Uplink
from appliance.system_watch import SystemWatch
from appliance.telemetry.uplink_samples import uplink_samples
from appliance.wiring_central import Central
from dsp.samples import Channel, Measurand
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.influx_server import count
from tests.appliance.sinks.way import CHANNEL, alarms, flushed, journal_in, telemetry, until

DAY_NS = 86_400 * SECOND_NS
SECONDS = 900
TELEMETRY, ALARM = RecordClass.TELEMETRY, RecordClass.ALARM
requests = st.lists(
    st.tuples(st.sampled_from(list(RecordClass)), st.integers(1, 5_000), st.integers(0, 3)), max_size=200
)


@given(requests, st.integers(1, 20_000))
def test_a_budget_is_passed_by_one_request_at_most_on_any_day_and_over_any_restart(
    wanted: list[tuple[RecordClass, int, int]], budget: int
) -> None:
    day = [0]
    uplink = Uplink({TELEMETRY: budget, ALARM: 1}, lambda: f"day-{day[0]}")
    went: dict[tuple[int, RecordClass], int] = {}
    for record_class, n_bytes, number in wanted:
        day[0] = number  # forward and back, as a clock that is set
        before = went.get((number, record_class), 0)
        assert uplink.may_send(record_class) is (record_class is not TELEMETRY or before < budget)
        if uplink.may_send(record_class):
            uplink.sent(record_class, n_bytes)
            went[number, record_class] = before + n_bytes
        uplink = Uplink({TELEMETRY: budget, ALARM: 1}, lambda: f"day-{day[0]}", uplink.account())
    assert uplink.report().sent_bytes == sum(went.values())


def test_what_stayed_is_said_in_words_and_never_rounded_up_to_all() -> None:
    uplink = Uplink({TELEMETRY: 20_000_000}, lambda: "today")
    assert uplink.report().stayed_ratio is None
    uplink.samples_are(5e9)  # before the account was begun
    uplink.samples_are(5e9 + 6.2e9)
    uplink.sent(TELEMETRY, 3_100_000)
    assert uplink.report().text == (
        "12.4 GB in, 3.1 MB out: 99.97 % stayed; telemetry: 3.1 MB of 20.0 MB of today sent"
    )
    assert "99.99 % stayed" in _with(uplink, 1).report().text
    uplink.sent(TELEMETRY, 17_000_000)
    assert uplink.report().text.endswith("20.1 MB of 20.0 MB of today sent, the rest waits for tomorrow")
    again = Uplink({}, lambda: "today", uplink.account())
    again.samples_are(5e9 + 6.2e9 + 50)
    assert again.report().raw_bytes == 12_400_000_100, "a restart counts on"
    samples = {(name, labels): value for name, labels, value in uplink_samples(uplink.report())}
    assert samples["stethos_central_sent_bytes_total", ("telemetry",)] == 20_100_000
    assert samples["stethos_central_day_budget_bytes", ("telemetry",)] == 20_000_000


def _with(uplink: Uplink, sent: int) -> Uplink:
    account = {name: value for name, value in uplink.account().items() if not name.startswith("sent/")}
    return Uplink({}, lambda: "today", {**account, "sent/telemetry": sent})


@contextlib.asynccontextmanager
async def central(
    journal: Journal, clock: ReplayClock, folder: Path, influxd: LocalInflux, budget_mb: float
) -> AsyncIterator[Central]:
    settings = CentralSettings(
        url=influxd.url, version=1, database="stethos", batch_records=50, daily_telemetry_mb=budget_mb,
        backlog_points_per_s=1e6, audit_days=0,
    )  # fmt: skip
    channels = [Channel(CHANNEL, "pump-1", Measurand.ACCELERATION, "m/s2", 25_600.0, 160.0)]
    watch = SystemWatch(AlarmDesk(journal, clock), journal, clock)
    built = Central(settings, folder, journal=journal, watch=watch, channels=channels, clock=clock)
    running = asyncio.create_task(built.courier.run())
    try:
        yield built
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await built.close()


async def test_on_a_metered_line_telemetry_waits_for_tomorrow_and_alarms_go(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """Also after a restart; the next day it goes on where it was, nothing lost or doubled."""
    clock = ReplayClock(START_NS)
    budget_mb = 0.004
    async with journal_in(tmp_path, clock) as journal:
        telemetry(journal, 1, SECONDS)
        await flushed(journal, RecordKind.TAG, SECONDS)
        make = alarms(journal, clock)
        async with central(journal, clock, tmp_path, influxd, budget_mb) as one:
            await until(lambda: "waits for tomorrow" in one.text())
            await journal.commit([make(1, SECOND_NS)])
            await until(lambda: one.courier.lanes[ALARM].delivered == 1)
            spent = one.uplink_report().today[TELEMETRY]
            assert budget_mb * 1e6 <= spent < budget_mb * 1e6 + 10_000, "by one request at most"
        first = await asyncio.to_thread(count, influxd, "process_value", "value")
        assert 0 < first < SECONDS
        async with central(journal, clock, tmp_path, influxd, budget_mb) as one:
            await journal.commit([make(2, 2 * SECOND_NS)])
            await until(lambda: one.courier.lanes[ALARM].delivered == 2)
            assert one.uplink_report().today[TELEMETRY] == spent, "a restart gives no second budget"
            clock.advance(DAY_NS)
            await until(lambda: one.uplink_report().today[TELEMETRY] >= budget_mb * 1e6)
        second = await asyncio.to_thread(count, influxd, "process_value", "value")
        assert first < second < SECONDS
        async with central(journal, clock, tmp_path, influxd, 0.0) as one:
            desk = CounterDesk(journal, clock, Counters(journal.incarnation, journal.boot_id))
            one.reconcile_counters(desk)
            assert one.uplink_report().stayed_ratio is None
            desk.counters.add(Counter.SAMPLES, CHANNEL, 25_600_000.0)
            await desk.commit()
            await until(lambda: not one.courier.report().waiting)
            assert one.uplink_report().raw_bytes == 51_200_000
            assert "51.2 MB in" in one.text() and " % stayed" in one.text()
            shown = one.traffic()
            assert (shown.raw_bytes, shown.sent_bytes) == (51_200_000, one.uplink_report().sent_bytes)
            assert shown.stayed_ratio == 1.0 - shown.sent_bytes / 51_200_000
        assert await asyncio.to_thread(count, influxd, "process_value", "value") == SECONDS
        assert await asyncio.to_thread(count, influxd, "alarm", "activation") == 2
