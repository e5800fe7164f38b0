"""Builds the telemetry of the appliance itself: the reporter of its health, and the watch over it.

Duty: which meter goes where, and where each figure of the report comes from. Holds no logic of any part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.asset_line import AssetLine
from appliance.clock import Clock
from appliance.config_telemetry import TelemetrySettings
from appliance.counters import Counters
from appliance.health_watch import HealthWatch
from appliance.journal.journal import Journal
from appliance.sinks.courier_report import CourierState
from appliance.sinks.webhook import MAX_WAITING
from appliance.sources.source import LinkReport, LinkState, Source
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.box import Box
from appliance.telemetry.capture_samples import capture_samples
from appliance.telemetry.error_tally import ErrorTally
from appliance.telemetry.health import LinkHealth, PartErrors, Stage
from appliance.telemetry.health_view import health_view
from appliance.telemetry.metrics import render
from appliance.telemetry.reporter import Reporter, Sources, StageProbe
from appliance.telemetry.silence import SilenceWatch
from appliance.telemetry.stage_meter import Meters
from appliance.telemetry.uplink_samples import uplink_samples
from appliance.wiring_captures import Captures
from appliance.wiring_central import Central
from appliance.wiring_inspection import Inspections
from appliance.wiring_models import Networks
from appliance.wiring_object_store import ObjectStoring
from appliance.wiring_opcua_server import OpcUaPublishing
from appliance.wiring_webhooks import Webhooks
from web.health_schemas import ApplianceHealthView

SILENCE_MARGIN_S = 10.0  # beyond the time after which a source itself says that it lost its peer


class Telemetry:
    """Implements `web.station_view.HealthProvider`; `supervise` it, `close` at the end."""

    def __init__(
        self,
        settings: TelemetrySettings,
        meters: Meters,
        *,
        name: str,
        version: str,
        journal: Journal,
        clock: Clock,
        watch: SystemWatch,
        counters: Counters,
        lines: Sequence[AssetLine],
        sources: Sequence[Source],
        silence_s: Mapping[str, float],
        central: Central | None = None,
        webhooks: Webhooks | None = None,
        opcua_server: OpcUaPublishing | None = None,
        object_store: ObjectStoring | None = None,
        captures: Captures | None = None,
        networks: Networks | None = None,
        inspections: Inspections | None = None,
    ) -> None:
        """`silence_s`: by source, after what silence it says itself that it is lost."""
        self._meters = meters
        self._journal = journal
        self._counters = counters
        self._lines = lines
        self._sources = sources
        self._central = central
        self._webhooks = webhooks
        self._opcua_server = opcua_server
        self._object_store = object_store
        self._captures = captures
        self._networks = networks
        self._inspections = inspections
        self._supervisor: Supervisor | None = None
        self._tally = ErrorTally()
        self._tally.__enter__()
        self._dropped_before = sum(one.dropped for one in journal.backlog())
        journal.watch_flushes(meters.journal_commit.done)
        if opcua_server is not None:
            opcua_server.server.on_written = meters.opcua_server.done
        self.reporter = Reporter(
            Sources(self._stages, lambda: meters.assets, self._links, self._parts),
            name=name,
            version=version,
            box=Box(journal.folder),
            journal=journal,
            clock=clock,
            period_s=settings.period_s,
            endurance_tb=settings.flash_endurance_tb,
        )
        self.watch = HealthWatch(
            watch,
            self.reporter.report,
            clock,
            silences=[
                SilenceWatch(
                    source.source_id,
                    [channel.channel_id for channel in source.channels],
                    _limit_s(settings.silent_after_s, silence_s.get(source.source_id, 0.0)),
                )
                for source in sources
            ],
            heard_ns=meters.heard_ns,
            disk_limit_percent=settings.disk_alarm_percent,
        )

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its tasks."""
        self._supervisor = supervisor
        supervisor.add("telemetry", self.reporter.run)
        supervisor.add("latency history", self.reporter.remember)
        supervisor.add("health watch", self.watch.run)

    def close(self) -> None:
        """Count no errors any more."""
        self._tally.__exit__()

    def health(self) -> ApplianceHealthView:
        """How the appliance is; at most a second old."""
        return health_view(self.reporter.report())

    def metrics(self) -> bytes:
        """The page for Prometheus, rendered; the web floor asks once a second at most."""
        audit = None if self._central is None else self._central.reconciliation
        more = [] if audit is None else [*audit.samples()]
        if self._central is not None:
            more += uplink_samples(self._central.uplink_report())
        if self._captures is not None:
            desk = self._captures.desk
            way = None if self._object_store is None else self._object_store.courier
            store = None if way is None else way.report()
            more += capture_samples(desk.ring_bytes, desk.waiting, desk.failed, store)
        if self._networks is not None:
            more += self._networks.samples()
        return render(self.reporter.report(), self._counters.committed(), more)

    # -- where the figures come from --

    def _stages(self) -> list[StageProbe]:
        probes = []
        for line in self._lines:
            asset_id, own = line.asset_id, line.meters
            probes += [
                StageProbe(Stage.SOURCE_QUEUE, queue.name, own.queues[queue.name], len(queue), queue.capacity)
                for queue in line.queues.values()
            ]
            probes += [
                StageProbe(Stage.ANALYSIS, asset_id, own.analysis),
                StageProbe(Stage.SCORING, asset_id, own.scoring),
                StageProbe(Stage.ALARM_DECISION, asset_id, own.decision),
            ]
        meters, journal = self._meters, self._journal
        probes += [
            StageProbe(Stage.ALARM_COMMIT, "", meters.alarm_commit),
            StageProbe(
                Stage.JOURNAL_COMMIT,
                "",
                meters.journal_commit,
                depth=journal.waiting,
                dropped=max(0, sum(one.dropped for one in journal.backlog()) - self._dropped_before),
                errors=journal.failures,
            ),
        ]
        if self._central is not None:
            waiting = self._central.courier.report().waiting
            probes.append(StageProbe(Stage.CENTRAL, "", meters.central, depth=waiting))
        for sink in [] if self._webhooks is None else self._webhooks.sinks:
            waiting = sink.report().waiting
            meter = meters.webhook(sink.name)
            probes.append(StageProbe(Stage.WEBHOOK, sink.name, meter, waiting, MAX_WAITING))
        if self._object_store is not None and self._object_store.courier is not None:
            probes.append(StageProbe(Stage.OBJECT_STORE, "", self._object_store.meter))
        if self._opcua_server is not None:
            server = self._opcua_server.server
            probes.append(
                StageProbe(Stage.OPCUA_SERVER, "", meters.opcua_server, server.waiting, server.n_values)
            )
        return probes if self._inspections is None else [*probes, *self._inspections.probes()]

    def _links(self, now_ns: int) -> list[LinkHealth]:
        links = []
        for source in self._sources:
            heard = [self._meters.heard_ns.get(channel.channel_id) for channel in source.channels]
            newest_ns = max((one for one in heard if one is not None), default=None)
            silent_s = None if newest_ns is None else max(0.0, (now_ns - newest_ns) / 1e9)
            links.append(_link(source.report(), silent_s))
        if self._inspections is not None:
            links += [_link(report, None) for report in self._inspections.reports()]
        if self._webhooks is not None:
            links += [_link(report, None) for report in self._webhooks.reports()]
        if self._object_store is not None:
            links += [_link(report, None) for report in self._object_store.reports()]
        if self._central is not None:
            central = self._central.courier.report()
            links.append(
                LinkHealth(
                    "central",
                    "central",
                    central.state,
                    central.state is CourierState.CONNECTED,
                    central.last_error,
                    None,
                )
            )
        return links

    def _parts(self) -> list[PartErrors]:
        parts = [PartErrors(part, errors, 0) for part, errors in sorted(self._tally.counts.copy().items())]
        reports = [] if self._supervisor is None else self._supervisor.reports()
        return [*parts, *(PartErrors(one.name, 0, one.restarts) for one in reports if one.restarts)]


def _limit_s(wanted_s: float, own_s: float) -> float:
    return max(wanted_s, own_s + SILENCE_MARGIN_S)


def _link(report: LinkReport, silent_s: float | None) -> LinkHealth:
    return LinkHealth(
        report.source_id,
        report.kind,
        report.state,
        report.state is LinkState.CONNECTED,
        report.reason,
        silent_s,
    )
