"""What process tags show, in a technician's words: the sentences of their alarms, live and in an evaluation.

Duty: wording of judgements of `models.process_detector` and `models.slow_tag`. Decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.process_detector import ProcessDetector, ProcessJudgement
from models.slow_tag import SlowTagDetector, SlowTagJudgement

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class ShownUnit:
    """How a tag's figures are shown: multiplied by `factor`, in `unit`."""

    unit: str = ""
    factor: float = 1.0

    def figure(self, value: float) -> str:
        """A value with its unit."""
        return f"{value * self.factor:.4g} {self.unit}".rstrip()


def process_words(
    detector: ProcessDetector, judgement: ProcessJudgement, shown: Sequence[ShownUnit] = ()
) -> str:
    """Which tags stand outside of what was learned, and how far; "" where nothing was judged.

    `shown` has the units of `detector.tag_names`, in their order; figures alone without them.
    """
    if detector.learned is None or not judgement.worst_tag:
        return ""
    at = detector.tag_names.index(judgement.worst_tag)
    unit = shown[at] if shown else ShownUnit()
    usual = float(detector.learned.level[at])
    said = (
        f"{judgement.worst_tag} {unit.figure(usual + judgement.shift)}, usually {unit.figure(usual)}"
        f" ({judgement.deviation:.1f} x the learned limit)"
    )
    pairs = zip(detector.tag_names, judgement.deviations, strict=False)
    others = sorted(
        ((value, name) for name, value in pairs if name != judgement.worst_tag and value >= 1.0), reverse=True
    )
    if others:
        said += "; also " + ", ".join(f"{name} ({value:.1f} x)" for value, name in others[:_MOST_NAMED])
    return said


def slow_words(
    name: str,
    detector: SlowTagDetector,
    judgement: SlowTagJudgement,
    value_s: float,
    shown: ShownUnit | None = None,
) -> str:
    """Where a slow tag is and where it was of late; `value_s` is the time from one value to the next."""
    unit = shown or ShownUnit()
    lengths = detector.lengths
    if lengths is None or not math.isfinite(judgement.shift):
        return ""
    short, reference = lengths
    return (
        f"{name} {unit.figure(judgement.level)} over {_duration(short * value_s)}, "
        f"{unit.figure(judgement.level - judgement.shift)} over the {_duration(reference * value_s)} before"
        f" ({judgement.deviation:.1f} x the learned limit)"
    )


def _duration(seconds: float) -> str:
    if seconds >= 2 * 86_400.0:
        return f"{seconds / 86_400.0:.0f} days"
    if seconds >= 2 * 3600.0:
        return f"{seconds / 3600.0:.0f} h"
    return f"{seconds / 60.0:.0f} min" if seconds >= 120.0 else f"{seconds:.3g} s"
