"""Builds the nightly drill from its settings.

Duty: the plan, and when the box has better things to do. Holds no logic of any part.
"""

from __future__ import annotations

from appliance.alarm_desk import AlarmDesk
from appliance.clock import Clock
from appliance.config_drill import DrillSettings
from appliance.journal.journal import Journal
from appliance.nightly_drill import NightlyDrill, NightPlan


def build_nightly(
    wanted: DrillSettings | None, journal: Journal, clock: Clock, desk: AlarmDesk
) -> NightlyDrill | None:
    """The drill as it is configured; None where it is not."""
    if wanted is None:
        return None

    def busy() -> str:
        active = [one.transition.alarm for one in desk.standing() if one.transition.alarm.state.active]
        if active:
            return f"an alarm stands: {active[0].alarm_id}"
        if not journal.durable:
            return "the journal is not durable"
        return "the disk is full" if journal.space_low else ""

    hour, minute = map(int, wanted.nightly_at.split(":"))
    plan = NightPlan(hour, minute, wanted.influxd, wanted.limit_minutes * 60.0)
    return NightlyDrill(plan, journal=journal, clock=clock, busy=busy)
