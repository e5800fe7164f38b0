"""A whole appliance, and every byte that it sends to anybody, held against what may leave the box.

The centre is behind a proxy that keeps the raw bytes; every connection that the process opens, and every name
that it looks up, is noted by the interpreter itself (`sys.addaudithook`), whatever library opens it.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.config_file import load_settings
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.service_notifier import service_notifier
from appliance.supervisor import Supervisor
from appliance.wiring import Appliance
from appliance.wiring_web import Address
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.receiver import receiver, write_secret
from tests.appliance.sinks.way import everything, own_health
from tests.appliance.test_config import GOOD
from tests.conftest import ROOT

STAYS = "a-waveform-that-nobody-may-see"
PASSWORD, TOKEN = "the-centre-s-own-password", "scrape-" + "0123456789abcdef" * 4
DOCS = ROOT / "docs"
TEXT = re.compile(rb'"(?:\\.|[^"\\])*"', re.DOTALL)  # may hold ends of lines
PLANT = ("127.0.0.1", 4840)  # of the configuration that is run
_watchers: list[list[tuple[str, object]]] = []


def _note(event: str, args: tuple[object, ...]) -> None:
    for watcher in _watchers:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            watcher.append((event, args[1]))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            watcher.append((event, args[0]))


sys.addaudithook(_note)  # cannot be taken away again: notes nothing while nobody watches


@dataclass
class Centre:
    """A server that takes everything and has nothing, behind a proxy that keeps what came over the wire."""

    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    upstream: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        packed = body[:2] == b"\x1f\x8b"
        self.requests.append(
            (
                request.method,
                request.path_qs,
                dict(request.headers),
                gzip.decompress(body) if packed else body,
            )
        )
        if request.path == "/query":
            return web.json_response({"results": [{"statement_id": 0}]})
        return web.Response(status=204)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the box, both ways."""
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter, keep: bool) -> None:
            while data := await source.read(65_536):
                if keep:
                    self.raw += data
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(pipe(reader, back, True), pipe(there, writer, False), return_exceptions=True)


def documented() -> dict[str, tuple[set[str], set[str] | None]]:
    """Tags and fields of every measurement in docs/influx-schema.md; None: its fields have names of their
    own."""
    text = (DOCS / "influx-schema.md").read_text(encoding="utf-8").split("\n## Measurements")[1]
    found: dict[str, tuple[set[str], set[str] | None]] = {}
    for section in (part.split("\n## ")[0] for part in text.split("\n### ")[1:]):
        name = section.split("\n", 1)[0].strip()
        said = re.search(r"Tags: ([^.]*)\.", section)
        fields = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
        tags = set(re.findall(r"`([^`]+)`", said.group(1))) if said else set()
        found[name] = (tags, None if any("<" in one for one in fields) else fields)
    return found


def keys_of(line: bytes) -> tuple[str, set[str], set[str]]:
    """Measurement, tag keys, field keys of a line of the protocol whose texts were taken out."""
    series, fields = re.split(rb"(?<!\\) ", line)[:2]
    measurement, *tags = re.split(rb"(?<!\\),", series)
    return (
        measurement.decode(),
        {re.split(rb"(?<!\\)=", tag)[0].decode() for tag in tags},
        {re.split(rb"(?<!\\)=", one)[0].decode() for one in re.split(rb"(?<!\\),", fields)},
    )


