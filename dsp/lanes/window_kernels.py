"""The window engine's inner loop: from samples to every feature of LANES windows, without leaving the cache.

Duty: the order of the stages and what they share. Each stage lives in its own module; parameters arrive as
tables that `dsp.lanes.engine` computes once.

Two ways through it. `batch` takes windows that need have nothing to do with one another. `stream`, in
`dsp.lanes.stream`, takes the next half window of every channel, with a ring of two halves per channel: a
half's sums and its three density segments are computed once and serve both windows that it is in. Working
memory is used again and again in turn, so that one group's data stay within a core's second-level cache
(about 1.4 MiB with 16 lanes).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from dsp.lanes.density_features import level_features, peak_features
from dsp.lanes.fft import COMPILED
from dsp.lanes.ingest import ingest, silence_unusable
from dsp.lanes.line_features import comb_scores, envelope_lines, median, velocity_rms
from dsp.lanes.moments import CENTRE, HALF, LEAST, MOST, UNUSABLE, gain_of, sum_half, time_features
from dsp.lanes.vector import LANES, choose_greater, larger, load, smaller, splat, square_root, store
from dsp.lanes.welch import first_half_power, window_power
from dsp.lanes.window_transforms import envelope_2560, envelope_4096, lines_1280, lines_2048, window_4096

VELOCITY, SCORES = 47, 48  # rows of a window's features; the high-frequency peak follows the scores


class Tables(NamedTuple):
    """What follows from the parameters; read only, shared by threads."""

    hann_2048: Any
    twiddles_1024: Any
    twiddles_2048: Any
    twiddles_4096: Any
    twiddles_envelope: Any
    twiddles_lines: Any
    half_turns: Any  # exp(-2 pi i k / 8192)
    half_turns_2048: Any
    half_turns_envelope: Any
    velocity_weights: Any
    combs: Any  # (n_faults, n_harmonics, 2) lines
    first_band_line: int
    n_band_lines: int
    envelope_samples: int
    n_envelope_lines: int
    first_velocity_line: int
    last_velocity_line: int
    density_line_hz: float
    density_scale: float
    velocity_scale: float
    peak_scale: float


class Scratch(NamedTuple):
    """Working memory of one thread, in rows of lanes.

    `envelope` lies in the memory of `work`: the envelope is written when the spectrum has been read. A batch,
    which needs its samples no more by then, has its `envelope_work` in the ring.
    """

    levels: Any
    small: Any
    work: Any
    envelope_work: Any
    envelope: Any
    power: Any
    lines: Any
    peaks: Any
    firsts: Any
    features: Any


class State(NamedTuple):
    """What LANES channels each carry from one half window to the next; one row of each array per group."""

    rings: Any  # (n_groups, 8192 rows)
    statistics: Any  # (n_groups, 2 halves, STATISTICS_ROWS rows)
    kept: Any  # (n_groups, density lines)
    before: Any  # (n_groups, 1 row)


@njit(**COMPILED)
def take_half(  # noqa: PLR0917
    source: Any, starts: Any, offset: int, scale: Any, ring: Any, first_row: int, half: Any, scratch: Any
) -> None:
    """Bring 4096 rows into the ring and fill the first of the half's statistics."""
    mean, most, least = ingest(source, starts, offset, scale, ring, first_row, HALF)
    store(scratch.firsts, 0, mean)
    store(scratch.firsts, 1, most)
    store(scratch.firsts, 2, least)
    silence_unusable(ring, first_row, HALF, scratch.firsts)
    most = load(scratch.firsts, 1)
    least = load(scratch.firsts, 2)
    store(half, MOST, most)
    store(half, LEAST, least)
    # the rounded mean of a constant lane need not be that constant
    store(half, CENTRE, choose_greater(most, least, load(scratch.firsts, 0), most))
    store(half, UNUSABLE, load(scratch.firsts, 3))


