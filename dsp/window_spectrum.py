"""Windows to their Hann spectra: the one transform that levels of bands are summed from.

Duty: waveform figures, transform and power spectrum of a batch of windows. Which bands are summed is the
extractors' (`dsp.extractor`, `dsp.log_spectrum`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp import kernels
from dsp.samples import Float32Array, Float64Array
from dsp.time_features import TimeFeatures, time_features


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpectra:
    """What windows `(n_windows, n)` are made of."""

    shape: TimeFeatures
    spectra: npt.NDArray[np.complex64]  # (n_windows, n / 2 + 1), without a window, each scaled by its peak
    power: Float64Array  # (n_windows, n / 2 + 1) one-sided mean square per line, Hann window; (unit)^2


def window_spectra(samples: Float32Array) -> WindowSpectra:
    """Spectra of windows `(n_windows, n)`; 0 for a constant one and one that holds NaN or infinity."""
    n_windows, n = samples.shape
    shape = time_features(samples)
    # Rows are scaled to +-1 so that neither tiny nor huge values leave float32's range in the transform.
    usable = np.isfinite(shape.peak) & (shape.peak > 0.0)
    scale = np.where(usable, shape.peak, 1.0)
    rows = np.empty((n_windows, n), np.float32)
    kernels.centred(samples, np.where(usable, shape.mean, 0.0), 1.0 / scale, rows)
    rows[~usable] = 0.0
    spectra = fft.rfft(rows, axis=1, workers=1)
    # One-sided mean square per bin: 2 |H|^2 / (n sum w^2), with sum w^2 = 3 n / 8 for the Hann window.
    power = np.empty(spectra.shape)
    kernels.hann_power(spectra, scale**2 * (16.0 / (3.0 * n * n)), power)
    return WindowSpectra(shape, spectra, power)
