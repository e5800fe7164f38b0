"""Captured waveforms over HTTP: listed, drawn, taken away, and asked for by hand by who is signed in."""

from __future__ import annotations

import httpx

from tests.fakes.fake_captures import FIRST
from tests.web.conftest import Site
from web.capture_schemas import WaveformView
from web.schemas import Problem

LIST = "/api/captures"
ALARM = "pump-2.machine-condition"


async def test_they_are_listed_of_an_alarm_or_a_machine(signed_in: httpx.AsyncClient) -> None:
    (whole,) = (await signed_in.get(LIST)).json()
    assert whole["capture_id"] == FIRST
    assert whole["triggers"][0]["alarm_id"] == ALARM
    assert (await signed_in.get(LIST, params={"alarm_id": ALARM})).json() == [whole]
    assert (await signed_in.get(LIST, params={"alarm_id": "other"})).json() == []
    assert (await signed_in.get(LIST, params={"asset_id": "fan-1"})).json() == []
    for wrong in ({"limit": 0}, {"limit": 501}, {"alarm_id": ""}):
        assert (await signed_in.get(LIST, params=wrong)).status_code == 422


async def test_a_picture_has_a_null_where_samples_are_missing(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.get(f"{LIST}/{FIRST}/waveform", params={"max_points": 100})
    picture = WaveformView.model_validate_json(answer.content)
    assert len(picture.times_s) == 100
    assert len(picture.low) == len(picture.high) == len(picture.channels)
    assert picture.high[0].count(None) == 1
    unknown = await signed_in.get(f"{LIST}/nothing/waveform")
    assert unknown.status_code == 404
    assert FIRST in Problem.model_validate_json(unknown.content).remedy


async def test_a_file_is_taken_away_under_its_name(signed_in: httpx.AsyncClient) -> None:
    for name in ("wav", "uff"):
        answer = await signed_in.get(f"{LIST}/{FIRST}/file", params={"format": name})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="{FIRST}.{name}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await signed_in.get(f"{LIST}/{FIRST}/file", params={"format": "mp3"})).status_code == 422


async def test_one_by_hand_names_who_wanted_it(site: Site, signed_in: httpx.AsyncClient) -> None:
    wish = {"asset_id": "pump-2", "comment": " before the bearing is changed "}
    begun = (await signed_in.post(LIST, json=wish)).json()["capture_ids"]
    assert site.station.captured.asked == [("pump-2", "admin", "before the bearing is changed")]
    assert [one["capture_id"] for one in (await signed_in.get(LIST)).json()][:1] == begun
    assert (await signed_in.post(LIST, json={"asset_id": "x"})).status_code == 404
    full = await signed_in.post(LIST, json={"asset_id": "pump-2", "comment": "full"})
    assert full.status_code == 409
    assert Problem.model_validate_json(full.content).remedy == "Make room."
    assert (await signed_in.post(LIST, json={"asset_id": "pump-2", "comment": "x" * 501})).status_code == 422


async def test_strangers_get_nothing(
    site: Site, signed_in: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    for path in (LIST, f"{LIST}/{FIRST}/waveform", f"{LIST}/{FIRST}/file"):
        assert (await anonymous.get(path)).status_code == 401
    del signed_in.headers["X-CSRF-Token"]
    assert (await signed_in.post(LIST, json={"asset_id": "pump-2"})).status_code == 403
    assert site.station.captured.asked == []
