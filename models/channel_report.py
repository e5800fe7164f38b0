"""One channel of a recording as an analyst wants to see it: levels, zone, sensor, spectra, fault evidence.

Duty: gather what `dsp` computes and `models.diagnosis` decides into one value, for `stethos analyse` to print
and draw. Adds no judgement of its own: the diagnosis is the one that `stethos evaluate` counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import fft

from dsp.conditioning import WindowFunction
from dsp.envelope_orders import OrderSpectrum
from dsp.envelope_spectrum import EnvelopeSpectrum, envelope_spectrum
from dsp.errors import DspError
from dsp.fault_comb import FaultLine
from dsp.framing import Window, trend_window_samples
from dsp.kurtogram import Kurtogram
from dsp.samples import Float32Array, Float64Array, Quality, TimeQuality
from dsp.sensor_check import SensorCheck, check_sensor
from dsp.sensor_reference import check_hum
from dsp.severity import (
    SeverityRating,
    displacement_rms,
    measured_band_hz,
    rate_severity,
    velocity_rms,
)
from dsp.shaft_speed_search import SEARCH_RANGE_HZ, estimated_shaft_speed
from dsp.spectrum import amplitude_values
from dsp.time_features import time_features
from models.diagnosis import Diagnosis, DiagnosisSettings
from models.machine import Machine
from models.machine_lines import machine_lines
from models.record_kurtogram import KurtogramEngine, record_kurtogram
from models.recording_diagnosis import RecordingDiagnosis, abstention, diagnosed_recording

# An envelope spectrum for the eye where neither bearing nor speed say how far it must reach.
_ENVELOPE_MAX_HZ = 1000.0
_ENVELOPE_FLOOR_HZ = 25.0
_SPEED_RECORD_S = 10.0
_SPECTRUM_S = 1.0  # length of the amplitude spectrum's segments


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What one channel says of its machine; arrays are for pictures, in the unit of the channel."""

    channel: str
    unit: str
    sample_rate_hz: float
    duration_s: float
    levels: dict[str, float]  # by name, the unit in the name; NaN where it cannot be stated
    rating: SeverityRating
    sensor: SensorCheck  # the window with the most samples affected, else the first
    windows: int
    windows_refused: int
    shaft_hz: float | None
    speed_origin: str  # "stated", "estimated from vibration ...", "unknown: ...", and whether refined
    machine: Machine
    diagnosis: Diagnosis
    found: RecordingDiagnosis  # what the diagnosis rests on
    lines: tuple[FaultLine, ...]  # of the averaged records
    machine_lines: dict[str, float]  # of shaft, gear and motor, by name; empty where the speed is unknown
    machine_remarks: tuple[str, ...]
    orders: OrderSpectrum | None
    envelope: EnvelopeSpectrum | None  # where bearing or speed are unknown
    kurtogram: Kurtogram | None  # of the longest stretch; None where that is too short or no number
    longest: Float32Array  # (n_samples,) the longest stretch
    spectrum_hz: Float64Array  # (n_bins,)
    spectrum: Float64Array  # (n_bins,) peak amplitude


def channel_report(
    channel: str,
    segments: Sequence[Float32Array],
    sample_rate_hz: float,
    unit: str,
    machine: Machine,
    *,
    shaft_hz: float | None = None,
    settings: DiagnosisSettings | None = None,
    learned: Mapping[str, Any] | None = None,
    operating_state: str = "",
    limit_factor: float = 1.0,
    engine: KurtogramEngine = "lanes",
) -> ChannelReport:
    """Everything about one channel's stretches, each `(n_samples,)`. Raises DspError if none has a sample.

    `learned`, `operating_state` and `limit_factor`: see `diagnosed_recording`. `engine` computes the
    kurtogram: compiled lanes, or the plain definition.
    """
    longest = max(segments, key=len, default=np.zeros(0, np.float32))
    if not len(longest):
        raise DspError(f"channel {channel!r} holds no sample")
    shaft = shaft_hz or machine.nominal_shaft_hz
    checks = [_checked(window, shaft) for window in _windows(channel, segments, sample_rate_hz)]
    refused = [check for check in checks if not check.usable]
    believed = len(refused) < len(checks)
    worst = max(refused or checks[:1], key=lambda check: check.affected_share)
    origin = "stated"
    if shaft is None and not believed:
        origin = "unknown: the sensor cannot be believed"
    elif shaft is None:
        shaft, origin = _estimated_speed(longest, sample_rate_hz, machine)
    levels = _levels(segments, sample_rate_hz, unit, shaft)
    found = diagnosed_recording(
        segments,
        sample_rate_hz,
        machine,
        shaft,
        settings=settings,
        channel_id=channel,
        learned=learned,
        operating_state=operating_state,
        limit_factor=limit_factor,
    )
    diagnosis, evidence = found.diagnosis, found.evidence
    if not believed:
        diagnosis = abstention(machine, channel, f"check sensor: {worst.verdict}")
    used_hz = evidence.shaft_hz if evidence is not None else shaft
    figures: dict[str, float] = {}
    remarks: tuple[str, ...] = ()
    refined = evidence is not None and evidence.speed_refined
    if believed and used_hz is not None:
        doubt_hz = 0.0 if refined else found.settings.speed_tolerance * used_hz
        figures, remarks = machine_lines(longest, sample_rate_hz, machine, used_hz, speed_doubt_hz=doubt_hz)
    envelope = None if evidence is not None else _plain_envelope(longest, sample_rate_hz)
    segment = min(len(longest), round(_SPECTRUM_S * sample_rate_hz))
    can_transform = segment >= 8 and bool(np.isfinite(longest).all())
    amplitudes = amplitude_values(longest, segment, WindowFunction.HANN) if can_transform else np.zeros(0)
    return ChannelReport(
        channel=channel,
        unit=unit,
        sample_rate_hz=sample_rate_hz,
        duration_s=sum(len(segment) for segment in segments) / sample_rate_hz,
        levels=levels,
        rating=_rating(levels, unit, machine, shaft),
        sensor=worst,
        windows=len(checks),
        windows_refused=len(refused),
        shaft_hz=used_hz,
        speed_origin=f"{origin}, refined by the shaft's harmonics" if refined else origin,
        machine=machine,
        diagnosis=diagnosis,
        found=found,
        lines=found.lines,
        machine_lines=figures,
        machine_remarks=remarks,
        orders=found.orders,
        envelope=envelope,
        kurtogram=record_kurtogram(longest, sample_rate_hz, engine),
        longest=longest,
        spectrum_hz=np.arange(len(amplitudes), dtype=np.float64) * np.float64(sample_rate_hz / segment),
        spectrum=amplitudes,
    )


