"""What every route needs: the station, the accounts, who asks, and how an answer is written.

Answers are encoded once, by pydantic straight to bytes; `response_model` on a route only documents. What a
route depends on is `async`: FastAPI would send a plain function to a thread, four times for each request.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from web.auth import AuthStore
from web.errors import not_signed_in
from web.live import LiveHub
from web.schemas import Problem
from web.sessions import Session
from web.station_view import HealthProvider, StationView


async def station_of(request: Request) -> StationView:
    return cast(StationView, request.app.state.station)


async def auth_of(request: Request) -> AuthStore:
    return cast(AuthStore, request.app.state.auth)


async def live_of(request: Request) -> LiveHub:
    return cast(LiveHub, request.app.state.live)


async def health_of(request: Request) -> HealthProvider:
    return cast(HealthProvider, request.app.state.health)


async def session_of(request: Request) -> Session:
    """The session that the guard admitted; a route behind a hole in the guard still answers 401."""
    session = request.scope.get("state", {}).get("session")
    if not isinstance(session, Session):
        raise not_signed_in()
    return session


async def token_of(request: Request) -> str:
    await session_of(request)
    return cast(str, request.scope["state"]["session_token"])


Station = Annotated[StationView, Depends(station_of)]
Health = Annotated[HealthProvider, Depends(health_of)]
Auth = Annotated[AuthStore, Depends(auth_of)]
Live = Annotated[LiveHub, Depends(live_of)]
SignedIn = Annotated[Session, Depends(session_of)]
Token = Annotated[str, Depends(token_of)]
Id = Annotated[str, Path(min_length=1, max_length=200)]


def json_of(view: BaseModel, status: int = 200) -> Response:
    """The view as JSON."""
    return Response(view.model_dump_json().encode(), status, media_type="application/json")


def json_list_of(adapter: TypeAdapter[Any], views: list[Any]) -> Response:
    """The list as JSON."""
    return Response(adapter.dump_json(views), media_type="application/json")


_DESCRIPTIONS = {
    400: "The host or the body cannot be read",
    401: "Not signed in",
    403: "Wrong CSRF token or origin, or the password must be changed first",
    404: "Unknown id",
    408: "The body took too long",
    409: "What was seen is past, or cannot be changed so",
    413: "The body is too large",
    422: "A field is missing or wrong",
    429: "Too many attempts; see Retry-After",
    503: "Not possible at present",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: which errors it answers, each a `Problem`."""
    return {
        status: {"model": Problem, "description": _DESCRIPTIONS[status]}
        for status in sorted({400, *statuses})
    }


READ = (401, 403)  # what any route behind the session may answer
CHANGE = (401, 403, 408, 413, 422)  # ... and one that takes a body
