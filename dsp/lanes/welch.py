"""Welch's density of lanes: seven half-overlapping segments of a window, three of them kept for the next.

Duty: the sum over segments of |X_k|^2 for k = 0 ... 1024, unscaled. Segment i of a window covers rows 1024 i
to 1024 i + 2047 (Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70): 0 to 2 lie in the older half, 3
across, 4 to 6 in the newer, which is the next window's older half and passes its sum on.

Theory. Two real segments a, b share one complex transform z = A + i B; with c_k = conj z_(n-k), |A_k|^2 =
|z_k + c_k|^2 / 4 and |B_k|^2 = |z_k - c_k|^2 / 4. Each segment is scaled by the power of two that brings its
half's deviation to about 1: so a loud half leaves no rounding in a quiet one that shares its transform. A
segment's mean m, known from the halves' sums, is taken out afterwards: times a periodic Hann window its
transform is n/2 m in line 0 and -n/4 m in lines 1 and n - 1, nothing elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.complex_vector import ComplexLanes, complex_of, conjugate, load_complex, store_complex
from dsp.lanes.fft import COMPILED
from dsp.lanes.moments import CENTRE, GAIN, HALF, QUARTER_SUMS
from dsp.lanes.packed_spectrum import doubled_line_of
from dsp.lanes.vector import Lanes, load, splat, store
from dsp.lanes.window_transforms import segment_1024, welch_2048

SEGMENT = 2048
LINES = SEGMENT // 2 + 1

_HALF = np.float32(0.5)
_QUARTER = np.float32(0.25)
_LINE_0 = np.float32(SEGMENT / 2)
_LINE_1 = np.float32(SEGMENT / 4)
_PER_SEGMENT = np.float32(1.0 / SEGMENT)
_ROWS_PER_QUARTER = np.float32(HALF // 4)


@njit(forceinline=True, **COMPILED)
def _row(line: int) -> int:
    """`fft.row_of` for the 32 x 64 of `welch_2048`, by masks: divisions would show in the profile."""
    return (line & 31) * 65 + ((line & (SEGMENT - 1)) >> 5)


@njit(forceinline=True, **COMPILED)
def _without_mean(work: Any, mean_a: Lanes, mean_b: Lanes) -> None:
    """Take the segments' means out of lines 0, 1 and n - 1."""
    mean = complex_of(mean_a, mean_b)
    store_complex(work, 0, load_complex(work, 0) - mean * splat(_LINE_0))
    first = _row(1)
    store_complex(work, first, load_complex(work, first) + mean * splat(_LINE_1))
    last = _row(SEGMENT - 1)
    store_complex(work, last, load_complex(work, last) + mean * splat(_LINE_1))


@njit(forceinline=True, **COMPILED)
def _inner_mean(half: Any, segment: int) -> Lanes:
    """Mean, in the half's own scale, of its segment 0, 1 or 2."""
    return (load(half, QUARTER_SUMS + segment) + load(half, QUARTER_SUMS + segment + 1)) * splat(_PER_SEGMENT)


@njit(forceinline=True, **COMPILED)
def _set_level(levels: Any, which: int, gain: Lanes, centre: Lanes) -> None:
    """Tell the transform to read segment 0 or 1 of the pair as `gain` (x - `centre`)."""
    store(levels, 2 * which, gain)
    store(levels, 2 * which + 1, splat(np.float32(0.0)) - gain * centre)


@njit(forceinline=True, **COMPILED)
def _both_powers(work: Any, line: int) -> Lanes:
    """|A_k|^2 + |B_k|^2 of the two segments that share a transform."""
    here = load_complex(work, _row(line))
    mirrored = load_complex(work, _row(SEGMENT - line))
    squares = (here.real * here.real + here.imag * here.imag) + (
        mirrored.real * mirrored.real + mirrored.imag * mirrored.imag
    )
    return squares * splat(_HALF)


@njit(forceinline=True, **COMPILED)
def _squared(value: ComplexLanes) -> Lanes:
    return value.real * value.real + value.imag * value.imag


