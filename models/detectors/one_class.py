"""What a one-class detector is: it is fitted to healthy rows and says how far a row lies from them.

Duty: the interface. The detectors there are stand in `models.detectors.catalogue`; a detector knows nothing
of time, channels, limits or labels.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors.columns import State


class Fitted(Protocol):
    """A detector after learning."""

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """`(n,)` scores of `(n, n_columns)` rows, 0 or more, higher is more anomalous.

        NaN for a row without a usable value; holes count as nothing special. Raises ModelError for rows of
        another width, and never for what stands in them.
        """
        ...

    def state(self) -> State:
        """Arrays for the journal or a package; what `restore` makes of them scores the same."""
        ...

    @classmethod
    def restore(cls, state: State) -> Self:
        """A fitted detector from its state. Raises ModelStateError for one that does not fit."""
        ...


class OneClassDetector(Protocol):
    """A detector before learning: its settings. Equal settings and rows give equal scores, bit by bit."""

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        """Learns healthy `rows` `(n, n_columns)`, n at least 1, in order of time.

        `groups` `(n,)` names the session or operating state of each row: a row is judged by the group it
        fits best. Raises ModelError without rows.
        """
        ...
