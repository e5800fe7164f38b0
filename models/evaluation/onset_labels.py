"""When a run to failure began to fail, by three labels, and what alarms were worth against them.

Duty: onset labels with hindsight, to judge by and never to decide by; false events and delays of alarms.
No label is the truth: published onsets of one bearing differ by most of its life, so all three are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float64Array

MERGED = 30  # snapshots: early alarms closer together are one event
EARLY = 5  # noticing this much before the first onset label is the purpose, not an error
MIN_BASELINE = 20
MIN_SNAPSHOTS = 2 * MIN_BASELINE


@dataclass(frozen=True, slots=True)
class Onsets:
    """Snapshot indices of the labels; the number of snapshots where a label is never reached."""

    a: int  # first of 5 consecutive above twice the baseline's median
    b: int  # after it the running median never returns below baseline mean + 4 standard deviations
    c: int  # the best single change point of the logarithm

    @property
    def first(self) -> int:
        """The earliest label."""
        return min(self.a, self.b, self.c)


@dataclass(frozen=True, slots=True)
class AlarmsJudged:
    """What the alarms of one run were worth; delays are None where the failure was not found."""

    false_events: int
    first_alarm: int | None  # snapshot of the first alarm that is no false event
    onsets: Onsets

    def delay(self, label: int) -> int | None:
        """Snapshots from an onset label to the alarm; negative where it came before."""
        return None if self.first_alarm is None else self.first_alarm - label


def baseline_snapshots(n: int) -> int:
    """How many of `n` snapshots are the baseline: a tenth, at least 20."""
    return max(MIN_BASELINE, n // 10)


def onset_labels(rms: Float64Array) -> Onsets:
    """Labels of one run from its largest RMS over channels per snapshot, `(n,)`, n at least 40."""
    n, baseline = len(rms), baseline_snapshots(len(rms))
    above = rms > 2.0 * np.median(rms[:baseline])
    a = next((i for i in range(n - 4) if above[i : i + 5].all()), n)
    smooth = np.array([np.median(rms[max(0, i - 5) : i + 6]) for i in range(n)])
    below = np.flatnonzero(smooth < rms[:baseline].mean() + 4.0 * rms[:baseline].std())
    b = int(below[-1]) + 1 if len(below) else 0
    return Onsets(a, b, _change_point(np.log(np.maximum(rms, 1e-12))))


def _change_point(values: Float64Array) -> int:
    """Index that splits `values` into two constants with the least squared error."""
    n = len(values)
    sums, squares = np.cumsum(values), np.cumsum(values * values)
    k = np.arange(2, n - 2)
    left = squares[k - 1] - sums[k - 1] ** 2 / k
    right = squares[-1] - squares[k - 1] - (sums[-1] - sums[k - 1]) ** 2 / (n - k)
    return int(k[np.argmin(left + right)])


def judge_alarms(alarms: Sequence[int], onsets: Onsets) -> AlarmsJudged:
    """`alarms` are the ascending snapshots at which an alarm stood."""
    bound = onsets.first - EARLY
    early = [at for at in alarms if at < bound]
    false_events = sum(1 for i, at in enumerate(early) if i == 0 or at - early[i - 1] > MERGED)
    return AlarmsJudged(false_events, next((at for at in alarms if at >= bound), None), onsets)
