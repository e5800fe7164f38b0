"""Settings of diagnosis: how evidence is taken and from where on it is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiagnosisSettings:
    """How evidence is taken and judged. Frozen: one set for all machines, nothing fitted to a recording."""

    record_s: float = 4.0  # one record of evidence
    record_hop_s: float = 2.0
    min_record_s: float = 1.0  # a shorter rest of a recording is left out
    speed_tolerance: float = 0.03  # of a speed from a plate or a notebook; a measured one is better
    measured_speed_tolerance: float = 0.01
    averaged_records: int = 8  # of one operating state, the newest
    call_db: float = 9.0  # level above the noise floor that is called without a baseline
    call_margin: float = 1.2  # over the decoys
    call_fundamental_db: float = 4.0  # a comb whose first harmonic does not stand out is another fault's
    cage_db: float = 7.0  # comb of the cage line and its harmonics
    cage_margin: float = 2.0
    turning_race_db: float = 3.0  # shaft - FTF: the turning race passes what strikes, so it is no cage
    race_lead_db: float = 1.0  # a race's line this far above the element's: its impacts, not the element's
    cage_alone_db: float = 10.5  # with impacts, so strong a comb would show that line if it were an element
    spread_db: float = 4.0  # a rolling element's line smeared by slip, as a whole
    spread_margin: float = 1.6
    impulsive: float = 1.5  # kurtosis excess of the envelope above which a record holds impacts
    rise_db: float = 6.0  # over its baseline
    rise_level_db: float = 4.0  # and above the noise floor
    rising_db: float = 3.0  # from here on a line counts as rising
    baseline_records: int = 8  # learned before a baseline is used
    quiet_db: float = 4.5  # no comb above it and no impacts: healthy
    shaft_rise_db: float = 10.0  # 1x, 2x, gear mesh over their baseline
    standing: float = 4.0  # amplitude of a line over what stands beside it; noise alone reaches 3
    series_lines: int = 4  # of the shaft's harmonics from 3x on and half orders, risen together: looseness
    series_share: float = 0.1  # of 1x, which such a line must have: a sensor's distortion stays below
    electric_share: float = 0.2  # of 1x in velocity, which twice the line frequency must have
