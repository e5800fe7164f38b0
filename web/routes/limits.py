"""The learned limits of a machine: as they stand, their versions, and a person's changes of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from starlette.responses import Response

from web.limit_schemas import LimitChange, LimitsView, LimitVersionView
from web.routes.context import CHANGE, READ, Id, SignedIn, Station, json_list_of, json_of, problems

router = APIRouter(prefix="/api/machines/{asset_id}/limits", tags=["limits"])
_versions: TypeAdapter[list[LimitVersionView]] = TypeAdapter(list[LimitVersionView])


@router.get("", response_model=LimitsView, responses=problems(*READ, 404, 422))
async def list_limits(asset_id: Id, station: Station, _session: SignedIn) -> Response:
    """The limit of every channel in every operating state, and how much is learned."""
    return json_of(station.limits(asset_id))


@router.get("/history", response_model=list[LimitVersionView], responses=problems(*READ, 404, 422, 503))
async def get_limit_history(
    asset_id: Id,
    station: Station,
    _session: SignedIn,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Versions of all limits of the machine, the latest first: who, when, why, from how much running."""
    return json_list_of(_versions, await station.limit_history(asset_id, limit))


@router.post("", response_model=LimitsView, responses=problems(*CHANGE, 404, 409, 503))
async def change_limits(asset_id: Id, body: LimitChange, station: Station, session: SignedIn) -> Response:
    """Locks, unlocks, raises, undoes, restores or has learned anew; answers once it is durable and holds."""
    return json_of(await station.change_limits(asset_id, body, session.user))
