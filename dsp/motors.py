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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.line_floor import floor_between_lines
from dsp.plain_spectrum import PlainSpectrum

# A Hann line is two bins wide on either side, and read within 1.5 of where it should stand: nearer than this
# times the resolution, what is read may be its neighbour's skirt.
RESOLVED_BINS = 5.0
_REACH_BINS = 1.5
# `dsp.shaft_lines` reads a harmonic this far beside its place, and two bins more: twice the line and its own
# two bins must stay out of that.
_HARMONIC_REACH = 0.003
_LOBES_BINS = 4.0
_VALLEY = 0.5  # of a crest: between a line and its neighbour it is lower than that
_LONGEST_S = 60.0  # no record of a machine at one speed lasts longer
_OWN_LINE = 8.0  # times the floor: 1x so strong says where it stands, to a twentieth of a bin
MAX_SLIP = 0.1  # more than a tenth behind the field is no running induction motor


@dataclass(frozen=True, slots=True)
class MotorLines:
    """Peak amplitudes in the unit of the samples; NaN where the record cannot tell the line from another.

    `remarks` says which lines cannot be told, and how long a record could.
    """

    shaft_hz: float
    twice_line_hz: float
    slip_hz: float
    pole_pass_hz: float
    twice_line: float
    pole_pass_sidebands: float  # mean of 1x - p s and 1x + p s
    pole_pass_sidebands_db: float  # relative to 1x; -inf-free: NaN where 1x is silent
    bar_pass: float  # NaN where the number of bars is not known
    bar_pass_sidebands: float  # mean of bar pass +- 2 f
    remarks: tuple[str, ...]
    # How far they stand out: amplitude over the median beside them, and twice the line also over what stands
    # as far on the other side of the shaft's harmonic; of the sidebands the lesser one. 0: no crest is there.
    twice_line_standing: float = math.nan
    pole_pass_standing: float = math.nan


def median_motor_lines(records: Sequence[MotorLines]) -> MotorLines:
    """Median of each figure over records, so that one odd record says nothing; remarks of the last.

    NaN where one of them cannot tell the line. Raises DspError if none is given.
    """
    if not records:
        raise DspError("median_motor_lines: no record given; at least one is needed")
    rows = np.array(
        [
            (
                lines.shaft_hz,
                lines.twice_line_hz,
                lines.slip_hz,
                lines.pole_pass_hz,
                lines.twice_line,
                lines.pole_pass_sidebands,
                lines.pole_pass_sidebands_db,
                lines.bar_pass,
                lines.bar_pass_sidebands,
                lines.twice_line_standing,
                lines.pole_pass_standing,
            )
            for lines in records
        ]
    )
    shaft_hz, twice_line_hz, slip_hz, pole_pass_hz, *amplitudes = (
        float(value) for value in np.median(rows, axis=0)
    )
    twice_line, sidebands, sidebands_db, bar_pass, bar_sidebands, twice_standing, pole_standing = amplitudes
    return MotorLines(
        shaft_hz=shaft_hz,
        twice_line_hz=twice_line_hz,
        slip_hz=slip_hz,
        pole_pass_hz=pole_pass_hz,
        twice_line=twice_line,
        pole_pass_sidebands=sidebands,
        pole_pass_sidebands_db=sidebands_db,
        bar_pass=bar_pass,
        bar_pass_sidebands=bar_sidebands,
        remarks=records[-1].remarks,
        twice_line_standing=twice_standing,
        pole_pass_standing=pole_standing,
    )


