"""How much one OPC UA request may ask for, and large requests answered in slices.

Duty: the OperationLimits (OPC 10000-5, 6.3.11), which asyncua 2.1.0 publishes and does not enforce. Requests
are counted before they are decoded, because decoding is what costs. Read, Browse, TranslateBrowsePaths and
CreateMonitoredItems are decoded, answered and encoded slice by slice, and the event loop runs in between:
what a signed-in client asks for delays nobody by more than one slice. A client that does not read its answers
is cut off.

Who may ask is `opcua_doors`' duty, what a session holds `opcua_sessions`'.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import (
    Primitives,
    extensionobject_from_binary,
    from_binary,
    list_to_binary,
    nodeid_from_binary,
    struct_to_binary,
)

logger = logging.getLogger(__name__)

MOST_REQUEST_BYTES = 262_144  # 1,000 monitored items with long names fit
MOST_STRANGER_BYTES = 32_768  # before the sign-in; certificates and their chains fit
MOST_ANSWER_BYTES = 2_097_152  # a whole browse of a large plant fits
MOST_UNSENT_BYTES = MOST_ANSWER_BYTES + 131_072  # the largest answer, signed and in chunks, fits
MOST_PATH_ELEMENTS = 32  # of one browse path; our deepest has 6
MOST_OPERATIONS = 1_000  # where OperationLimits has no name for it

_LIMITS = {
    "MaxNodesPerRead": 1_000,
    "MaxNodesPerHistoryReadData": 100,
    "MaxNodesPerHistoryReadEvents": 100,
    "MaxNodesPerWrite": 100,
    "MaxNodesPerHistoryUpdateData": 100,
    "MaxNodesPerHistoryUpdateEvents": 100,
    "MaxNodesPerMethodCall": 100,
    "MaxNodesPerBrowse": 500,
    "MaxNodesPerRegisterNodes": 1_000,
    "MaxNodesPerTranslateBrowsePathsToNodeIds": 500,
    "MaxNodesPerNodeManagement": 100,
    "MaxMonitoredItemsPerCall": 1_000,
}


def _skip(n_bytes: int) -> Callable[[Buffer], None]:
    return lambda body: body.skip(n_bytes)


def _skip_view(body: Buffer) -> None:
    nodeid_from_binary(body)
    body.skip(16)  # timestamp, version, most references


def _skip_history_details(body: Buffer) -> None:
    extensionobject_from_binary(body)
    body.skip(5)


# Per request: the limit that counts, and what stands before the array that is counted (OPC 10000-4, 5).
_ARRAYS: dict[str, tuple[str, Callable[[Buffer], None]]] = {
    "Read": ("MaxNodesPerRead", _skip(12)),
    "HistoryRead": ("MaxNodesPerHistoryReadData", _skip_history_details),
    "Write": ("MaxNodesPerWrite", _skip(0)),
    "HistoryUpdate": ("MaxNodesPerHistoryUpdateData", _skip(0)),
    "Call": ("MaxNodesPerMethodCall", _skip(0)),
    "Browse": ("MaxNodesPerBrowse", _skip_view),
    "BrowseNext": ("MaxNodesPerBrowse", _skip(1)),
    "RegisterNodes": ("MaxNodesPerRegisterNodes", _skip(0)),
    "UnregisterNodes": ("MaxNodesPerRegisterNodes", _skip(0)),
    "TranslateBrowsePathsToNodeIds": ("MaxNodesPerTranslateBrowsePathsToNodeIds", _skip(0)),
    "AddNodes": ("MaxNodesPerNodeManagement", _skip(0)),
    "DeleteNodes": ("MaxNodesPerNodeManagement", _skip(0)),
    "AddReferences": ("MaxNodesPerNodeManagement", _skip(0)),
    "DeleteReferences": ("MaxNodesPerNodeManagement", _skip(0)),
    "CreateMonitoredItems": ("MaxMonitoredItemsPerCall", _skip(8)),
    "ModifyMonitoredItems": ("MaxMonitoredItemsPerCall", _skip(8)),
    "SetMonitoringMode": ("MaxMonitoredItemsPerCall", _skip(8)),
    "DeleteMonitoredItems": ("MaxMonitoredItemsPerCall", _skip(4)),
    "SetPublishingMode": ("", _skip(1)),
    "DeleteSubscriptions": ("", _skip(0)),
    "TransferSubscriptions": ("", _skip(0)),
    "Publish": ("", _skip(0)),
    "GetEndpoints": ("", lambda body: body.skip(max(0, Primitives.Int32.unpack(body)))),
    "FindServers": ("", lambda body: body.skip(max(0, Primitives.Int32.unpack(body)))),
}


def _encoding_of(service: str) -> ua.NodeId:
    return ua.NodeId(ua.Int32(getattr(ObjectIds, f"{service}Request_Encoding_DefaultBinary")))


_SERVICES = {_encoding_of(service): service for service in _ARRAYS}


def check_size(typeid: ua.NodeId, body: Buffer, *, signed_in: bool) -> None:
    """See that a request, whose header is read already, asks for no more than it may. Raises ServiceError."""
    if len(body) > (MOST_REQUEST_BYTES if signed_in else MOST_STRANGER_BYTES):
        raise ServiceError(StatusCodes.BadRequestTooLarge)
    service = _SERVICES.get(typeid)
    if service is None:
        return
    limit, skip = _ARRAYS[service]
    ahead = body.copy()
    skip(ahead)
    if Primitives.Int32.unpack(ahead) > _LIMITS.get(limit, MOST_OPERATIONS):
        raise ServiceError(StatusCodes.BadTooManyOperations)


def published_limits() -> list[ua.WriteValue]:
    """What the nodes below ServerCapabilities/OperationLimits must say."""
    return [
        ua.WriteValue(
            NodeId=ua.NodeId(
                ua.Int32(getattr(ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}"))
            ),
            AttributeId=AttributeIds.Value,
            Value=ua.DataValue(ua.Variant(most, ua.VariantType.UInt32)),
        )
        for name, most in _LIMITS.items()
    ]


@dataclass(frozen=True, slots=True)
class _Sliced:
    """How a request is answered in parts. `answer`: the session, the head, items -> results."""

    items: int  # of one slice; some 5 ms of work
    head: Callable[[Buffer], Any]
    item: Callable[[Buffer], Any]
    answer: Callable[[InternalSession, Any, list[Any]], Awaitable[Sequence[Any]]]
    result: type
    response: Callable[[], Any]


def _read_head(body: Buffer) -> tuple[float, ua.TimestampsToReturn]:
    return Primitives.Double.unpack(body), from_binary(ua.TimestampsToReturn, body)


async def _read(session: InternalSession, head: Any, items: list[Any]) -> Sequence[Any]:
    return await session.read(
        ua.ReadParameters(MaxAge=head[0], TimestampsToReturn=head[1], NodesToRead=items)
    )


async def _browse(session: InternalSession, head: None, items: list[Any]) -> Sequence[Any]:
    return await session.browse(ua.BrowseParameters(NodesToBrowse=items))


async def _translate(session: InternalSession, head: None, items: list[Any]) -> Sequence[Any]:
    return await session.translate_browsepaths_to_nodeids(items)


def _path(body: Buffer) -> ua.BrowsePath:
    ahead = body.copy()
    nodeid_from_binary(ahead)
    if Primitives.Int32.unpack(ahead) > MOST_PATH_ELEMENTS:
        raise ServiceError(StatusCodes.BadTooManyOperations)
    return from_binary(ua.BrowsePath, body)


def _monitored_head(body: Buffer) -> tuple[int, ua.TimestampsToReturn]:
    return Primitives.UInt32.unpack(body), from_binary(ua.TimestampsToReturn, body)


async def _monitor(session: InternalSession, head: Any, items: list[Any]) -> Sequence[Any]:
    return await session.create_monitored_items(
        ua.CreateMonitoredItemsParameters(
            SubscriptionId=head[0], TimestampsToReturn=head[1], ItemsToCreate=items
        )
    )


_SLICED = {
    _encoding_of("Read"): _Sliced(
        100, _read_head, lambda body: from_binary(ua.ReadValueId, body), _read, ua.DataValue, ua.ReadResponse
    ),
    _encoding_of("Browse"): _Sliced(
        4, _skip_view, lambda body: from_binary(ua.BrowseDescription, body), _browse,
        ua.BrowseResult, ua.BrowseResponse,
    ),
    _encoding_of("TranslateBrowsePathsToNodeIds"): _Sliced(
        16, _skip(0), _path, _translate, ua.BrowsePathResult, ua.TranslateBrowsePathsToNodeIdsResponse
    ),
    _encoding_of("CreateMonitoredItems"): _Sliced(
        32, _monitored_head, lambda body: from_binary(ua.MonitoredItemCreateRequest, body), _monitor,
        ua.MonitoredItemCreateResult, ua.CreateMonitoredItemsResponse,
    ),
}  # fmt: skip


def is_sliced(typeid: ua.NodeId) -> bool:
    """Whether `answer_in_slices` answers such a request."""
    return typeid in _SLICED


async def answer_in_slices(
    session: InternalSession, typeid: ua.NodeId, request_handle: int, body: Buffer
) -> bytes:
    """The encoded response to a request that `check_size` has passed; the event loop runs in between.

    Raises ServiceError: BadResponseTooLarge where what was asked for does not fit into an answer.
    """
    service = _SLICED[typeid]
    head = service.head(body)
    left = max(0, Primitives.Int32.unpack(body))
    n_results, n_bytes = left, 0
    parts: list[bytes] = []
    while left:
        n_items = min(left, service.items)
        items = [service.item(body) for _ in range(n_items)]
        try:
            results = await service.answer(session, head, items)
        except ServiceError as error:
            if not parts:
                raise
            status = ua.StatusCode(ua.UInt32(error.code))  # what was granted so far is told
            results = [service.result(StatusCode=status) for _ in items]
        part = list_to_binary(service.result, results)[4:]  # without the count
        parts.append(part)
        n_bytes += len(part)
        if n_bytes > MOST_ANSWER_BYTES:
            raise ServiceError(StatusCodes.BadResponseTooLarge)
        left -= n_items
        if left:
            await asyncio.sleep(0)
    response = service.response()
    response.ResponseHeader.RequestHandle = request_handle
    empty = struct_to_binary(response)
    # Its last fields are the two arrays Results and DiagnosticInfos, which are empty: 4 bytes each.
    return b"".join((empty[:-8], Primitives.Int32.pack(n_results), *parts, empty[-4:]))


class BoundedTransport:
    """Writes to a client until too much waits for it; then the connection is cut."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(data) > MOST_UNSENT_BYTES:
            logger.warning("OPC UA client does not read, cut off peer=%s", self.get_extra_info("peername"))
            self._transport.abort()
            return
        self._transport.write(data)

    def get_extra_info(self, name: str) -> Any:
        return self._transport.get_extra_info(name)

    def close(self) -> None:
        self._transport.close()
