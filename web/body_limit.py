"""How large and how slow a request's body may be; read and judged before anything parses it."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import ProblemError
from web.guard import SAFE_METHODS

MOST_BODY_BYTES = 64 * 1024
BODY_WITHIN_S = 15.0


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
                {"Connection": "close"},
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
