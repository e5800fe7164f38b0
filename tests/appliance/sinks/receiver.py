"""A real receiver of webhooks on loopback that misbehaves as told, and its alarms' source: a real journal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
from aiohttp import web
from standardwebhooks import Webhook

from appliance.alarm_records import AlarmRecords
from appliance.alarms.lifecycle import (
    Alarm,
    AlarmTransition,
    Condition,
    Severity,
    acknowledge,
    clear,
    raise_alarm,
    update,
)
from appliance.backoff import Backoff
from appliance.clock import Clock
from appliance.journal.journal import Journal
from appliance.sinks.webhook import Tell, WebhookSink
from appliance.sinks.webhook_message import Choice
from appliance.sinks.webhook_post import Endpoint, WebhookPost
from appliance.sinks.webhook_queue import Schedule
from appliance.sinks.webhook_signature import secret_text
from appliance.sinks.webhook_store import WebhookStore
from appliance.sinks.webhook_targets import Target, parse_target

KEY = b"0123456789abcdef" * 2
SOON = Schedule(Backoff(0.02, 0.1, 0.01), give_up_s=60.0)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def write_secret(path: Path, *keys: bytes) -> Path:
    path.write_text("".join(secret_text(key) + "\n" for key in keys or (KEY,)))
    path.chmod(0o600)
    return path


def answers(status: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=f"said {status}", headers=headers)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits that long")


async def cuts(request: web.Request) -> web.StreamResponse:
    """Status 200, a length, half a body, and the line goes dead."""
    response = web.StreamResponse(status=200, headers={"content-length": "100"})
    await response.prepare(request)
    await response.write(b"thank y")
    assert request.transport is not None
    request.transport.abort()
    return response


async def slams(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def floods(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=200)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"x" * 65_536)
    return response


class Receiver:
    """Accepts what `judge` lets pass. `seen`: every attempt; `accepted`: what it said yes to."""

    def __init__(self) -> None:
        self.port = 0
        self.scheme = "http"
        self.seen: list[dict[str, str]] = []
        self.seen_s: list[float] = []  # monotonic, of each attempt
        self.accepted: list[dict[str, object]] = []
        self.ids: list[str] = []  # of accepted messages
        self.last_body = b""
        self.misbehave: list[Answer] = []  # for the next attempts, one each
        self.for_alarm: dict[str, Answer] = {}  # for every attempt of an alarm

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks/stethos"

    def target(self) -> Target:
        return parse_target(self.url, allow_http=True, allow_local=True)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        Webhook(secret_text(KEY)).verify(body, headers)  # raises: the sender sees a 500
        self.seen.append({**headers, "path": request.path})
        self.seen_s.append(time.monotonic())
        said = orjson.loads(body)
        bad = self.misbehave.pop(0) if self.misbehave else self.for_alarm.get(said["data"].get("alarm_id"))
        if bad is not None:
            return await bad(request)
        self.accepted.append(said)
        self.last_body = body
        self.ids.append(headers["webhook-id"])
        return web.Response(text="thank you")

    async def until(self, condition: Callable[[], bool], limit_s: float = 60.0) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.01)

    def steps(self, alarm_id: str) -> list[tuple[int, str]]:
        """What was accepted of an alarm: (sequence, what)."""
        return [(one["data"]["sequence"], one["data"]["what"])  # type: ignore[index]
                for one in self.accepted if one["data"]["alarm_id"] == alarm_id]  # type: ignore[index]  # fmt: skip


@contextlib.asynccontextmanager
async def receiver(
    tls: ssl.SSLContext | None = None, at: socket.socket | None = None
) -> AsyncIterator[Receiver]:
    """`at`: where it is to listen, bound by the test; else any free port."""
    one = Receiver()
    one.scheme = "http" if tls is None else "https"
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    if at is None:
        at = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, at, ssl_context=tls).start()
    one.port = runner.addresses[0][1]
    try:
        yield one
    finally:
        await runner.cleanup()


class Plant:
    """Alarms as the appliance commits them: their life from lifecycle, their records in a journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.journal, self.clock = journal, clock
        self._records = AlarmRecords(clock, journal.boot_id)
        self._alarms: dict[str, Alarm] = {}

    async def raised(
        self, alarm_id: str, severity: Severity = Severity.WARN, rule: str = "machine condition"
    ) -> int:
        return await self._commit(
            raise_alarm(self._alarms.get(alarm_id), self._condition(alarm_id, severity, rule), self._now())
        )

    async def updated(self, alarm_id: str, severity: Severity) -> int:
        alarm = self._alarms[alarm_id]
        return await self._commit(update(alarm, self._condition(alarm_id, severity, alarm.rule), self._now()))

    async def cleared(self, alarm_id: str) -> int:
        return await self._commit(clear(self._alarms[alarm_id], self._now()))

    async def acknowledged(self, alarm_id: str) -> int:
        alarm = self._alarms[alarm_id]
        return await self._commit(acknowledge(alarm, alarm.activation, "Jo", "seen", self._now()))

    def _condition(self, alarm_id: str, severity: Severity, rule: str) -> Condition:
        return Condition(alarm_id, "pump-1", None, rule, severity, "outer race, BPFO 14 dB over baseline")

    def _now(self) -> int:
        return self.clock.monotonic_ns()

    async def _commit(self, transition: AlarmTransition) -> int:
        self._alarms[transition.alarm.alarm_id] = transition.alarm
        result = await self.journal.commit([self._records.record(transition)])
        assert result.durable
        return result.records[0].sequence


@contextlib.asynccontextmanager
async def sending(
    plant: Plant,
    target: Target,
    *,
    choice: Choice | None = None,
    schedule: Schedule = SOON,
    timeout_s: float = 60.0,
    name: str = "cmms",
    ca_file: Path | None = None,
    tell: Tell | None = None,
    running: bool = True,
) -> AsyncIterator[WebhookSink]:
    """A sink that runs (unless the test runs it), and is cancelled at the end as the supervisor would."""
    secret_file = plant.journal.folder.parent / "secret"
    if not secret_file.exists():
        write_secret(secret_file)
    store = WebhookStore.open(plant.journal.folder)
    sink = WebhookSink(
        name,
        WebhookPost(Endpoint(target, secret_file, ca_file, timeout_s)),
        log=plant.journal,
        store=store,
        clock=plant.clock,
        choice=choice or Choice(),
        schedule=schedule,
        appliance="hall-3",
        asset_names={"pump-1": "Cooling pump 1"},
        **({} if tell is None else {"tell": tell}),
    )
    task = asyncio.create_task(sink.run() if running else asyncio.sleep(0))
    try:
        yield sink
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        store.close()
