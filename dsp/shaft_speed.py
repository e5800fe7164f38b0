"""The shaft's speed as the signal itself tells it, near a speed that is known roughly.

Duty: refine a nominal or measured speed by the shaft's own harmonics, or say that they do not decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsp.envelope_spectrum import EnvelopeSpectrum, running_floor
from dsp.plain_spectrum import PlainSpectrum

RAW_HARMONICS = 8
ENVELOPE_HARMONICS = 4
_CAP = 4.0  # no single harmonic decides: ln of its prominence counts up to this
_NEAR = 0.004  # relative; speeds nearer than this are one speed
_RELATIVE_STEP = 2e-4
# How much better (mean ln prominence, both combs added) the best speed must be than the next one.
DECISION_MARGIN = 0.7


@dataclass(frozen=True, slots=True)
class ShaftSpeed:
    """A speed and whether the signal decided it (else it is the speed that was given)."""

    shaft_hz: float
    refined: bool


def refined_shaft_speed(
    plain: PlainSpectrum, envelope: EnvelopeSpectrum, shaft_hz: float, tolerance: float
) -> ShaftSpeed:
    """Speed within `shaft_hz` +- `tolerance` (relative) whose harmonics stand out best.

    Uses 8 harmonics of the signal's and 4 of the envelope's spectrum. Where another speed does nearly as well
    (a short record of a slow shaft, a machine that shows no shaft line) the given speed is kept.
    """
    if tolerance <= 0.0:
        return ShaftSpeed(shaft_hz, False)
    ratios = np.arange(1.0 - tolerance, 1.0 + tolerance + _RELATIVE_STEP, _RELATIVE_STEP)
    raw = _prominence(plain, (RAW_HARMONICS + 1) * (1.0 + tolerance) * shaft_hz, 0.5 * shaft_hz)
    speeds_hz = shaft_hz * ratios
    combs = ((raw, plain.step_hz, RAW_HARMONICS), (envelope.prominence, envelope.step_hz, ENVELOPE_HARMONICS))
    score = sum(
        (_comb(values, step_hz, speeds_hz, harmonics, _CAP) for values, step_hz, harmonics in combs),
        np.zeros(len(ratios)),
    )
    best = int(score.argmax())
    apart = np.abs(ratios - ratios[best]) > max(_NEAR, 0.5 * envelope.resolution_hz / shaft_hz)
    rival = float(score[apart].max()) if apart.any() else 0.0
    if float(score[best]) - rival < DECISION_MARGIN:
        return ShaftSpeed(shaft_hz, False)
    # Strong harmonics reach the cap on their flanks too: near the best, the crests decide.
    crests = sum(
        (_comb(values, step_hz, speeds_hz, harmonics, np.inf) for values, step_hz, harmonics in combs),
        np.zeros(len(ratios)),
    )
    crest = int(np.where(np.abs(ratios - ratios[best]) <= _NEAR, crests, -1.0).argmax())
    return ShaftSpeed(shaft_hz * float(ratios[crest]), True)


def _prominence(spectrum: PlainSpectrum, max_hz: float, floor_width_hz: float) -> npt.NDArray[np.float64]:
    bins = min(len(spectrum.amplitude), int(max_hz / spectrum.step_hz) + 2)
    power = np.square(spectrum.amplitude[:bins], dtype=np.float64)
    floor = running_floor(power, max(8, round(floor_width_hz / spectrum.step_hz)))
    return power / np.maximum(floor, np.finfo(np.float64).tiny)


def _comb(
    prominence: npt.NDArray[np.floating],
    step_hz: float,
    fundamentals_hz: npt.NDArray[np.float64],
    harmonics: int,
    cap: float,
) -> npt.NDArray[np.float64]:
    """Mean over harmonics of ln prominence, each within 0..cap, for each fundamental."""
    logarithm = np.clip(np.log(np.maximum(prominence, 1e-3)), 0.0, cap)
    score = np.zeros(len(fundamentals_hz))
    for harmonic in range(1, harmonics + 1):
        bins = np.rint(harmonic * fundamentals_hz / step_hz).astype(np.intp)
        score += logarithm[np.minimum(bins, len(logarithm) - 1)]
    return score / harmonics
