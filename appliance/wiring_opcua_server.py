"""Builds the OPC UA server from its settings.

Duty: its nodes from machines and sources, its certificate and users from the state folder. Holds no logic of
any part.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.analysis_intake import window_samples_of
from appliance.analysis_settings import AnalysisSettings
from appliance.clock import Clock
from appliance.config_opcua_server import OpcUaServerSettings
from appliance.errors import Fatal, Retryable
from appliance.machine_status import MachineStatus
from appliance.publishers.address_space import CameraNodes, nodes_of
from appliance.publishers.opcua_certificates import ClientTrust, own_certificate
from appliance.publishers.opcua_server import OpcUaServer, TrustGate
from appliance.publishers.opcua_users import UserFile
from appliance.sources.source import LinkReport, LinkState, Source
from appliance.station_publishing import StationPublishing
from appliance.station_values import StationValues, appliance_alarms, machine_nodes
from appliance.supervisor import Supervisor
from dsp.channel_extractor import channel_extractor
from dsp.samples import Channel, Measurand
from web.passwords import PasswordHashing

logger = logging.getLogger(__name__)

FOLDER = "opcua"
USERS_FILE = "users.json"
LOOK_S = 5.0
MOST_NAMED = 3


class OpcUaPublishing:
    """The built server and what tells it how things stand: `supervise`, `close` at the end."""

    def __init__(
        self,
        settings: OpcUaServerSettings,
        name: str,
        state_dir: Path,
        *,
        machines: Sequence[MachineStatus],
        sources: Sequence[Source],
        desk: AlarmDesk,
        clock: Clock,
        profile: AnalysisSettings,
        process_alarms: Mapping[str, Collection[str]] | None = None,
        cameras: Sequence[CameraNodes] = (),
    ) -> None:
        """`process_alarms`: ids per machine. Raises Fatal where certificate or folders cannot be used."""

        def utc() -> datetime:
            return datetime.fromtimestamp(clock.wall(clock.monotonic_ns()).time_ns / 1e9, UTC)

        def trusted_now() -> datetime | None:
            return utc() if clock.wall(clock.monotonic_ns()).trusted else None

        features = {
            channel.channel_id: _feature_names(channel, profile)
            for machine in machines
            for channel in (one.channel for one in machine.channels.values())
            if channel.measurand is Measurand.ACCELERATION
        }
        of_process = process_alarms or {}
        nodes = [
            machine_nodes(machine, features, of_process.get(machine.machine.asset_id, ()))
            for machine in machines
        ]
        camera_ids = [camera.camera_id for camera in cameras]
        own_alarms = appliance_alarms((source.source_id for source in sources), camera_ids)
        folder = state_dir / FOLDER
        own = own_certificate(folder)
        try:
            trust = ClientTrust(folder, any_client=settings.client_certificates == "any")
        except OSError as error:
            raise Fatal(f"the folder {folder} cannot be used: {error.strerror}") from error
        self._users = UserFile(folder / USERS_FILE, PasswordHashing())
        if not self._users.has_users():
            logger.warning("no user of the OPC UA server yet remedy=stethos opcua-user --config FILE")
        self._host, self._folder, self._trust = settings.host, folder, trust
        self._gate = TrustGate(trust, self._users, trusted_now)
        self._waiting_certificates: list[str] = []
        self._nobody_can_sign_in = not self._users.has_users()
        self.server = OpcUaServer(
            settings.host,
            settings.port,
            nodes_of(name, nodes, own_alarms, cameras),
            own,
            self._gate,
            name=name,
            version=version("stethos"),
            utc=utc,
        )
        values = StationValues(machines, nodes, own_alarms, desk.standing, clock)
        self._publishing = StationPublishing(values.values, self.server, settings.update_interval_ms / 1000.0)
        desk.listen(self._publishing.alarm_changed)

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its tasks."""
        supervisor.add("OPC UA server", self.server.run)
        supervisor.add("OPC UA values", self._publishing.run)
        supervisor.add("OPC UA folders", self._watch_folders)

    def report(self) -> LinkReport:
        """The server as a line of the appliance page."""
        server, waiting = self.server, self._waiting_certificates
        state = LinkState.LISTENING if server.listening.is_set() else LinkState.CONNECTING
        reason = remedy = ""
        if server.trouble:
            state, reason = LinkState.LOST, f"{server.trouble}."
            remedy = "Choose another [opcua_server] port, or stop what uses it."
        elif self._nobody_can_sign_in:
            reason, remedy = "Nobody can sign in yet.", "Run: stethos opcua-user --config FILE"
        elif waiting:
            names = ", ".join(waiting[:MOST_NAMED]) + (", ..." if len(waiting) > MOST_NAMED else "")
            reason = f"Refused client certificates that nobody has judged yet: {names}."
            remedy = (
                f"To admit one, move it from {self._folder / 'rejected'} to {self._folder / 'trusted'}; "
                "delete the others."
            )
        host = f"[{self._host}]" if ":" in self._host else self._host
        return LinkReport(
            "opcua-server",
            "opcua server",
            f"opc.tcp://{host}:{server.port}/stethos",
            state,
            reason,
            remedy,
            {
                "sessions": server.n_sessions,
                "refused_sign_ins": self._gate.refused_sign_ins,
                "refused_certificates": self._gate.refused_certificates,
                "certificates_waiting": len(waiting),
            },
        )

    async def _watch_folders(self) -> None:
        """Look now and then who waits to be admitted, for ever: in a thread, since it reads files."""
        while True:
            try:
                self._waiting_certificates = await asyncio.to_thread(self._trust.waiting)
                self._nobody_can_sign_in = not await asyncio.to_thread(self._users.has_users)
            except OSError as error:
                raise Retryable(f"the folder {self._folder} cannot be read: {error.strerror}") from error
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """End its threads."""
        self._users.close()


def _feature_names(channel: Channel, profile: AnalysisSettings) -> tuple[str, ...]:
    window_samples = window_samples_of(channel, profile)
    even = window_samples - window_samples % 2
    return channel_extractor(channel.sample_rate_hz, even, channel.unit, profile.engine).names
