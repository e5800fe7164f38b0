"""Lines to claims: how much speaks for each fault, 1.0 where it would be called.

Duty: the rules that turn levels, rises and guards into one figure per fault. No memory, no words but names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from dsp.bearing import BearingFault
from dsp.fault_comb import LINE_TOLERANCE, FaultLine
from dsp.motors import MotorLines
from dsp.shaft_lines import SERIES_ORDERS, ShaftLines
from models.diagnosis_settings import DiagnosisSettings

# What something else explains as well stays below the limit of a call.
_EXPLAINED = 0.9

# Names of lines in baselines.
FLOOR = "between the shaft's lines"
SERIES = "harmonics and half orders"  # as many of them as looseness needs, risen together
TWICE_LINE = "2 x line frequency"
BROKEN_BARS = "pole-pass sidebands"


@dataclass(frozen=True, slots=True)
class Claim:
    """One possible fault: `evidence` 1.0 is the limit of calling it."""

    fault: str
    evidence: float
    sign: str  # what is seen: "BPFO", "cage-rate impacts, FTF", "1x"
    key: str  # of the line, in baselines
    multiplier: float  # x shaft
    level_db: float
    sited: bool = True  # False: lines in many places, of which `multiplier` is but one


def line_levels(
    lines: tuple[FaultLine, ...], shaft: ShaftLines, motor: MotorLines | None = None
) -> dict[str, float]:
    """Level of every line by key, dB (over the noise floor; plain lines relative to 1 unit)."""
    levels = {line.key: line.level_db for line in lines}
    levels |= {_spread_key(line): line.spread_db for line in lines if math.isfinite(line.spread_db)}
    amplitudes = {f"{order:g}x": value for order, value in zip(SERIES_ORDERS, shaft.series, strict=True)}
    amplitudes |= dict(zip(("1x", "2x", "3x"), shaft.harmonics, strict=True))
    amplitudes |= {"mesh": shaft.mesh, "mesh sidebands": shaft.mesh_sidebands}
    floors = [floor for floor in shaft.series_floor if math.isfinite(floor)]
    amplitudes[FLOOR] = median(floors) if floors else math.nan
    if motor is not None:
        amplitudes |= {TWICE_LINE: motor.twice_line, BROKEN_BARS: motor.pole_pass_sidebands}
    for key, amplitude in amplitudes.items():
        levels[key] = 20.0 * math.log10(amplitude) if amplitude > 0.0 else math.nan
    return levels


def bearing_claims(
    lines: tuple[FaultLine, ...],
    rises: Mapping[str, float],
    impulsiveness: float,
    settings: DiagnosisSettings,
) -> list[Claim]:
    """Claims of the four bearing faults, as far as their lines can be resolved.

    Combs come first. Where none is called, two weaker signs of a damaged element are looked at: its line
    smeared by slip, and impacts that come and go at cage rate. Every race fault shows the latter too.
    """
    resolved = [line for line in lines if line.resolvable]
    races = [line for line in resolved if line.fault is not BearingFault.CAGE]
    claims = [
        _claim(line.fault, _comb_evidence(line, rises.get(line.label), settings), line) for line in races
    ]
    weaker = [
        _smeared_claim(line, rises, settings) for line in races if line.fault is BearingFault.ROLLING_ELEMENT
    ]
    weaker += [
        _cage_claim(line, lines, rises, impulsiveness, settings)
        for line in resolved
        if line.fault is BearingFault.CAGE
    ]
    if any(claim.evidence >= 1.0 for claim in claims):
        weaker = [replace(claim, evidence=min(claim.evidence, _EXPLAINED)) for claim in weaker]
    return _strongest_per_fault(claims + weaker)


def _comb_evidence(line: FaultLine, rise_db: float | None, settings: DiagnosisSettings) -> float:
    guard = min(1.0, line.decoy_margin / settings.call_margin)
    if rise_db is None:
        evidence = guard * line.level_db / settings.call_db
    else:
        evidence = guard * min(rise_db / settings.rise_db, line.level_db / settings.rise_level_db)
    own = line.sideband_of is None and not line.overtone
    if not own or line.fundamental_db < settings.call_fundamental_db:
        return min(evidence, _EXPLAINED)
    return evidence


def _smeared_claim(line: FaultLine, rises: Mapping[str, float], settings: DiagnosisSettings) -> Claim:
    """A line without sharp harmonics that stands out as a whole."""
    evidence = min(line.spread_db / settings.spread_db, line.spread_margin / settings.spread_margin)
    # BSF itself often shows too; only a sharp comb at half the multiple is something else's.
    if line.sideband_of is not None or (line.overtone and line.level_db >= settings.call_db):
        evidence = min(evidence, _EXPLAINED)
    evidence = _limited_by_rise(evidence, rises.get(_spread_key(line)), settings)
    return Claim(
        fault=line.fault.value,
        evidence=evidence,
        sign=f"{line.label} smeared",
        key=_spread_key(line),
        multiplier=line.multiplier,
        level_db=line.spread_db,
    )


def needed_cage_db(line: FaultLine, impulsiveness: float, settings: DiagnosisSettings) -> float:
    """Level from which the cage's comb is called, dB.

    With impacts, and without the turning race's line, a rolling element cannot be what strikes: the comb must
    be strong. With impacts and both lines of an element's way through the load zone a weak one does.
    """
    if impulsiveness < settings.impulsive:
        return settings.cage_db
    if line.sideband_db < settings.turning_race_db:
        return settings.cage_alone_db
    both = line.fundamental_db >= settings.call_fundamental_db
    return settings.quiet_db if both else settings.cage_db


def race_leads(lines: Sequence[FaultLine], settings: DiagnosisSettings) -> bool:
    """Whether a race's line, sharp or smeared, stands out more than the rolling element's.

    Damaged races are loaded in turn by every element too, so their impacts also come and go at cage rate.
    """

    def strength_db(line: FaultLine) -> float:
        return max(line.level_db, line.spread_db)

    races = [
        strength_db(line)
        for line in lines
        if line.resolvable and line.fault in (BearingFault.OUTER_RACE, BearingFault.INNER_RACE)
    ]
    elements = [
        strength_db(line) for line in lines if line.resolvable and line.fault is BearingFault.ROLLING_ELEMENT
    ]
    return bool(races) and bool(elements) and max(races) > max(elements) + settings.race_lead_db


def _cage_claim(
    line: FaultLine,
    lines: Sequence[FaultLine],
    rises: Mapping[str, float],
    impulsiveness: float,
    settings: DiagnosisSettings,
) -> Claim:
    """The cage's comb: of an element on its way through the load zone, or of the cage itself.

    What also repeats at shaft - FTF, as the turning race meets the element, is no cage's.
    """
    needed_db = needed_cage_db(line, impulsiveness, settings)
    evidence = line.level_db / needed_db * min(1.0, line.decoy_margin / settings.cage_margin)
    evidence = _limited_by_rise(evidence, rises.get(line.key), settings)
    if line.sideband_db < settings.turning_race_db:
        return _claim(BearingFault.CAGE, evidence, line)
    if race_leads(lines, settings):
        evidence = min(evidence, _EXPLAINED)
    return _claim(BearingFault.ROLLING_ELEMENT, evidence, line, "impacts at cage rate, FTF")


def _limited_by_rise(evidence: float, rise_db: float | None, settings: DiagnosisSettings) -> float:
    return max(0.0, evidence if rise_db is None else min(evidence, rise_db / settings.rise_db))


def _claim(fault: BearingFault, evidence: float, line: FaultLine, sign: str = "") -> Claim:
    return Claim(
        fault=fault.value,
        evidence=max(0.0, evidence),
        sign=sign or line.label,
        key=line.key,
        multiplier=line.multiplier,
        level_db=line.level_db,
    )


def _spread_key(line: FaultLine) -> str:
    return f"{line.label} spread"


def _strongest_per_fault(claims: list[Claim]) -> list[Claim]:
    strongest: dict[str, Claim] = {}
    for claim in claims:
        known = strongest.get(claim.fault)
        if known is None or claim.evidence > known.evidence:
            strongest[claim.fault] = claim
    return list(strongest.values())


def series_rise(
    shaft: ShaftLines, rises: Mapping[str, float], gear_teeth: int | None, settings: DiagnosisSettings
) -> tuple[float, int] | None:
    """By how much, dB, as many of the shaft's higher lines as looseness needs have risen; how many rise.

    Rises are over the baseline and over what the noise between the lines rose by: a higher load or another
    gain lifts both. None where fewer lines than needed could be looked at: records too short for half orders,
    a channel that ends below them, no baseline.
    """
    floor_rise = max(0.0, rises.get(FLOOR, 0.0))
    first = shaft.harmonics[0]
    found = []
    for order, amplitude, floor in zip(SERIES_ORDERS, shaft.series, shaft.series_floor, strict=True):
        rise = rises.get(f"{order:g}x")
        if rise is None or not math.isfinite(amplitude) or _near_mesh(order, gear_teeth):
            continue
        stands = amplitude >= settings.standing * floor and amplitude >= settings.series_share * first
        found.append(rise - floor_rise if stands else 0.0)
    if len(found) < settings.series_lines:
        return None
    found.sort(reverse=True)
    return found[settings.series_lines - 1], sum(rise >= settings.rising_db for rise in found)


def electric_rises(
    motor: MotorLines, shaft: ShaftLines, rises: Mapping[str, float], settings: DiagnosisSettings
) -> dict[str, float]:
    """Rises of the motor's electric lines, dB, by key; 0 where a line does not stand out or hardly matters.

    They are over what the noise rose by, and over what the shaft's line beside them did: whatever lifts that
    lifts what its speed's wander puts around it. Lines that the records cannot tell from a mechanical one
    are left out.
    """
    found = {}
    floor_rise = max(0.0, rises.get(FLOOR, 0.0))
    twice, sidebands = rises.get(TWICE_LINE), rises.get(BROKEN_BARS)
    if twice is not None and math.isfinite(motor.twice_line) and math.isfinite(motor.twice_line_standing):
        velocity = motor.twice_line / motor.twice_line_hz
        stands = motor.twice_line_standing >= settings.standing
        matters = velocity >= settings.electric_share * shaft.harmonics[0] / motor.shaft_hz
        lifted = max(floor_rise, rises.get(f"{round(motor.twice_line_hz / motor.shaft_hz)}x", 0.0))
        found[TWICE_LINE] = twice - lifted if stands and matters else 0.0
    if sidebands is not None and math.isfinite(motor.pole_pass_standing):
        lifted = max(floor_rise, rises.get("1x", 0.0))
        stands = motor.pole_pass_standing >= settings.standing
        found[BROKEN_BARS] = sidebands - lifted if stands else 0.0
    return found


def _near_mesh(order: float, gear_teeth: int | None) -> bool:
    """Whether an order is the mesh's, or a sideband of it."""
    return gear_teeth is not None and order >= gear_teeth - 1.0


