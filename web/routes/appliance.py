"""The appliance itself: links, queues, backlog, clock, disk; and whether it answers at all."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from web.health_schemas import ApplianceHealthView
from web.routes.context import READ, Health, SignedIn, Station, json_of, problems
from web.schemas import ApplianceView, HealthView

router = APIRouter(prefix="/api", tags=["appliance"])


@router.get("/appliance", response_model=ApplianceView, responses=problems(*READ))
async def get_appliance(station: Station, _session: SignedIn) -> Response:
    """How the appliance is."""
    return json_of(station.appliance())


@router.get("/appliance/health", response_model=ApplianceHealthView, responses=problems(*READ))
async def get_appliance_health(health: Health, _session: SignedIn) -> Response:
    """How the appliance itself is: stages, scores, errors, load, temperatures, disk, flash, clock, links."""
    return json_of(health.health())


@router.get("/health", response_model=HealthView, responses=problems())
async def get_health(station: Station) -> Response:
    """For a watchdog, without a login: it answers, and whether what it is told will be kept."""
    return json_of(HealthView(status="ok" if station.appliance().journal_durable else "degraded"))
