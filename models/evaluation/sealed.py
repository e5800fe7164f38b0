"""A unit's label, sealed until every decision on the unit is written.

Duty: the order of deciding and looking. `write` decisions first, then `reveal`; after that nothing more can
be written. What training may know (is this unit healthy, is its state unknown at all) is asked without
revealing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import EvaluationError


class RevealedLabel:
    """What is known of a unit: the manifest's `label`, and label columns or codes inside the file.

    `columns` are arrays of the file that are labels: "anomaly" and "changepoint" `(n_rows,)`.
    """

    __slots__ = ("columns", "label")

    def __init__(
        self, label: Mapping[str, Any], columns: Mapping[str, npt.NDArray[Any]] | None = None
    ) -> None:
        self.label = dict(label)
        self.columns = {name: np.asarray(values) for name, values in (columns or {}).items()}

    @property
    def state(self) -> str:
        """`label.state` in lower case, "" where nobody wrote one."""
        return str(self.label.get("state") or "").strip().lower()

    @property
    def fault(self) -> str | None:
        """`label.fault`, None where there is none."""
        fault = self.label.get("fault")
        return None if fault is None else str(fault)

    @property
    def grade(self) -> str:
        """How far the fault can be diagnosed, where somebody rated it: "Y1", "P2", "N1", else ""."""
        return str(self.label.get("grade") or "")


class SealedLabel:
    """Keeps a RevealedLabel until decisions are written.

    Raises EvaluationError for a reveal without a decision, a second decision of one variant, and a decision
    after the reveal.
    """

    __slots__ = ("_decisions", "_revealed", "_truth")

    def __init__(self, truth: RevealedLabel) -> None:
        self._truth = truth
        self._decisions: dict[str, Any] = {}
        self._revealed = False

    @property
    def trains(self) -> bool:
        """True where the unit's state is stated as healthy: the one thing that training may ask."""
        return self._truth.state == "healthy"

    @property
    def unknown(self) -> bool:
        """True where the state is "unknown": such a unit is not scored."""
        return self._truth.state == "unknown"

    def taught(self) -> RevealedLabel:
        """The truth, for a supervised model that learns from this unit, to judge others.

        Where folds take turns a unit judges in one and teaches in the others: the protocol must see to it
        that no model decides on a unit that taught it. For decisions on this unit the label stays sealed.
        """
        return self._truth

    def write(self, variant: str, decision: object) -> None:
        """Write one variant's decision (a score, an alarm series, a diagnosis) on this unit."""
        if self._revealed:
            raise EvaluationError(f"{variant}: a decision after the label was seen does not count")
        if variant in self._decisions:
            raise EvaluationError(f"{variant}: its decision on this unit is written already")
        self._decisions[variant] = decision

    def reveal(self) -> RevealedLabel:
        """The truth; from now on no decision can be written."""
        if not self._decisions:
            raise EvaluationError("write a decision before looking at the label")
        self._revealed = True
        return self._truth

    def decision(self, variant: str) -> Any:
        """What `variant` decided. Raises EvaluationError where it did not."""
        try:
            return self._decisions[variant]
        except KeyError:
            raise EvaluationError(f"{variant} has written no decision on this unit") from None
