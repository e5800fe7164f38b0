"""What a vibration record shows over shaft angle: order spectrum, synchronous average, and what is left.

Duty: `dsp.orders`' figures of one record for a report, with the angle that was measured beside it. States no
judgement: how strong an order may be is a question of a baseline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.gears import fm0, fm4, sideband_index
from dsp.orders import AngleSignal, order_amplitudes, over_angle, residual, synchronous_average
from dsp.samples import Float32Array, Float64Array
from dsp.tacho import ShaftAngle
from dsp.waveform_figures import crest_factor, kurtosis, rms

# Fourfold oversampling and a spline of it: 40 times this many floats at once.
LONGEST_SAMPLES = 1_000_000
MOST_STEPS, LEAST_STEPS = 4096, 16  # of a revolution
MOST_REVOLUTIONS = 64  # of one segment of the order spectrum: lines 1/64 of an order apart
LEAST_REVOLUTIONS = 4
_STEADY = 0.02  # speed that varies less needs no orders


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One record over shaft angle; amplitudes in the samples' unit."""

    source: str  # where the angle is from: "tacho channel 'key', 1 pulse per revolution"
    speed_hz: float  # mean over the record
    speed_range_hz: tuple[float, float]
    revolutions: int
    steps: int  # of a revolution, in the average
    orders: Float64Array  # (n_bins,)
    amplitude: Float64Array  # (n_bins,) peak amplitude at these orders
    average: Float64Array  # (steps,) synchronous average over one revolution
    rms: float  # over whole revolutions, mean taken out, up to the largest order
    synchronous_rms: float  # of the synchronous average
    residual_rms: float  # of what is not bound to the shaft
    residual_kurtosis: float  # 3 for noise, more where impacts are not bound to the shaft
    residual_crest_factor: float
    lines: dict[str, float]  # peak amplitude at 1x, 2x, 3x; of the mesh and the gear's indicators
    remarks: tuple[str, ...]

    @property
    def residual_share(self) -> float:
        """Part of the power that is not bound to the shaft, 0..1; NaN for silence."""
        return (self.residual_rms / self.rms) ** 2 if self.rms > 0.0 else math.nan

    @property
    def speed_variation(self) -> float:
        """Range of the speed, relative to its mean."""
        return (self.speed_range_hz[1] - self.speed_range_hz[0]) / self.speed_hz


def order_report(
    samples: Float32Array,
    sample_rate_hz: float,
    angle: ShaftAngle,
    source: str,
    gear_teeth: int | None = None,
) -> OrderReport:
    """A record `(n_samples,)` over the angle measured beside it, moments counted from its first sample.

    Steps are a power of two, as fine as the sampling carries at the fastest moment. Raises DspError for fewer
    than 4 whole revolutions, a speed too fast for the sampling, or samples that are not finite.
    """
    record = np.asarray(samples[:LONGEST_SAMPLES], np.float64)
    remarks = []
    if len(samples) > LONGEST_SAMPLES:
        remarks.append(f"the first {LONGEST_SAMPLES / sample_rate_hz:.0f} s count")
    slowest_hz, fastest_hz = angle.speed_range_hz
    steps = min(MOST_STEPS, 1 << max(0, math.floor(math.log2(sample_rate_hz / fastest_hz))))
    if steps < LEAST_STEPS:
        raise DspError(
            f"{fastest_hz:.4g} Hz of shaft speed leave {steps} samples a revolution at {sample_rate_hz:g} "
            f"Hz; {LEAST_STEPS} are needed: are the pulses per revolution right?"
        )
    signal = over_angle(record - record.mean(), sample_rate_hz, angle, steps)
    if signal.revolutions < LEAST_REVOLUTIONS:
        raise DspError(f"{signal.revolutions} whole revolutions; {LEAST_REVOLUTIONS} are needed for orders")
    revolutions = min(MOST_REVOLUTIONS, signal.revolutions)
    amplitude = order_amplitudes(signal, revolutions)
    inside = slice(0, int(signal.max_order * revolutions) + 1)
    average, left = synchronous_average(signal), residual(signal)
    lines = {f"{n}x": _at(amplitude, n * revolutions) for n in (1, 2, 3)}
    if gear_teeth is not None:
        found, remark = _gear(signal, average, amplitude, revolutions, gear_teeth)
        lines |= found
        remarks += remark
    duration_s = float(np.ptp(angle.times_s))
    mean_hz = float(np.ptp(angle.revolutions)) / duration_s
    return OrderReport(
        source=source,
        speed_hz=mean_hz,
        speed_range_hz=(slowest_hz, fastest_hz),
        revolutions=signal.revolutions,
        steps=steps,
        orders=np.arange(len(amplitude), dtype=np.float64)[inside] / revolutions,
        amplitude=amplitude[inside],
        average=average,
        rms=rms(signal.samples),
        synchronous_rms=rms(average),
        residual_rms=rms(left),
        residual_kurtosis=kurtosis(left),
        residual_crest_factor=crest_factor(left),
        lines=lines,
        remarks=tuple(remarks),
    )


def speed_remark(report: OrderReport) -> str:
    """What a speed that varies does to the figures over time; "" where it is steady."""
    if report.speed_variation <= _STEADY:
        return ""
    return (
        f"the speed varied by {100.0 * report.speed_variation:.0f} %: lines over frequency are smeared, "
        "those over orders are not"
    )


def _at(amplitude: Float64Array, index: int) -> float:
    """Largest amplitude within a Hann line's main lobe."""
    around = amplitude[max(0, index - 1) : index + 2]
    return float(around.max()) if len(around) else math.nan


def _gear(
    signal: AngleSignal, average: Float64Array, amplitude: Float64Array, revolutions: int, teeth: int
) -> tuple[dict[str, float], list[str]]:
    if teeth + 1 > signal.max_order:
        return {}, [f"the mesh of {teeth} teeth lies beyond the largest order, {signal.max_order:.0f}"]
    found = {"mesh": _at(amplitude, teeth * revolutions)}
    try:
        found["sideband_index"] = sideband_index(average, teeth)
        found["fm0"] = fm0(average, teeth)
        found["fm4"] = fm4(average, teeth)
    except DspError as error:
        return found, [f"gear: {error}"]
    return found, []
