"""What was on the page, and behind it, at the moments of the story.

Duty: values that the chapters (`conftest.py`) fill and the tests look at, and how everything is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import expect

from appliance.demo_config import MACHINE_ID
from tests.end_to_end.rig import AXES, WATCHED
from tests.end_to_end.technician import Technician

ALARM = f"{MACHINE_ID}.machine-condition"
SPEED = f"{MACHINE_ID}.speed"
COMMENT = "heard it too, bearing ordered"


@dataclass(frozen=True)
class Learned:
    """How the learning went, as the page showed it."""

    first_s: int
    later_s: int
    last: str
    seconds: float


@dataclass(frozen=True)
class Alarmed:
    """The alarm as it first appeared on the page."""

    sentence: str
    seconds: float  # since the start of the demo
    announcement: str


@dataclass(frozen=True)
class Seen:
    """What was on the page, and behind it, at one moment."""

    trends: dict[str, dict[str, Any]]
    shown_counters: dict[str, float]
    alarm: dict[str, Any]
    steps: list[dict[str, Any]]


@dataclass(frozen=True)
class Restarted:
    """What was there before kill -9 and after the restart that followed by itself."""

    before: Seen
    after: Seen
    kill_ms: float
    banner: str
    alarm_while_lost: str


def look_around(technician: Technician) -> Seen:
    """Go to the appliance page and back to the machine's; ask the interface."""
    technician.go_to("appliance")
    expect(technician.page.locator("[data-testid^='counter-samples-']").first).to_be_visible()
    shown = technician.shown_counters()
    trends = {
        channel_id: technician.asks(f"/api/channels/{channel_id}/trend", feature=feature, max_points=20_000)
        for channel_id, feature in (*((axis, WATCHED) for axis in AXES), (SPEED, "value"))
    }
    (alarm,) = [a for a in technician.asks("/api/alarms") if a["alarm_id"] == ALARM]
    steps = technician.asks(f"/api/alarms/{ALARM}/history")
    technician.go_to("machines")
    technician.see(f"machine-card-{MACHINE_ID}").click()
    expect(technician.see(f"alarm-{ALARM}")).to_be_visible()
    return Seen(trends, shown, alarm, steps)


def service_starts(technician: Technician) -> float:
    """How often the appliance has started, as far as that is durable."""
    counters = technician.asks("/api/appliance")["counters"]
    return float(sum(c["value"] for c in counters if c["counter"] == "service starts"))
