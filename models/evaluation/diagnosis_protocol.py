"""Protocol `diagnosis`: one recording, whole length, no training, judged as the product would live.

Duty: a recording's samples to one decision, through the same framing, sensor check, evidence and Diagnoser as
live data; and the simple baseline that stands beside it. Never sees a label or a file's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np
import scipy.fft

from dsp import envelope_orders, envelope_spectrum, fault_comb, shaft_speed
from dsp.bearing import BearingFault, FaultMultipliers
from dsp.envelope import fault_evidence
from dsp.envelope_history import EnvelopeHistory
from dsp.errors import DspError
from dsp.samples import Float32Array
from dsp.sensor_check import check_sensor
from models.diagnosis import Diagnoser, Diagnosis, DiagnosisSettings, RankedFault, Verdict
from models.machine import Machine
from models.record_length import settings_at_speed
from models.recording_records import recording_records

CHANNEL_ID = "evaluated"
PLAIN_HARMONICS = 3
PLAIN_TOLERANCE = 0.01
PLAIN_CALL_DB = 10.0

Decide = Callable[[Iterable[Float32Array], float, Machine, float | None], Diagnosis]


def settings_hash(settings: DiagnosisSettings) -> str:
    """Fingerprint of every figure that a decision rests on: settings, and the constants of the evidence."""
    constants = {
        f"{module.__name__}.{name}": repr(value)
        for module in (envelope_spectrum, envelope_orders, fault_comb, shaft_speed)
        for name, value in sorted(vars(module).items())
        if name.strip("_").isupper() and isinstance(value, int | float | tuple)
    }
    text = json.dumps({"settings": asdict(settings), "constants": constants}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rules_decision(
    segments: Iterable[Float32Array],
    sample_rate_hz: float,
    machine: Machine,
    shaft_hz: float | None,
    settings: DiagnosisSettings | None = None,
) -> Diagnosis:
    """The product's decision on one recording: what the Diagnoser says after its last record.

    `segments` are its gap-free stretches, each `(n_samples,)`. It abstains, and says why, where speed or
    bearing are unknown, the sensor cannot be believed, or the recording is too short.
    """
    settings = settings or DiagnosisSettings()
    if machine.bearing is None or shaft_hz is None:
        missing = "bearing" if machine.bearing is None else "shaft speed"
        return _abstention(machine, f"the {missing} is not known")
    settings = settings_at_speed(settings, machine.bearing, shaft_hz)
    diagnoser = Diagnoser(machine, CHANNEL_ID, settings)
    latest: Diagnosis | None = None
    refused = ""
    history = EnvelopeHistory()
    for record in recording_records(CHANNEL_ID, segments, sample_rate_hz, settings):
        check = check_sensor(record)
        if not check.usable:
            refused = f"check sensor: {check.verdict.value}"
            continue
        try:
            evidence = fault_evidence(
                record,
                shaft_hz,
                machine.bearing,
                settings.speed_tolerance,
                gear_teeth=machine.gear_teeth,
            )
        except DspError as error:
            refused = str(error)
            continue
        latest = diagnoser.observe(history.extended(record, evidence), "", learning=False)
    return latest or _abstention(machine, refused or "the recording is too short")


def plain_envelope_decision(
    segments: Iterable[Float32Array], sample_rate_hz: float, machine: Machine, shaft_hz: float | None
) -> Diagnosis:
    """Simple baseline: squared envelope spectrum of the whole band, best line within 1 %, no guard.

    The strongest fault is called if its first three harmonics stand 10 dB out of the floor on average, else
    the machine is called healthy. Speed is taken as stated.
    """
    if machine.bearing is None or shaft_hz is None:
        return _abstention(machine, "bearing or shaft speed is not known")
    samples = max(segments, key=len, default=np.zeros(0, np.float32))
    if len(samples) < sample_rate_hz:
        return _abstention(machine, "the recording is too short")
    levels = _plain_levels(samples, sample_rate_hz, machine.bearing, shaft_hz)
    ranking = tuple(
        RankedFault(fault.value, level_db / PLAIN_CALL_DB)
        for fault, level_db in sorted(levels.items(), key=lambda item: item[1], reverse=True)
    )
    called = ranking[0].evidence >= 1.0
    return Diagnosis(
        asset_id=machine.asset_id,
        channel_id=CHANNEL_ID,
        start_ns=0,
        verdict=Verdict.FAULT if called else Verdict.HEALTHY,
        fault=ranking[0].fault if called else None,
        confidence=0.5,
        text=f"{ranking[0].fault}, {ranking[0].evidence * PLAIN_CALL_DB:.0f} dB",
        ranking=ranking,
        over_baseline_db=None,
        frequency_hz=None,
    )


DECISIONS: dict[str, Decide] = {
    "rules": rules_decision,
    "baseline:plain-comb": plain_envelope_decision,
}


def _abstention(machine: Machine, reason: str) -> Diagnosis:
    return Diagnosis(
        asset_id=machine.asset_id,
        channel_id=CHANNEL_ID,
        start_ns=0,
        verdict=Verdict.ABSTAIN,
        fault=None,
        confidence=0.0,
        text=reason,
        ranking=(),
        over_baseline_db=None,
        frequency_hz=None,
    )


def _plain_levels(
    samples: Float32Array, sample_rate_hz: float, bearing: FaultMultipliers, shaft_hz: float
) -> dict[BearingFault, float]:
    n_fft = scipy.fft.next_fast_len(len(samples))
    analytic = scipy.fft.fft(samples - samples.mean(), n_fft)
    analytic[n_fft // 2 :] = 0.0
    envelope = np.abs(scipy.fft.ifft(analytic)[: len(samples)]) ** 2
    power = np.abs(scipy.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope)))) ** 2
    step_hz = sample_rate_hz / len(samples)
    levels = {}
    for fault in (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT):
        prominences = []
        for harmonic in range(1, PLAIN_HARMONICS + 1):
            line_hz = harmonic * bearing.of(fault) * shaft_hz
            near = power[_bins(line_hz, PLAIN_TOLERANCE * line_hz, step_hz, len(power))]
            around = power[_bins(line_hz, shaft_hz, step_hz, len(power))]
            floor = max(float(np.median(around)), float(np.finfo(np.float64).tiny))
            prominences.append(10.0 * np.log10(max(float(near.max()), 1e-30) / floor))
        levels[fault] = float(np.mean(prominences))
    return levels


def _bins(centre_hz: float, reach_hz: float, step_hz: float, n_bins: int) -> slice:
    low = min(n_bins - 2, int((centre_hz - reach_hz) / step_hz))
    return slice(max(1, low), max(2, int((centre_hz + reach_hz) / step_hz) + 2))
