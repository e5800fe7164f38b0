"""A client of the appliance's HTTP interface, as a script of a plant would be one.

Duty: sign in, keep the session, answer JSON. Decides nothing; a status that was not expected is an error.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

NEW_PASSWORD = "seventeen calm otters"
REQUEST_TIMEOUT_S = 30.0


class ApiClient:
    """One signed-in session; survives restarts of the appliance, as a browser's does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def cookies(self) -> dict[str, str]:
        """For clients that share this session."""
        return dict(self._http.cookies)

    def sign_in(self, user: str, password: str) -> dict[str, Any]:
        """Sign in; returns the session."""
        session: dict[str, Any] = self._sent("POST", "/api/session", {"user": user, "password": password})
        self._http.headers["X-CSRF-Token"] = session["csrf_token"]
        return session

    def begin(self, user: str, first_password: str) -> None:
        """Sign in with the first-boot password and replace it, as a person must."""
        assert self.sign_in(user, first_password)["must_change_password"]
        session = self._sent(
            "POST", "/api/session/password", {"old_password": first_password, "new_password": NEW_PASSWORD}
        )
        self._http.headers["X-CSRF-Token"] = session["csrf_token"]

    def get(self, path: str, **query: object) -> Any:
        """The JSON that a path answers. Raises httpx errors while the appliance is away."""
        response = self._http.get(path, params={name: str(value) for name, value in query.items()})
        assert response.status_code == 200, f"GET {path}: {response.status_code} {response.text}"
        return response.json()

    def try_get(self, path: str) -> Any | None:
        """The same, or None while the appliance is away."""
        try:
            return self.get(path)
        except httpx.TransportError:
            return None

    def trend(self, channel_id: str, feature: str) -> dict[str, Any]:
        """All that is stored of a feature, not thinned."""
        trend = self.get(f"/api/channels/{channel_id}/trend", feature=feature, max_points=20_000)
        assert isinstance(trend, dict)
        return trend

    def points_stored(self, channel_id: str, feature: str) -> int:
        """How many points a trend has; 0 while nothing is known of the feature."""
        query = {"feature": feature, "max_points": "20000"}
        response = self._http.get(f"/api/channels/{channel_id}/trend", params=query)
        if response.status_code == 404:
            return 0
        return len(points(response.raise_for_status().json()))

    def alarm(self, alarm_id: str) -> dict[str, Any] | None:
        """One alarm as it stands, closed or not; None if it never was."""
        alarms = self.get("/api/alarms", include_closed=True, limit=1000)
        return next((alarm for alarm in alarms if alarm["alarm_id"] == alarm_id), None)

    def acknowledge(self, alarm_id: str, activation: int, comment: str) -> dict[str, Any]:
        """Acknowledge one activation; returns the alarm."""
        path = f"/api/alarms/{alarm_id}/acknowledge"
        alarm: dict[str, Any] = self._sent("POST", path, {"activation": activation, "comment": comment})
        return alarm

    def link(self, source_id: str) -> dict[str, Any]:
        """The link of one source."""
        links = self.get("/api/appliance")["links"]
        link: dict[str, Any] = next(link for link in links if link["source_id"] == source_id)
        return link

    def counters(self) -> dict[tuple[str, str], float]:
        """Every counter that the appliance shows, by name and subject."""
        return {(c["counter"], c["subject"]): c["value"] for c in self.get("/api/appliance")["counters"]}

    def _sent(self, method: str, path: str, body: dict[str, object]) -> Any:
        response = self._http.request(method, path, json=body)
        assert response.status_code == 200, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()


def points(trend: dict[str, Any]) -> dict[float, float]:
    """The points of a trend by their time in UTC ms; the nulls that part stretches are left out."""
    pairs = zip(trend["times_ms"], trend["values"], strict=True)
    return {time_ms: value for time_ms, value in pairs if value is not None}
