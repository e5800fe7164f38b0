"""The machines, each with what is known of it now."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.responses import Response

from web.routes.context import READ, Id, SignedIn, Station, json_list_of, json_of, problems
from web.schemas import MachineDetail, MachineSummary

router = APIRouter(prefix="/api/machines", tags=["machines"])
_summaries: TypeAdapter[list[MachineSummary]] = TypeAdapter(list[MachineSummary])


@router.get("", response_model=list[MachineSummary], responses=problems(*READ))
async def list_machines(station: Station, _session: SignedIn) -> Response:
    """One line per machine."""
    return json_list_of(_summaries, station.machines())


@router.get("/{asset_id}", response_model=MachineDetail, responses=problems(*READ, 404, 422))
async def get_machine(asset_id: Id, station: Station, _session: SignedIn) -> Response:
    """One machine: its channels, diagnosis and fault frequencies."""
    return json_of(station.machine(asset_id))
