"""Questions to the centre: a real influxd 1.6.7, and small servers for what a healthy one never says."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import urllib.request
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from appliance.config_central import CentralSettings
from appliance.demo_central import DATABASE, LocalInflux
from appliance.errors import Fatal, Retryable
from appliance.reconcile.central import CentralReader, Target, name_of, text_of
from appliance.reconcile.errors import AnswerTooLarge, CentralRefused, CentralUnavailable, Refusal
from appliance.wiring_central import central_reader

NOW_NS = 1_800_000_000_000_000_001


@contextlib.asynccontextmanager
async def reading(
    url: str, database: str = DATABASE, most_bytes: int = 1 << 20
) -> AsyncIterator[CentralReader]:
    reader = CentralReader(url, Target(database), timeout_s=60.0, most_bytes=most_bytes)
    try:
        yield reader
    finally:
        await reader.close()


def put(server: LocalInflux, body: str) -> None:
    url = f"{server.url}/write?db={DATABASE}&precision=ns"
    urllib.request.urlopen(url, data=body.encode(), timeout=60).close()


@contextlib.asynccontextmanager
async def answering(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    """A server that says at /query what a test wants; its address."""

    async def query(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_post("/query", query)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_series_tags_and_exact_values_come_back(influxd: LocalInflux) -> None:
    hostile = 'it\'s "hall" 3'
    body = (
        f'm,channel={hostile.replace(" ", chr(92) + " ")} value=0.1,n=7i,word="a",ok=true {NOW_NS}\n'
        f"m value=3.25 {NOW_NS + 1}\n"
    )
    await asyncio.to_thread(put, influxd, body)
    async with reading(influxd.url) as reader:
        found = await reader.ask(f'SELECT "value", "n", "word", "ok" FROM {name_of("m")} GROUP BY "channel"')
        assert {series.tags["channel"]: list(series.rows()) for series in found} == {
            hostile: [{"time": NOW_NS, "value": 0.1, "n": 7, "word": "a", "ok": True}],
            "": [{"time": NOW_NS + 1, "value": 3.25, "n": None, "word": None, "ok": None}],
        }
        rows = await reader.rows(f'SELECT "n" FROM "m" WHERE "channel" = {text_of(hostile)}')
        assert [row["n"] for row in rows] == [7]
        assert await reader.ask('SELECT "value" FROM "nothing here"') == []
        assert reader.questions == 3


async def test_an_error_inside_200_is_an_error(influxd: LocalInflux) -> None:
    async with reading(influxd.url, "nowhere") as reader:
        with pytest.raises(CentralRefused, match="database not found") as caught:
            await reader.ask('SELECT "value" FROM "m"')
        assert caught.value.refusal is Refusal.MISSING
    async with reading(influxd.url) as reader:
        with pytest.raises(CentralRefused, match="undefined function") as caught:
            await reader.ask('SELECT nonsense("value") FROM "m"')
        assert caught.value.refusal is Refusal.QUESTION
        with pytest.raises(CentralRefused, match="error parsing query") as caught:
            await reader.ask("SELEKT")
        assert caught.value.refusal is Refusal.QUESTION


async def test_an_answer_beyond_the_bound_is_refused_and_the_next_one_comes(influxd: LocalInflux) -> None:
    await asyncio.to_thread(put, influxd, "\n".join(f"m value={n} {NOW_NS + n}" for n in range(5_000)))
    async with reading(influxd.url, most_bytes=20_000) as reader:
        with pytest.raises(AnswerTooLarge, match="20,000 bytes"):
            await reader.ask('SELECT "value" FROM "m"')
        assert (await reader.rows('SELECT count("value") FROM "m"'))[0]["count"] == 5_000


async def test_a_packed_answer_is_bounded_as_it_unpacks() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    packed = {"Content-Encoding": "gzip"}
    async with answering(lambda _: web.Response(body=bomb, headers=packed)) as url, reading(url) as reader:
        with pytest.raises(AnswerTooLarge):
            await reader.ask("SELECT 1")


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (401, '{"error":"authorization failed"}', Refusal.ACCESS),
        (403, '{"error":"bucket not found for you"}', Refusal.ACCESS),
        (200, '{"results":[{"statement_id":0,"error":"user not authorized to execute"}]}', Refusal.ACCESS),
        (404, '{"code":"not found","message":"no dbrp mapping found"}', Refusal.MISSING),
        (404, "<html>not found</html>", Refusal.ADDRESS),
        (302, "", Refusal.ADDRESS),
        (200, "<html>welcome</html>", Refusal.ADDRESS),
        (200, '{"status":"ok"}', Refusal.ADDRESS),
        (200, "[]", Refusal.ADDRESS),
        (400, '{"error":"error parsing query: found SELEKT"}', Refusal.QUESTION),
    ],
)
async def test_every_refusal_is_told_apart(status: int, body: str, refusal: Refusal) -> None:
    async with answering(lambda _: web.Response(status=status, text=body)) as url, reading(url) as reader:
        with pytest.raises(CentralRefused) as caught:
            await reader.ask('SELECT "value" FROM "m"')
        assert caught.value.refusal is refusal


@pytest.mark.parametrize(
    "body",
    [
        '{"results":[{"series":[{"name":"m","columns":["time"],"values":[[1]],"partial":true}]}]}',
        '{"results":[{"error":"query would scan 500 Parquet files, exceeding the file limit"}]}',
    ],
)
async def test_an_answer_that_was_cut_short_is_none(body: str) -> None:
    async with answering(lambda _: web.Response(text=body)) as url, reading(url) as reader:
        with pytest.raises(AnswerTooLarge):
            await reader.ask('SELECT "value" FROM "m"')


async def test_a_busy_server_and_none_at_all_are_for_later() -> None:
    busy = lambda _: web.Response(status=503, text="busy", headers={"Retry-After": "7"})  # noqa: E731
    async with answering(busy) as url, reading(url) as reader:
        with pytest.raises(CentralUnavailable, match="503: busy") as caught:
            await reader.ask("SELECT 1")
        assert caught.value.retry_after_s == 7.0
        assert isinstance(caught.value, Retryable)
    async with reading("http://127.0.0.1:1") as reader:
        with pytest.raises(CentralUnavailable, match="cannot be reached"):
            await reader.ask("SELECT 1")


async def test_user_and_token_are_sent_as_each_version_wants_them(tmp_path) -> None:  # type: ignore[no-untyped-def]
    heard: list[tuple[str, str, str | None]] = []

    def note(request: web.Request) -> web.Response:
        query = request.query
        heard.append((request.headers.get("Authorization", ""), query["db"], query.get("rp")))
        return web.Response(text='{"results":[{}]}')

    secret = tmp_path / "secret"
    secret.write_text("first\n")
    async with answering(note) as url:
        first = CentralSettings(url=url, version=1, database="d", user="u", password_file=secret)
        second = CentralSettings(url=url, version=2, org="o", bucket="b/month", token_file=secret)
        for settings in (first, second):
            reader = central_reader(settings)
            await reader.ask("SHOW DATABASES")
            secret.write_text("second\n")  # rotated: no restart
            await reader.ask("SHOW DATABASES")
            secret.write_text("first\n")
            await reader.close()
        secret.write_text("no\nheader\x00")
        assert [one[1:] for one in heard] == [("d", None)] * 2 + [("b", "month")] * 2
        assert heard[0][0] == "Basic dTpmaXJzdA=="
        assert [one[0] for one in heard[2:]] == ["Token first", "Token second"]
        secret.write_text("a\x00b\n")
        reader = central_reader(second)
        with pytest.raises(Fatal, match="cannot be sent"):
            await reader.ask("SHOW DATABASES")
        await reader.close()
