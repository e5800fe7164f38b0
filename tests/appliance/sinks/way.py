"""A real journal, a courier and what it is told, for tests of the way to the centre."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import orjson

from appliance.advisory_records import advisory_record
from appliance.alarm_records import AlarmRecords
from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, Severity
from appliance.analysis_watch import Advisory
from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.counters import Counters
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.journal.series import score_record, tag_record
from appliance.limit_records import version_record
from appliance.limit_versions import LimitAction, LimitKey, LimitVersion
from appliance.sinks.courier import Courier
from appliance.sinks.courier_needs import Pace
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.outbox import Outbox
from appliance.sinks.points import encode
from appliance.sinks.points_batch import BatchLines
from appliance.sinks.sink import Sink
from appliance.telemetry.record import health_records
from dsp.samples import Gap, GapCause
from models.detector import AnomalyScore
from models.prognosis import Forecast
from tests.appliance.journal.builders import PATIENT, SECOND_NS, SMALL, START_NS, vector
from tests.appliance.telemetry_reports import full_report

DEVICE = "0123456789abcdef0123456789abcdef"
CHANNEL, ASSET = "pump-1.de.x", "pump-1"
FAST = Pace(
    batch_records=500,
    backlog_points_per_s=1e6,
    backlog_bytes_per_s=1e9,
    look_s=0.01,
    stopped_retry_s=0.05,
    backoff=Backoff(base_s=0.02, cap_s=0.1, floor_s=0.01),
)
DAY_S = 86_400.0
SERIES = {  # measurement: (kind, a field that each of its points has)
    "features": (RecordKind.FEATURES, "duration_s"),
    "score": (RecordKind.SCORE, "value"),
    "process_value": (RecordKind.TAG, "value"),
    "gap": (RecordKind.GAP, "gap_id"),
    "alarm": (RecordKind.ALARM_TRANSITION, "activation"),
    "counter": (RecordKind.COUNTER_VALUE, "value"),
    "limit": (RecordKind.LEARNED_LIMIT, "document_bytes"),
    "limit_version": (RecordKind.LIMIT_VERSION, "version"),
    "advisory": (RecordKind.ADVISORY, "stands"),
}


class Watch:
    """Notes what the courier says of the centre."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def central_refuses(self, reason: str, remedy: str) -> None:
        self.said.append(f"refuses: {reason}. {remedy}")

    async def central_accepts(self) -> None:
        self.said.append("accepts")


class Way:
    """One courier over one journal."""

    def __init__(
        self, journal: Journal, path: Path, outbox: Outbox, sink: Sink, courier: Courier, watch: Watch
    ) -> None:
        self.journal, self.outbox, self.sink, self.courier, self.watch = journal, outbox, sink, courier, watch
        self._path = path
        self.task = asyncio.create_task(courier.run())

    async def drained(self, limit_s: float = 60.0) -> None:
        """Until nothing waits, and the courier's file says so too: it is written after the receipt."""
        async with asyncio.timeout(limit_s):
            while not self._at_rest():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)

    def _at_rest(self) -> bool:
        report = self.courier.report()
        return not report.waiting and report.state == "connected" and self._written() == report.delivered

    def _written(self) -> int:
        """Records that were delivered, by the courier's file: refusals are written with them."""
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT total(delivered) FROM lane").fetchone()[0])

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        if isinstance(self.sink, InfluxSink):
            await self.sink.close()
        self.outbox.close()


@contextlib.asynccontextmanager
async def journal_in(
    folder: Path, clock: ReplayClock | None = None, *, resolve_times: bool = True
) -> AsyncIterator[Journal]:
    journal = await Journal.open(
        folder / "journal", SMALL, clock or ReplayClock(START_NS), PATIENT, resolve_times=resolve_times
    )
    try:
        yield journal
    finally:
        await journal.close()


@contextlib.asynccontextmanager
async def way(
    journal: Journal,
    folder: Path,
    server: LocalInflux | None = None,
    *,
    sink: Sink | None = None,
    pace: Pace = FAST,
    send_provisional: bool = False,
    wall_ns: Callable[[], int] = time.time_ns,
) -> AsyncIterator[Way]:
    """A running courier; its file is in `folder`, so that the next one goes on where this one ended."""
    path = folder / "central" / "outbox.sqlite"
    outbox = Outbox(path)
    owners = outbox.owners({CHANNEL: ASSET}, journal.last_sequence + 1)
    watch = Watch()
    if sink is None:
        assert server is not None
        sink = InfluxSink(Influx1Writer(server.url, DATABASE, timeout_s=60.0))
    courier = Courier(
        journal,
        sink,
        outbox,
        encode=lambda record, names: encode(
            record, DEVICE, owners.asset_of(record.subject, record.sequence), names
        ),
        encode_many=BatchLines(DEVICE, owners.asset_of),
        name_list=journal.queries.name_list,
        watch=watch,
        where="centre",
        pace=pace,
        send_provisional=send_provisional,
        chance=lambda: 0.5,
        wall_ns=wall_ns,
        answers=sink.answers if isinstance(sink, InfluxSink) else None,
    )
    running = Way(journal, path, outbox, sink, courier, watch)
    try:
        yield running
    finally:
        await running.end()


