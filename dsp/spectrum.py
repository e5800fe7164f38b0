"""Spectra and their scaling: Welch density, amplitude spectrum, and a coarser copy for a screen.

Duty: estimate, scale, name. Envelope spectra are `dsp.envelope`'s; which lines mean what is nobody's here.
Arithmetic is float64 (this is not the hot path); `Spectrum.values` are float32, the form that flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp.conditioning import Taper, WindowFunction, taper
from dsp.errors import DspError
from dsp.framing import Window
from dsp.samples import Float32Array, Float64Array

# What a picture of usual width can show.
DISPLAY_POINTS = 1600


class SpectrumKind(StrEnum):
    AMPLITUDE = "amplitude"  # peak amplitude per bin, unit of the channel
    PSD = "psd"  # unit^2/Hz
    ENVELOPE = "envelope"  # amplitude spectrum of the squared envelope, unit^2
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One spectrum: `values[k]` stands at `first_hz + k * step_hz`."""

    channel_id: str
    start_ns: int
    kind: SpectrumKind
    first_hz: float
    step_hz: float
    values: Float32Array  # (n_bins,)
    unit: str


def welch_psd(
    samples: npt.ArrayLike,
    sample_rate_hz: float,
    segment_samples: int,
    function: WindowFunction = WindowFunction.HANN,
    overlap: float = 0.5,
) -> Float64Array:
    """One-sided power spectral density, unit^2/Hz: mean of windowed periodograms of overlapping segments.

    `samples` `(..., n_samples)` gives `(..., segment_samples // 2 + 1)` at steps of rate / segment_samples.
    P[k] = c |sum_j w_j (x_j - mean of segment) e^(-2 pi i j k / m)|^2 / (rate sum w^2), averaged over the
    segments, c = 2 but for 0 Hz and (m even) half the rate, where c = 1. Its integral is the variance. Welch,
    IEEE Trans. Audio Electroacoust. 15 (1967) 70-73. Raises DspError if a segment does not fit or
    `overlap` is outside [0, 1).
    """
    values, window = _segments(samples, segment_samples, function, overlap)
    density = _mean_power(values, window) / (sample_rate_hz * float(window.values @ window.values))
    return _one_sided(density, segment_samples)


def amplitude_values(
    samples: npt.ArrayLike,
    segment_samples: int,
    function: WindowFunction = WindowFunction.HANN,
    overlap: float = 0.5,
) -> Float64Array:
    """Peak amplitude of a tone at each bin, in the unit of `samples`, RMS-averaged over the segments.

    A[k] = c sqrt(mean |X[k]|^2) / sum w, c = 2 but for 0 Hz and half the rate, where c = 1. A tone between
    two bins reads low: Hann by up to 1.42 dB, the flat top by 0.01 dB (Harris 1978).
    """
    values, window = _segments(samples, segment_samples, function, overlap)
    amplitude = np.sqrt(_mean_power(values, window)) / float(window.values.sum())
    return _one_sided(amplitude, segment_samples)


