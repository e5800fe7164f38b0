"""A client that asks the appliance again and again and remembers what it was shown, and when.

Duty: the outside witness of promises about kills and power cuts: what it saw must still be there afterwards.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from appliance.demo_config import MACHINE_ID
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.rig import WATCHED

EVERY_S = 0.05


@dataclass(frozen=True)
class Step:
    """One step in an alarm's life, as the interface told it."""

    what: str
    actor: str
    activation: int
    acknowledged_by: str | None
    comment: str


@dataclass
class Witness:
    """Everything that was shown so far."""

    windows: dict[tuple[str, float], float] = field(default_factory=dict)  # (channel, value): monotonic s
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    steps: dict[tuple[str, int], Step] = field(default_factory=dict)  # by alarm and journal sequence

    def watch(self, api: ApiClient, seconds: float) -> None:
        """Ask for so long."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.look(api)
            time.sleep(EVERY_S)

    def look(self, api: ApiClient) -> None:
        """Ask once. The newest window of each channel is shown before it is on the disk."""
        detail = api.get(f"/api/machines/{MACHINE_ID}")
        seen_s = time.monotonic()
        for channel in detail["channels"]:
            value = channel["latest"].get(WATCHED)
            if value is not None:
                self.windows.setdefault((channel["channel_id"], value), seen_s)
        self.counters.update(api.counters())
        for alarm in api.get("/api/alarms", include_closed=True, limit=1000):
            alarm_id = alarm["alarm_id"]
            for step in api.get(f"/api/alarms/{alarm_id}/history"):
                then = step["alarm"]
                self.steps[alarm_id, step["sequence"]] = Step(
                    step["what"], step["actor"], then["activation"], then["acknowledged_by"], then["comment"]
                )
