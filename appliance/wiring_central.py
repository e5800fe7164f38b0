"""Builds the way to the central InfluxDB from its settings.

Duty: which writer for which version, where its secrets are read, what the courier is given. Holds no logic of
any part.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from appliance.clock import Clock
from appliance.config_central import CentralSettings
from appliance.counter_desk import CounterDesk
from appliance.counters import Counter
from appliance.dead_letters import CentralLetters
from appliance.device_identity import FILE_NAME as KEY_FILE
from appliance.device_identity import OwnSignature, device_id
from appliance.errors import Fatal
from appliance.journal.features import NameList
from appliance.journal.journal import Journal
from appliance.journal.record import CENTRAL, Record, RecordClass, SinkClaim
from appliance.reconcile.alarm_reconciler import ACTS
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.central_check import CentralCheck, Finding
from appliance.reconcile.counter_reconciler import CounterReconciler
from appliance.secret_file import secret_of
from appliance.sinks.courier import KINDS, Courier
from appliance.sinks.courier_needs import Pace
from appliance.sinks.influx import Influx1Writer, Influx3Writer, InfluxSink, Writer
from appliance.sinks.influx2 import Influx2Writer
from appliance.sinks.influx_dialect import DIALECTS
from appliance.sinks.outbox import FILE_NAME, Outbox
from appliance.sinks.points import encode
from appliance.sinks.points_batch import BatchLines
from appliance.sinks.uplink import Uplink, UplinkReport
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.measured_ways import MeasuredSink
from appliance.telemetry.stage_meter import StageMeter
from appliance.wiring_reconcile import Reconciliation
from dsp.samples import Channel
from web.schemas import ReconciliationView, TrafficView

NOT_CONFIGURED = "not configured: everything is kept here"


class Central:
    """The built way to the centre: `run` the courier, `close` at the end."""

    def __init__(
        self,
        settings: CentralSettings,
        state_dir: Path,
        *,
        journal: Journal,
        watch: SystemWatch,
        channels: Sequence[Channel],
        clock: Clock,
        meter: StageMeter | None = None,
    ) -> None:
        """Raises Fatal where device key, courier's file or certificates cannot be used."""
        self._own_id = own_id = device_id(state_dir)
        self._clock = clock
        path = outbox_path(state_dir)
        self._outbox = Outbox(path)
        self.uplink = _uplink(settings, clock, self._outbox)
        self._samples: Callable[[], float] | None = None
        self._sink = InfluxSink(
            _writer(settings), lambda: clock.wall(clock.monotonic_ns()).time_ns / 1e9, self.uplink
        )
        owners = self._outbox.owners(
            {channel.channel_id: channel.asset_id for channel in channels}, journal.last_sequence + 1
        )

        own = OwnSignature(state_dir, ACTS)

        def encoded(record: Record, names: NameList | None) -> bytes | None:
            return encode(record, own_id, owners.asset_of(record.subject, record.sequence), names, own.sign)

        self.courier = Courier(
            journal,
            MeasuredSink(self._sink, meter or StageMeter()),
            self._outbox,
            encode=encoded,
            encode_many=BatchLines(own_id, owners.asset_of),
            name_list=journal.queries.name_list,
            watch=watch,
            where=urlsplit(settings.url).netloc,
            pace=Pace(
                batch_records=settings.batch_records,
                backlog_points_per_s=settings.backlog_points_per_s,
                backlog_bytes_per_s=settings.backlog_kb_per_s * 1000.0,
            ),
            send_provisional=settings.provisional_times == "send",
            wall_ns=lambda: clock.wall(clock.monotonic_ns()).time_ns,
            answers=self._sink.answers,
            uplink=self.uplink,
        )
        self.letters = CentralLetters(path, self.courier.report)
        self.reconciliation: Reconciliation | None = None
        if settings.audit_days:
            self.reconciliation = Reconciliation(
                settings,
                path.parent,
                journal=journal,
                clock=clock,
                watch=watch,
                courier=self.courier,
                outbox=self._outbox,
                encode=encoded,
                reader=central_reader(settings),
                sink=InfluxSink(_writer(settings), uplink=self.uplink),  # repairs are counted, too
                device_id=own_id,
                may_send=self.uplink.may_send,
            )

    def text(self) -> str:
        """The line "central" of the appliance page."""
        parts = (self.courier.report().text, self.uplink_report().text, self._sink.clock_text())
        told = "; ".join(text for text in parts if text)
        if self.reconciliation is None:
            return f"{told}; arrival is not audited (audit_days = 0)"
        return f"{told}; {self.reconciliation.reconciler.status.text}"

    def uplink_report(self) -> UplinkReport:
        """What came in, what went out, and today's budgets."""
        if self._samples is not None:
            self.uplink.samples_are(self._samples())
        return self.uplink.report()

    def traffic(self) -> TrafficView:
        """How much came in and how little went out, for the appliance page."""
        report = self.uplink_report()
        return TrafficView(
            raw_bytes=report.raw_bytes, sent_bytes=report.sent_bytes, stayed_ratio=report.stayed_ratio
        )

    def reconcile_counters(self, desk: CounterDesk) -> None:
        """Let the rounds of the reconciliation bring counters together, too; samples count as raw bytes."""
        self._samples = lambda: sum(
            total.value for total in desk.counters.committed() if total.counter == Counter.SAMPLES
        )
        if self.reconciliation is None:
            return
        self.reconciliation.reconciler.add(
            CounterReconciler(
                desk,
                self.reconciliation.reader,
                self._clock,
                device_id=self._own_id,
                acknowledged=lambda: self.courier.lanes[RecordClass.COUNTER].confirmed,
            )
        )

    def view(self) -> ReconciliationView | None:
        """How both sides stand, for the appliance page; None where that is not looked at."""
        return None if self.reconciliation is None else self.reconciliation.view()

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its tasks."""
        supervisor.add("central", self.courier.run)
        if self.reconciliation is not None:
            supervisor.add("reconciliation", self.reconciliation.reconciler.run)

    def claims(self) -> dict[str, SinkClaim]:
        """What the centre takes over from the journal, by its name there."""
        return {CENTRAL: self.courier.claim}

    def confirmed(self) -> int:
        """Up to this journal sequence every record is at the centre, or refused for good."""
        return min(self.courier.lanes[record_class].confirmed for record_class in KINDS)

    async def close(self) -> None:
        if self.reconciliation is not None:
            await self.reconciliation.close()
        await self._sink.close()
        self._outbox.close()


def supervise_central(central: Central | None, watch: SystemWatch, supervisor: Supervisor) -> None:
    """Add the tasks of the way to the centre; without one, what was said of it is over."""
    if central is None:
        supervisor.add("central", watch.central_is_not_configured)
    else:
        central.supervise(supervisor)
        if central.reconciliation is None:
            supervisor.add("reconciliation", watch.central_is_not_audited)


def outbox_path(state_dir: Path) -> Path:
    """Where the courier keeps its file."""
    return state_dir / "central" / FILE_NAME


def _uplink(settings: CentralSettings, clock: Clock, outbox: Outbox) -> Uplink:
    wanted_mb = {
        RecordClass.TELEMETRY: settings.daily_telemetry_mb,
        RecordClass.COUNTER: settings.daily_counter_mb,
        RecordClass.LIMIT: settings.daily_limit_mb,
    }

    def day() -> str:
        return datetime.fromtimestamp(clock.wall(clock.monotonic_ns()).time_ns / 1e9, UTC).date().isoformat()

    budgets = {one: round(size_mb * 1e6) for one, size_mb in wanted_mb.items() if size_mb > 0}
    return Uplink(budgets, day, outbox.uplink())


def central_reader(settings: CentralSettings) -> CentralReader:
    """Questions to the centre, with the secrets and certificates that are used to write. `close` it."""
    if settings.version == 2:
        target = Target.of_bucket(settings.bucket)
    else:
        target = Target(settings.database, settings.retention_policy)
    dialect = DIALECTS[settings.version]

    def authorization() -> str:
        if settings.token_file is not None:
            return dialect.authorization(secret_of(settings.token_file))
        if not settings.user:
            return ""
        return aiohttp.encode_basic_auth(settings.user, secret_of(settings.password_file))

    return CentralReader(
        settings.url, target, authorization=authorization, tls=_tls(settings), timeout_s=settings.timeout_s
    )


async def check_central(
    settings: CentralSettings, state_dir: Path, wall_ns: Callable[[], int]
) -> list[Finding]:
    """What is right and wrong with the way to the centre. `wall_ns`: this box's clock. Raises Fatal."""
    # A key that is not there yet is the service's to make: whoever checks may be another user.
    own_id = device_id(state_dir) if (state_dir / KEY_FILE).exists() else "none yet"
    reader, sink = central_reader(settings), InfluxSink(_writer(settings))
    try:
        return await CentralCheck(
            settings.url,
            reader,
            sink,
            device_id=own_id,
            tls=_tls(settings),
            audit_days=settings.audit_days,
            wall_ns=wall_ns,
            timeout_s=settings.timeout_s,
        ).findings()
    finally:
        await reader.close()
        await sink.close()


