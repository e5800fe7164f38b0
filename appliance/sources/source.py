"""The interface of everything that delivers samples, and how it says that it lost its peer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dsp.samples import Channel, Quality, SourceItem


class LinkState(StrEnum):
    """State of the link between a source and its sensor or server, as the UI shows it."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    NOT_FOUND = "not found"
    BUSY = "busy"
    WRONG_DEVICE = "wrong device"
    REFUSED = "refused"
    LOST = "lost"
    LISTENING = "listening"  # a server of ours: others connect to it
    FINISHED = "finished"  # a replay reached its end
    WAITING = "waiting"  # what runs at a certain time, and has not yet


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What a source tells an operator: its state, why, what to do, and its own counts."""

    source_id: str
    kind: str  # "serial", "opcua", "replay"
    address: str
    state: LinkState
    reason: str = ""
    remedy: str = ""
    counts: dict[str, int] | None = None
    figures: dict[str, float] | None = None  # "drift_ppm", "clock_error_us", ...


@dataclass(frozen=True, slots=True)
class PastSample:
    """One process value that a peer has kept. `source_ns` is UTC by the peer's clock, `time_ns` the same
    instant by the host's monotonic clock; `value` in the channel's unit."""

    source_ns: int
    time_ns: int
    value: float
    quality: Quality


class SourceLost(Exception):  # noqa: N818 - the plan's word
    """The peer is gone; the supervisor restarts the source with back-off."""

    def __init__(self, source_id: str, state: LinkState, reason: str, remedy: str = "") -> None:
        super().__init__(f"{source_id}: {state}: {reason}" + (f" ({remedy})" if remedy else ""))
        self.source_id = source_id
        self.state = state
        self.reason = reason
        self.remedy = remedy


class Source(Protocol):
    """Delivers blocks, and gaps where samples are known to be missing. Cancelling the iteration closes it."""

    source_id: str
    channels: tuple[Channel, ...]

    def blocks(self) -> AsyncIterator[SourceItem]: ...

    def report(self) -> LinkReport: ...
