"""Can this sensor be believed? Asked of every window before anything is said about the machine.

Duty: find what no machine can cause (not a number, a frozen or clipped signal, dropouts, a bias at the end of
the range) and name it with a remedy. It judges no vibration: a bias such as gravity on a MEMS accelerometer,
a quiet machine or a violent one is no fault of the sensor.

Thresholds rest on what the quantised noise of a working sensor can do by chance, not on a kind of machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dsp import kernels
from dsp.framing import Window
from dsp.samples import Float32Array, Float64Array

# Of the window: below this, what is cut off costs an RMS value less than 1 % and no line of a spectrum.
CLIPPED_SHARE = 0.001
CLIPPED_SAMPLES = 8
# How much more often an extreme value must occur than its neighbour before it is a stop rather than a crest:
# the top of a quantised sine is hit 2.4 times as often as the level below, that of a quartic crest 5.3 times.
PILE_UP_RATIO = 6.0
# Clipped samples end a slope: an extreme farther than this from all others (of their range) does not.
ISOLATED_SHARE = 0.02
# A sample this near the stated full scale is at the stop (converters end one step before it).
FULL_SCALE_SHARE = 0.999
# A mean this near full scale is a sensor that has lost its bias point.
BIAS_SHARE = 0.9
# The chance that a working sensor shows one run of equal samples this long in a window.
RUN_CHANCE = 1e-6
# A signal most of whose steps are one or two converter steps is noise of a quiet sensor.
COARSE_SHARE = 0.5
_RUN_SAMPLES = (8, 16)  # least run that is called a dropout: in windows below 1024 samples, and above
_JUMP_STEPS = 8.0  # a smooth crest leaves its flat top by one converter step, a dropout by a leap


class SensorCondition(StrEnum):
    """What a window says of its sensor, in words for people."""

    OK = "ok"
    NOT_A_NUMBER = "not a number"
    FLAT_LINE = "flat line"
    BIAS_LOST = "bias lost"
    CLIPPED = "clipped"
    DROPOUTS = "dropouts"
    # by comparison with a reference, or with the mains (`dsp.sensor_reference`)
    MAINS_HUM = "mains hum"
    BIAS_SHIFT = "bias shift"
    LOOSE_MOUNT = "loose mount"
    SWAPPED_AXIS = "swapped axis"


@dataclass(frozen=True, slots=True)
class SensorCheck:
    """What one window says of its sensor: the verdict, a sentence, and what a technician should do."""

    channel_id: str
    start_ns: int
    verdict: SensorCondition
    text: str
    remedy: str
    affected_share: float  # 0..1, of the window's samples

    @property
    def usable(self) -> bool:
        """Whether the window may be judged for what it says of the machine."""
        return self.verdict is SensorCondition.OK


_REMEDY = {
    SensorCondition.OK: "",
    SensorCondition.NOT_A_NUMBER: "Check the source's conversion and the recording.",
    SensorCondition.FLAT_LINE: "Check cable, connector and supply of the sensor, then the sensor itself.",
    SensorCondition.BIAS_LOST: "Check cable and supply of the sensor, then its mounting.",
    SensorCondition.CLIPPED: (
        "Vibration exceeds the sensor's range: look at the machine itself, then set a wider range or mount a "
        "sensor that has one."
    ),
    SensorCondition.MAINS_HUM: "Check the cable's shield and its ground; keep it away from power cables.",
    SensorCondition.BIAS_SHIFT: "Check whether the sensor was turned or hit, then its supply and itself.",
    SensorCondition.LOOSE_MOUNT: "Check the sensor's mounting: tighten the stud, renew glue or magnet seat.",
    SensorCondition.SWAPPED_AXIS: "Check the sensor's orientation and which wire goes to which channel.",
    SensorCondition.DROPOUTS: "Check connector, cable and the radio or bus link for interruptions.",
}


def sensor_verdict(
    window: Window, condition: SensorCondition, text: str = "", affected_share: float | None = None
) -> SensorCheck:
    """A verdict on a window with the condition's remedy; all of its samples are affected unless told."""
    share = float(condition is not SensorCondition.OK) if affected_share is None else affected_share
    return SensorCheck(window.channel_id, window.start_ns, condition, text, _REMEDY[condition], share)


def check_sensor(window: Window, full_scale: float = math.inf) -> SensorCheck:
    """Verdict on the sensor behind one window; the first that applies of the order in SensorCondition.

    `full_scale` is the largest magnitude the sensor can state, in the samples' unit; infinite if unknown.
    - not a number: any sample is NaN or infinite.
    - flat line: all samples equal, or only two values occur, or half the window is one run of equal samples.
    - bias lost: the mean lies beyond 0.9 x full scale (needs a known full scale).
    - clipped: 0.1 % of the samples (at least 8) lie within 0.1 % of full scale, or equal the window's
      greatest or least value where that value occurs more than 6 times as often as either of the next two;
      in both cases the next value must be near, within 2 % of the other samples' range (a
      clipped tone locked to the sampling clock may have none so near, and is then not seen).
    - dropouts: a run of equal samples so long that the sensor's own noise shows it less than once in 10^6
      windows, entered or left by a leap of more than 8 converter steps.
    """
    samples = kernels.float32_rows(window.samples)
    verdict, affected, text = _judge(samples, full_scale)
    return SensorCheck(
        channel_id=window.channel_id,
        start_ns=window.start_ns,
        verdict=verdict,
        text=text,
        remedy=_REMEDY[verdict],
        affected_share=affected / max(1, len(samples)),
    )


