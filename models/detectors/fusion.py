"""Several detectors as one: each score in units of how it varies on healthy rows, then the mean or minimum.

    s(x) = mean or min over detectors of (s_d(x) - m_d) / w_d,  moved so that it is not below 0

m_d and w_d are the median and 1.4826 x MAD of the scores of healthy rows that were left out: blocks of
time in turn, scored by a fit to the others. No label of a fault takes part. The mean asks detectors to
agree on average, the minimum asks each of them. Source: arXiv 2606.19269; Aggarwal & Sathe, SIGKDD
Explor. 17 (2015) 24. Cost and memory: the sum over its detectors; fitting costs blocks + 1 fits of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors.columns import State, array_of, group_labels
from models.detectors.isolation import FittedIsolation
from models.detectors.knn import FittedKnn
from models.detectors.mahalanobis import FittedMahalanobis
from models.detectors.one_class import Fitted, OneClassDetector
from models.detectors.pca import FittedPca
from models.detectors.robust import FittedRobust
from models.errors import ModelError, ModelStateError

_FITTED: Mapping[str, type[Fitted]] = MappingProxyType(
    {
        "robust": FittedRobust,
        "mahalanobis": FittedMahalanobis,
        "pca": FittedPca,
        "knn": FittedKnn,
        "isolation": FittedIsolation,
    }
)
BLOCKS = 4


class Rule(StrEnum):
    """How normalised scores become one."""

    MEAN = "mean"
    MINIMUM = "min"


@dataclass(frozen=True, slots=True)
class FusedDetector:
    """Settings of a fusion: its detectors by kind, and the rule."""

    parts: Mapping[str, OneClassDetector]
    rule: Rule = Rule.MEAN

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedFusion:
        """See `OneClassDetector.fit`."""
        return self.fit_and_judge(rows, groups)[0]

    def fit_and_judge(
        self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None
    ) -> tuple[FittedFusion, Float64Array]:
        """The fitted fusion, and `(n,)` what it would have said of each row without its block of time.

        Raises ModelError without rows.
        """
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        if len(values) == 0 or values.shape[1] == 0:
            raise ModelError(f"rows have shape {values.shape}; expected at least one row and one column")
        labels = group_labels(groups, len(values))
        left_out = [left_out_scores(part, values, labels) for part in self.parts.values()]
        scales = [healthy_scale(scores) for scores in left_out]
        fitted = FittedFusion(
            {name: part.fit(values, labels) for name, part in self.parts.items()},
            np.array([middle for middle, _ in scales]),
            np.array([width for _, width in scales]),
            self.rule,
        )
        return fitted, fitted.fused(np.array(left_out))


@dataclass(frozen=True, slots=True, eq=False)
class FittedFusion:
    """A fusion after learning."""

    parts: Mapping[str, Fitted]
    middle: Float64Array  # (n_parts,)
    width: Float64Array
    rule: Rule

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; unit: widths of the healthy scores."""
        return self.fused(np.array([part.score(rows) for part in self.parts.values()]))

    def fused(self, scores: Float64Array) -> Float64Array:
        """`(n,)` one score of the parts' own, `(n_parts, n)`."""
        z = (scores - self.middle[:, None]) / self.width[:, None]
        fused = z.mean(axis=0) if self.rule is Rule.MEAN else z.min(axis=0)
        result: Float64Array = fused - self.least
        return np.where(np.isnan(result), np.nan, np.maximum(result, 0.0))

    @property
    def least(self) -> float:
        """The fused value of a row that no detector finds at all unusual (scores of 0)."""
        zero = -self.middle / self.width
        return float(zero.mean() if self.rule is Rule.MEAN else zero.min())

    def state(self) -> State:
        """See `Fitted.state`; a part's arrays are named `kind.array`."""
        arrays: State = {
            f"{kind}.{name}": array
            for kind, part in self.parts.items()
            for name, array in part.state().items()
        }
        if unknown := sorted(set(self.parts) - set(_FITTED)):
            raise ModelStateError(f"a fusion with {', '.join(unknown)} is not one that can be kept")
        order = [list(_FITTED).index(kind) for kind in self.parts]
        return arrays | {
            "middle": self.middle,
            "width": self.width,
            "kinds": np.array(order, dtype=np.int64),
            "rule": np.array(list(Rule).index(self.rule)),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        kinds = array_of(state, "kinds", 1).astype(np.int64)
        rule = int(array_of(state, "rule", 0).astype(np.int64))
        middle, width = (array_of(state, name, 1).astype(np.float64) for name in ("middle", "width"))
        if len(kinds) == 0 or ((kinds < 0) | (kinds >= len(_FITTED))).any() or rule not in (0, 1):
            raise ModelStateError(f"fusion of kinds {kinds.tolist()} by rule {rule} is not known")
        if (
            not (len(middle) == len(width) == len(kinds))
            or not (width > 0).all()
            or not np.isfinite(middle).all()
        ):
            raise ModelStateError("the fusion's scales do not fit its detectors")
        parts: dict[str, Fitted] = {}
        for kind in (list(_FITTED)[index] for index in kinds):
            prefix = f"{kind}."
            parts[kind] = _FITTED[kind].restore(
                {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
            )
        return cls(parts, middle, width, list(Rule)[rule])


def left_out_scores(
    detector: OneClassDetector, rows: Float64Array, labels: npt.NDArray[np.int64], blocks: int = BLOCKS
) -> Float64Array:
    """`(n,)` scores of healthy rows by a detector fitted without their block of time, else NaN.

    Each group's rows are cut into `blocks` stretches; the same stretch of every group is left out at once, so
    that each group stays represented.
    """
    block = np.zeros(len(rows), dtype=np.int64)
    for group in range(int(labels.max()) + 1):
        inside = np.flatnonzero(labels == group)
        block[inside] = np.arange(len(inside)) * blocks // max(len(inside), 1)
    scores = np.full(len(rows), np.nan)
    for out in range(blocks):
        judged = block == out
        if judged.any() and (~judged).any():
            fitted = detector.fit(rows[~judged], labels[~judged])
            for group in np.unique(labels[judged]):  # a detector may look at the rows before a row
                own = judged & (labels == group)
                scores[own] = fitted.score(rows[own])
    return scores


def healthy_scale(scores: Float64Array) -> tuple[float, float]:
    """Median of healthy scores and 1.4826 x MAD, at least a hundredth of the median; (0, 1) for none."""
    seen = scores[np.isfinite(scores)]
    if len(seen) == 0:
        return 0.0, 1.0
    middle = float(np.median(seen))
    width = 1.4826 * float(np.median(np.abs(seen - middle)))
    width = max(width, 0.01 * abs(middle))
    return middle, width if width > 0.0 else 1.0
