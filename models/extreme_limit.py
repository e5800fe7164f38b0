"""A limit with a stated false-alarm rate, from the largest values that healthy running showed.

Duty: fit the tail of declustered peaks (generalised Pareto over a threshold), the level that a rate asks for,
the rate that a level has, and how far either can be believed. Keeps no stream (`models.peak_stream` does) and
sets no limit.

Peaks over threshold: Pickands (1975), Davison and Smith (JRSS B 52, 1990); profile likelihood of a level:
Coles, "An Introduction to Statistical Modeling of Extreme Values" (2001), 4.3.3. Few peaks say little of the
shape, so a normal prior holds it near 0.1 (a little heavier than exponential) until they do: a penalised
likelihood as in Coles and Dixon (Extremes 2, 1999).

No rate is stated below 1 / (30 x span): what was watched for a month says nothing of once in ten years.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float64Array
from models.errors import ModelStateError

HOURS_PER_YEAR = 8766.0
EXTRAPOLATION = 30.0  # times the declustered span: how seldom a stated rate may be
MIN_PEAKS = 8
_DEVIANCE_95 = 2.706  # chi-square, 1 degree of freedom, 90 %: each end of the interval is a 95 % bound
_SHAPES = np.linspace(-0.6, 0.8, 57)
_SCALE_FACTORS = np.geomspace(0.25, 4.0, 57)
_RATE_FACTORS = np.geomspace(0.35, 3.0, 23)
_SHAPE_MEAN, _SHAPE_SD = 0.10, 0.20


@dataclass(frozen=True, slots=True)
class Peaks:
    """Declustered peaks: each the largest value of one cluster, and the time that they rest on."""

    values: tuple[float, ...]
    threshold: float  # every value lies above it
    span_h: float  # running time watched


@dataclass(frozen=True, slots=True)
class LevelEstimate:
    """A level, and the interval that holds the true one: each end is a 95 % bound."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """How often healthy running passes a level, per year of running: best value and 95 % upper bound.

    Neither is ever below what the span can vouch for.
    """

    per_year: float
    upper_per_year: float


@dataclass(frozen=True, slots=True)
class Tail:
    """The fitted tail with every (shape, scale, rate of peaks) that the peaks do not contradict."""

    threshold: float
    span_h: float
    peaks: int
    shape: float
    scale: float
    rate_per_h: float
    shapes: Float64Array  # (n_plausible,), with scales and rates_per_h
    scales: Float64Array
    rates_per_h: Float64Array

    @property
    def least_rate_per_year(self) -> float:
        """The smallest rate that may be stated: 1 / (30 x span)."""
        return least_rate_per_year(self.span_h)

    def level(self, rate_per_year: float) -> LevelEstimate:
        """The level that healthy running passes so often.

        Raises ModelStateError for a rate that the span cannot vouch for.
        """
        # a hair of tolerance: the rate may have been computed from this very span
        if not rate_per_year >= 0.999_999 * self.least_rate_per_year:
            raise ModelStateError(
                f"a rate of {rate_per_year:.3g} per year was asked for, but {self.span_h:.0f} h of running"
                f" vouch for {self.least_rate_per_year:.3g} per year or more"
            )
        rate_per_h = rate_per_year / HOURS_PER_YEAR
        seldom = np.maximum(self.rates_per_h / rate_per_h, 1.0)
        levels = self.threshold + _excess_at(self.shapes, self.scales, seldom)
        best = self.threshold + float(
            _excess_at(
                np.array([self.shape]),
                np.array([self.scale]),
                np.array([max(1.0, self.rate_per_h / rate_per_h)]),
            )[0]
        )
        return LevelEstimate(best, float(levels.min()), float(levels.max()))

    def rate(self, level: float) -> RateEstimate:
        """How often healthy running passes this level; below the threshold, how often it passes that."""
        excess = max(0.0, level - self.threshold)
        rates = self.rates_per_h * _survival(self.shapes, self.scales, excess)
        best = self.rate_per_h * float(_survival(np.array([self.shape]), np.array([self.scale]), excess)[0])
        least = self.least_rate_per_year
        return RateEstimate(
            max(least, best * HOURS_PER_YEAR), max(least, float(rates.max()) * HOURS_PER_YEAR)
        )


def least_rate_per_year(span_h: float) -> float:
    """The smallest rate that a span may vouch for, per year; infinite for no span."""
    return math.inf if span_h <= 0.0 else HOURS_PER_YEAR / (EXTRAPOLATION * span_h)


def span_for(rate_per_year: float) -> float:
    """Hours of running that a rate needs behind it before it may be stated."""
    return HOURS_PER_YEAR / (EXTRAPOLATION * rate_per_year)


def fit_tail(peaks: Peaks) -> Tail | None:
    """The tail of declustered peaks; None below 8 of them, or where they do not differ.

    The plausible set holds the (shape, scale, rate) whose penalised likelihood is within 1.35 of the best: a
    grid takes the place of an optimiser, so that there is nothing that may fail to converge.
    """
    excesses = np.asarray(peaks.values, np.float64) - peaks.threshold
    excesses = excesses[np.isfinite(excesses) & (excesses > 0.0)]
    count = len(excesses)
    mean = float(excesses.mean()) if count else 0.0
    if count < MIN_PEAKS or not mean > 1e-12 * (1.0 + abs(peaks.threshold)) or not peaks.span_h > 0.0:
        return None
    shape, factor = np.meshgrid(_SHAPES, _SCALE_FACTORS, indexing="ij")
    # At a given shape the mean excess is scale / (1 - shape): the grid of scales is centred there.
    scale = mean * np.clip(1.0 - shape, 0.25, None) * factor
    likelihood = _log_likelihood(excesses, shape, scale)
    likelihood -= 0.5 * ((shape - _SHAPE_MEAN) / _SHAPE_SD) ** 2
    best = np.unravel_index(int(np.argmax(likelihood)), likelihood.shape)
    deviance = 2.0 * (likelihood[best] - likelihood)
    # Poisson deviance of the rate of peaks, against the observed one.
    of_rate = 2.0 * count * (_RATE_FACTORS - 1.0 - np.log(_RATE_FACTORS))
    together = deviance[:, :, np.newaxis] + of_rate
    inside = together <= _DEVIANCE_95
    at = np.nonzero(inside)
    rate_per_h = count / peaks.span_h
    return Tail(
        threshold=peaks.threshold,
        span_h=peaks.span_h,
        peaks=count,
        shape=float(shape[best]),
        scale=float(scale[best]),
        rate_per_h=rate_per_h,
        shapes=np.append(shape[at[0], at[1]], shape[best]),
        scales=np.append(scale[at[0], at[1]], scale[best]),
        rates_per_h=np.append(rate_per_h * _RATE_FACTORS[at[2]], rate_per_h),
    )


def upper_count(count: int) -> float:
    """95 % upper bound of the mean of a Poisson count: 3.0 for none, 4.74 for one (Garwood 1936).

    Wilson and Hilferty's approximation of the chi-square quantile, within 0.1 % from one on.
    """
    if count <= 0:
        return -math.log(0.05)
    n = count + 1.0
    return n * (1.0 - 1.0 / (9.0 * n) + 1.644_854 / (3.0 * math.sqrt(n))) ** 3


def _log_likelihood(excesses: Float64Array, shape: Float64Array, scale: Float64Array) -> Float64Array:
    """Of generalised Pareto excesses, on a grid; -inf where an excess lies beyond a bounded tail's end."""
    total = np.zeros(shape.shape)
    near_zero = np.abs(shape) < 1e-6
    safe_shape = np.where(near_zero, 1.0, shape)
    for excess in excesses:
        inner = 1.0 + shape * excess / scale
        with np.errstate(divide="ignore", invalid="ignore"):
            general = -(1.0 / safe_shape + 1.0) * np.log(inner)
        term = np.where(near_zero, -excess / scale, general)
        total += np.where(inner > 0.0, term, -np.inf)
    result: Float64Array = total - len(excesses) * np.log(scale)
    return result


