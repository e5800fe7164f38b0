"""`GET /metrics`: the page that a Prometheus scrapes, in front of the routes, so that it costs little.

Duty: who may see it (the bearer of the token of `[metrics] token_file`, or who is signed in), and answering
from a page that is rendered at most once a second, however often it is asked for. What stands in it is the
appliance's business.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth import AuthStore
from web.errors import ProblemError
from web.guard import session_token_of
from web.scrape_token import ScrapeToken
from web.station_view import HealthProvider

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH_S = 1.0


class MetricsPage:
    """Answers `/metrics`; everything else goes on."""

    def __init__(
        self,
        app: ASGIApp,
        health: HealthProvider,
        auth: AuthStore,
        token: ScrapeToken | None,
        monotonic_s: Callable[[], float],
    ) -> None:
        """`token` None: nobody can scrape without a session."""
        self._app = app
        self._health = health
        self._auth = auth
        self._token = token
        self._monotonic_s = monotonic_s
        self._made_s = float("-inf")
        self._page = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        try:
            response = self._respond(scope)
        except ProblemError as refused:
            response = refused.response()
        await response(scope, receive, send)

    def _respond(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            raise ProblemError(
                405, "Method not allowed", "Metrics are only read.", "Use GET.", {"Allow": "GET, HEAD"}
            )
        self._admit(Headers(scope=scope))
        now_s = self._monotonic_s()
        if now_s - self._made_s >= FRESH_S:
            self._page, self._made_s = self._health.metrics(), now_s
        return Response(self._page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    def _admit(self, headers: Headers) -> None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._token is not None and self._token.admits(shown.strip()):
            return
        cookie = session_token_of(headers)
        session = self._auth.find(cookie) if cookie else None
        if session is None or self._auth.must_change_password(session.user):
            raise ProblemError(
                401,
                "Not admitted",
                "This needs the token of [metrics] token_file, or a session.",
                "Send it as `Authorization: Bearer ...`, or sign in; see docs/metrics.md.",
                {"WWW-Authenticate": "Bearer"},
            )
