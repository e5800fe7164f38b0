"""Natural logarithm of lanes, to a few units in the last place.

Duty: ln v of positive normal floats, compiled into its callers. v = m 2^e with m in [0.75, 1.5), and ln m = t
p(t), t = m - 1, p the polynomial of degree 9 that interpolates ln(1 + t) / t at the Chebyshev points of
[-0.25, 0.5]; its error is below a float's rounding (the test measures it). Near v = 1 the result keeps its
relative accuracy, since t is exact there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dsp.lanes.butterflies import INLINED
from dsp.lanes.vector import Lanes, binary_exponent, binary_mantissa, fused, splat

_LN_2 = np.float32(np.log(2.0))
_ONE = np.float32(1.0)


def _coefficients(degree: int) -> tuple[np.float32, ...]:
    """Coefficients of p, from the constant term up."""
    points = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)) * 0.375 + 0.125
    values = np.where(points == 0.0, 1.0, np.log1p(points) / np.where(points == 0.0, 1.0, points))
    return tuple(np.float32(c) for c in np.polynomial.polynomial.polyfit(points, values, degree))


_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9 = _coefficients(9)


@njit(**INLINED)
def natural_logarithm(value: Lanes) -> Lanes:
    """ln of each lane; meaningless for zero, negative and subnormal values."""
    t = binary_mantissa(value) - splat(_ONE)
    p = fused(splat(_C9), t, splat(_C8))
    p = fused(p, t, splat(_C7))
    p = fused(p, t, splat(_C6))
    p = fused(p, t, splat(_C5))
    p = fused(p, t, splat(_C4))
    p = fused(p, t, splat(_C3))
    p = fused(p, t, splat(_C2))
    p = fused(p, t, splat(_C1))
    p = fused(p, t, splat(_C0))
    return fused(binary_exponent(value), splat(_LN_2), t * p)
