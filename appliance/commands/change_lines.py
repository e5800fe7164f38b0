"""What changes while an appliance runs, as JSON lines for a script: alarms, learning, links, severity.

Duty: compares each latest state with the one before and tells the difference; the first are told whole. Also
when an alarm was committed, and how the way to the centre stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from appliance.alarm_records import StoredTransition
from appliance.wiring_central import Central
from web.schemas import AlarmTransitionView, AlarmView, ApplianceView, MachineSummary
from web.station_view import LiveUpdate

Tell = Callable[[dict[str, object]], None]
LEARNING_STEP_PERCENT = 5.0
CENTRAL_EVERY_S = 0.5


class Told(Protocol):
    """The part of a station that is needed here."""

    def updates(self, after_sequence: int | None) -> AsyncIterator[LiveUpdate]: ...

    async def alarms(self, include_closed: bool, limit: int) -> list[AlarmView]: ...


async def tell_changes(station: Told, tell: Tell) -> None:
    """Tell changes for ever; open alarms of before the start come first, as `standing`."""
    for alarm in await station.alarms(include_closed=False, limit=1000):
        tell({"type": "standing", **_alarm(alarm)})
    changes = Changes()
    async for update in station.updates(None):
        for line in changes.of(update):
            tell(line)


async def tell_central(central: Central, tell: Tell) -> None:
    """Tell how far the courier is, for ever."""
    told: dict[str, object] = {}
    while True:
        report = central.courier.report()
        line: dict[str, object] = {
            "type": "central",
            "state": str(report.state),
            "waiting": report.waiting,
            "confirmed": central.confirmed(),
            "refused": report.refused,
        }
        if line != told:
            tell(line)
            told = line
        await asyncio.sleep(CENTRAL_EVERY_S)


def committed_line(stored: StoredTransition, monotonic_ns: int) -> dict[str, object]:
    """That a transition is on stable storage, told as soon as the desk knows it."""
    return {
        "type": "committed",
        "sequence": stored.sequence,
        "alarm_id": stored.transition.alarm.alarm_id,
        "what": stored.transition.what,
        "monotonic_ns": monotonic_ns,
    }


class Changes:
    """Remembers what was told last."""

    def __init__(self) -> None:
        self._severity: dict[str, str] = {}
        self._learning: dict[str, tuple[float, bool]] = {}
        self._links: dict[str, tuple[str, str]] = {}

    def of(self, update: LiveUpdate) -> list[dict[str, object]]:
        """Lines that one update is worth."""
        data = update.data
        if isinstance(data, AlarmTransitionView):
            return [
                {
                    "type": "alarm",
                    "what": data.what,
                    "actor": data.actor,
                    "sequence": data.sequence,
                    **_alarm(data.alarm),
                }
            ]
        if isinstance(data, ApplianceView):
            return self._link_lines(data)
        if isinstance(data, list):
            return [line for summary in data for line in self._machine_lines(summary)]
        return []

    def _machine_lines(self, summary: MachineSummary) -> list[dict[str, object]]:
        lines: list[dict[str, object]] = []
        learning, asset_id = summary.learning, summary.asset_id
        percent, complete = self._learning.get(asset_id, (-LEARNING_STEP_PERCENT, False))
        if learning.percent - percent >= LEARNING_STEP_PERCENT or learning.complete != complete:
            self._learning[asset_id] = (learning.percent, learning.complete)
            lines.append({"type": "learning", "asset_id": asset_id, **learning.model_dump()})
        if self._severity.get(asset_id) != summary.severity:
            self._severity[asset_id] = summary.severity
            lines.append(
                {
                    "type": "severity",
                    "asset_id": asset_id,
                    "severity": summary.severity,
                    "headline": summary.headline,
                    "operating_state": summary.operating_state,
                }
            )
        return lines

    def _link_lines(self, appliance: ApplianceView) -> list[dict[str, object]]:
        lines: list[dict[str, object]] = []
        for link in appliance.links:
            if self._links.get(link.source_id) != (link.state, link.reason):
                self._links[link.source_id] = (link.state, link.reason)
                lines.append(
                    {
                        "type": "link",
                        "source_id": link.source_id,
                        "state": link.state,
                        "reason": link.reason,
                        "remedy": link.remedy,
                    }
                )
        return lines


def _alarm(alarm: AlarmView) -> dict[str, object]:
    return {
        "alarm_id": alarm.alarm_id,
        "asset_id": alarm.asset_id,
        "rule": alarm.rule,
        "severity": alarm.severity,
        "state": alarm.state,
        "activation": alarm.activation,
        "fault": alarm.fault,
        "confidence": alarm.confidence,
        "text": alarm.text,
        "durable": alarm.durable,
        "acknowledged_by": alarm.acknowledged_by,
    }
