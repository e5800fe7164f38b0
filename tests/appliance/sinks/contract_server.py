"""A small InfluxDB 2.x for tests, written from the documentation of its HTTP API: NOT a real server.

No 2.x server can be had as a package here, so this stands for `POST /api/v2/write` alone: token, org, bucket,
precision, gzip, and the documented answers (204; 400 and 422 with a JSON message; 401; 404; 413; 429 and 503
with Retry-After). It keeps points by (series, time) as the real one does: a second delivery overwrites.
A test may script answers with `answers`. It also answers version 1's `/write` for the statuses that a healthy
1.x never gives.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field

from aiohttp import web

TOKEN, ORG, BUCKET = "secret-token", "plant", "machines"


@dataclass
class Contract:
    """The server's state, and what it was asked."""

    points: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    answers: list[tuple[int, str, dict[str, str]]] = field(
        default_factory=list
    )  # given once each, first first
    most_lines: int = 1 << 30
    odd: str = ""  # what is said of a batch with an "odd" line, none of which is stored
    requests: int = 0
    stored: int = 0  # points, those that overwrote themselves too
    too_large: int = 0
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/v2/write", self._write)
        app.router.add_post("/write", self._write)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _write(self, request: web.Request) -> web.Response:
        self.requests += 1
        assert request.query["precision"] == "ns"
        assert request.headers["Content-Encoding"] == "gzip"
        raw = await request.read()  # aiohttp unpacks what says that it is packed
        body = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        if self.answers:
            status, message, headers = self.answers.pop(0)
            return _answer(status, message, headers)
        if request.path == "/api/v2/write":
            if request.headers.get("Authorization") != f"Token {TOKEN}":
                return _answer(401, "unauthorized access")
            if (request.query["org"], request.query["bucket"]) != (ORG, BUCKET):
                return _answer(404, f'bucket "{request.query["bucket"]}" not found')
        lines = [line for line in body.split(b"\n") if line and not line.startswith(b"#")]
        if len(lines) > self.most_lines:
            self.too_large += 1
            return _answer(413, "Request Entity Too Large")
        if self.odd and any(b"odd" in line for line in lines):
            return _answer(400, self.odd)
        refused = [line for line in lines if b"poison" in line]
        for line in lines:
            if b"poison" not in line:
                head, _, time_ns = line.rpartition(b" ")
                self.points[head.split(b" ", 1)[0], int(time_ns)] = head
                self.stored += 1
        if refused:
            return _answer(422, "failure writing points to database: partial write: poison dropped=0")
        return web.Response(status=204)


def _answer(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps({"code": "error", "message": message}),
        headers=headers,
        content_type="application/json",
    )