def psd_spectrum(window: Window, unit: str, segment_samples: int | None = None) -> Spectrum:
    """Welch density of one window, Hann, half overlap; `unit` is the channel's, the result's unit^2/Hz.

    Segments of `segment_samples`, or of an eighth of the window (15 averages, 0.3 relative error).
    """
    length = segment_samples or max(4, len(window.samples) // 8)
    values = welch_psd(window.samples, window.sample_rate_hz, length)
    return _spectrum(window, SpectrumKind.PSD, values, length, f"({unit})^2/Hz")


def amplitude_spectrum(window: Window, unit: str, segment_samples: int | None = None) -> Spectrum:
    """Peak-amplitude spectrum of one window, Hann, half overlap; one segment over all unless told."""
    length = segment_samples or len(window.samples)
    return _spectrum(window, SpectrumKind.AMPLITUDE, amplitude_values(window.samples, length), length, unit)


def excerpt(spectrum: Spectrum, lower_hz: float, upper_hz: float) -> Spectrum:
    """The bins from `lower_hz` to `upper_hz`, both included. Raises DspError if there is none."""
    n_bins = len(spectrum.values)
    first = max(0, int(np.ceil((lower_hz - spectrum.first_hz) / spectrum.step_hz - 1e-9)))
    last = min(n_bins - 1, int(np.floor((upper_hz - spectrum.first_hz) / spectrum.step_hz + 1e-9)))
    if last < first:
        raise DspError(f"no bin of {spectrum.channel_id!r} lies between {lower_hz} and {upper_hz} Hz")
    return Spectrum(
        channel_id=spectrum.channel_id,
        start_ns=spectrum.start_ns,
        kind=spectrum.kind,
        first_hz=spectrum.first_hz + first * spectrum.step_hz,
        step_hz=spectrum.step_hz,
        values=spectrum.values[first : last + 1],
        unit=spectrum.unit,
    )


def decimated(spectrum: Spectrum, max_points: int = DISPLAY_POINTS) -> Spectrum:
    """A copy of at most `max_points` values for a screen: the greatest of each group of neighbours.

    Every group stands at its middle, so a line moves by less than half of the new step and loses no height.
    The last group may be smaller. A spectrum that already fits is returned as it is.
    """
    if max_points < 1:
        raise DspError(f"max_points is {max_points}; 1 or more is needed")
    n_bins = len(spectrum.values)
    if n_bins <= max_points:
        return spectrum
    group = -(-n_bins // max_points)
    return Spectrum(
        channel_id=spectrum.channel_id,
        start_ns=spectrum.start_ns,
        kind=spectrum.kind,
        first_hz=spectrum.first_hz + 0.5 * (group - 1) * spectrum.step_hz,
        step_hz=group * spectrum.step_hz,
        values=np.maximum.reduceat(spectrum.values, np.arange(0, n_bins, group)),
        unit=spectrum.unit,
    )


def _segments(
    samples: npt.ArrayLike, segment_samples: int, function: WindowFunction, overlap: float
) -> tuple[Float64Array, Taper]:
    """Overlapping segments `(..., n_segments, segment_samples)` and the taper for them."""
    values = np.asarray(samples, np.float64)
    if not 0.0 <= overlap < 1.0:
        raise DspError(f"overlap is {overlap}; 0 or more and below 1 is needed")
    if values.ndim == 0 or values.shape[-1] < segment_samples:
        raise DspError(f"samples of shape {values.shape} hold no segment of {segment_samples}")
    window = taper(function, segment_samples)
    hop = max(1, segment_samples - int(segment_samples * overlap))
    cut = np.lib.stride_tricks.sliding_window_view(values, segment_samples, axis=-1)[..., ::hop, :]
    return cut, window


def _mean_power(segments: Float64Array, window: Taper) -> Float64Array:
    """|transform|^2 of the tapered segments less their mean, averaged over the segments."""
    tapered = (segments - segments.mean(axis=-1, keepdims=True)) * window.values
    spectra = fft.rfft(tapered, axis=-1, workers=1)
    return np.asarray((spectra.real**2 + spectra.imag**2).mean(axis=-2), np.float64)


def _one_sided(values: Float64Array, segment_samples: int) -> Float64Array:
    """Negative frequencies folded onto their positive twins (0 Hz and half the rate have none)."""
    after_last = values.shape[-1] - (1 if segment_samples % 2 == 0 else 0)
    values[..., 1:after_last] *= 2.0
    return values


def _spectrum(
    window: Window, kind: SpectrumKind, values: Float64Array, segment_samples: int, unit: str
) -> Spectrum:
    return Spectrum(
        channel_id=window.channel_id,
        start_ns=window.start_ns,
        kind=kind,
        first_hz=0.0,
        step_hz=window.sample_rate_hz / segment_samples,
        values=values.astype(np.float32),
        unit=unit,
    )
