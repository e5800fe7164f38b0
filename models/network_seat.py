"""Where a network judges the windows of one machine: who sits there may change between two windows.

Duty: ask the network that is present for many rows in one call, keep the answers until their windows are
judged, and tell a shadow what every window was given. Runs nothing, decides nothing about who is present.

Rows are asked of it ahead, all channels' in one call, so that what a call costs, and what a lost runtime
costs before it is given up, is paid once and not once per channel. A row whose call failed is not asked
again: its window has a deadline, and the statistical detector answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float32Array
from models.baseline import Baseline
from models.errors import ModelError
from models.network_judge import NetworkAnswer, NetworkJudge

Present = Callable[[], NetworkJudge | None]
Told = Callable[[Baseline, Float32Array, float], None]
_Key = tuple[int, bytes]  # which baseline, which row


@dataclass(frozen=True, slots=True)
class SeatScore:
    """The score of one row by a network: 1.0 = limit, NaN where the row states nothing."""

    value: float
    judge: str  # name and version of the model
    backend: str


def _nobody(baseline: Baseline, batch: Float32Array, value: float) -> None:
    """There is no shadow."""


class NetworkSeat:
    """Asks whoever is present. One thread at a time: a machine's analysis."""

    def __init__(self, present: Present, told: Told = _nobody) -> None:
        """`told` gets baseline, row `(1, n_features)` and score of every window that was judged."""
        self._present = present
        self.told = told
        self._answers: dict[_Key, SeatScore | None] = {}  # None: the call failed
        self._asked: NetworkJudge | None = None
        self._fit: dict[tuple[tuple[str, ...], str], bool] = {}  # whether it was made for such features

    def ask_ahead(self, rows: Sequence[tuple[Baseline, Float32Array, str]]) -> None:
        """Ask for rows `(n_features,)` in one call, each with its channel's baseline and extractor version.

        Answers of before that nobody took are forgotten.
        """
        self._answers = {}
        judge = self._present()
        if judge is None:
            return
        fitting = [
            (baseline, row)
            for baseline, row, version in rows
            if self._fits(judge, baseline.feature_names, version)
        ]
        if fitting:
            self._ask(judge, fitting)

    def score(self, baseline: Baseline, batch: Float32Array, extractor_version: str) -> SeatScore | None:
        """The score of a row `(1, n_features)`; None where nobody is present, fits, or answers."""
        key = _key(baseline, batch[0])
        if key in self._answers:
            return self._answers[key]
        judge = self._present()
        if judge is None or not self._fits(judge, baseline.feature_names, extractor_version):
            return None
        self._ask(judge, [(baseline, batch[0])])
        return self._answers.pop(key)

    def _ask(self, judge: NetworkJudge, rows: Sequence[tuple[Baseline, Float32Array]]) -> None:
        keys = [_key(baseline, row) for baseline, row in rows]
        try:
            inputs = [judge.inputs(baseline, row[np.newaxis, :]) for baseline, row in rows]
            found: NetworkAnswer = judge.answer(np.concatenate(inputs))
        except ModelError:
            self._answers.update(dict.fromkeys(keys))
            return
        for key, value in zip(keys, found.scores.tolist(), strict=True):
            self._answers[key] = SeatScore(value, judge.name, found.backend)

    def _fits(self, judge: NetworkJudge, names: tuple[str, ...], extractor_version: str) -> bool:
        """Whether the judge was made for these features; each question is answered once."""
        if self._asked is not judge:
            self._asked, self._fit = judge, {}
        key = (names, extractor_version)
        if key not in self._fit:
            try:
                judge.require(names, extractor_version)
            except ModelError:
                self._fit[key] = False
            else:
                self._fit[key] = True
        return self._fit[key]


def _key(baseline: Baseline, row: Float32Array) -> _Key:
    return id(baseline), row.tobytes()
