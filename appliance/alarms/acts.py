"""What people do to alarms, on the box or at the centre, and the mark that makes each act one of its kind.

Duty: the types of an act, its mark (origin, sequence there, hybrid stamp), and their form in JSON. How acts
of two sides become one state is decided by `appliance.reconcile.alarm_merge`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_REASON = 500
CENTRE = "centre/"  # begins the origin of all that was done at the centre
BOX = "box/"


class ActKind(StrEnum):
    """What a person can do to an activation of an alarm."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"


@dataclass(frozen=True, slots=True, order=True)
class HybridStamp:
    """Time of a hybrid logical clock: wall time (UTC ns) that never goes back, and a count within it."""

    wall_ns: int = 0
    logical: int = 0


@dataclass(frozen=True, slots=True, order=True)
class EventMark:
    """Which event it is: (origin, sequence) names it for ever, the stamp orders it among those of others.

    The origin is `box/` with one start of the service, or `centre/` with a key of the centre.
    """

    stamp: HybridStamp = field(default_factory=HybridStamp)
    origin: str = ""
    sequence: int = 0

    @property
    def name(self) -> tuple[str, int]:
        """What two copies of one event have in common, and no two events."""
        return self.origin, self.sequence

    @property
    def at_centre(self) -> bool:
        return self.origin.startswith(CENTRE)


@dataclass(frozen=True, slots=True, order=True)
class ActivationId:
    """One activation of an alarm beyond one life of the journal: its number, and UTC ns of its raising."""

    number: int
    raised_time_ns: int


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did to the activation that they saw. `until_ns`: UTC to which it is shelved."""

    kind: ActKind
    mark: EventMark
    actor: str
    reason: str = ""
    until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Conflict:
    """An act that could not take effect, and why: the sentence that people are shown."""

    act: Act
    named: ActivationId  # the activation that the act saw
    text: str


def mark_of(said: Mapping[str, Any]) -> EventMark:
    """A mark of its JSON. Raises KeyError, ValueError, TypeError."""
    stamp = said["stamp"]
    return EventMark(
        HybridStamp(int(stamp["wall_ns"]), int(stamp["logical"])), str(said["origin"]), int(said["sequence"])
    )


def act_of(said: Mapping[str, Any]) -> Act:
    """An act of its JSON. Raises KeyError, ValueError, TypeError."""
    return Act(
        ActKind(said["kind"]),
        mark_of(said["mark"]),
        str(said["actor"]),
        str(said["reason"]),
        int(said["until_ns"]),
    )


def conflict_of(said: Mapping[str, Any]) -> Conflict:
    """A conflict of its JSON. Raises KeyError, ValueError, TypeError."""
    named = said["named"]
    return Conflict(
        act_of(said["act"]),
        ActivationId(int(named["number"]), int(named["raised_time_ns"])),
        str(said["text"]),
    )


def names_of(acts: tuple[Act, ...]) -> str | None:
    """Everybody who did it, in order of the stamps, each once; None: nobody."""
    return ", ".join(dict.fromkeys(act.actor for act in acts)) or None
