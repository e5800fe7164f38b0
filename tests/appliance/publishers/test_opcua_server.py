"""The OPC UA server as a foreign client sees it: node-opcua in a process of its own."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Retryable
from appliance.publishers.address_space import NAMESPACE_URI
from appliance.publishers.opcua_server import OpcUaServer
from appliance.publishers.opcua_sessions import Bounds
from appliance.publishers.publisher import PublishedValue, ValueStatus
from tests.appliance.publishers.opcua_rig import PASSWORD, RMS, START_NS, USER, good, serving
from tests.fakes.foreign_opcua import NodeProcess, PeerError, node_process

SIGNED_IN = {"user": USER, "password": PASSWORD}
SEVERITY = "machines/motor-1/severity"
ALARM = "machines/motor-1/alarms/motor-1.machine-condition"


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    async with node_process("client.js", folder=tmp_path / "node") as process:
        yield process


def of(path: str) -> str:
    return f"ns=2;s={path}"


async def changes_of(peer: NodeProcess, path: str, wanted: Any, name: str = "main") -> list[dict[str, Any]]:
    """What a subscription has brought, once its last value is the wanted one."""
    until = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = await peer.do("changes", name=name, node=of(path))
        if found and found[-1]["value"] == wanted:
            return found
        assert time.monotonic() < until, found[-3:]
        await asyncio.sleep(0.05)


async def test_a_scada_client_browses_reads_and_subscribes(tmp_path: Path, peer: NodeProcess) -> None:
    async with serving(tmp_path / "ua") as rig:
        assert await peer.do("endpoints", url=rig.url) == [
            {"policy": "Basic256Sha256", "mode": "SignAndEncrypt", "tokens": ["UserName"]}
        ]
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        assert await peer.do("namespace", uri=NAMESPACE_URI) == 2
        machines = await peer.do("browse", node=of("machines"))
        assert [(one["name"], one["display"]) for one in machines] == [("motor-1", "Motor 1")]
        names = {one["name"] for one in await peer.do("browse", node=of("machines/motor-1"))}
        assert {"severity", "score", "headline", "channels", "alarms", "active_alarms"} <= names

        (before,) = await peer.do("read", nodes=[of(RMS)])
        assert (before["value"], before["status"]) == (None, "BadWaitingForInitialData")
        rig.server.publish([good(RMS, 1.5), good(SEVERITY, 3), good(f"{ALARM}/text", "outer race, BPFO")])
        await peer.do("subscribe", nodes=[of(RMS), of(SEVERITY)])
        await changes_of(peer, RMS, 1.5)
        values = await peer.do("read", nodes=[of(RMS), of(SEVERITY), of(f"{ALARM}/text")])
        assert [one["value"] for one in values] == [1.5, 3, "outer race, BPFO"]
        assert [one["type"] for one in values] == ["Float", "UInt32", "String"]
        assert {one["status"] for one in values} == {"Good"}
        assert {one["source"] for one in values} == {START_NS // 1_000_000}
        units, words = await peer.do(
            "read", nodes=[of(f"{RMS}/EngineeringUnits"), of(f"{SEVERITY}/EnumStrings")]
        )
        assert (units["value"]["unitId"], units["value"]["displayName"]["text"]) == (5067595, "m/s²")
        assert [word["text"] for word in words["value"]] == ["not rated", "good", "watch", "warn", "stop"]

        rig.server.publish([good(RMS, 2.5, START_NS + 10**9)])
        seen = await changes_of(peer, RMS, 2.5)
        assert seen[-1]["source"] == START_NS // 1_000_000 + 1000
        rig.server.publish([PublishedValue(RMS, None, ValueStatus.SENSOR_FAILURE, START_NS + 2 * 10**9)])
        assert (await changes_of(peer, RMS, None))[-1]["status"] == "BadSensorFailure"
        rig.server.publish([PublishedValue(RMS, 2.5, ValueStatus.LAST_USABLE, START_NS)])
        assert (await changes_of(peer, RMS, 2.5))[-1]["status"] == "UncertainLastUsableValue"


async def test_nothing_can_be_written_and_wrong_ways_in_are_refused(
    tmp_path: Path, peer: NodeProcess
) -> None:
    async with serving(tmp_path / "ua") as rig:
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        rig.server.publish([good(RMS, 1.5)])
        assert await peer.do("write", node=of(RMS), value=9.0) == "BadNotWritable"
        assert await peer.do("write", node="i=2267", value=1, type="Byte") == "BadNotWritable"  # ServiceLevel
        (value,) = await peer.do("read", nodes=[of(RMS)])
        assert value["value"] == 1.5
        for refused in (
            {},  # anonymous
            {"user": USER, "password": "wrong"},
            {"user": "admin", "password": PASSWORD},
            {**SIGNED_IN, "security": "None"},
            {**SIGNED_IN, "mode": "Sign"},
            {**SIGNED_IN, "security": "Aes128_Sha256_RsaOaep"},
        ):
            with pytest.raises(PeerError):
                await peer.do("connect", name="refused", url=rig.url, **refused)


async def test_an_operator_admits_a_client_by_moving_its_certificate(
    tmp_path: Path, peer: NodeProcess
) -> None:
    async with serving(tmp_path / "ua", any_client=False) as rig:
        with pytest.raises(PeerError, match="BadCertificateUntrusted"):
            await peer.do("connect", url=rig.url, **SIGNED_IN)
        assert rig.trust_rejected() == 1
        await peer.do("connect", url=rig.url, **SIGNED_IN)


async def test_sessions_are_bounded_and_those_inside_are_served(tmp_path: Path, peer: NodeProcess) -> None:
    async with serving(tmp_path / "ua", bounds=Bounds(sessions=20, sessions_per_address=40)) as rig:
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        await peer.do("subscribe", nodes=[of(RMS)])
        result = await peer.do("sessions", url=rig.url, **SIGNED_IN, count=60)
        assert result["outcomes"]["opened"] == 19
        assert result["outcomes"]["BadTooManySessions"] > 0
        assert sum(result["outcomes"].values()) == 60
        rig.server.publish([good(RMS, 4.0)])
        await changes_of(peer, RMS, 4.0)
        assert await peer.do("closeMany") == 19
        await peer.do("connect", name="later", url=rig.url, **SIGNED_IN)


async def test_a_thousand_sessions_are_bounded_while_another_client_is_served(
    tmp_path: Path, peer: NodeProcess
) -> None:
    async with serving(tmp_path / "ua") as rig, node_process("client.js", folder=tmp_path / "many") as many:
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        await peer.do("subscribe", nodes=[of(RMS)])
        flood = asyncio.create_task(many.do("sessions", url=rig.url, **SIGNED_IN, count=1000))
        number = 0.0
        while not flood.done():
            number += 1.0
            rig.server.publish([good(RMS, number)])
            await changes_of(peer, RMS, number)
        assert number > 1.0
        outcomes = flood.result()["outcomes"]
        assert outcomes["opened"] == Bounds().sessions_per_address - 1
        assert sum(outcomes.values()) == 1000


async def test_connections_of_one_address_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua", bounds=Bounds(sessions=30, sessions_per_address=5)) as rig:
        opened = []
        try:
            for _ in range(1000):
                opened.append(  # noqa: PERF401 - one after the other
                    await asyncio.open_connection("127.0.0.1", rig.server.port)
                )
            answers = await asyncio.gather(*(answer_of(*one, rig.server.port) for one in opened))
            assert answers.count(b"ACKF") == 5
            assert answers.count(b"") == 995
            elsewhere = await asyncio.open_connection(
                "127.0.0.1", rig.server.port, local_addr=("127.0.0.2", 0)
            )
            opened.append(elsewhere)
            assert await answer_of(*elsewhere, rig.server.port) == b"ACKF"
        finally:
            for _, writer in opened:
                writer.close()


async def answer_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> bytes:
    """What the server says to an honest greeting: ACKF; nothing where it has ended the connection."""
    url = f"opc.tcp://127.0.0.1:{port}/stethos".encode()
    greeting = struct.pack("<5Ii", 0, 65_536, 65_536, 0, 0, len(url)) + url
    try:
        writer.write(b"HELF" + struct.pack("<I", 8 + len(greeting)) + greeting)
        async with asyncio.timeout(60):
            return await reader.read(4)
    except ConnectionError:
        return b""


async def test_a_client_that_stops_reading_delays_no_other(tmp_path: Path, peer: NodeProcess) -> None:
    async with serving(tmp_path / "ua") as rig:
        paths = [RMS, f"{ALARM}/text", SEVERITY]
        for name in ("stalled", "awake"):
            await peer.do("connect", name=name, url=rig.url, **SIGNED_IN)
            await peer.do("subscribe", name=name, nodes=[of(path) for path in paths])
        await peer.do("stall", name="stalled")
        turns = worst = 0  # of this process: it has none while the whole machine stands still

        async def bystander() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        beside = asyncio.create_task(bystander())
        for number in range(1, 31):
            began = turns
            rig.server.publish([good(RMS, float(number)), good(f"{ALARM}/text", f"{number} " + "x" * 50_000)])
            await changes_of(peer, RMS, float(number), "awake")
            worst = max(worst, turns - began)
        beside.cancel()
        assert worst < 200, "two seconds"
        assert await peer.do("changes", name="stalled", node=of(RMS)) != await peer.do(
            "changes", name="awake", node=of(RMS)
        )


async def test_it_comes_back_with_what_was_last_known(tmp_path: Path, peer: NodeProcess) -> None:
    async with serving(tmp_path / "ua") as rig:
        rig.server.publish([good(RMS, 7.0)])
        await rig.stop()
        await rig.start()
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        await peer.do("subscribe", nodes=[of(RMS)])
        await changes_of(peer, RMS, 7.0)


async def test_a_port_in_use_is_told_and_tried_again_later(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig:
        other = OpcUaServer(
            "127.0.0.1", rig.server.port, rig.server._nodes, rig.server._own, rig.server._gate
        )
        with pytest.raises(Retryable, match=f"port {rig.server.port}"):
            await asyncio.wait_for(other.run(), 60)
