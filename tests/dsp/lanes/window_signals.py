"""Signals that the window engine is tried on, and the parameters that it is tried with."""

from __future__ import annotations

import numpy as np

from dsp.window_parameters import WINDOW_SAMPLES, WindowParameters

RATE_HZ = 25_600.0
SHAFT_HZ = 29.95
NOISE_RMS = 0.2
ORDERS = (("bpfo", 3.5848), ("bpfi", 5.4152), ("bsf", 4.7135), ("ftf", 0.3983))


def parameters_at(rate_hz: float = RATE_HZ, **changed: object) -> WindowParameters:
    """Parameters scaled to a rate: the band keeps its share of it."""
    faults = tuple((name, order * SHAFT_HZ * rate_hz / RATE_HZ) for name, order in ORDERS)
    wanted: dict[str, object] = {
        "fault_frequencies_hz": faults,
        "demodulation_band_hz": (0.078125 * rate_hz, 0.3125 * rate_hz),
        "envelope_limit_hz": 0.0390625 * rate_hz,
    }
    return WindowParameters(rate_hz, **(wanted | changed))  # type: ignore[arg-type]


def bearing(n_channels: int, n: int = WINDOW_SAMPLES, seed: int = 0) -> np.ndarray:
    """Shaft harmonics, mesh tone, noise and impacts that ring, one fault per channel; `(n_channels, n)`."""
    random = np.random.default_rng(seed)
    t = np.arange(n) / RATE_HZ
    out = np.empty((n_channels, n))
    for c in range(n_channels):
        x = 0.3 * np.sin(2 * np.pi * SHAFT_HZ * t + c) + 0.15 * np.sin(4 * np.pi * SHAFT_HZ * t)
        x += 0.1 * np.sin(2 * np.pi * 23 * SHAFT_HZ * t + 0.3 * c) + NOISE_RMS * random.standard_normal(n)
        period_s = 1.0 / (ORDERS[c % 4][1] * SHAFT_HZ)
        for start_s in np.arange(0.001 * (c % 7), t[-1], period_s):
            i = int(start_s * RATE_HZ)
            ring = t[: min(200, n - i)]
            x[i : i + 200] += 0.8 * np.exp(-900 * ring) * np.sin(2 * np.pi * (4000 + 50 * (c % 9)) * ring)
        out[c] = x + 0.05 * (c % 5)
    return out