def motor_lines(
    spectrum: PlainSpectrum,
    shaft_hz: float,
    line_frequency_hz: float,
    poles: int | None = None,
    rotor_bars: int | None = None,
    *,
    speed_doubt_hz: float = 0.0,
) -> MotorLines:
    """Electric lines in one record's Hann spectrum, each the largest within half a line's width.

    `poles` is found from the two speeds where it is not given. The shaft may turn faster or slower by
    `speed_doubt_hz`, unless its own line says how fast: lines that may then be another's, or stand elsewhere,
    are not stated. Raises DspError for a motor that cannot be: a shaft faster than its field, or more than
    10 % behind it.
    """
    if speed_doubt_hz > 0.0:
        # Its poles are those of the slowest that it may turn; its slip is judged at the given speed.
        poles = poles or _nearest_poles(max(shaft_hz - speed_doubt_hz, 0.5 * shaft_hz), line_frequency_hz)
        shaft_hz, speed_doubt_hz = _speed_by_own_line(spectrum, shaft_hz, speed_doubt_hz)
        # At no load a shaft seems to pass its field by what it is not known to.
        field_hz = 2.0 * line_frequency_hz / poles
        if field_hz < shaft_hz <= field_hz + max(speed_doubt_hz, spectrum.step_hz):
            shaft_hz = field_hz
    poles = _poles(shaft_hz, line_frequency_hz, poles)
    slip_hz = 2.0 * line_frequency_hz / poles - shaft_hz
    pole_pass_hz = poles * slip_hz
    resolution_hz = RESOLVED_BINS / spectrum.duration_s
    remarks: list[str] = []

    twice_hz = 2.0 * line_frequency_hz
    nearest = max(1, round(twice_hz / shaft_hz))
    nearest_hz = nearest * shaft_hz
    twice_line, crest = _line(spectrum, twice_hz, nearest_hz)
    beside_twice = floor_between_lines(spectrum, twice_hz, 0.5 * shaft_hz, shaft_hz)
    # A speed that wanders puts lines beside the harmonic, but on both sides; the motor's pull has no twin.
    opposite = _amplitude(spectrum, 2.0 * nearest_hz - twice_hz)
    beside_twice = max(beside_twice, opposite) if math.isfinite(opposite) else beside_twice
    distance_hz = abs(twice_hz - nearest_hz) - nearest * speed_doubt_hz
    needed_s = _needed_s(distance_hz, _HARMONIC_REACH * nearest_hz)
    if spectrum.duration_s < needed_s:
        twice_line = math.nan
        remarks.append(_needed("2 x line", f"{nearest}x shaft", distance_hz, needed_s))

    sidebands = lesser = math.nan
    first = _amplitude(spectrum, shaft_hz)
    placed_hz = _REACH_BINS / spectrum.duration_s
    if poles * speed_doubt_hz > placed_hz:
        remarks.append(
            f"pole-pass sidebands not looked for: the speed must be known to {placed_hz / poles:.2f} Hz"
        )
    elif pole_pass_hz >= resolution_hz:
        (lower, low), (upper, high) = (
            _line(spectrum, shaft_hz + side * pole_pass_hz, shaft_hz) for side in (-1.0, 1.0)
        )
        sidebands, lesser = 0.5 * (lower + upper), min(lower, upper) if low and high else 0.0
    else:
        remarks.append(_needed("pole-pass sidebands", "1x shaft", pole_pass_hz, _needed_s(pole_pass_hz)))
    # A speed that wanders smears 1x over its sidebands, and over what lies between them too.
    reach_hz = min(3.5 * pole_pass_hz, 0.45 * shaft_hz)
    resolved = pole_pass_hz >= resolution_hz
    beside_first = floor_between_lines(spectrum, shaft_hz, reach_hz, pole_pass_hz) if resolved else math.nan
    ratio = sidebands / first if first > 0.0 else math.nan

    bar_pass = bar_sidebands = math.nan
    if rotor_bars is not None:
        bar_hz = rotor_bars * shaft_hz
        bar_pass = _amplitude(spectrum, bar_hz)
        bar_sidebands = 0.5 * sum(_amplitude(spectrum, bar_hz + side * twice_hz) for side in (-1.0, 1.0))
    return MotorLines(
        shaft_hz=shaft_hz,
        twice_line_hz=twice_hz,
        slip_hz=slip_hz,
        pole_pass_hz=pole_pass_hz,
        twice_line=twice_line,
        pole_pass_sidebands=sidebands,
        pole_pass_sidebands_db=20.0 * math.log10(ratio) if ratio > 0.0 else math.nan,
        bar_pass=bar_pass,
        bar_pass_sidebands=bar_sidebands,
        remarks=tuple(remarks),
        twice_line_standing=twice_line * crest / beside_twice if beside_twice > 0.0 else math.nan,
        pole_pass_standing=lesser / beside_first if beside_first > 0.0 else math.nan,
    )


def _poles(shaft_hz: float, line_frequency_hz: float, poles: int | None) -> int:
    poles = poles or _nearest_poles(shaft_hz, line_frequency_hz)
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


