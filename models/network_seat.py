"""Where a network judges the windows of one machine: who sits there may change between two windows.

Duty: ask the network that is present for many rows in one call, keep the answers until their windows are
judged, and tell a shadow what every window was given. Runs nothing, decides nothing about who is present.

Rows are asked of it ahead, all channels' in one call, so that what a call costs, and what a lost runtime
costs before it is given up, is paid once and not once per channel. A row whose call failed is not asked
again: its window has a deadline, and the statistical detector answers. So it does where a network needs the
rows before a row and they are not there yet, or a log spectrum that nobody knew would be wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def _unheard(baseline: Baseline, features: FeatureVector, value: float) -> None:
    """There is no shadow."""


def _nobody() -> None:
    """There is no judge in the shadow."""


class NetworkSeat:
    """Asks whoever is present. One thread at a time: a machine's analysis."""

    def __init__(self, present: Present, told: Told = _unheard, beside: Present = _nobody) -> None:
        """`told` gets of every window that was judged the baseline, what whoever is in the shadow (`beside`)
        reads of it, and the score."""
        self._present = present
        self._told = told
        self._beside = beside
        self._spectra: Mapping[tuple[str, int], FeatureVector] = {}  # by channel and time, of the windows due
        self._answers: dict[_Key, SeatScore | None] = {}  # None: the call failed, or no score yet
        self._history: RowHistory | None = None  # of whoever sits there, where a row is not enough for him
        self._asked: NetworkJudge | None = None
        self._fit: dict[tuple[tuple[str, ...], str], bool] = {}  # whether it was made for such features

    @property
    def wants_log_spectra(self) -> bool:
        """Whether anybody here reads windows' log spectra: only then they are to be given ahead."""
        return any(
            judge is not None and judge.reads_log_spectrum for judge in (self._present(), self._beside())
        )

    def ask_ahead(
        self, rows: Sequence[tuple[Baseline, FeatureVector]], spectra: Sequence[FeatureVector] = ()
    ) -> None:
        """Ask for windows in one call, each with the baseline it is scored against, in order of time.

        `spectra`: their log spectra, where these are wanted. Answers that nobody took are forgotten.
        """
        self._answers = {}
        self._spectra = {(one.channel_id, one.start_ns): one for one in spectra}
        judge = self._present()
        if judge is None:
            return
        fitting = [(baseline, features) for baseline, features in rows if self._fits(judge, features)]
        if fitting:
            self._ask(judge, fitting)

    def told(self, baseline: Baseline, features: FeatureVector, value: float) -> None:
        """A window was given this score. Whoever came into the shadow since its log spectrum would have been
        computed is not told."""
        beside = self._beside()
        read = features if beside is None else self._read(beside, features)
        if read is not None:
            self._told(baseline, read, value)

    def score(self, baseline: Baseline, features: FeatureVector) -> SeatScore | None:
        """The score of a window; None where nobody is present, fits, or answers."""
        key = _key(baseline, features)
        if key in self._answers:
            return self._answers[key]
        judge = self._present()
        if judge is None or not self._fits(judge, features):
            return None
        self._ask(judge, [(baseline, features)])
        return self._answers.pop(key)

    def _ask(self, judge: NetworkJudge, rows: Sequence[tuple[Baseline, FeatureVector]]) -> None:
        self._answers.update(dict.fromkeys(_key(baseline, features) for baseline, features in rows))
        reads = [self._read(judge, features) for _, features in rows]
        items = [
            (one, read, None if read is None else self._item(one[0], read))
            for one, read in zip(rows, reads, strict=True)
        ]
        ready = [(one, read, item) for one, read, item in items if read is not None and item is not None]
        if not ready:
            return
        keys = [_key(*one) for one, _, _ in ready]
        try:
            inputs = [judge.inputs(one[0], item[np.newaxis], read.names) for one, read, item in ready]
            found: NetworkAnswer = judge.answer(np.concatenate(inputs))
        except ModelError:
            return
        for key, value in zip(keys, found.scores.tolist(), strict=True):
            self._answers[key] = SeatScore(value, judge.name, found.backend)

    def _item(self, baseline: Baseline, features: FeatureVector) -> Float32Array | None:
        """What a network must be given of a window; None where it must see more of the channel first."""
        return features.values if self._history is None else self._history.item(baseline, features)

    def _read(self, judge: NetworkJudge, features: FeatureVector) -> FeatureVector | None:
        """What a judge reads of a window; None for a log spectrum that is not there."""
        if not judge.reads_log_spectrum:
            return features
        return self._spectra.get((features.channel_id, features.start_ns))

    def _fits(self, judge: NetworkJudge, features: FeatureVector) -> bool:
        """Whether the judge was made for what there is of a window; each question is answered once."""
        if self._asked is not judge:
            self._asked, self._fit = judge, {}
            self._history = RowHistory(judge.steps) if judge.steps else None
        read = self._read(judge, features)
        if read is None:
            return False
        key = (read.names, read.extractor_version)
        if key not in self._fit:
            try:
                judge.require({read.extractor_version: read.names})
            except ModelError:
                self._fit[key] = False
            else:
                self._fit[key] = True
        return self._fit[key]


def _key(baseline: Baseline, features: FeatureVector) -> _Key:
    return id(baseline), features.start_ns, features.values.tobytes()
