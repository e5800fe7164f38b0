"""The OPC UA server: publishes latest values to SCADA.

Duty: an asyncua server with the nodes of `address_space`, behind the doors of `opcua_doors`, and the writing
of values into it. A value that comes before the last one was written takes its place, so a burst costs nobody
anything. Decides nothing about values; how far one can be used is said with it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from appliance.errors import Retryable
from appliance.publishers.address_space import NAMESPACE_URI, EngineeringUnit, NodeKind, UaNode
from appliance.publishers.opcua_certificates import ClientTrust, OwnCertificate, Trust
from appliance.publishers.opcua_doors import GuardedServer
from appliance.publishers.opcua_sessions import Bounds
from appliance.publishers.opcua_users import SignInResult, UserFile
from appliance.publishers.publisher import PublishedValue, ValueStatus

logger = logging.getLogger(__name__)

AT_ONCE = 50  # values written, or nodes made, before the loop may do something else
UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {name: ua.VariantType[name] for name in ("Float", "String", "UInt32", "Boolean")}
_EMPTY = {"Float": 0.0, "String": "", "UInt32": 0, "Boolean": False}
_STATUS = {status: ua.StatusCode(ua.UInt32(getattr(StatusCodes, status))) for status in ValueStatus}


def _measured_by_nobody(seconds: float, values: int) -> None:
    """Nobody wants to know how long values waited."""


class _SharedDataValue(ua.DataValue):
    """A value that nobody changes after it was made.

    asyncua copies it for every monitored item, which costs more than all the rest of a delivery; here the
    copy is the value itself.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedDataValue:
        return self


class TrustGate:
    """Implements `opcua_doors.Gate`: certificates by the folder, passwords by the file."""

    def __init__(
        self, trust: ClientTrust, users: UserFile, trusted_now: Callable[[], datetime | None]
    ) -> None:
        self._trust = trust
        self._users = users
        self._trusted_now = trusted_now
        self.refused_sign_ins = 0  # wrong name or password, since the start
        self.refused_certificates = 0

    def judge_certificate(self, der: bytes | None, application_uri: str | None) -> Trust:
        trust = self._trust.judge(der, application_uri, self._trusted_now())
        self.refused_certificates += trust is not Trust.TRUSTED
        return trust

    async def sign_in(self, name: str, password: str, address: str) -> SignInResult:
        result = await self._users.sign_in(name, password, address)
        self.refused_sign_ins += result is SignInResult.REFUSED
        return result


