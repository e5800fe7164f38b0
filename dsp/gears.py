"""Gear indicators from a gear's synchronous average: mesh bands, sidebands, FM0, FM4, NA4, NB4.

Duty: the definitions, on one synchronous average over one revolution of the gear's shaft (`dsp.orders`).
What a value means for a machine is nobody's here: thresholds belong to a baseline of the same gear and
load.

With A(k) the peak amplitude of order k of the average, T teeth, N samples:
mesh harmonics are the orders T, 2T, 3T ...; *regular* are order 1 and 2 of the shaft, the mesh harmonics and
their first sidebands (T m +- 1). The *difference* signal is the average without the regular orders; the
*residual* signal keeps the first sidebands. Stewart, "Some useful data analysis techniques for gearbox
diagnostics", University of Southampton (1977); Zakrajsek, Townsend and Decker, "An analysis of gear fault
detection methods as applied to pitting fatigue failure data", NASA TM-105950 (1993).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from dsp.errors import DspError
from dsp.samples import Float64Array

SHAFT_ORDERS = 2  # of the shaft's own harmonics count as regular
# NB4 demodulates the mesh band: the fundamental with so many of its teeth's orders on either side.
NB4_HALF_WIDTH_SHARE = 0.5
_ROUNDING = 1e-12  # what is left below this part of the average is the transform's rounding


@dataclass(frozen=True, slots=True)
class MeshBand:
    """One mesh harmonic and its first sidebands: peak amplitudes, unit of the samples."""

    order: int  # T m
    mesh: float
    lower: float  # order T m - 1
    upper: float  # order T m + 1
    band_rms: float  # of orders T m - width to T m + width, the mesh order included


@dataclass(frozen=True, slots=True)
class RunningVariance:
    """Mean variance of a gear's earlier signals, which NA4 and NB4 divide by; immutable, carried by the
    caller."""

    count: int = 0
    mean: float = 0.0

    def with_signal(self, signal: Float64Array) -> RunningVariance:
        """The same with one more signal counted in."""
        count = self.count + 1
        variance = float(np.var(signal))
        return RunningVariance(count, self.mean + (variance - self.mean) / count)


def mesh_bands(average: Float64Array, teeth: int, harmonics: int = 3, width: int = 3) -> tuple[MeshBand, ...]:
    """The first mesh harmonics that the average carries, with `width` sidebands on each side.

    Amplitudes are peak, 2 |X[k]| / N; `band_rms` is sqrt(sum A^2 / 2) over the band. Raises DspError for an
    average that cannot carry the first mesh band.
    """
    amplitudes = _amplitudes(average, teeth)
    bands = []
    for m in range(1, harmonics + 1):
        order = m * teeth
        if order + width >= len(amplitudes):
            break
        inside = amplitudes[order - width : order + width + 1]
        bands.append(
            MeshBand(
                order=order,
                mesh=float(amplitudes[order]),
                lower=float(amplitudes[order - 1]),
                upper=float(amplitudes[order + 1]),
                band_rms=math.sqrt(0.5 * float(inside @ inside)),
            )
        )
    return tuple(bands)


def sideband_index(average: Float64Array, teeth: int) -> float:
    """Mean peak amplitude of the first sidebands of the mesh fundamental, unit of the samples.

    SI = (A(T - 1) + A(T + 1)) / 2. A damaged or eccentric gear modulates its mesh once per revolution.
    """
    (band,) = mesh_bands(average, teeth, 1, 1)
    return 0.5 * (band.lower + band.upper)


def fm0(average: Float64Array, teeth: int, harmonics: int = 5) -> float:
    """FM0 = (max x - min x) / sum_m A(T m): peak-to-peak over the sum of mesh amplitudes, 1.

    2 for a pure mesh tone; rises where the peaks grow without the mesh (a broken tooth) or the mesh falls
    (heavy wear). Stewart 1977. NaN where no mesh harmonic has any amplitude.
    """
    amplitudes = _amplitudes(average, teeth)
    orders = [m * teeth for m in range(1, harmonics + 1) if m * teeth < len(amplitudes)]
    total = float(amplitudes[orders].sum())
    return float(np.ptp(average)) / total if total > 0.0 else math.nan


def difference_signal(average: Float64Array, teeth: int) -> Float64Array:
    """The average without mean, shaft orders, mesh harmonics and their first sidebands; `(n_samples,)`."""
    return _without(average, teeth, sidebands=1)


def residual_signal(average: Float64Array, teeth: int) -> Float64Array:
    """The average without mean, shaft orders and mesh harmonics; the first sidebands stay; `(n_samples,)`."""
    return _without(average, teeth, sidebands=0)


def fm4(average: Float64Array, teeth: int) -> float:
    """FM4 = N sum (d - mean d)^4 / (sum (d - mean d)^2)^2, kurtosis of the difference signal, 1.

    3 where nothing but noise is left, more where one or two teeth stand out; falls again when damage
    spreads over many teeth. Stewart 1977; NASA TM-105950, eq. 4. NaN where nothing is left.
    """
    difference = difference_signal(average, teeth)
    if float(np.std(difference)) <= _ROUNDING * float(np.std(average)):
        return math.nan
    return _fourth_over_square(difference, None)


def na4(residual: Float64Array, earlier: RunningVariance) -> float:
    """NA4 = N sum (r - mean r)^4 / (mean over runs of sum (r_j - mean r_j)^2)^2, 1.

    `residual` is this run's residual signal, `earlier` the running variance *with this run counted in*.
    Like FM4, but divided by the gear's own history: it goes on rising while damage spreads. NASA TM-105950,
    eq. 6.
    """
    return _fourth_over_square(residual, earlier)


def mesh_envelope(average: Float64Array, teeth: int) -> Float64Array:
    """|b + i H(b)|, b the average band-passed around the mesh fundamental by half of T; `(n_samples,)`.

    Its fluctuations are the modulation of the mesh by single teeth (transient load, damage).
    """
    n = len(average)
    _amplitudes(average, teeth)  # refuses what cannot be
    spectrum = fft.fft(average, workers=1)
    half = max(1, int(NB4_HALF_WIDTH_SHARE * teeth))
    kept = np.zeros(n, np.complex128)
    band = slice(max(1, teeth - half), min((n - 1) // 2, teeth + half) + 1)
    kept[band] = 2.0 * spectrum[band]
    return np.asarray(np.abs(fft.ifft(kept, workers=1)), np.float64)


def nb4(envelope: Float64Array, earlier: RunningVariance) -> float:
    """NB4: NA4's formula on the envelope of the mesh band (`mesh_envelope`), 1.

    Zakrajsek, Handschuh and Decker, "Application of fault detection techniques to spiral bevel gear fatigue
    data", NASA TM-106467 (1994). `earlier` is the running variance of envelopes, this one counted in.
    """
    return _fourth_over_square(envelope, earlier)


def _amplitudes(average: Float64Array, teeth: int) -> Float64Array:
    """Peak amplitude of every order from 0 on, below half the samples per revolution."""
    n = len(average)
    if average.ndim != 1 or teeth < 2 or n < 2 * (teeth + 2) + 1:
        raise DspError(
            f"an average of shape {average.shape} cannot carry the mesh of {teeth} teeth with its sidebands; "
            f"{2 * (teeth + 2) + 1} samples or more are needed"
        )
    spectrum = fft.rfft(average, workers=1)
    return np.asarray(2.0 * np.abs(spectrum[: (n + 1) // 2]) / n, np.float64)


def _without(average: Float64Array, teeth: int, sidebands: int) -> Float64Array:
    n_orders = len(_amplitudes(average, teeth))
    spectrum = fft.rfft(average, workers=1)
    spectrum[: SHAFT_ORDERS + 1] = 0.0
    for order in range(teeth, n_orders, teeth):
        spectrum[order - sidebands : order + sidebands + 1] = 0.0
    return np.asarray(fft.irfft(spectrum, len(average), workers=1), np.float64)


def _fourth_over_square(signal: Float64Array, earlier: RunningVariance | None) -> float:
    deviation = signal - signal.mean()
    second = float(np.mean(deviation**2)) if earlier is None else earlier.mean
    scale = float(np.abs(deviation).max(initial=0.0))
    if not (np.isfinite(scale) and second > 0.0):
        return math.nan
    return float(np.mean(deviation**4)) / second**2