def _nearest_poles(shaft_hz: float, line_frequency_hz: float) -> int:
    """Poles of the slowest field that such a shaft does not outrun."""
    for name, value in (("shaft_hz", shaft_hz), ("line_frequency_hz", line_frequency_hz)):
        if not (np.isfinite(value) and value > 0.0):
            raise DspError(f"{name} is {value}; a finite figure above 0 is needed")
    return max(2, 2 * math.floor(line_frequency_hz / shaft_hz * (1.0 + 1e-9)))


def _speed_by_own_line(spectrum: PlainSpectrum, shaft_hz: float, doubt_hz: float) -> tuple[float, float]:
    """Speed at the crest of 1x, and what doubt is left; as given where 1x does not stand out in the range."""
    step_hz = spectrum.step_hz
    first, last = math.floor((shaft_hz - doubt_hz) / step_hz), math.ceil((shaft_hz + doubt_hz) / step_hz)
    if first < 1 or last + 1 >= len(spectrum.amplitude):
        return shaft_hz, doubt_hz
    around = spectrum.amplitude[first - 1 : last + 2].astype(np.float64)
    at = int(around[1:-1].argmax()) + 1
    below, crest, above = around[at - 1 : at + 2]
    floor = floor_between_lines(spectrum, shaft_hz, 0.5 * shaft_hz, 0.5 * shaft_hz)
    if not crest >= max(below, above) or not crest >= _OWN_LINE * floor:
        return shaft_hz, doubt_hz
    if min(below, above) <= 0.0:
        return (first - 1 + at) * step_hz, step_hz
    left, middle, right = np.log((below, crest, above))
    bend = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return (first - 1 + at + float(shift)) * step_hz, 0.05 * step_hz


def _needed_s(distance_hz: float, harmonic_reach_hz: float = 0.0) -> float:
    """How long a record tells lines so far apart, one of them read within a reach; inf: none does."""
    if distance_hz <= max(harmonic_reach_hz, 1e-9):
        return math.inf
    return max(RESOLVED_BINS / distance_hz, _LOBES_BINS / (distance_hz - harmonic_reach_hz))


def _needed(what: str, other: str, distance_hz: float, needed_s: float) -> str:
    if distance_hz < 1e-9:
        return f"{what} not resolvable: it stands on {other}"
    if needed_s > _LONGEST_S:
        return f"{what} not resolvable from {other}: it stands {distance_hz:.2f} Hz beside it"
    return f"{what} not resolvable from {other}: a record of {needed_s:.1f} s or more is needed"


def _line(spectrum: PlainSpectrum, frequency_hz: float, neighbour_hz: float) -> tuple[float, bool]:
    """Amplitude of a line, and whether it is one: a crest in reach, with a valley towards its neighbour.

    Without a crest it is the largest in reach, of which a line may be a part. NaN outside the spectrum.
    """
    amplitude, step_hz = spectrum.amplitude, spectrum.step_hz
    at, reach, neighbour = round(frequency_hz / step_hz), _reach(spectrum), round(neighbour_hz / step_hz)
    if at - reach < 1 or max(at + reach + 1, neighbour) >= len(amplitude):
        return math.nan, False
    crests = [
        k
        for k in range(at - reach, at + reach + 1)
        if amplitude[k] >= max(amplitude[k - 1], amplitude[k + 1])
    ]
    if crests:
        highest = max(crests, key=lambda k: float(amplitude[k]))
        between = amplitude[min(highest, neighbour) : max(highest, neighbour) + 1]
        if between.min() <= _VALLEY * amplitude[highest]:
            return float(amplitude[highest]), True
    return float(amplitude[at - reach : at + reach + 1].max()), False


def _amplitude(spectrum: PlainSpectrum, frequency_hz: float) -> float:
    """Largest in reach of a line, NaN outside the spectrum."""
    reach, at = _reach(spectrum), round(frequency_hz / spectrum.step_hz)
    if frequency_hz <= 0.0 or at + reach >= len(spectrum.amplitude):
        return math.nan
    return float(spectrum.amplitude[max(0, at - reach) : at + reach + 1].max())


def _reach(spectrum: PlainSpectrum) -> int:
    return max(1, round(_REACH_BINS / spectrum.duration_s / spectrum.step_hz))