def alarms(journal: Journal, clock: ReplayClock) -> Callable[[int, int], NewRecord]:
    """Makes transitions of many alarms of one machine: (number, monotonic ns)."""
    records = AlarmRecords(clock, f"{journal.boot_id}-test")  # not the keys of a desk beside it
    alarm = Alarm(
        alarm_id="",
        asset_id=ASSET,
        channel_id=CHANNEL,
        rule="machine condition",
        severity=Severity.WARN,
        state=AlarmState.ACTIVE_UNACKNOWLEDGED,
        raised_ns=0,
        changed_ns=0,
        activation=1,
        score=1.5,
        fault="outer race",
        confidence=0.9,
        reason='outer race, 14 dB "over" baseline\nrising, \\ 30 %',
        evidence={"frequency_hz": 104.6},
    )

    def one(number: int, monotonic_ns: int) -> NewRecord:
        changed = dataclasses.replace(alarm, alarm_id=f"{ASSET}.rule-{number}", changed_ns=monotonic_ns)
        return records.record(AlarmTransition("raised", "appliance", changed))

    return one


def telemetry(journal: Journal, first: int, number: int) -> None:
    """So many seconds of features, scores and a tag; every tenth score is no number, one value is NaN."""
    for second in range(first, first + number):
        at_ns = second * SECOND_NS
        journal.submit(features_record(vector(at_ns, 1.0 + second, np.nan, 3.0, channel_id=CHANNEL)))
        value = np.nan if second % 10 == 0 else 0.5
        journal.submit(score_record(AnomalyScore(CHANNEL, at_ns, value, "m", "numpy", np.zeros(3))))
        journal.submit(tag_record("speed", at_ns, 24.5, "Hz"))


async def everything(journal: Journal, clock: ReplayClock) -> None:
    """Records of the plant: 40 s of telemetry, 50 alarms at one instant, counters, a limit, gaps."""
    telemetry(journal, 0, 40)
    make = alarms(journal, clock)
    await journal.commit([make(number, 5 * SECOND_NS) for number in range(50)])
    counters = Counters(journal.incarnation, journal.boot_id)
    for name, subject in (
        ("running hours", ASSET),
        ("starts", ASSET),
        ("service starts", 'hall 3, "west"\n='),
    ):
        counters.add(name, subject, 2.0)
    await journal.commit(counters.changed_records(6 * SECOND_NS))
    document = orjson.dumps({"rms_mps2": [1.0, 2.0]})
    await journal.commit(
        [NewRecord(RecordClass.LIMIT, RecordKind.LEARNED_LIMIT, "limit/1", CHANNEL, 7 * SECOND_NS, document)]
    )
    version = LimitVersion(
        ASSET, LimitKey(CHANNEL, '1480 rpm, "hot"'), 2, LimitAction.RAISED, "anna", "runs, rougher = ok\n",
        "c1", "robust-baseline-1/ab", 1.3, True, False, 14_400.0, 19_000, True,
    )  # fmt: skip
    await journal.commit([version_record(version, 8 * SECOND_NS, None, "")])
    soon = Forecast("zone C", 9 * DAY_S, 6 * DAY_S, 15 * DAY_S, 5.0, None)
    for second, forecast in ((8, soon), (9, None)):
        advisory = Advisory(CHANNEL, second * SECOND_NS, "zone C", forecast, 'zone C: "perhaps" = ?\n')
        await journal.commit([advisory_record(advisory, ASSET, clock)])
    for cause in (GapCause.SERIAL_LOSS, GapCause.OVERLOAD):
        journal.record_gap(Gap(CHANNEL, 10 * SECOND_NS, 11 * SECOND_NS, cause, 100))
    await flushed(journal, RecordKind.GAP, 2)


async def own_health(journal: Journal) -> list[NewRecord]:
    """Three reports of the appliance's own health, a minute apart; returns their records."""
    reports = [full_report(minute * 60 * SECOND_NS) for minute in (1, 2, 3)]
    records = [record for report in reports for record in health_records(report)]
    for record in records:
        journal.submit(record)
    await flushed(journal, RecordKind.HEALTH, len(records))
    return records


async def flushed(journal: Journal, kind: RecordKind, least: int) -> list[Record]:
    """Until so many records of a kind are stored."""
    async with asyncio.timeout(60):
        while len(records := await journal.read(0, {kind}, 10_000)) < least:
            await asyncio.sleep(0.01)
    return records


async def stored(journal: Journal) -> dict[str, int]:
    """Points that the centre should have, by measurement: what the journal holds and has a value."""
    counts = {}
    for measurement, (kind, _) in SERIES.items():
        after, counts[measurement] = 0, 0
        while records := await journal.read(after, {kind}, 10_000):
            after = records[-1].sequence
            counts[measurement] += sum(
                kind is not RecordKind.SCORE or orjson.loads(r.payload)["value"] is not None for r in records
            )
    return counts


async def at_centre(server: LocalInflux) -> dict[str, int]:
    """Points that the centre has, by measurement."""
    counts = {}
    for measurement, (_, field) in SERIES.items():
        rows = await asyncio.to_thread(server.ask, f'SELECT count("{field}") FROM "{measurement}"')
        counts[measurement] = int(rows[0]["count"]) if rows else 0
    return counts


def spoil_score_type(server: LocalInflux, time_ns: int = START_NS) -> None:
    """Somebody else has written scores as text."""
    spoil(server, "score", "value", time_ns)


def spoil(server: LocalInflux, measurement: str, field: str, time_ns: int) -> None:
    """Somebody else has written the field as text: its type is taken in the week around that time."""
    body = f'{measurement},device_id={DEVICE},asset={ASSET},channel={CHANNEL} {field}="text" {time_ns}'
    url = f"{server.url}/write?db=stethos&precision=ns"
    urllib.request.urlopen(url, data=body.encode(), timeout=10).close()


async def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)
