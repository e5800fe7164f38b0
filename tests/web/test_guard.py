"""The door: sessions, CSRF, origins, hosts, bodies. What is refused never reaches a route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Message

from tests.web.conftest import Site, sign_in
from tests.web.test_routes import problem_of
from web.app import ROUTERS, create_app
from web.body_limit import BodyLimit
from web.guard import OPEN
from web.headers import host_name_of

ACKNOWLEDGE = "/api/alarms/pump-2.machine-condition/acknowledge"


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path with ids filled in) of every route that the application answers."""
    described = app.openapi()["paths"]
    found = [(method.upper(), path) for path, methods in described.items() for method in methods]
    in_routers = [
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ]
    assert sorted(found) == sorted(in_routers)  # nothing is hidden from the document
    return [
        (m, p.replace("{asset_id}", "pump-2").replace("{channel_id}", "pump-2.z").replace("{alarm_id}", "x"))
        for m, p in found
    ]


def test_what_is_open_is_two_routes() -> None:
    assert {("GET", "/api/health"), ("POST", "/api/session")} == OPEN


async def test_no_other_route_answers_without_a_session(site: Site) -> None:
    app = site.app()
    routes = every_route(app)
    assert len(routes) >= 14
    async with site.client(app) as stranger:
        for cookie in (None, "", "x", "stethos", "a" * 5000, "é", '"', "\\"):
            headers = {} if cookie is None else {"Cookie": f"stethos_session={cookie}".encode("latin-1")}
            for method, path in routes:
                if (method, path) not in OPEN:
                    answer = await stranger.request(method, path, headers=headers)
                    problem_of(answer, 401)
        for path in ("/api", "/api/", "/api/nothing", "/api/openapi.json"):
            problem_of(await stranger.get(path), 401)
        for path in ("/openapi.json", "/docs", "/redoc"):
            answer = await stranger.get(path)
            assert "swagger" not in answer.text.lower()
            assert "operationId" not in answer.text


async def test_a_hole_in_the_guard_is_still_no_way_in(site: Site) -> None:
    """Routes check for the session themselves: an application without the guard answers 401 too."""
    app = site.app()
    app.user_middleware.clear()
    async with site.client(app) as stranger:
        for method, path in every_route(app):
            if (method, path) not in OPEN:
                assert (await stranger.request(method, path)).status_code == 401, (method, path)


async def test_every_change_needs_the_csrf_token(site: Site, signed_in: httpx.AsyncClient) -> None:
    right = signed_in.headers["X-CSRF-Token"]
    changes = [r for r in every_route(site.app()) if r[0] != "GET" and r not in OPEN]
    assert len(changes) >= 6  # more may come; none of these may be missed
    for wrong in (None, "", "x", right[:-1], right + "0", right.upper(), "é"):
        signed_in.headers.pop("X-CSRF-Token", None)
        headers = {} if wrong is None else {"X-CSRF-Token": wrong.encode("latin-1")}
        for method, path in changes:
            assert (
                "X-CSRF-Token"
                in problem_of(await signed_in.request(method, path, headers=headers), 403).detail
            )
    assert (await signed_in.get("/api/machines")).status_code == 200


async def test_the_csrf_token_of_another_session_is_wrong(site: Site, signed_in: httpx.AsyncClient) -> None:
    async with site.client() as other:
        await sign_in(other)
        signed_in.headers["X-CSRF-Token"] = other.headers["X-CSRF-Token"]
    problem_of(await signed_in.delete("/api/session"), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://stethos.plant:81"},
        {"Origin": "http://stethos.plant.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_origin_changes_nothing(
    headers: dict[str, str], site: Site, signed_in: httpx.AsyncClient
) -> None:
    problem = problem_of(await signed_in.post(ACKNOWLEDGE, json={"activation": 1}, headers=headers), 403)
    assert "origin" in problem.detail
    async with site.client() as stranger:  # nor does it sign anyone in
        body = {"user": "admin", "password": "x"}
        problem_of(await stranger.post("/api/session", json=body, headers=headers), 403)


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://stethos.plant"}, {"Sec-Fetch-Site": "same-origin"}, {}]
)
async def test_our_own_page_may(headers: dict[str, str], signed_in: httpx.AsyncClient) -> None:
    problem_of(await signed_in.post(ACKNOWLEDGE, json={"activation": 1}, headers=headers), 404)


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("stethos.plant", True), ("STETHOS.plant:8443", True), ("stethos.plant.", True),
        ("localhost:8080", True),
        ("127.0.0.1:8080", True), ("192.168.7.20", True), ("[::1]:8080", True), ("[fd00::5]", True),
        ("evil.example", False), ("stethos.plant.evil.example", False), ("evil.example:127", False),
        ("", False),
        ("127.0.0.1.evil.example", False), ("evil.example@127.0.0.1", False), ("127.0.0.1/evil", False),
        ("[::1", False), (":80", False),
    ],
)  # fmt: skip
async def test_only_our_names_are_answered(host: str, admitted: bool, anonymous: httpx.AsyncClient) -> None:
    for path in ("/api/health", "/"):
        answer = await anonymous.get(path, headers={"Host": host})
        if admitted:
            assert answer.status_code in (200, 503)
        else:
            assert "Host" in problem_of(answer, 400).detail


