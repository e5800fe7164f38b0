"""Kurtogram of lanes: moments of the envelope in every band of the tree, a window in each lane.

Duty: `dsp.kurtogram.band_moments` for LANES windows at once, of float32 or int16 samples. The definition, the
tree of bands and the choice of one are there; this only computes faster.

Theory. A window's lines are computed once, one transform of 4096 complex rows, and put in order. A band's
envelope is the inverse transform of its lines, and of the envelope only two sums are wanted: so the squares
are summed as the last butterfly yields them, and the envelope itself never reaches memory.
Windows are scaled by a power of two to deviations around 1, so fourth powers of float32 neither overflow nor
vanish.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dsp.errors import DspError
from dsp.kurtogram import (
    LINES,
    MAX_LEVEL,
    MEAN_FOURTH,
    MEAN_SQUARE,
    TAPER,
    WINDOW_SAMPLES,
    Kurtogram,
    bands_of,
    checked_level,
    event_share_of,
    kurtosis_of,
)
from dsp.lanes.complex_vector import store_complex
from dsp.lanes.fft import COMPILED, Plan, aligned
from dsp.lanes.ingest import ingest
from dsp.lanes.kurtogram_transforms import (
    padded_48,
    padded_96,
    padded_192,
    padded_384,
    padded_768,
    padded_1536,
    tapered_4096,
    whole_64,
    whole_128,
    whole_256,
    whole_512,
    whole_1024,
    whole_2048,
)
from dsp.lanes.moments import gain_of
from dsp.lanes.packed_spectrum import doubled_line
from dsp.lanes.vector import LANES, load, splat, store
from dsp.samples import Float32Array, Float64Array

PLANS = {
    2048: Plan((8, 4), (8, 8)),
    1024: Plan((8, 4), (8, 4)),
    512: Plan((8, 4), (4, 4)),
    256: Plan((4, 4), (4, 4)),
    128: Plan((4, 4), (4, 2)),
    64: Plan((4, 2), (4, 2)),
    1536: Plan((8, 3), (8, 8)),
    768: Plan((4, 3), (8, 8)),
    384: Plan((8, 3), (4, 4)),
    192: Plan((4, 3), (4, 4)),
    96: Plan((4, 3), (4, 2)),
    48: Plan((4, 3), (2, 2)),
}
WINDOW_PLAN = Plan((8, 8), (8, 8))

# The packed spectrum yields 2 X; a power of two makes |c|^2 of it twice the mean square of the band.
_SCALE = np.float32(1.0 / WINDOW_SAMPLES)


class Tables(NamedTuple):
    """What does not change from one call to the next."""

    half_turns: Float32Array  # exp(-2 pi i k / 8192), k below 4096
    taper: Float32Array
    window: Float32Array  # twiddles, as the next ones
    of_2048: Float32Array
    of_1024: Float32Array
    of_512: Float32Array
    of_256: Float32Array
    of_128: Float32Array
    of_64: Float32Array
    of_1536: Float32Array
    of_768: Float32Array
    of_384: Float32Array
    of_192: Float32Array
    of_96: Float32Array
    of_48: Float32Array
    bands: npt.NDArray[np.int64]  # (n_bands, 3): first line, lines, envelope samples


class Scratch(NamedTuple):
    """Memory of one call at a time."""

    rows: Float32Array
    levels: Float32Array
    work: Float32Array
    small: Float32Array
    lines: Float32Array
    moments: Float32Array


def _tables(max_level: int) -> Tables:
    turns = np.exp(-2j * np.pi * np.arange(LINES) / WINDOW_SAMPLES)
    half_turns = aligned(2 * LINES)
    half_turns[0::2], half_turns[1::2] = turns.real, turns.imag
    taper = aligned(WINDOW_SAMPLES)
    taper[:] = TAPER
    bands = [(band.first_line, band.n_lines, band.envelope_samples) for band in bands_of(max_level)]
    twiddles = {f"of_{n}": plan.twiddle_table() for n, plan in PLANS.items()}
    return Tables(
        half_turns=half_turns,
        taper=taper,
        window=WINDOW_PLAN.twiddle_table(),
        bands=np.array(bands, np.int64),
        **twiddles,
    )


def _scratch() -> Scratch:
    return Scratch(
        rows=aligned(WINDOW_SAMPLES * LANES),
        levels=aligned(3 * LANES),
        work=aligned(WINDOW_PLAN.work_floats),
        small=aligned(WINDOW_PLAN.scratch_floats),
        lines=aligned(2 * LINES * LANES),
        moments=aligned(2 * LANES),
    )


class LaneKurtogram:
    """Moments of the envelope for batches of windows. One object serves one thread at a time."""

    def __init__(self, max_level: int = MAX_LEVEL - 1) -> None:
        if not 1 <= max_level <= MAX_LEVEL:
            raise DspError(f"max_level is {max_level}; 1 to {MAX_LEVEL} is right")
        self.max_level = max_level
        self.bands = bands_of(max_level)
        self._tables = _tables(max_level)
        self._scratch = _scratch()
        self._out = aligned((2 * len(self.bands) + 1) * LANES)

    def warm_up(self) -> None:
        """Compile for float32 and int16, or load from the cache, ahead of data."""
        self.band_moments(np.zeros((1, WINDOW_SAMPLES), np.float32))
        self.band_moments(np.zeros((1, WINDOW_SAMPLES), np.int16))

    def kurtogram(self, samples: Float32Array, sample_rate_hz: float) -> Kurtogram:
        """`dsp.kurtogram.kurtogram` of a record `(n_samples,)` at this object's levels, a window per lane.

        Magnitudes above 1e30 are taken for no number, as in every engine of lanes. Raises DspError for
        another shape or type.
        """
        checked_level(samples, sample_rate_hz, self.max_level)
        n_windows = len(samples) // WINDOW_SAMPLES
        windows = samples[: n_windows * WINDOW_SAMPLES].reshape(n_windows, WINDOW_SAMPLES)
        moments = self.band_moments(windows)
        share = event_share_of(moments)
        return Kurtogram(sample_rate_hz, n_windows, self.bands, kurtosis_of(moments), share)

    def band_moments(self, windows: Float32Array | npt.NDArray[np.int16]) -> Float64Array:
        """Means of |c|^2 and |c|^4 `(n_windows, n_bands, 2)` of contiguous windows `(n_windows, 8192)`.

        Float32 or int16; NaN for a window that holds a sample that is no number. Lanes without a window cost
        as much as those with one. Raises DspError for another shape or type.
        """
        if (
            windows.ndim != 2
            or windows.shape[1] != WINDOW_SAMPLES
            or windows.dtype not in (np.float32, np.int16)
        ):
            raise DspError(
                f"windows of shape {windows.shape} and {windows.dtype}; "
                f"(n_windows, {WINDOW_SAMPLES}) of float32 or int16 is right"
            )
        source = np.require(windows, requirements=["C", "W"]).reshape(-1)
        moments = np.empty((len(windows), len(self.bands), 2))
        for first in range(0, len(windows), LANES):
            present = min(LANES, len(windows) - first)
            starts = WINDOW_SAMPLES * (first + np.minimum(np.arange(LANES), present - 1))
            window_moments(source, starts, self._tables, self._scratch, self._out)
            unscaled(self._out, moments[first : first + present])
        return moments


@njit(**COMPILED)
def window_moments(source: Any, starts: Any, tables: Tables, scratch: Scratch, out: Any) -> None:
    """Fill two rows of `out` for each band, means of |c|^2 and |c|^4 of windows scaled by the last row."""
    mean, most, least = ingest(source, starts, 0, np.float32(1.0), scratch.rows, 0, WINDOW_SAMPLES)
    unit = gain_of(most, least, mean)
    gain = unit * splat(_SCALE)
    first = load(scratch.rows, 0)
    zero = splat(np.float32(0.0))
    store(scratch.levels, 0, first)
    store(scratch.levels, 1, gain)
    store(scratch.levels, 2, zero - mean_beyond(scratch.rows, first) * gain)
    tapered_4096(scratch.rows, tables.taper, scratch.levels, scratch.work, scratch.small, tables.window)
    store_complex(scratch.lines, 0, doubled_line(scratch.work, tables.half_turns, 1) * zero)
    for k in range(1, LINES):
        store_complex(scratch.lines, k, doubled_line(scratch.work, tables.half_turns, k))
    store(out, 2 * len(tables.bands), unit)
    for index in range(len(tables.bands)):
        # By index: unpacking could fail, and machine code that can raise names its source's path.
        begin, n_lines, n = tables.bands[index, 0], tables.bands[index, 1], tables.bands[index, 2]
        _one_band(begin, n_lines, n, tables, scratch)
        per = splat(np.float32(1.0 / n))
        store(out, 2 * index, load(scratch.moments, 0) * per)
        store(out, 2 * index + 1, load(scratch.moments, 1) * per)


@njit(**COMPILED)
def mean_beyond(rows: Any, first: Any) -> Any:
    """Mean of the rows less `first`: exact differences, so that a large bias costs nothing."""
    total = splat(np.float32(0.0))
    for block in range(0, WINDOW_SAMPLES, 64):
        part = splat(np.float32(0.0))
        for row in range(block, block + 64):
            part = part + (load(rows, row) - first)
        total = total + part
    return total * splat(np.float32(1.0 / WINDOW_SAMPLES))


@njit(**COMPILED)
def _one_band(  # noqa: PLR0912
    begin: int, n_lines: int, n: int, tables: Tables, scratch: Scratch
) -> None:
    """Sums of |c|^2 and |c|^4 of one band to the scratch's moments."""
    lines, moments, work, small = scratch.lines, scratch.moments, scratch.work, scratch.small
    if n == n_lines:
        if n == 2048:
            whole_2048(lines, begin, moments, work, small, tables.of_2048)
        elif n == 1024:
            whole_1024(lines, begin, moments, work, small, tables.of_1024)
        elif n == 512:
            whole_512(lines, begin, moments, work, small, tables.of_512)
        elif n == 256:
            whole_256(lines, begin, moments, work, small, tables.of_256)
        elif n == 128:
            whole_128(lines, begin, moments, work, small, tables.of_128)
        else:
            whole_64(lines, begin, moments, work, small, tables.of_64)
    elif n == 1536:
        padded_1536(lines, begin, n_lines, moments, work, small, tables.of_1536)
    elif n == 768:
        padded_768(lines, begin, n_lines, moments, work, small, tables.of_768)
    elif n == 384:
        padded_384(lines, begin, n_lines, moments, work, small, tables.of_384)
    elif n == 192:
        padded_192(lines, begin, n_lines, moments, work, small, tables.of_192)
    elif n == 96:
        padded_96(lines, begin, n_lines, moments, work, small, tables.of_96)
    else:
        padded_48(lines, begin, n_lines, moments, work, small, tables.of_48)


@njit(**COMPILED)
def unscaled(rows: Any, moments: Float64Array) -> None:
    """Fill `moments` `(n_windows, n_bands, 2)` from `window_moments`' rows, in the windows' own unit."""
    n_windows, n_bands, _ = moments.shape
    per_second = np.empty(n_windows)
    per_fourth = np.empty(n_windows)
    for lane in range(n_windows):
        square = np.float64(rows[2 * n_bands * LANES + lane]) ** 2
        per_second[lane] = 1.0 / (square * MEAN_SQUARE)
        per_fourth[lane] = 1.0 / (square * square * MEAN_FOURTH)
    for band in range(n_bands):
        for lane in range(n_windows):
            moments[lane, band, 0] = rows[2 * band * LANES + lane] * per_second[lane]
            moments[lane, band, 1] = rows[(2 * band + 1) * LANES + lane] * per_fourth[lane]
