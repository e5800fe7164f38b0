"""The server of the web application: sockets with bounds, and an end that does not wait for open pages."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from web.live import LiveHub

UNSENT_WITHIN_MS = 60_000
MOST_CONNECTIONS = 256
MOST_PER_ADDRESS = 128  # one address alone must not take them all; a proxy in front still has room
MOST_DISCARDED_BYTES = 256 * 1024  # of a body that is answered already, before the connection is closed
REQUEST_WITHIN_S = 20.0
GOODBYE_WITHIN_S = 1.0
BACKLOG = 128


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError when the address is taken or not ours.

    It listens from here on, not from the server's start: whoever is told the address next is never refused.
    TCP_USER_TIMEOUT (RFC 5482; inherited by what it accepts) drops a client that takes no bytes for a minute,
    which a closed stream's buffered rest would otherwise outlive.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it each answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_WITHIN_MS)
        if family == socket.AF_INET6 and host == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(False)
    return listening


class PromptProtocol(H11Protocol):
    """A connection that must bring its next request's head within a time, or is closed.

    Uvicorn waits without end for a first request, and for the rest of a head or of a refused body; a few
    hundred such connections would leave none for the technician. It also reads a refused body to its end,
    however long that is, and has no bound per address.
    """

    request_within_s = REQUEST_WITHIN_S
    _deadline: asyncio.TimerHandle | None = None
    _discarded_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._address_has_enough():
            transport.abort()
            return
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if self.is_answered and self.conn.their_state is h11.SEND_BODY:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > MOST_DISCARDED_BYTES:
                self.transport.close()
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._discarded_bytes = 0
        self._await_request()

    def _address_has_enough(self) -> bool:
        if self.client is None or len(self.connections) <= MOST_PER_ADDRESS:
            return False
        address, others = self.client[0], 0
        for connection in self.connections:
            others += isinstance(connection, PromptProtocol) and (connection.client or ("",))[0] == address
        return others > MOST_PER_ADDRESS

    def _await_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.request_within_s, self._hang_up)

    @property
    def is_answered(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _hang_up(self) -> None:
        if self.is_answered:
            self.transport.close()


class WebServer(uvicorn.Server):
    """Uvicorn as a task of a service that owns its signals; `should_exit = True` ends it.

    `await server.serve(sockets=[listening_socket(host, port)])` returns once every answer is out.
    """

    def __init__(
        self, app: FastAPI, *, tls_certificate: str | None = None, tls_key: str | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PromptProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody may choose the address that the sign-in limit sees
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=int(REQUEST_WITHIN_S),
                timeout_graceful_shutdown=5,
                ssl_certfile=tls_certificate,
                ssl_keyfile=tls_key,
            )
        )
        self._live = cast(LiveHub, app.state.live)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the live streams first: uvicorn waits for every open answer, and they would never end."""
        self._live.close()
        dropping = asyncio.create_task(self._drop_answered())
        try:
            await super().shutdown(sockets)
        finally:
            dropping.cancel()

    async def _drop_answered(self) -> None:
        """After a second, aborts what is only waiting for the client's goodbye (TLS asks for one)."""
        await asyncio.sleep(GOODBYE_WITHIN_S)
        while True:
            for connection in list(self.server_state.connections):
                assert isinstance(connection, PromptProtocol)
                if connection.is_answered:
                    connection.transport.abort()
            await asyncio.sleep(0.1)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves SIGTERM and SIGINT to the service's supervisor."""
        yield
