"""Time features of lanes: sums over half windows, and what two halves say of the window.

Duty: mean to zero crossings, the first eleven features. A half is summed once, when it arrives, and serves
the two windows that it belongs to.

Theory. Raw moments of a signal with a bias cancel catastrophically, so each half is summed about its own
rough mean c, and scaled by a power of two g so that its largest deviation is about 1 (then fourth powers
neither overflow nor vanish, whatever the unit): u = g (x - c), both exact but for one rounding. The central
moments of the window follow from the four sums of u in float64, by the binomial theorem about the window's
mean: the corrections are small, since c is near it. Sums run over 32 rows, over 32 such sums, and over
four of those, so rounding grows with the depth, not with the length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.fft import COMPILED
from dsp.lanes.vector import (
    LANES,
    Lanes,
    fused,
    larger,
    load,
    magnitude,
    power_of_two_reciprocal,
    reciprocal_root_guess,
    signs_differ,
    splat,
    square_root,
    store,
)

HALF = 4096
# Rows of a half's statistics. The first four are sums of u over quarters of the half.
QUARTER_SUMS = 0
SQUARES, CUBES, FOURTHS = 4, 5, 6  # sums of u^2, u^3, u^4
MAGNITUDES, ROOTS = 7, 8  # sums of |x| and sqrt |x|
CROSSINGS, CROSSED_IN = 9, 10  # sign changes within, and from the sample before the first
CENTRE, MOST, LEAST, UNUSABLE = 11, 12, 13, 14  # c, largest, smallest sample; 1 where not finite
GAIN = 15  # g
STATISTICS_ROWS = 16

N_TIME_FEATURES = 11
_ZERO = np.float32(0.0)
_RUN = 32
_HALF_OF = np.float32(0.5)
_STEP_1, _STEP_2 = np.float32(1.5008789), np.float32(1.5000006)
# Deviations below this are not scaled up any further: a constant lane has none.
_LEAST_DEVIATION = np.float32(1e-30)


@njit(forceinline=True, **COMPILED)
def gain_of(most: Lanes, least: Lanes, centre: Lanes) -> Lanes:
    """Power of two that brings the largest deviation from `centre` into [1, 2)."""
    deviation = larger(most - centre, centre - least)
    return power_of_two_reciprocal(larger(deviation, splat(_LEAST_DEVIATION)))


@njit(forceinline=True, **COMPILED)
def _root(value: Lanes) -> Lanes:
    """Square root to 1e-6, by two steps of Newton's method for its reciprocal."""
    half = value * splat(_HALF_OF)
    guess = reciprocal_root_guess(value)
    guess = guess * (splat(_STEP_1) - half * guess * guess)
    guess = guess * (splat(_STEP_2) - half * guess * guess)
    return value * guess


@njit(forceinline=True, **COMPILED)
def _run_sums(rows: Any, start: int, gain: Lanes, bias: Lanes, last: Lanes) -> Any:
    """Sums over 32 rows of u, u^2, u^3, u^4, |x|, sqrt |x| and sign changes; and the last row.

    The processor's square root is exact but slow, the other costs multiplications that it has to spare:
    taking turns keeps both units busy.
    """
    zero = splat(_ZERO)
    first, second, third, fourth = zero, zero, zero, zero
    sizes, roots, crossings = zero, zero, zero
    for row in range(start, start + _RUN, 2):
        x = load(rows, row)
        u = fused(x, gain, bias)
        squared = u * u
        size = magnitude(x)
        y = load(rows, row + 1)
        v = fused(y, gain, bias)
        squared_y = v * v
        size_y = magnitude(y)
        first = first + u + v
        second = second + squared + squared_y
        third = fused(squared_y, v, fused(squared, u, third))
        fourth = fused(squared_y, squared_y, fused(squared, squared, fourth))
        sizes = sizes + size + size_y
        roots = roots + square_root(size) + _root(size_y)
        crossings = crossings + signs_differ(x, last) + signs_differ(y, x)
        last = y
    return first, second, third, fourth, sizes, roots, crossings, last


