"""When a trend reaches its next boundary, with the uncertainty: "zone C in 9 days, 80 % between 6 and 15".

Duty: from a history of levels to quantiles of the time at which a boundary is passed, or the reason why none
is given. Never a bare number; an advisory, not an alarm. The figures below were chosen on synthetic growth
laws (`tests/models/growth_laws.py`), whose coverage the tests print; ISO 13381-1 asks for the confidence.

Two laws are carried along, a level that grows by equal amounts and one that grows by equal factors, over the
part of the history in which the trend shows best. Uncertain slope, uncertain present level, and a future that
fluctuates as the past did make the spread: a Wiener process with uncertain drift, whose first passage is
inverse Gaussian (Chhikara and Folks 1989). What grows may also begin to grow otherwise: the rougher
the history, the more that widens what the laws give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dsp.samples import Float64Array
from models.trend import Trend, robust_trend

SIGNIFICANT_Z = 4.0  # of the trend: a forecast is asked for six times a day, for years
LEAST_WAY = 0.15  # of the boundary's level must have been covered by the trend that is carried on
LEAST_RISE = 2.0  # the trend's rise over that part, in units of its residual spread
FARTHEST = 5.0  # times the time that the trend has shown itself
MOST_NEVER = 0.35  # share of the futures that never arrive: above it nothing is said
LEAST_UNKNOWN = 0.15  # standard deviation of the logarithm of the time, where the trend is a clean line
UNKNOWN_PER_RESIDUAL = 4.0  # and what a residual spread adds, as a share of the trend's rise
MOST_UNKNOWN = 1.0
_PARTS = (1.0, 0.5, 0.25)
_DRAWS = 2000
_MIN_PART = 15


@dataclass(frozen=True, slots=True)
class Forecast:
    """Time until a boundary is passed. `upper_s` is infinite where over 10 % of the futures never do."""

    boundary: str  # "zone C", "the learned limit"
    median_s: float
    lower_s: float  # 10 %
    upper_s: float  # 90 %
    z: float
    doubling_s: float | None  # of the level, at the present rate

    @property
    def text(self) -> str:
        """The sentence for a technician."""
        unit_s, unit = _unit(self.median_s if math.isfinite(self.median_s) else self.lower_s)
        lower, upper = _number(self.lower_s / unit_s), _number(self.upper_s / unit_s)
        if not math.isfinite(self.upper_s):
            return f"{self.boundary} in {_number(self.median_s / unit_s)} {unit}, 90 % after {lower} {unit}"
        if self.lower_s <= 0.0:
            return f"{self.boundary} in {_number(self.median_s / unit_s)} {unit}, 90 % within {upper} {unit}"
        return (
            f"{self.boundary} in {_number(self.median_s / unit_s)} {unit}, 80 % between {lower} and {upper}"
        )

    def after(self, passed_s: float) -> Forecast | None:
        """The same forecast, `passed_s` later; None once its median is over: it is for a new one to say.

        Where only the earliest time has passed, it may come at any moment: that time is 0.
        """
        if not self.median_s > passed_s:
            return None
        return replace(
            self,
            median_s=self.median_s - passed_s,
            lower_s=max(0.0, self.lower_s - passed_s),
            upper_s=self.upper_s - passed_s,
        )


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why no forecast is given."""

    reason: str


def forecast(
    times_s: Float64Array, levels: Float64Array, boundary_level: float, boundary: str
) -> Forecast | Abstention:
    """When `levels` `(n,)`, positive and taken at ascending `times_s`, pass `boundary_level`.

    Times of the result count from the last of `times_s`. Values that are not finite and above 0 are left out.
    """
    usable = np.isfinite(levels) & (levels > 0.0) & np.isfinite(times_s)
    times_s, levels = times_s[usable], levels[usable]
    if len(levels) < _MIN_PART:
        return Abstention(f"{len(levels)} values of history; {_MIN_PART} are needed")
    if float(np.median(levels[-3:])) >= boundary_level:
        return Abstention(f"{boundary} is passed already")
    part = _clearest_part(times_s, np.log(levels), boundary_level)
    if part is None:
        return Abstention("no significant trend")
    first, log_trend = part
    times_s, levels = times_s[first:], levels[first:]
    rng = np.random.default_rng(20_816)  # the same history gives the same words
    linear_trend = robust_trend(times_s, levels)
    draws = [
        _passages(rng, log_trend, np.log(levels), times_s, math.log(boundary_level)),
    ]
    if linear_trend is not None and linear_trend.slope > 0.0:
        share = _share_of_linear(times_s, levels, linear_trend, log_trend)
        linear = _passages(rng, linear_trend, levels, times_s, boundary_level)
        keep = max(1, round((1.0 - share) * _DRAWS))
        draws = [draws[0][:keep], linear[: _DRAWS - keep]]
    times = np.concatenate(draws)
    rise = log_trend.slope * float(times_s[-1] - times_s[0])
    unknown = min(MOST_UNKNOWN, LEAST_UNKNOWN + UNKNOWN_PER_RESIDUAL * _roughness(np.log(levels)) / rise)
    times = times * np.exp(unknown * rng.standard_normal(len(times)))
    if float(np.isinf(times).mean()) > MOST_NEVER:
        return Abstention("the trend is too uncertain: it may as well end")
    lower, median, upper = _quantiles(times)
    if median > FARTHEST * float(times_s[-1] - times_s[0]):
        return Abstention("the trend is too slow, or too young, to say when")
    doubling_s = math.log(2.0) / log_trend.slope if log_trend.slope > 0.0 else None
    return Forecast(boundary, median, lower, upper, log_trend.z, doubling_s)