def _judge(samples: Float32Array, full_scale: float) -> tuple[SensorCondition, int, str]:
    """Verdict, number of samples that it rests on, sentence."""
    n_samples = len(samples)
    if n_samples == 0:
        return SensorCondition.FLAT_LINE, 0, "The window holds no sample."
    not_finite = n_samples - int(np.count_nonzero(np.isfinite(samples)))
    if not_finite:
        return (
            SensorCondition.NOT_A_NUMBER,
            not_finite,
            f"{not_finite} of {n_samples} samples are not a number.",
        )
    extremes = np.empty(8)
    kernels.extremes(samples, extremes)
    return (
        _flat(samples, extremes)
        or _bias_lost(samples, full_scale)
        or _clipped(samples, extremes, full_scale)
        or _dropouts(samples)
        or (SensorCondition.OK, 0, "")
    )


def _flat(samples: Float32Array, extremes: Float64Array) -> tuple[SensorCondition, int, str] | None:
    n_samples = len(samples)
    greatest, at_greatest, least, at_least = extremes[[0, 1, 4, 5]]
    if greatest == least:
        return SensorCondition.FLAT_LINE, n_samples, f"All {n_samples} samples are {greatest:.6g}."
    if at_greatest + at_least == n_samples and n_samples > 2:
        text = f"Only two values occur in {n_samples} samples, {least:.6g} and {greatest:.6g}."
        return SensorCondition.FLAT_LINE, n_samples, text
    found = np.empty(4)
    kernels.frozen_runs(samples, max(2, -(-n_samples // 2)), 0.0, found)
    runs, _, longest, value = found
    if runs == 0:
        return None
    text = f"{longest:.0f} of {n_samples} samples in a row are {value:.6g}."
    return SensorCondition.FLAT_LINE, int(longest), text


def _bias_lost(samples: Float32Array, full_scale: float) -> tuple[SensorCondition, int, str] | None:
    mean = float(samples.mean(dtype=np.float64))
    if not abs(mean) > BIAS_SHARE * full_scale:
        return None
    text = f"The mean of {mean:.4g} lies at the end of the range of +-{full_scale:.4g}."
    return SensorCondition.BIAS_LOST, len(samples), text


def _clipped(
    samples: Float32Array, extremes: Float64Array, full_scale: float
) -> tuple[SensorCondition, int, str] | None:
    n_samples = len(samples)
    needed = max(CLIPPED_SAMPLES, CLIPPED_SHARE * n_samples)
    inner_range = extremes[2] - extremes[6]
    at_stop = 0
    stops: list[tuple[float, int]] = []
    for (value, count, following, at_following), sign in ((extremes[:4], 1.0), (extremes[4:], -1.0)):
        if abs(value - following) > ISOLATED_SHARE * inner_range:
            continue  # nothing leads up to it: the signal was torn away, not cut off
        piled_up = count > PILE_UP_RATIO * at_following and 2 * count >= CLIPPED_SAMPLES
        if piled_up and count > PILE_UP_RATIO * _count_of_third(samples, following, sign):
            stops.append((value, int(count)))
        at_stop += int(np.count_nonzero(sign * samples >= FULL_SCALE_SHARE * full_scale))
    if at_stop >= needed:
        text = f"{at_stop} of {n_samples} samples lie at the end of the range of +-{full_scale:.4g}."
        return SensorCondition.CLIPPED, at_stop, text
    piled = sum(count for _, count in stops)
    if piled < needed:
        return None
    values = " and ".join(f"{value:.6g}" for value, _ in stops)
    text = f"{piled} of {n_samples} samples are cut off at {values}."
    return SensorCondition.CLIPPED, piled, text


def _count_of_third(samples: Float32Array, second: float, sign: float) -> int:
    """How often the third greatest (sign 1) or least (sign -1) value occurs, `second` being the second.

    A signal that repeats after a few hundred samples hits the same few values again and again: then the
    third is as frequent as the first, though the second may be rare.
    """
    inner = samples[sign * samples < sign * second]
    if not len(inner):
        return 0
    return int(np.count_nonzero(inner == (inner.max() if sign > 0.0 else inner.min())))


def _dropouts(samples: Float32Array) -> tuple[SensorCondition, int, str] | None:
    n_samples = len(samples)
    statistics = np.empty(4)
    kernels.run_statistics(samples, statistics)
    longer_share, least_step, equal_share, small_share = statistics
    # How likely a sample repeats the one before it. Where steps are many converter steps wide: the share of
    # runs above 1, which a few long ones do not move. Where noise is about one step (a parked machine), a
    # value may dominate: its share is at most the root of the share of equal neighbours.
    chance = longer_share if small_share < COARSE_SHARE else math.sqrt(equal_share)
    chance = min(max(chance, 1e-9), 1.0 - 1e-9)
    by_chance = 1.0 + math.log(n_samples / RUN_CHANCE) / -math.log(chance)
    run_samples = max(_RUN_SAMPLES[0] if n_samples < 1024 else _RUN_SAMPLES[1], math.ceil(by_chance))
    found = np.empty(4)
    kernels.frozen_runs(samples, run_samples, _JUMP_STEPS * least_step, found)
    runs, frozen = found[:2]
    if runs == 0:
        return None
    text = f"The signal stands still {runs:.0f} times, for {frozen:.0f} of {n_samples} samples in all."
    return SensorCondition.DROPOUTS, int(frozen), text