class OpcUaServer:
    """Implements `publisher.Publisher`."""

    def __init__(
        self,
        host: str,
        port: int,
        nodes: Sequence[UaNode],
        own: OwnCertificate,
        gate: TrustGate,
        *,
        name: str = "Stethos",
        version: str = "",
        bounds: Bounds | None = None,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`utc` is the appliance's time: a host whose clock says 1970 must not stamp values with it."""
        self._host = host
        self._port = port
        self._nodes = nodes
        self._own = own
        self._gate = gate
        self._name = name
        self._version = version
        self._bounds = bounds or Bounds()
        self._utc = utc
        self._data_types = {node.path: node.data_type for node in nodes if node.kind.is_variable}
        self._latest: dict[str, PublishedValue] = {}
        self._waiting: dict[str, PublishedValue] = {}
        self._something = asyncio.Event()
        self.listening = asyncio.Event()
        self.port = port  # the one in use, where 0 was asked for
        self.written = 0  # values, since the start
        self.trouble = ""  # why it cannot listen
        self._serving: GuardedServer | None = None
        self.on_written: Callable[[float, int], None] = _measured_by_nobody  # (seconds, values) of a batch
        self._waiting_since_s = 0.0

    @property
    def waiting(self) -> int:
        """Values that are not in their nodes yet."""
        return len(self._waiting)

    @property
    def n_sessions(self) -> int:
        """Clients that are signed in."""
        if self._serving is None:
            return 0
        return sum(session.is_activated() for session in self._serving.iserver.external_sessions())

    @property
    def n_values(self) -> int:
        """Nodes that have a value: the most that can wait."""
        return len(self._data_types)

    def publish(self, values: Sequence[PublishedValue]) -> None:
        """Take the latest values; those of nodes that do not exist are left out."""
        if not self._waiting:
            self._waiting_since_s = time.monotonic()
        for value in values:
            if value.path in self._data_types and self._latest.get(value.path) != value:
                self._latest[value.path] = self._waiting[value.path] = value
        if self._waiting:
            self._something.set()

    async def run(self) -> None:
        """Serve, for ever. Raises Retryable where the address cannot be used."""
        self._check_address()
        server = GuardedServer(self._gate, self._bounds)
        await self._prepare(server)
        index = await server.register_namespace(NAMESPACE_URI)
        await self._make_nodes(server, index)
        self._waiting = dict(self._latest)
        self._something.set()  # what was known before, also when nothing new comes
        try:
            await server.start()
        except OSError as error:
            await server.iserver.stop()
            raise self._in_use(error) from error
        sweeping = asyncio.create_task(server.sweep(), name="OPC UA sweep")
        try:
            self.port = server.bserver.port if server.bserver is not None else self._port
            self._serving, self.trouble = server, ""
            self.listening.set()
            logger.info("OPC UA server listens host=%s port=%s", self._host, self.port)
            await self._write_for_ever(server, index)
        finally:
            self.listening.clear()
            self._serving = None
            sweeping.cancel()
            await server.end()

    def _check_address(self) -> None:
        """Before a second's work on the address space, which a back-off would repeat."""
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            socket.create_server((self._host, self._port), family=family).close()
        except OSError as error:
            raise self._in_use(error) from error

    def _in_use(self, error: OSError) -> Retryable:
        where = f"{self._host} port {self._port}"
        self.trouble = f"it cannot listen on {where}: {error.strerror}"
        return Retryable(f"the OPC UA server: {self.trouble}")

    async def _prepare(self, server: GuardedServer) -> None:
        server.name = f"{self._name} OPC UA server"
        server.product_uri = "urn:stethos"
        server.manufacturer_name = "Stethos"
        server.application_type = ua.ApplicationType.Server
        server._application_uri = self._own.application_uri
        await server.init()
        await server.set_build_info(
            "urn:stethos", "Stethos", server.name, self._version, self._version, self._utc()
        )
        server.set_endpoint(f"opc.tcp://{self._host}:{self._port}/stethos")
        server.socket_address = (self._host, self._port)
        await server.load_certificate(str(self._own.certificate))
        await server.load_private_key(self._own.key)

    async def _make_nodes(self, server: GuardedServer, index: int) -> None:
        for number, node in enumerate(self._nodes):
            items = [_item(node, index)]
            if node.unit is not None:
                items.append(_property(node, index, "EngineeringUnits", _eu_information(node.unit), False))
            if node.states:
                words: Any = [ua.LocalizedText(word) for word in node.states]
                items.append(_property(node, index, "EnumStrings", words, True))
            for result in await server.iserver.isession.add_nodes(items):
                result.StatusCode.check()
            if node.kind.is_variable:
                waiting = PublishedValue(node.path, None, ValueStatus.WAITING, 0)
                await self._write(server, index, waiting)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _write_for_ever(self, server: GuardedServer, index: int) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            waiting, self._waiting = self._waiting, {}
            since_s = self._waiting_since_s
            for number, value in enumerate(waiting.values()):
                await self._write(server, index, value)
                if number % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)
            if waiting:
                self.on_written(time.monotonic() - since_s, len(waiting))

    async def _write(self, server: GuardedServer, index: int, value: PublishedValue) -> None:
        variant_type = _TYPES[self._data_types[value.path]]
        shown = None if value.status.bad else value.value
        now: Any = self._utc()
        data_value = _SharedDataValue(
            Value=ua.Variant(shown, ua.VariantType.Null if shown is None else variant_type),
            StatusCode=_STATUS[value.status],
            SourceTimestamp=_utc(value.source_time_ns) if value.source_time_ns else now,
            ServerTimestamp=now,
        )
        await server.iserver.write_attribute_value(_node_id(value.path, index), data_value)
        self.written += 1


