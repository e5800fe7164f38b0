"""A journal, a courier and the reconciliation of both sides, for tests against a real influxd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass
from appliance.reconcile.audit import KIND_CLASS, SlotState
from appliance.reconcile.auditor import Auditor
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.centre_account import CentreAccount
from appliance.reconcile.reconciler import AuditPlan, Reconciler
from appliance.reconcile.report import Report
from appliance.reconcile.sent_records import SentRecords
from appliance.reconcile.slot_repair import SlotRepair
from appliance.reconcile.slot_store import SlotStore
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.outbox import Lane
from appliance.sinks.points import encode
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import ASSET, CHANNEL, DEVICE, Way, journal_in, way

HOUR_NS = 3600 * SECOND_NS
ALL = tuple(KIND_CLASS)


@dataclass
class Told:
    """Notes what the reconciliation says."""

    alarms: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    async def central_differs(self, stands: bool, reason: str, remedy: str) -> None:
        if stands or (self.alarms and self.alarms[-1]):
            self.alarms.append(reason if stands else "")

    async def reconciled(self, report: Report) -> None:
        self.reports.append(report)


async def _no_rest(_: float) -> None:
    await asyncio.sleep(0)


class Side:
    """The edge. `round` brings one round about at once, whatever is due."""

    def __init__(
        self, journal: Journal, one: Way, path: Path, read_url: str, write_url: str, most_bytes: int
    ) -> None:
        self.journal, self.way, self.told = journal, one, Told()
        self.store = SlotStore(path)
        self.reader = CentralReader(read_url, Target(DATABASE), timeout_s=60.0, most_bytes=most_bytes)
        self._sink = InfluxSink(Influx1Writer(write_url, DATABASE, timeout_s=60.0))
        owners = one.outbox.owners({CHANNEL: ASSET}, journal.last_sequence + 1)
        records = SentRecords(
            journal,
            lambda record, names: encode(
                record, DEVICE, owners.asset_of(record.subject, record.sequence), names
            ),
            journal.queries.name_list,
            send_provisional=False,
        )
        centre = CentreAccount(self.reader, DEVICE, rest_s=0.0, sleep=_no_rest)
        self.may_send = True
        self.repair = SlotRepair(
            self.store, records, centre, self._sink, may_send=lambda _: self.may_send, sleep=_no_rest
        )
        self.auditor = Auditor(self.store, records, centre, self.repair)
        self.now_ns = START_NS + 24 * HOUR_NS
        self.monotonic_s = 0.0
        self.reconciler = Reconciler(
            self.auditor,
            self.store,
            one.courier,
            self.told,
            last_sequence=lambda: journal.last_sequence,
            refused=lambda: frozenset(letter.sequence for letter in one.outbox.dead_letters()),
            wall_ns=lambda: self.now_ns,
            plan=AuditPlan(look_s=0.01),
            figures=lambda: (self.reader.questions, self.reader.answer_bytes),
            may_send=lambda _: self.may_send,
            monotonic_s=lambda: self.monotonic_s,
        )

    @property
    def lanes(self) -> dict[RecordClass, Lane]:
        return self.way.courier.lanes

    async def round(self) -> Report | None:
        """One full round, once everything is delivered; its report, None where there was nothing to tell."""
        await self.way.drained()
        self.monotonic_s += 1e6
        self.reconciler.status.full_ns = 0
        before, told = self.reconciler.status.rounds, len(self.told.reports)
        await self.reconciler.look()
        assert not self.reconciler.status.error, self.reconciler.status.error
        assert self.reconciler.status.rounds == before + 1
        return self.told.reports[-1] if len(self.told.reports) > told else None

    async def close(self) -> None:
        await self.reader.close()
        await self._sink.close()
        self.store.close()


@contextlib.asynccontextmanager
async def side(
    folder: Path,
    server: LocalInflux,
    *,
    write_url: str = "",
    read_url: str = "",
    clock: ReplayClock | None = None,
    most_bytes: int = 16 << 20,
) -> AsyncIterator[Side]:
    """An edge beside a server; `write_url`: what courier and repairs write to, if not the server itself."""
    sink = InfluxSink(Influx1Writer(write_url or server.url, DATABASE, timeout_s=60.0))
    async with (
        journal_in(folder, clock or ReplayClock(START_NS)) as journal,
        way(journal, folder, sink=sink) as one,
    ):
        path = folder / "central" / "audit.sqlite"
        edge = Side(journal, one, path, read_url or server.url, write_url or server.url, most_bytes)
        try:
            yield edge
        finally:
            await edge.close()


def states(edge: Side) -> set[SlotState]:
    return {slot.state for slot in edge.store.slots(ALL, 0, 1 << 62) if slot.points}


async def ask(server: LocalInflux, question: str) -> list[dict[str, object]]:
    return await asyncio.to_thread(server.ask, question)


__all__ = ["ALL", "ASSET", "CHANNEL", "DEVICE", "HOUR_NS", "Side", "ask", "side", "states"]
