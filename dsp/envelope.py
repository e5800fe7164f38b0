"""Fault-line evidence in the squared envelope spectrum of long records.

Duty: one record of one channel to what it says of each bearing fault. Ties the steps together: envelope
spectrum, the shaft's own speed, orders, combs. Decides nothing: `models.diagnosis` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.bearing import FaultMultipliers, consistent_multipliers
from dsp.envelope_orders import OrderSpectrum, order_spectrum
from dsp.envelope_spectrum import envelope_spectrum
from dsp.errors import DspError
from dsp.fault_comb import LINE_TOLERANCE, MAINS_HZ, FaultLine, fault_lines, highest_order
from dsp.framing import Window
from dsp.motors import MotorLines, motor_lines
from dsp.plain_spectrum import PlainSpectrum, plain_spectrum
from dsp.shaft_lines import ShaftLines, shaft_lines
from dsp.shaft_speed import refined_shaft_speed
from dsp.spectrum import Spectrum, SpectrumKind

__all__ = ["FaultEvidence", "FaultLine", "fault_evidence", "line_tolerance"]


@dataclass(frozen=True, slots=True)
class FaultEvidence:
    """Lines of all bearing faults in one record of one channel, with the spectrum they were read from."""

    channel_id: str
    start_ns: int
    duration_s: float
    shaft_hz: float  # refined estimate used for the combs
    band_hz: tuple[float, float]  # demodulated band
    lines: tuple[FaultLine, ...]
    envelope: Spectrum  # modulation depth: amplitude as a part of the mean squared envelope, unit "1"
    orders: OrderSpectrum  # what a diagnosis averages over records
    multipliers: FaultMultipliers  # as used, made consistent
    speed_refined: bool  # the shaft's own harmonics decided the speed
    tolerance: float  # how far a line may stand from its multiplier, relative
    shaft: ShaftLines
    cage: FaultLine | None = None  # of a longer record than this one (`dsp.envelope_history`)
    motor: MotorLines | None = None  # where a line frequency is known and the shaft turns as a motor on it


def fault_evidence(
    record: Window,
    shaft_hz: float,
    multipliers: FaultMultipliers,
    speed_tolerance: float,
    *,
    mains_hz: Sequence[float] = MAINS_HZ,
    gear_teeth: int | None = None,
    line_frequency_hz: float | None = None,
) -> FaultEvidence:
    """Evidence for each bearing fault in one record, at `shaft_hz` within +- `speed_tolerance` (relative).

    A record is a gap-free window of several seconds. Free of scale: samples need no unit. Lines that the
    record is too short for are marked not resolvable. Raises DspError for a speed, a tolerance or multipliers
    that cannot be, and for records too short to transform.
    """
    if not (np.isfinite(shaft_hz) and shaft_hz > 0.0):
        raise DspError(f"shaft_hz is {shaft_hz}; a finite speed above 0 is needed")
    if not 0.0 <= speed_tolerance <= 0.2:
        raise DspError(f"speed_tolerance is {speed_tolerance}; a relative figure from 0 to 0.2 is needed")
    used, _ = consistent_multipliers(multipliers)
    duration_s = len(record.samples) / record.sample_rate_hz
    max_hz = shaft_hz * (1.0 + speed_tolerance) * highest_order(used, line_tolerance(speed_tolerance, False))
    max_hz = min(max_hz, 0.4 * record.sample_rate_hz)
    envelope = envelope_spectrum(record.samples, record.sample_rate_hz, max_hz, shaft_hz)
    plain = plain_spectrum(record.samples, record.sample_rate_hz)
    if np.isfinite(plain.amplitude[0]):
        speed = refined_shaft_speed(plain, envelope, shaft_hz, speed_tolerance)
        speed_hz, refined = speed.shaft_hz, speed.refined
    else:
        speed_hz, refined = shaft_hz, False
    tolerance = line_tolerance(speed_tolerance, refined)
    orders = order_spectrum(envelope, speed_hz)
    return FaultEvidence(
        channel_id=record.channel_id,
        start_ns=record.start_ns,
        duration_s=duration_s,
        shaft_hz=speed_hz,
        band_hz=envelope.band_hz,
        lines=fault_lines(orders, used, tolerance, mains_hz),
        envelope=Spectrum(
            channel_id=record.channel_id,
            start_ns=record.start_ns,
            kind=SpectrumKind.ENVELOPE,
            first_hz=0.0,
            step_hz=envelope.step_hz,
            values=envelope.depth,
            unit="1",
        ),
        orders=orders,
        multipliers=used,
        speed_refined=refined,
        tolerance=tolerance,
        shaft=shaft_lines(plain, speed_hz, gear_teeth),
        motor=_motor(plain, speed_hz, line_frequency_hz, 0.0 if refined else speed_tolerance * speed_hz),
    )


def _motor(
    plain: PlainSpectrum, shaft_hz: float, line_frequency_hz: float | None, speed_doubt_hz: float
) -> MotorLines | None:
    """Electric lines; None without a line frequency and for a shaft that no induction motor on it turns.

    A gear behind the motor, or a converter, makes such a shaft.
    """
    if line_frequency_hz is None:
        return None
    try:
        return motor_lines(plain, shaft_hz, line_frequency_hz, speed_doubt_hz=speed_doubt_hz)
    except DspError:
        return None


def line_tolerance(speed_tolerance: float, refined: bool) -> float:
    """How far a line may stand from its multiplier: slip, and the speed's doubt where nothing refined it."""
    return LINE_TOLERANCE if refined else max(LINE_TOLERANCE, min(speed_tolerance, 2.0 * LINE_TOLERANCE))
