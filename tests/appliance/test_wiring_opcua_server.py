"""A whole appliance with its OPC UA server, seen by node-opcua: an alarm arrives in a subscription."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from appliance import wiring_opcua_server
from appliance.config_file import load_settings
from appliance.errors import Retryable
from appliance.publishers.opcua_users import set_password
from appliance.service_notifier import service_notifier
from appliance.sources.source import LinkState
from appliance.wiring import Appliance, build_supervisor
from appliance.wiring_opcua_server import FOLDER, USERS_FILE
from tests.appliance.house import until
from tests.appliance.publishers.opcua_rig import PASSWORD, QUICK_HASH, USER
from tests.appliance.publishers.test_opcua_server import changes_of, of
from tests.fakes.foreign_opcua import PeerError, node_process
from web.passwords import PasswordHashing

CONFIG = """
[station]
state_dir = "state"
[web]
port = 0
[journal]
reserve_transitions = 1000
[[assets]]
id = "pump-2"
name = "Cooling pump 2"
[[sources]]
kind = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:1/"
[[sources.tags]]
node = "ns=2;s=Speed"
channel = "pump-2-speed"
asset = "pump-2"
measurand = "shaft_speed"
unit = "rpm"
"""
SERVER = '[opcua_server]\nhost = "127.0.0.1"\nport = 0\n'
LOST = "appliance/alarms/appliance.source-lost.plc"


async def test_an_alarm_of_the_appliance_reaches_scada(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring_opcua_server, "LOOK_S", 0.02)
    config = tmp_path / "stethos.toml"
    config.write_text(CONFIG + SERVER)
    users = tmp_path / "state" / FOLDER / USERS_FILE
    set_password(users, USER, PASSWORD, PasswordHashing(QUICK_HASH))
    appliance = await Appliance.build(load_settings(config))
    notifier = service_notifier()
    supervisor = build_supervisor(notifier)
    running = asyncio.create_task(appliance.run(supervisor, notifier, lambda address: None))
    try:
        assert appliance._opcua_server is not None
        server, report = appliance._opcua_server.server, appliance._opcua_server.report

        def counts() -> dict[str, int]:
            return report().counts or {}

        assert report().state is LinkState.CONNECTING
        async with node_process("client.js", folder=tmp_path / "node") as peer:
            await asyncio.wait_for(server.listening.wait(), 60)
            url = f"opc.tcp://127.0.0.1:{server.port}/stethos"
            with pytest.raises(PeerError, match="BadCertificateUntrusted"):
                await peer.do("connect", url=url, user=USER, password=PASSWORD)
            await until(lambda: counts()["certificates_waiting"] == 1)
            assert (report().state, report().address) == (LinkState.LISTENING, url)
            assert counts()["refused_certificates"] >= 1
            (rejected,) = (tmp_path / "state" / FOLDER / "rejected").iterdir()
            assert rejected.name in report().reason
            assert "trusted" in report().remedy
            rejected.rename(tmp_path / "state" / FOLDER / "trusted" / rejected.name)
            with pytest.raises(PeerError, match="BadUserAccessDenied"):
                await peer.do("connect", url=url, user=USER, password="wrong")
            assert (counts()["refused_sign_ins"], counts()["sessions"]) == (1, 0)
            await until(lambda: counts()["certificates_waiting"] == 0 and not report().reason)
            await peer.do("connect", url=url, user=USER, password=PASSWORD)
            assert counts()["sessions"] == 1
            (shown,) = [one for one in appliance.station.appliance().links if one.kind == "opcua server"]
            assert shown.state == "listening"
            await peer.do("subscribe", nodes=[of(f"{LOST}/state"), of(f"{LOST}/text")])
            (*_, last) = await changes_of(peer, f"{LOST}/state", 1)
            assert last["status"] == "Good"
            (stored,) = [
                one for one in appliance.desk.standing() if one.transition.alarm.rule == "source lost"
            ]
            assert last["source"] == stored.time_ns // 1_000_000
            await appliance.desk.acknowledge(stored.transition.alarm.alarm_id, 1, "ada", "")
            await changes_of(peer, f"{LOST}/state", 2)
            (speed,) = await peer.do("read", nodes=[of("machines/pump-2/channels/pump-2-speed/value")])
            assert speed["status"] == "BadWaitingForInitialData"
    finally:
        supervisor.stop()
        await running
        await appliance.close()


async def test_without_the_table_there_is_no_server(tmp_path: Path) -> None:
    config = tmp_path / "stethos.toml"
    config.write_text(CONFIG)
    appliance = await Appliance.build(load_settings(config))
    try:
        assert appliance._opcua_server is None
        assert not (tmp_path / "state" / FOLDER).exists()
    finally:
        await appliance.close()


async def test_a_taken_port_and_a_missing_user_are_told_on_the_page(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = tmp_path / "stethos.toml"
        config.write_text(CONFIG + SERVER.replace("port = 0", f"port = {port}"))
        appliance = await Appliance.build(load_settings(config))
        try:
            assert appliance._opcua_server is not None
            assert appliance._opcua_server.report().reason == "Nobody can sign in yet."
            assert "stethos opcua-user" in appliance._opcua_server.report().remedy
            with pytest.raises(Retryable, match="in use"):
                await appliance._opcua_server.server.run()
            report = appliance._opcua_server.report()
            assert report.state is LinkState.LOST
            assert f"127.0.0.1 port {port}" in report.reason
        finally:
            await appliance.close()
