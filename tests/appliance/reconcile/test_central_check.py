"""`stethos central check`: each thing that can be wrong with the way to the centre is said in words."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from appliance.__main__ import main
from appliance.config_central import CentralSettings
from appliance.demo_central import LocalInflux
from appliance.reconcile.central import Target
from appliance.reconcile.central_check import (
    Finding,
    Verdict,
    clock_finding,
    duration_days,
    retention_finding,
)
from appliance.tls_files import own_tls_files
from appliance.wiring_central import check_central
from tests.appliance.sinks.influx_server import free_port
from tests.appliance.test_config import GOOD

NOW_NS = 1_800_000_000_500_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


def settings_of(url: str, **others: object) -> CentralSettings:
    return CentralSettings(url=url, version=1, database="stethos", **others)  # type: ignore[arg-type]


async def checked(settings: CentralSettings, folder: Path) -> dict[str, Finding]:
    return {one.subject: one for one in await check_central(settings, folder, time.time_ns)}


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield "{}://127.0.0.1:{}".format("http" if tls is None else "https", runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def test_a_good_way_is_good_and_leaves_one_point(tmp_path: Path, influxd: LocalInflux) -> None:
    found = await checked(settings_of(influxd.url), tmp_path)
    assert {one.verdict for one in found.values()} == {Verdict.GOOD}
    assert list(found) == ["address", "clock", "write", "read", "retention"]
    assert "InfluxDB 1.6.7" in found["address"].text
    assert "for ever" in found["retention"].text
    rows = await asyncio.to_thread(influxd.ask, "SELECT * FROM stethos_check")
    assert len(rows) == 1


async def test_a_short_retention_is_told(tmp_path: Path, influxd: LocalInflux) -> None:
    await asyncio.to_thread(
        influxd.ask, "ALTER RETENTION POLICY autogen ON stethos DURATION 48h SHARD DURATION 1h"
    )
    found = await checked(settings_of(influxd.url), tmp_path)
    assert found["retention"].verdict is Verdict.WARNING
    assert "2 days" in found["retention"].text
    assert "audit_days = 2" in found["retention"].remedy


async def test_a_missing_database_or_policy_is_told(tmp_path: Path, influxd: LocalInflux) -> None:
    for settings in (
        settings_of(influxd.url).model_copy(update={"database": "nowhere"}),
        settings_of(influxd.url, retention_policy="nowhere"),
    ):
        found = await checked(settings, tmp_path)
        assert found["write"].verdict is Verdict.BAD
        assert "not found" in found["write"].text
        assert "Create the database" in found["write"].remedy


async def test_nobody_there_and_no_such_name_are_told_apart(tmp_path: Path) -> None:
    found = await checked(settings_of(f"http://127.0.0.1:{free_port()}"), tmp_path)
    assert "cannot be reached" in found["address"].text
    assert list(found) == ["address"]
    found = await checked(settings_of("http://no-such-host.invalid:8086", timeout_s=10.0), tmp_path)
    assert found["address"].verdict is Verdict.BAD


async def test_a_certificate_of_nobody_we_know_is_told_and_trusted_when_named(tmp_path: Path) -> None:
    files = own_tls_files(tmp_path / "tls", "127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "1.8.10"})

    async with serving(answer, tls) as url:
        found = await checked(settings_of(url), tmp_path)
        assert "certificate is not trusted" in found["TLS"].text
        assert "ca_file" in found["TLS"].remedy
        found = await checked(settings_of(url, ca_file=files.certificate), tmp_path)
        assert found["address"].verdict is Verdict.GOOD
    async with serving(answer) as url:
        found = await checked(settings_of(url.replace("http", "https")), tmp_path)
        assert "no TLS connection" in found["TLS"].text


async def test_a_refused_token_a_forgetful_proxy_and_a_write_only_one_are_told(tmp_path: Path) -> None:
    def server(write: int, query: int, told: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            if request.path == "/ping":
                return web.Response(status=204, headers={"X-Influxdb-Version": "1.8.10"})
            status = write if request.path == "/write" else query
            return web.Response(status=status, text=told if status != 204 else None)

        return answer

    async with serving(server(401, 401, '{"error":"authorization failed"}')) as url:
        found = await checked(settings_of(url), tmp_path)
        assert "401" in found["write"].text
        assert "token or password" in found["write"].remedy
        assert "read" not in found
    async with serving(server(204, 403, "forbidden")) as url:
        found = await checked(settings_of(url), tmp_path)
        assert found["write"].verdict is Verdict.GOOD
        assert "right to read" in found["read"].remedy
    async with serving(server(204, 200, '{"results":[{"statement_id":0}]}')) as url:
        found = await checked(settings_of(url), tmp_path)
        assert "acknowledged, and is not there" in found["read"].text


def test_the_clock_is_held_against_the_servers() -> None:
    good = clock_finding(DATE, NOW_NS)
    assert good is not None
    assert good.verdict is Verdict.GOOD
    behind = clock_finding(DATE, NOW_NS - 60 * 10**9)
    assert behind is not None
    assert (behind.verdict, "60 s behind" in behind.text) == (Verdict.WARNING, True)
    ahead = clock_finding(DATE, NOW_NS + 86_400 * 10**9)
    assert ahead is not None
    assert (ahead.verdict, "86,400 s ahead" in ahead.text) == (Verdict.BAD, True)
    assert clock_finding(None, NOW_NS) is None
    assert clock_finding("yesterday", NOW_NS) is None


def test_durations_as_the_server_writes_them() -> None:
    assert [duration_days(text) for text in ("168h0m0s", "7d", "1w", "0s", "INF", "36h")] == [
        7.0, 7.0, 7.0, 0.0, 0.0, 1.5,
    ]  # fmt: skip
    rows: list[dict[str, object]] = [{"name": "month", "duration": "720h0m0s", "default": False}]
    assert retention_finding(rows, Target("d"), 14.0).verdict is Verdict.WARNING
    assert retention_finding(rows, Target("d", "month"), 14.0).verdict is Verdict.GOOD


def test_the_command_prints_findings_and_says_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "stethos.toml"
    config.write_text(
        f'[central]\nurl = "http://127.0.0.1:{free_port()}"\nversion = 1\ndatabase = "d"\n{GOOD}'
    )
    assert main(["central", "check", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert "WRONG   address: the server cannot be reached" in said
    assert main(["central", "check", "--config", str(config), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["good"] is False
    assert document["findings"][0]["subject"] == "address"
