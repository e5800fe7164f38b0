"""One recording to one diagnosis: the path that `analyse`, `evaluate` and `explain` share with live data.

Duty: framing, sensor check, evidence and Diagnoser over a recording's stretches, with all that they showed on
the way. Adds no judgement of its own. Never sees a label or a file's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsp.envelope import FaultEvidence, fault_evidence
from dsp.envelope_history import EnvelopeHistory
from dsp.envelope_orders import OrderSpectrum
from dsp.errors import DspError
from dsp.fault_comb import FaultLine
from dsp.samples import Float32Array
from dsp.sensor_check import check_sensor
from models.diagnosis import Diagnoser, Diagnosis, DiagnosisSettings, Verdict
from models.fault_confirmation import at_limit
from models.machine import Machine
from models.record_length import settings_at_speed
from models.recording_records import recording_records


@dataclass(frozen=True, slots=True)
class RecordingDiagnosis:
    """What the Diagnoser says after a recording's last record, and what it rests on."""

    diagnosis: Diagnosis
    settings: DiagnosisSettings  # at this speed
    evidence: FaultEvidence | None = None  # of the last usable record; None where there is none
    orders: OrderSpectrum | None = None  # averaged, behind the diagnosis
    lines: tuple[FaultLine, ...] = ()  # found in it
    records: int = 0  # that could be used
    refused: tuple[str, ...] = ()  # why others could not, one reason each
    rises: Mapping[str, float] = field(default_factory=dict)  # dB over the baseline by line; empty: none
    limit_factor: float = 1.0  # of the limit that the diagnosis was judged by, times the usual one


def diagnosed_recording(
    segments: Iterable[Float32Array],
    sample_rate_hz: float,
    machine: Machine,
    shaft_hz: float | None,
    *,
    settings: DiagnosisSettings | None = None,
    channel_id: str = "recording",
    learned: Mapping[str, Any] | None = None,
    operating_state: str = "",
    limit_factor: float = 1.0,
) -> RecordingDiagnosis:
    """The product's diagnosis of gap-free stretches, each `(n_samples,)`, at a speed that is roughly known.

    It abstains, and says why, where speed or bearing are unknown, the sensor cannot be believed, or the
    recording is too short. `learned` is what a Diagnoser of the same channel gave as its state: the lines are
    then compared with its baseline of `operating_state`. `limit_factor` is the limit of a call in the
    usual one's units, where healthy running settled it. Raises ModelStateError where `learned` does not fit.
    """
    settings = settings_at_speed(settings or DiagnosisSettings(), machine.bearing, shaft_hz)
    if machine.bearing is None or shaft_hz is None:
        missing = "bearing" if machine.bearing is None else "shaft speed"
        return RecordingDiagnosis(abstention(machine, channel_id, f"the {missing} is not known"), settings)
    diagnoser = Diagnoser(machine, channel_id, settings)
    if learned is not None:
        diagnoser.restore(dict(learned))
    latest: Diagnosis | None = None
    evidence: FaultEvidence | None = None
    records, refused = 0, []
    history = EnvelopeHistory()
    for record in recording_records(channel_id, segments, sample_rate_hz, settings):
        check = check_sensor(record)
        if not check.usable:
            refused.append(f"check sensor: {check.verdict.value}")
            continue
        try:
            evidence = fault_evidence(
                record,
                shaft_hz,
                machine.bearing,
                settings.speed_tolerance,
                gear_teeth=machine.gear_teeth,
                line_frequency_hz=machine.line_frequency_hz,
            )
        except DspError as error:
            refused.append(str(error))
            continue
        evidence = history.extended(record, evidence)
        records += 1
        latest = diagnoser.observe(evidence, operating_state, learning=False)
    if latest is None:
        reason = refused[-1] if refused else "the recording is too short"
        latest = abstention(machine, channel_id, reason)
    return RecordingDiagnosis(
        at_limit(latest, limit_factor),
        settings,
        evidence,
        diagnoser.orders,
        diagnoser.lines,
        records,
        tuple(refused),
        diagnoser.rises,
        limit_factor,
    )


def abstention(machine: Machine, channel_id: str, reason: str) -> Diagnosis:
    """A diagnosis that says why there is none."""
    return Diagnosis(
        asset_id=machine.asset_id,
        channel_id=channel_id,
        start_ns=0,
        verdict=Verdict.ABSTAIN,
        fault=None,
        confidence=0.0,
        text=reason,
        ranking=(),
        over_baseline_db=None,
        frequency_hz=None,
    )
