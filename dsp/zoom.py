"""A closer look at a narrow part of a spectrum: lines as close together as one likes, there alone.

Duty: the amplitude spectrum between two frequencies by the chirp z-transform (Rabiner, Schafer and Rader,
Bell System Tech. J. 48 (1969) 1249), which costs a few transforms of the record whatever the step. It
interpolates: two tones closer than about 2 / duration remain one hump, and only a longer record parts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from dsp.errors import DspError
from dsp.samples import Float64Array


@dataclass(frozen=True, slots=True)
class ZoomSpectrum:
    """`amplitude[k]` stands at `first_hz + k * step_hz`."""

    first_hz: float
    step_hz: float
    resolution_hz: float  # 2 / duration: half the main lobe of the Hann window
    amplitude: Float64Array  # (n_lines,), peak amplitude of a tone there, unit of the samples

    @property
    def peak(self) -> tuple[float, float]:
        """(Hz, amplitude) of the largest line."""
        at = int(np.argmax(self.amplitude))
        return self.first_hz + at * self.step_hz, float(self.amplitude[at])


def zoom_spectrum(
    samples: npt.ArrayLike, sample_rate_hz: float, lower_hz: float, upper_hz: float, n_lines: int = 1024
) -> ZoomSpectrum:
    """A(f) = 2 / sum w |sum_j w_j (x_j - mean) e^(-2 pi i f j / rate)|, w Hann, on `n_lines` lines.

    Raises DspError for samples that are not one row of 16 or more, or a band outside 0 Hz to half the rate.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or len(values) < 16:
        raise DspError(f"samples of shape {values.shape}; one row of at least 16 is needed")
    if not (math.isfinite(sample_rate_hz) and 0.0 <= lower_hz < upper_hz <= 0.5 * sample_rate_hz):
        raise DspError(
            f"{lower_hz} to {upper_hz} Hz; 0 <= lower < upper <= half of {sample_rate_hz} Hz is right"
        )
    if n_lines < 2:
        raise DspError(f"n_lines is {n_lines}; 2 or more is right")
    window = np.hanning(len(values) + 1)[:-1]
    lines = signal.zoom_fft(
        (values - values.mean()) * window, [lower_hz, upper_hz], n_lines, fs=sample_rate_hz, endpoint=True
    )
    return ZoomSpectrum(
        first_hz=lower_hz,
        step_hz=(upper_hz - lower_hz) / (n_lines - 1),
        resolution_hz=2.0 * sample_rate_hz / len(values),
        amplitude=np.abs(lines) * (2.0 / window.sum()),
    )
