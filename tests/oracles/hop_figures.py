"""The figures of a long window, plainly: of the whole where that is what they are, else hop by hop."""

from __future__ import annotations

import numpy as np

from dsp.window_parameters import SEGMENT_SAMPLES, WINDOW_SAMPLES, WindowParameters
from tests.oracles import window_features as oracle


def figures(x: np.ndarray, parameters: WindowParameters, starts: tuple[int, ...]) -> dict[str, float]:
    """Every figure of one window by name, lines excepted; its true rate is the parameters'."""
    x = np.asarray(x, np.float64)
    rate_hz = parameters.sample_rate_hz
    d = x - x.mean()
    size = np.abs(d)
    hops = [d[start : start + WINDOW_SAMPLES] for start in starts]
    crossings = sum(np.count_nonzero(np.diff(np.signbit(hop))) for hop in hops)
    found = {
        "mean_mps2": x.mean(),
        "shape_factor": d.std() / size.mean(),
        "impulse_factor": size.max() / size.mean(),
        "clearance_factor": size.max() / np.sqrt(size).mean() ** 2,
        "zero_crossing_rate_hz": crossings / len(hops) / WINDOW_SAMPLES * rate_hz,
        "high_frequency_peak_mps2": max(
            oracle.features(hop, parameters)[parameters.names.index("high_frequency_peak_mps2")]
            for hop in hops
        ),
    }
    entropies = [oracle.features(hop, parameters)[parameters.names.index("entropy")] for hop in hops]
    densities = np.array([density(hop, rate_hz) for hop in hops])
    k = np.arange(densities.shape[1])
    step_hz = rate_hz / SEGMENT_SAMPLES
    share = densities.mean(axis=0) / densities.mean(axis=0).sum()
    centroid = share @ k
    found["centroid_hz"] = centroid * step_hz
    found["spread_hz"] = np.sqrt(share @ (k - centroid) ** 2) * step_hz
    found["entropy"] = np.average(entropies, weights=densities.sum(axis=1))
    for band in range(16):
        lines = densities.mean(axis=0)[64 * band + 1 : 64 * band + 65]
        found[f"band {band}"] = np.sqrt(lines.sum() * step_hz)
    return found


def density(x: np.ndarray, rate_hz: float) -> np.ndarray:
    """Welch's density of half-overlapping segments of 2048 under a periodic Hann window."""
    n = SEGMENT_SAMPLES
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)
    segments = [x[start : start + n] for start in range(0, len(x) - n + 1, n // 2)]
    power = np.mean(
        [np.abs(np.fft.rfft((segment - segment.mean()) * window)) ** 2 for segment in segments], axis=0
    )
    power *= 2.0 / (rate_hz * np.sum(window**2))
    power[[0, -1]] *= 0.5
    return power
