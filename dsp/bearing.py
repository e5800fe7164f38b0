"""Bearing fault frequencies as multiples of shaft speed.

Duty: kinematics of a rolling bearing with a standing outer ring, from geometry or from stated multipliers,
and the relations that must hold between them. Reads no signal; whether a line is there is the question of
`dsp.envelope`.

With gamma = (d/D) cos(phi) (d element diameter, D pitch diameter, phi contact angle, n elements), per shaft
revolution and without slip (Randall and Antoni, "Rolling element bearing diagnostics - a tutorial",
Mechanical Systems and Signal Processing 25 (2011), eqs. 1-4):

    BPFO = n/2 (1 - gamma)      FTF = 1/2 (1 - gamma) = BPFO / n
    BPFI = n/2 (1 + gamma)      BSF = D/(2d) (1 - gamma^2)

Hence BPFO + BPFI = n at whatever contact angle. BSF is the spin: a damaged element strikes twice per spin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from dsp.errors import DspError

# Stated multipliers are rounded to two to four digits; more than this apart is another bearing or a mix-up.
STATED_TOLERANCE = 0.01


class BearingFault(StrEnum):
    """Parts of a rolling bearing, in a technician's words."""

    OUTER_RACE = "outer race"  # BPFO
    INNER_RACE = "inner race"  # BPFI
    ROLLING_ELEMENT = "rolling element"  # 2 x BSF: a defect strikes both races once per spin
    CAGE = "cage"  # FTF


@dataclass(frozen=True, slots=True)
class FaultMultipliers:
    """Fault frequencies per shaft revolution (outer race fixed)."""

    bpfo: float
    bpfi: float
    bsf: float
    ftf: float
    n_rolling_elements: int | None
    contact_angle_known: bool
    designation: str = ""  # "6205", shown to people

    def of(self, fault: BearingFault) -> float:
        """Multiplier of the line that this fault shows: BPFO, BPFI, 2 x BSF or FTF."""
        match fault:
            case BearingFault.OUTER_RACE:
                return self.bpfo
            case BearingFault.INNER_RACE:
                return self.bpfi
            case BearingFault.ROLLING_ELEMENT:
                return 2.0 * self.bsf
            case BearingFault.CAGE:
                return self.ftf

    @property
    def gamma(self) -> float:
        """(d/D) cos(phi) as the race multipliers imply it, 0..1 exclusive."""
        return (self.bpfi - self.bpfo) / (self.bpfi + self.bpfo)


def fault_multipliers(
    n_rolling_elements: int,
    rolling_element_diameter: float,
    pitch_diameter: float,
    contact_angle_deg: float | None,
    designation: str = "",
) -> FaultMultipliers:
    """Fault frequencies from geometry (both diameters in one unit).

    An unknown contact angle (None) is taken as 0 and marked unknown: a loaded line may then stand several
    percent off. Raises DspError for geometry that no bearing can have.
    """
    if n_rolling_elements < 3:
        raise DspError(f"n_rolling_elements is {n_rolling_elements}; a bearing has at least 3")
    ratio = rolling_element_diameter / pitch_diameter if pitch_diameter > 0.0 else math.nan
    if not 0.0 < ratio < 1.0:
        raise DspError(
            f"rolling element diameter {rolling_element_diameter} and pitch diameter {pitch_diameter}: "
            "the first must be above 0 and smaller than the second, both in one unit"
        )
    angle_deg = 0.0 if contact_angle_deg is None else contact_angle_deg
    if not 0.0 <= angle_deg < 90.0:
        raise DspError(f"contact_angle_deg is {angle_deg}; 0 to below 90 is possible")
    gamma = ratio * math.cos(math.radians(angle_deg))
    n = n_rolling_elements
    return FaultMultipliers(
        bpfo=0.5 * n * (1.0 - gamma),
        bpfi=0.5 * n * (1.0 + gamma),
        bsf=(1.0 - gamma * gamma) / (2.0 * ratio),
        ftf=0.5 * (1.0 - gamma),
        n_rolling_elements=n,
        contact_angle_known=contact_angle_deg is not None,
        designation=designation,
    )


def multipliers_at_gamma(multipliers: FaultMultipliers, gamma: float) -> FaultMultipliers:
    """The same bearing loaded at another contact angle: all four multipliers follow the one gamma.

    D/d is kept: it is what BSF and gamma of `multipliers` imply. Raises DspError if gamma is not within 0..1.
    """
    if not 0.0 < gamma < 1.0:
        raise DspError(f"gamma is {gamma}; (d/D) cos(phi) lies between 0 and 1")
    n = multipliers.bpfo + multipliers.bpfi
    pitch_over_element = 2.0 * multipliers.bsf / (1.0 - multipliers.gamma**2)
    return replace(
        multipliers,
        bpfo=0.5 * n * (1.0 - gamma),
        bpfi=0.5 * n * (1.0 + gamma),
        bsf=0.5 * pitch_over_element * (1.0 - gamma * gamma),
        ftf=0.5 * (1.0 - gamma),
    )


def consistent_multipliers(multipliers: FaultMultipliers) -> tuple[FaultMultipliers, tuple[str, ...]]:
    """Multipliers whose FTF and BSF agree with BPFO and BPFI, and what had to be mended.

    Tables swap FTF with 1 - FTF (outer race turning) and BSF with 2 x BSF; both follow from the race lines,
    which are stated right more often. Raises DspError where BPFO and BPFI cannot belong to one bearing.
    """
    bpfo, bpfi = multipliers.bpfo, multipliers.bpfi
    if not 0.0 < bpfo < bpfi:
        raise DspError(f"BPFO {bpfo} and BPFI {bpfi}: BPFO must be above 0 and the smaller one")
    n = multipliers.n_rolling_elements
    if n is None:
        n = round(bpfo + bpfi)
    if n < 3 or abs((bpfo + bpfi) / n - 1.0) > STATED_TOLERANCE:
        raise DspError(
            f"BPFO {bpfo} + BPFI {bpfi} = {bpfo + bpfi:.3f}, but it is the number of elements, {n}"
        )
    remarks: list[str] = []
    ftf, bsf = multipliers.ftf, multipliers.bsf
    implied_ftf = bpfo / (bpfo + bpfi)
    if not _agree(ftf, implied_ftf):
        remarks.append(f"FTF {ftf:.4g} does not fit BPFO / n: {implied_ftf:.4f} is used")
        ftf = implied_ftf
    # With D/d = cos(phi)/gamma, BSF = cos(phi) (1 - gamma^2) / (2 gamma): largest at no contact angle.
    gamma = multipliers.gamma
    largest_bsf = (1.0 - gamma * gamma) / (2.0 * gamma)
    if _agree(bsf, 2.0 * largest_bsf):
        remarks.append(f"BSF {bsf:.4g} is 2 x BSF: {0.5 * bsf:.4f} is used")
        bsf = 0.5 * bsf
    elif not 0.0 < bsf <= largest_bsf * (1.0 + 3.0 * STATED_TOLERANCE):
        remarks.append(f"BSF {bsf:.4g} does not fit BPFO and BPFI: {largest_bsf:.4f} is used")
        bsf = largest_bsf
    if not remarks and multipliers.n_rolling_elements is not None:
        return multipliers, ()
    return replace(multipliers, ftf=ftf, bsf=bsf, n_rolling_elements=n), tuple(remarks)


def _agree(stated: float, implied: float) -> bool:
    return abs(stated - implied) <= STATED_TOLERANCE * implied
