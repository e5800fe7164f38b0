"""The live stream of an open page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from web.routes.context import READ, Live, SignedIn, problems

router = APIRouter(prefix="/api/live", tags=["live"])

HIGHEST_SEQUENCE = 2**63 - 1
Sequence = Annotated[int | None, Query(ge=0, le=HIGHEST_SEQUENCE)]
LastEventId = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=HIGHEST_SEQUENCE)]

_stream: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "Server-sent events. `alarm`: AlarmTransitionView, `id:` its journal sequence; `machines`: list "
            "of MachineSummary; `machine`: MachineDetail; `appliance`: ApplianceView. A comment each 15 s."
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("", response_class=Response, responses=_stream | problems(*READ, 422, 429, 503))
async def follow_live(
    live: Live, session: SignedIn, after: Sequence = None, last_event_id: LastEventId = None
) -> Response:
    """Alarm transitions after a journal sequence, none missed, and latest states about once a second.

    `Last-Event-ID`, which a browser sends by itself when it reconnects, counts before `after`.
    """
    return live.open(session.digest, last_event_id if last_event_id is not None else after)
