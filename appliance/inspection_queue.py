"""Parts on their way from a camera to its inspection: the oldest picture goes first when there are too many.

Duty: the order of parts, which a part keeps that has lost its picture, so that nobody is told of part 8
before part 7. Holds `capacity` pictures at most, and so many parts that the oldest without a picture is given
back at once beyond. Pure; counts nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from appliance.inspection_verdict import Part, WhyNone
from models.vision.inspection import UInt8Array

MOST_PARTS = 10_000  # without pictures: what is more is a camera gone mad


@dataclass(slots=True, eq=False)
class QueuedPart:
    """A part with its picture, or with why there is none (any more)."""

    part: Part
    picture: UInt8Array | None = field(repr=False)
    why: WhyNone | None = None
    reason: str = ""


class InspectionQueue:
    """First in, first out."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._parts: deque[QueuedPart] = deque()
        self._pictures: deque[QueuedPart] = deque()

    def __len__(self) -> int:
        """Pictures that wait."""
        return len(self._pictures)

    def put(self, queued: QueuedPart) -> tuple[QueuedPart | None, QueuedPart | None]:
        """One more part; the one that lost its picture to it, and the one that left, if any did."""
        dropped, crowded_out = None, None
        if queued.picture is not None:
            if len(self._pictures) >= self.capacity:
                dropped = self._pictures.popleft()
                dropped.picture, dropped.why = None, WhyNone.OVERTAKEN
                dropped.reason = f"{self.capacity} newer pictures came before it was looked at"
            self._pictures.append(queued)
        self._parts.append(queued)
        if len(self._parts) > MOST_PARTS:
            crowded_out = next(one for one in self._parts if one.picture is None)
            self._parts.remove(crowded_out)
        return dropped, crowded_out

    def take(self) -> QueuedPart | None:
        """The oldest part; None where nothing waits."""
        if not self._parts:
            return None
        oldest = self._parts.popleft()
        if oldest.picture is not None:
            self._pictures.popleft()
        return oldest
