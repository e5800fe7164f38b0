"""Builds the OPC UA server from its settings.

Duty: its nodes from machines and sources, its certificate and users from the state folder. Holds no logic of
any part.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.analysis_intake import window_samples_of
from appliance.analysis_settings import AnalysisSettings
from appliance.clock import Clock
from appliance.config_opcua_server import OpcUaServerSettings
from appliance.errors import Fatal
from appliance.machine_status import MachineStatus
from appliance.publishers.address_space import nodes_of
from appliance.publishers.opcua_certificates import ClientTrust, own_certificate
from appliance.publishers.opcua_server import OpcUaServer, TrustGate
from appliance.publishers.opcua_users import UserFile
from appliance.sources.source import Source
from appliance.station_publishing import StationPublishing
from appliance.station_values import StationValues, appliance_alarms, machine_nodes
from appliance.supervisor import Supervisor
from dsp.extractor import TrendExtractor
from dsp.samples import Channel, Measurand
from web.passwords import PasswordHashing

logger = logging.getLogger(__name__)

FOLDER = "opcua"
USERS_FILE = "users.json"


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
    ) -> None:
        """Raises Fatal where certificate or folders cannot be used."""

        def trusted_now() -> datetime | None:
            wall = clock.wall(clock.monotonic_ns())
            return datetime.fromtimestamp(wall.time_ns / 1e9, UTC) if wall.trusted else None

        features = {
            channel.channel_id: _feature_names(channel, profile)
            for machine in machines
            for channel in (one.channel for one in machine.channels.values())
            if channel.measurand is Measurand.ACCELERATION
        }
        nodes = [machine_nodes(machine, features) for machine in machines]
        own_alarms = appliance_alarms(source.source_id for source in sources)
        folder = state_dir / FOLDER
        own = own_certificate(folder)
        try:
            trust = ClientTrust(folder, any_client=settings.client_certificates == "any")
        except OSError as error:
            raise Fatal(f"the folder {folder} cannot be used: {error.strerror}") from error
        self._users = UserFile(folder / USERS_FILE, PasswordHashing())
        if not self._users.has_users():
            logger.warning("no user of the OPC UA server yet remedy=stethos opcua-user --config FILE")
        self.server = OpcUaServer(
            settings.host,
            settings.port,
            nodes_of(name, nodes, own_alarms),
            own,
            TrustGate(trust, self._users, trusted_now),
            name=name,
            version=version("stethos"),
        )
        values = StationValues(machines, nodes, own_alarms, desk.standing, clock)
        self._publishing = StationPublishing(values.values, self.server, settings.update_interval_ms / 1000.0)
        desk.listen(self._publishing.alarm_changed)

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its tasks."""
        supervisor.add("OPC UA server", self.server.run)
        supervisor.add("OPC UA values", self._publishing.run)

    def close(self) -> None:
        """End its threads."""
        self._users.close()


def _feature_names(channel: Channel, profile: AnalysisSettings) -> tuple[str, ...]:
    window_samples = window_samples_of(channel, profile)
    return TrendExtractor(channel.sample_rate_hz, window_samples - window_samples % 2, channel.unit).names
