"""How long a record of evidence must be for one machine: longer where the shaft turns slowly.

Duty: settings of one machine from the settings of all. A comb is resolved where the record's bins are half
the tolerance at its highest harmonic (`dsp.fault_comb`); a machine at 60 r/min needs 10 s where one at 1500
needs less than one. Cage lines need several times that: records are joined for them
(`dsp.envelope_history`).
"""

from __future__ import annotations

import math
from dataclasses import replace

from dsp.bearing import FaultMultipliers
from dsp.fault_comb import HARMONICS, LINE_TOLERANCE, needed_record_s
from models.diagnosis_settings import DiagnosisSettings
from models.machine import Machine

LONGEST_RECORD_S = 60.0
_MARGIN = 1.1  # a shaft a little slower than nominal must still do


def settings_at_speed(
    settings: DiagnosisSettings, bearing: FaultMultipliers | None, shaft_hz: float | None
) -> DiagnosisSettings:
    """The settings with records long enough for the combs of both races at a speed, 60 s at most.

    Unchanged where bearing or speed are unknown, or the usual records do. Records overlap by as much as
    before.
    """
    if bearing is None or shaft_hz is None or not shaft_hz > 0.0:
        return settings
    needed_s = _MARGIN * needed_record_s(HARMONICS * bearing.bpfo, shaft_hz, LINE_TOLERANCE)
    if needed_s <= settings.record_s:
        return settings
    record_s = min(needed_s, LONGEST_RECORD_S)
    return replace(
        settings,
        record_s=record_s,
        record_hop_s=settings.record_hop_s * record_s / settings.record_s,
    )


def unlooked_text(machine: Machine, settings: DiagnosisSettings) -> str:
    """Why no cause could be looked for as long as no record of evidence came, and what would be needed.

    `settings` are those of all machines, before `settings_at_speed`.
    """
    if machine.bearing is None:
        return "the machine's bearing is not given"
    record_s = settings_at_speed(settings, machine.bearing, machine.nominal_shaft_hz).record_s
    needed_s = 0.1 * math.ceil(10.0 * record_s - 1e-9)
    text = f"it takes a record of {needed_s:.1f} s without a break at a steady, known speed, and none came"
    if machine.nominal_shaft_hz is None or record_s <= settings.record_s:
        return text
    rpm = 60.0 * machine.nominal_shaft_hz * record_s / settings.record_s
    return f"{text}; from {10.0 * math.ceil(0.1 * rpm):.0f} r/min on {settings.record_s:.1f} s would do"
