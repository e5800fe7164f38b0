"""Builds the reconciliation with the central InfluxDB from its settings.

Duty: what the audit is given, who hears of its findings, where its file lies. Holds no logic of any part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.alarms.system import SystemCondition
from appliance.clock import Clock
from appliance.config_central import CentralSettings
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.reconcile.auditor import Auditor
from appliance.reconcile.central import CentralReader
from appliance.reconcile.centre_account import CentreAccount
from appliance.reconcile.reconciler import AuditPlan, Reconciler
from appliance.reconcile.report import Report
from appliance.reconcile.sent_records import SentRecords
from appliance.reconcile.slot_repair import RepairPace, SlotRepair
from appliance.reconcile.slot_store import FILE_NAME, SlotStore
from appliance.sinks.courier import Courier
from appliance.sinks.courier_encoding import Encoder
from appliance.sinks.influx import InfluxSink
from appliance.sinks.outbox import Outbox
from appliance.sinks.points_report import REPORT_SUBJECT
from appliance.station_reconciliation import reconciliation_view
from appliance.system_watch import SystemWatch
from appliance.telemetry.audit_samples import audit_samples
from appliance.telemetry.metrics import Sample
from web.schemas import ReconciliationView

TOLD_LINES = 50  # of a report, to the centre


class Findings:
    """Implements `reconcile.reconciler.Told`: an alarm, and a record of every report."""

    def __init__(self, journal: Journal, clock: Clock, watch: SystemWatch) -> None:
        self._journal, self._clock, self._watch = journal, clock, watch

    async def central_differs(self, stands: bool, reason: str, remedy: str) -> None:
        await self._watch.state(stands, SystemCondition.CENTRAL_DIFFERS, "", reason, remedy)

    async def reconciled(self, report: Report) -> None:
        record = NewRecord(
            RecordClass.ALARM,
            RecordKind.AUDIT,
            f"{REPORT_SUBJECT}/{report.report_id}",
            REPORT_SUBJECT,
            self._clock.monotonic_ns(),
            report.encoded(TOLD_LINES),
        )
        await self._journal.commit([record])


class Reconciliation:
    """The built reconciliation: `reconciler` runs under the supervisor; `close` at the end."""

    def __init__(
        self,
        settings: CentralSettings,
        folder: Path,
        *,
        journal: Journal,
        clock: Clock,
        watch: SystemWatch,
        courier: Courier,
        outbox: Outbox,
        encode: Encoder,
        reader: CentralReader,
        sink: InfluxSink,
        device_id: str,
        may_send: Callable[[RecordClass], bool] = lambda _: True,
    ) -> None:
        """`sink` and `reader` are for this alone, and closed with it; `may_send`: whether today's budget of a
        class has room. Raises Fatal."""
        self.store = SlotStore(folder / FILE_NAME)
        self.reader, self._sink = reader, sink
        hold = settings.provisional_times == "hold"
        records = SentRecords(journal, encode, journal.queries.name_list, send_provisional=not hold)
        centre = CentreAccount(reader, device_id)
        pace = RepairPace(
            settings.batch_records, settings.backlog_points_per_s, settings.backlog_kb_per_s * 1000.0
        )
        repair = SlotRepair(self.store, records, centre, sink, pace=pace, may_send=may_send)

        def wall_ns() -> int | None:
            wall = clock.wall(clock.monotonic_ns())
            return wall.time_ns if wall.trusted or not hold else None

        self.reconciler = Reconciler(
            Auditor(self.store, records, centre, repair),
            self.store,
            courier,
            Findings(journal, clock, watch),
            last_sequence=lambda: journal.last_sequence,
            refused=lambda: frozenset(letter.sequence for letter in outbox.dead_letters()),
            wall_ns=wall_ns,
            plan=AuditPlan(days=settings.audit_days, every_s=settings.audit_every_min * 60.0),
            figures=lambda: (reader.questions, reader.answer_bytes),
            may_send=may_send,
        )

    def view(self) -> ReconciliationView:
        """For the appliance page."""
        return reconciliation_view(self.reconciler.status)

    def samples(self) -> Iterator[Sample]:
        """For a scraper."""
        return audit_samples(self.reconciler.status, self.reader.questions, self.reader.answer_bytes)

    async def close(self) -> None:
        await self.reader.close()
        await self._sink.close()
        self.store.close()


def audit_path(state_dir: Path) -> Path:
    """Where the audit keeps its file."""
    return state_dir / "central" / FILE_NAME
