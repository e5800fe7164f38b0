"""The doors of the OPC UA server: who comes in, how many, and how much each may hold.

Duty: bounds and checks that asyncua 2.1.0 leaves out, each by overriding the one method concerned:

- a session exists only on a channel of Basic256Sha256 SignAndEncrypt, whose own certificate is trusted
  (asyncua judges the certificate that CreateSession names, and serves sessions on a plain channel);
- passwords are judged off the event loop (asyncua asks for an answer at once);
- sessions and connections per address are bounded, and those that nobody uses end;
- no request asks for more than `opcua_limits` allow, large ones are answered in slices, and each connection
  gives way after every message;
- a client that does not read is cut off once too much waits for it: it delays nobody else;
- no other server can register itself here.

What a session may hold is `opcua_sessions`' duty, what there is to read `opcua_server`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary

from appliance.publishers.opcua_certificates import Trust
from appliance.publishers.opcua_limits import (
    BoundedTransport,
    answer_in_slices,
    check_size,
    is_sliced,
    published_limits,
)
from appliance.publishers.opcua_sessions import Bounds, ReadingSession, Subscriptions
from appliance.publishers.opcua_users import SignInResult

logger = logging.getLogger(__name__)

MOST_CHUNK_BYTES = 65_535
MOST_MESSAGE_BYTES = 1_048_576
LONGEST_SESSION_TIMEOUT_MS = 120_000.0
ACTIVATION_WAIT_S = 30.0
SWEEP_S = 5.0
_CREATE_SESSION = ua.NodeId(ua.Int32(ObjectIds.CreateSessionRequest_Encoding_DefaultBinary))
_ACTIVATE_SESSION = ua.NodeId(ua.Int32(ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary))
_MESSAGES = (b"HEL", b"OPN", b"MSG", b"CLO", b"ERR")
_NOBODY = User(role=UserRole.Anonymous)


class Gate(Protocol):
    """Who may come in."""

    def judge_certificate(self, der: bytes | None, application_uri: str | None) -> Trust: ...

    async def sign_in(self, name: str, password: str, address: str) -> SignInResult: ...


_admitted: ContextVar[str] = ContextVar("admitted", default="")  # the user whose password was just judged


class _JudgedUsers:
    """asyncua's user manager: repeats what the gate has said. Never gives the role Admin, which may write."""

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        admitted = _admitted.get()
        return User(UserRole.User, admitted) if admitted and username == admitted else None


class GuardedInternalServer(InternalServer):
    """asyncua's services within bounds."""

    def __init__(self, gate: Gate, bounds: Bounds) -> None:
        super().__init__(user_manager=_JudgedUsers())  # type: ignore[arg-type] # it asks for the duck only
        self.gate = gate
        self.bounds = bounds
        self.subscription_service = Subscriptions(self, bounds)
        self.isession.subscription_service = self.subscription_service
        self.supported_tokens = (ua.UserNameIdentityToken,)  # type: ignore[assignment]
        self.allow_remote_admin = False
        self.max_session_timeout_ms = LONGEST_SESSION_TIMEOUT_MS
        self.max_connections = bounds.sessions + bounds.sessions // 5 + 10  # so that a refusal can be told
        self.max_pending_activation_seconds = ACTIVATION_WAIT_S
        self.max_subscriptions = bounds.sessions * bounds.subscriptions_per_session
        self.max_monitored_item_queue_size = bounds.queue
        self.max_unacked_messages_per_subscription = bounds.unacknowledged

    def create_session(
        self,
        name: str,
        user: User = _NOBODY,
        external: bool = False,
    ) -> InternalSession:
        return ReadingSession(
            self, self.aspace, self.subscription_service, name, user=user, external=external
        )

    def register_server(self, server: Any, conf: Any = None) -> None:
        """Refused: this is no discovery server, and whoever asks has not signed in."""
        raise ServiceError(StatusCodes.BadServiceUnsupported)

    def external_sessions(self) -> list[InternalSession]:
        """Sessions of clients, oldest first."""
        return list(self._external_sessions.values())


