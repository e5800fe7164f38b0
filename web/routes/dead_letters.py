"""What receivers refused for good, and its sending again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from web.routes.context import CHANGE, READ, SignedIn, Station, json_of, problems
from web.schemas import DeadLetterPage, RedriveRequest, RedriveView

router = APIRouter(prefix="/api/dead-letters", tags=["dead letters"])

LAST_OFFSET = 10_000  # no destination keeps more


@router.get("", response_model=DeadLetterPage, responses=problems(*READ, 404, 422, 503))
async def list_dead_letters(
    station: Station,
    _session: SignedIn,
    destination: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    offset: Annotated[int, Query(ge=0, le=LAST_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Records and messages that their receiver refused for good, the latest refusal first."""
    return json_of(await station.dead_letters(destination, offset, limit))


@router.post("/redrive", response_model=RedriveView, responses=problems(*CHANGE, 404, 503))
async def redrive_dead_letters(body: RedriveRequest, station: Station, session: SignedIn) -> Response:
    """Lets dead letters be sent again; the log says who asked. Asking twice changes nothing."""
    count = await station.redrive(body.destination, body.letter_ids, session.user)
    return json_of(RedriveView(destination=body.destination, sent_again=count))
