"""What is known of earlier commands: which points were looked at, which commands were carried out, how far.

Duty: the memory that the audit of commands adds up to, bounded. What was refused is kept apart: a flood of
forgeries pushes out its own points alone, never those of commands that were carried out. Reads no journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_POINTS = 50_000  # that are remembered, of the refused ones and of the others


class CommandMemory:
    """Known points and commands; `note` each outcome as the audit holds it."""

    def __init__(self) -> None:
        self.cursor_ns = 0  # time of the newest point that was looked at
        self.begun: dict[str, tuple[str, int]] = {}  # ids of commands without a result: (audit's key, expiry)
        self._done: dict[str, int] = {}  # ids of commands with a result: when they expire
        self._points: dict[str, int] = {}  # digests: time of the point
        self._refused: dict[str, int] = {}

    def __contains__(self, digest: str) -> bool:
        """Whether the point was looked at before."""
        return digest in self._points or digest in self._refused

    @property
    def carried_out(self) -> dict[str, int]:
        """Ids of commands that were begun or have a result: when they expire."""
        return self._done | {command_id: expires_ns for command_id, (_, expires_ns) in self.begun.items()}

    @property
    def refused_points(self) -> int:
        """How many refused points are remembered."""
        return len(self._refused)

    def note(self, payload: Mapping[str, Any], now_ns: int) -> None:
        """Take in an outcome. Raises KeyError, ValueError, TypeError where it is none."""
        outcome = payload["outcome"]
        if payload.get("point"):
            digest, point_time_ns = payload["point"], int(payload["point_time_ns"])
            if outcome == "refused":
                self.note_refused(digest, point_time_ns)
            else:
                self._points[digest] = point_time_ns
            self.looked_at(point_time_ns, now_ns)
        command_id, expires_ns = str(payload["command_id"]), int(payload["expires_ns"])
        if not command_id or outcome == "refused":
            return  # a refusal says nothing of the command itself: its own point may still come
        if outcome == "begun":
            if command_id not in self._done:  # else recalled in another order: the clock was put back
                self.begun[command_id] = (f"command/{payload['point']}", expires_ns)
        else:
            self.begun.pop(command_id, None)
            self._done[command_id] = expires_ns

    def note_refused(self, digest: str, point_time_ns: int) -> None:
        """A point that was refused, stored or not."""
        self._refused[digest] = point_time_ns
        while len(self._refused) > MOST_POINTS:
            del self._refused[next(iter(self._refused))]

    def looked_at(self, point_time_ns: int, now_ns: int) -> None:
        """All up to this time was looked at once; a time to come moves nothing beyond now."""
        self.cursor_ns = max(self.cursor_ns, min(point_time_ns, now_ns))

    def forget(self, oldest_ns: int) -> None:
        """What no look can find again, and what would be refused as expired, need not be known."""
        known = [(digest, at) for digest, at in self._points.items() if at >= oldest_ns]
        self._points = dict(known[-MOST_POINTS:])
        self._refused = {digest: at for digest, at in self._refused.items() if at >= oldest_ns}
        self._done = {command_id: at for command_id, at in self._done.items() if at >= oldest_ns}