async def test_a_host_name_is_answered_in_its_mdns_form_too(site: Site) -> None:
    health = site.station.own_health
    app = create_app(site.station, site.auth, health=health, hosts=["Gateway-7"], static_folder=site.static)
    async with site.client(app, base_url="http://gateway-7.local") as client:
        assert (await client.get("/api/health")).status_code == 200
        assert (await client.get("/api/health", headers={"Host": "gateway-8.local"})).status_code == 400


def test_a_host_header_is_taken_apart_without_errors() -> None:
    assert host_name_of("[fd00::5]:80") == "fd00::5"
    assert host_name_of("[nonsense]:80") == ""
    assert host_name_of("a b") == ""


async def test_every_answer_carries_the_security_headers(site: Site, signed_in: httpx.AsyncClient) -> None:
    answers = [
        await signed_in.get(path)
        for path in ("/api/machines", "/api/nothing", "/", "/assets/none.js", "/machines/x")
    ]
    answers.append(await signed_in.get("/", headers={"Host": "evil.example"}))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    assert all(a.headers["cache-control"] == "no-store" for a in answers[:2])


async def test_there_is_no_cors(signed_in: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await signed_in.options("/api/machines", headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_body_is_cut_while_it_streams(site: Site, signed_in: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 4096
            yield b"x" * 4096

    headers = {"Content-Type": "application/json"}
    problem = problem_of(await signed_in.post(ACKNOWLEDGE, content=endless(), headers=headers), 413)
    assert "65536 bytes" in problem.detail
    assert sent <= 65536 + 2 * 4096
    large = b'{"activation": 1, "comment": "' + b"x" * 70_000 + b'"}'
    problem_of(await signed_in.post(ACKNOWLEDGE, content=large, headers=headers), 413)
    announced = {**headers, "Content-Length": "9" * 30}
    problem_of(await signed_in.post(ACKNOWLEDGE, content=b"{}", headers=announced), 413)
    async with site.client() as stranger:
        problem_of(await stranger.post("/api/session", content=endless(), headers=headers), 413)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{", 422), (b"\x80abc", 400), (b'{"activation": 1', 422), (b"\x00", 422),
        (b"nul", 422),
        (b"[" * 60_000, 400), (b'{"a":' * 10_000, 400), (b'{"activation": ' + b"9" * 5000 + b"}", 400),
        (b'{"activation": NaN}', 422), (b'{"activation": 1e999}', 422), (b'{"activation": 1}{}', 422),
        (b'{"activation": 1, "comment": "\\ud800"}', 422), (b'{"activation": 1, "activation": 0}', 422),
    ],
)  # fmt: skip
async def test_malformed_bodies(body: bytes, status: int, signed_in: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    problem_of(await signed_in.post(ACKNOWLEDGE, content=body, headers=headers), status)


async def test_a_form_is_no_json(signed_in: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = await signed_in.post(
            ACKNOWLEDGE, content=b'{"activation": 1}', headers={"Content-Type": kind}
        )
        assert "application/json" in problem_of(answer, 422).remedy


async def test_a_body_that_dawdles_is_given_up() -> None:
    async def app(*_: object) -> None:
        raise AssertionError("nothing to parse")

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": []}
    await BodyLimit(app, within_s=0.02)(scope, never, send)
    assert sent[0]["status"] == 408
    assert b"too slow" in sent[1]["body"]


async def test_a_client_that_goes_while_it_sends_is_no_request() -> None:
    async def app(*_: object) -> None:
        raise AssertionError("nothing to parse")

    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(_message: Message) -> None:
        raise AssertionError("nobody to answer")

    await BodyLimit(app)({"type": "http", "method": "POST", "headers": []}, receive, send)
