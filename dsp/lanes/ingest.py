"""From samples in memory to rows of lanes: transposed, scaled, with each lane's sum and extremes.

Duty: the only place that knows how a caller's samples lie in memory (float32, or int16 as converters deliver
them, one window after the other) and the first look at them: what is not finite is found here and replaced by
zeros, so that no later stage need think of it.

Theory. LANES windows of consecutive samples are a matrix of LANES rows; the kernels want its transpose, a row
for each instant. A square tile of LANES x LANES words is transposed in registers: pairs and pairs of pairs
are interleaved within 128 bits, then blocks of 128 bits are exchanged, LANES shuffles per stage. Two int16
samples are one 32-bit word to these stages; they are taken apart, sign and all, by shifts afterwards, so that
int16 costs half the shuffles of float32.
"""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types

from dsp.lanes.fft import COMPILED
from dsp.lanes.vector import FLOATS, LANES, address, lane_function, lanes, larger, load, smaller, splat

# Larger magnitudes count as not finite: the sum of a window of them leaves float32.
LARGEST = np.float32(1e30)

_WORDS = ir.VectorType(ir.IntType(32), LANES)


def _interleaved(builder: Any, left: Any, right: Any, width: int, upper: bool) -> Any:
    """Within each 128 bits: elements of `width` words taken in turn from the lower or upper halves of two."""
    picks = []
    for block in range(0, LANES, 4):
        first = block + (2 if upper else 0)
        for element in range(0, 2, width):
            picks += [first + element + i for i in range(width)]
            picks += [LANES + first + element + i for i in range(width)]
    return builder.shuffle_vector(left, right, ir.Constant(_WORDS, picks))


def _blocks_exchanged(builder: Any, rows: list[Any], stride: int) -> list[Any]:
    """One stage of transposing 128-bit blocks between rows that are 4 `stride` apart."""
    out = list(rows)
    for i in range(LANES):
        if (i // 4) & stride:
            continue
        lower, upper = [], []
        for word in range(LANES):
            block = word // 4
            other = LANES + word - 4 * stride if block & stride else word
            lower.append(other)
            upper.append(LANES + word if block & stride else word + 4 * stride)
        partner = i + 4 * stride
        out[i] = builder.shuffle_vector(rows[i], rows[partner], ir.Constant(_WORDS, lower))
        out[partner] = builder.shuffle_vector(rows[i], rows[partner], ir.Constant(_WORDS, upper))
    return out


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of LANES rows of LANES 32-bit words."""
    quads = []
    for first in range(0, LANES, 4):
        a, b, c, d = rows[first : first + 4]
        pairs = [_interleaved(builder, *two, 1, upper) for upper in (False, True) for two in ((a, b), (c, d))]
        quads += [
            _interleaved(builder, left, right, 2, upper)
            for left, right in (pairs[:2], pairs[2:])
            for upper in (False, True)
        ]
    stride = 1
    while 4 * stride < LANES:
        quads = _blocks_exchanged(builder, quads, stride)
        stride *= 2
    return quads


@lane_function
def store_transposed(  # noqa: PLR0917
    typing: Any, source: Any, starts: Any, instant: Any, rows: Any, row: Any, scale: Any
) -> Any:
    """Write the tile at `source[starts[lane] + instant]`, scaled, to `rows` from `row` on.

    A tile is LANES instants of float32, 2 LANES of int16: each becomes one row of LANES floats.
    """
    whole = source.dtype == types.int16

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source_type, starts_type, _, rows_type = sig.args[:4]
        first_start = context.make_array(starts_type)(context, builder, args[1]).data
        words = []
        for lane in range(LANES):
            start = builder.load(builder.gep(first_start, [ir.Constant(ir.IntType(64), lane)]))
            element = builder.add(start, args[2])
            word = builder.load(address(context, builder, source_type, args[0], element, _WORDS))
            word.align = 2
            words.append(word)
        results = []
        for word in _transposed(builder, words):
            if not whole:
                results.append(builder.bitcast(word, FLOATS))
                continue
            sixteen = ir.Constant(_WORDS, [16] * LANES)
            results.append(builder.sitofp(builder.ashr(builder.shl(word, sixteen), sixteen), FLOATS))
            results.append(builder.sitofp(builder.ashr(word, sixteen), FLOATS))
        element = builder.mul(args[4], ir.Constant(args[4].type, LANES))
        for instant_result in results:
            place = address(context, builder, rows_type, args[3], element, FLOATS)
            done = builder.store(builder.fmul(instant_result, args[5]), place)
            done.align = 4
            element = builder.add(element, ir.Constant(element.type, LANES))
        return context.get_dummy_value()

    return types.none(source, starts, types.intp, rows, types.intp, lanes), generate


@njit(**COMPILED)
def ingest(  # noqa: PLR0917
    source: Any, starts: Any, offset: int, scale: Any, rows: Any, first_row: int, n_rows: int
) -> Any:
    """Fill `n_rows` rows from `first_row` on; returns each lane's mean, largest and smallest sample.

    Lane i takes `source[starts[i] + offset : ... + n_rows]`, times `scale`. The mean is rounded like any sum
    of floats: good enough to be subtracted, not to be reported. See `silence_unusable` for lanes that hold
    anything but numbers.
    """
    factor = splat(np.float32(scale))
    step = 2 * LANES if source.itemsize == 2 else LANES
    total = splat(np.float32(0.0))
    most = splat(np.float32(-np.inf))
    least = splat(np.float32(np.inf))
    for instant in range(0, n_rows, step):
        store_transposed(source, starts, offset + instant, rows, first_row + instant, factor)
        part = splat(np.float32(0.0))
        for row in range(first_row + instant, first_row + instant + step):
            value = load(rows, row)
            part = part + value
            most = larger(value, most)
            least = smaller(value, least)
        total = total + part
    return total * splat(np.float32(1.0 / n_rows)), most, least


@njit(**COMPILED)
def silence_unusable(rows: Any, first_row: int, n_rows: int, firsts: Any) -> None:
    """Replace each lane of `rows` that holds NaN, infinity or a magnitude above `LARGEST` by zeros.

    `firsts` has four rows: mean, largest and smallest sample as `ingest` returned them, made zero for such a
    lane, and a fourth that is set to 1 for it and to 0 for every other.
    """
    for lane in range(LANES):
        mean, most, least = firsts[lane], firsts[LANES + lane], firsts[2 * LANES + lane]
        # a sum that is finite has met no NaN and no infinity: nothing finite undoes them
        usable = abs(mean) <= LARGEST and most <= LARGEST and least >= -LARGEST
        firsts[3 * LANES + lane] = 0.0 if usable else 1.0
        if not usable:
            for row in range(first_row, first_row + n_rows):
                rows[row * LANES + lane] = 0.0
            for i in range(3):
                firsts[i * LANES + lane] = 0.0
