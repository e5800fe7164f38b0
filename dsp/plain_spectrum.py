"""The Hann-windowed amplitude spectrum of one whole record, for lines of the shaft.

Duty: one transform that the search for the shaft's speed and the reading of its lines share. For Welch
spectra of windows see `dsp.spectrum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

from dsp.errors import DspError
from dsp.samples import Float32Array


@dataclass(frozen=True, slots=True)
class PlainSpectrum:
    """Peak amplitude of a tone at bin k, `k * step_hz`, in the unit of the samples (half-resolution bins)."""

    step_hz: float
    duration_s: float
    amplitude: Float32Array  # (n_bins,)


@lru_cache(maxsize=16)
def hann(n: int) -> Float32Array:
    """Symmetric Hann window `(n,)`, read-only; records of one channel all have one length, so it is kept."""
    window = np.hanning(n).astype(np.float32)
    window.setflags(write=False)
    return window


def plain_spectrum(samples: Float32Array, sample_rate_hz: float) -> PlainSpectrum:
    """Spectrum of `samples` `(n_samples,)`, mean removed, zero-padded to twice its length.

    A sample that is no number makes every bin one. Raises DspError below 16 samples or for a rate of 0.
    """
    n = len(samples)
    if samples.ndim != 1 or n < 16 or not (np.isfinite(sample_rate_hz) and sample_rate_hz > 0.0):
        raise DspError(
            f"samples of shape {samples.shape} at {sample_rate_hz} Hz; one row of at least 16 is needed"
        )
    centred = np.asarray(samples, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        centred = (centred - np.float32(centred.mean(dtype=np.float64))) * hann(n)
    n_fft = scipy.fft.next_fast_len(2 * n, real=True)
    scale = np.float32(2.0 / float(hann(n).sum(dtype=np.float64)))
    amplitude = (np.abs(scipy.fft.rfft(centred, n_fft)) * scale).astype(np.float32, copy=False)
    return PlainSpectrum(sample_rate_hz / n_fft, n / sample_rate_hz, amplitude)
