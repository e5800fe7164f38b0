"""Compiled inner loops over a batch of windows; they release the GIL and fill arrays that the caller owns.

Duty: arithmetic that NumPy would do in many passes. No validation here: the functions that call these kernels
check shapes and document formulas. Accumulation is float64 in four interleaved partial sums, which a
processor adds side by side and which round less than one long sum; `fastmath` stays off, so that
not-a-number keeps its meaning and x86-64 and aarch64 agree.

The machine code is cached beside this file, or in the user's cache folder (`NUMBA_CACHE_DIR`) where the
installation is read-only; `warm_up` compiles or loads it before the first block arrives. It is made for
contiguous, writeable arrays: any other kind would be compiled for anew, in the middle of the work.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from dsp.samples import Float32Array, Float64Array

LANES = 4


def float32_rows(samples: npt.ArrayLike) -> Float32Array:
    """The samples as the kernels want them, contiguous, writeable float32; copied only if they are not so."""
    return np.require(samples, np.float32, ["C", "W"])


def warm_up() -> None:
    """Compile every kernel, or load it from the cache: seconds, or a fraction of one."""
    rows = np.linspace(-1.0, 1.0, 16, dtype=np.float32)[np.newaxis].copy()
    moments = np.empty((1, 4))
    central_moments(rows, moments)
    centred(rows, np.zeros(1), np.ones(1), np.empty_like(rows))
    spectra = np.ones((1, 9), np.complex64)
    hann_power(spectra, np.ones(1), np.empty((1, 9)))
    squared_envelope_moments(spectra, np.empty((1, 2)))
    found = np.empty(8)
    extremes(rows[0], found)
    run_statistics(rows[0], found)
    frozen_runs(rows[0], 2, 0.0, found)


@njit(cache=True, nogil=True, fastmath=False)
def central_moments(samples: Float32Array, moments: Float64Array) -> None:
    """Fill `moments[i]` with the mean and the central moments 2, 3, 4 of `samples[i]`.

    Two passes: the mean is subtracted before anything is squared, so a large bias costs no accuracy. A row
    that holds NaN or infinity gets a mean that is not finite; the rest of such a row means nothing.
    """
    n_rows, n = samples.shape
    whole = n - n % LANES
    for i in range(n_rows):
        row = samples[i]
        s0 = s1 = s2 = s3 = 0.0
        for j in range(0, whole, LANES):
            s0 += row[j]
            s1 += row[j + 1]
            s2 += row[j + 2]
            s3 += row[j + 3]
        for j in range(whole, n):
            s0 += row[j]
        mean = ((s0 + s1) + (s2 + s3)) / n
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = 0.0
        for j in range(0, whole, LANES):
            d0 = row[j] - mean
            d1 = row[j + 1] - mean
            d2 = row[j + 2] - mean
            d3 = row[j + 3] - mean
            q0, q1, q2, q3 = d0 * d0, d1 * d1, d2 * d2, d3 * d3
            a0 += q0
            a1 += q1
            a2 += q2
            a3 += q3
            b0 += q0 * d0
            b1 += q1 * d1
            b2 += q2 * d2
            b3 += q3 * d3
            c0 += q0 * q0
            c1 += q1 * q1
            c2 += q2 * q2
            c3 += q3 * q3
        for j in range(whole, n):
            d0 = row[j] - mean
            q0 = d0 * d0
            a0 += q0
            b0 += q0 * d0
            c0 += q0 * q0
        moments[i, 0] = mean
        moments[i, 1] = ((a0 + a1) + (a2 + a3)) / n
        moments[i, 2] = ((b0 + b1) + (b2 + b3)) / n
        moments[i, 3] = ((c0 + c1) + (c2 + c3)) / n


@njit(cache=True, nogil=True, fastmath=False)
def centred(samples: Float32Array, means: Float64Array, scales: Float64Array, out: Float32Array) -> None:
    """Fill `out[i]` with `(samples[i] - means[i]) * scales[i]`, subtracted in float64, rounded once."""
    n_rows, n = samples.shape
    for i in range(n_rows):
        mean = means[i]
        scale = scales[i]
        for j in range(n):
            out[i, j] = (samples[i, j] - mean) * scale


@njit(cache=True, nogil=True, fastmath=False)
def hann_power(spectra: npt.NDArray[np.complex64], scales: Float64Array, power: Float64Array) -> None:
    """Fill `power[i, k]` with |H|^2 `scales[i]`, H the transform of the row times a periodic Hann window.

    `spectra` holds `rfft` of the bare rows: a product with 1/2 - 1/2 cos(2 pi j / n) is the sum
    H[k] = X[k]/2 - (X[k-1] + X[k+1])/4 of neighbours, so one transform serves the windowed band levels and
    the unwindowed envelope. The rows' lengths are even; the first and last bin mirror their neighbour.
    """
    n_rows, n_bins = spectra.shape
    for i in range(n_rows):
        row = spectra[i]
        scale = scales[i]
        for k in range(1, n_bins - 1):
            here = row[k] * np.float32(0.5) - (row[k - 1] + row[k + 1]) * np.float32(0.25)
            real = np.float64(here.real)
            imaginary = np.float64(here.imag)
            power[i, k] = (real * real + imaginary * imaginary) * scale
        first = 0.5 * row[0].real - 0.5 * row[1].real
        last = 0.5 * row[n_bins - 1].real - 0.5 * row[n_bins - 2].real
        power[i, 0] = first * first * scale
        power[i, n_bins - 1] = last * last * scale


@njit(cache=True, nogil=True, fastmath=False)
def squared_envelope_moments(analytic: npt.NDArray[np.complex64], moments: Float64Array) -> None:
    """Fill `moments[i]` with the means of |z|^2 and |z|^4 over the row z of an analytic signal."""
    n_rows, n = analytic.shape
    whole = n - n % LANES
    for i in range(n_rows):
        row = analytic[i]
        a0 = a1 = a2 = a3 = c0 = c1 = c2 = c3 = 0.0
        for j in range(0, whole, LANES):
            q0 = _squared(row[j])
            q1 = _squared(row[j + 1])
            q2 = _squared(row[j + 2])
            q3 = _squared(row[j + 3])
            a0 += q0
            a1 += q1
            a2 += q2
            a3 += q3
            c0 += q0 * q0
            c1 += q1 * q1
            c2 += q2 * q2
            c3 += q3 * q3
        for j in range(whole, n):
            q0 = _squared(row[j])
            a0 += q0
            c0 += q0 * q0
        moments[i, 0] = ((a0 + a1) + (a2 + a3)) / n
        moments[i, 1] = ((c0 + c1) + (c2 + c3)) / n


@njit(cache=True, nogil=True, fastmath=False)
def _squared(value: np.complex64) -> float:
    real = np.float64(value.real)
    imaginary = np.float64(value.imag)
    return real * real + imaginary * imaginary


@njit(cache=True, nogil=True, fastmath=False)
def extremes(samples: Float32Array, found: Float64Array) -> None:
    """Fill `found` with greatest value, its count, the next lower value, its count; then so for the least.

    Constant samples have no next value: infinite, count 0. Samples must be finite.
    """
    infinity = np.float32(np.inf)
    high = low = samples[0]
    at_high = at_low = 0
    next_high = -infinity
    next_low = infinity
    at_next_high = at_next_low = 0
    for value in samples:
        if value > high:
            next_high, at_next_high = high, at_high
            high, at_high = value, 1
        elif value == high:
            at_high += 1
        elif value > next_high:
            next_high, at_next_high = value, 1
        elif value == next_high:
            at_next_high += 1
        if value < low:
            next_low, at_next_low = low, at_low
            low, at_low = value, 1
        elif value == low:
            at_low += 1
        elif value < next_low:
            next_low, at_next_low = value, 1
        elif value == next_low:
            at_next_low += 1
    found[0] = high
    found[1] = at_high
    found[2] = next_high
    found[3] = at_next_high
    found[4] = low
    found[5] = at_low
    found[6] = next_low
    found[7] = at_next_low


@njit(cache=True, nogil=True, fastmath=False)
def run_statistics(samples: Float32Array, found: Float64Array) -> None:
    """Fill `found` with what runs of equal samples say of the converter's noise.

    Share of runs longer than 1, least step between runs, share of neighbours that are equal, share of steps
    between runs that are at most 2.5 times the least one.
    """
    n = len(samples)
    runs = 1
    longer = 0
    length = 1
    least_step = np.inf
    for i in range(1, n):
        if samples[i] == samples[i - 1]:
            length += 1
            if length == 2:
                longer += 1
        else:
            runs += 1
            length = 1
            least_step = min(least_step, abs(np.float64(samples[i]) - samples[i - 1]))
    small = 0
    for i in range(1, n):
        step = abs(np.float64(samples[i]) - samples[i - 1])
        if 0.0 < step <= 2.5 * least_step:
            small += 1
    found[0] = longer / runs
    found[1] = least_step
    found[2] = (n - runs) / max(1, n - 1)
    found[3] = small / max(1, runs - 1)


@njit(cache=True, nogil=True, fastmath=False)
def frozen_runs(samples: Float32Array, run_samples: int, leap: float, found: Float64Array) -> None:
    """Fill `found` with number, total length and greatest length of frozen runs, and that one's value.

    A run is frozen if it has `run_samples` or more equal samples and is entered or left by more than `leap`.
    """
    n = len(samples)
    found[:] = 0.0
    start = 0
    for i in range(1, n + 1):
        if i < n and samples[i] == samples[start]:
            continue
        length = i - start
        if length >= run_samples:
            value = np.float64(samples[start])
            entered = start > 0 and abs(value - samples[start - 1]) > leap
            left = i < n and abs(value - samples[i]) > leap
            if entered or left:
                found[0] += 1
                found[1] += length
                if length > found[2]:
                    found[2] = length
                    found[3] = value
        start = i
