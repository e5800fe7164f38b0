"""Lines to claims: how much speaks for each fault, 1.0 where it would be called.

Duty: the rules that turn levels, rises and guards into one figure per fault. No memory, no words but names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dsp.bearing import BearingFault
from dsp.fault_comb import FaultLine
from dsp.shaft_lines import ShaftLines
from models.diagnosis_settings import DiagnosisSettings


@dataclass(frozen=True, slots=True)
class Claim:
    """One possible fault: `evidence` 1.0 is the limit of calling it."""

    fault: str
    evidence: float
    sign: str  # what is seen: "BPFO", "cage-rate impacts, FTF", "1x"
    key: str  # of the line, in baselines
    multiplier: float  # x shaft
    level_db: float


def line_levels(lines: tuple[FaultLine, ...], shaft: ShaftLines) -> dict[str, float]:
    """Level of every line by key, dB (over the noise floor; for the shaft's lines relative to 1 unit)."""
    levels = {line.label: line.level_db for line in lines}
    amplitudes = dict(zip(("1x", "2x", "3x"), shaft.harmonics, strict=True))
    amplitudes |= {"mesh": shaft.mesh, "mesh sidebands": shaft.mesh_sidebands}
    for key, amplitude in amplitudes.items():
        levels[key] = 20.0 * math.log10(amplitude) if amplitude > 0.0 else math.nan
    return levels


def bearing_claims(
    lines: tuple[FaultLine, ...],
    rises: Mapping[str, float],
    impulsiveness: float,
    settings: DiagnosisSettings,
) -> list[Claim]:
    """Claims of the four bearing faults, as far as their lines can be resolved."""
    claims = []
    cage = None
    for line in lines:
        if not line.resolvable:
            continue
        if line.fault is BearingFault.CAGE:
            cage = line
        else:
            evidence = _comb_evidence(line, rises.get(line.label), settings)
            claims.append(
                Claim(line.fault.value, evidence, line.label, line.label, line.multiplier, line.level_db)
            )
    if cage is not None:
        claims.append(_cage_claim(cage, claims, impulsiveness, settings))
    return _strongest_per_fault(claims)


def _comb_evidence(line: FaultLine, rise_db: float | None, settings: DiagnosisSettings) -> float:
    guard = min(1.0, line.decoy_margin / settings.call_margin)
    if line.sideband_of is not None or line.fundamental_db < settings.call_fundamental_db:
        guard *= 0.5
    absolute = line.level_db / settings.call_db
    if rise_db is None:
        return absolute * guard
    risen = min(rise_db / settings.rise_db, line.level_db / settings.rise_level_db)
    return max(0.0, risen) * guard


def _cage_claim(
    cage: FaultLine, races: list[Claim], impulsiveness: float, settings: DiagnosisSettings
) -> Claim:
    """Cage-rate modulation: of impacts it tells a damaged element passing the load zone, else the cage.

    A race fault's lines are modulated by the cage too, so nothing is claimed beyond a called comb.
    """
    evidence = (cage.level_db / settings.cage_db) * min(1.0, cage.decoy_margin / settings.cage_margin)
    strongest = max((claim.evidence for claim in races), default=0.0)
    if strongest >= 1.0:
        evidence = min(evidence, 0.9)
    impacts = impulsiveness >= settings.impulsive
    fault = BearingFault.ROLLING_ELEMENT if impacts else BearingFault.CAGE
    sign = "impacts at cage rate, FTF" if impacts else cage.label
    return Claim(fault.value, evidence, sign, cage.label, cage.multiplier, cage.level_db)


def _strongest_per_fault(claims: list[Claim]) -> list[Claim]:
    strongest: dict[str, Claim] = {}
    for claim in claims:
        known = strongest.get(claim.fault)
        if known is None or claim.evidence > known.evidence:
            strongest[claim.fault] = claim
    return list(strongest.values())


def shaft_claims(shaft: ShaftLines, rises: Mapping[str, float], settings: DiagnosisSettings) -> list[Claim]:
    """Unbalance and misalignment: only as rises over a baseline, and only where the line dominates."""
    claims = []
    limit_db = settings.shaft_rise_db
    first, second = rises.get("1x"), rises.get("2x")
    if first is not None and shaft.velocity_share(1) >= 0.8 and first > (second or 0.0):
        claims.append(Claim("unbalance", max(0.0, first / limit_db), "1x", "1x", 1.0, first))
    if second is not None and shaft.velocity_share(2) >= 0.4 and second >= (first or 0.0) + 3.0:
        claims.append(Claim("misalignment", max(0.0, second / limit_db), "2x", "2x", 2.0, second))
    return claims
