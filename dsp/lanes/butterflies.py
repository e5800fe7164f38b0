"""Butterflies: discrete Fourier transforms of 2, 3, 4, 5 and 8 complex values, in registers.

Duty: the smallest transforms, of which the larger ones are made. Each returns y[k] = sum over j of a[j]
exp(-2 pi i j k / r) as a tuple. Radix 4 and 8 need no product but those by the square root of one half; radix
3 and 5 pair a[j] with a[r - j], whose sum meets cosines alone and whose difference sines alone (Rader's and
Winograd's observation). Compiled into their callers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.complex_vector import ComplexLanes, times_minus_i
from dsp.lanes.vector import splat

INLINED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "forceinline": True}

_SQRT_HALF = np.float32(np.sqrt(0.5))
_COS_72, _COS_144 = np.float32(np.cos(0.4 * np.pi)), np.float32(np.cos(0.8 * np.pi))
_SIN_72, _SIN_144 = np.float32(np.sin(0.4 * np.pi)), np.float32(np.sin(0.8 * np.pi))
_HALF = np.float32(0.5)
_SIN_60 = np.float32(np.sin(np.pi / 3.0))


@njit(**INLINED)
def butterfly_2(a0: ComplexLanes, a1: ComplexLanes) -> Any:
    """Transform of two values."""
    return a0 + a1, a0 - a1


@njit(**INLINED)
def butterfly_3(a0: ComplexLanes, a1: ComplexLanes, a2: ComplexLanes) -> Any:
    """Transform of three values."""
    total = a1 + a2
    middle = a0 - total * splat(_HALF)
    turned = times_minus_i((a1 - a2) * splat(_SIN_60))
    return a0 + total, middle + turned, middle - turned


@njit(**INLINED)
def butterfly_4(a0: ComplexLanes, a1: ComplexLanes, a2: ComplexLanes, a3: ComplexLanes) -> Any:
    """Transform of four values."""
    even, odd = a0 + a2, a1 + a3
    across, turned = a0 - a2, times_minus_i(a1 - a3)
    return even + odd, across + turned, even - odd, across - turned


@njit(**INLINED)
def butterfly_5(
    a0: ComplexLanes, a1: ComplexLanes, a2: ComplexLanes, a3: ComplexLanes, a4: ComplexLanes
) -> Any:
    """Transform of five values."""
    cos_72, cos_144 = splat(_COS_72), splat(_COS_144)
    sin_72, sin_144 = splat(_SIN_72), splat(_SIN_144)
    outer, inner = a1 + a4, a2 + a3
    outer_step, inner_step = a1 - a4, a2 - a3
    first = a0 + outer * cos_72 + inner * cos_144
    second = a0 + outer * cos_144 + inner * cos_72
    first_turned = times_minus_i(outer_step * sin_72 + inner_step * sin_144)
    second_turned = times_minus_i(outer_step * sin_144 - inner_step * sin_72)
    return (
        a0 + outer + inner,
        first + first_turned,
        second + second_turned,
        second - second_turned,
        first - first_turned,
    )


@njit(**INLINED)
def butterfly_8(  # noqa: PLR0917
    a0: ComplexLanes,
    a1: ComplexLanes,
    a2: ComplexLanes,
    a3: ComplexLanes,
    a4: ComplexLanes,
    a5: ComplexLanes,
    a6: ComplexLanes,
    a7: ComplexLanes,
) -> Any:
    """Transform of eight values: two of four, the second turned by eighths."""
    half = splat(_SQRT_HALF)
    e0, e1, e2, e3 = butterfly_4(a0, a2, a4, a6)
    d0, d1, d2, d3 = butterfly_4(a1, a3, a5, a7)
    # exp(-i pi / 4) = (1 - i) / sqrt 2 and exp(-3 i pi / 4) = -(1 + i) / sqrt 2
    u1 = (d1 + times_minus_i(d1)) * half
    u2 = times_minus_i(d2)
    u3 = (times_minus_i(d3) - d3) * half
    return e0 + d0, e1 + u1, e2 + u2, e3 + u3, e0 - d0, e1 - u1, e2 - u2, e3 - u3
