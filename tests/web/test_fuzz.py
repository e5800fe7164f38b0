"""Any request at all: never a 5xx, every refusal a Problem, every answer what the document says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.web.conftest import Site, sign_in
from web.app import ROUTERS
from web.schemas import Problem
from web.station_view import LiveUpdate

ROUTES = sorted(
    (
        (method, route.path, route)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ),
    key=lambda entry: entry[:2],
)
IDS = ["pump-2", "fan-1", "pump-2.z", "fan-1.x", "pump-2.machine-condition", "20270115t080000-pump-2-a"]
NAMES = [
    "feature",
    "start_ms",
    "end_ms",
    "max_points",
    "kind",
    "include_closed",
    "limit",
    "alarm_id",
    "format",
    "after",
    "x",
]
VALUES = [
    "rms_mps2",
    "score",
    "amplitude",
    "envelope",
    "true",
    "1",
    "0",
    "-1",
    "1.8e12",
    "nan",
    "inf",
    "1e400",
    "٣",
]
FIELDS = ["activation", "comment", "user", "password", "old_password", "new_password", "x", "__class__"]

ids = st.sampled_from(IDS) | st.text(max_size=30) | st.text(min_size=190, max_size=300)
queries = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=30) | st.integers().map(str)
    ),
    max_size=5,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
bodies = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), json_values | st.just(1), max_size=4).map(json.dumps).map(
        str.encode
    ),
    st.just(b'{"activation": 1}'),
    json_values.map(json.dumps).map(str.encode),
    st.binary(max_size=200),
)  # fmt: skip
content_types = st.sampled_from(
    ["application/json", "application/json", "text/plain", "application/x+json", "é/;"]
)
headers = st.dictionaries(
    st.sampled_from(
        ["Last-Event-ID", "Range", "If-None-Match", "Cookie", "Origin", "Accept", "X-CSRF-Token"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30),
    max_size=2,
)


def path_of(template: str, identity: str) -> str:
    for name in ("{asset_id}", "{channel_id}", "{alarm_id}", "{capture_id}"):
        template = template.replace(name, quote(identity.encode("utf-8", "surrogatepass"), safe=""))
    return template


def check(answer: httpx.Response, route: APIRoute | None) -> None:
    """The answer is one that the document promises."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        Problem.model_validate_json(answer.content)
        if route is not None:
            assert answer.status_code in {404, 405, *route.responses}, answer.text
    elif route is not None and route.response_model is not None:
        adapter: TypeAdapter[Any] = TypeAdapter(route.response_model)
        adapter.validate_json(answer.content)


async def start(site: Site) -> httpx.AsyncClient:
    (site.static / "assets").mkdir(parents=True)
    (site.static / "index.html").write_text("<!doctype html>")
    site.clock.advance(30.0)
    await site.station.tick()

    async def short(_after: int | None) -> AsyncIterator[LiveUpdate]:
        yield LiveUpdate("machines", site.station.machines())

    site.station.updates = short  # type: ignore[method-assign, assignment]
    client = site.client()
    await sign_in(client)
    return client


def test_no_request_is_answered_with_an_internal_error(site: Site) -> None:
    statuses: set[int] = set()
    with asyncio.Runner() as runner:
        client = runner.run(start(site))

        @settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(ROUTES), ids, queries, bodies, content_types, headers)
        def fuzz(
            entry: tuple[str, str, APIRoute],
            identity: str,
            query: list[tuple[str, str]],
            body: bytes,
            content_type: str,
            more: dict[str, str],
        ) -> None:
            method, template, route = entry
            path = path_of(template, identity)
            encoded = "&".join(f"{k}={quote(v.encode('utf-8', 'surrogatepass'))}" for k, v in query)
            said = {"Content-Type": content_type, **more}
            request = client.build_request(
                method,
                f"{path}?{encoded}",
                content=None if method == "GET" else body,
                headers={name: value.encode("latin-1") for name, value in said.items()},
            )
            answer = runner.run(client.send(request))
            statuses.add(answer.status_code)
            check(answer, route if identity not in ("", ".", "..") and "/" not in identity else None)
            if answer.status_code in (204, 401):  # signed out, or limited: begin again
                site.clock.advance(1000.0)
                client.cookies.clear()
                runner.run(sign_in(client))

        fuzz()
        runner.run(client.aclose())
    assert {200, 404, 422} <= statuses  # it got through to the routes


def test_no_address_of_the_page_is_answered_with_an_internal_error(site: Site) -> None:
    with asyncio.Runner() as runner:
        client = runner.run(start(site))

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.text(max_size=60), headers, st.sampled_from(["GET", "HEAD", "POST", "TRACE", "X"]))
        def fuzz(path: str, more: dict[str, str], method: str) -> None:
            encoded = quote(path.encode("utf-8", "surrogatepass"), safe="/.")
            latin = {name: value.encode("latin-1") for name, value in more.items()}
            answer = runner.run(client.send(client.build_request(method, f"/{encoded}", headers=latin)))
            assert answer.status_code < 500

        fuzz()
        runner.run(client.aclose())