def shaft_claims(
    shaft: ShaftLines,
    rises: Mapping[str, float],
    gear_teeth: int | None,
    settings: DiagnosisSettings,
    *,
    motor: MotorLines | None = None,
    bearing: bool = False,
) -> list[Claim]:
    """Unbalance, misalignment, looseness, gear: only as rises over a baseline.

    The first two where they dominate and no looseness is called, which lifts 1x and 2x too. `bearing` says
    that a damaged bearing is called: it plays, and what it lifts of the shaft's lines is no other looseness.
    Where records cannot tell 2x from a motor's pull at twice the line frequency, neither is called.
    """
    claims: list[Claim] = []
    limit_db = settings.shaft_rise_db
    series = series_rise(shaft, rises, gear_teeth, settings)
    if series is not None:
        rise, count = series
        sign = f"{count} of the shaft's higher harmonics and half orders risen together"
        evidence = min(_EXPLAINED if bearing else math.inf, max(0.0, rise / limit_db))
        claims.append(Claim("looseness", evidence, sign, SERIES, 1.0, rise, sited=False))
    loose = any(claim.evidence >= 1.0 for claim in claims)
    most = _EXPLAINED if loose else math.inf
    first, second = rises.get("1x"), rises.get("2x")
    if first is not None and shaft.velocity_share(1) >= 0.8 and first > (second or 0.0):
        claims.append(Claim("unbalance", min(most, max(0.0, first / limit_db)), "1x", "1x", 1.0, first))
    if second is not None and shaft.velocity_share(2) >= 0.4 and second >= (first or 0.0) + 3.0:
        sign = "2x"
        if (
            motor is not None
            and math.isnan(motor.twice_line)
            and round(motor.twice_line_hz / motor.shaft_hz) == 2
        ):
            sign, most = "2x, which such records cannot tell from twice the line frequency,", _EXPLAINED
        claims.append(Claim("misalignment", min(most, max(0.0, second / limit_db)), sign, "2x", 2.0, second))
    sidebands, mesh = rises.get("mesh sidebands"), rises.get("mesh")
    if gear_teeth is not None and sidebands is not None and mesh is not None:
        # A damaged tooth modulates the mesh once per turn; load alone lifts the mesh with its sidebands.
        risen = min(sidebands, sidebands - max(0.0, mesh) + 0.5 * limit_db)
        sign = "sidebands of the gear mesh"
        evidence = max(0.0, risen / limit_db)
        # A blow lifts all there is around the mesh alike, and draws no line.
        if not shaft.mesh_sidebands >= settings.standing * shaft.mesh_floor:
            evidence = min(_EXPLAINED, evidence)
        claims.append(Claim("gear", evidence, sign, "mesh sidebands", gear_teeth, risen))
    return claims


def electric_claims(
    motor: MotorLines | None,
    shaft: ShaftLines,
    lines: Sequence[FaultLine],
    rises: Mapping[str, float],
    settings: DiagnosisSettings,
) -> list[Claim]:
    """Magnetic pull at twice the line, and broken bars by pole-pass sidebands: only as rises over a baseline.

    Twice the line where a bearing's own line stands as well is explained by that.
    """
    if motor is None:
        return []
    claims = []
    for key, rise in electric_rises(motor, shaft, rises, settings).items():
        evidence = max(0.0, rise / settings.shaft_rise_db)
        if key == TWICE_LINE:
            multiplier = motor.twice_line_hz / motor.shaft_hz
            if any(abs(line.multiplier / multiplier - 1.0) <= LINE_TOLERANCE for line in lines):
                evidence = min(evidence, _EXPLAINED)
            claims.append(Claim("electrical", evidence, "twice the line frequency", key, multiplier, rise))
        else:
            claims.append(Claim("electrical", evidence, "pole-pass sidebands of 1x", key, 1.0, rise))
    return _strongest_per_fault(claims)
