"""Every route, asked as the page asks it, and what it says when it cannot answer."""

from __future__ import annotations

import anyio.to_thread
import httpx
import pytest
from pydantic import TypeAdapter

from tests.web.conftest import PASSWORD, Site, sign_in
from web.schemas import (
    AlarmTransitionView,
    AlarmView,
    ApplianceView,
    MachineDetail,
    MachineSummary,
    Problem,
    SessionView,
    SpectrumView,
)
from web.trend_schemas import TrendView


def problem_of(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.title and problem.detail and problem.remedy
    return problem


async def test_machines_and_one_machine(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.get("/api/machines")
    machines = TypeAdapter(list[MachineSummary]).validate_json(answer.content)
    assert [m.asset_id for m in machines] == ["pump-2", "fan-1", "motor-7"]
    detail = MachineDetail.model_validate_json((await signed_in.get("/api/machines/pump-2")).content)
    assert detail.summary == machines[0]


async def test_an_unknown_machine_is_named_with_what_there_is(signed_in: httpx.AsyncClient) -> None:
    problem = problem_of(await signed_in.get("/api/machines/pump-9"), 404)
    assert "pump-9" in problem.detail
    assert "pump-2, fan-1, motor-7" in problem.remedy


async def test_a_spectrum_appears_after_a_while(site: Site, signed_in: httpx.AsyncClient) -> None:
    address = "/api/channels/pump-2.z/spectrum?kind=envelope"
    assert "no envelope spectrum yet" in problem_of(await signed_in.get(address), 404).detail
    site.clock.advance(5.0)
    spectrum = SpectrumView.model_validate_json((await signed_in.get(address)).content)
    assert spectrum.kind == "envelope"
    assert spectrum.markers
    default = await signed_in.get("/api/channels/pump-2.z/spectrum")
    assert SpectrumView.model_validate_json(default.content).kind == "amplitude"
    assert "pump-2.q" in problem_of(await signed_in.get("/api/channels/pump-2.q/spectrum"), 404).detail


async def test_a_trend_has_its_bounds_and_its_gaps(site: Site, signed_in: httpx.AsyncClient) -> None:
    now_ms = 1000.0 * site.clock.wall
    query = {"feature": "rms_mps2", "start_ms": now_ms - 900_000, "end_ms": now_ms, "max_points": 500}
    answer = await signed_in.get("/api/channels/pump-2.z/trend", params=query)
    trend = TrendView.model_validate_json(answer.content)
    assert len(trend.times_ms) == len(trend.values) <= 500
    assert None in trend.values
    assert [(gap.cause, gap.state) for gap in trend.gaps] == [("serial loss", "lost")]


@pytest.mark.parametrize(
    ("query", "field", "right"),
    [
        ({}, "query feature", "Send query feature"),
        ({"feature": ""}, "query feature", "at least 1"),
        ({"feature": "rms_mps2", "start_ms": "nan"}, "query start_ms", ""),
        ({"feature": "rms_mps2", "start_ms": "-inf"}, "query start_ms", ""),
        ({"feature": "rms_mps2", "end_ms": "yesterday"}, "query end_ms", ""),
        ({"feature": "rms_mps2", "end_ms": -1}, "query end_ms", "0"),
        ({"feature": "rms_mps2", "max_points": 10**6}, "query max_points", "20000"),
        ({"feature": "rms_mps2", "max_points": "1e3"}, "query max_points", ""),
        ({"feature": "rms_mps2", "start_ms": 2000, "end_ms": 1000}, "query start_ms", "before"),
    ],
)
async def test_a_wrong_query_is_refused_by_field(
    query: dict[str, str | float], field: str, right: str, signed_in: httpx.AsyncClient
) -> None:
    problem = problem_of(await signed_in.get("/api/channels/pump-2.z/trend", params=query), 422)
    assert field in problem.detail
    assert right in problem.remedy


async def test_the_kind_of_a_spectrum_is_one_of_two(signed_in: httpx.AsyncClient) -> None:
    problem = problem_of(await signed_in.get("/api/channels/pump-2.z/spectrum?kind=magic"), 422)
    assert "query kind" in problem.detail
    assert "'amplitude' or 'envelope'" in problem.remedy


async def test_an_alarm_is_seen_acknowledged_once_and_told(site: Site, signed_in: httpx.AsyncClient) -> None:
    assert (await signed_in.get("/api/alarms")).json() == []
    site.clock.advance(21.0)
    await site.station.tick()
    [alarm] = TypeAdapter(list[AlarmView]).validate_json((await signed_in.get("/api/alarms")).content)
    address = f"/api/alarms/{alarm.alarm_id}"
    stale = await signed_in.post(f"{address}/acknowledge", json={"activation": 2})
    assert "activation 1, not 2" in problem_of(stale, 409).detail
    answer = await signed_in.post(
        f"{address}/acknowledge", json={"activation": 1, "comment": "bearing ordered"}
    )
    acknowledged = AlarmView.model_validate_json(answer.content)
    assert acknowledged.state == "active, acknowledged"
    assert (acknowledged.acknowledged_by, acknowledged.comment) == ("admin", "bearing ordered")
    problem_of(await signed_in.post(f"{address}/acknowledge", json={"activation": 1}), 409)
    for wrong in ({"activation": 1, "hours": 169}, {"activation": 1, "hours": -1}, {"activation": 1}):
        problem_of(await signed_in.post(f"{address}/shelve", json=wrong), 422)
    past = await signed_in.post(f"{address}/shelve", json={"activation": 2, "hours": 1})
    problem_of(past, 409)
    history = await signed_in.get(f"{address}/history")
    steps = TypeAdapter(list[AlarmTransitionView]).validate_json(history.content)
    assert [(step.what, step.actor) for step in steps] == [("raised", "appliance"), ("acknowledged", "admin")]


async def test_unknown_alarms(site: Site, signed_in: httpx.AsyncClient) -> None:
    unknown = await signed_in.post("/api/alarms/nothing/acknowledge", json={"activation": 1})
    assert problem_of(unknown, 404).remedy == "There is none yet."
    site.clock.advance(21.0)
    await site.station.tick()
    assert "pump-2.machine-condition" in problem_of(await signed_in.get("/api/alarms/x/history"), 404).remedy


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body activation"),
        ({"activation": 0}, "body activation"),
        ({"activation": "first"}, "body activation"),
        ({"activation": 1.5}, "body activation"),
        ({"activation": 1, "comment": "x" * 501}, "body comment"),
        ({"activation": 1, "comment": None}, "body comment"),
        ({"activation": 1, "actor": "somebody else"}, "body actor"),
        ([1], "body"),
        ("activation", "body"),
        (None, "body"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(
    body: object, field: str, signed_in: httpx.AsyncClient
) -> None:
    answer = await signed_in.post("/api/alarms/pump-2.machine-condition/acknowledge", json=body)
    assert field in problem_of(answer, 422).detail


async def test_a_refused_password_is_not_echoed(anonymous: httpx.AsyncClient) -> None:
    secret = "hunter2 " * 40  # too long for the field
    answer = await anonymous.post("/api/session", json={"user": "admin", "password": secret})
    assert problem_of(answer, 422).remedy == "Give at most 256 characters."
    assert "hunter2" not in answer.text


async def test_the_appliance_and_its_health(site: Site, signed_in: httpx.AsyncClient) -> None:
    view = ApplianceView.model_validate_json((await signed_in.get("/api/appliance")).content)
    assert {link.state for link in view.links} == {"streaming", "connected", "gone"}
    async with site.client() as stranger:
        assert (await stranger.get("/api/health")).json() == {"status": "ok"}
        site.station.durable = False
        assert (await stranger.get("/api/health")).json() == {"status": "degraded"}


async def test_signing_in_and_out(site: Site, anonymous: httpx.AsyncClient) -> None:
    problem_of(await anonymous.get("/api/session"), 401)
    answer = await sign_in(anonymous)
    view = SessionView.model_validate_json(answer.content)
    assert (view.user, view.must_change_password) == ("admin", False)
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
        assert "Secure" not in cookie  # over plain HTTP
    assert (await anonymous.get("/api/session")).json() == answer.json()
    token = anonymous.cookies["stethos_session"]
    assert (await anonymous.delete("/api/session")).status_code == 204
    assert "stethos_session" not in anonymous.cookies
    anonymous.cookies.set("stethos_session", token)
    problem_of(await anonymous.get("/api/session"), 401)
    assert site.auth.find(token) is None


async def test_cookies_are_secure_under_tls(site: Site) -> None:
    async with site.client(base_url="https://stethos.plant") as client:
        answer = await sign_in(client)
        assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_a_wrong_password_says_how_to_go_on_and_too_many_when(anonymous: httpx.AsyncClient) -> None:
    for _ in range(5):
        answer = await sign_in(anonymous, password="wrong password")
        assert "belong together" in problem_of(answer, 401).detail
    answer = await sign_in(anonymous)
    assert problem_of(answer, 429).remedy == "Try again in 1 s."
    assert answer.headers["retry-after"] == "1"


async def test_the_first_boot_password_only_serves_to_choose_ones_own(site: Site) -> None:
    site.auth.reset_password("admin", PASSWORD)
    async with site.client() as client:
        assert (await sign_in(client)).json()["must_change_password"] is True
        for address in ("/api/machines", "/api/alarms", "/api/appliance", "/api/live", "/api/nothing"):
            assert "first-boot password" in problem_of(await client.get(address), 403).detail
        assert (await client.get("/api/session")).status_code == 200
        assert (await client.get("/api/health")).status_code == 200
        change = {"old_password": PASSWORD, "new_password": "purple trains at noon"}
        for wrong, status in (
            ({**change, "new_password": PASSWORD}, 422),
            ({**change, "new_password": "short"}, 422),
            ({**change, "old_password": "not that one"}, 403),
        ):
            problem_of(await client.post("/api/session/password", json=wrong), status)
        before = client.cookies["stethos_session"]
        answer = await client.post("/api/session/password", json=change)
        view = SessionView.model_validate_json(answer.content)
        assert not view.must_change_password
        assert client.cookies["stethos_session"] != before
        assert view.csrf_token != client.headers["X-CSRF-Token"]
        assert (await client.get("/api/machines")).status_code == 200


async def test_wrong_addresses_and_methods(signed_in: httpx.AsyncClient) -> None:
    assert "/api/nothing" in problem_of(await signed_in.get("/api/nothing"), 404).detail
    problem_of(await signed_in.post("/api/nothing"), 404)
    answer = await signed_in.put("/api/machines")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


async def test_what_nobody_foresaw_is_a_problem_without_a_trace(
    site: Site, signed_in: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("the secret inside")

    site.station.machines = broken  # type: ignore[method-assign, assignment]
    answer = await signed_in.get("/api/machines")
    assert "log" in problem_of(answer, 500).remedy
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "the secret inside" in caplog.text


async def test_a_not_a_number_becomes_null(site: Site, signed_in: httpx.AsyncClient) -> None:
    site.clock.advance(5.0)
    spectrum = site.station.spectrum("pump-2.z", "amplitude")
    assert spectrum is not None
    site.station.spectrum = lambda *_: spectrum.model_copy(update={"values": [float("nan"), 1.0]})  # type: ignore[method-assign]
    answer = await signed_in.get("/api/channels/pump-2.z/spectrum")
    assert answer.json()["values"] == [None, 1.0]


async def test_no_route_is_sent_to_a_thread(
    site: Site, signed_in: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain functions as routes or dependencies cost a round trip through a thread each."""
    site.clock.advance(30.0)
    await site.station.tick()

    async def refused(*_: object, **__: object) -> None:
        raise AssertionError("sent to a thread")

    monkeypatch.setattr(anyio.to_thread, "run_sync", refused)
    channel = "/api/channels/pump-2.z"
    alarm = "/api/alarms/pump-2.machine-condition"
    for address in (
        "/api/health", "/api/session", "/api/machines", "/api/machines/pump-2", f"{channel}/spectrum",
        f"{channel}/trend?feature=score", "/api/alarms", f"{alarm}/history", "/api/appliance",
    ):  # fmt: skip
        assert (await signed_in.get(address)).status_code == 200
    answer = await signed_in.post(f"{alarm}/acknowledge", json={"activation": 1})
    assert answer.status_code == 200
