"""The alarms, their history, and what people do to them: acknowledge, shelve."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from starlette.responses import Response

from web.routes.context import CHANGE, READ, Id, SignedIn, Station, json_list_of, json_of, problems
from web.schemas import AcknowledgeRequest, AlarmTransitionView, AlarmView, ShelveRequest

router = APIRouter(prefix="/api/alarms", tags=["alarms"])
_alarms: TypeAdapter[list[AlarmView]] = TypeAdapter(list[AlarmView])
_transitions: TypeAdapter[list[AlarmTransitionView]] = TypeAdapter(list[AlarmTransitionView])


@router.get("", response_model=list[AlarmView], responses=problems(*READ, 422))
async def list_alarms(
    station: Station,
    _session: SignedIn,
    include_closed: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The alarms that are not closed, newest change first; with `include_closed` those too."""
    return json_list_of(_alarms, await station.alarms(include_closed, limit))


@router.get(
    "/{alarm_id}/history", response_model=list[AlarmTransitionView], responses=problems(*READ, 404, 422)
)
async def get_alarm_history(alarm_id: Id, station: Station, _session: SignedIn) -> Response:
    """Every transition of one alarm, as journalled."""
    return json_list_of(_transitions, await station.alarm_history(alarm_id))


@router.post("/{alarm_id}/acknowledge", response_model=AlarmView, responses=problems(*CHANGE, 404, 409))
async def acknowledge_alarm(
    alarm_id: Id, body: AcknowledgeRequest, station: Station, session: SignedIn
) -> Response:
    """Acknowledges the activation that was seen; answers once that is durable."""
    return json_of(await station.acknowledge(alarm_id, body.activation, session.user, body.comment))


@router.post("/{alarm_id}/shelve", response_model=AlarmView, responses=problems(*CHANGE, 404, 409))
async def shelve_alarm(alarm_id: Id, body: ShelveRequest, station: Station, session: SignedIn) -> Response:
    """Shelves the activation that was seen for some hours (0: not any more); answers once durable."""
    return json_of(await station.shelve(alarm_id, body.activation, session.user, body.hours, body.reason))
