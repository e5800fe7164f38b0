"""Physics of a damaged bearing for tests: impacts with slip through a resonance, noise, harmonics, gear mesh.

Written apart from the product's simulator, so that a mistake in one is not the other's measure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dsp.bearing import BearingFault, FaultMultipliers, fault_multipliers
from dsp.framing import Window
from dsp.samples import Quality, TimeQuality

RATE_HZ = 25_600.0
SHAFT_HZ = 24.6
BEARING = fault_multipliers(9, 7.94, 39.04, 0.0, "6205")


def noise(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return rng.standard_normal(n)


def resonant_noise(
    rng: np.random.Generator, n: int, resonance_hz: float = 3_200.0, damping: float = 0.04
) -> npt.NDArray[np.float64]:
    """Noise with one structural resonance on top of a flat floor, RMS 1."""
    coloured = rng.standard_normal(n) * 0.3 + _ring(rng.standard_normal(n) * 0.05, resonance_hz, damping)
    return coloured / coloured.std()


def harmonics(
    rng: np.random.Generator, n: int, shaft_hz: float = SHAFT_HZ, orders: int = 8
) -> npt.NDArray[np.float64]:
    """Unbalance, misalignment and what else turns with the shaft."""
    t = np.arange(n) / RATE_HZ
    signal = np.zeros(n)
    for order in range(1, orders + 1):
        phase = rng.uniform(0, 2 * np.pi)
        signal += rng.uniform(0.2, 1.0) / order * np.sin(2 * np.pi * order * shaft_hz * t + phase)
    return signal


def gear_mesh(
    rng: np.random.Generator, n: int, teeth: int = 37, shaft_hz: float = SHAFT_HZ, modulation: float = 0.4
) -> npt.NDArray[np.float64]:
    """Mesh harmonics, amplitude- and phase-modulated once per revolution."""
    t = np.arange(n) / RATE_HZ
    turn = 2 * np.pi * shaft_hz * t
    signal = np.zeros(n)
    for harmonic in (1, 2, 3):
        amplitude = 1.0 + modulation * np.cos(turn + rng.uniform(0, 2 * np.pi))
        phase = 0.3 * np.sin(turn + rng.uniform(0, 2 * np.pi)) + rng.uniform(0, 2 * np.pi)
        signal += amplitude * np.sin(harmonic * teeth * turn + phase) / harmonic
    return signal


def impacts(
    rng: np.random.Generator,
    n: int,
    fault: BearingFault,
    *,
    shaft_hz: float = SHAFT_HZ,
    multipliers: FaultMultipliers = BEARING,
    slip: float = 0.004,
    jitter: float = 0.01,
    resonance_hz: float = 3_200.0,
    damping: float = 0.03,
) -> npt.NDArray[np.float64]:
    """Impact train of one fault, RMS 1: mean rate off by `slip`, each period jittered (random walk).

    The inner race passes the load zone once per shaft turn, a rolling element once per cage turn.
    """
    rate_hz = multipliers.of(fault) * shaft_hz * (1.0 - slip)
    count = int(n / RATE_HZ * rate_hz) + 2
    times = np.cumsum((1.0 + jitter * rng.standard_normal(count)) / rate_hz)
    passing_hz = {
        BearingFault.INNER_RACE: shaft_hz,
        BearingFault.ROLLING_ELEMENT: multipliers.ftf * shaft_hz * (1.0 - slip),
    }.get(fault, 0.0)
    strength = 1.0 + 0.1 * rng.standard_normal(count)
    if passing_hz > 0.0:
        strength *= np.clip(0.35 + np.cos(2 * np.pi * passing_hz * times), 0.0, None)
    train = np.zeros(n)
    at = np.rint(times * RATE_HZ).astype(int)
    keep = at < n
    np.add.at(train, at[keep], strength[keep])
    signal = _ring(train, resonance_hz, damping)
    return signal / signal.std()


def record(samples: npt.NDArray[np.float64], start_s: float = 0.0, rate_hz: float = RATE_HZ) -> Window:
    """Samples as the product meets them."""
    return Window(
        channel_id="pump.de",
        start_ns=round(start_s * 1e9),
        sample_rate_hz=rate_hz,
        samples=samples.astype(np.float32),
        quality=Quality.GOOD,
        time_quality=TimeQuality.RECORDED,
    )


def _ring(
    excitation: npt.NDArray[np.float64], resonance_hz: float, damping: float
) -> npt.NDArray[np.float64]:
    """Response of a single degree of freedom to `excitation`."""
    t = np.arange(int(0.02 * RATE_HZ)) / RATE_HZ
    response = np.exp(-2 * np.pi * damping * resonance_hz * t) * np.sin(2 * np.pi * resonance_hz * t)
    size = len(excitation) + len(response)
    return np.fft.irfft(np.fft.rfft(excitation, size) * np.fft.rfft(response, size), size)[: len(excitation)]
