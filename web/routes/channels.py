"""What one channel measured: its latest spectrum, and any feature over time."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from web.errors import ProblemError
from web.routes.context import READ, Id, SignedIn, Station, json_of, problems
from web.schemas import SpectrumView
from web.trend_schemas import TrendView

router = APIRouter(prefix="/api/channels", tags=["channels"])

YEAR_9999_MS = 253_402_300_799_000.0
MOST_POINTS = 20_000
TimeMs = Annotated[float | None, Query(ge=0, le=YEAR_9999_MS, allow_inf_nan=False)]


@router.get("/{channel_id}/spectrum", response_model=SpectrumView, responses=problems(*READ, 404, 422))
async def get_spectrum(
    channel_id: Id, station: Station, _session: SignedIn, kind: Literal["amplitude", "envelope"] = "amplitude"
) -> Response:
    """The latest spectrum of that kind; 404 while there is none."""
    spectrum = station.spectrum(channel_id, kind)
    if spectrum is None:
        raise ProblemError(
            404,
            "No spectrum yet",
            f"Channel {channel_id} has no {kind} spectrum yet.",
            "It appears once enough samples have arrived; try again in a few seconds.",
        )
    return json_of(spectrum)


@router.get("/{channel_id}/trend", response_model=TrendView, responses=problems(*READ, 404, 422))
async def get_trend(
    *,
    channel_id: Id,
    station: Station,
    _session: SignedIn,
    feature: Annotated[str, Query(min_length=1, max_length=200)],
    start_ms: TimeMs = None,
    end_ms: TimeMs = None,
    max_points: Annotated[int, Query(ge=2, le=MOST_POINTS)] = 2000,
) -> Response:
    """One feature between two times (UTC ms; open ends: all there is, until now); gaps are nulls."""
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise ProblemError(
            422,
            "Invalid request",
            f"query start_ms: {start_ms:.0f} is not before end_ms {end_ms:.0f}.",
            "Give a start before the end.",
        )
    return json_of(await station.trend(channel_id, feature, start_ms, end_ms, max_points))
