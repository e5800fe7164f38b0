"""What every answer tells a browser, and which hosts' names are answered at all.

Duty: two ASGI layers that look at headers only: security headers on every answer, and the check of the Host
header against DNS rebinding. Who asks is `guard.py`'s business.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import ProblemError

log = logging.getLogger(__name__)

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
    """Adds the headers that keep a browser from doing more with an answer than was meant.

    Being outermost, it also answers what nobody foresaw: 500 as a `Problem`, the reason in the log alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                if is_api(scope["path"]):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            if started:
                raise  # half an answer is out: the server drops the connection
            log.exception("request failed method=%s path=%r", scope["method"], scope["path"])
            unforeseen = ProblemError(
                500, "Internal error", "The appliance could not answer this.", "The appliance's log says why."
            )
            await unforeseen.response()(scope, receive, send_with_headers)


def host_name_of(host: str) -> str:
    """The name in a Host header, lower case, without port, brackets or a final dot; "" if it is none."""
    if set(host) & set("@/?#\\ "):
        return ""
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
        names = {name.lower().rstrip(".") for name in hosts}
        self._hosts = {"localhost", *names, *(f"{name}.local" for name in names if "." not in name)}  # mDNS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or not self._is_ours(host_name_of(hosts[0])):
                refused = ProblemError(
                    400,
                    "Unknown host",
                    "The Host header does not name this appliance.",
                    "Use its IP address, its host name, or a name that it was configured with.",
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
