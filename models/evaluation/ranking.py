"""How well scores rank faulty above healthy: areas under the ROC curve and what they may be by chance.

Duty: the metrics of the protocols `one_class` and `one_class_by_speed`. Pure arithmetic on scores; NaN ranks
lowest, for a row that cannot be scored raises no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array

RESAMPLES = 1000
MEDIAN_OF = 10


def auroc(healthy: npt.ArrayLike, faulty: npt.ArrayLike) -> float | None:
    """Chance that a faulty score is above a healthy one, ties count half; None where either is missing."""
    low, high = _sorted(healthy), _sorted(faulty)
    if len(low) == 0 or len(high) == 0:
        return None
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.sum()) / (2.0 * len(low) * len(high))


def pauc(healthy: npt.ArrayLike, faulty: npt.ArrayLike, largest_rate: float = 0.1) -> float | None:
    """Area under the ROC curve up to a false-alarm rate, standardised: 0.5 is chance, 1 is all.

    (1 + (A - min) / (max - min)) / 2, min = rate^2 / 2, max = rate. McClish, Med. Decis. Making 9 (1989) 190.
    """
    low, high = _sorted(healthy), _sorted(faulty)
    if len(low) == 0 or len(high) == 0:
        return None
    thresholds = np.unique(np.concatenate([low, high]))[::-1]
    false_rate = np.concatenate([[0.0], 1.0 - np.searchsorted(low, thresholds, side="left") / len(low)])
    true_rate = np.concatenate([[0.0], 1.0 - np.searchsorted(high, thresholds, side="left") / len(high)])
    stop = int(np.searchsorted(false_rate, largest_rate, side="right"))
    at_stop = float(np.interp(largest_rate, false_rate, true_rate))
    x = np.append(false_rate[:stop], largest_rate)
    y = np.append(true_rate[:stop], at_stop)
    area = float(np.trapezoid(y, x))
    least, most = largest_rate**2 / 2.0, largest_rate
    return 0.5 * (1.0 + (area - least) / (most - least))


def medians_of(scores: Float64Array, length: int = MEDIAN_OF) -> Float64Array:
    """`(n // length,)` medians of stretches of consecutive scores; what is left at the end is not used."""
    whole = len(scores) // length * length
    filled = np.where(np.isnan(scores[:whole]), -np.inf, scores[:whole])
    result: Float64Array = np.median(filled.reshape(-1, length), axis=1)
    return result


def interval_by_group(
    healthy: Sequence[Float64Array], faulty: Sequence[Float64Array], seed: int
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the pooled AUROC, whole groups drawn with replacement (sessions, speeds).

    A side that has one group only is drawn score by score: then the interval tells nothing of other sessions.
    """
    low = [part for part in healthy if len(part)]
    high = [part for part in faulty if len(part)]
    if not low or not high:
        return None
    chance = np.random.Generator(np.random.PCG64(seed))
    areas = []
    for _ in range(RESAMPLES):
        area = auroc(np.concatenate(_drawn(low, chance)), np.concatenate(_drawn(high, chance)))
        areas.append(0.0 if area is None else area)
    lower, upper = np.quantile(areas, (0.025, 0.975))
    return float(lower), float(upper)


def interval_of_mean(values: Sequence[float], seed: int) -> tuple[float, float] | None:
    """95 % bootstrap interval of a mean over folds; None below two folds."""
    if len(values) < 2:
        return None
    chance = np.random.Generator(np.random.PCG64(seed))
    drawn = chance.choice(np.asarray(values), (RESAMPLES, len(values)))
    lower, upper = np.quantile(drawn.mean(axis=1), (0.025, 0.975))
    return float(lower), float(upper)


def _drawn(groups: list[Float64Array], chance: np.random.Generator) -> list[Float64Array]:
    if len(groups) == 1:
        return [groups[0][chance.integers(0, len(groups[0]), len(groups[0]))]]
    return [groups[index] for index in chance.integers(0, len(groups), len(groups))]


def _sorted(scores: npt.ArrayLike) -> Float64Array:
    values = np.asarray(scores, dtype=np.float64)
    result: Float64Array = np.sort(np.where(np.isnan(values), -np.inf, values))
    return result