class _Processor(UaProcessor):
    """Judges who comes before a session is made or taken up."""

    iserver: GuardedInternalServer

    def __init__(
        self, server: GuardedInternalServer, transport: BoundedTransport, limits: TransportLimits,
        connected: Callable[[], set[InternalSession]],
    ) -> None:  # fmt: skip
        super().__init__(server, transport, limits)
        self._connected = connected

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Any, seqhdr: Any, body: Buffer) -> Any:
        session = self.session
        signed_in = session is not None and session.is_activated()
        check_size(typeid, body, signed_in=signed_in)
        if session is not None and signed_in and is_sliced(typeid):
            self._touch(session, typeid, body)
            answer = await answer_in_slices(session, typeid, requesthdr.RequestHandle, body)
            kind: Any = ua.MessageType.SecureMessage
            self._transport.write(
                self._connection.message_to_binary(answer, message_type=kind, request_id=seqhdr.RequestId)
            )
            return True
        if typeid == _CREATE_SESSION:
            asked = struct_from_binary(ua.CreateSessionParameters, body.copy())
            self._check_channel(str(asked.ClientDescription.ApplicationUri or ""))
            await self._make_room()
            try:
                return await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]
            except Exception:
                await self._end_session()
                raise
        if typeid == _ACTIVATE_SESSION:
            self._check_channel(None)
            activated = struct_from_binary(ua.ActivateSessionParameters, body.copy())
            _admitted.set("")
            session = self.session or self.iserver.lookup_external_session(requesthdr.AuthenticationToken)
            if session is not None:
                _admitted.set(await self._sign_in(session, activated.UserIdentityToken))
        try:
            return await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]
        finally:
            _admitted.set("")

    def _touch(self, session: InternalSession, typeid: ua.NodeId, body: Buffer) -> None:
        """What asyncua does before each service: the user's rights, and a session in use does not end."""
        permissions: Any = self._connection.security_policy.permissions
        if permissions is not None and permissions.check_validity(session.user, typeid, body) is False:
            raise ServiceError(StatusCodes.BadUserAccessDenied)
        self.session_last_activity = time.monotonic()
        session.touch()

    def _check_channel(self, application_uri: str | None) -> None:
        policy = self._connection.security_policy
        if policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
        trust = self.iserver.gate.judge_certificate(policy.peer_certificate, application_uri)
        if trust is not Trust.TRUSTED:
            logger.warning("OPC UA client refused peer=%s reason=%s", self.name, trust)
            raise ServiceError(getattr(StatusCodes, trust))

    async def _make_room(self) -> None:
        """One session per connection; where there are too many, one whose connection is gone must go."""
        await self._end_session()
        sessions = self.iserver.external_sessions()
        if len(sessions) < self.iserver.bounds.sessions:
            return
        connected = self._connected()
        left = next((one for one in sessions if one not in connected), None)
        if left is None:
            raise ServiceError(StatusCodes.BadTooManySessions)
        await left.close_session(True)

    async def _end_session(self) -> None:
        if self.session is not None:
            await self.session.close_session(True)
            self.session = None

    async def _sign_in(self, session: InternalSession, token: Any) -> str:
        """The user's name where the password is right. Raises ServiceError."""
        if not isinstance(token, ua.UserNameIdentityToken):
            raise ServiceError(StatusCodes.BadIdentityTokenRejected)
        try:
            name, password = self.iserver.decrypt_user_token(session, token)
        except Exception:  # whatever a stranger's bytes make of decryption
            raise ServiceError(StatusCodes.BadIdentityTokenInvalid) from None
        result = await self.iserver.gate.sign_in(str(name), str(password or ""), str(self.name[0]))
        if result is SignInResult.BUSY:
            raise ServiceError(StatusCodes.BadTcpServerTooBusy)
        if result is SignInResult.REFUSED:
            raise ServiceError(StatusCodes.BadUserAccessDenied)
        return str(name)

    async def close(self) -> None:
        """The session's or the connection's end: an idle session does not keep its connection."""
        await super().close()  # type: ignore[no-untyped-call]
        self._transport.close()


