"""One connection to the line's PLC that writes a camera's verdicts to its tags, and does nothing else.

Duty: connect, see that the tags can hold what is written, write it in the tags' own types. Reads of the
server its state and the types of these tags; writes these tags alone. Decides nothing about parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from appliance.errors import Retryable
from appliance.inspection_tags import TagWrite
from appliance.sources.opcua_client import NoPlainPasswordClient

CONNECT_TIMEOUT_S = 8.0
ANSWER_TIMEOUT_S = 2.0  # a server that takes longer has lost the link
SERVER_STATE = "i=2259"  # Server_ServerStatus_State
FOREIGN = (OSError, TimeoutError, ua.uaerrors.UaError, asyncio.IncompleteReadError, ValueError)

_INTEGERS = {
    ua.VariantType.SByte: 7, ua.VariantType.Byte: 8, ua.VariantType.Int16: 15, ua.VariantType.UInt16: 16,
    ua.VariantType.Int32: 31, ua.VariantType.UInt32: 32, ua.VariantType.Int64: 63, ua.VariantType.UInt64: 64,
}  # fmt: skip
_REALS = (ua.VariantType.Float, ua.VariantType.Double)


@dataclass(frozen=True, slots=True)
class VerdictNodes:
    """Node ids of a PLC's tags; `score` may be empty."""

    verdict: str
    part_number: str
    score: str = ""


@dataclass(frozen=True, slots=True)
class PlcAddress:
    """The server, as the configured OPC UA source reaches it. The password is read at each connection."""

    source_id: str
    url: str
    user: str = ""
    password: Callable[[], str] = str


class TagSession:
    """`open` it, `write`, `close`. Raises Retryable, with the reason, where the server does not."""

    def __init__(self, address: PlcAddress, nodes: VerdictNodes) -> None:
        self._address, self._nodes = address, nodes
        self._client: NoPlainPasswordClient | None = None
        self._types: dict[str, ua.VariantType] = {}

    async def open(self) -> None:
        """Connect, and learn the tags' types."""
        where = self._address
        client = NoPlainPasswordClient(
            where.url, timeout=ANSWER_TIMEOUT_S, watchdog_intervall=ANSWER_TIMEOUT_S, auto_reconnect=False
        )
        client.name = "Stethos verdicts"
        client.application_uri = "urn:stethos:appliance"
        client.set_user(where.user)
        try:
            client.set_password(where.password())
            self._client = client
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.connect()
                nodes = self._nodes
                self._types = {
                    nodes.verdict: await _type_of(client, nodes.verdict, tuple(_INTEGERS), "an integer"),
                    nodes.part_number: await _type_of(
                        client, nodes.part_number, tuple(_INTEGERS), "an integer"
                    ),
                }
                if nodes.score:
                    self._types[nodes.score] = await _type_of(
                        client, nodes.score, _REALS, "a Float or Double"
                    )
        except FOREIGN as error:
            raise Retryable(_words(error)) from error

    async def write(self, wanted: TagWrite) -> None:
        """One request, in the order score, part number, verdict: a verdict never stands before its number."""
        nodes, client = self._nodes, self._client
        assert client is not None
        values: dict[str, int | float] = {nodes.verdict: wanted.code}
        if wanted.part_number is not None:
            held = 1 << _INTEGERS[self._types[nodes.part_number]]
            values = {nodes.part_number: wanted.part_number % held, **values}
        if nodes.score and wanted.score is not None:
            values = {nodes.score: wanted.score, **values}
        request = ua.WriteParameters(
            NodesToWrite=[
                # Neither status nor time: many a PLC refuses a write that bears them.
                ua.WriteValue(
                    ua.NodeId.from_string(node),
                    AttributeIds.Value,
                    Value=ua.DataValue(ua.Variant(value, self._types[node]), StatusCode=None),
                )
                for node, value in values.items()
            ]
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                results = await client.uaclient.write(request)
        except FOREIGN as error:
            raise Retryable(_words(error)) from error
        for node, status in zip(values, results, strict=True):
            if not status.is_good():
                raise WriteRefusedError(f"the server does not take {node}: {status.name}")

    async def look(self) -> None:
        """Whether the server still answers."""
        assert self._client is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._client.get_node(SERVER_STATE).read_value()
        except FOREIGN as error:
            raise Retryable(_words(error)) from error

    async def close(self) -> None:
        """End it, whatever state it is in. Raises CancelledError as `NoPlainPasswordClient.end` does."""
        client, self._client = self._client, None
        if client is not None:
            await client.end()


class WriteRefusedError(Retryable):
    """The server answered, and refused a tag."""


async def _type_of(
    client: Client, node: str, possible: tuple[ua.VariantType, ...], wanted: str
) -> ua.VariantType:
    try:
        found = await client.get_node(node).read_data_type_as_variant_type()
    except ua.uaerrors.UaStatusCodeError as error:
        raise Retryable(f"the server does not give {node} ({_words(error)})") from error
    if found not in possible:
        raise Retryable(f"{node} is {found.name} at the server: {wanted} is needed")
    return found


def _words(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