def _excess_at(shape: Float64Array, scale: Float64Array, seldom: Float64Array) -> Float64Array:
    """Excess that one peak in `seldom` passes."""
    near_zero = np.abs(shape) < 1e-6
    safe_shape = np.where(near_zero, 1.0, shape)
    general = scale / safe_shape * np.expm1(safe_shape * np.log(seldom))
    result: Float64Array = np.where(near_zero, scale * np.log(seldom), general)
    return result


def _survival(shape: Float64Array, scale: Float64Array, excess: float) -> Float64Array:
    """Share of peaks that pass an excess."""
    near_zero = np.abs(shape) < 1e-6
    safe_shape = np.where(near_zero, 1.0, shape)
    inner = np.maximum(1.0 + shape * excess / scale, 0.0)
    with np.errstate(divide="ignore"):
        general = np.exp(-np.log(inner) / safe_shape)
    general = np.where(inner > 0.0, general, 0.0)
    result: Float64Array = np.where(near_zero, np.exp(-excess / scale), general)
    return result


def empirical_rate(exceedances: int, span_h: float) -> RateEstimate:
    """The rate without any fit, from a count of declustered exceedances alone."""
    least = least_rate_per_year(span_h)
    if span_h <= 0.0:
        return RateEstimate(math.inf, math.inf)
    per_year = HOURS_PER_YEAR / span_h
    return RateEstimate(max(least, exceedances * per_year), max(least, upper_count(exceedances) * per_year))
