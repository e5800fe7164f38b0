"""A script at the appliance's HTTP interface, as the drill's witness and hand: signs in, asks, acts.

Duty: one session that comes back after restarts; None while the appliance is away. Decides nothing.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from appliance.demo_page import USER
from appliance.drill.oracle import ToldGap

PATIENCE_S = 5.0
_AWAY = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class PageClient:
    """One signed-in client of `url`."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._password = password
        self._csrf = ""
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=PATIENCE_S)
        )

    async def close(self) -> None:
        await self._http.close()

    async def get(self, path: str) -> Any | None:
        """What a path answers; None while the appliance is away or refuses."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any | None:
        """What a path answers to a body; None while the appliance is away or refuses."""
        return await self._ask("POST", path, body)

    async def counters(self) -> dict[tuple[str, str], float] | None:
        """(counter, subject) -> value, as shown: a counter is shown once it is durable."""
        shown = await self.get("/api/appliance")
        return (
            None
            if shown is None
            else {(c["counter"], c["subject"]): float(c["value"]) for c in shown["counters"]}
        )

    async def alarm_states(self) -> dict[str, object] | None:
        """Each alarm as it stands."""
        shown = await self.get("/api/alarms?include_closed=true&limit=1000")
        if shown is None:
            return None
        return {
            one["alarm_id"]: (one["activation"], one["state"], one["acknowledged_by"] or None)
            for one in shown
        }

    async def limits(self, asset_id: str) -> Any | None:
        """The limits of a machine."""
        return await self.get(f"/api/machines/{asset_id}/limits")

    async def gaps(self, channel: str) -> list[ToldGap]:
        """The gaps that a trend draws."""
        trend = await self.get(f"/api/channels/{channel}/trend?feature=value&max_points=100")
        found = [] if trend is None else trend["gaps"]
        return [
            ToldGap(round(gap["start_ms"] * 1e6), round(gap["end_ms"] * 1e6), gap["cause"], gap["state"])
            for gap in found
        ]

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any | None:
        try:
            if not self._csrf:
                said = {"user": USER, "password": self._password}
                async with self._http.post(f"{self._url}/api/session", json=said) as answer:
                    answer.raise_for_status()
                    self._csrf = (await answer.json())["csrf_token"]
            headers = {"X-CSRF-Token": self._csrf} if method == "POST" else {}
            async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
                if answer.status in (401, 403):
                    self._csrf = ""
                    self._http.cookie_jar.clear()
                return await answer.json() if answer.status == 200 else None
        except _AWAY:
            return None
