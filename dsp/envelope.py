"""Fault-line evidence in the squared envelope spectrum of long records."""

from __future__ import annotations

from dataclasses import dataclass

from dsp.bearing import BearingFault, FaultMultipliers
from dsp.framing import Window
from dsp.spectrum import Spectrum


@dataclass(frozen=True, slots=True)
class FaultLine:
    """What one record says of one fault: its comb of harmonics (and sidebands) in the envelope spectrum."""

    fault: BearingFault
    label: str  # "BPFO", "BPFI", "2xBSF", "FTF"
    multiplier: float  # as found, x shaft
    frequency_hz: float
    resolvable: bool  # False: the record is too short for this line; the levels are NaN then
    level_db: float  # comb above the local floor, dB
    decoy_margin: float  # how far above the best of the decoy combs (1.0 = equal), the false-alarm guard
    harmonics: int  # harmonics that stand out of the floor
    amplitude: float  # amplitude of the fundamental in the envelope spectrum's unit


@dataclass(frozen=True, slots=True)
class FaultEvidence:
    """Lines of all bearing faults in one record of one channel, with the spectrum they were read from."""

    channel_id: str
    start_ns: int
    duration_s: float
    shaft_hz: float  # refined estimate used for the combs
    band_hz: tuple[float, float]  # demodulated band
    lines: tuple[FaultLine, ...]
    envelope: Spectrum


def fault_evidence(
    record: Window, shaft_hz: float, multipliers: FaultMultipliers, speed_tolerance: float
) -> FaultEvidence:
    """Evidence for each bearing fault in one record, at `shaft_hz` within +- `speed_tolerance` (relative)."""
    raise NotImplementedError