def _utc(time_ns: int) -> Any:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def _node_id(path: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(path), ua.Int16(index))


def _ns0(name: str) -> ua.NodeId:
    return ua.NodeId(ua.Int32(getattr(ObjectIds, name)))


def _item(node: UaNode, index: int) -> ua.AddNodesItem:
    """What asyncua makes this node of."""
    item = ua.AddNodesItem()
    item.RequestedNewNodeId = _node_id(node.path, index)
    item.BrowseName = ua.QualifiedName(node.browse_name, ua.UInt16(index))
    item.ParentNodeId = _node_id(node.parent, index) if node.parent else _ns0("ObjectsFolder")
    item.TypeDefinition = _ns0(node.kind.value)
    item.ReferenceTypeId = _ns0("HasComponent")
    attributes: Any
    if node.kind.is_variable:
        attributes = _variable_attributes(_ns0(node.data_type), _EMPTY[node.data_type], node.data_type)
        item.NodeClass = ua.NodeClass.Variable
    else:
        attributes = ua.ObjectAttributes()
        attributes.EventNotifier = 0
        item.NodeClass = ua.NodeClass.Object
        if node.kind is NodeKind.FOLDER or node.parent.endswith(("/channels", "/alarms")) or not node.parent:
            item.ReferenceTypeId = _ns0("Organizes")
    attributes.DisplayName = ua.LocalizedText(node.display_name)
    attributes.Description = ua.LocalizedText(node.description)
    item.NodeAttributes = attributes
    return item


def _property(node: UaNode, index: int, name: str, value: Any, is_array: bool) -> ua.AddNodesItem:
    """A property of the namespace of OPC UA itself, as a type definition demands it."""
    item = ua.AddNodesItem()
    item.RequestedNewNodeId = _node_id(f"{node.path}/{name}", index)
    item.BrowseName = ua.QualifiedName(name, ua.UInt16(0))
    item.ParentNodeId = _node_id(node.path, index)
    item.TypeDefinition = _ns0("PropertyType")
    item.ReferenceTypeId = _ns0("HasProperty")
    item.NodeClass = ua.NodeClass.Variable
    attributes = _variable_attributes(_ns0("LocalizedText" if is_array else "EUInformation"), value, "")
    attributes.DisplayName = ua.LocalizedText(name)
    if is_array:
        attributes.ValueRank = ua.ValueRank.OneDimension
        attributes.ArrayDimensions = [ua.UInt32(0)]
    item.NodeAttributes = attributes
    return item


def _variable_attributes(data_type: ua.NodeId, value: Any, variant_type: str) -> Any:
    attributes: Any = ua.VariableAttributes()
    attributes.DataType = data_type
    attributes.Value = ua.Variant(value, _TYPES[variant_type]) if variant_type else ua.Variant(value)
    attributes.ValueRank = ua.ValueRank.Scalar
    attributes.AccessLevel = ua.AccessLevel.CurrentRead.mask
    attributes.UserAccessLevel = ua.AccessLevel.CurrentRead.mask
    attributes.MinimumSamplingInterval = 0.0
    attributes.Historizing = False
    return attributes


def _eu_information(unit: EngineeringUnit) -> ua.EUInformation:
    information: Any = ua.EUInformation()
    information.NamespaceUri = UNECE_URI
    information.UnitId = unit.unit_id
    information.DisplayName = ua.LocalizedText(unit.display)
    information.Description = ua.LocalizedText(unit.description)
    return information  # type: ignore[no-any-return]
