"""Slow, obvious definitions of the window features, float64, one window at a time: the specification.

`features` follows the ideal band-pass (spectral lines outside the band are zero); `with_filter=True` takes a
Butterworth band-pass run forwards and backwards instead, as most people would write it: its envelope differs,
nothing else does.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, signal, stats

from dsp.window_parameters import N_BANDS, N_PEAKS, SEGMENT_SAMPLES, WINDOW_SAMPLES, WindowParameters


def time_features(x: np.ndarray) -> list[float]:
    size = np.abs(x)
    rms = np.sqrt(np.mean(x * x))
    return [
        np.mean(x),
        rms,
        size.max(),
        x.max() - x.min(),
        size.max() / rms,
        stats.skew(x),
        stats.kurtosis(x, fisher=False),
        rms / size.mean(),
        size.max() / size.mean(),
        size.max() / np.mean(np.sqrt(size)) ** 2,
        np.count_nonzero(np.diff(np.signbit(x))),
    ]


def highest_peaks(f: np.ndarray, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inner = density[1:-1]
    peaks = 1 + np.flatnonzero((inner > density[:-2]) & (inner > density[2:]))
    peaks = peaks[np.argsort(density[peaks], kind="stable")[::-1][:N_PEAKS]]
    frequency, height = np.zeros(N_PEAKS), np.zeros(N_PEAKS)
    if len(peaks):
        logs = np.log(np.maximum(density, 1e-300))
        left, top, right = logs[peaks - 1], logs[peaks], logs[peaks + 1]
        offset = 0.5 * (left - right) / (left - 2.0 * top + right)
        frequency[: len(peaks)] = (peaks + offset) * f[1]
        height[: len(peaks)] = np.exp(top - 0.25 * (left - right) * offset)
    return frequency, height


def density_features(x: np.ndarray, rate_hz: float) -> list[float]:
    f, density = signal.welch(x, rate_hz, "hann", SEGMENT_SAMPLES, SEGMENT_SAMPLES // 2)
    step_hz = f[1]
    bands = [np.sqrt(density[1 + 64 * b : 65 + 64 * b].sum() * step_hz) for b in range(N_BANDS)]
    total = density.sum()
    share = density / total
    centroid = np.sum(f * share)
    spread = np.sqrt(np.sum((f - centroid) ** 2 * share))
    entropy = -np.sum(share * np.log(np.where(share > 0.0, share, 1.0))) / np.log(len(share))
    frequency, height = highest_peaks(f, density)
    return [np.sqrt(total * step_hz), *bands, centroid, spread, entropy, *frequency, *height]


def velocity_rms_mm_s(x: np.ndarray, parameters: WindowParameters) -> float:
    window = signal.windows.hann(WINDOW_SAMPLES, sym=False)
    first, last = parameters.velocity_lines
    if last < first:
        return np.nan
    k = np.arange(first, last + 1)
    f = k * parameters.sample_rate_hz / WINDOW_SAMPLES
    velocity = fft.rfft((x - x.mean()) * window)[k] / (2j * np.pi * f)
    return float(1000.0 * np.sqrt(2.0 * np.sum(np.abs(velocity) ** 2) / (WINDOW_SAMPLES * np.sum(window**2))))


@lru_cache
def band_pass(parameters: WindowParameters) -> np.ndarray:
    return signal.butter(
        4, parameters.demodulation_band_hz, "bandpass", fs=parameters.sample_rate_hz, output="sos"
    )


def squared_envelope(
    x: np.ndarray, parameters: WindowParameters, with_filter: bool
) -> tuple[np.ndarray, float]:
    """Squared envelope of the demodulation band at every sample, and its largest magnitude.

    The magnitude is looked at in `envelope_samples` evenly spaced instants, as many as the band needs.
    """
    if with_filter:
        squared = np.abs(signal.hilbert(signal.sosfiltfilt(band_pass(parameters), x))) ** 2
        return squared, float(np.sqrt(squared.max()))
    first, after = parameters.band_lines
    lines = np.zeros(WINDOW_SAMPLES, np.complex128)
    lines[first:after] = 2.0 * fft.fft(x)[first:after]
    squared = np.abs(fft.ifft(lines)) ** 2
    n = parameters.envelope_samples
    fewer = np.zeros(n, np.complex128)
    fewer[: after - first] = lines[first:after]
    return squared, float(np.abs(fft.ifft(fewer)).max() * n / WINDOW_SAMPLES)


def envelope_scores(squared: np.ndarray, parameters: WindowParameters) -> list[float]:
    window = signal.windows.hann(WINDOW_SAMPLES, sym=False)
    lines = np.abs(fft.rfft((squared - squared.mean()) * window))
    floor = np.median(lines[1 : parameters.n_envelope_lines + 1])
    if floor == 0.0:
        return [np.nan] * len(parameters.comb_lines)
    return [sum(lines[lo : hi + 1].max() for lo, hi in comb) / floor for comb in parameters.comb_lines]


def features(x: np.ndarray, parameters: WindowParameters, with_filter: bool = False) -> np.ndarray:
    """Every feature of one window of 8192 samples, in the order of `parameters.names`."""
    x = np.asarray(x, np.float64)
    if not np.all(np.abs(x) <= 1e30):
        return np.full(len(parameters.names), np.nan)
    squared, highest = squared_envelope(x, parameters, with_filter)
    return np.array(
        [
            *time_features(x),
            *density_features(x, parameters.sample_rate_hz),
            velocity_rms_mm_s(x, parameters),
            *envelope_scores(squared, parameters),
            highest,
        ]
    )


def errors(ours: np.ndarray, wanted: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """How far each value is from the specification, relative to what it can be held against.

    A band's power is held against the total power; mean and skewness, which may be zero, against the RMS and
    against 1; everything else against itself. Both not-a-number is no error, one of the two an infinite one.
    """
    ours, wanted = np.atleast_2d(ours).astype(np.float64), np.atleast_2d(wanted)
    of = {name: i for i, name in enumerate(names)}
    out = np.zeros(ours.shape)
    total = wanted[:, of["density_rms_mps2"]] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        for i, name in enumerate(names):
            difference = np.abs(ours[:, i] - wanted[:, i])
            if name.startswith("band_"):
                # half, since the power of a root is twice as far off
                out[:, i] = 0.5 * np.abs(ours[:, i] ** 2 - wanted[:, i] ** 2) / total
            elif name == "mean_mps2":
                out[:, i] = difference / wanted[:, of["rms_mps2"]]
            elif name == "skewness":
                out[:, i] = difference / np.maximum(1.0, np.abs(wanted[:, i]))
            else:
                out[:, i] = difference / np.abs(wanted[:, i])
            out[difference == 0.0, i] = 0.0
    agree = np.isnan(ours) & np.isnan(wanted)
    out[np.isnan(out)] = np.inf
    out[agree] = 0.0
    return out
