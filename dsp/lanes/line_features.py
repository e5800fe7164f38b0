"""Features of single lines of lanes: velocity RMS of the window, fault scores of the squared envelope's
spectrum.

Duty: rows 47 and on of a window's features, from the packed transforms of the window and of its squared
envelope.

Theory. A periodic Hann window times a signal is, in the spectrum, H_k = X_k / 2 - (X_(k-1) + X_(k+1)) / 4: so
the transform that the envelope needs bare serves the velocity windowed, and the envelope's own mean is taken
out by calling its line 0 zero. Velocity is acceleration over 2 pi f, line by line. The floor under the
envelope's lines is their median, found by bisection on the floats themselves: each step halves the number of
representable values between the bounds, counts in all lanes at once, and the search ends when the count is
exact in every lane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.fft import COMPILED
from dsp.lanes.packed_spectrum import doubled_line, doubled_line_of
from dsp.lanes.vector import (
    Lanes,
    any_greater,
    broadcast,
    choose_greater,
    fused,
    larger,
    load,
    magnitude,
    midpoint,
    smaller,
    splat,
    square_root,
    store,
)

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_MOST = np.float32(3e38)
_NAN = np.float32(np.nan)


@njit(**COMPILED)
def velocity_rms(  # noqa: PLR0917
    spectrum: Any, half_turns: Any, weights: Any, first: int, last: int, scale: Lanes
) -> Lanes:
    """`scale` times the root of the sum of |4 H_k|^2 `weights[k]` over lines first to last; NaN if none."""
    if last < first:
        return splat(_NAN)
    half = splat(_HALF)
    total = splat(_ZERO)
    before = doubled_line(spectrum, half_turns, first - 1)
    here = doubled_line(spectrum, half_turns, first)
    for line in range(first, last + 1):
        after = doubled_line(spectrum, half_turns, line + 1)
        windowed = here - (before + after) * half
        squared = windowed.real * windowed.real + windowed.imag * windowed.imag
        total = fused(squared, broadcast(weights, line), total)
        before = here
        here = after
    return square_root(total) * scale


@njit(**COMPILED)
def envelope_lines(  # noqa: PLR0917
    spectrum: Any, half_turns: Any, n1: int, n2: int, n_lines: int, lines: Any
) -> None:
    """Fill rows 1 to `n_lines` of `lines` with the envelope's windowed magnitudes, unscaled."""
    half = splat(_HALF)
    here = doubled_line_of(spectrum, half_turns, 1, n1, n2)
    before = here - here
    for line in range(1, n_lines + 1):
        after = doubled_line_of(spectrum, half_turns, line + 1, n1, n2)
        windowed = here - (before + after) * half
        squared = windowed.real * windowed.real + windowed.imag * windowed.imag
        store(lines, line, square_root(squared))
        before = here
        here = after


@njit(**COMPILED)
def median(lines: Any, n: int) -> Lanes:
    """Median of rows 1 to n of non-negative lanes; the mean of the middle two where n is even."""
    one = splat(_ONE)
    zero = splat(_ZERO)
    wanted = np.float32((n + 1) // 2)
    enough = splat(wanted - _HALF)
    low = zero
    high = zero
    for line in range(1, n + 1):
        high = larger(load(lines, line), high)
    below_high = splat(np.float32(n))
    for _ in range(32):
        middle = midpoint(low, high)
        above_a = zero
        above_b = zero
        for line in range(1, n, 2):
            above_a = above_a + choose_greater(load(lines, line), middle, one, zero)
            above_b = above_b + choose_greater(load(lines, line + 1), middle, one, zero)
        if n % 2:
            above_a = above_a + choose_greater(load(lines, n), middle, one, zero)
        below = splat(np.float32(n)) - (above_a + above_b)
        low = choose_greater(below, enough, low, middle)
        high = choose_greater(below, enough, middle, high)
        below_high = choose_greater(below, enough, below, below_high)
        if not any_greater(magnitude(below_high - splat(wanted)), splat(_HALF)):
            break
    lower = zero
    upper = splat(_MOST)
    for line in range(1, n + 1):
        value = load(lines, line)
        lower = larger(choose_greater(value, high, zero, value), lower)
        upper = smaller(choose_greater(value, high, value, upper), upper)
    if n % 2:
        return lower
    # more than half of the values at or below `high`: the two in the middle are equal
    upper = choose_greater(below_high, splat(wanted + _HALF), lower, upper)
    return (lower + upper) * splat(_HALF)


@njit(**COMPILED)
def comb_scores(lines: Any, combs: Any, floor: Lanes, out: Any, first_row: int) -> None:
    """Fill a row per fault with the sum over its harmonics of the highest line near each, over `floor`.

    `combs[fault, harmonic]` are the first and last line to look at. NaN where the floor is zero.
    """
    zero = splat(_ZERO)
    for fault in range(combs.shape[0]):
        total = zero
        for harmonic in range(combs.shape[1]):
            highest = zero
            for line in range(combs[fault, harmonic, 0], combs[fault, harmonic, 1] + 1):
                highest = larger(load(lines, line), highest)
            total = total + highest
        store(out, first_row + fault, choose_greater(floor, zero, total / floor, splat(_NAN)))
