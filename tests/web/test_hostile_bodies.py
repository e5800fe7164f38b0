"""Bodies of 10 MB at every door of a real server: refused, kept nowhere, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from web.guard import SAFE_METHODS
from web.openapi import document

PASSWORD = "correct horse battery"
PATIENCE_S = 60.0
MIB = 1024 * 1024
LARGE = 10 * MIB
PIECE = b"x" * 65_536
OTHERS = ("/api/health", "/api/machines", "/api/appliance")
CHANGES = sorted(
    (method.upper(), path.replace("{alarm_id}", "pump-2.machine-condition"))
    for path, operations in document()["paths"].items()
    for method in operations
    if method.upper() not in SAFE_METHODS
)


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The real application and server in a process of their own; only the machines behind are made up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.fake_station", "--port", "0", "--password", PASSWORD],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Server(int(process.stdout.readline().split()[0].rstrip("/").rsplit(":", 1)[1]), process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


@dataclass
class Witness:
    """Another client, and the server's memory, while somebody attacks."""

    answered: int = 0
    failed: int = 0
    most_bytes: int = 0


async def signed_in(server: Server) -> tuple[dict[str, str], httpx.Cookies]:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as http:
        answer = await http.post("/api/session", json={"user": "admin", "password": PASSWORD})
        token = answer.json()["csrf_token"]
        cookies = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        return {"X-CSRF-Token": token, "Cookie": cookies}, http.cookies


@contextlib.asynccontextmanager
async def witness(server: Server, cookies: httpx.Cookies) -> AsyncIterator[Witness]:
    """Asks what a page asks, all the time, and must be answered."""
    seen = Witness()
    process = psutil.Process(server.pid)

    async def watch() -> None:
        async with httpx.AsyncClient(
            base_url=server.url, cookies=cookies, timeout=PATIENCE_S, trust_env=False
        ) as http:
            while True:
                seen.most_bytes = max(seen.most_bytes, process.memory_info().rss)
                for path in OTHERS:
                    good = (await http.get(path)).status_code == 200
                    seen.answered += good
                    seen.failed += not good
                await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield seen
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def head(method: str, path: str, framing: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", framing]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def attack(server: Server, request: bytes, pieces: AsyncIterator[bytes]) -> tuple[int, int]:
    """(status or 0 for a connection that just ended, bytes of the body that could be sent)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    sent = 0

    async def send() -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            async for piece in pieces:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)

    sending = asyncio.create_task(send())
    status = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                line = await reader.readline()
                status = int(line.split()[1]) if line else 0
            await sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return status, sent


async def declared() -> AsyncIterator[bytes]:
    for _ in range(LARGE // len(PIECE)):
        yield PIECE


async def chunked() -> AsyncIterator[bytes]:
    for _ in range(LARGE // len(PIECE)):
        yield b"%x\r\n%s\r\n" % (len(PIECE), PIECE)


async def dripping() -> AsyncIterator[bytes]:
    for _ in range(200):
        yield b"x"
        await asyncio.sleep(0.25)


@pytest.mark.parametrize("framing", ["declared", "chunked"])
async def test_ten_megabytes_are_refused_everywhere_and_kept_nowhere(server: Server, framing: str) -> None:
    headers, cookies = await signed_in(server)
    line = f"Content-Length: {LARGE}" if framing == "declared" else "Transfer-Encoding: chunked"
    body = declared if framing == "declared" else chunked
    before = psutil.Process(server.pid).memory_info().rss
    async with witness(server, cookies) as seen:
        for given in (headers, {}, headers):
            attacks = [
                attack(server, head(method, path, line, given), body())
                for method, path in CHANGES
                for _ in range(4)
            ]
            for status, sent in await asyncio.gather(*attacks):
                # 0: the refusal was lost in a connection that was closed while the client still sent
                assert status in ((413, 0) if given else (413, 401, 0))
                assert sent < LARGE, "it was read to its end"
    assert seen.failed == 0
    assert seen.answered >= len(OTHERS)
    assert seen.most_bytes - before < len(CHANGES) * 4 * LARGE / 8, "bodies were kept"
    async with httpx.AsyncClient(
        base_url=server.url, cookies=cookies, timeout=PATIENCE_S, trust_env=False
    ) as http:
        assert (await http.get("/api/session")).status_code == 200, "nobody was signed out meanwhile"


async def test_the_refusal_can_be_read_by_who_looks_before_sending(server: Server) -> None:
    headers, _ = await signed_in(server)
    for method, path in CHANGES:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(method, path, f"Content-Length: {LARGE}\r\nExpect: 100-continue", headers))
        said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert said.startswith(b"HTTP/1.1 413 "), said[:80]
        assert b"at most 65536 bytes" in said
        writer.close()


async def test_bodies_that_drip_are_given_up_and_hold_nobody_up(server: Server) -> None:
    headers, cookies = await signed_in(server)
    async with witness(server, cookies) as seen:
        attacks = [
            attack(server, head(method, path, line, given), dripping())
            for method, path in CHANGES
            for line in ("Content-Length: 4000", "Transfer-Encoding: chunked")
            for given in (headers, {})
        ]
        results = await asyncio.gather(*attacks)
    # Half a chunk's size is no body: a bad request at once.
    assert {status for status, _ in results} <= {408, 401, 400}
    assert sum(status == 408 for status, _ in results) >= len(CHANGES)
    assert all(sent < 100 for _, sent in results), "it went on for longer than a body may take"
    assert seen.failed == 0
    assert seen.answered > 30


@pytest.mark.parametrize(
    "lines",
    [
        [f"X-{n}: v" for n in range(3000)],
        ["X-Long: " + "v" * 100_000],
        ["Cookie: " + "; ".join(f"a{n}=b" for n in range(20_000))],
        ["Cookie: stethos_session=" + "x" * 50_000],
        ["Authorization: Bearer " + "x" * 50_000],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: " + "9" * 4000],
        ["Transfer-Encoding: gzip, chunked"],
        ["X-Nul: a\0b"],
        ["X-Folded: a", " b"],
        ["No colon at all"],
        [": no name"],
        ["Last-Event-ID: " + "9" * 60_000],
    ],
    ids=lambda lines: lines[0][:30],
)
async def test_hostile_headers_are_answered_and_others_served(server: Server, lines: list[str]) -> None:
    before = psutil.Process(server.pid).memory_info().rss
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as http:
        for method, path in (("POST", "/api/session"), ("GET", "/metrics"), ("GET", "/api/live")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with contextlib.suppress(ConnectionError):
                writer.write(
                    (
                        "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines]) + "\r\n\r\n"
                    ).encode()
                )
                await writer.drain()
                said = await asyncio.wait_for(reader.read(32), PATIENCE_S)
                assert said.startswith(b"HTTP/1.1 4") or said == b"", said
            writer.close()
        assert (await http.get("/api/health")).status_code == 200
    assert psutil.Process(server.pid).memory_info().rss - before < 8 * MIB


async def test_one_address_cannot_take_every_connection(server: Server) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
    try:
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(
            transport=transport, base_url=server.url, timeout=PATIENCE_S, trust_env=False
        ) as http:
            for _ in range(10):
                assert (await http.get("/api/health")).status_code == 200
    finally:
        for _, writer in idle:
            writer.close()
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as http,
    ):
        while True:  # and it has its own again once they are gone
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/api/health")).status_code == 200:
                    break
