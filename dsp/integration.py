"""Acceleration to velocity and displacement, in the frequency domain.

Duty: RMS values over a band, and waveforms for the eye. Which band a standard wants, and what the value is
worth, is `dsp.severity`'s question.

One integration divides a component at f by 2 pi f (and turns it by -90 degrees). Everything below the band is
left out, since integration makes a sensor's slow drift larger than any vibration.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp.conditioning import WindowFunction, taper, without_mean, without_trend
from dsp.errors import DspError
from dsp.samples import Float64Array

# The Hann window spreads a tone over two bins on either side; so many beyond each edge keep a tone at the
# very edge whole, as ISO 2954 wants it (0.8 to 1.1 at the band's edges).
EDGE_BINS = 2
# The window spreads a line's power about its true place with a variance of 1/3 bin^2, whatever the place: the
# energy of w' over that of w. The mean of f^-2p over it is f^-2p (1 + p (2p + 1) / (3 k^2)) at bin k.
_LINE_VARIANCE_BINS2 = 1.0 / 3.0
# Fewer periods of the lowest frequency than this, and the correction above no longer suffices for 1 %.
LEAST_PERIODS = 6
# A waveform begins and ends with this many periods of the lowest frequency that are not to be believed.
_WAVEFORM_EDGE_PERIODS = 2


class Integrations(IntEnum):
    """How often acceleration is integrated."""

    ACCELERATION = 0  # m/s2
    VELOCITY = 1  # m/s
    DISPLACEMENT = 2  # m


def band_rms(
    samples: npt.ArrayLike,
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    integrations: Integrations = Integrations.VELOCITY,
) -> float:
    """RMS over a band of acceleration `(n_samples,)` in m/s2, integrated 0, 1 or 2 times: m/s2, m/s or m.

    sqrt(sum P[k] c[k] / (2 pi f[k])^(2p)), P the one-sided mean square per bin of the Hann-windowed samples
    less their mean, the sum running to two bins beyond the band's edges, c[k] = 1 / (1 + p (2p + 1) / (3
    k^2)) the correction of the window's spread. A tone reads right within 0.5 % from one bin inside the
    band on, within 1 % at its edges (ISO 2954 allows +10/-20 % there). NaN where a sample is not finite.
    Raises DspError for a band that the stretch cannot state: fewer than six periods of its lower edge, or
    its upper edge beyond 0.45 x rate.
    """
    values = _row(samples)
    lower_hz, upper_hz = _checked_band(band_hz, sample_rate_hz, len(values))
    if not np.isfinite(values).all():
        return math.nan
    n = len(values)
    window = taper(WindowFunction.HANN, n).values
    scale = float(np.abs(values).max(initial=0.0)) or 1.0  # squares stay within float64's range
    spectrum = fft.rfft(without_mean(values / scale) * window, workers=1)
    step_hz = sample_rate_hz / n
    first = max(1, math.ceil(lower_hz / step_hz) - EDGE_BINS)
    last = min(len(spectrum) - 1, math.floor(upper_hz / step_hz) + EDGE_BINS)
    k = np.arange(first, last + 1, dtype=np.float64)
    part = spectrum[first : last + 1]
    power = 2.0 * (part.real**2 + part.imag**2) / (n * float(window @ window))
    p = int(integrations)
    spread = 1.0 + p * (2 * p + 1) * _LINE_VARIANCE_BINS2 / k**2
    total = float(np.sum(power / (spread * (2.0 * np.pi * k * step_hz) ** (2 * p))))
    return scale * math.sqrt(total)


def integrated_waveform(
    samples: npt.ArrayLike,
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    integrations: Integrations = Integrations.VELOCITY,
) -> tuple[Float64Array, int]:
    """Velocity (m/s) or displacement (m) over time of acceleration `(n_samples,)` in m/s2, and where it
    begins.

    x(t) = inverse transform of A(f) / (2 pi i f)^p within `band_hz`, of the samples less their trend. A
    finite stretch is no period of anything: two periods of the lower edge at either end are wrong and cut
    off; the second value is the index in `samples` of the first one left. Raises DspError as `band_rms`
    does.
    """
    values = _row(samples)
    lower_hz, upper_hz = _checked_band(band_hz, sample_rate_hz, len(values))
    n = len(values)
    edge = math.ceil(_WAVEFORM_EDGE_PERIODS * sample_rate_hz / lower_hz)
    flat = without_trend(values)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    flat[:edge] *= ramp
    flat[-edge:] *= ramp[::-1]
    spectrum = fft.rfft(flat, workers=1)
    f = np.arange(len(spectrum)) * (sample_rate_hz / n)
    inside = (f >= lower_hz) & (f <= upper_hz)
    integrator = np.zeros(len(spectrum), np.complex128)
    integrator[inside] = 1.0 / (2j * np.pi * f[inside]) ** int(integrations)
    waveform = np.asarray(fft.irfft(spectrum * integrator, n, workers=1), np.float64)
    return waveform[edge : n - edge], edge


def statable(sample_rate_hz: float, n_samples: int, band_hz: tuple[float, float]) -> bool:
    """Whether a stretch holds six periods of the band's lower edge, its upper edge below 0.45 x rate."""
    lower_hz, upper_hz = band_hz
    long_enough = n_samples * lower_hz >= LEAST_PERIODS * sample_rate_hz * (1.0 - 1e-3)
    return long_enough and upper_hz <= 0.45 * sample_rate_hz


def _row(samples: npt.ArrayLike) -> Float64Array:
    values = np.asarray(samples, np.float64)
    if values.ndim != 1:
        raise DspError(f"samples have shape {values.shape}; (n_samples,) is needed")
    return values


def _checked_band(band_hz: tuple[float, float], sample_rate_hz: float, n_samples: int) -> tuple[float, float]:
    lower_hz, upper_hz = band_hz
    if not 0.0 < lower_hz < upper_hz < math.inf:
        raise DspError(f"band_hz is {band_hz}; two rising frequencies above 0 are needed")
    if not statable(sample_rate_hz, n_samples, band_hz):
        raise DspError(
            f"{n_samples} samples at {sample_rate_hz} Hz cannot state {lower_hz:g}-{upper_hz:g} Hz; "
            f"{LEAST_PERIODS / lower_hz:.2g} s or more at {upper_hz / 0.45:.4g} Hz or more are needed"
        )
    return lower_hz, upper_hz
