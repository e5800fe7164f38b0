"""Signals over shaft angle instead of time: order spectrum, synchronous average, what is left without it.

Duty: resampling to equal steps of angle and what follows from it. Where the angle comes from is `dsp.tacho`'s
duty. Orders are multiples of shaft speed; in a run-up a line of the shaft stays at its order while it sweeps
through frequency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.interpolate import CubicSpline

from dsp.conditioning import WindowFunction
from dsp.errors import DspError
from dsp.samples import Float64Array
from dsp.spectrum import amplitude_values
from dsp.tacho import ShaftAngle

# A cubic spline through samples taken this much faster than needed reads a tone right to 5e-4.
_OVERSAMPLING = 4
# Orders above this share of the samples per revolution are filtered off.
_USED_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class AngleSignal:
    """Samples at equal steps of shaft angle, whole revolutions."""

    samples: Float64Array  # (revolutions * samples_per_revolution,)
    samples_per_revolution: int

    @property
    def revolutions(self) -> int:
        """Whole revolutions."""
        return len(self.samples) // self.samples_per_revolution

    @property
    def max_order(self) -> float:
        """Largest order that the steps can carry."""
        return _USED_SHARE * self.samples_per_revolution


def over_angle(
    samples: npt.ArrayLike, sample_rate_hz: float, angle: ShaftAngle, samples_per_revolution: int
) -> AngleSignal:
    """Samples `(n_samples,)` resampled to `samples_per_revolution` equal steps of angle, whole revolutions.

    The signal is oversampled fourfold (transform), read by a cubic spline (a tone is right to 5e-4) at
    steps of angle so fine that even at the slowest speed nothing folds, and only then filtered (ideal low
    pass at order 0.45 x samples_per_revolution) and thinned: a filter over time would cut other orders at
    each speed. Fyfe and Munck, "Analysis of computed order tracking", MSSP 11 (1997) 187-205. Only
    revolutions that samples and angle both cover. Raises DspError if there is none, or below 4 steps.
    """
    values = np.asarray(samples, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DspError("one row of finite samples is needed")
    if samples_per_revolution < 4:
        raise DspError(f"samples_per_revolution is {samples_per_revolution}; 4 or more is needed")
    end_s = (len(values) - 1) / sample_rate_hz
    first, last = angle.revolutions_at(np.clip((0.0, end_s), angle.times_s[0], angle.times_s[-1]))
    start, stop = math.ceil(first - 1e-9), math.floor(last + 1e-9)
    if stop <= start:
        raise DspError(f"samples of {end_s:.3g} s and the shaft angle share no whole revolution")
    slowest_hz = angle.speed_range_hz[0]
    thinning = max(1, math.ceil(sample_rate_hz / (slowest_hz * samples_per_revolution)))
    steps = samples_per_revolution * thinning
    at = start + np.arange((stop - start) * steps) / steps
    times_s = angle.times_at(np.clip(at, angle.revolutions[0], angle.revolutions[-1]))
    fine = _oversampled(values)
    spline = CubicSpline(np.arange(len(fine)) / (_OVERSAMPLING * sample_rate_hz), fine)
    read = np.asarray(spline(times_s), np.float64)
    return AngleSignal(_thinned(read, thinning), samples_per_revolution)


def order_amplitudes(
    signal: AngleSignal, revolutions: int, function: WindowFunction = WindowFunction.HANN
) -> Float64Array:
    """Peak amplitude over orders: bin k stands at order k / `revolutions`; unit of the samples.

    RMS average of half-overlapping segments of `revolutions` revolutions, scaled as `amplitude_values`.
    Orders above `signal.max_order` were filtered off. Raises DspError where not one segment fits.
    """
    if not 1 <= revolutions <= signal.revolutions:
        raise DspError(f"revolutions is {revolutions}; 1 to {signal.revolutions} are there")
    return amplitude_values(signal.samples, revolutions * signal.samples_per_revolution, function)


def synchronous_average(signal: AngleSignal, revolutions_per_period: int = 1) -> Float64Array:
    """Time-synchronous average: mean of all periods, `(revolutions_per_period * samples_per_revolution,)`.

    a[j] = 1/N sum_n x[j + n P]. Keeps what repeats with the shaft; noise and what is bound to other shafts
    fall by 10 log10 N dB. Braun, "The extraction of periodic waveforms by time domain averaging", Acustica
    32 (1975) 69-77. A pair of gears repeats after as many revolutions as the other's teeth without common
    divisor. Raises DspError where not one period fits.
    """
    length = revolutions_per_period * signal.samples_per_revolution
    periods = len(signal.samples) // length if length > 0 else 0
    if periods < 1:
        raise DspError(
            f"a period of {revolutions_per_period} revolutions does not fit into {signal.revolutions}"
        )
    return np.asarray(signal.samples[: periods * length].reshape(periods, length).mean(axis=0), np.float64)


def residual(signal: AngleSignal, revolutions_per_period: int = 1) -> Float64Array:
    """What is left of whole periods without their synchronous average: the part not bound to the shaft.

    Bearings slip, so their impacts stay; gears, unbalance and misalignment go. Randall and Antoni, MSSP 25
    (2011) 485-520, section 3.
    """
    average = synchronous_average(signal, revolutions_per_period)
    periods = len(signal.samples) // len(average)
    return signal.samples[: periods * len(average)] - np.tile(average, periods)


def _oversampled(values: Float64Array) -> Float64Array:
    """Fourfold samples; mirrored first, so that its ends do not ring."""
    n = len(values)
    spectrum = fft.rfft(np.concatenate((values, values[::-1])), workers=1)
    spectrum[-1] = 0.0
    fine = fft.irfft(spectrum, 2 * n * _OVERSAMPLING, workers=1) * _OVERSAMPLING
    return np.asarray(fine[: (n - 1) * _OVERSAMPLING + 1], np.float64)


def _thinned(values: Float64Array, thinning: int) -> Float64Array:
    """Every `thinning`-th value after an ideal low pass at 0.45 of the new rate; mirrored at the ends."""
    n = len(values) // thinning
    spectrum = fft.rfft(np.concatenate((values, values[::-1])), workers=1)[: n + 1]
    spectrum[math.ceil(2 * n * _USED_SHARE) :] = 0.0
    return np.asarray(fft.irfft(spectrum, 2 * n, workers=1)[:n] / thinning, np.float64)
