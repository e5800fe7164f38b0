"""Which channels deliver nothing although nobody says that their source is lost.

Duty: one rule, pure. A source that loses its peer says so itself (`SourceLost`), and that is an alarm of its
own. This is about the rest: a sensor that answers every question and never sends a sample, a server that is
connected and has no good value for a tag, a task that hangs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

BACK_NS = 10_000_000_000  # a channel must deliver for this long before it counts as back
STEADY_NS = 5_000_000_000  # with no longer break than this; sources deliver at least once a second


@dataclass(frozen=True, slots=True)
class Silence:
    """What is silent of one source: `channels` is empty where all is well, or not `judged` yet."""

    source_id: str
    channels: tuple[str, ...]
    judged: bool
    everything: bool  # all of its channels are silent


class SilenceWatch:
    """Watches the channels of one source. Times are monotonic ns; `limit_s` is how long silence may last."""

    def __init__(self, source_id: str, channels: Collection[str], limit_s: float) -> None:
        self.source_id = source_id
        self.limit_s = limit_s
        self._limit_ns = round(limit_s * 1e9)
        self._start_ns: int | None = None  # the first look, or the end of a loss: silence counts from here
        self._channels = tuple(channels)
        self._silent: set[str] = set()
        self._back_ns: dict[str, int] = {}  # since when a silent channel delivers again

    def look(self, heard_ns: Mapping[str, int], now_ns: int, lost: bool) -> Silence:
        """What is silent now. `heard_ns`: when each channel delivered last. A lost source has its own alarm:
        while it is lost, and for as long after it as silence may last, nothing is said here."""
        if lost or self._start_ns is None:
            self._start_ns = now_ns
        if lost:
            self._silent.clear()
            self._back_ns.clear()
            return Silence(self.source_id, (), True, False)
        for channel in self._channels:
            since_ns = max(heard_ns.get(channel, self._start_ns), self._start_ns)
            if now_ns - since_ns >= self._limit_ns:
                self._silent.add(channel)
            elif channel in self._silent and now_ns - since_ns > STEADY_NS:
                self._back_ns.pop(channel, None)  # one block now and then is not back
            elif channel in self._silent and channel in heard_ns:
                back_ns = self._back_ns.setdefault(channel, now_ns)
                if now_ns - back_ns >= BACK_NS:
                    self._silent.discard(channel)
                    del self._back_ns[channel]
        silent = tuple(channel for channel in self._channels if channel in self._silent)
        judged = bool(silent) or all(channel in heard_ns for channel in self._channels)
        return Silence(self.source_id, silent, judged, len(silent) == len(self._channels))
