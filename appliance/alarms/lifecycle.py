"""ISA-18.2 life of one alarm, as a table; pure, time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What the machine's state is worth, ordered; apart from priority (how soon a person must act)."""

    NOT_RATED = "not rated"
    GOOD = "good"  # ISO 20816 zones A and B
    WATCH = "watch"  # significant change or a learned limit passed
    WARN = "warn"  # zone C
    STOP = "stop"  # zone D


class AlarmState(StrEnum):
    """ISA-18.2 states that are built so far (shelved, suppressed, out of service follow)."""

    ACTIVE_UNACKNOWLEDGED = "active, unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active, acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared, unacknowledged"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it stands after its latest transition. Times are monotonic ns of `boot_id`'s boot."""

    alarm_id: str
    asset_id: str
    channel_id: str | None
    rule: str  # "machine condition", "check sensor", "source lost", "journal not durable", ...
    severity: Severity
    state: AlarmState
    raised_ns: int
    changed_ns: int
    activation: int  # counts how often this alarm became active; an acknowledgement names the one it saw
    score: float
    fault: str | None
    confidence: float | None
    reason: str  # the sentence a technician reads
    evidence: dict[str, Any]  # JSON-ready: frequency_hz, multiplier, over_baseline_db, rising_s, feature, ...
    durable: bool = True
    acknowledged_by: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class AlarmTransition:
    """One step in an alarm's life, ready for the journal: what happened, by whom, and the alarm after it."""

    what: str  # "raised", "updated", "acknowledged", "cleared", "re-raised", "closed"
    actor: str  # "appliance" or a user's name
    alarm: Alarm
