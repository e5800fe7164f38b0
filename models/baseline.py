"""A robust baseline: how far features stand from what was learned. The arithmetic, in one place.

Duty: fit a `Baseline` to healthy rows, deviations and statistic of new rows, and the artefact's bytes.
`BaselineDetector` and the `numpy_reference` backend both call the functions below, so a baseline scores the
same as a detector and as a model package. Knows nothing of time, channels or operating states.

A feature's deviation is (value - median) / spread with spread = 1.4826 x MAD (the consistent estimate of a
normal distribution's standard deviation: Rousseeuw and Croux 1993), never below a floor that states what
change matters physically. The statistic of a window is the mean of its few largest deviations: a fault shows
in some bands, and one noisy band alone must not raise it. Only rises count: a fall of a level is a load
change or a loose sensor, not a failing machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import ArtefactError

BASELINE_FORMAT = "robust-baseline-1"
MAX_ARTEFACT_BYTES = 1 << 20
_MAD_TO_SIGMA = 1.4826
_TINY = 1e-12  # below any physical level: keeps the logarithm of a zero finite


class FeatureScale(StrEnum):
    """The scale in which a feature's deviations are counted."""

    LEVEL = "level"  # positive; counted in dB, 20 log10
    DECIBEL = "decibel"  # already in dB
    LINEAR = "linear"  # counted as it is
    UNUSED = "unused"  # takes no part in the score


@dataclass(frozen=True, slots=True)
class BaselineRules:
    """How a baseline is fitted and read; chosen once for the product, see models/README.md."""

    worst: int = 3  # deviations that the statistic averages
    floor_db: float = 0.5  # smallest spread of a level: 12 x 0.5 dB = twice the level
    floor_linear: float = 0.25
    limit_floor: float = 12.0  # the statistic's limit is never below
    limit_margin: float = 1.5  # nor below this many times the largest seen in healthy running


@dataclass(frozen=True, slots=True)
class Baseline:
    """What healthy rows look like. `centre` and `spread` are in the scale's unit; NaN where unused."""

    feature_names: tuple[str, ...]
    scales: tuple[FeatureScale, ...]
    centre: Float64Array  # (n_features,)
    spread: Float64Array  # (n_features,)
    worst: int
    limit: float  # the statistic at which the score is 1.0


def level_db(values: Float64Array) -> Float64Array:
    """Levels in dB re 1 SI unit; a zero is far down, not minus infinity."""
    with np.errstate(invalid="ignore"):
        decibels: Float64Array = 20.0 * np.log10(np.maximum(values, _TINY))
    return decibels


def on_scale(batch: Float32Array, scales: Sequence[FeatureScale]) -> Float64Array:
    """`(n, n_features)` values on their scales: dB re 1 SI unit, or as they are; NaN for unused ones."""
    values = np.asarray(batch, dtype=np.float64).copy()
    kinds = np.array([str(scale) for scale in scales])
    level = kinds == str(FeatureScale.LEVEL)
    values[:, level] = level_db(values[:, level])
    values[:, kinds == str(FeatureScale.UNUSED)] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def rises(baseline: Baseline, batch: Float32Array) -> Float64Array:
    """`(n, n_features)` difference to the learned centre in the scale's unit (dB for levels), signed."""
    difference: Float64Array = on_scale(batch, baseline.scales) - baseline.centre
    return difference


def deviations(baseline: Baseline, batch: Float32Array) -> Float64Array:
    """`(n, n_features)` rises in units of the learned spread; NaN where a feature says nothing."""
    return rises(baseline, batch) / baseline.spread


def worst_mask(z: Float64Array, worst: int) -> Float64Array:
    """`(n, n_features)` weights that sum to 1 over each row's `worst` largest positive deviations.

    Falls weigh as zeros: with one feature risen and the rest fallen, that rise counts 1/worst.
    """
    filled = np.where(np.isfinite(z), np.maximum(z, 0.0), -1.0)
    count = min(worst, z.shape[1])
    weights = np.zeros_like(filled)
    if count == 0:
        return weights
    order = np.argpartition(-filled, count - 1, axis=1)[:, :count]
    taken = np.take_along_axis(filled, order, axis=1) >= 0.0
    usable = np.maximum(taken.sum(axis=1, keepdims=True), 1)
    np.put_along_axis(weights, order, taken / usable, axis=1)
    return weights


def statistic(z: Float64Array, worst: int) -> Float64Array:
    """`(n,)` mean of each row's `worst` largest deviations, falls counted as 0; NaN for a row without any."""
    values = (worst_mask(z, worst) * np.where(np.isfinite(z), np.maximum(z, 0.0), 0.0)).sum(axis=1)
    result: Float64Array = np.where(np.isfinite(z).any(axis=1), values, np.nan)
    return result


def scores(baseline: Baseline, batch: Float32Array) -> Float32Array:
    """`(n,)` scores, 1.0 = limit; NaN for a row that states no usable feature."""
    raw = statistic(deviations(baseline, batch), baseline.worst) / baseline.limit
    result: Float32Array = raw.astype(np.float32)
    return result


