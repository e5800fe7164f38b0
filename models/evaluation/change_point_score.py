"""The score of the Numenta Anomaly Benchmark for change points: how many were found, and how soon.

Duty: the figure `nab`. Standard profile of Lavin and Ahmad (ICMLA 2015, section II): the first detection in
a change's window earns by a sigmoid of its place in it, each detection outside costs 0.11, a window without
one costs 1; 0 is the score of saying nothing, 100 that of every change found at once. The window is as in
SKAB's table: it begins at the change and lasts 60 s, the sigmoid (tanh over -pi/2..pi/2) falls from 1 at its
start to -0.11 at its end, and where windows overlap the later one begins where the earlier one ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW_S = 60.0
FALSE_POSITIVE = -0.11
MISSED = -1.0


@dataclass(frozen=True, slots=True)
class ChangePointCount:
    """One file's result, to be pooled: `earned` is the raw score."""

    earned: float
    changes: int
    found: int
    false: int


def count_change_points(
    changes_s: Sequence[float], detections_s: Iterable[float], window_s: float = WINDOW_S
) -> ChangePointCount:
    """Result of one file, from ascending times of the true changes and of what was detected."""
    detections = sorted(detections_s)
    earned, found = 0.0, 0
    inside: set[int] = set()
    end = -math.inf
    for change in changes_s:
        start, end = max(change, end), change + window_s
        here = [i for i, at in enumerate(detections) if start <= at <= end]
        if not here:
            earned += MISSED
            continue
        earned += _reward(detections[here[0]], start, end)
        found += 1
        inside.update(here)
    false = len(detections) - len(inside)
    return ChangePointCount(earned + FALSE_POSITIVE * false, len(changes_s), found, false)


def nab_score(counts: Iterable[ChangePointCount]) -> float | None:
    """The pooled score, at most 100; None without a change."""
    counts = list(counts)
    changes = sum(count.changes for count in counts)
    if changes == 0:
        return None
    earned = sum(count.earned for count in counts)
    return 100.0 * (earned - MISSED * changes) / (changes - MISSED * changes)


def _reward(at: float, start: float, end: float) -> float:
    """1 at the window's start, 0.445 in its middle, -0.11 at its end."""
    place = (at - start) / (end - start) if end > start else 0.0
    fall = math.tanh(math.pi * (place - 0.5)) / math.tanh(math.pi / 2.0)
    return FALSE_POSITIVE + (1.0 - FALSE_POSITIVE) * (1.0 - fall) / 2.0