@njit(**COMPILED)
def first_half_power(  # noqa: PLR0917
    rows: Any, first_row: int, half: Any, power: Any, tables: Any, scratch: Any
) -> None:
    """Fill `power` with the sum over the three segments within one half, in the scale of its gain.

    The third has no partner and goes alone, packed.
    """
    gain, centre = load(half, GAIN), load(half, CENTRE)
    _set_level(scratch.levels, 0, gain, centre)
    _set_level(scratch.levels, 1, gain, centre)
    welch_2048(
        rows, first_row, first_row + 1024, tables.hann_2048, scratch.levels,
        scratch.work, scratch.small, tables.twiddles_2048,
    )  # fmt: skip
    _without_mean(scratch.work, _inner_mean(half, 0), _inner_mean(half, 1))
    for k in range(LINES):
        store(power, k, _both_powers(scratch.work, k))
    work, turns, quarter = scratch.work, tables.half_turns_2048, splat(_QUARTER)
    segment_1024(
        rows, first_row + 2048, tables.hann_2048, scratch.levels, work, scratch.small, tables.twiddles_1024
    )
    mean = _inner_mean(half, 2)
    ends = load_complex(work, 0)
    level = (ends.real + ends.imag) - mean * splat(_LINE_0)
    store(power, 0, load(power, 0) + level * level)
    line_1 = doubled_line_of(work, turns, 1, 32, 32)
    line_1 = complex_of(line_1.real + mean * splat(_LINE_0), line_1.imag)  # doubled, so twice a quarter
    store(power, 1, load(power, 1) + _squared(line_1) * quarter)
    for k in range(2, LINES - 1):
        line = doubled_line_of(work, turns, k, 32, 32)
        store(power, k, load(power, k) + _squared(line) * quarter)
    last = ends.real - ends.imag
    store(power, LINES - 1, load(power, LINES - 1) + last * last)


@njit(**COMPILED)
def window_power(  # noqa: PLR0917
    rows: Any, first_newer: int, older: Any, newer: Any, gain: Lanes, centre: Lanes,
    kept: Any, power: Any, tables: Any, scratch: Any,
) -> None:  # fmt: skip
    """Fill `power` with the sum over a window's seven segments, in the scale of `gain`.

    `rows` is a ring of 8192 rows whose newer half begins at `first_newer`; `kept` holds the older half's
    three segments and receives the newer's, each in its half's own scale.
    """
    older_gain, newer_gain = load(older, GAIN), load(newer, GAIN)
    older_centre, newer_centre = load(older, CENTRE), load(newer, CENTRE)
    _set_level(scratch.levels, 0, newer_gain, newer_centre)
    _set_level(scratch.levels, 1, newer_gain, newer_centre)
    welch_2048(
        rows, first_newer + 1024, first_newer + 2048, tables.hann_2048, scratch.levels,
        scratch.work, scratch.small, tables.twiddles_2048,
    )  # fmt: skip
    _without_mean(scratch.work, _inner_mean(newer, 1), _inner_mean(newer, 2))
    for k in range(LINES):
        store(power, k, _both_powers(scratch.work, k))
    _set_level(scratch.levels, 0, gain, centre)
    _set_level(scratch.levels, 1, newer_gain, newer_centre)
    welch_2048(
        rows, first_newer - 1024, first_newer, tables.hann_2048, scratch.levels,
        scratch.work, scratch.small, tables.twiddles_2048,
    )  # fmt: skip
    across = (
        load(older, QUARTER_SUMS + 3) / older_gain + (older_centre - centre) * splat(_ROWS_PER_QUARTER)
    ) + (load(newer, QUARTER_SUMS) / newer_gain + (newer_centre - centre) * splat(_ROWS_PER_QUARTER))
    _without_mean(scratch.work, across * gain * splat(_PER_SEGMENT), _inner_mean(newer, 0))
    older_ratio, newer_ratio = gain / older_gain, gain / newer_gain
    older_scale = older_ratio * older_ratio
    newer_scale = newer_ratio * newer_ratio
    quarter = splat(_QUARTER)
    for k in range(LINES):
        here = load_complex(scratch.work, _row(k))
        mirrored = conjugate(load_complex(scratch.work, _row(SEGMENT - k)))
        a = here + mirrored
        b = here - mirrored
        within = load(power, k) + _squared(b) * quarter
        crossing = _squared(a) * quarter
        store(power, k, load(kept, k) * older_scale + crossing + within * newer_scale)
        store(kept, k, within)
