"""What a publisher is: somewhere that the latest values are shown to other systems.

Duty: the contract and the vocabulary of what flows. What must not be missed (the history of alarms) follows
the journal instead; a publisher shows how things stand and may leave out what was overtaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Value = float | int | str | bool | None


class ValueStatus(StrEnum):
    """How far a value can be used: names of OPC 10000-4, 7.39 and OPC 10000-8, 6.3 (status codes)."""

    GOOD = "Good"
    UNCERTAIN = "Uncertain"  # the window or the tag says so of itself
    LAST_USABLE = "UncertainLastUsableValue"  # whatever refreshes it has stopped doing so
    WAITING = "BadWaitingForInitialData"  # there was none yet, or the baseline is being learned
    SENSOR_FAILURE = "BadSensorFailure"  # the sensor check does not believe the channel
    NO_COMMUNICATION = "BadNoCommunication"  # nothing came for minutes
    NO_DATA = "BadNoData"  # this window cannot state this figure

    @property
    def bad(self) -> bool:
        """Whether there is no value to be used."""
        return self.value.startswith("Bad")


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """The latest of one node. `source_time_ns` is UTC; `value` None where `status` is bad."""

    path: str
    value: Value
    status: ValueStatus
    source_time_ns: int


class Publisher(Protocol):
    """Shows latest values."""

    def publish(self, values: Sequence[PublishedValue]) -> None:
        """Take the latest values. Never blocks; what was not shown yet is overtaken."""
        ...

    async def run(self) -> None:
        """Show them, for ever. Raises Retryable where it must be called again after a back-off."""
        ...