class _Connection(OPCUAProtocol):
    """One connection, with a bound per address and on what has not been read by either side."""

    iserver: GuardedInternalServer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        address = _address_of(transport)
        addresses = Counter(_address_of(one.transport) for one in self.clients if one.transport is not None)
        if addresses[address] >= self.iserver.bounds.sessions_per_address:
            transport.close()
            return
        super().connection_made(transport)
        if self.transport is not None:
            self.processor = _Processor(
                self.iserver, BoundedTransport(transport), self.limits, self._connected_sessions
            )
            self.processor.set_policies(self.policies)  # type: ignore[no-untyped-call]

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        super().data_received(data)
        if self._is_refused(self._buffer[:8]):
            self.transport.abort()

    def _is_refused(self, header: bytes) -> bool:
        """Whether what came in part is no message, or will be larger than any may be (OPC 10000-6, 7.1)."""
        if len(header) < 8:
            return False
        kind, chunk, size = header[:3], header[3:4], int.from_bytes(header[4:8], "little")
        return kind not in _MESSAGES or chunk not in (b"F", b"C", b"A") or size > MOST_CHUNK_BYTES

    def _connected_sessions(self) -> set[InternalSession]:
        return {
            one.processor.session
            for one in self.clients
            if one.processor is not None and one.processor.session is not None
        }

    async def _process_one_msg(self, header: Any, buf: Buffer) -> bool:
        try:
            going_on = await super()._process_one_msg(header, buf)
            await asyncio.sleep(0)  # its queue may be full of messages; others have their turn in between
            return going_on
        except (
            Exception
        ) as error:  # bytes that are no OPC UA, or of another channel: the specification says close
            logger.info("OPC UA connection closed peer=%s reason=%r", self.peer_name, error)
            if self.transport is not None:
                self.transport.abort()
            return False

    def has_session(self) -> bool:
        """Whether an activated session uses it, or may still come."""
        if self._activation_watchdog_task is not None and not self._activation_watchdog_task.done():
            return True
        session = None if self.processor is None else self.processor.session
        return session is not None and session.is_activated()


def _address_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


class _Listener(BinaryServer):
    """Accepts connections, and ends those that are left without a session."""

    iserver: GuardedInternalServer

    def _make_protocol(self) -> OPCUAProtocol:
        return _Connection(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)

    def sweep(self) -> None:
        """End connections that have no session."""
        for one in list(self.clients):
            if isinstance(one, _Connection) and not one.has_session() and one.transport is not None:
                one.transport.abort()


class GuardedServer(Server):
    """asyncua's server behind these doors. `start` it after `init`."""

    iserver: GuardedInternalServer

    def __init__(self, gate: Gate, bounds: Bounds) -> None:
        super().__init__(iserver=GuardedInternalServer(gate, bounds))
        self.limits = TransportLimits(
            max_recv_buffer=MOST_CHUNK_BYTES,
            max_send_buffer=MOST_CHUNK_BYTES,
            max_chunk_count=MOST_MESSAGE_BYTES // MOST_CHUNK_BYTES + 1,
            max_message_size=MOST_MESSAGE_BYTES,
        )
        self.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be used."""
        await self._setup_server_nodes()
        await self.iserver.start()
        for result in await self.iserver.isession.write(ua.WriteParameters(published_limits())):
            result.check()
        host, port = self._get_bind_socket_info()
        listener = _Listener(self.iserver, host or "", port or 0, self.limits)
        listener.set_policies(self._policies)
        self.bserver = listener
        await listener.start()

    async def end(self) -> None:
        """Stop, and end every session with what belongs to it."""
        for session in self.iserver.external_sessions():
            await session.close_session(True)
        await self.stop()

    async def sweep(self) -> None:
        """End connections without a session, for ever."""
        while True:
            await asyncio.sleep(SWEEP_S)
            if isinstance(self.bserver, _Listener):
                self.bserver.sweep()