def _writer(settings: CentralSettings) -> Writer:
    tls = _tls(settings)
    password_file, token_file = settings.password_file, settings.token_file
    if settings.version == 2:
        return Influx2Writer(
            settings.url,
            settings.org,
            settings.bucket,
            token=lambda: secret_of(token_file),
            tls=tls,
            timeout_s=settings.timeout_s,
        )
    token = None if token_file is None else lambda: secret_of(token_file)
    if settings.version == 3:
        return Influx3Writer(
            settings.url, settings.database, token=token, tls=tls, timeout_s=settings.timeout_s
        )
    return Influx1Writer(
        settings.url,
        settings.database,
        retention_policy=settings.retention_policy,
        credentials=None if not settings.user else lambda: (settings.user, secret_of(password_file)),
        token=token,
        tls=tls,
        timeout_s=settings.timeout_s,
    )


def _tls(settings: CentralSettings) -> ssl.SSLContext | None:
    if not settings.url.startswith("https:"):
        return None
    try:
        tls = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    except (OSError, ValueError) as error:
        raise Fatal(f"central.ca_file {settings.ca_file} cannot be used: {error}") from error
    certificate, key = settings.client_certificate_file, settings.client_key_file
    if certificate is not None:
        try:
            tls.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            raise Fatal(f"central.client_certificate_file {certificate} cannot be used: {error}") from error
    return tls
