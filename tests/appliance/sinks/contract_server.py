"""A small InfluxDB 2.x and 3 Core for tests, from the documentation of their HTTP APIs: NOT a real server.

No such server can be had as a package here, so this stands for `POST /api/v2/write` (token, org, bucket,
precision, gzip) and `POST /api/v3/write_lp` (bearer, db, precision in words, accept_partial, no_sync; a 400
names up to 100 refused lines by number), with the documented answers (204; 400 and 422 with a JSON message;
401; 404; 413; 429 and 503 with Retry-After). It keeps points by (series, time) as the real one does: a second
delivery overwrites.
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
        app.router.add_post("/api/v3/write_lp", self._write)
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
        third = request.path == "/api/v3/write_lp"
        assert request.query["precision"] == ("nanosecond" if third else "ns")
        if third:
            assert (request.query["accept_partial"], request.query["no_sync"]) == ("true", "false")
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
        if third:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return _answer(401, "the request was not authenticated")
            if len(body) > 10 * 1024 * 1024:
                return _answer(413, "Request Entity Too Large")
        lines = [line for line in body.split(b"\n") if line and not line.startswith(b"#")]
        if len(lines) > self.most_lines:
            self.too_large += 1
            return _answer(413, "Request Entity Too Large")
        if self.odd and any(b"odd" in line for line in lines):
            return _answer(400, self.odd)
        refused = [number for number, line in enumerate(lines, 1) if b"poison" in line]
        for line in lines:
            if b"poison" not in line:
                head, _, time_ns = line.rpartition(b" ")
                self.points[head.split(b" ", 1)[0], int(time_ns)] = head
                self.stored += 1
        if refused and third:
            return _third(lines, refused)
        if refused:
            return _answer(422, "failure writing points to database: partial write: poison dropped=0")
        return web.Response(status=204)


def _third(lines: list[bytes], refused: list[int]) -> web.Response:
    """A partial write as 3 Core tells it."""
    told = [
        {
            "original_line": lines[number - 1].decode(),
            "line_number": number,
            "error_message": "poison: invalid column type for column 'value'",
        }
        for number in refused[:100]
    ]
    said = {"error": "partial write of line protocol occurred", "data": told}
    return web.Response(status=400, text=json.dumps(said), content_type="application/json")


def _answer(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps({"code": "error", "message": message}),
        headers=headers,
        content_type="application/json",
    )
