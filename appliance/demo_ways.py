"""The ways on which the demo's alarm reaches people and systems, and how late it arrived on each.

Duty: of all that the ways bring, finds the one transition that the story is about, and subtracts the time of
its commit. Pure: times are monotonic nanoseconds of one machine, given by whoever saw.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """Where an alarm arrives."""

    PAGE = "page"
    SCADA = "SCADA"
    WEBHOOK = "webhook"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One transition, seen on one way. OPC UA values bear no journal sequence: None, told by their text."""

    way: Way
    at_ns: int
    sequence: int | None
    text: str
    words: str = ""  # what was seen, for people

    def is_of(self, sequence: int, text: str) -> bool:
        """Whether it is of that transition."""
        return self.text == text if self.sequence is None else self.sequence == sequence


@dataclass(frozen=True, slots=True)
class Arrival:
    """The story's transition has arrived on a way, so long after it was committed."""

    way: Way
    late_s: float
    words: str


class Ways:
    """What was seen so far. `arrivals` gives each arrival once, when it can be told."""

    def __init__(self, ways: Collection[Way]) -> None:
        self._open = set(ways)
        self._seen: list[Sighting] = []
        self._committed_ns: dict[int, int] = {}
        self._named: tuple[int, str] | None = None

    @property
    def missing(self) -> list[Way]:
        """The ways on which nothing has arrived yet."""
        return [way for way in Way if way in self._open]

    @property
    def named(self) -> int | None:
        """Sequence of the transition that the story is about, once it has come."""
        return None if self._named is None else self._named[0]

    def name(self, sequence: int, text: str) -> None:
        """The story is about this transition; the first one that is named stays."""
        self._named = self._named or (sequence, text)

    def committed(self, sequence: int, at_ns: int) -> None:
        """A transition is on stable storage since `at_ns`."""
        self._committed_ns.setdefault(sequence, at_ns)

    def saw(self, sighting: Sighting) -> None:
        """Something has come on a way."""
        if sighting.way in self._open:
            self._seen.append(sighting)

    def arrivals(self) -> list[Arrival]:
        """What has arrived since the last question, earliest first."""
        if self._named is None or self._named[0] not in self._committed_ns:
            return []
        committed_ns = self._committed_ns[self._named[0]]
        found = []
        for sighting in sorted(self._seen, key=lambda one: one.at_ns):
            if sighting.way in self._open and sighting.is_of(*self._named):
                self._open.discard(sighting.way)
                late_s = max(0.0, (sighting.at_ns - committed_ns) / 1e9)
                found.append(Arrival(sighting.way, late_s, sighting.words))
        if found:
            self._seen = [one for one in self._seen if one.way in self._open]
        return found
