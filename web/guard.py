"""The door of the web floor, in front of every route: which host was meant, who asks, and may he.

Duty: four small ASGI layers, from the outside in: security headers on every answer, the host check (against
DNS rebinding), the session guard (default deny: only what `OPEN` lists needs no session; also CSRF and the
password that must be changed) and the body limit. What is refused here never reaches a route or a parser.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.auth import AuthStore
from web.errors import ProblemError, not_signed_in
from web.sessions import csrf_token_is_right

COOKIE = "stethos_session"
CSRF_HEADER = "x-csrf-token"
MOST_BODY_BYTES = 64 * 1024
BODY_WITHIN_S = 15.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN = frozenset({("GET", "/api/health"), ("POST", "/api/session")})
BEFORE_PASSWORD_CHANGE = frozenset({"/api/session", "/api/session/password"})

# The plots set styles through the DOM, which `style-src 'self'` allows; no inline style or script is served.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


class SecurityHeaders:
    """Adds the headers that keep a browser from doing more with an answer than was meant."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                if is_api(scope["path"]):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def host_name_of(host: str) -> str:
    """The name in a Host header, lower case, without port, brackets or a final dot; "" if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class HostCheck:
    """Refuses names that are not this appliance's: a stranger's domain pointed at it (DNS rebinding).

    Addresses are always right: a rebinding page has a name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {name.lower().rstrip(".") for name in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or not self._is_ours(host_name_of(hosts[0])):
                refused = ProblemError(
                    400,
                    "Unknown host",
                    "The Host header does not name this appliance.",
                    "Use its address, or add the name to `hosts` in the configuration's [web] section.",
                )
                await refused.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _session_token(headers: Headers) -> str | None:
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
        token = _session_token(headers)
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


class BodyLimit:
    """Reads a body before anything parses it, and stops as soon as it is too large or too slow."""

    def __init__(
        self, app: ASGIApp, most_bytes: int = MOST_BODY_BYTES, within_s: float = BODY_WITHIN_S
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = ProblemError(
                408,
                "Body too slow",
                f"The body did not arrive within {self._within_s:g} s.",
                "Send it at once.",
            )
            await late.response()(scope, receive, send)
            return
        except ProblemError as refused:
            await refused.response()(scope, receive, send)
            return
        if body is None:
            return  # the client has gone
        read = False

        async def replay() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > self._most_bytes:
            raise self._too_large()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._most_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> ProblemError:
        return ProblemError(
            413,
            "Body too large",
            f"The body is larger than {self._most_bytes} bytes.",
            f"Send at most {self._most_bytes} bytes.",
            {"Connection": "close"},
        )
