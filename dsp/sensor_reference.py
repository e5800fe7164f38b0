"""What a sensor showed when it was trusted, and whether it still shows it: shift, loose mount, swapped
axes, hum.

Duty: figures of a window that tell of the sensor rather than the machine, a reference of them, and verdicts
by comparison. What a single window proves without a reference (flat, clipped, dropouts) is
`dsp.sensor_check`'s.

Each verdict is one that a machine's own damage does not cause: damage raises the high-frequency floor, a
loose mount lowers it; damage adds to an axis, swapped cables exchange two; hum stands at the mains and its
odd harmonics, where (speed known) no shaft line stands. Compare windows of one operating state only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from dsp.framing import Window
from dsp.sensor_check import SensorCheck, SensorCondition, sensor_verdict
from dsp.spectrum import welch_psd

# A mean that moved: by more than its own spread can, and by more than the vibration around it.
BIAS_SPREADS = 8.0
BIAS_RMS = 2.0
# Mount resonance lost: the floor near the upper end falls by this much, while what the machine does at low
# frequencies stays within the second figure (both dB). Sensors on wax or magnet lose 10 to 20 dB there.
FLOOR_DROP_DB = 10.0
LOW_STAYS_DB = 3.0
FLOOR_SPREADS = 6.0
# Axes: levels that differ by less than this cannot tell two axes apart; a permutation must fit this well.
AXES_APART_DB = 6.0
AXES_FIT_DB = 2.5
# Exchanged axes show the levels they had. Where all moved together the machine did it: a fault that lifts the
# weaker of two axes by twice their distance would look like an exchange otherwise.
AXES_COMMON_DB = 3.0
# Hum: share of the window's power at odd harmonics of the mains, of which two or more must stand out.
HUM_SHARE = 0.25
HUM_PROMINENCE_DB = 20.0
HUM_HARMONICS = (1, 3, 5, 7)
_SEGMENTS = 8  # of a window, for its density
_LOW_BAND = (0.0, 0.04)  # shares of the rate: shaft, mesh
_FLOOR_BAND = (0.28, 0.45)
_MOUNT_FROM_HZ = 1000.0  # below this a loose mount changes nothing that could be told from the machine
_LEAST_SAMPLES = 1024
_MIN_REFERENCES = 5


@dataclass(frozen=True, slots=True)
class SensorFigures:
    """Figures of one window; levels in dB re 1 unit of the channel."""

    mean: float
    rms: float
    low_db: float  # power below 0.04 x rate
    floor_db: (
        float  # median density from 0.28 to 0.45 x rate, times that width; NaN where that is below 1 kHz
    )


@dataclass(frozen=True, slots=True)
class SensorReference:
    """Medians of trusted windows' figures, and how far they spread (largest deviation)."""

    windows: int
    median: SensorFigures
    spread: SensorFigures


