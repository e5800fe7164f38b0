"""Cameras over parts: how each stands, and pictures that were kept."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from web.inspection_provider import InspectionProvider
from web.inspection_schemas import CameraView
from web.routes.context import READ, Id, SignedIn, json_list_of, problems

router = APIRouter(prefix="/api/cameras", tags=["cameras"])
_cameras: TypeAdapter[list[CameraView]] = TypeAdapter(list[CameraView])


async def inspections_of(request: Request) -> InspectionProvider:
    return cast(InspectionProvider, request.app.state.inspections)


Inspections = Annotated[InspectionProvider, Depends(inspections_of)]


@router.get("", response_model=list[CameraView], responses=problems(*READ))
async def list_cameras(inspections: Inspections, _session: SignedIn) -> Response:
    """Every camera with its last verdict, its counts and its last defect."""
    return json_list_of(_cameras, inspections.cameras())


@router.get(
    "/pictures/{capture_id}",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "The picture"},
        **problems(*READ, 404, 422, 503),
    },
)
async def get_part_picture(capture_id: Id, inspections: Inspections, _session: SignedIn) -> Response:
    """The picture of a part that was kept."""
    headers = {"Content-Disposition": "inline"}
    return Response(await inspections.picture(capture_id), media_type="image/png", headers=headers)
