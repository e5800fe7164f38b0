"""What one record shows of shaft, gear and motor: lines that every machine has, stated without a judgement.

Duty: gather `dsp`'s figures of these lines for a report. Whether they are too strong is a question of a
baseline of the same machine (`models.diagnosis`), which one recording does not have.
"""

from __future__ import annotations

import math

import numpy as np

from dsp.errors import DspError
from dsp.gears import fm0, fm4, sideband_index
from dsp.motors import motor_lines
from dsp.orders import over_angle, synchronous_average
from dsp.plain_spectrum import plain_spectrum
from dsp.samples import Float32Array
from dsp.shaft_lines import shaft_lines
from dsp.tacho import angle_from_speed
from models.machine import Machine

_STEPS_PER_TOOTH = 16  # of the gear's synchronous average: seven mesh harmonics
_LEAST_REVOLUTIONS = 8
_LONGEST_S = 10.0  # longer, and a speed that is called steady no longer is


def machine_lines(
    samples: Float32Array,
    sample_rate_hz: float,
    machine: Machine,
    shaft_hz: float,
    *,
    speed_doubt_hz: float = 0.0,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Figures by name, the unit of the samples where a name says nothing else, and remarks.

    Shaft harmonics and mesh are peak amplitudes; gear indicators rest on a synchronous average at a speed
    that is taken as constant over the record. NaN where a record cannot state a figure, or not at a
    speed known to `speed_doubt_hz` only: the rule of diagnosis. Empty where the record is too short.
    """
    record = np.ascontiguousarray(samples[: round(_LONGEST_S * sample_rate_hz)])
    figures: dict[str, float] = {}
    remarks: list[str] = []
    try:
        spectrum = plain_spectrum(record, sample_rate_hz)
        found = shaft_lines(spectrum, shaft_hz, machine.gear_teeth)
    except DspError as error:
        return {}, (f"shaft lines: {error}",)
    figures |= dict(zip(("1x", "2x", "3x"), found.harmonics, strict=True))
    if machine.gear_teeth is not None:
        figures["mesh"] = found.mesh
        figures["mesh_sidebands"] = found.mesh_sidebands
        try:
            figures |= _gear(record, sample_rate_hz, machine.gear_teeth, shaft_hz)
        except DspError as error:
            remarks.append(f"gear: {error}")
    if machine.line_frequency_hz is not None:
        try:
            motor = motor_lines(spectrum, shaft_hz, machine.line_frequency_hz, speed_doubt_hz=speed_doubt_hz)
        except DspError as error:
            remarks.append(f"motor: {error}")
        else:
            figures["twice_line"] = motor.twice_line
            figures["pole_pass_sidebands_db"] = motor.pole_pass_sidebands_db
            figures["slip_hz"] = motor.slip_hz
            remarks += [f"motor: {remark}" for remark in motor.remarks]
    return figures, tuple(remarks)


def _gear(samples: Float32Array, rate_hz: float, teeth: int, shaft_hz: float) -> dict[str, float]:
    duration_s = len(samples) / rate_hz
    if duration_s * shaft_hz < _LEAST_REVOLUTIONS:
        raise DspError(f"{_LEAST_REVOLUTIONS} revolutions are needed for an average")
    if 2.0 * teeth * shaft_hz > 0.5 * rate_hz:
        raise DspError(f"the second mesh harmonic of {teeth} teeth lies beyond half the rate")
    steps = min(_STEPS_PER_TOOTH * teeth, 2 * math.floor(0.5 * rate_hz / shaft_hz))
    signal = over_angle(samples, rate_hz, angle_from_speed((0.0, duration_s), (shaft_hz, shaft_hz)), steps)
    average = synchronous_average(signal)
    return {
        "sideband_index": sideband_index(average, teeth),
        "fm0": fm0(average, teeth),
        "fm4": fm4(average, teeth),
    }
