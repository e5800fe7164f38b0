"""Features of a density: total and band RMS, centroid, spread, entropy, the eight highest peaks.

Duty: rows 11 to 46 of a window's features from the summed powers of `welch`. Peaks are lines higher than both
neighbours, the eight highest of them in falling order; a parabola through the logarithms of the three lines
gives frequency and height (Gaussian interpolation; Gasior & Gonzalez, AIP Conf. Proc. 732 (2004) 276). A
missing peak has frequency and height 0.

Theory. Entropy and spread are summed about what is already known (shares p of the total, distance from the
centroid), since the textbook's differences of sums cancel for a signal of one tone. Lanes insert their peaks
into eight sorted rows at once; most lines are a peak worth keeping in no lane at all, which one comparison
shows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.fft import COMPILED
from dsp.lanes.logarithm import natural_logarithm
from dsp.lanes.vector import (
    LANES,
    Lanes,
    any_greater,
    choose_greater,
    fused,
    larger,
    load,
    splat,
    square_root,
    store,
)
from dsp.lanes.welch import LINES

N_BANDS, BAND_LINES, N_PEAKS = 16, 64, 8
FIRST = 11  # row of the total RMS
BANDS, CENTROID, SPREAD, ENTROPY = FIRST + 1, FIRST + 17, FIRST + 18, FIRST + 19
PEAK_LINES, PEAK_HEIGHTS = FIRST + 20, FIRST + 28

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_NAN = np.float32(np.nan)
_QUARTER = np.float32(0.25)
# Shares of the total below this add nothing to an entropy, but must not reach a logarithm as zero.
_LEAST_SHARE = np.float32(1e-35)
_PER_LOG_LINES = np.float32(-1.0 / math.log(LINES))


@njit(**COMPILED)
def level_features(power: Any, step_hz: float, scale: Lanes, out: Any) -> None:
    """Fill total RMS, band RMS, centroid, spread and entropy.

    `scale` turns a summed power into m2/s4 per Hz. The first and last line are halved here: they have no
    mirror image.
    """
    zero = splat(_ZERO)
    store(power, 0, load(power, 0) * splat(_HALF))
    store(power, LINES - 1, load(power, LINES - 1) * splat(_HALF))
    width = splat(np.float32(step_hz))
    per_band = scale * width
    total = load(power, 0)
    weighted = zero
    for band in range(N_BANDS):
        band_sum = zero
        band_weighted = zero
        for line in range(1 + band * BAND_LINES, 1 + (band + 1) * BAND_LINES):
            p = load(power, line)
            band_sum = band_sum + p
            band_weighted = fused(p, splat(np.float32(line)), band_weighted)
        store(out, BANDS + band, square_root(band_sum * per_band))
        total = total + band_sum
        weighted = weighted + band_weighted
    store(out, FIRST, square_root(total * per_band))
    share = splat(_ONE) / total
    centroid = weighted * share
    store(out, CENTROID, centroid * width)
    spread = centroid * centroid * load(power, 0) * share
    p = larger(load(power, 0) * share, splat(_LEAST_SHARE))
    entropy = p * natural_logarithm(p)
    for band in range(N_BANDS):
        band_spread = zero
        band_entropy = zero
        for line in range(1 + band * BAND_LINES, 1 + (band + 1) * BAND_LINES):
            p = load(power, line) * share
            distance = splat(np.float32(line)) - centroid
            band_spread = fused(p, distance * distance, band_spread)
            p = larger(p, splat(_LEAST_SHARE))
            band_entropy = fused(p, natural_logarithm(p), band_entropy)
        spread = spread + band_spread
        entropy = entropy + band_entropy
    store(out, SPREAD, square_root(spread) * width)
    entropy = entropy * splat(_PER_LOG_LINES)
    store(out, ENTROPY, choose_greater(total, zero, entropy, splat(_NAN)))


@njit(**COMPILED)
def peak_features(power: Any, step_hz: float, scale: Lanes, peaks: Any, out: Any) -> None:
    """Fill frequencies and heights of the eight highest peaks; `peaks` is scratch of 20 rows."""
    zero = splat(_ZERO)
    for row in range(2 * N_PEAKS):
        store(peaks, row, zero)
    before = load(power, 0)
    here = load(power, 1)
    lowest_kept = zero
    for line in range(1, LINES - 1):
        after = load(power, line + 1)
        height = choose_greater(here, before, choose_greater(here, after, here, zero), zero)
        if any_greater(height, lowest_kept):
            place = splat(np.float32(line))
            for i in range(N_PEAKS):
                kept = load(peaks, i)
                kept_place = load(peaks, N_PEAKS + i)
                store(peaks, i, choose_greater(height, kept, height, kept))
                store(peaks, N_PEAKS + i, choose_greater(height, kept, place, kept_place))
                place = choose_greater(height, kept, kept_place, place)
                height = choose_greater(height, kept, kept, height)
            lowest_kept = load(peaks, N_PEAKS - 1)
        before = here
        here = after
    first_scratch = 2 * N_PEAKS
    for i in range(N_PEAKS):
        for lane in range(LANES):
            line = max(int(peaks[(N_PEAKS + i) * LANES + lane]), 1)
            for side in range(3):
                peaks[(first_scratch + side) * LANES + lane] = power[(line - 1 + side) * LANES + lane]
        found = load(peaks, i)
        least = splat(_LEAST_SHARE)
        # logarithms of ratios: small numbers, known to their last place
        left = natural_logarithm(larger(load(peaks, first_scratch) / found, least))
        right = natural_logarithm(larger(load(peaks, first_scratch + 2) / found, least))
        offset = splat(_HALF) * (left - right) / (left + right)
        frequency = (load(peaks, N_PEAKS + i) + offset) * splat(np.float32(step_hz))
        store(out, PEAK_LINES + i, choose_greater(found, zero, frequency, zero))
        store(peaks, first_scratch, splat(_QUARTER) * (left - right) * offset)
        for lane in range(LANES):
            height = peaks[i * LANES + lane]
            if height > _ZERO:
                height *= np.float32(math.exp(-peaks[first_scratch * LANES + lane]))
            peaks[i * LANES + lane] = height
        store(out, PEAK_HEIGHTS + i, load(peaks, i) * scale)