def sensor_figures(window: Window) -> SensorFigures | None:
    """Figures of a window whose samples are finite and not constant; None for others and below 1024
    samples."""
    samples = np.asarray(window.samples, np.float64)
    if len(samples) < _LEAST_SAMPLES or not np.isfinite(samples).all() or np.ptp(samples) == 0.0:
        return None
    segment = max(256, 2 * (len(samples) // (2 * _SEGMENTS)))
    density = welch_psd(samples, window.sample_rate_hz, segment)
    shares = np.arange(len(density)) / segment
    step_hz = window.sample_rate_hz / segment
    low = density[(shares > _LOW_BAND[0]) & (shares <= _LOW_BAND[1])].sum() * step_hz
    high = density[(shares >= _FLOOR_BAND[0]) & (shares <= _FLOOR_BAND[1])]
    floor = float(np.median(high)) * len(high) * step_hz
    mounted = _FLOOR_BAND[0] * window.sample_rate_hz >= _MOUNT_FROM_HZ
    return SensorFigures(
        mean=float(samples.mean()),
        rms=float(samples.std()),
        low_db=_db(float(low)),
        floor_db=_db(floor) if mounted else math.nan,
    )


def sensor_reference(figures: Sequence[SensorFigures]) -> SensorReference | None:
    """Reference of trusted windows in one operating state; None below 5, which say nothing of a spread."""
    if len(figures) < _MIN_REFERENCES:
        return None
    rows = np.array([(one.mean, one.rms, one.low_db, one.floor_db) for one in figures])
    median = np.median(rows, axis=0)
    spread = np.abs(rows - median).max(axis=0)
    return SensorReference(len(figures), _figures(median), _figures(spread))


def check_against_reference(
    window: Window, figures: SensorFigures, reference: SensorReference
) -> SensorCheck:
    """Verdict by comparison: bias shift, loose mount, or ok. One operating state, the same channel.

    - bias shift: the mean moved by more than 8 x its spread in the reference and 2 x the reference's RMS.
    - loose mount (bands above 1 kHz): the floor near the upper end of the spectrum fell by 10 dB (and 6 x
    its spread), while the
      level below 0.04 x rate stayed within 3 dB.
    """
    usual, spread = reference.median, reference.spread
    moved = abs(figures.mean - usual.mean)
    if moved > max(BIAS_SPREADS * spread.mean, BIAS_RMS * usual.rms):
        text = f"The mean moved from {usual.mean:.4g} to {figures.mean:.4g}."
        return sensor_verdict(window, SensorCondition.BIAS_SHIFT, text)
    drop_db = usual.floor_db - figures.floor_db
    low_stays = abs(figures.low_db - usual.low_db) <= LOW_STAYS_DB + spread.low_db
    if low_stays and drop_db > max(FLOOR_DROP_DB, FLOOR_SPREADS * spread.floor_db):
        text = f"The high-frequency floor fell by {drop_db:.0f} dB while low frequencies stayed."
        return sensor_verdict(window, SensorCondition.LOOSE_MOUNT, text)
    return sensor_verdict(window, SensorCondition.OK)


def swapped_axes(usual: Sequence[SensorFigures], now: Sequence[SensorFigures]) -> tuple[int, ...] | None:
    """Which axis of the reference each axis of one sensor shows now, where they were exchanged; else None.

    Levels below 0.04 x rate of all axes (in one order in both) are compared with every permutation of the
    reference: one must fit within 2.5 dB (RMS over axes, common level taken off), the plain order must not
    within 6 dB, and the level of all together must have stayed within 3 dB. Axes whose levels are alike
    cannot be told apart. Means decide with them where they are larger than the vibration (gravity on a MEMS
    sensor).
    """
    n_axes = len(usual)
    if n_axes < 2 or len(now) != n_axes:
        return None
    levels = np.array([one.low_db for one in usual])
    found = np.array([one.low_db for one in now])
    steady = np.array([one.mean for one in usual])
    means = np.array([one.mean for one in now])
    scale = max(float(np.abs(steady).max()), 1e-30)
    gravity = scale > 3.0 * max(one.rms for one in (*usual, *now))

    def misfit_db(order: tuple[int, ...]) -> float:
        difference = found - levels[list(order)]
        misfit = float(np.std(difference))
        if gravity:
            misfit = max(misfit, 20.0 * float(np.abs(means - steady[list(order)]).max()) / scale)
        return misfit

    plain = tuple(range(n_axes))
    best = min(permutations(plain), key=misfit_db)
    if best == plain or misfit_db(best) > AXES_FIT_DB or misfit_db(plain) < AXES_APART_DB:
        return None
    if abs(float(np.mean(found - levels[list(best)]))) > AXES_COMMON_DB:
        return None
    return best


def check_hum(window: Window, shaft_hz: float, mains_hz: Sequence[float] = (50.0, 60.0)) -> SensorCheck:
    """Whether mains hum drowns a window: 25 % of its power at odd harmonics of 50 or 60 Hz, else ok.

    Two or more of 1x, 3x, 5x, 7x must stand 20 dB above their neighbourhood. A mains harmonic that a shaft
    harmonic stands nearer to than four lines of the spectrum is not counted: there the machine may be meant.
    Even harmonics are a motor's own magnetic pull and never counted.
    """
    samples = np.asarray(window.samples, np.float64)
    n = len(samples)
    rate_hz = window.sample_rate_hz
    if n < _LEAST_SAMPLES or not np.isfinite(samples).all() or np.ptp(samples) == 0.0:
        return sensor_verdict(window, SensorCondition.OK)
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)
    spectrum = np.fft.rfft((samples - samples.mean()) * hann)
    power = spectrum.real**2 + spectrum.imag**2
    total = float(power[2:].sum())
    step_hz = rate_hz / n
    for line_hz in mains_hz:
        shares = []
        for harmonic in HUM_HARMONICS:
            at_hz = harmonic * line_hz
            if at_hz > 0.45 * rate_hz or _near_shaft(at_hz, shaft_hz, 4.0 * step_hz):
                continue
            at = round(at_hz / step_hz)
            near = power[max(2, at - 2) : at + 3]
            around = power[max(2, at - 40) : at + 41]
            floor = float(np.median(around)) if len(around) else 0.0
            if len(near) and float(near.max()) > floor * 10.0 ** (HUM_PROMINENCE_DB / 10.0):
                shares.append(float(near.sum()) / total)
        if len(shares) >= 2 and sum(shares) >= HUM_SHARE:
            text = f"{100.0 * sum(shares):.0f} % of the power stands at odd harmonics of {line_hz:g} Hz."
            return sensor_verdict(window, SensorCondition.MAINS_HUM, text, sum(shares))
    return sensor_verdict(window, SensorCondition.OK)


def _near_shaft(frequency_hz: float, shaft_hz: float, reach_hz: float) -> bool:
    order = max(1, round(frequency_hz / shaft_hz))
    return abs(frequency_hz - order * shaft_hz) <= max(reach_hz, 0.005 * frequency_hz)


def _figures(row: np.ndarray) -> SensorFigures:
    return SensorFigures(*(float(value) for value in row))


def _db(power: float) -> float:
    return 10.0 * math.log10(max(power, 1e-30))
