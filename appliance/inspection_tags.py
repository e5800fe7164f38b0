"""What is written to the tags of the line's PLC, and when: a code, the part's number, a score. Pure.

Duty: the order of writes of one camera, what is too late to be written, and when lost writes are an alarm.
Fail-safe: 0 stands wherever no verdict is known: at the start, from a part's arrival to its verdict, for a
part without one, late or lost. Knows no connection.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from appliance.alarms.debounce import Debounce
from appliance.inspection_verdict import Part, PartResult, PartVerdict

NO_VERDICT = 0
CODES = {PartResult.NONE: NO_VERDICT, PartResult.GOOD: 1, PartResult.DEFECT: 2}
MOST_WAITING = 64  # parts; the outcome of the oldest is not written then
LOST_OF = 20  # parts in a row that must reach the tags before the alarm clears


@dataclass(frozen=True, slots=True)
class TagWrite:
    """One write. `part_number` None: the verdict before is withdrawn, and no part is named."""

    code: int
    part_number: int | None = None
    score: float | None = None
    deadline_ns: int | None = None  # monotonic; later it is no verdict any more

    @property
    def is_outcome(self) -> bool:
        """Whether a part ends with it."""
        return self.part_number is not None

    def is_late(self, now_ns: int) -> bool:
        """Whether it is a verdict that is worth nothing any more."""
        return self.code != NO_VERDICT and self.deadline_ns is not None and now_ns > self.deadline_ns

    def without_verdict(self) -> TagWrite:
        """That the part has ended, and nothing is known of it."""
        return TagWrite(NO_VERDICT, self.part_number)


WITHDRAWN = TagWrite(NO_VERDICT)


class TagOutbox:
    """Writes that wait, in the order of what happened. `budget_s`: from picture to confirmed write."""

    def __init__(self, budget_s: float) -> None:
        self._budget_ns = round(budget_s * 1e9)
        self._waiting: deque[TagWrite] = deque()
        self._lost = Debounce(1, LOST_OF, LOST_OF)
        self._recent: deque[bool] = deque(maxlen=LOST_OF)

    def __len__(self) -> int:
        return len(self._waiting)

    def arrived(self) -> None:
        """A part is there: what was said of the one before holds no longer."""
        if not self._waiting or self._waiting[-1] is not WITHDRAWN:
            self._waiting.append(WITHDRAWN)

    def decided(self, verdict: PartVerdict) -> int:
        """A part's outcome waits to be written; how many older ones had to give way."""
        if self._waiting and self._waiting[-1] is WITHDRAWN:
            self._waiting.pop()  # this write says as much
        part: Part = verdict.part
        code = CODES[verdict.result]
        score = verdict.score if code != NO_VERDICT else None
        self._waiting.append(TagWrite(code, part.number, score, part.taken_ns + self._budget_ns))
        lost = 0
        while len(self._waiting) > MOST_WAITING:
            lost += self._waiting.popleft().is_outcome
        return lost

    def withdraw(self) -> None:
        """What stands in the tags must not: before all that waits."""
        self._waiting.appendleft(WITHDRAWN)

    def clear(self) -> int:
        """Nothing can be written: how many parts that waited lose their outcome."""
        lost = sum(one.is_outcome for one in self._waiting)
        self._waiting.clear()
        return lost

    def take(self) -> TagWrite | None:
        """The next write."""
        return self._waiting.popleft() if self._waiting else None

    def outcome(self, written: bool) -> None:
        """A part's outcome reached the tags in time, or did not."""
        self._recent.append(written)
        self._lost.observe(not written, written)

    @property
    def trouble(self) -> str:
        """Why too much was lost of late; empty: it was not."""
        if not self._lost.on:
            return ""
        return f"{self._recent.count(False)} of the last {len(self._recent)} were late or not taken"
