"""Objects put into a real S3-compatible server and into a plain web server, and what every answer means."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from appliance.sinks.capture_courier import CapturedObject, ObjectRefused
from appliance.sinks.object_signature import SigningKey, canonical_path, signed_headers
from appliance.sinks.object_store import ObjectStore, StorePlace
from appliance.sinks.sink import SinkStopped, SinkUnavailable
from tests.appliance.sinks.s3_server import BUCKET, KEY, LocalS3

NAME = "stethos/device-1/motor-1/20270115t080000-motor-1-abc123/a b+ü~.0.stcap"
ITEM = CapturedObject(
    NAME, b"\x00waveform\xff" * 1000, {"asset": "motor-1", "alarms": "motor-1.machine-condition"}
)


def test_a_signature_is_the_one_that_aws_publishes() -> None:
    """AWS, "Signature Calculations for the Authorization Header", example PUT Object."""
    key = SigningKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    digest = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    signed = signed_headers(
        key, "PUT", "examplebucket.s3.amazonaws.com", "/test$file.text",
        headers=headers, body_sha256=digest, time_s=1_369_353_600.0,
    )  # fmt: skip
    assert signed["authorization"].endswith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )
    assert "wJalr" not in repr(key)
    assert canonical_path("/a b/ü+~") == "/a%20b/%C3%BC%2B~"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[LocalS3]:
    server = LocalS3(tmp_path)
    server.start()
    yield server
    server.kill()


def store_of(server: LocalS3, key: SigningKey = KEY, bucket: str = BUCKET, **more: object) -> ObjectStore:
    place = StorePlace(f"{server.url}/{bucket}", server.url)
    return ObjectStore(place, key=lambda: key, timeout_s=60.0, **more)  # type: ignore[arg-type]


async def test_a_real_server_takes_an_object_and_has_it_once(s3: LocalS3) -> None:
    store = store_of(s3)
    for _ in range(2):  # at least once: the second overwrites itself
        await store.put(ITEM)
    await store.close()
    assert s3.objects() == {NAME: ITEM.content}
    assert store.requests == 4  # each put is asked for again


async def test_a_real_server_refuses_a_wrong_key_and_a_missing_bucket(s3: LocalS3) -> None:
    wrong = store_of(s3, dataclasses.replace(KEY, secret="another"))
    with pytest.raises(SinkStopped, match="403") as stopped:
        await wrong.put(ITEM)
    assert "key" in stopped.value.remedy
    await wrong.close()
    nowhere = store_of(s3, bucket="nowhere")
    with pytest.raises(SinkStopped, match="404") as stopped:
        await nowhere.put(ITEM)
    assert "bucket" in stopped.value.remedy
    await nowhere.close()
    assert s3.objects() == {}


async def test_a_box_whose_clock_is_wrong_learns_the_store_s(s3: LocalS3) -> None:
    store = store_of(s3, now_s=lambda: time.time() - 86_400.0)
    with pytest.raises(SinkUnavailable, match=r"clock is \+86[34]"):
        await store.put(ITEM)
    await store.put(ITEM)
    await store.close()
    assert s3.objects() == {NAME: ITEM.content}


async def test_a_server_that_is_away_is_tried_again(s3: LocalS3) -> None:
    s3.kill()
    store = store_of(s3)
    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        await store.put(ITEM)
    s3.start()
    await store.put(ITEM)
    await store.close()
    assert list(s3.objects()) == [NAME]


# ---- answers that the real server does not give by itself ----

Answering = Callable[[web.Request, bytes], web.Response]


@pytest.fixture
async def plain() -> object:
    """A web server that answers as a test says."""
    servers: list[TestServer] = []

    async def serve(answer: Answering) -> TestServer:
        async def handle(request: web.Request) -> web.Response:
            return answer(request, await request.read())

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", handle)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return servers[-1]

    yield serve
    for server in servers:
        await server.close()


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (400, ObjectRefused, "400"),
        (413, ObjectRefused, "too large"),
        (301, SinkStopped, "301"),
        (401, SinkStopped, "401"),
        (429, SinkUnavailable, "429"),
        (500, SinkUnavailable, "500"),
        (503, SinkUnavailable, "503"),
    ],
)
async def test_every_answer_has_its_meaning(plain, status: int, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    said = "<Error><Code>EntityTooLarge</Code><Message>too large</Message></Error>"

    def answer(request: web.Request, body: bytes) -> web.Response:
        return web.Response(status=status, text=said, headers={"Retry-After": "7", "Location": "/x"})

    server = await plain(answer)
    store = ObjectStore(StorePlace(str(server.make_url("/put")), "here"), token=lambda: "a-token")
    with pytest.raises(error, match=says) as caught:
        await store.put(ITEM)
    assert "a-token" not in str(caught.value)
    if isinstance(caught.value, SinkUnavailable):
        assert caught.value.retry_after_s == 7.0
    await store.close()


@pytest.mark.parametrize("lie", ["gone", "short", "other"])
async def test_a_store_that_answers_200_and_forgets_is_found_out(plain, lie: str) -> None:  # type: ignore[no-untyped-def]
    def answer(request: web.Request, body: bytes) -> web.Response:
        if request.method == "PUT":
            return web.Response()
        if lie == "gone":
            return web.Response(status=404)
        size = len(ITEM.content) - (lie == "short")
        return web.Response(headers={"Content-Length": str(size), "ETag": f'"{"0" * 32}"'})

    server = await plain(answer)
    store = ObjectStore(StorePlace(str(server.make_url("/bucket")), "here"), key=lambda: KEY)
    with pytest.raises(SinkUnavailable, match="took"):
        await store.put(ITEM)
    await store.close()


async def test_a_plain_server_gets_a_put_with_its_token_and_may_know_no_head(plain) -> None:  # type: ignore[no-untyped-def]
    seen: list[tuple[str, str, str | None, bytes]] = []

    def answer(request: web.Request, body: bytes) -> web.Response:
        seen.append((request.method, request.path, request.headers.get("Authorization"), body))
        return web.Response(status=201 if request.method == "PUT" else 405)

    server = await plain(answer)
    store = ObjectStore(StorePlace(str(server.make_url("/dav")), "here"), token=lambda: "a-token")
    await store.put(ITEM)
    await store.close()
    assert seen[0] == ("PUT", f"/dav/{NAME}", "Bearer a-token", ITEM.content)
    assert [one[0] for one in seen] == ["PUT", "HEAD"]


async def test_a_secret_that_no_header_can_carry_is_never_shown(plain) -> None:  # type: ignore[no-untyped-def]
    server = await plain(lambda _request, _body: web.Response())
    store = ObjectStore(StorePlace(str(server.make_url("/")), "here"), token=lambda: "broken\r\ntoken")
    with pytest.raises(SinkStopped) as stopped:
        await store.put(ITEM)
    assert "broken" not in str(stopped.value)
    await store.close()
