"""The verdict on one part, as counters, the line and people get it. Pure.

Duty: the words, and the steps from an inspection, or from the lack of one, to a verdict. Fail-safe: whatever
is not known to be good or defect is no verdict, with its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from models.vision.inspection import Inspection

MOST_KIND_CHARS = 32


class PartResult(StrEnum):
    """What the line is told."""

    GOOD = "good"
    DEFECT = "defect"
    NONE = "no verdict"


class WhyNone(StrEnum):
    """Why there is no verdict on a part."""

    LEARNING = "learning"  # the camera's good pictures are still being collected
    PICTURE = "picture"  # it cannot be judged: dark, blurred ...
    MISSING = "missing"  # there is no picture, or a damaged one
    LATE = "late"
    OVERTAKEN = "overtaken"  # newer parts pushed it out of the queue
    SACRIFICED = "sacrificed"  # the box is overloaded, and pictures are the first to go
    FAILED = "failed"  # nothing could inspect it


@dataclass(frozen=True, slots=True)
class Part:
    """A part in front of a camera. `number` counts on over restarts; times are monotonic."""

    camera_id: str
    number: int
    taken_ns: int
    name: str  # of the picture
    stamp_ns: int  # `taken_ns`, but no two parts of a camera have the same


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """What is known of a part. `score` counts in limits, 1.0 stands at it; None without an inspection."""

    part: Part
    result: PartResult
    decided_ns: int  # monotonic
    why: WhyNone | None = None
    reason: str = ""  # why there is no verdict, for a technician
    score: float | None = None
    kind: str | None = None  # of the defect, where the model knows kinds
    position_px: tuple[int, int] | None = None  # (x, y)
    unsure: bool = False  # so near to the limit that a person should look
    backend: str = ""

    @property
    def latency_s(self) -> float:
        """From the picture to the verdict."""
        return (self.decided_ns - self.part.taken_ns) / 1e9


def judged(part: Part, inspection: Inspection, decided_ns: int) -> PartVerdict:
    """The verdict that an inspection in time makes."""
    defect = inspection.is_defect
    return PartVerdict(
        part,
        PartResult.DEFECT if defect else PartResult.GOOD,
        decided_ns,
        score=inspection.score / inspection.limit,
        kind=kind_word(inspection.kind) if defect and inspection.kind else None,
        position_px=inspection.position_px if defect or inspection.is_unsure else None,
        unsure=inspection.is_unsure,
        backend=inspection.backend,
    )


def none(part: Part, why: WhyNone, reason: str, decided_ns: int) -> PartVerdict:
    """No verdict."""
    return PartVerdict(part, PartResult.NONE, decided_ns, why, reason)


def late(part: Part, budget_s: float, decided_ns: int) -> PartVerdict:
    """The verdict of a part whose budget is over: none, whatever the model may still say."""
    return none(part, WhyNone.LATE, f"no verdict within {1000.0 * budget_s:g} ms of the picture", decided_ns)


def kind_word(kind: str) -> str:
    """A kind of defect as part of a counter's name: the model chooses it, so its characters are bounded."""
    word = re.sub(r"[^a-z0-9_-]+", "-", kind.lower()).strip("-_")[:MOST_KIND_CHARS]
    return word or "other"