def fit(
    rows: Float32Array, names: tuple[str, ...], scales: Sequence[FeatureScale], rules: BaselineRules
) -> Baseline:
    """A baseline of healthy `rows` `(n_windows, n_features)` in order of time.

    The limit is fitted on the same rows, but never in sample: each half is scored against the other half's
    baseline, running median of 5, and the largest value times a margin is the limit, where that is above
    the floor. A machine that changed while it was learned thus gets a wider limit, not a false alarm.
    """
    values = on_scale(rows, scales)
    half = len(values) // 2
    largest = 0.0
    if half >= 3:
        for learn, judge in ((values[:half], values[half:]), (values[half:], values[:half])):
            centre, spread = _centre_and_spread(learn, scales, rules)
            seen = running_median(statistic((judge - centre) / spread, rules.worst), 5)
            seen = seen[np.isfinite(seen)]
            largest = max(largest, float(seen.max()) if len(seen) else 0.0)
    centre, spread = _centre_and_spread(values, scales, rules)
    used = np.isfinite(centre)
    return Baseline(
        feature_names=names,
        scales=tuple(s if u else FeatureScale.UNUSED for s, u in zip(scales, used, strict=True)),
        centre=centre,
        spread=spread,
        worst=rules.worst,
        limit=max(rules.limit_floor, rules.limit_margin * largest),
    )


def running_median(values: Float64Array, length: int) -> Float64Array:
    """`(n,)` causal median of the last `length` values (fewer at the start), NaN ignored."""
    out = np.full(len(values), np.nan)
    for i in range(len(values)):
        seen = values[max(0, i + 1 - length) : i + 1]
        seen = seen[np.isfinite(seen)]
        if len(seen):
            out[i] = np.median(seen)
    return out


def _centre_and_spread(
    values: Float64Array, scales: Sequence[FeatureScale], rules: BaselineRules
) -> tuple[Float64Array, Float64Array]:
    """Median and floored robust spread per feature; NaN where fewer than half of the rows state it."""
    n_features = values.shape[1]
    centre = np.full(n_features, np.nan)
    spread = np.full(n_features, np.nan)
    for i in range(n_features):
        seen = values[np.isfinite(values[:, i]), i]
        if len(seen) == 0 or 2 * len(seen) < len(values):
            continue
        centre[i] = np.median(seen)
        floor = rules.floor_linear if scales[i] is FeatureScale.LINEAR else rules.floor_db
        spread[i] = max(_MAD_TO_SIGMA * float(np.median(np.abs(seen - centre[i]))), floor)
    return centre, spread


def to_artefact(baseline: Baseline) -> bytes:
    """The baseline as canonical JSON bytes: equal baselines give equal bytes."""
    fields = {
        "format": BASELINE_FORMAT,
        "feature_names": list(baseline.feature_names),
        "scales": [str(scale) for scale in baseline.scales],
        "centre": [None if math.isnan(v) else v for v in baseline.centre.tolist()],
        "spread": [None if math.isnan(v) else v for v in baseline.spread.tolist()],
        "worst": baseline.worst,
        "limit": baseline.limit,
    }
    return json.dumps(fields, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def from_artefact(artefact: bytes) -> Baseline:
    """A baseline from its bytes. Raises ArtefactError that says what is wrong with them."""
    if len(artefact) > MAX_ARTEFACT_BYTES:
        raise ArtefactError(f"baseline has {len(artefact)} bytes; at most {MAX_ARTEFACT_BYTES} are accepted")
    try:
        fields: Any = json.loads(artefact)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"baseline is not JSON: {error}") from error
    if not isinstance(fields, dict) or fields.get("format") != BASELINE_FORMAT:
        found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
        raise ArtefactError(f"baseline has format {found!r}; expected {BASELINE_FORMAT!r}")
    try:
        baseline = Baseline(
            feature_names=tuple(str(name) for name in fields["feature_names"]),
            scales=tuple(FeatureScale(scale) for scale in fields["scales"]),
            centre=_numbers(fields["centre"]),
            spread=_numbers(fields["spread"]),
            worst=int(fields["worst"]),
            limit=float(fields["limit"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArtefactError(f"baseline cannot be read: {type(error).__name__} {error}") from error
    _check(baseline)
    return baseline


def _numbers(raw: Any) -> Float64Array:
    return np.array([math.nan if value is None else float(value) for value in raw], dtype=np.float64)


def _check(baseline: Baseline) -> None:
    count = len(baseline.feature_names)
    lengths = {len(baseline.scales), len(baseline.centre), len(baseline.spread)}
    if lengths != {count}:
        raise ArtefactError(
            f"baseline has {count} feature names but columns of {sorted(lengths)}; expected equal lengths"
        )
    if baseline.worst < 1:
        raise ArtefactError(f"baseline.worst is {baseline.worst}; expected 1 or more")
    if not (math.isfinite(baseline.limit) and baseline.limit > 0):
        raise ArtefactError(f"baseline.limit is {baseline.limit}; expected a finite number above 0")
    used = np.array([scale is not FeatureScale.UNUSED for scale in baseline.scales], dtype=bool)
    spread = baseline.spread[used]
    if not (np.isfinite(baseline.centre[used]).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise ArtefactError("baseline has a used feature without a finite centre and a spread above 0")
