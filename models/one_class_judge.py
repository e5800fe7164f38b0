"""A one-class detector in the place of the robust baseline's statistic: the same rows, another distance.

Duty: fit a detector of `models.detectors.catalogue` to the rows of one channel and operating state, find the
limit of its scores out of sample, and give scores in units of that limit. When rows are learned and what a
score leads to is `models.detector`'s to say. Off unless a person chooses one: see models/README.md.

Nothing of it is stored: equal rows and settings give equal scores, so it is fitted again from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.baseline import Baseline, on_scale, running_median
from models.detectors.catalogue import detectors
from models.detectors.columns import ScaleRules
from models.detectors.one_class import Fitted, OneClassDetector
from models.errors import ModelStateError

JudgeName = Literal["robust", "mahalanobis", "pca", "knn", "isolation"]
ROBUST: Literal["robust"] = "robust"  # the baseline's own statistic: nothing is fitted beside it

LIMIT_MARGIN = 1.5  # as the robust baseline's: times the largest that healthy running showed
LEAST_SHARE = 0.5  # and never less than this share above the usual score: a machine may be very steady
# A fall of a level counts at most one spread: it is a load change or a loose sensor, not a failing machine.
SCALE = ScaleRules(floor=0.5, fall_cap=1.0)
MOST_ROWS = 256  # that are kept of one operating state, to be fitted again after a restart
LEAST_ROWS = 12
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)


@dataclass(frozen=True, slots=True, eq=False)
class OneClassJudge:
    """A fitted detector with the scores that healthy running gives it."""

    name: str
    fitted: Fitted
    usual: float  # median of healthy scores, out of sample: 0 in units of the limit
    limit: float  # 1 in units of the limit

    def scores(self, baseline: Baseline, batch: Float32Array) -> Float64Array:
        """`(n,)` scores of feature rows, 0 or more, 1.0 = limit; NaN for a row that states nothing."""
        raw = self.fitted.score(_rows(baseline, batch))
        result: Float64Array = np.maximum(raw - self.usual, 0.0) / (self.limit - self.usual)
        return result


def fit_judge(name: str, baseline: Baseline, rows: Float32Array) -> OneClassJudge:
    """The detector `name`, fitted to learned `rows` `(n, n_features)` in order of time.

    Its limit is never found in sample: each half is judged by what the other half teaches. Raises
    ModelStateError for a name that there is none of, and below 12 rows.
    """
    table = detectors(SCALE)
    if name not in table:
        raise ModelStateError(f"there is no detector {name!r}; there are {', '.join(sorted(table))}")
    return fit_judge_of(table[name], name, baseline, rows)


def fit_judge_of(
    detector: OneClassDetector, name: str, baseline: Baseline, rows: Float32Array
) -> OneClassJudge:
    """`fit_judge` of a detector that need not be in the catalogue."""
    values = _rows(baseline, rows)
    if len(values) < LEAST_ROWS:
        raise ModelStateError(f"{name} was given {len(values)} rows to learn; {LEAST_ROWS} are needed")
    half = len(values) // 2
    healthy = []
    for learn, judge in ((values[:half], values[half:]), (values[half:], values[:half])):
        seen = running_median(detector.fit(learn).score(judge), 5)
        healthy.append(seen[np.isfinite(seen)])
    seen = np.concatenate(healthy)
    usual = float(np.median(seen)) if len(seen) else 0.0
    largest = float(seen.max()) if len(seen) else 0.0
    over = LIMIT_MARGIN * max(largest - usual, LEAST_SHARE * usual, 1e-9)
    return OneClassJudge(name, detector.fit(values), usual, usual + over)


def _rows(baseline: Baseline, batch: Float32Array) -> Float64Array:
    """The features that the baseline scores, on their scales; the others are holes."""
    return on_scale(batch, baseline.scales)
