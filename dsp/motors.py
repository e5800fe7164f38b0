"""Electric lines of an induction motor in its vibration: twice the line, pole-pass sidebands, rotor bars.

Duty: how strong they are and whether the record can tell them from mechanical lines at all. What they mean,
and from where on, belongs to a baseline of the same motor and load.

With line frequency f, p poles (an even number), shaft speed n (all in Hz): the field turns at 2 f / p, slip
is s = 2 f / p - n, the pole-pass frequency is p s. Twice the line (2 f) is magnetic pull: loose iron, an
eccentric stator, a soft foot; sidebands at +- p s around 1x shaft are broken or cracked rotor bars; the
bar-pass frequency is bars x n, with sidebands at +- 2 f. Finley, Hodowanec and Holter, "An analytical
approach to solving motor vibration problems", IEEE Trans. Industry Applications 36 (2000) 1467-1480; ISO
13373-3, annexes on motors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.plain_spectrum import PlainSpectrum

# A Hann line is two bins wide on either side: lines nearer than this times the resolution are one line.
RESOLVED_BINS = 3.0
MAX_SLIP = 0.1  # more than a tenth behind the field is no running induction motor


@dataclass(frozen=True, slots=True)
class MotorLines:
    """Peak amplitudes in the unit of the samples; NaN where the record cannot tell the line from another.

    `remarks` says which lines cannot be told, and how long a record could.
    """

    slip_hz: float
    pole_pass_hz: float
    twice_line: float
    pole_pass_sidebands: float  # mean of 1x - p s and 1x + p s
    pole_pass_sidebands_db: float  # relative to 1x; -inf-free: NaN where 1x is silent
    bar_pass: float  # NaN where the number of bars is not known
    bar_pass_sidebands: float  # mean of bar pass +- 2 f
    remarks: tuple[str, ...]


def motor_lines(
    spectrum: PlainSpectrum,
    shaft_hz: float,
    line_frequency_hz: float,
    poles: int | None = None,
    rotor_bars: int | None = None,
) -> MotorLines:
    """Electric lines in one record's Hann spectrum, each the largest within half a line's width.

    `poles` is found from the two speeds where it is not given. Raises DspError for a motor that cannot be: a
    shaft faster than its field, or more than 10 % behind it.
    """
    poles = _poles(shaft_hz, line_frequency_hz, poles)
    slip_hz = 2.0 * line_frequency_hz / poles - shaft_hz
    pole_pass_hz = poles * slip_hz
    resolution_hz = RESOLVED_BINS / spectrum.duration_s
    remarks: list[str] = []

    twice_hz = 2.0 * line_frequency_hz
    nearest_hz = round(twice_hz / shaft_hz) * shaft_hz
    twice_line = _amplitude(spectrum, twice_hz)
    if abs(twice_hz - nearest_hz) < resolution_hz:
        twice_line = math.nan
        remarks.append(_needed("2 x line", f"{nearest_hz / shaft_hz:.0f}x shaft", twice_hz - nearest_hz))

    sidebands = math.nan
    first = _amplitude(spectrum, shaft_hz)
    if pole_pass_hz >= resolution_hz:
        lower, upper = (_amplitude(spectrum, shaft_hz + side * pole_pass_hz) for side in (-1.0, 1.0))
        sidebands = 0.5 * (lower + upper)
    else:
        remarks.append(_needed("pole-pass sidebands", "1x shaft", pole_pass_hz))
    ratio = sidebands / first if first > 0.0 else math.nan

    bar_pass = bar_sidebands = math.nan
    if rotor_bars is not None:
        bar_hz = rotor_bars * shaft_hz
        bar_pass = _amplitude(spectrum, bar_hz)
        bar_sidebands = 0.5 * sum(_amplitude(spectrum, bar_hz + side * twice_hz) for side in (-1.0, 1.0))
    return MotorLines(
        slip_hz=slip_hz,
        pole_pass_hz=pole_pass_hz,
        twice_line=twice_line,
        pole_pass_sidebands=sidebands,
        pole_pass_sidebands_db=20.0 * math.log10(ratio) if ratio > 0.0 else math.nan,
        bar_pass=bar_pass,
        bar_pass_sidebands=bar_sidebands,
        remarks=tuple(remarks),
    )


def _poles(shaft_hz: float, line_frequency_hz: float, poles: int | None) -> int:
    for name, value in (("shaft_hz", shaft_hz), ("line_frequency_hz", line_frequency_hz)):
        if not (np.isfinite(value) and value > 0.0):
            raise DspError(f"{name} is {value}; a finite figure above 0 is needed")
    if poles is None:
        poles = max(2, 2 * math.floor(line_frequency_hz / shaft_hz * (1.0 + 1e-9)))
    if poles < 2 or poles % 2:
        raise DspError(f"poles is {poles}; an even number from 2 on is needed")
    field_hz = 2.0 * line_frequency_hz / poles
    slip = 1.0 - shaft_hz / field_hz
    if not -1e-6 <= slip <= MAX_SLIP:
        raise DspError(
            f"a shaft at {shaft_hz:g} Hz has a slip of {100.0 * slip:.1f} % behind a field at {field_hz:g} "
            f"Hz ({poles} poles); 0 to {100.0 * MAX_SLIP:.0f} % is possible"
        )
    return poles


def _needed(what: str, other: str, distance_hz: float) -> str:
    if abs(distance_hz) < 1e-9:
        return f"{what} not resolvable: it stands on {other}"
    needed_s = RESOLVED_BINS / abs(distance_hz)
    return f"{what} not resolvable from {other}: a record of {needed_s:.1f} s or more is needed"


def _amplitude(spectrum: PlainSpectrum, frequency_hz: float) -> float:
    """Largest within half a resolved line's width, NaN outside the spectrum."""
    reach = max(1, round(0.5 * RESOLVED_BINS / spectrum.duration_s / spectrum.step_hz))
    at = round(frequency_hz / spectrum.step_hz)
    if frequency_hz <= 0.0 or at + reach >= len(spectrum.amplitude):
        return math.nan
    return float(spectrum.amplitude[max(0, at - reach) : at + reach + 1].max())
