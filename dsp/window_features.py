"""The features of windows by scipy, in float64, many windows at once: the engine for any processor.

Duty: what `dsp.lanes.engine` computes, without compiled kernels: for boxes where those are not wanted, and as
the second opinion that the contract tests hold the lanes against. Formulas stand in `dsp/lanes/README.md`;
the specification is `tests/oracles/window_features.py`, which is slower and plainer still.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp.conditioning import WindowFunction, taper
from dsp.errors import DspError
from dsp.samples import Float64Array
from dsp.window_parameters import N_BANDS, N_PEAKS, SEGMENT_SAMPLES, WINDOW_SAMPLES, WindowParameters

# Larger magnitudes count as not finite, as they do on lanes.
LARGEST = 1e30
# Windows computed together: as many as keep the intermediate arrays within a few MiB.
_AT_ONCE = 16
_N_SEGMENTS = 7


def window_features(samples: npt.ArrayLike, parameters: WindowParameters) -> Float64Array:
    """Features `(n_windows, n_features)` of windows `(n_windows, 8192)`, in the order of `parameters.names`.

    A window that holds NaN, infinity or a magnitude above 1e30 has NaN for every feature, a constant one for
    every feature that is a ratio of deviations. Raises DspError for another length.
    """
    windows = np.asarray(samples)
    if windows.ndim != 2 or windows.shape[1] != WINDOW_SAMPLES:
        raise DspError(f"windows of shape {windows.shape}; (n, {WINDOW_SAMPLES}) is needed")
    out = np.full((len(windows), len(parameters.names)), np.nan)
    usable = np.array([bool(np.all(np.abs(x) <= LARGEST)) for x in windows], bool)
    for start in range(0, len(windows), _AT_ONCE):
        rows = start + np.flatnonzero(usable[start : start + _AT_ONCE])
        if len(rows):
            with np.errstate(divide="ignore", invalid="ignore"):
                out[rows] = _features(windows[rows].astype(np.float64), parameters)
    return out


def _features(x: Float64Array, parameters: WindowParameters) -> Float64Array:
    mean = x.mean(axis=1, keepdims=True)
    # the rounded mean of a constant window need not be that constant
    mean = np.where(np.ptp(x, axis=1, keepdims=True) == 0.0, x[:, :1], mean)
    d = x - mean
    lines = fft.rfft(d, axis=1, workers=1)
    highest, scores = _envelope_features(lines, parameters)
    columns = (
        *_time_features(x, mean[:, 0], d),
        *_density_features(x - mean, parameters),
        _velocity_rms_mm_s(lines, parameters),
        *scores.T,
        highest,
    )
    return np.column_stack(columns)


def _time_features(x: Float64Array, mean: Float64Array, d: Float64Array) -> list[Float64Array]:
    squared = d * d
    second = squared.mean(axis=1)
    third, fourth = (squared * d).mean(axis=1), (squared * squared).mean(axis=1)
    size = np.abs(x)
    rms, peak, average = np.sqrt(second + mean * mean), size.max(axis=1), size.mean(axis=1)
    negative = np.signbit(x)
    crossings = np.count_nonzero(negative[:, 1:] != negative[:, :-1], axis=1).astype(np.float64)
    return [
        mean, rms, peak, np.ptp(x, axis=1), peak / rms,
        third / second**1.5, fourth / second**2,
        rms / average, peak / average, peak / np.sqrt(size).mean(axis=1) ** 2, crossings,
    ]  # fmt: skip


def _density_features(d: Float64Array, parameters: WindowParameters) -> list[Float64Array]:
    """Welch's density of seven half-overlapping segments under a Hann window, each without its mean."""
    window = taper(WindowFunction.HANN, SEGMENT_SAMPLES).values
    segments = np.lib.stride_tricks.sliding_window_view(d, SEGMENT_SAMPLES, axis=1)[
        :, :: SEGMENT_SAMPLES // 2
    ]
    segments = (segments - segments.mean(axis=2, keepdims=True)) * window
    transformed = fft.rfft(segments, axis=2, workers=1)
    density = (transformed.real**2 + transformed.imag**2).sum(axis=1)
    density *= 2.0 / (parameters.sample_rate_hz * np.sum(window**2) * _N_SEGMENTS)
    density[:, [0, -1]] *= 0.5
    step_hz = parameters.density_line_hz
    k = np.arange(density.shape[1])
    total = density.sum(axis=1)
    bands = np.sqrt(density[:, 1:].reshape(len(d), N_BANDS, -1).sum(axis=2) * step_hz)
    share = density / total[:, np.newaxis]
    centroid = share @ k
    spread = np.sqrt(np.sum((k - centroid[:, np.newaxis]) ** 2 * share, axis=1))
    entropy = -np.sum(share * np.log(np.where(share > 0.0, share, 1.0)), axis=1) / np.log(len(k))
    entropy[total == 0.0] = np.nan
    frequencies, heights = _highest_peaks(density, step_hz)
    return [
        np.sqrt(total * step_hz), *bands.T, centroid * step_hz, spread * step_hz, entropy,
        *frequencies.T, *heights.T,
    ]  # fmt: skip