def _checked(window: Window, shaft_hz: float | None) -> SensorCheck:
    """What the window proves of its sensor; hum only where a stated speed rules the shaft out."""
    found = check_sensor(window)
    return check_hum(window, shaft_hz) if found.usable and shaft_hz is not None else found


def _estimated_speed(samples: Float32Array, rate_hz: float, machine: Machine) -> tuple[float | None, str]:
    """Speed from vibration where nobody noted it, and where it is from."""
    record = samples[: round(_SPEED_RECORD_S * rate_hz)]
    low_hz = max(SEARCH_RANGE_HZ[0], 20.001 * rate_hz / max(1, len(record)))
    high_hz = min(SEARCH_RANGE_HZ[1], 0.09 * rate_hz)
    if low_hz >= 0.8 * high_hz:
        seconds = len(record) / rate_hz
        return None, f"unknown: {seconds:.3g} s at {rate_hz:g} Hz are too short or too slow to find it"
    try:
        found = estimated_shaft_speed(record, rate_hz, machine.bearing, (low_hz, high_hz))
    except DspError as error:
        return None, f"unknown: {error}"
    if found.shaft_hz is None:
        return None, f"unknown: {found.reason}"
    return found.shaft_hz, f"estimated from vibration, confidence {found.confidence:.2f}"


def _windows(channel: str, segments: Sequence[Float32Array], rate_hz: float) -> list[Window]:
    length = trend_window_samples(rate_hz)
    windows = []
    for samples in segments:
        step = min(length, len(samples))
        starts = range(0, len(samples) - step + 1, max(1, step))
        windows += [
            Window(channel, 0, rate_hz, samples[start : start + step], Quality.GOOD, TimeQuality.RECORDED)
            for start in starts
        ]
    return windows


def _levels(
    segments: Sequence[Float32Array], rate_hz: float, unit: str, shaft_hz: float | None
) -> dict[str, float]:
    """Levels over all stretches: squares averaged by length, extremes the largest."""
    long_enough = [segment for segment in segments if len(segment) > 1] or list(segments)
    weights = np.array([len(segment) for segment in long_enough], np.float64)
    figures = [time_features(np.ascontiguousarray(segment[np.newaxis])) for segment in long_enough]

    def mean_square(values: Sequence[float]) -> float:
        return math.sqrt(float(np.average(np.square(values), weights=weights)))

    suffix = "_mps2" if unit == "m/s2" else ""
    levels = {
        f"rms{suffix}": mean_square([float(figure.rms[0]) for figure in figures]),
        f"peak{suffix}": max(float(figure.peak[0]) for figure in figures),
        "crest_factor": float(np.average([float(f.crest_factor[0]) for f in figures], weights=weights)),
        "kurtosis": float(np.average([float(f.kurtosis[0]) for f in figures], weights=weights)),
    }
    if unit == "m/s2":
        band_hz = measured_band_hz(shaft_hz)
        longest = max(segments, key=len)
        longest = longest[: fft.prev_fast_len(len(longest), real=True)]
        levels["velocity_rms_mm_s"] = velocity_rms(longest, rate_hz, band_hz)
        levels["displacement_rms_um"] = displacement_rms(longest, rate_hz, band_hz)
    return levels


def _rating(levels: dict[str, float], unit: str, machine: Machine, shaft_hz: float | None) -> SeverityRating:
    if unit != "m/s2":
        rating = rate_severity(math.nan, machine.rated_power_kw, machine.foundation, shaft_hz=shaft_hz)
        return replace(rating, reason="the unit of the samples is not stated")
    return rate_severity(
        levels["velocity_rms_mm_s"],
        machine.rated_power_kw,
        machine.foundation,
        shaft_hz=shaft_hz,
        displacement_um=levels["displacement_rms_um"],
        band_hz=measured_band_hz(shaft_hz),
        limits=machine.zone_limits,
    )


def _plain_envelope(samples: Float32Array, rate_hz: float) -> EnvelopeSpectrum | None:
    try:
        max_hz = min(_ENVELOPE_MAX_HZ, 0.2 * rate_hz)
        return envelope_spectrum(samples, rate_hz, max_hz, min(_ENVELOPE_FLOOR_HZ, 0.1 * max_hz))
    except DspError:
        return None
