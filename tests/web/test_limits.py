"""Learned limits over HTTP: read by who is signed in, changed with a reason, a CSRF token and fresh eyes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.conftest import Site
from web.schemas import Problem

PATH = "/api/machines/fan-1/limits"
HISTORY = f"{PATH}/history"


async def change(client: httpx.AsyncClient, **said: Any) -> httpx.Response:
    seen = (await client.get(PATH)).json()["revision"]
    wish = {"channel_id": None, "operating_state": None, "reason": "bearing replaced", "seen_revision": seen}
    return await client.post(PATH, json={**wish, **said})


async def first(client: httpx.AsyncClient) -> dict[str, Any]:
    view = (await client.get(PATH)).json()
    limit: dict[str, Any] = next(limit for limit in view["limits"] if limit["in_service"])
    return limit


def of(limit: dict[str, Any]) -> dict[str, Any]:
    return {"channel_id": limit["channel_id"], "operating_state": limit["operating_state"]}


async def test_a_change_is_made_in_the_name_of_who_is_signed_in(signed_in: httpx.AsyncClient) -> None:
    limit = await first(signed_in)
    answer = await change(signed_in, action="raise", percent=130, reason="  new coupling ", **of(limit))
    assert answer.status_code == 200
    raised = await first(signed_in)
    assert (raised["percent"], raised["actor"], raised["reason"]) == (130.0, "admin", "new coupling")
    newest = (await signed_in.get(HISTORY, params={"limit": 1})).json()[0]
    assert (newest["action"], newest["actor"], newest["version"]) == ("raised", "admin", 2)


async def test_who_saw_an_older_state_changes_nothing(signed_in: httpx.AsyncClient) -> None:
    limit = await first(signed_in)
    seen = (await signed_in.get(PATH)).json()["revision"]
    assert (await change(signed_in, action="lock", **of(limit))).status_code == 200
    refused = await change(signed_in, action="unlock", seen_revision=seen, **of(limit))
    assert refused.status_code == 409
    problem = Problem.model_validate_json(refused.content)
    assert problem.title == "The limit is not changed"
    assert "Look at them" in problem.remedy
    assert (await first(signed_in))["locked"]


async def test_what_cannot_be_done_is_a_409_with_a_remedy(signed_in: httpx.AsyncClient) -> None:
    limit = await first(signed_in)
    await change(signed_in, action="lock", **of(limit))
    refused = await change(signed_in, action="learn anew")
    assert refused.status_code == 409
    problem = Problem.model_validate_json(refused.content)
    assert "is locked" in problem.detail
    assert "Unlock it first" in problem.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "delete"},
        {"action": "lock", "reason": ""},
        {"action": "lock", "reason": "    a "},  # three characters that say something
        {"action": "lock", "reason": "x" * 501},
        {"action": "raise", "percent": 99},
        {"action": "raise", "percent": 1001},
        {"action": "raise", "percent": "NaN"},
        {"action": "restore", "version": 0},
        {"action": "lock", "channel_id": ""},
        {"action": "lock", "seen_revision": -1},
        {"action": "lock", "more": 1},
    ],
)
async def test_what_is_no_change_is_refused(signed_in: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    assert (await change(signed_in, **wrong)).status_code == 422


async def test_who_forgets_the_channel_does_not_mean_all(signed_in: httpx.AsyncClient) -> None:
    for missing in ("channel_id", "operating_state", "reason", "seen_revision"):
        wish = {"action": "learn anew", "channel_id": None, "operating_state": None, "reason": "repaired",
                "seen_revision": 0}  # fmt: skip
        del wish[missing]
        assert (await signed_in.post(PATH, json=wish)).status_code == 422


async def test_strangers_and_other_pages_change_nothing(
    site: Site, signed_in: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    wish = {
        "action": "lock",
        "channel_id": None,
        "operating_state": None,
        "reason": "mine",
        "seen_revision": 0,
    }
    assert (await anonymous.get(PATH)).status_code == 401
    assert (await anonymous.get(HISTORY)).status_code == 401
    assert (await anonymous.post(PATH, json=wish)).status_code == 401
    foreign = {"Origin": "https://elsewhere.example"}
    assert (await signed_in.post(PATH, json=wish, headers=foreign)).status_code == 403
    del signed_in.headers["X-CSRF-Token"]
    assert (await signed_in.post(PATH, json=wish)).status_code == 403
    assert all(not limit["locked"] for limit in (await signed_in.get(PATH)).json()["limits"])


async def test_an_unknown_machine_is_named_with_those_there_are(signed_in: httpx.AsyncClient) -> None:
    for path in ("/api/machines/fan-9/limits", "/api/machines/fan-9/limits/history"):
        answer = await signed_in.get(path)
        assert answer.status_code == 404
        assert "fan-1" in Problem.model_validate_json(answer.content).remedy
    for wrong in ({"limit": 0}, {"limit": 501}):
        assert (await signed_in.get(HISTORY, params=wrong)).status_code == 422


async def test_a_first_baseline_of_drift_is_given_up_and_taken_back(signed_in: httpx.AsyncClient) -> None:
    view = (await signed_in.get(PATH)).json()
    assert {first["kind"] for first in view["first_baselines"]} == {"drift"}
    channels = {first["channel_id"] for first in view["first_baselines"]}
    answer = await change(signed_in, action="new first baseline", reason="new foundation")
    assert answer.status_code == 200
    given_up = answer.json()["first_baselines"]
    assert {(first["channel_id"], first["actor"], first["reason"]) for first in given_up} == {
        (channel, "admin", "new foundation") for channel in channels
    }
    newest = (await signed_in.get(HISTORY, params={"limit": 1})).json()[0]
    assert (newest["action"], newest["operating_state"]) == ("new first baseline", "first baseline")
    assert (await change(signed_in, action="undo")).status_code == 200
    back = (await signed_in.get(PATH)).json()["first_baselines"]
    assert {first["action"] for first in back} == {"undone"}
    assert all(first["in_service"] for first in back)


async def test_giving_up_a_first_baseline_needs_what_every_change_needs(
    signed_in: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    wish = {
        "action": "new first baseline",
        "channel_id": None,
        "operating_state": None,
        "reason": "new foundation",
    }
    seen = (await signed_in.get(PATH)).json()["revision"]
    assert (await anonymous.post(PATH, json={**wish, "seen_revision": seen})).status_code == 401
    assert (await signed_in.post(PATH, json={**wish, "seen_revision": seen + 1})).status_code == 409
    for wrong in ({"reason": ""}, {"channel_id": ""}, {"percent": 99}):
        assert (await signed_in.post(PATH, json={**wish, "seen_revision": seen, **wrong})).status_code == 422
    assert {first["version"] for first in (await signed_in.get(PATH)).json()["first_baselines"]} == {0}