def _highest_peaks(density: Float64Array, step_hz: float) -> tuple[Float64Array, Float64Array]:
    """Frequencies and heights `(n_windows, 8)` of the highest lines above both neighbours; 0 where none."""
    inner = density[:, 1:-1]
    is_peak = (inner > density[:, :-2]) & (inner > density[:, 2:])
    candidates = np.where(is_peak, inner, 0.0)
    places = np.argpartition(candidates, -N_PEAKS, axis=1)[:, -N_PEAKS:]
    found = np.take_along_axis(candidates, places, axis=1)
    order = np.argsort(-found, axis=1)
    places = np.take_along_axis(places, order, axis=1) + 1
    found = np.take_along_axis(found, order, axis=1)
    around = [np.take_along_axis(density, places + side, axis=1) for side in (-1, 0, 1)]
    left, top, right = (np.log(np.maximum(values, 1e-300)) for values in around)
    offset = 0.5 * (left - right) / (left - 2.0 * top + right)
    heights = found * np.exp(-0.25 * (left - right) * offset)
    there = found > 0.0
    return np.where(there, (places + offset) * step_hz, 0.0), np.where(there, heights, 0.0)


def _velocity_rms_mm_s(lines: npt.NDArray[np.complex128], parameters: WindowParameters) -> Float64Array:
    """Hann window applied as its three lines, then division by 2 pi f."""
    first, last = parameters.velocity_lines
    if last < first:
        return np.full(len(lines), np.nan)
    k = np.arange(first, last + 1)
    windowed = 0.5 * lines[:, k] - 0.25 * (lines[:, k - 1] + lines[:, k + 1])
    squared = windowed.real**2 + windowed.imag**2
    total = squared @ (1.0 / (2.0 * np.pi * k * parameters.line_hz)) ** 2
    return np.asarray(1000.0 * np.sqrt(2.0 * total / (0.375 * WINDOW_SAMPLES**2)))


def _envelope_features(
    lines: npt.NDArray[np.complex128], parameters: WindowParameters
) -> tuple[Float64Array, Float64Array]:
    """Largest magnitude of the band's analytic signal, and the fault scores `(n_windows, n_faults)`."""
    first, after = parameters.band_lines
    n = parameters.envelope_samples
    band = np.zeros((len(lines), n), np.complex128)
    band[:, : after - first] = lines[:, first:after]
    analytic = fft.ifft(band, axis=1, workers=1, overwrite_x=True) * (2.0 * n / WINDOW_SAMPLES)
    squared = analytic.real**2 + analytic.imag**2
    k = np.arange(1, parameters.n_envelope_lines + 1)
    envelope = fft.rfft(squared, axis=1, workers=1)
    envelope[:, 0] = 0.0
    size = np.abs(0.5 * envelope[:, k] - 0.25 * (envelope[:, k - 1] + envelope[:, k + 1]))
    scores = np.zeros((len(lines), len(parameters.comb_lines)))
    for fault, harmonics in enumerate(parameters.comb_lines):
        scores[:, fault] = sum(size[:, low - 1 : high].max(axis=1) for low, high in harmonics)
    floor = np.median(size, axis=1)
    floor[floor == 0.0] = np.nan
    return np.sqrt(squared.max(axis=1)), scores / floor[:, np.newaxis]
