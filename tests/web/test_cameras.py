"""Cameras over HTTP: listed with their counts, and the picture of a defect, for who is signed in."""

from __future__ import annotations

import httpx

from tests.fakes.fake_inspections import CAMERA, PICTURE
from web.inspection_schemas import CameraView
from web.schemas import Problem


async def test_cameras_are_listed_with_their_last_verdict(signed_in: httpx.AsyncClient) -> None:
    (view,) = (await signed_in.get("/api/cameras")).json()
    camera = CameraView.model_validate(view, strict=False)
    assert camera.camera_id == CAMERA
    assert camera.last is not None
    assert (camera.last.result, camera.last.kind) == ("defect", "scratch")


async def test_a_picture_is_a_png_and_an_unknown_one_is_named(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.get(f"/api/cameras/pictures/{PICTURE}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.startswith(b"\x89PNG")
    unknown = await signed_in.get("/api/cameras/pictures/nothing")
    assert unknown.status_code == 404
    assert PICTURE in Problem.model_validate_json(unknown.content).remedy
