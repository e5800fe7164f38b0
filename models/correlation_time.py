"""How many neighbouring values of a series are worth one independent value.

Duty: one number per series, from its own values: the name of a tag says nothing of how slow it is.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float64Array

_INSIGNIFICANT = 0.05  # autocorrelation at which the sum ends


def correlation_time(values: Float64Array, longest_lag: int) -> float:
    """Integrated autocorrelation time of `values` `(n,)` in values, 1 or more.

    1 + 2 x the sum of the autocorrelations up to the first that is insignificant, or `longest_lag` (Sokal
    1997). 1 for white noise and for a constant; a trend gives about what the lags allow. NaN is left out.
    """
    seen = values[np.isfinite(values)]
    n = len(seen)
    if n < 3:
        return 1.0
    centred = seen - seen.mean()
    power = float(centred @ centred)
    if power <= 0.0:
        return 1.0
    total = 1.0
    for lag in range(1, min(longest_lag, n - 1)):
        correlation = float(centred[lag:] @ centred[:-lag]) / power
        if correlation <= _INSIGNIFICANT:
            break
        total += 2.0 * correlation
    return total
