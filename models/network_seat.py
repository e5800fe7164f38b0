"""Where a network judges the windows of one machine: who sits there may change between two windows.

Duty: ask the network that is present for many rows in one call, keep the answers until their windows are
judged, and tell a shadow what every window was given. Runs nothing, decides nothing about who is present.

Rows are asked of it ahead, all channels' in one call, so that what a call costs, and what a lost runtime
costs before it is given up, is paid once and not once per channel. A row whose call failed is not asked
again: its window has a deadline, and the statistical detector answers. So it does where a network needs the
rows before a row and they are not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.baseline import Baseline
from models.errors import ModelError
from models.network_judge import NetworkAnswer, NetworkJudge
from models.row_history import RowHistory

Present = Callable[[], NetworkJudge | None]
Told = Callable[[Baseline, FeatureVector, float], None]
_Key = tuple[int, int, bytes]  # which baseline, which window, which row


@dataclass(frozen=True, slots=True)
class SeatScore:
    """The score of one row by a network: 1.0 = limit, NaN where the row states nothing."""

    value: float
    judge: str  # name and version of the model
    backend: str


def _nobody(baseline: Baseline, features: FeatureVector, value: float) -> None:
    """There is no shadow."""


class NetworkSeat:
    """Asks whoever is present. One thread at a time: a machine's analysis."""

    def __init__(self, present: Present, told: Told = _nobody) -> None:
        """`told` gets baseline, features and score of every window that was judged."""
        self._present = present
        self.told = told
        self._answers: dict[_Key, SeatScore | None] = {}  # None: the call failed, or no score yet
        self._history: RowHistory | None = None  # of whoever sits there, where a row is not enough for him
        self._asked: NetworkJudge | None = None
        self._fit: dict[tuple[tuple[str, ...], str], bool] = {}  # whether it was made for such features

    def ask_ahead(self, rows: Sequence[tuple[Baseline, FeatureVector]]) -> None:
        """Ask for windows in one call, each with the baseline it is scored against, in order of time.

        Answers of before that nobody took are forgotten.
        """
        self._answers = {}
        judge = self._present()
        if judge is None:
            return
        fitting = [
            (baseline, features)
            for baseline, features in rows
            if self._fits(judge, baseline.feature_names, features.extractor_version)
        ]
        if fitting:
            self._ask(judge, fitting)

    def score(self, baseline: Baseline, features: FeatureVector) -> SeatScore | None:
        """The score of a window; None where nobody is present, fits, or answers."""
        key = _key(baseline, features)
        if key in self._answers:
            return self._answers[key]
        judge = self._present()
        if judge is None or not self._fits(judge, baseline.feature_names, features.extractor_version):
            return None
        self._ask(judge, [(baseline, features)])
        return self._answers.pop(key)

    def _ask(self, judge: NetworkJudge, rows: Sequence[tuple[Baseline, FeatureVector]]) -> None:
        self._answers.update(dict.fromkeys(_key(baseline, features) for baseline, features in rows))
        items = [(baseline, features, self._item(baseline, features)) for baseline, features in rows]
        keys = [_key(baseline, features) for baseline, features, item in items if item is not None]
        if not keys:
            return
        try:
            inputs = [
                judge.inputs(baseline, item[np.newaxis]) for baseline, _, item in items if item is not None
            ]
            found: NetworkAnswer = judge.answer(np.concatenate(inputs))
        except ModelError:
            return
        for key, value in zip(keys, found.scores.tolist(), strict=True):
            self._answers[key] = SeatScore(value, judge.name, found.backend)

    def _item(self, baseline: Baseline, features: FeatureVector) -> Float32Array | None:
        """What a network must be given of a window; None where it must see more of the channel first."""
        return features.values if self._history is None else self._history.item(baseline, features)

    def _fits(self, judge: NetworkJudge, names: tuple[str, ...], extractor_version: str) -> bool:
        """Whether the judge was made for these features; each question is answered once."""
        if self._asked is not judge:
            self._asked, self._fit = judge, {}
            self._history = RowHistory(judge.steps) if judge.steps else None
        key = (names, extractor_version)
        if key not in self._fit:
            try:
                judge.require(names, extractor_version)
            except ModelError:
                self._fit[key] = False
            else:
                self._fit[key] = True
        return self._fit[key]


def _key(baseline: Baseline, features: FeatureVector) -> _Key:
    return id(baseline), features.start_ns, features.values.tobytes()
