"""The cepstrum: families of equally spaced lines as single peaks, and editing a record through it.

Duty: real cepstrum, liftering (taking families of harmonics or sidebands out, or keeping the smooth
shape), and prewhitening. Does not demodulate (see `dsp.envelope_spectrum`).

Theory. The real cepstrum is the inverse transform of ln |X|: products of spectra (source and path) become
sums, and a family of lines `spacing` apart becomes a peak at the quefrency 1 / spacing and its multiples
(Bogert, Healy and Tukey, "The quefrency alanysis of time series for echoes", 1963). Setting part of it to
zero changes magnitudes and leaves phases, so an edited signal in time can be had back (Randall and
Sawalhi, "A new method for separating discrete components from a signal", Sound and Vibration 45 (2011)
6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.errors import DspError
from dsp.samples import Float64Array

# Components weaker than this part of the strongest are rounding noise, and stay as weak as they are.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True, slots=True)
class Cepstrum:
    """Real cepstrum of a record: `values[j]` stands at the quefrency `j * step_s`."""

    step_s: float  # 1 / sample rate
    values: Float64Array  # (n_samples // 2 + 1,), nepers; [0] is the mean of ln magnitude

    def family_strength(self, spacing_hz: float, tolerance: float = 0.01) -> float:
        """Largest value within +- `tolerance` (relative) of the quefrency of lines `spacing_hz` apart, Np.

        Raises DspError for a spacing whose quefrency lies outside the cepstrum.
        """
        _check_positive("spacing_hz", spacing_hz)
        at = 1.0 / (spacing_hz * self.step_s)
        first, last = math.ceil(at * (1.0 - tolerance)), math.floor(at * (1.0 + tolerance))
        first, last = min(first, round(at)), max(last, round(at))
        if first < 1 or last >= len(self.values):
            raise DspError(
                f"spacing_hz is {spacing_hz}; {1.0 / (self.step_s * (len(self.values) - 1)):.3g} Hz to "
                f"{1.0 / self.step_s:.3g} Hz is within this cepstrum"
            )
        return float(self.values[first : last + 1].max())


def real_cepstrum(samples: npt.ArrayLike, sample_rate_hz: float) -> Cepstrum:
    """c_j = 1/n sum_k ln |X_k| e^(2 pi i j k / n) of samples `(n_samples,)` less their mean; nepers.

    Magnitudes below 1e-6 of the largest count as that much (a silent line has no logarithm); so does line 0.
    A constant record has a cepstrum of zeros. Raises DspError below 16 samples or for a sample that is no
    number.
    """
    spectrum, n = _spectrum_of(samples)
    _check_positive("sample_rate_hz", sample_rate_hz)
    return Cepstrum(1.0 / sample_rate_hz, _cepstrum_of(spectrum, n)[: n // 2 + 1])


def without_families(
    samples: npt.ArrayLike, sample_rate_hz: float, spacings_hz: tuple[float, ...], tolerance: float = 0.005
) -> Float64Array:
    """The record less its harmonics and sidebands of these spacings: what is not bound to them.

    Around each multiple of each quefrency 1 / spacing the cepstrum is set to zero, +- `tolerance`
    (relative) of it and at least one sample; what lies below the first is kept, for it holds the shape of
    the spectrum. Phases are kept, the mean is not. Raises DspError as `real_cepstrum`, and for a spacing
    beyond half the rate.
    """
    spectrum, n = _spectrum_of(samples)
    keep = np.ones(n // 2 + 1)
    for spacing_hz in spacings_hz:
        _check_positive("spacing_hz", spacing_hz)
        if spacing_hz >= 0.5 * sample_rate_hz:
            raise DspError(f"spacing_hz is {spacing_hz}; below half of {sample_rate_hz} Hz is right")
        period = sample_rate_hz / spacing_hz
        for multiple in range(1, int(n // 2 / period) + 1):
            half_width = max(1.0, tolerance * multiple * period)
            half_width = min(half_width, 0.25 * period)  # neighbours never meet: the rest is left
            first, last = round(multiple * period - half_width), round(multiple * period + half_width)
            keep[max(1, first) : last + 1] = 0.0
    return _edited(spectrum, n, keep)


def smooth_magnitude(
    samples: npt.ArrayLike, sample_rate_hz: float, longest_quefrency_s: float
) -> Float64Array:
    """Magnitude spectrum `(n_samples // 2 + 1,)` of the path alone: the cepstrum up to a quefrency.

    Lines closer than 1 / `longest_quefrency_s` are smoothed away; units as those of the transform's
    magnitude.
    """
    spectrum, n = _spectrum_of(samples)
    _check_positive("longest_quefrency_s", longest_quefrency_s)
    cepstrum = _cepstrum_of(spectrum, n)
    n_kept = min(n // 2, int(longest_quefrency_s * sample_rate_hz)) + 1
    cepstrum[n_kept : n - n_kept + 1] = 0.0
    return np.exp(scipy.fft.rfft(cepstrum).real)


def prewhitened_spectrum(spectrum: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    """Half spectrum `(n_bins,)` with all magnitudes set to one, its mean (bin 0) to zero.

    Setting the whole real cepstrum but its zeroth coefficient to zero leaves exactly X/|X| (Borghesani,
    Pennacchi, Randall, Sawalhi and Ricci, "Application of cepstrum pre-whitening for the diagnosis of
    bearing faults under variable speed conditions", Mechanical Systems and Signal Processing 36 (2013)).
    A silent record stays zero.
    """
    magnitude = np.abs(spectrum)
    largest = float(magnitude.max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(spectrum)
    white = spectrum / np.maximum(magnitude, np.float32(_NEGLIGIBLE * largest))
    white[0] = 0.0
    return white.astype(np.complex64, copy=False)


def _spectrum_of(samples: npt.ArrayLike) -> tuple[npt.NDArray[np.complex128], int]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or len(values) < 16:
        raise DspError(f"samples of shape {values.shape}; one row of at least 16 is needed")
    if not np.isfinite(values).all():
        raise DspError("a sample is no finite number; a cepstrum needs a record without")
    spectrum = scipy.fft.rfft(values - values[0])  # a constant record becomes exactly zero
    spectrum[0] = 0.0
    return spectrum, len(values)


def _cepstrum_of(spectrum: npt.NDArray[np.complex128], n: int) -> Float64Array:
    return np.asarray(scipy.fft.irfft(_log_magnitude(spectrum), n), np.float64)


def _log_magnitude(spectrum: npt.NDArray[np.complex128]) -> Float64Array:
    magnitude = np.abs(spectrum)
    largest = float(magnitude.max())
    if largest == 0.0:
        return np.zeros(len(spectrum))
    return np.asarray(np.log(np.maximum(magnitude, _NEGLIGIBLE * largest)), np.float64)


def _edited(spectrum: npt.NDArray[np.complex128], n: int, keep: Float64Array) -> Float64Array:
    """The signal whose cepstrum is this one's times `keep`, its phases unchanged."""
    log_magnitude = _log_magnitude(spectrum)
    cepstrum = scipy.fft.irfft(log_magnitude, n)
    cepstrum *= np.concatenate([keep, keep[1 : (n + 1) // 2][::-1]])
    change = scipy.fft.rfft(cepstrum).real - log_magnitude
    return np.asarray(scipy.fft.irfft(spectrum * np.exp(change), n), np.float64)


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise DspError(f"{name} is {value}; a finite figure above 0 is needed")
