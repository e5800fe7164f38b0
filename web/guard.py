"""The door of the web floor, in front of every route: who asks, and may he.

Duty: default deny. Only what `OPEN` lists needs no session; what changes anything needs the session's CSRF
token and a page of our own origin; and before the first-boot password is changed, only that can be done.
What is refused here never reaches a route or a parser.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth import AuthStore
from web.errors import ProblemError, not_signed_in
from web.headers import is_api
from web.sessions import csrf_token_is_right

COOKIE = "stethos_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN = frozenset({("GET", "/api/health"), ("POST", "/api/session")})
BEFORE_PASSWORD_CHANGE = frozenset({"/api/session", "/api/session/password"})


def session_token_of(headers: Headers) -> str | None:
    """The session cookie's value."""
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(COOKIE) or None


def check_origin(headers: Headers) -> None:
    """Raises ProblemError 403 for a request that a page of another origin sent."""
    origin = headers.get("origin")
    if origin is not None:
        same = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    else:  # no browser's page, or one that says where it stands by other means
        same = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    if not same:
        raise ProblemError(
            403,
            "Other origin",
            "The request comes from a page of another origin.",
            "Use the appliance's own page, or send no Origin header.",
        )


class SessionGuard:
    """Lets through what is open, what a session may see, and nothing else.

    Puts `session` and `session_token` into the scope's state for the routes.
    """

    def __init__(self, app: ASGIApp, auth: AuthStore) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_api(scope["path"]):
            try:
                self._admit(scope)
            except ProblemError as refused:
                await refused.response()(scope, receive, send)
                return
            if self._auth.touch_is_due:
                await self._auth.store_touches()
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        method, path = scope["method"], scope["path"]
        if method not in SAFE_METHODS:
            check_origin(headers)
        if (method, path) in OPEN:
            return
        token = session_token_of(headers)
        session = self._auth.find(token) if token else None
        if token is None or session is None:
            raise not_signed_in()
        if method not in SAFE_METHODS and not csrf_token_is_right(token, headers.get(CSRF_HEADER, "")):
            raise ProblemError(
                403,
                "Wrong CSRF token",
                "The header X-CSRF-Token is missing or not this session's.",
                "Send the `csrf_token` that GET /api/session answers.",
            )
        if path not in BEFORE_PASSWORD_CHANGE and self._auth.must_change_password(session.user):
            raise ProblemError(
                403,
                "Password must be changed",
                "The first-boot password only serves to choose your own.",
                "Choose a new password at POST /api/session/password.",
            )
        scope.setdefault("state", {})
        scope["state"]["session"] = session
        scope["state"]["session_token"] = token
