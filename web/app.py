"""The web application: routes, door, live streams and page, put together.

Duty: composition only. The appliance's wiring calls `create_app` with its station and accounts, and serves
the result with `web.server.WebServer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute

from web.auth import AuthStore
from web.body_limit import BodyLimit
from web.capture_provider import CaptureProvider, NoCaptures
from web.errors import install_error_handlers
from web.guard import SessionGuard
from web.headers import HostCheck, SecurityHeaders
from web.inspection_provider import InspectionProvider, NoInspections
from web.live import LiveHub
from web.metrics_page import MetricsPage
from web.routes import (
    alarms,
    appliance,
    cameras,
    captures,
    channels,
    dead_letters,
    limits,
    live,
    machines,
    session,
)
from web.routes.spa import Spa
from web.scrape_token import ScrapeToken
from web.station_view import HealthProvider, StationView

STATIC_FOLDER = Path(__file__).parent / "static"
ROUTERS = (
    session.router,
    machines.router,
    limits.router,
    channels.router,
    alarms.router,
    captures.router,
    cameras.router,
    appliance.router,
    dead_letters.router,
    live.router,
)


def operation_id_of(route: APIRoute) -> str:
    """The function's name: `list_machines` makes a cleaner TypeScript name than a path."""
    return route.name


def create_app(
    station: StationView,
    auth: AuthStore,
    *,
    health: HealthProvider,
    captured: CaptureProvider | None = None,
    inspections: InspectionProvider | None = None,
    scrape_token: ScrapeToken | None = None,
    monotonic_s: Callable[[], float] = time.monotonic,
    hosts: Iterable[str] = (),
    static_folder: Path = STATIC_FOLDER,
    hub: LiveHub | None = None,
) -> FastAPI:
    """The ASGI application.

    `health` says how the appliance itself is; `captured` gives waveforms around alarms (None: none),
    `inspections` cameras over parts.
    `scrape_token` admits a scraper of /metrics without a session.
    `hosts`: names by which this appliance is reached, besides `localhost` and any address. `app.state.live`
    is the hub whose `close()` ends the open streams; `WebServer` calls it.
    """
    app = FastAPI(
        title="Stethos",
        version="1",
        description="What a Stethos appliance says about its machines. Every error is a `Problem`.",
        docs_url=None,  # the documentation pages would load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id_of,
    )
    app.state.station = station
    app.state.auth = auth
    app.state.health = health
    app.state.captures = captured or NoCaptures()
    app.state.inspections = inspections or NoInspections()
    app.state.live = hub or LiveHub(station, auth.is_live)
    for router in ROUTERS:
        app.include_router(router)
    install_error_handlers(app)
    app.router.default = Spa(static_folder)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(SessionGuard, auth=auth)
    app.add_middleware(MetricsPage, health=health, auth=auth, token=scrape_token, monotonic_s=monotonic_s)
    app.add_middleware(HostCheck, hosts=tuple(hosts))
    app.add_middleware(SecurityHeaders)
    return app
