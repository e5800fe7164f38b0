"""What receivers refused, over HTTP: listed in pages, sent again by who is signed in and says so."""

from __future__ import annotations

import httpx

from tests.fakes.fake_letters import CENTRAL, WEBHOOK
from tests.web.conftest import Site
from web.schemas import Problem
from web.station_view import NotPossibleError

LIST, REDRIVE = "/api/dead-letters", "/api/dead-letters/redrive"


async def test_they_are_listed_latest_first_in_bounded_pages(signed_in: httpx.AsyncClient) -> None:
    whole = (await signed_in.get(LIST)).json()
    assert whole["total"] == 4
    times = [letter["refused_ms"] for letter in whole["letters"]]
    assert times == sorted(times, reverse=True)
    page = (await signed_in.get(LIST, params={"offset": 1, "limit": 2})).json()
    assert (page["total"], page["letters"]) == (4, whole["letters"][1:3])
    central = (await signed_in.get(LIST, params={"destination": CENTRAL})).json()
    assert central["total"] == len(central["letters"]) == 3
    for wrong in ({"limit": 201}, {"limit": 0}, {"offset": -1}, {"offset": 10_001}):
        assert (await signed_in.get(LIST, params=wrong)).status_code == 422
    unknown = await signed_in.get(LIST, params={"destination": "x"})
    assert unknown.status_code == 404
    assert CENTRAL in Problem.model_validate_json(unknown.content).remedy


async def test_one_or_all_are_sent_again_and_twice_is_once(site: Site, signed_in: httpx.AsyncClient) -> None:
    one = {"destination": CENTRAL, "letter_ids": ["2"]}
    assert (await signed_in.post(REDRIVE, json=one)).json() == {"destination": CENTRAL, "sent_again": 1}
    assert (await signed_in.post(REDRIVE, json=one)).json()["sent_again"] == 0
    everything = {"destination": CENTRAL, "letter_ids": None}
    assert (await signed_in.post(REDRIVE, json=everything)).json()["sent_again"] == 2
    left = (await signed_in.get(LIST)).json()
    assert [letter["destination"] for letter in left["letters"]] == [WEBHOOK]
    assert site.station.refused.asked[0] == (CENTRAL, ["2"], "admin")
    tallies = (await signed_in.get("/api/appliance")).json()["dead_letters"]
    assert {tally["destination"]: tally["refused"] for tally in tallies} == {CENTRAL: 0, WEBHOOK: 1}


async def test_nothing_is_sent_again_by_mistake_or_by_strangers(
    site: Site, signed_in: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    everything = {"destination": CENTRAL, "letter_ids": None}
    for wrong in (
        {"destination": CENTRAL},  # whoever forgets the ids does not mean all
        {"destination": CENTRAL, "letter_ids": []},
        {"destination": CENTRAL, "letter_ids": ["x"] * 501},
        {"destination": CENTRAL, "letter_ids": [""]},
        {"letter_ids": None},
    ):
        assert (await signed_in.post(REDRIVE, json=wrong)).status_code == 422
    assert (await anonymous.post(REDRIVE, json=everything)).status_code == 401
    assert (await anonymous.get(LIST)).status_code == 401
    del signed_in.headers["X-CSRF-Token"]
    assert (await signed_in.post(REDRIVE, json=everything)).status_code == 403
    assert not site.station.refused.asked


async def test_a_file_that_cannot_be_used_is_told(site: Site, signed_in: httpx.AsyncClient) -> None:
    async def broken(*_: object) -> int:
        raise NotPossibleError("the courier's file cannot be used: disk I/O error")

    site.station.redrive = broken  # type: ignore[method-assign]
    answer = await signed_in.post(REDRIVE, json={"destination": CENTRAL, "letter_ids": None})
    assert answer.status_code == 503
    assert "disk I/O error" in Problem.model_validate_json(answer.content).detail
