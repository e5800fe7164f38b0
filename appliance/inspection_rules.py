"""What of a camera's verdicts is worth an alarm: a run of defects, unusable pictures, parts without verdict.

Duty: from one verdict after the other to conditions that stand, each with its sentence. Pure; raises no
alarm.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.alarms.debounce import Debounce
from appliance.alarms.system import SystemCondition
from appliance.inspection_verdict import PartResult, PartVerdict, WhyNone

PICTURES_NEEDED, PICTURES_OF, PICTURES_OFF = 3, 5, 3
NONE_NEEDED, NONE_OF, NONE_OFF = 3, 20, 20
_IMPAIRED = frozenset({WhyNone.LATE, WhyNone.OVERTAKEN, WhyNone.SACRIFICED, WhyNone.FAILED, WhyNone.MISSING})
_WORDS = {
    WhyNone.LATE: "were late",
    WhyNone.OVERTAKEN: "were overtaken by newer ones",
    WhyNone.SACRIFICED: "were given up for want of time",
    WhyNone.FAILED: "could not be inspected",
    WhyNone.MISSING: "came without a whole picture",
}
_REMEDY = "See the camera on the appliance page: its link, latency and queue."


@dataclass(frozen=True, slots=True)
class CameraCondition:
    """Whether a condition of a camera stands, why, and what helps."""

    condition: SystemCondition
    stands: bool
    reason: str = ""
    remedy: str = ""


class InspectionRules:
    """The conditions of one camera. `needed` of the last `of` judged parts make a run of defects."""

    def __init__(self, needed: int, of: int) -> None:
        self._needed, self._of = needed, of
        self._defects = Debounce(needed, of, of)
        self._pictures = Debounce(PICTURES_NEEDED, PICTURES_OF, PICTURES_OFF)
        self._none = Debounce(NONE_NEEDED, NONE_OF, NONE_OFF)
        self._told: dict[SystemCondition, bool] = {}
        self._recent: deque[WhyNone | None] = deque(maxlen=NONE_OF)
        self._kinds: deque[str] = deque(maxlen=of)
        self._fallback = ""

    def restore(self, standing: set[SystemCondition]) -> None:
        """Conditions that stood before a restart stand until they are denied as usual."""
        for condition, debounce in (
            (SystemCondition.RUN_OF_DEFECTS, self._defects),
            (SystemCondition.PICTURE_UNUSABLE, self._pictures),
            (SystemCondition.INSPECTION_IMPAIRED, self._none),
        ):
            self._told[condition] = condition in standing
            if condition in standing:
                debounce.assume_on()

    def fell_back(self, reason: str) -> None:
        """The model fails, and something simpler answers in its place; empty: the model answers."""
        self._fallback = reason

    def observe(self, verdict: PartVerdict) -> list[CameraCondition]:
        """Take a verdict; what begins or ends with it."""
        judged = verdict.result is not PartResult.NONE
        if judged:
            defect = verdict.result is PartResult.DEFECT
            self._kinds.append(verdict.kind or "" if defect else "")  # of the same parts as the defects
            self._defects.observe(defect, not defect)
        bad_picture = verdict.why is WhyNone.PICTURE
        if judged or bad_picture:
            self._pictures.observe(bad_picture, judged)
        self._recent.append(verdict.why)
        impaired = verdict.why in _IMPAIRED or bool(judged and self._fallback)
        self._none.observe(impaired, not impaired)
        return list(self._changes(verdict))

    def _changes(self, verdict: PartVerdict) -> Iterator[CameraCondition]:
        yield from self._told_once(
            SystemCondition.RUN_OF_DEFECTS,
            self._defects.on,
            lambda: f"{self._needed} or more of the last {self._of} judged parts{self._of_kind()}",
            "Look at the last defect pictures, then at the machine that makes the parts.",
        )
        yield from self._told_once(
            SystemCondition.PICTURE_UNUSABLE,
            self._pictures.on,
            lambda: verdict.reason,
            "Clean the lens and look at the lamp; until then parts get no verdict.",
        )
        yield from self._told_once(
            SystemCondition.INSPECTION_IMPAIRED, self._none.on, self._impaired_words, _REMEDY
        )

    def _told_once(
        self, condition: SystemCondition, stands: bool, reason: Callable[[], str], remedy: str
    ) -> Iterator[CameraCondition]:
        if self._told.get(condition) == stands:
            return
        self._told[condition] = stands
        yield CameraCondition(condition, stands, reason() if stands else "", remedy if stands else "")

    def _of_kind(self) -> str:
        kinds = Counter(kind for kind in self._kinds if kind)
        return f", mostly {kinds.most_common(1)[0][0]}" if kinds else ""

    def _impaired_words(self) -> str:
        counted = Counter(why for why in self._recent if why in _IMPAIRED and why is not None)
        if not counted:
            return self._fallback
        why, n = counted.most_common(1)[0]
        cause = f" ({self._fallback})" if why is WhyNone.FAILED and self._fallback else ""
        return f"{n} of the last {len(self._recent)} parts {_WORDS[why]}{cause}"
