"""What is known of a machine before anything is measured: plate data, bearing, gear, drive.

Duty: facts that diagnosis and severity need. Read from configuration, a manifest or a sidecar by the
appliance; this module neither reads files nor guesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dsp.bearing import FaultMultipliers
from dsp.severity_limits import ZoneLimits


class Foundation(StrEnum):
    """Support class of ISO 20816-3."""

    RIGID = "rigid"
    FLEXIBLE = "flexible"


@dataclass(frozen=True, slots=True)
class Machine:
    """One asset's constant facts; None where nobody knows."""

    asset_id: str
    name: str
    rated_power_kw: float | None = None
    foundation: Foundation | None = None
    nominal_shaft_hz: float | None = None
    bearing: FaultMultipliers | None = None
    gear_teeth: int | None = None
    line_frequency_hz: float | None = None
    zone_limits: ZoneLimits | None = None  # agreed for this machine; None: the table of ISO 20816-3
