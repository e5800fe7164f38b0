"""The PLC of a line, as a real OPC UA server: tags for verdicts, one that nobody may touch, all writes noted.

`proxied` puts a wire before it that a test can hold: what was sent waits then. `patient` makes the time-outs
of the link wide, for tests that are about something else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.common.callback import CallbackType

from appliance import inspection_tag_session, inspection_tag_writer
from appliance.inspection_tag_session import VerdictNodes
from appliance.sources import opcua_client

VERDICT, NUMBER, SCORE, OTHER = (f"ns=2;s={name}" for name in ("Verdict", "Number", "Score", "Recipe"))
NODES = VerdictNodes(VERDICT, NUMBER, SCORE)


def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits for its PLC: a machine that stands still for seconds costs no link."""
    monkeypatch.setattr(inspection_tag_session, "CONNECT_TIMEOUT_S", 60.0)
    monkeypatch.setattr(inspection_tag_session, "ANSWER_TIMEOUT_S", 60.0)
    monkeypatch.setattr(inspection_tag_writer, "FAREWELL_S", 60.0)
    monkeypatch.setattr(opcua_client, "CLOSE_TIMEOUT_S", 60.0)


class VerdictPlc:
    """Start it, stop it. Nobody listens at its address before, and nobody else gets it."""

    def __init__(self) -> None:
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port = int(self._place.getsockname()[1])
        self.url = f"opc.tcp://127.0.0.1:{self.port}/"
        self.writes: list[dict[str, Any]] = []  # one per request: node id to value
        self.writable = True

    async def start(self) -> None:
        server = self._server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("urn:line")
        for node, value, kind in (
            (VERDICT, 1, ua.VariantType.Int16),  # what somebody left there
            (NUMBER, 0, ua.VariantType.UInt16),
            (SCORE, 0.0, ua.VariantType.Float),
            (OTHER, 7, ua.VariantType.Int32),
            ("ns=2;s=Lamp", False, ua.VariantType.Boolean),
        ):
            name = node.removeprefix("ns=2;s=")
            made = await server.nodes.objects.add_variable(ua.NodeId.from_string(node), name, value, kind)
            if self.writable:
                await made.set_writable()
        server.subscribe_server_callback(CallbackType.PostWrite, self._written)
        await server.start()

    async def stop(self) -> None:
        await self._server.stop()
        self._place.close()

    async def value(self, node: str) -> Any:
        return await self._server.get_node(node).read_value()

    def _written(self, event: Any, _dispatcher: Any) -> None:
        if not event.is_external:  # the server's own clock and state
            return
        wanted = event.request_params.NodesToWrite
        self.writes.append({one.NodeId.to_string(): one.Value.Value.Value for one in wanted})


@contextlib.asynccontextmanager
async def verdict_plc(writable: bool = True) -> AsyncIterator[VerdictPlc]:
    plc = VerdictPlc()
    plc.writable = writable
    await plc.start()
    try:
        yield plc
    finally:
        await plc.stop()


class Wire:
    """A way to the server that can be held."""

    def __init__(self, port: int) -> None:
        self._port, self.open = port, asyncio.Event()
        self.open.set()
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._taken, "127.0.0.1", 0)
        self.url = f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        return server

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._carry(other_reader, writer))
        self._tasks.add(back)
        back.add_done_callback(self._tasks.discard)
        await self._carry(reader, other_writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                await self.open.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxied(plc: VerdictPlc) -> AsyncIterator[Wire]:
    wire = Wire(plc.port)
    server = await wire.serve()
    try:
        yield wire
    finally:
        wire.open.set()
        server.close()