@njit(**COMPILED)
def window_features(  # noqa: PLR0917
    ring: Any, first_newer: int, older: Any, newer: Any, kept: Any, tables: Any, scratch: Any
) -> None:
    """Fill `scratch.features` from a ring whose halves' statistics are known."""
    out = scratch.features
    time_features(older, newer, out)
    centre = (load(older, CENTRE) + load(newer, CENTRE)) * splat(np.float32(0.5))
    most = larger(load(older, MOST), load(newer, MOST))
    least = smaller(load(older, LEAST), load(newer, LEAST))
    gain = gain_of(most, least, centre)
    unit = splat(np.float32(1.0)) / gain
    window_power(ring, first_newer, older, newer, gain, centre, kept, scratch.power, tables, scratch)
    density_scale = splat(np.float32(tables.density_scale)) * unit * unit
    level_features(scratch.power, tables.density_line_hz, density_scale, out)
    peak_features(scratch.power, tables.density_line_hz, density_scale, scratch.peaks, out)
    store(scratch.levels, 0, gain)
    store(scratch.levels, 1, splat(np.float32(0.0)) - gain * centre)
    window_4096(ring, HALF - first_newer, scratch.levels, scratch.work, scratch.small, tables.twiddles_4096)
    velocity = velocity_rms(
        scratch.work, tables.half_turns, tables.velocity_weights, tables.first_velocity_line,
        tables.last_velocity_line, splat(np.float32(tables.velocity_scale)) * unit,
    )  # fmt: skip
    store(out, VELOCITY, velocity)
    if tables.envelope_samples == 2560:
        envelope_2560(
            scratch.work, tables.half_turns, tables.first_band_line, tables.n_band_lines, scratch.envelope,
            scratch.levels, scratch.envelope_work, scratch.small, tables.twiddles_envelope,
        )  # fmt: skip
        lines_1280(scratch.envelope, scratch.envelope_work, scratch.small, tables.twiddles_lines)
        envelope_lines(
            scratch.envelope_work, tables.half_turns_envelope, 20, 64, tables.n_envelope_lines, scratch.lines
        )
    else:
        envelope_4096(
            scratch.work, tables.half_turns, tables.first_band_line, tables.n_band_lines, scratch.envelope,
            scratch.levels, scratch.envelope_work, scratch.small, tables.twiddles_envelope,
        )  # fmt: skip
        lines_2048(scratch.envelope, scratch.envelope_work, scratch.small, tables.twiddles_lines)
        envelope_lines(
            scratch.envelope_work, tables.half_turns_envelope, 32, 64, tables.n_envelope_lines, scratch.lines
        )
    floor = median(scratch.lines, tables.n_envelope_lines)
    comb_scores(scratch.lines, tables.combs, floor, out, SCORES)
    peak = square_root(load(scratch.levels, 0)) * splat(np.float32(tables.peak_scale)) * unit
    store(out, SCORES + tables.combs.shape[0], peak)


@njit(**COMPILED)
def hand_out(features: Any, older: Any, newer: Any, result: Any, first: int) -> None:
    """Lanes to rows of `result` from `first` on; not-a-number for windows that hold what is not finite."""
    for lane in range(min(LANES, result.shape[0] - first)):
        usable = older[UNUSABLE * LANES + lane] + newer[UNUSABLE * LANES + lane] == 0.0
        for feature in range(result.shape[1]):
            result[first + lane, feature] = features[feature * LANES + lane] if usable else np.nan


@njit(**COMPILED)
def batch(  # noqa: PLR0917
    source: Any, starts: Any, scale: float, state: Any, tables: Any, scratch: Any, result: Any
) -> None:
    """Fill `result[i]` with the features of the window at `source[starts[i]]`.

    `starts` is filled up to whole groups of LANES. `state` is that of one group and holds nothing afterwards.
    """
    ring, kept, before = state.rings[0], state.kept[0], state.before[0]
    older, newer = state.statistics[0, 0], state.statistics[0, 1]
    for first in range(0, result.shape[0], LANES):
        group = starts[first : first + LANES]
        take_half(source, group, 0, scale, ring, 0, older, scratch)
        store(before, 0, load(ring, 0))
        sum_half(ring, 0, before, older)
        first_half_power(ring, 0, older, kept, tables, scratch)
        take_half(source, group, HALF, scale, ring, HALF, newer, scratch)
        sum_half(ring, HALF, before, newer)
        window_features(ring, HALF, older, newer, kept, tables, scratch)
        hand_out(scratch.features, older, newer, result, first)
