"""Squared-envelope spectrum of a long record, averaged over bands, with the floor around each line.

Duty: from samples to how far each modulation frequency stands out of its neighbourhood (prominence) and how
deep the modulation is (depth). Both are free of scale: a recording without a unit is treated like any other.
Knows no bearing; which lines mean what is `dsp.fault_comb`'s question.

The record is prewhitened (`dsp.cepstrum`), cut into half-overlapping bands, demodulated band by band, and
the bands' spectra are averaged after each was divided by its own floor: a fault seen in some bands is not
drowned by the noise of the others, and no band has to be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.cepstrum import prewhitened_spectrum
from dsp.errors import DspError
from dsp.plain_spectrum import hann
from dsp.samples import Float32Array

BANDS = 4  # non-overlapping; with the half-overlapping ones between them 7 are averaged
USED_PART_OF_NYQUIST = 0.96  # above it the anti-aliasing filter leaves nothing to demodulate
USED_PART_OF_BAND = 0.95  # modulation faster than this part of a band's width is not seen in it
# A floor is taken as a median, which for squared noise (chi-square, 2 degrees) is ln 2 of the mean.
_MEDIAN_TO_MEAN = float(np.log(2.0))


@dataclass(frozen=True, slots=True)
class EnvelopeSpectrum:
    """Modulation of one record: bin k stands at `k * step_hz` (half the record's resolution)."""

    step_hz: float
    resolution_hz: float  # 1 / duration
    band_hz: tuple[float, float]
    prominence: Float32Array  # (n_bins,) power over the local floor, mean over bands; noise: about 1
    # (n_bins,) modulation amplitude as a part of the mean squared envelope; what prewhitening left of it
    depth: Float32Array
    impulsiveness: float  # largest kurtosis excess of the bands' envelopes before whitening; Gaussian: 0


def envelope_spectrum(
    samples: Float32Array, sample_rate_hz: float, max_hz: float, floor_width_hz: float
) -> EnvelopeSpectrum:
    """Envelope spectrum of `samples` `(n_samples,)` up to `max_hz`, floors taken over `floor_width_hz`.

    The bands are as wide as `max_hz` needs, so fast modulation is seen in fewer, wider bands. A record that
    is constant or holds a sample that is no number has prominence 1 and depth 0 everywhere.
    Raises DspError for a record shorter than 256 samples or figures that are not above 0.
    """
    n_samples = len(samples)
    if samples.ndim != 1 or n_samples < 256:
        raise DspError(f"a record of shape {samples.shape}; one row of at least 256 samples is needed")
    for name, value in (
        ("sample_rate_hz", sample_rate_hz),
        ("max_hz", max_hz),
        ("floor_width_hz", floor_width_hz),
    ):
        if not (np.isfinite(value) and value > 0.0):
            raise DspError(f"{name} is {value}; a finite figure above 0 is needed")
    duration_s = n_samples / sample_rate_hz
    step_hz = 0.5 / duration_s
    used_hz = 0.5 * sample_rate_hz * USED_PART_OF_NYQUIST
    band_hz = max(used_hz / BANDS, min(used_hz, max_hz / USED_PART_OF_BAND))
    n_bins = int(min(max_hz, band_hz * USED_PART_OF_BAND) / step_hz) + 1
    floor_bins = max(8, round(floor_width_hz / step_hz))

    centred = np.asarray(samples, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        centred = centred - np.float32(centred.mean(dtype=np.float64))
    peak = float(np.abs(centred).max())  # not finite if one sample is not
    if not np.isfinite(peak) or peak == 0.0:
        ones, zeros = np.ones(n_bins, np.float32), np.zeros(n_bins, np.float32)
        return EnvelopeSpectrum(step_hz, 1.0 / duration_s, (0.0, used_hz), ones, zeros, 0.0)

    n_fft = scipy.fft.next_fast_len(n_samples, real=True)
    raw = scipy.fft.rfft(centred / np.float32(peak), n_fft).astype(np.complex64)
    white = prewhitened_spectrum(raw)
    bin_hz = sample_rate_hz / n_fft
    width = int(band_hz / bin_hz)
    starts = range(0, int(used_hz / bin_hz) - width + 1, max(1, width // 2))
    taper = np.sqrt(np.hanning(width + 2)[1:-1]).astype(np.float32)
    prominence = np.zeros(n_bins, np.float64)
    depth = np.zeros(n_bins, np.float64)
    impulsiveness = 0.0
    for index, start in enumerate(starts):
        band = slice(start, start + width)
        power = _modulation_power(white[band] * taper, bin_hz, duration_s, n_bins)
        depth += power
        prominence += power / np.maximum(running_floor(power, floor_bins), 1e-30)
        if index % 2 == 0:  # the bands that do not overlap say it all
            impulsiveness = max(impulsiveness, _kurtosis_excess(raw[band] * taper, bin_hz, duration_s))
    return EnvelopeSpectrum(
        step_hz=step_hz,
        resolution_hz=1.0 / duration_s,
        band_hz=(0.0, used_hz),
        prominence=(prominence / len(starts)).astype(np.float32),
        depth=np.sqrt(depth / len(starts)).astype(np.float32),
        impulsiveness=impulsiveness,
    )


def running_floor(power: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """Mean of the noise around each bin: median over `width` bins, taken each quarter width, interpolated."""
    n = len(power)
    width = min(width, n)
    centres = np.arange(0, n + max(1, width // 4), max(1, width // 4))
    starts = np.clip(centres - width // 2, 0, n - width)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(power, width)[starts], axis=1)
    floor: npt.NDArray[np.float64] = np.interp(np.arange(n), centres, medians) / _MEDIAN_TO_MEAN
    return floor


def _squared_envelope(
    band: npt.NDArray[np.complex64], bin_hz: float, duration_s: float
) -> tuple[Float32Array, float]:
    """Squared envelope of a one-sided band and its sample rate (twice the band's width: it is a square)."""
    n_fft = scipy.fft.next_fast_len(2 * len(band))
    analytic = scipy.fft.ifft(band, n_fft)
    rate_hz = bin_hz * n_fft
    envelope = analytic.real**2 + analytic.imag**2
    return envelope[: int(duration_s * rate_hz)], rate_hz


def _modulation_power(
    band: npt.NDArray[np.complex64], bin_hz: float, duration_s: float, n_bins: int
) -> npt.NDArray[np.float64]:
    """Squared depth of each modulation frequency, Hann-windowed, bins half the resolution apart."""
    envelope, rate_hz = _squared_envelope(band, bin_hz, duration_s)
    window = hann(len(envelope))
    mean = float(envelope.mean(dtype=np.float64))
    centred = (envelope / np.float32(mean) - np.float32(1.0)) * window
    n_fft = scipy.fft.next_fast_len(2 * len(envelope), real=True)
    spectrum = scipy.fft.rfft(centred, n_fft)
    amplitude = np.abs(spectrum).astype(np.float64) * (2.0 / float(window.sum(dtype=np.float64)))
    at = np.arange(n_bins) * (0.5 / duration_s) / (rate_hz / n_fft)
    power: npt.NDArray[np.float64] = (
        amplitude[np.minimum(np.rint(at).astype(np.intp), len(amplitude) - 1)] ** 2
    )
    return power


def _kurtosis_excess(band: npt.NDArray[np.complex64], bin_hz: float, duration_s: float) -> float:
    envelope, _ = _squared_envelope(band, bin_hz, duration_s)
    mean = float(envelope.mean(dtype=np.float64))
    if mean <= 0.0:
        return 0.0
    return float(np.mean(np.square(envelope / np.float32(mean)), dtype=np.float64)) - 2.0
