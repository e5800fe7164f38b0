"""A reader of the page's live stream: signed in like a browser, it tells each alarm as it comes.

Duty: an account of its own, the sign-in, the stream of server-sent events, and coming back where it broke
off. Draws nothing. Not part of an appliance: it is how the demo knows when an alarm reached the page.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from web.auth import AuthStore

logger = logging.getLogger(__name__)

USER = "demo-reader"
AGAIN_S = 1.0
LONGEST_LINE_BYTES = 1 << 20
Took = Callable[[dict[str, Any]], None]


def make_accounts(path: Path) -> tuple[str | None, str]:
    """First-boot password of the first user (None: there was one before), and the reader's. Blocking.

    Before the appliance starts: it holds its accounts in memory. Raises OSError.
    """
    accounts = AuthStore.open(path)
    try:
        first = accounts.ensure_first_user()
        return first, accounts.reset_password(USER, must_change=False)
    finally:
        accounts.close()


class PageReader:
    """Follows `/api/live`; `took` is called with every alarm transition."""

    def __init__(self, url: str, password: str, took: Took) -> None:
        self._url = url.rstrip("/")
        self._password = password
        self._took = took
        self._last = ""

    async def run(self) -> None:
        """Read until cancelled; an appliance that is away is asked again."""
        jar = aiohttp.CookieJar(unsafe=True)  # the address has no name
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=60.0)
        async with aiohttp.ClientSession(
            cookie_jar=jar, timeout=timeout, read_bufsize=LONGEST_LINE_BYTES
        ) as http:
            while True:
                try:
                    await self._read(http)
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    logger.debug("page not read reason=%s", error)
                await asyncio.sleep(AGAIN_S)

    async def _read(self, http: aiohttp.ClientSession) -> None:
        said = {"user": USER, "password": self._password}
        headers = {"Last-Event-ID": self._last} if self._last else {}
        if not len(http.cookie_jar):
            async with http.post(f"{self._url}/api/session", json=said) as answer:
                answer.raise_for_status()
        async with http.get(f"{self._url}/api/live", headers=headers) as answer:
            if answer.status == 401:
                http.cookie_jar.clear()
            answer.raise_for_status()
            event = ""
            async for raw in answer.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "id":
                    self._last = value
                elif name == "data" and event == "alarm":
                    self._took(json.loads(value))
