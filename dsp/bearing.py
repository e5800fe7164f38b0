"""Bearing fault frequencies as multiples of shaft speed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
        raise NotImplementedError


def fault_multipliers(
    n_rolling_elements: int,
    rolling_element_diameter: float,
    pitch_diameter: float,
    contact_angle_deg: float | None,
    designation: str = "",
) -> FaultMultipliers:
    """Fault frequencies from geometry (both diameters in one unit)."""
    raise NotImplementedError
