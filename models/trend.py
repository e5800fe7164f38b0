"""Whether a history rises, by how much, and how sure that is where neighbouring values depend on each other.

Duty: Mann-Kendall's test with the variance corrected for autocorrelation (Hamed and Rao, J. Hydrology 204,
1998), the Theil-Sen slope (Sen, JASA 63, 1968) with an interval of the same corrected variance. Forecasts
nothing (`models.prognosis`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float64Array

MIN_VALUES = 8
_ACF_BOUND = 1.645  # x 1/sqrt(n): autocorrelations within it are taken for 0


@dataclass(frozen=True, slots=True)
class Trend:
    """A robust line through a history. Units are those of the values, per unit of the times."""

    slope: float
    slope_se: float  # as of a normal error, autocorrelation counted
    level_now: float  # of the line at the last time
    level_se: float
    residual: float  # robust spread about the line
    z: float  # of Mann-Kendall; 3 is one in a thousand
    effective: float  # independent values that the history is worth


def robust_trend(times: Float64Array, values: Float64Array) -> Trend | None:
    """The trend of a history `(n,)`, times ascending; None below 8 values or where all times are one."""
    n = len(times)
    if n < MIN_VALUES or not times[-1] > times[0]:
        return None
    upper = np.triu_indices(n, 1)
    dt = times[upper[1]] - times[upper[0]]
    dv = values[upper[1]] - values[upper[0]]
    apart = dt > 0.0
    slopes = np.sort(dv[apart] / dt[apart])
    slope = float(np.median(slopes))
    intercept = float(np.median(values - slope * times))
    residuals = values - intercept - slope * times
    spread = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    inflation = _variance_inflation(residuals)
    effective = max(4.0, n / inflation)
    s = float(np.sign(dv).sum())
    variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation
    z = 0.0 if s == 0.0 else (s - math.copysign(1.0, s)) / math.sqrt(variance)
    # Sen's interval: ranks of the sorted slopes, +-1 standard deviation of S; its half width is the error.
    reach = math.sqrt(variance)
    low = int(np.clip((len(slopes) - reach) / 2.0, 0, len(slopes) - 1))
    high = int(np.clip((len(slopes) + reach) / 2.0, 0, len(slopes) - 1))
    slope_se = float(slopes[high] - slopes[low]) / 2.0
    level_now = intercept + slope * float(times[-1])
    level_se = 2.0 * max(spread, 1e-12) / math.sqrt(effective)  # the end of a line is twice as uncertain
    return Trend(slope, slope_se, level_now, level_se, spread, z, effective)


def _variance_inflation(residuals: Float64Array) -> float:
    """How many times the variance of Mann-Kendall's S grows by autocorrelation of the ranks; 1 or more."""
    n = len(residuals)
    ranks = np.argsort(np.argsort(residuals)).astype(np.float64)
    ranks -= ranks.mean()
    power = float(ranks @ ranks)
    if power <= 0.0:
        return 1.0
    total = 0.0
    bound = _ACF_BOUND / math.sqrt(n)
    for lag in range(1, min(n - 3, n // 2)):
        r = float(ranks[lag:] @ ranks[:-lag]) / power
        if abs(r) > bound:
            total += (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * r
    return max(1.0, 1.0 + 2.0 * total / (n * (n - 1.0) * (n - 2.0)))