def configuration(folder: Path, centre_port: int, webhook_url: str) -> Path:
    write_secret(folder / "secret")
    for name, text in (("password", PASSWORD), ("token", TOKEN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    path = folder / "stethos.toml"
    path.write_text(
        f"[web]\nport = 0\n{GOOD.replace('/dev/ttyUSB0', str(folder / 'no-such-port'))}"
        f'\n[central]\nurl = "http://127.0.0.1:{centre_port}"\nversion = 1\ndatabase = "stethos"\n'
        'user = "box"\npassword_file = "password"\nprovisional_times = "send"\n'
        f'\n[[webhooks]]\nname = "cmms"\nurl = "{webhook_url}"\nsecret_file = "secret"\n'
        'allow_http = true\nallow_local = true\n\n[metrics]\ntoken_file = "token"\n'
    )
    return path


async def test_every_byte_that_a_whole_appliance_sends_is_in_the_table_of_what_may_leave(
    tmp_path: Path,
) -> None:
    centre, heard = Centre(), list[Address]()
    opened: list[tuple[str, object]] = []
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", centre.handle)
    async with TestServer(app) as server, receiver() as cmms:
        centre.upstream = int(server.port or 0)
        proxy = await asyncio.start_server(centre.carry, "127.0.0.1", 0)
        proxy_port = proxy.sockets[0].getsockname()[1]
        path = configuration(tmp_path, proxy_port, cmms.url)
        _watchers.append(opened)
        appliance = await Appliance.build(load_settings(path))
        supervisor = Supervisor(Backoff(0.05, 0.1, 0.01))
        task = asyncio.create_task(appliance.run(supervisor, service_notifier(), heard.append))
        try:
            await everything(appliance.journal, ReplayClock(START_NS))
            await own_health(appliance.journal)
            capture = f'{{"subject": "{STAYS}"}}'.encode()
            await appliance.journal.commit(
                [NewRecord(RecordClass.CAPTURE, RecordKind.AUDIT, "capture/1", STAYS, 10**9, capture)]
            )
            central = appliance.central
            assert central is not None
            await cmms.until(lambda: (bool(cmms.accepted) and bool(heard)) or task.done(), 60.0)
            await cmms.until(lambda: not central.courier.report().waiting or task.done(), 60.0)
            await cmms.until(lambda: any("/query" in one[1] for one in centre.requests), 60.0)
            assert not task.done(), task.result()
            _watchers.clear()
            scraped = await scrapes(heard[0])
        finally:
            _watchers.clear()
            supervisor.stop()
            await asyncio.gather(task, return_exceptions=True)
            await appliance.close()
            proxy.close()
        key = "".join((appliance.settings.station.state_dir / "device.key").read_text().split("\n")[1:-2])

    # Whom it speaks to: those who are configured, by address; nobody is looked up.
    to = {where for event, where in opened if event != "socket.getaddrinfo" and isinstance(where, tuple)}
    centre_and_hook = {("127.0.0.1", proxy_port), ("127.0.0.1", cmms.port)}
    assert centre_and_hook <= {(where[0], where[1]) for where in to}
    assert {(where[0], where[1]) for where in to} <= {*centre_and_hook, PLANT, ("127.0.0.1", centre.upstream)}
    assert {str(where) for event, where in opened if event == "socket.getaddrinfo"} <= {"127.0.0.1"}

    # What the centre gets: documented measurements with documented tags and fields, and questions.
    assert centre.raw.count(b" HTTP/1.1\r\n") == len(centre.requests), "every request was looked at"
    known, came = documented(), set()
    for method, target, _, body in centre.requests:
        if urlsplit(target).path == "/write":
            for line in filter(None, TEXT.sub(b'""', body).split(b"\n")):
                measurement, tags, fields = keys_of(line)
                came.add(measurement)
                assert measurement in known, line
                allowed_tags, allowed = known[measurement]
                assert tags <= allowed_tags, (measurement, tags - allowed_tags)
                assert allowed is None or fields <= allowed, (measurement, fields - allowed)
        elif urlsplit(target).path == "/query":
            said_there = {**parse_qs(urlsplit(target).query), **parse_qs(body.decode())}
            (asked,) = said_there["q"]
            assert asked.lstrip().upper().startswith(("SELECT ", "SHOW ")), (method, asked)
        else:
            assert (urlsplit(target).path, body) == ("/ping", b"")
    wanted = {"features", "score", "process_value", "gap", "alarm", "counter", "limit", "limit_version"}
    assert wanted | {"advisory", "health_stage"} <= came

    # Receivers get transitions of alarms alone, a scraper the documented metrics.
    assert {str(one["type"]).split(".")[0] for one in cmms.accepted} == {"alarm"}
    metrics = (DOCS / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^# TYPE (\w+) ", scraped, re.MULTILINE))
    assert names and all(f"`{name}`" in metrics for name in names)

    # And nobody what is nobody's business.
    secret = (tmp_path / "secret").read_text().strip()
    said = [
        b"\n".join([target.encode() + body for _, target, _, body in centre.requests]),
        b"\n".join([cmms.last_body, *(str(one).encode() for one in (*cmms.accepted, *cmms.seen))]),
        scraped.encode(),
    ]
    for everything_said in said:
        for hidden in (STAYS, PASSWORD, TOKEN, secret, secret.removeprefix("whsec_"), key):
            assert hidden.encode() not in everything_said
    assert STAYS.encode() not in centre.raw and key.encode() not in centre.raw


async def scrapes(address: Address) -> str:
    """The metrics as a scraper with the token gets them; without it nobody gets anything."""
    url = address.url.rstrip("/")
    async with aiohttp.ClientSession() as http:
        for path in ("/metrics", "/api/appliance", "/api/alarms"):
            async with http.get(url + path) as refused:
                assert refused.status == 401, (path, refused.status)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.get(url + "/metrics", headers=headers) as answer:
            assert answer.status == 200
            return await answer.text()
