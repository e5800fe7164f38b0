"""The shaft's speed from vibration alone, where no tag, plate or notebook says it; or that it cannot be told.

Duty: a search over a wide range of speeds, with a confidence, that rather abstains than guesses. Refining a
speed that is known roughly is `dsp.shaft_speed`'s duty.

A shaft shows a comb of harmonics in the plain spectrum (unbalance, misalignment, gears) and in the envelope
(what it modulates). So does anything else that repeats: a damaged race, a second shaft, a multiple of the
shaft where odd harmonics are missing. A speed is called only where its comb has its fundamental, no
fraction of it does nearly as well, no unrelated comb comes near, and it is no line of the bearing at
another speed that shows itself, too (a damaged race on a machine without any shaft line is still taken for
a shaft). The limits were set on public recordings of three rigs whose speeds are known; a test counts
what they do there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dsp.bearing import BearingFault, FaultMultipliers
from dsp.envelope_spectrum import envelope_spectrum, running_floor
from dsp.errors import DspError
from dsp.plain_spectrum import plain_spectrum
from dsp.samples import Float32Array, Float64Array

SEARCH_RANGE_HZ = (5.0, 62.0)  # 300 to 3720 r/min: machines on the mains, and most on drives
RAW_HARMONICS = 8
ENVELOPE_HARMONICS = 5
_CAPS = (6.0, 4.0)  # ln of prominence: no single harmonic decides
_CREST_SHARE = 0.05
_FLOOR_WIDTH_HZ = 6.0
_RELATIVE_STEP = 2e-4
_LEAST_REVOLUTIONS = 20.0
# Where a fraction of the best speed does this well, it is the shaft and the best its harmonic ...
FRACTION_IS_SHAFT = 0.75
# ... and where harmonics that only the slower shaft would have stand this high (of all of its), nobody can
# say.
OWN_HARMONICS_DOUBT = 0.35
RIVAL_LIMIT = 0.85  # of the best score: an unrelated comb above it
# The comb may be a line of the bearing if the shaft that would have it shows a comb of this share ...
BEARING_LINE_LIMIT = 0.40
# ... and where no bearing is known, nothing tells a damaged race from a shaft: so sure and no surer.
UNKNOWN_BEARING_CONFIDENCE = 0.7
LEAST_SCORE = 3.3
LEAST_RAW = 2.2
LEAST_FUNDAMENTAL = 2.5
LEAST_HARMONICS = 4
_HARMONIC_SEEN = 2.5
_NEAR = 0.012  # relative: nearer than this is the same multiple


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """A speed, or why none is called; `best_hz` is the best comb either way."""

    shaft_hz: float | None
    confidence: float  # 0..1 that the speed is right within 1 %; 0 where none is called
    best_hz: float
    reason: str  # a sentence


def estimated_shaft_speed(
    samples: Float32Array,
    sample_rate_hz: float,
    bearing: FaultMultipliers | None = None,
    range_hz: tuple[float, float] = SEARCH_RANGE_HZ,
) -> SpeedEstimate:
    """Speed within `range_hz` of one record `(n_samples,)`, best of several seconds; unit does not matter.

    Score of a speed: mean over 8 harmonics of ln prominence (0 to 6) in the Hann spectrum, plus mean over 5
    (0 to 4) in the squared envelope spectrum, plus a twentieth of the former without its cap. Confidence is
    0.75 where the strongest unrelated comb is just short of the limit, up to 0.95 where it has half the
    score. Raises DspError for a range that cannot be, or a record shorter than 20 revolutions of its lower
    end.
    """
    low_hz, high_hz = range_hz
    if not 0.0 < low_hz < high_hz < 0.1 * sample_rate_hz:
        raise DspError(f"range_hz is {range_hz}; two rising speeds above 0 and below 0.1 x rate are needed")
    duration_s = len(samples) / sample_rate_hz
    if duration_s * low_hz < _LEAST_REVOLUTIONS:
        raise DspError(
            f"a record of {duration_s:.2f} s is shorter than {_LEAST_REVOLUTIONS:.0f} revolutions at "
            f"{low_hz:g} Hz: search from a higher speed on, or record longer"
        )
    plain = plain_spectrum(samples, sample_rate_hz)
    if not np.isfinite(plain.amplitude[0]) or float(plain.amplitude.max()) == 0.0:
        return SpeedEstimate(None, 0.0, 0.0, "the record is constant or holds what is no number")
    top_hz = (RAW_HARMONICS + 1) * high_hz
    raw = _log_prominence(np.square(plain.amplitude, dtype=np.float64), plain.step_hz, top_hz)
    envelope = envelope_spectrum(samples, sample_rate_hz, min(top_hz, 0.2 * sample_rate_hz), _FLOOR_WIDTH_HZ)
    speeds = np.exp(np.arange(np.log(low_hz), np.log(high_hz), _RELATIVE_STEP))
    crests = _comb(raw, plain.step_hz, speeds, RAW_HARMONICS, np.inf)
    raw_comb = np.minimum(crests, _CAPS[0])
    modulation = np.clip(np.log(np.maximum(envelope.prominence.astype(np.float64), 1e-3)), 0.0, None)
    # Strong harmonics reach the cap on their flanks, too: of speeds that score alike the crests decide.
    score = raw_comb.mean(axis=0) + _CREST_SHARE * crests.mean(axis=0)
    score = score + _comb(modulation, envelope.step_hz, speeds, ENVELOPE_HARMONICS, _CAPS[1]).mean(axis=0)
    return _judged(speeds, score, raw_comb, bearing)


def _judged(
    speeds: Float64Array, score: Float64Array, raw_comb: Float64Array, bearing: FaultMultipliers | None
) -> SpeedEstimate:
    best, doubt = _slowest_alike(speeds, score, raw_comb, int(score.argmax()))
    best_hz, height = float(speeds[best]), float(score[best])
    ratio = speeds / best_hz
    related = _near_any(ratio, (1, 2, 3, 4, 5, 6, 1.5, 0.5, 1 / 3, 0.25, 0.2, 2 / 3, 0.75, 4 / 3))
    rival = float(np.max(score, where=~related, initial=0.0)) / max(height, 1e-9)
    harmonics = int(np.count_nonzero(raw_comb[:, best] >= _HARMONIC_SEEN))
    reason = ""
    if height < LEAST_SCORE or raw_comb[:, best].mean() < LEAST_RAW or harmonics < LEAST_HARMONICS:
        reason = "no comb of shaft harmonics stands out"
    elif raw_comb[0, best] < LEAST_FUNDAMENTAL:
        reason = f"the comb at {best_hz:.2f} Hz lacks its fundamental"
    elif doubt >= OWN_HARMONICS_DOUBT:
        reason = f"{best_hz:.2f} Hz may be a harmonic of a slower shaft"
    elif rival > RIVAL_LIMIT:
        reason = "two combs that have nothing to do with each other are nearly as strong"
    elif bearing is not None:
        reason = _bearing_doubt(speeds, score, best_hz, height, bearing)
    if reason:
        return SpeedEstimate(None, 0.0, best_hz, reason)
    confidence = 0.75 + 0.2 * min(1.0, (RIVAL_LIMIT - rival) / (RIVAL_LIMIT - 0.5))
    text = f"{harmonics} of {RAW_HARMONICS} harmonics stand out"
    if bearing is None:
        confidence = min(confidence, UNKNOWN_BEARING_CONFIDENCE)
        text += "; without a known bearing a damaged race is not ruled out"
    return SpeedEstimate(best_hz, round(confidence, 2), best_hz, text)


def _slowest_alike(
    speeds: Float64Array, score: Float64Array, raw_comb: Float64Array, best: int
) -> tuple[int, float]:
    """The slowest fraction that does nearly as well, and how much speaks for a slower one yet."""
    doubt = 0.0
    for fraction in (2, 3, 4, 5):
        at, share = _best_near(speeds, score, speeds[best] / fraction, float(score[best]), 0.008)
        if share >= FRACTION_IS_SHAFT:
            return _slowest_alike(speeds, score, raw_comb, at)
        if share > 0.0 and fraction <= 3:  # the cage turns at two fifths: fifths are no slower shaft
            own = [harmonic - 1 for harmonic in range(1, RAW_HARMONICS + 1) if harmonic % fraction]
            usual = max(float(raw_comb[:, best].mean()), 1e-9)
            doubt = max(doubt, float(raw_comb[own, at].mean()) / usual)
    return best, doubt


def _bearing_doubt(
    speeds: Float64Array, score: Float64Array, best_hz: float, height: float, bearing: FaultMultipliers
) -> str:
    """Whether the comb may be a damaged race's, of a shaft that turns slower: that shaft's comb says so."""
    for fault in (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT):
        _, share = _best_near(speeds, score, best_hz / bearing.of(fault), height, 0.015)
        if share >= BEARING_LINE_LIMIT:
            slower_hz = best_hz / bearing.of(fault)
            return f"it may be the {fault} of the bearing, the shaft turning at {slower_hz:.2f} Hz"
    return ""


def _best_near(
    speeds: Float64Array, score: Float64Array, at_hz: float, height: float, reach: float
) -> tuple[int, float]:
    """Place and share of `height` of the best score near a speed; share 0 outside the range."""
    near = np.abs(speeds / at_hz - 1.0) <= reach
    if not near.any():
        return 0, 0.0
    at = int(np.argmax(np.where(near, score, -1.0)))
    return at, float(score[at]) / max(height, 1e-9)


def _near_any(ratio: Float64Array, multiples: Iterable[float]) -> np.ndarray:
    found = np.zeros(len(ratio), bool)
    for multiple in multiples:
        found |= np.abs(ratio / multiple - 1.0) <= _NEAR
    return found


def _log_prominence(power: Float64Array, step_hz: float, top_hz: float) -> Float64Array:
    power = power[: int(top_hz / step_hz) + 3]
    floor = running_floor(power, max(8, round(_FLOOR_WIDTH_HZ / step_hz)))
    prominence = power / np.maximum(floor, np.finfo(np.float64).tiny)
    return np.asarray(np.clip(np.log(np.maximum(prominence, 1e-3)), 0.0, None), np.float64)


def _comb(
    logarithm: Float64Array, step_hz: float, speeds: Float64Array, harmonics: int, cap: float
) -> Float64Array:
    """`(harmonics, n_speeds)`: the largest of three bins at each harmonic, up to `cap`."""
    padded = np.concatenate((logarithm, np.zeros(2)))
    last = len(padded) - 2
    rows = np.empty((harmonics, len(speeds)))
    for harmonic in range(1, harmonics + 1):
        at = np.minimum(np.rint(harmonic * speeds / step_hz).astype(np.intp), last)
        rows[harmonic - 1] = np.maximum(padded[at], np.maximum(padded[at - 1], padded[at + 1]))
    return np.minimum(rows, cap)
