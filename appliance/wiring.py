"""The only place that builds concrete classes: from settings to a running appliance.

Duty: the explicit tables of what is built for which setting, unit conversions of settings, and the order in
which parts come up. Holds no logic of any part.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version
from typing import TypeVar

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.clock_rule import ClockRule
from appliance.analysis import AssetAnalysis
from appliance.appliance_view import ApplianceFigures, Identity
from appliance.asset_line import AssetLine
from appliance.backfill import Backfill
from appliance.backoff import Backoff
from appliance.clock import Clock, SystemClock
from appliance.config import ApplianceSettings, SerialSettings
from appliance.counters import Counter, Counters
from appliance.dead_letters import DeadLetters
from appliance.fresh_start import once_durable
from appliance.inspection_values import CameraPublishing
from appliance.journal.journal import Journal
from appliance.limit_desk import LimitDesk
from appliance.machine_facts import build_analysis, build_machine, build_watches
from appliance.machine_status import MachineStatus
from appliance.pipeline import Pipeline
from appliance.publishers.address_space import CameraNodes
from appliance.service_notifier import ServiceNotifier
from appliance.sources.source import LinkReport
from appliance.stand_in import bring_back, remove_temporary
from appliance.station import Station
from appliance.supervisor import Supervisor, TaskReport, TaskState
from appliance.system_watch import SystemWatch
from appliance.telemetry.stage_meter import Meters
from appliance.tls_files import TlsFiles
from appliance.wiring_captures import Captures
from appliance.wiring_central import Central, supervise_central
from appliance.wiring_commands import CentralCommands
from appliance.wiring_drill import build_nightly
from appliance.wiring_inspection import Inspections
from appliance.wiring_models import Networks
from appliance.wiring_object_store import ObjectStoring
from appliance.wiring_opcua_server import OpcUaPublishing
from appliance.wiring_sources import build_sources, historians, verdict_plcs
from appliance.wiring_state import open_state
from appliance.wiring_telemetry import Telemetry
from appliance.wiring_web import Address, WebDoor
from appliance.wiring_webhooks import Webhooks
from dsp.samples import Channel
from firmware_bridge import burst_deframer
from models.machine import Machine
from web.auth import AuthStore

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Argument = TypeVar("_Argument")

PICTURES_YIELD = 0.4  # of a machine's fullest queue: before its captures are left out
SOURCE_BACKOFF = Backoff(base_s=0.5, cap_s=5.0, floor_s=0.2)  # a port or a server is cheap to ask


class Appliance:
    """A built appliance. `build` it, `run` it once."""

    def __init__(
        self,
        settings: ApplianceSettings,
        clock: Clock,
        journal: Journal,
        auth: AuthStore,
        tls: TlsFiles | None,
    ) -> None:
        self.settings = settings
        self._on_disk = settings.station.state_dir  # while that takes no write another folder stands in
        self.journal = journal
        self._auth = auth
        self._tls = tls
        self.sources = build_sources(settings.sources)
        meters = Meters()
        self.desk = AlarmDesk(journal, clock, meters.alarm_commit)
        grace_s = settings.telemetry.clock_untrusted_after_s
        self._watch = SystemWatch(self.desk, journal, clock, ClockRule(grace_s))
        counters = Counters(journal.incarnation, journal.boot_id)
        machines = [build_machine(asset) for asset in settings.assets]
        profile = build_analysis(settings.station)
        channels = [channel for source in self.sources for channel in source.channels]
        self._networks = Networks(
            settings.models, settings.station.state_dir, profile, channels, watch=self._watch, clock=clock
        )
        self._lines = [
            AssetLine(
                AssetAnalysis(
                    machine,
                    _of(channels, machine),
                    replace(profile, networks=self._networks.seats(_of(channels, machine))),
                    meters.of(machine.asset_id).score,
                    build_watches(asset),
                ),
                settings.journal.telemetry_period_s,
                meters.of(machine.asset_id),
            )
            for machine, asset in zip(machines, settings.assets, strict=True)
        ]
        self._statuses = [MachineStatus(machine, _of(channels, machine)) for machine in machines]
        central = settings.central
        self._central = (
            None
            if central is None
            else Central(
                central,
                settings.station.state_dir,
                journal=journal,
                watch=self._watch,
                channels=channels,
                clock=clock,
                meter=meters.central,
            )
        )
        self._webhooks = Webhooks(
            settings.webhooks,
            settings.station.state_dir / "journal",
            appliance=settings.station.name,
            asset_names={asset.id: asset.name for asset in settings.assets},
            journal=journal,
            clock=clock,
            watch=self._watch,
            meters=meters,
        )
        to_centre = {} if self._central is None else self._central.claims()
        self._object_store = ObjectStoring(settings, journal, clock, self._watch, meters.object_store)
        own = {**self._webhooks.claims(), **self._object_store.claims()}
        journal.deliveries.sinks_are({**to_centre, **own})
        self._opcua_server = self._build_opcua_server(clock)
        self.captures = Captures(
            settings.captures, journal, clock, self._watch, counters, channels=channels, lines=self._lines
        )
        server = self._opcua_server
        self.inspections = Inspections(
            settings.cameras,
            settings.station.state_dir,
            plcs=verdict_plcs(settings.sources),
            journal=journal,
            clock=clock,
            counters=counters,
            watch=self._watch,
            captures=self.captures if settings.captures.enabled else None,
            listeners=() if server is None else (CameraPublishing(server.server.publish, clock),),
            pressed=lambda: any(line.fill() > PICTURES_YIELD for line in self._lines),
        )
        self.telemetry = Telemetry(
            settings.telemetry,
            meters,
            name=settings.station.name,
            version=version("stethos"),
            journal=journal,
            clock=clock,
            watch=self._watch,
            counters=counters,
            lines=self._lines,
            sources=self.sources,
            silence_s={source.id: source.silence_s for source in settings.sources},
            central=self._central,
            webhooks=self._webhooks,
            opcua_server=self._opcua_server,
            object_store=self._object_store,
            captures=self.captures,
            networks=self._networks,
            inspections=self.inspections,
        )
        limit_desk = LimitDesk(journal, clock)
        state_dir, desks = settings.station.state_dir, (self.desk, limit_desk)
        self._commands = CentralCommands(central, state_dir, *desks, journal=journal, clock=clock)
        self._commands.reconcile_with(self._central, central, state_dir)
        self.station = Station(
            settings.station.name,
            self._statuses,
            journal=journal,
            clock=clock,
            desk=self.desk,
            limit_desk=limit_desk,
            figures=ApplianceFigures(
                Identity(settings.station.name, version("stethos")),
                journal=journal,
                clock=clock,
                counters=counters,
                sources=self.sources,
                queues=lambda: [queue for line in self._lines for queue in line.queues.values()],
                central=None if self._central is None else self._commands.beside(self._central.text),
                traffic=lambda: None if self._central is None else self._central.traffic(),
                reconciliation=lambda: None if self._central is None else self._central.view(),
                ways_out=self._ways_out,
                dead_letters=DeadLetters(
                    [
                        *([] if self._central is None else [self._central.letters]),
                        *self._webhooks.letters,
                        *self._object_store.letters,
                    ]
                ),
            ),
        )
        self._nightly = build_nightly(settings.drill, journal, clock, self.desk)
        self.pipeline = Pipeline(
            self._lines,
            journal=journal,
            clock=clock,
            desk=self.desk,
            counters=counters,
            watch=self._watch,
            audience=self.station,
            counter_period_s=settings.journal.counter_period_s,
            workers=max(1, (os.cpu_count() or 2) - 1),
            meters=meters,
            limit_desk=limit_desk,
            captor=self.captures.desk,
            hear_tag=self.inspections.hear,
        )
        self._backfill = Backfill(
            historians(self.sources), journal, clock, period_s=settings.journal.telemetry_period_s
        )
        if self._central is not None:
            self._central.reconcile_counters(self.pipeline.counter_desk)
        for source in self.sources:
            self.pipeline.connect(source)
        self.inspections.tell_counted(self.pipeline.part_counted)
        self._restore(counters)

    @classmethod
    async def build(cls, settings: ApplianceSettings, told: Callable[[str], None] | None = None) -> Appliance:
        """Open what is stored and build all parts; `told` hears why that takes long. Raises Fatal when the
        appliance cannot start."""
        clock = SystemClock()
        opened = await open_state(settings, clock, told)
        try:
            appliance = cls(opened.settings, clock, opened.journal, opened.auth, opened.tls)
        except BaseException:
            await opened.journal.close()
            raise
        appliance._on_disk = settings.station.state_dir
        return appliance

    def warm_up(self, told: Callable[[str], None]) -> None:
        """Compile or load the kernels before samples arrive. Blocking, seconds at the very first start."""
        if any(isinstance(source, SerialSettings) for source in self.settings.sources):
            told("preparing the serial lines")
            burst_deframer.warm_up()
        for line in self._lines:
            told(f"preparing the analysis of {line.asset_id}")
            line.analysis.warm_up()

    async def run(
        self, supervisor: Supervisor, notifier: ServiceNotifier, announce: Callable[[Address], None]
    ) -> None:
        """Run until the supervisor stops. Raises Fatal when an essential part cannot go on."""
        door = WebDoor(self.settings.web, self.settings.metrics, self._auth, self._tls)
        supervisor.add("alarm desk", self.desk.follow)
        supervisor.add("counters", self.pipeline.run_counters)
        for line in self._lines:
            supervisor.add(f"machine {line.asset_id}", _bound(self.pipeline.run_asset, line.asset_id))
        supervisor.add("system watch", self._watch.run)
        self._networks.supervise(supervisor)
        self.captures.supervise(supervisor)
        self.inspections.supervise(supervisor)
        for source in self.sources:
            supervisor.add(f"source {source.source_id}", _bound(self.pipeline.feed, source))
        supervisor.add("backfill", self._backfill.run)
        supervisor.add("station", self.station.run)
        supervisor.add("stored trends", self.station.recall_trends)
        supervisor.add("disk figures", self.station.watch_disk)
        supervise_central(self._central, self._watch, supervisor)
        self._commands.supervise(supervisor)
        if self._opcua_server is not None:
            self._opcua_server.supervise(supervisor)
        self._webhooks.supervise(supervisor)
        self._object_store.supervise(supervisor)
        self.telemetry.supervise(supervisor)
        if self._nightly is not None:
            supervisor.add("nightly drill", self._nightly.run)
        if self._on_disk != self.settings.station.state_dir:
            supervisor.add("fresh start", self._start_anew, essential=True)
        supervisor.add("watchdog", notifier.keep_alive)
        door.supervise(
            supervisor,
            self.station,
            health=self.telemetry,
            captured=self.captures.views,
            inspections=self.inspections.views,
        )
        first_password = self._auth.ensure_first_user()

        def started() -> None:
            notifier.ready()
            announce(door.address(first_password))

        await supervisor.run_all(signals=_STOP_SIGNALS, started=started)

    @property
    def central(self) -> Central | None:
        """The way to the centre, where there is one."""
        return self._central

    async def close(self) -> None:
        """Bring what waits to the disk and end."""
        self.pipeline.close()
        await self._networks.close()
        if self._central is not None:
            await self._central.close()
        await self._commands.close()
        if self._opcua_server is not None:
            self._opcua_server.close()
        self._webhooks.close()
        self.telemetry.close()
        self.inspections.close()
        await self.captures.close()
        await self._object_store.close()
        await self.journal.close()
        self._auth.close()
        if self._on_disk != self.settings.station.state_dir:
            remove_temporary(self.settings.station.state_dir)

    async def _start_anew(self) -> None:
        """What stands in for the state folder is given up once the disk takes writes. Raises Fatal then."""
        place = self.settings.station.state_dir
        await once_durable(self.journal, lambda: bring_back(place, self._on_disk))

    def _ways_out(self) -> list[LinkReport]:
        """Who gets something from here: SCADA and the receivers of alarms."""
        server = [] if self._opcua_server is None else [self._opcua_server.report()]
        night = [] if self._nightly is None else [self._nightly.report()]
        stores = [*self._webhooks.reports(), *self._object_store.reports()]
        return [*self.inspections.reports(), *server, *stores, *night]

    def _build_opcua_server(self, clock: Clock) -> OpcUaPublishing | None:
        wanted, station = self.settings.opcua_server, self.settings.station
        if wanted is None:
            return None
        return OpcUaPublishing(
            wanted,
            station.name,
            station.state_dir,
            machines=self._statuses,
            sources=self.sources,
            desk=self.desk,
            clock=clock,
            profile=build_analysis(self.settings.station),
            process_alarms={line.asset_id: line.analysis.process_alarms for line in self._lines},
            cameras=[CameraNodes(camera.id, camera.name) for camera in self.settings.cameras],
        )

    def _restore(self, counters: Counters) -> None:
        alarms = self.desk.restore()
        self._watch.restore(alarms, [*(one.source_id for one in self.sources), *self.inspections.lines])
        self.pipeline.restore(alarms)
        self.inspections.restore(alarms)
        counters.add(Counter.SERVICE_STARTS, self.settings.station.name)
        for line, status in zip(self._lines, self._statuses, strict=True):
            status.restore_learning(line.analysis.learning_progress())


def build_supervisor(notifier: ServiceNotifier) -> Supervisor:
    """The supervisor of a running appliance; tells systemd what is not well."""
    troubled: dict[str, str] = {}

    def changed(report: TaskReport) -> None:
        if report.state in (TaskState.BACKING_OFF, TaskState.FAILED):
            troubled[report.name] = f"{report.name}: {report.reason}"
        else:
            troubled.pop(report.name, None)
        notifier.status("; ".join(troubled.values()) or "all parts run")

    return Supervisor(SOURCE_BACKOFF, on_change=changed)


def _bound(
    function: Callable[[_Argument], Awaitable[None]], argument: _Argument
) -> Callable[[], Awaitable[None]]:
    return lambda: function(argument)


def _of(channels: list[Channel], machine: Machine) -> list[Channel]:
    return [channel for channel in channels if channel.asset_id == machine.asset_id]
