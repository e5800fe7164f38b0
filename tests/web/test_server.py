"""A real server on a real socket: it ends although pages are open, and waits for nobody's dawdling."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.web.conftest import Site, sign_in
from tests.web.test_live import alarms, settle
from web.live import LiveHub
from web.server import UNSENT_WITHIN_MS, PromptProtocol, WebServer, listening_socket

PATIENCE_S = 60.0
PATIENT_END_S, PROMPT_END_S = 60, 30.0  # its patience with open answers, and what is no patience


@dataclass
class Served:
    site: Site
    server: WebServer
    task: asyncio.Task[None]
    port: int
    hub: LiveHub

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> float:
        """Seconds that it took, where the server itself would wait long for open answers."""
        self.server.config.timeout_graceful_shutdown = PATIENT_END_S
        began = time.monotonic()
        self.server.should_exit = True
        await asyncio.wait_for(self.task, PATIENCE_S)
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def served(site: Site, **tls: str) -> AsyncIterator[Served]:
    app = site.app()
    server = WebServer(app, **tls)
    listening = listening_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve(sockets=[listening]))
    await settle(lambda: server.started)
    running = Served(site, server, task, port, app.state.live)
    try:
        yield running
    finally:
        if not task.done():
            await running.stop()


async def test_it_answers_and_leaves_the_signals_alone(site: Site) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    async with served(site) as running, httpx.AsyncClient(base_url=running.base_url) as client:
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
        answer = await client.get("/api/health")
        assert answer.json() == {"status": "ok"}
        assert "server" not in answer.headers
        for connection in running.server.server_state.connections:
            accepted = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert (await sign_in(client)).status_code == 200
        assert len((await client.get("/api/machines")).json()) == 3


async def test_under_tls_cookies_are_secure_and_pages_end_as_well(site: Site) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate_file, key_file = site.folder / "certificate.pem", site.folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    trusting = ssl.create_default_context(cafile=str(certificate_file))
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            served(site, tls_certificate=str(certificate_file), tls_key=str(key_file))
        )
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"https://127.0.0.1:{running.port}", verify=trusting)
        )
        answer = await sign_in(client)
        assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
        stream = await stack.enter_async_context(client.stream("GET", "/api/live"))
        await settle(lambda: site.station.followers == 1)
        reading = asyncio.create_task(stream.aread())
        assert await running.stop() < PROMPT_END_S
        assert b"event: machines" in await reading


async def test_open_pages_do_not_keep_it_from_ending(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(served(site))
        streams = []
        for _ in range(8):
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=running.base_url))
            await sign_in(client)
            streams.append(await stack.enter_async_context(client.stream("GET", "/api/live")))
        await settle(lambda: site.station.followers == 8)
        took_s = await running.stop()
        assert took_s < PROMPT_END_S
        for stream in streams:
            text = "".join([part async for part in stream.aiter_text()])  # ended in order: no error
            assert "event: machines" in text
        assert site.station.followers == 0


async def test_a_page_resumes_after_a_restart_and_misses_no_alarm(site: Site) -> None:
    seen: list[int] = []

    async def follow(client: httpx.AsyncClient, until: int) -> None:
        headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
        async with client.stream("GET", "/api/live?after=0", headers=headers) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("id: "):
                    seen.append(int(line[4:]))
                    if seen[-1] >= until:
                        return

    cookies = httpx.Cookies()
    for restart in range(3):
        async with served(site) as running, httpx.AsyncClient(base_url=running.base_url) as client:
            if restart == 0:
                await sign_in(client)
                cookies = client.cookies
            client.cookies = cookies  # still signed in: the accounts were read from the file
            await alarms(site, 2)
            await asyncio.wait_for(follow(client, 5 * restart + 2), PATIENCE_S)
            await settle(lambda: site.station.followers == 0)
        await alarms(site, 3)  # while nobody serves
        site.auth = site.open_auth()
    assert seen == list(range(1, 13))


async def test_a_closed_page_is_noticed(site: Site) -> None:
    async with served(site) as running, httpx.AsyncClient(base_url=running.base_url) as client:
        await sign_in(client)
        async with client.stream("GET", "/api/live") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event"):
                    break
            assert running.hub.streams == 1
        await settle(lambda: running.hub.streams == 0 and site.station.followers == 0)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /api/health HT",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/he",
        b"POST /api/machines HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc",
    ],
    ids=["nothing", "half a line", "half a head", "half a second head", "half a refused body"],
)
async def test_who_does_not_bring_a_request_in_time_is_disconnected(
    said: bytes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PromptProtocol, "request_within_s", 0.2)
    async with served(site) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(said)
        await asyncio.wait_for(reader.read(), PATIENCE_S)  # until the server hangs up
        writer.close()
        await settle(lambda: not running.server.server_state.connections)


async def test_a_long_answer_is_not_cut_by_the_wait_for_requests(site: Site) -> None:
    async with served(site) as running, httpx.AsyncClient(base_url=running.base_url) as client:
        await sign_in(client)
        async with client.stream("GET", "/api/live") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            (answering,) = running.server.server_state.connections
            assert isinstance(answering, PromptProtocol)
            answering.request_within_s = 0.01  # only now: the request itself may take its time
            answering._await_request()
            over = answering._deadline
            assert over is not None
            await settle(lambda: asyncio.get_running_loop().time() > over.when() + 0.05)
            await alarms(site, 1)
            async with asyncio.timeout(PATIENCE_S):
                async for line in lines:
                    if line == "event: alarm":
                        break


async def test_a_client_that_takes_nothing_is_dropped_by_the_kernel_in_time(site: Site) -> None:
    listening = listening_socket("127.0.0.1", 0)
    listening.listen()
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            option = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert option == UNSENT_WITHIN_MS


async def test_a_client_that_stops_reading_frees_its_place(site: Site) -> None:
    async with served(site) as running:
        running.hub.send_within_s = 0.3
        async with httpx.AsyncClient(base_url=running.base_url) as client:
            await sign_in(client)
            cookie = f"stethos_session={client.cookies['stethos_session']}"
        raw = socket.create_connection(("127.0.0.1", running.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(f"GET /api/live HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
        await settle(lambda: running.hub.streams == 1)
        async with asyncio.timeout(60):
            while running.hub.streams:  # the kernel's buffers take megabytes before anyone notices
                await alarms(site, 100)
                await asyncio.sleep(0.001)
        assert site.station.followers == 0
        raw.close()


async def test_garbage_on_the_socket_is_answered_or_dropped_and_others_go_on(site: Site) -> None:
    garbage = [
        b"\x00\xff" * 3000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET http://evil.example/api/machines HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    async with served(site) as running, httpx.AsyncClient(base_url=running.base_url) as client:
        for said in garbage:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            with contextlib.suppress(ConnectionError):
                writer.write(said)
                await writer.drain()
                if said[:1] != b"\x16":
                    answer = await asyncio.wait_for(reader.read(64), PATIENCE_S)
                    assert answer.startswith(b"HTTP/1.1 4") or b" 503 " in answer, (said[:40], answer)
            writer.close()
            assert (await client.get("/api/health")).status_code == 200


def test_a_taken_port_is_an_error_at_once() -> None:
    with listening_socket("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        listening_socket("127.0.0.1", first.getsockname()[1])


def test_nobody_is_refused_between_bind_and_start() -> None:
    """The address is told to people and to systemd when the socket stands; the server takes over soon."""
    with (
        listening_socket("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        pass


def test_ipv6_serves_both_families() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("NO IPv6 ON THIS MACHINE: listening on :: is not tried")
    with listening_socket("::", 0) as both:
        port = both.getsockname()[1]
        for loopback in ("127.0.0.1", "::1"):
            socket.create_connection((loopback, port)).close()
