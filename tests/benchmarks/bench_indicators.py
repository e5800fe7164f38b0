"""What other envelope spectra would add to fault diagnosis: right answers on recordings with known truth.

Each row judges the recordings of STETHOS_DATA (default ../shared/data) by the product's own protocol, with
its envelope spectrum (squared envelope, prewhitened, averaged over bands after division by each band's
floor) and with one of these in its place: *log envelope*, the same of ln of the squared envelope
(Borghesani and Antoni, MSSP 90 (2017) 378); *cyclic coherence*, the average over 24 bands of the cyclic
periodogram of the whitened record, so that a band may be narrower than the modulation (enhanced envelope
spectrum; Antoni, Xin and Hamzaoui, MSSP 92 (2017) 248); *kurtogram band*, the one band that `dsp.kurtogram`
picks. *First* counts recordings where the true fault is ranked first, whatever the thresholds, which were
set for the product's own; *wrong* ones name another fault, and must be none.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import scipy.fft

import dsp.envelope_spectrum as product
from appliance.commands.evaluate import evaluate
from appliance.sources.recording_notes import read_manifest
from dsp.cepstrum import prewhitened_spectrum
from dsp.kurtogram import WINDOW_SAMPLES, kurtogram
from dsp.plain_spectrum import hann
from models.evaluation.diagnosis_protocol import DiagnosisProtocol

DATA = Path(os.environ.get("STETHOS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
COHERENCE_BANDS = 24
Spectrum = Callable[[npt.NDArray[np.float32], float, float, float], product.EnvelopeSpectrum]


def run() -> list[dict[str, Any]]:
    if not (DATA / "MANIFEST.json").is_file():
        print(f"indicators: REAL DATA MISSING: no {DATA}/MANIFEST.json; set STETHOS_DATA")
        return []
    ours = _judged(product.envelope_spectrum)
    rows = []
    for name, other in (
        ("log envelope", log_envelope_spectrum),
        ("cyclic coherence", coherence_spectrum),
        ("kurtogram band", kurtogram_band_spectrum),
    ):
        theirs = _judged(other)
        for dataset, mine in ours.items():
            for count in ("right", "first", "wrong"):
                figure = f"{dataset}: {count} of {mine['n']}"
                rows.append(_row(figure, mine[count], theirs[dataset][count], name))
    return rows


def log_envelope_spectrum(
    samples: npt.NDArray[np.float32], sample_rate_hz: float, max_hz: float, floor_width_hz: float
) -> product.EnvelopeSpectrum:
    """The product's, of the logarithm of the squared envelope."""

    def power(
        band: npt.NDArray[np.complex64], bin_hz: float, duration_s: float, n_bins: int
    ) -> npt.NDArray[np.float64]:
        envelope, rate_hz = product._squared_envelope(band, bin_hz, duration_s)
        logs = np.log(np.maximum(envelope, 1e-6 * envelope.mean()))
        n_fft = scipy.fft.next_fast_len(2 * len(logs), real=True)
        window = hann(len(logs))
        amplitude = np.abs(scipy.fft.rfft((logs - logs.mean()) * window, n_fft)) * (2.0 / window.sum())
        at = np.rint(np.arange(n_bins) * (0.5 / duration_s) / (rate_hz / n_fft)).astype(np.intp)
        return np.asarray(amplitude[np.minimum(at, len(amplitude) - 1)] ** 2, np.float64)

    with mock.patch.object(product, "_modulation_power", power):
        return product.envelope_spectrum(samples, sample_rate_hz, max_hz, floor_width_hz)


def coherence_spectrum(
    samples: npt.NDArray[np.float32], sample_rate_hz: float, max_hz: float, floor_width_hz: float
) -> product.EnvelopeSpectrum:
    """|sum over a band of conj W(f) W(f + a)|^2, by its floor, averaged over bands; W the whitened record."""
    base = product.envelope_spectrum(samples, sample_rate_hz, max_hz, floor_width_hz)
    n = len(samples)
    white = prewhitened_spectrum(scipy.fft.rfft(samples - samples.mean()).astype(np.complex64))
    edges = np.linspace(0, int(len(white) * product.USED_PART_OF_NYQUIST), COHERENCE_BANDS + 1).astype(int)
    whole = np.zeros(n, np.complex64)
    whole[: edges[-1]] = white[: edges[-1]]
    tapered = scipy.fft.ifft(whole) * hann(n)
    prominence = np.zeros(len(base.prominence))
    for first, last in pairwise(edges):
        band = np.zeros(n, np.complex64)
        band[first:last] = white[first:last]
        lines = scipy.fft.fft(np.conj(scipy.fft.ifft(band)) * tapered, 2 * n)[: len(prominence)]
        prominence += _over_floor(np.abs(lines).astype(np.float64) ** 2, base, floor_width_hz)
    return dataclasses.replace(base, prominence=(prominence / COHERENCE_BANDS).astype(np.float32))


def kurtogram_band_spectrum(
    samples: npt.NDArray[np.float32], sample_rate_hz: float, max_hz: float, floor_width_hz: float
) -> product.EnvelopeSpectrum:
    """The squared envelope of the kurtogram's band, widened to what `max_hz` needs; else the product's."""
    base = product.envelope_spectrum(samples, sample_rate_hz, max_hz, floor_width_hz)
    best = kurtogram(samples, sample_rate_hz, 3).best if len(samples) >= WINDOW_SAMPLES else None
    if best is None:
        return base
    raw = scipy.fft.rfft(samples - samples.mean()).astype(np.complex64)
    bin_hz = sample_rate_hz / len(samples)
    half_hz = max(0.5 * (best.upper_hz - best.lower_hz), 0.5 * max_hz / product.USED_PART_OF_BAND)
    centre_hz = 0.5 * (best.lower_hz + best.upper_hz)
    first = max(1, int((centre_hz - half_hz) / bin_hz))
    last = min(len(raw), int((centre_hz + half_hz) / bin_hz))
    band = raw[first:last] * np.sqrt(np.hanning(last - first + 2)[1:-1]).astype(np.float32)
    power = product._modulation_power(band, bin_hz, len(samples) / sample_rate_hz, len(base.prominence))
    return dataclasses.replace(base, prominence=_over_floor(power, base, floor_width_hz).astype(np.float32))


def _over_floor(
    power: npt.NDArray[np.float64], base: product.EnvelopeSpectrum, floor_width_hz: float
) -> npt.NDArray[np.float64]:
    floor = product.running_floor(power, max(8, round(floor_width_hz / base.step_hz)))
    return np.asarray(power / np.maximum(floor, 1e-30), np.float64)


def _judged(spectrum: Spectrum) -> dict[str, dict[str, int]]:
    """Counts by data set, under the product's rules."""
    entries = [entry for entry in read_manifest(DATA / "MANIFEST.json") if entry.get("task") == "diagnosis"]
    with mock.patch("dsp.envelope.envelope_spectrum", spectrum):
        results = evaluate(entries, DATA, protocols=(DiagnosisProtocol(baselines={}),)).results
    return {result.dataset: {name: int(n or 0) for name, n in result.metrics.items()} for result in results}


def _row(figure: str, ours: int, peer: int, peer_name: str) -> dict[str, Any]:
    return {
        "bench": "indicators",
        "figure": figure,
        "unit": "recordings",
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": ours / peer if peer else None,
    }