def _clearest_part(
    times_s: Float64Array, log_levels: Float64Array, boundary_level: float
) -> tuple[int, Trend] | None:
    """Where the latest part of the history begins whose trend is clearest; None where none is clear."""
    best: tuple[int, Trend] | None = None
    n = len(times_s)
    for part in _PARTS:
        count = max(_MIN_PART, math.ceil(part * n))
        if count > n:
            continue
        first = n - count
        trend = robust_trend(times_s[first:], log_levels[first:])
        if trend is None or trend.slope <= 0.0 or trend.z < SIGNIFICANT_Z:
            continue
        rise = trend.slope * float(times_s[-1] - times_s[first])
        covered = math.exp(trend.level_now) * -math.expm1(-rise)
        if rise < LEAST_RISE * trend.residual or covered < LEAST_WAY * boundary_level:
            continue
        # a later part that is as steep as the whole says no more than the whole; one twice as steep does
        if best is None or trend.slope > 1.5 * best[1].slope:
            best = (first, trend)
    return best


def _passages(
    rng: np.random.Generator,
    trend: Trend,
    values: Float64Array,
    times_s: Float64Array,
    boundary: float,
) -> Float64Array:
    """`(_DRAWS,)` first passages of a Wiener process with uncertain drift and start; infinite for never."""
    freedom = max(3.0, trend.effective - 2.0)
    slopes = trend.slope + trend.slope_se * rng.standard_t(freedom, _DRAWS)
    gaps = boundary - (trend.level_now + trend.level_se * rng.standard_normal(_DRAWS))
    gaps = np.maximum(gaps, 0.02 * abs(boundary - trend.level_now) + 1e-12)
    diffusion = _diffusion(values - trend.slope * times_s, times_s)
    times = np.full(_DRAWS, np.inf)
    rising = slopes > 0.0
    mean = gaps[rising] / slopes[rising]
    if diffusion > 0.0:
        times[rising] = rng.wald(mean, gaps[rising] ** 2 / diffusion)
    else:
        times[rising] = mean
    return times


def _diffusion(detrended: Float64Array, times_s: Float64Array) -> float:
    """Growth of the squared increments with time, beyond what noise about a line gives; per second."""
    n = len(detrended)
    short, long = 1, max(2, n // 3)
    near = float(np.mean((detrended[short:] - detrended[:-short]) ** 2))
    far = float(np.mean((detrended[long:] - detrended[:-long]) ** 2))
    apart_s = float(np.mean(times_s[long:] - times_s[:-long]) - np.mean(times_s[short:] - times_s[:-short]))
    return max(0.0, (far - near) / apart_s) if apart_s > 0.0 else 0.0


def _roughness(log_levels: Float64Array) -> float:
    """Largest step between neighbouring means of a few values beyond the line: what comes in steps."""
    n = len(log_levels)
    few = max(2, n // 12)
    means = log_levels[n % few :].reshape(-1, few).mean(axis=1)
    steps = np.diff(means)
    return float(steps.std()) if len(steps) > 1 else 0.0


def _share_of_linear(times_s: Float64Array, levels: Float64Array, linear: Trend, logarithmic: Trend) -> float:
    """Share of the futures that follow the linear law: by which line lies closer, never all to one."""
    line = linear.level_now + linear.slope * (times_s - times_s[-1])
    curve = np.exp(logarithmic.level_now + logarithmic.slope * (times_s - times_s[-1]))
    scale = np.maximum(levels, 1e-12)
    of_line = float(np.median(np.abs(levels - line) / scale))
    of_curve = float(np.median(np.abs(levels - curve) / scale))
    if of_line + of_curve <= 0.0:
        return 0.5
    ratio = (of_curve / max(of_line, 1e-9)) ** min(8.0, logarithmic.effective / 2.0)
    return float(min(0.8, max(0.2, ratio / (1.0 + ratio))))


def _quantiles(times: Float64Array) -> tuple[float, float, float]:
    """10, 50 and 90 % of times that may be infinite."""
    ordered = np.sort(times)
    lower, median, upper = (float(ordered[int(q * (len(ordered) - 1))]) for q in (0.1, 0.5, 0.9))
    return lower, median, upper


def _unit(seconds: float) -> tuple[float, str]:
    for unit_s, unit in ((7 * 86_400.0, "weeks"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= (3.0 if unit == "weeks" else 2.0) * unit_s:
            return (86_400.0, "days") if unit == "weeks" and seconds < 8 * unit_s else (unit_s, unit)
    return 1.0, "seconds"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 2.0 else f"{value:.1f}"