@njit(**COMPILED)
def sum_half(rows: Any, first_row: int, before: Any, statistics: Any) -> None:
    """Fill the sums of `statistics` from 4096 rows; rows CENTRE to LEAST are there already.

    `before` is the one row that preceded (its sign is looked at), and becomes the last row of the half.
    """
    zero = splat(_ZERO)
    centre = load(statistics, CENTRE)
    gain = gain_of(load(statistics, MOST), load(statistics, LEAST), centre)
    store(statistics, GAIN, gain)
    bias = zero - centre * gain
    last = load(rows, first_row)
    store(statistics, CROSSED_IN, signs_differ(last, load(before, 0)))
    for row in range(SQUARES, CROSSINGS + 1):
        store(statistics, row, zero)
    for quarter in range(4):
        first, second, third, fourth = zero, zero, zero, zero
        sizes, roots, crossings = zero, zero, zero
        start = first_row + quarter * (HALF // 4)
        for run in range(start, start + HALF // 4, _RUN):
            a, b, c, d, e, f, g, last = _run_sums(rows, run, gain, bias, last)
            first, second, third, fourth = first + a, second + b, third + c, fourth + d
            sizes, roots, crossings = sizes + e, roots + f, crossings + g
        store(statistics, QUARTER_SUMS + quarter, first)
        for row, total in (
            (SQUARES, second),
            (CUBES, third),
            (FOURTHS, fourth),
            (MAGNITUDES, sizes),
            (ROOTS, roots),
            (CROSSINGS, crossings),
        ):
            store(statistics, row, load(statistics, row) + total)
    store(before, 0, last)


@njit(forceinline=True, **COMPILED)
def _mean(half: Any, lane: int) -> float:
    total = 0.0
    for quarter in range(4):
        total += np.float64(half[(QUARTER_SUMS + quarter) * LANES + lane])
    return np.float64(half[CENTRE * LANES + lane]) + total / (HALF * np.float64(half[GAIN * LANES + lane]))


@njit(**COMPILED)
def time_features(older: Any, newer: Any, out: Any) -> None:
    """Fill rows 0 to 10 of `out` from the statistics of a window's two halves.

    A constant lane has NaN for skewness and kurtosis, a lane of zeros for every ratio.
    """
    n = 2.0 * HALF
    for lane in range(LANES):
        mean = 0.5 * (_mean(older, lane) + _mean(newer, lane))
        second = third = fourth = 0.0
        for i in range(2):
            half = older if i == 0 else newer
            inverse = 1.0 / np.float64(half[GAIN * LANES + lane])
            offset = np.float64(half[CENTRE * LANES + lane]) - mean
            p1 = 0.0
            for quarter in range(4):
                p1 += np.float64(half[(QUARTER_SUMS + quarter) * LANES + lane])
            p1 *= inverse
            p2 = half[SQUARES * LANES + lane] * inverse**2
            p3 = half[CUBES * LANES + lane] * inverse**3
            p4 = half[FOURTHS * LANES + lane] * inverse**4
            second += p2 + offset * (2.0 * p1 + HALF * offset)
            third += p3 + offset * (3.0 * p2 + offset * (3.0 * p1 + HALF * offset))
            fourth += p4 + offset * (4.0 * p3 + offset * (6.0 * p2 + offset * (4.0 * p1 + HALF * offset)))
        second /= n
        third /= n
        fourth /= n
        most = max(older[MOST * LANES + lane], newer[MOST * LANES + lane])
        least = min(older[LEAST * LANES + lane], newer[LEAST * LANES + lane])
        if most == least:
            mean = np.float64(most)
            second = third = fourth = 0.0
        rms = math.sqrt(second + mean * mean)
        peak = np.float64(max(most, -least))
        size = (np.float64(older[MAGNITUDES * LANES + lane]) + newer[MAGNITUDES * LANES + lane]) / n
        root = (np.float64(older[ROOTS * LANES + lane]) + newer[ROOTS * LANES + lane]) / n
        out[lane] = mean
        out[LANES + lane] = rms
        out[2 * LANES + lane] = peak
        out[3 * LANES + lane] = np.float64(most) - least
        out[4 * LANES + lane] = peak / rms
        out[5 * LANES + lane] = third / (second * math.sqrt(second))
        out[6 * LANES + lane] = fourth / (second * second)
        out[7 * LANES + lane] = rms / size
        out[8 * LANES + lane] = peak / size
        out[9 * LANES + lane] = peak / (root * root)
        out[10 * LANES + lane] = (
            older[CROSSINGS * LANES + lane]
            + newer[CROSSINGS * LANES + lane]
            + newer[CROSSED_IN * LANES + lane]
        )
