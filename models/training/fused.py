"""A network and a statistical detector as one column of an evaluation: do they say more together?

Duty: the fusion that `models.detectors.fusion` makes of any detectors, with the limit that a network's column
has: its scores are in limits, 1.0 may be an alarm. Reads no label; nothing is tuned.

Limit and scale of the parts come from healthy rows alone, each judged by what the other blocks of time teach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors import fusion
from models.detectors.columns import State, group_labels
from models.detectors.one_class import Fitted, OneClassDetector
from models.errors import ModelStateError, TooFewRowsError
from models.training.judging import fitted_limit

LEAST_LEFT_OUT = 5  # scores of healthy rows: the running median of a limit takes as many


@dataclass(frozen=True, slots=True)
class FusedDetector:
    """The mean of its parts' scores, each in units of how it varies on healthy rows."""

    parts: Mapping[str, OneClassDetector]

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        """See `OneClassDetector.fit`. Raises TooFewRowsError where a part cannot be taught without a block of
        time, or says too little of what was left out."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        labels = group_labels(groups, len(values))
        fitted, healthy = fusion.FusedDetector(self.parts).fit_and_judge(values, labels)
        scored = int(np.isfinite(healthy).sum())
        if scored < LEAST_LEFT_OUT:
            raise TooFewRowsError(
                f"abstains: fused, {scored} of {len(values)} rows have a score while their block of time is"
                f" left out; needs {LEAST_LEFT_OUT}"
            )
        return FittedFused(fitted, fitted_limit(healthy, labels))


@dataclass(frozen=True, slots=True, eq=False)
class FittedFused:
    """A fusion after learning."""

    fitted: Fitted
    limit: float

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; in limits."""
        return self.fitted.score(rows) / self.limit

    def state(self) -> State:
        """Raises ModelStateError: it is made for an evaluation and not kept."""
        raise ModelStateError("a fusion with a network is made for an evaluation and cannot be kept")

    @classmethod
    def restore(cls, state: State) -> Self:
        """Raises ModelStateError; see `state`."""
        raise ModelStateError("a fusion with a network is made for an evaluation and cannot be kept")
