"""Networks over a run to failure: what each would have scored, had it been taught by the run's own baseline.

Duty: the same as the optional detectors do live (`models.one_class_judge`): fitted to the rows of one channel
that the baseline learned, a limit out of sample, then every later row, by itself and the rows before it.
Judges no alarm and reads no label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dsp.framing import WindowBatch
from dsp.log_spectrum import log_spectrum_extractor
from dsp.samples import Float32Array, Float64Array, Quality
from models.baseline import Baseline, BaselineRules, fit
from models.cumulative_sum import CumulativeSum, CumulativeSumRules
from models.detectors.one_class import OneClassDetector
from models.errors import TooFewRowsError
from models.evaluation.onset_labels import EARLY, Onsets
from models.evaluation.protocol import Waveforms
from models.evaluation.ranking import auroc
from models.feature_words import scale_of
from models.one_class_judge import LEAST_ROWS, fit_judge_of

CHUNK = 64  # snapshots whose features are computed together
STATE = "no tags"


@dataclass(frozen=True, slots=True, eq=False)
class ChannelRows:
    """One channel of a run: a row per snapshot, in order of time."""

    values: Float32Array  # (n_snapshots, n_features)
    learned: int  # of these the baseline learned the first
    baseline: Baseline


@dataclass(frozen=True, slots=True, eq=False)
class NetworkRun:
    """What one column made of one run."""

    score: Float64Array  # (n_snapshots,) largest over the channels, 1.0 = limit; NaN where there is none
    stood: tuple[int, ...]  # snapshots at which an alarm stood
    abstains: str = ""  # why there is no score at all


def snapshot_batch(waveforms: Waveforms, channel: int, first: int, length: int) -> WindowBatch:
    """The next snapshots of a channel as windows of `length` samples, side by side in time."""
    chunk = waveforms.stretches[first : first + CHUNK]
    duration_ns = math.ceil(length / waveforms.sample_rate_hz * 1e9)
    return WindowBatch(
        channel_ids=(str(channel),) * len(chunk),
        start_ns=tuple(i * duration_ns for i in range(first, first + len(chunk))),
        sample_rate_hz=(waveforms.sample_rate_hz,) * len(chunk),
        samples=np.ascontiguousarray([stretch[:length, channel] for stretch in chunk], dtype=np.float32),
        qualities=(Quality.GOOD,) * len(chunk),
        operating_states=(STATE,) * len(chunk),
    )


def log_spectra(waveforms: Waveforms, channel: int, length: int, learned: int) -> ChannelRows:
    """A channel's log spectra, with a baseline of those of the same snapshots that taught its features."""
    extractor = log_spectrum_extractor(waveforms.sample_rate_hz, length, waveforms.unit)
    firsts = range(0, len(waveforms.stretches), CHUNK)
    values = np.array([
        vector.values
        for first in firsts
        for vector in extractor.extract(snapshot_batch(waveforms, channel, first, length))
    ])  # fmt: skip
    scales = [scale_of(name) for name in extractor.names]
    baseline = fit(values[:learned], extractor.names, scales, BaselineRules())
    return ChannelRows(values, learned, baseline)


def network_runs(
    detectors: Mapping[str, OneClassDetector], channels: Sequence[ChannelRows], rules: CumulativeSumRules
) -> dict[str, NetworkRun]:
    """By column; a column whose detector cannot be taught by so few rows says so."""
    n = max((len(channel.values) for channel in channels), default=0)
    found: dict[str, NetworkRun] = {}
    for name, detector in detectors.items():
        score, stood = np.full(n, np.nan), np.zeros(n, np.bool_)
        try:
            for channel in channels:
                own = _scores(name, detector, channel)
                score = np.fmax(score, own)
                stood |= _standing(own, rules)
        except TooFewRowsError as error:
            found[name] = NetworkRun(np.full(n, np.nan), (), str(error))
            continue
        found[name] = NetworkRun(score, tuple(int(i) for i in np.flatnonzero(stood)))
    return found


def run_area(score: Float64Array, onsets: Onsets, learned: int) -> float | None:
    """Area under the ROC curve: snapshots after onset B against those from the baseline's end to the first
    onset that any label sees. None where either are missing."""
    seen = np.isfinite(score)
    place = np.arange(len(score))
    healthy = seen & (place >= learned) & (place < onsets.first - EARLY)
    return auroc(score[healthy], score[seen & (place >= onsets.b)])


def _scores(name: str, detector: OneClassDetector, channel: ChannelRows) -> Float64Array:
    """`(n_snapshots,)` scores of a channel, NaN while it is learned."""
    learned = channel.values[: channel.learned]
    learned = learned[np.isfinite(learned).any(axis=1)]
    if len(learned) < LEAST_ROWS:
        raise TooFewRowsError(f"abstains: {len(learned)} rows of a channel's baseline; needs {LEAST_ROWS}")
    judge = fit_judge_of(detector, name, channel.baseline, learned)
    scores = judge.scores(channel.baseline, channel.values)
    scores[: channel.learned] = np.nan
    return scores


def _standing(score: Float64Array, rules: CumulativeSumRules) -> np.ndarray:
    """Whether an alarm stands after each snapshot, by the live test; not while it only waits to be over."""
    test = CumulativeSum(rules)
    stood = np.zeros(len(score), np.bool_)
    for i in np.flatnonzero(np.isfinite(score)):
        test.observe(float(score[i]))
        stood[i] = test.value >= 1.0
    return stood
