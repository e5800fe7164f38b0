"""What stands beside the product's diagnosis: two simple methods that anyone would try first.

Duty: one recording to one decision each. Fixed figures, nothing learned; never sees a label or a file's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.bearing import BearingFault, FaultMultipliers
from dsp.cepstrum import prewhitened_spectrum
from dsp.envelope_spectrum import running_floor
from dsp.samples import Float32Array
from models.diagnosis import Diagnosis, RankedFault, Verdict
from models.machine import Machine
from models.recording_diagnosis import abstention

CHANNEL_ID = "evaluated"
FAULTS = (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT)
PLAIN_HARMONICS = 3
PLAIN_TOLERANCE = 0.01
PLAIN_CALL_DB = 10.0
DECOYS = 100
DECOY_HARMONICS = 4
DECOY_TOLERANCE = 0.01
DECOY_CAP_DB = 26.0
DECOY_CALL = 1.2  # times the best decoy
DECOY_QUIET = 0.9
_DB = 10.0 / math.log(10.0)


def plain_envelope_decision(
    segments: Iterable[Float32Array], sample_rate_hz: float, machine: Machine, shaft_hz: float | None
) -> Diagnosis:
    """Squared envelope spectrum of the whole band, best line within 1 %, no guard.

    The strongest fault is called if its first three harmonics stand 10 dB out of the floor on average, else
    the machine is called healthy. Speed is taken as stated.
    """
    samples, refused = _longest(segments, sample_rate_hz, machine, shaft_hz)
    if samples is None or machine.bearing is None or shaft_hz is None:
        return abstention(machine, CHANNEL_ID, refused)
    levels = _plain_levels(samples, sample_rate_hz, machine.bearing, shaft_hz)
    evidence = {fault: level_db / PLAIN_CALL_DB for fault, level_db in levels.items()}
    return _decision(machine, evidence, 1.0)


def decoy_comb_decision(
    segments: Iterable[Float32Array], sample_rate_hz: float, machine: Machine, shaft_hz: float | None
) -> Diagnosis:
    """Cepstrum prewhitening, squared envelope, combs with sidebands against about 100 decoy combs.

    A fault is called where its comb is 1.2 times the best decoy; below 0.9 of it the machine is healthy;
    between them it abstains. Speed is taken as stated.
    """
    samples, refused = _longest(segments, sample_rate_hz, machine, shaft_hz)
    if samples is None or machine.bearing is None or shaft_hz is None:
        return abstention(machine, CHANNEL_ID, refused)
    bearing = machine.bearing
    n_fft = scipy.fft.next_fast_len(len(samples), real=True)
    white = prewhitened_spectrum(scipy.fft.rfft(samples - samples.mean(), n_fft).astype(np.complex64))
    envelope = np.abs(scipy.fft.ifft(white, 2 * len(white))) ** 2
    power, step_hz = _envelope_power(envelope, 2.0 * len(white) * sample_rate_hz / n_fft)
    top = int((DECOY_HARMONICS + 1) * 1.2 * max(bearing.bpfi, 2.0 * bearing.bsf) * shaft_hz / step_hz) + 2
    power = power[: min(top, len(power))]
    floor = running_floor(power, max(8, round(shaft_hz / step_hz)))
    level_db = np.clip(_DB * np.log(np.maximum(power / np.maximum(floor, 1e-30), 1e-3)), 0.0, DECOY_CAP_DB)
    order = step_hz / shaft_hz
    sidebands = {
        BearingFault.OUTER_RACE: 0.0,
        BearingFault.INNER_RACE: 1.0,
        BearingFault.ROLLING_ELEMENT: bearing.ftf,
    }
    evidence = {}
    for fault in FAULTS:
        own = _comb_db(level_db, order, bearing.of(fault), sidebands[fault])
        decoys = [
            _comb_db(level_db, order, multiple, sidebands[fault]) for multiple in _decoy_multiples(bearing)
        ]
        evidence[fault] = own / max(*decoys, 1.0) / DECOY_CALL
    return _decision(machine, evidence, DECOY_QUIET / DECOY_CALL)


def _longest(
    segments: Iterable[Float32Array], sample_rate_hz: float, machine: Machine, shaft_hz: float | None
) -> tuple[Float32Array | None, str]:
    if machine.bearing is None or shaft_hz is None:
        return None, "bearing or shaft speed is not known"
    samples = max(segments, key=len, default=np.zeros(0, np.float32))
    if len(samples) < sample_rate_hz:
        return None, "the recording is too short"
    if not np.isfinite(samples).all() or float(np.ptp(samples)) == 0.0:
        return None, "samples that are no number, or all the same"
    return samples, ""


def _decision(machine: Machine, evidence: dict[BearingFault, float], quiet_below: float) -> Diagnosis:
    ranking = tuple(
        RankedFault(fault.value, round(value, 3))
        for fault, value in sorted(evidence.items(), key=lambda item: item[1], reverse=True)
    )
    top = ranking[0]
    called = top.evidence >= 1.0
    quiet = Verdict.HEALTHY if top.evidence < quiet_below else Verdict.ABSTAIN
    return Diagnosis(
        asset_id=machine.asset_id,
        channel_id=CHANNEL_ID,
        start_ns=0,
        verdict=Verdict.FAULT if called else quiet,
        fault=top.fault if called else None,
        confidence=0.5,
        text=f"{top.fault}, {top.evidence:.2f} of what is called",
        ranking=ranking,
        over_baseline_db=None,
        frequency_hz=None,
    )


def _decoy_multiples(bearing: FaultMultipliers) -> list[float]:
    """Multiples of shaft speed that mean nothing: neither a line, nor its half or double, nor a whole one."""
    lines = (bearing.bpfo, bearing.bpfi, 2.0 * bearing.bsf)
    means = [line * part + whole for line in lines for part in (0.5, 1.0, 2.0) for whole in (-1.0, 0.0, 1.0)]
    low, high = 0.5 * bearing.bpfo, 1.2 * max(lines)
    candidates = np.exp(np.linspace(math.log(low), math.log(high), 3 * DECOYS))
    free = [
        float(multiple)
        for multiple in candidates
        if abs(multiple - round(multiple)) > 0.05
        and all(abs(multiple - known) > 3.0 * DECOY_TOLERANCE * multiple for known in means)
    ]
    return free[:: max(1, len(free) // DECOYS)]


def _comb_db(level_db: npt.NDArray[np.float64], order: float, multiple: float, sideband: float) -> float:
    """Mean level of four harmonics, each with its sidebands at half their weight."""
    total = weight = 0.0
    for harmonic in range(1, DECOY_HARMONICS + 1):
        for offset, share in ((0.0, 1.0), (-sideband, 0.25), (sideband, 0.25)):
            if offset == 0.0 and share < 1.0:
                continue
            centre = harmonic * multiple + offset
            reach = DECOY_TOLERANCE * harmonic * multiple
            first, last = int((centre - reach) / order), int((centre + reach) / order) + 2
            if last >= len(level_db):
                continue
            total += share * float(level_db[max(1, first) : last].max())
            weight += share
    return total / max(weight, 1.0)


def _envelope_power(
    envelope: npt.NDArray[np.floating], rate_hz: float
) -> tuple[npt.NDArray[np.float64], float]:
    centred = (envelope - envelope.mean()) * np.hanning(len(envelope))
    power: npt.NDArray[np.float64] = np.abs(scipy.fft.rfft(centred)).astype(np.float64) ** 2
    return power, rate_hz / len(envelope)


def _plain_levels(
    samples: Float32Array, sample_rate_hz: float, bearing: FaultMultipliers, shaft_hz: float
) -> dict[BearingFault, float]:
    n_fft = scipy.fft.next_fast_len(len(samples))
    analytic = scipy.fft.fft(samples - samples.mean(), n_fft)
    analytic[n_fft // 2 :] = 0.0
    envelope = np.abs(scipy.fft.ifft(analytic)[: len(samples)]) ** 2
    power, step_hz = _envelope_power(envelope, sample_rate_hz)
    levels = {}
    for fault in FAULTS:
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
