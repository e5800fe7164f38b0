"""Levels of frequency bands, and how impulsive the high band is.

Duty: choose band edges for a rate and window length, name the bands, and sum a power spectrum over them; the
envelope's kurtosis in one band. Spectra themselves come from the caller (`dsp.extractor`, `dsp.spectrum`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp import kernels
from dsp.errors import DspError
from dsp.samples import Float64Array

# Edges of octave fractions (ISO 266 puts centres at preferred numbers, so edges fall between them: no common
# shaft speed or line harmonic, 25, 30, 50, 60, 100, 120 Hz, sits on an edge and hops between two bands).
_TWO_THIRDS = (1.12, 1.8, 2.8, 4.5, 7.1)  # ISO 3, R20/4
_THIRD = (1.12, 1.4, 1.8, 2.24, 2.8, 3.55, 4.5, 5.6, 7.1, 9.0)  # R20/2
_SIXTH = (
    1.06, 1.18, 1.32, 1.5, 1.7, 1.9, 2.12, 2.36, 2.65, 3.0,
    3.35, 3.75, 4.25, 4.75, 5.3, 6.0, 6.7, 7.5, 8.5, 9.5,
)  # R40/2  # fmt: skip

# An anti-alias filter has usually begun to fall above this share of the sampling rate.
UPPER_SHARE_OF_RATE = 0.45
# Fewer bins than this and a level is mostly chance; it also keeps the Hann window's main lobe at 0 Hz out.
MIN_BINS_PER_BAND = 3
MIN_BANDS = 12
FINE_PARTS = 4  # of a level band, at most
MIN_WINDOW_SAMPLES = 64
# Levels below this share of the window's whole power are rounding of the float32 transform, not vibration.
LEVEL_FLOOR_SHARE = 1e-12
LEVEL_FLOOR_POWER = 1e-20  # (unit)^2: -200 dB, what a window without any power is given


@dataclass(frozen=True, slots=True)
class Band:
    """A range of frequency, lower edge included, upper edge not."""

    lower_hz: float
    upper_hz: float

    @property
    def name(self) -> str:
        """`band_2500_4000_hz`: begins the name of every feature of this band."""
        return f"band_{_edge_text(self.lower_hz)}_{_edge_text(self.upper_hz)}_hz"

    def bins(self, step_hz: float) -> tuple[int, int]:
        """First bin in the band and first bin after it, for a spectrum of `step_hz` from 0 Hz."""
        return _bin_at_or_above(self.lower_hz, step_hz), _bin_at_or_above(self.upper_hz, step_hz)


def level_bands(sample_rate_hz: float, window_samples: int) -> tuple[Band, ...]:
    """Bands whose levels are trended: edges at preferred numbers, from 3 bins up to 0.45 x rate.

    Two thirds of an octave wide where that gives 12 bands or more, else a third, else a sixth; neighbours
    are joined until each holds at least 3 bins. 25.6 kHz with 32768 samples gives 17 bands.
    Raises DspError below 64 samples.
    """
    if window_samples < MIN_WINDOW_SAMPLES:
        raise DspError(f"window_samples is {window_samples}; bands need {MIN_WINDOW_SAMPLES} or more")
    if not 0.0 < sample_rate_hz < np.inf:
        raise DspError(f"sample_rate_hz is {sample_rate_hz}; a finite rate above 0 is needed")
    least_width_hz = MIN_BINS_PER_BAND * sample_rate_hz / window_samples
    upper_hz = UPPER_SHARE_OF_RATE * sample_rate_hz
    edges: list[float] = []
    for series in (_TWO_THIRDS, _THIRD, _SIXTH):
        edges = _edges(series, least_width_hz, upper_hz)
        if len(edges) > MIN_BANDS:
            break
    return tuple(Band(lower, upper) for lower, upper in pairwise(edges))


def fine_bands(band: Band, step_hz: float) -> tuple[Band, ...]:
    """A band cut into as many of equal ratio, up to four, as leave each three lines of `step_hz` wide.

    Inner edges are rounded as their names state them; the outer ones are the band's own.
    """
    ratio = band.upper_hz / band.lower_hz
    for parts in range(FINE_PARTS, 1, -1):
        inner = [float(_edge_text(band.lower_hz * ratio ** (i / parts))) for i in range(1, parts)]
        cut = tuple(Band(*pair) for pair in pairwise((band.lower_hz, *inner, band.upper_hz)))
        if all(one.upper_hz - one.lower_hz >= MIN_BINS_PER_BAND * step_hz for one in cut):
            return cut
    return (band,)


def high_band(sample_rate_hz: float) -> Band:
    """Band in which bearing impacts show first: from 2 kHz (0.2 x rate where that is lower) to 0.45 x rate.

    Impacts ring the structure at its resonances, commonly above 2 kHz, where a machine's shaft and gear
    harmonics are weak (Randall & Antoni, Mech. Syst. Signal Process. 25 (2011) 485-520).
    """
    upper_hz = UPPER_SHARE_OF_RATE * sample_rate_hz
    return Band(2000.0 if upper_hz >= 4000.0 else 0.2 * sample_rate_hz, upper_hz)


def band_powers(power: Float64Array, bands: tuple[Band, ...], step_hz: float) -> Float64Array:
    """Sum over each band of a power spectrum `(n_windows, n_bins)`: `(n_windows, n_bands)`, unit as given."""
    ranges = [band.bins(step_hz) for band in bands]
    return np.stack([power[:, first:after].sum(axis=1) for first, after in ranges], axis=1)


def level_db(power: Float64Array, total_power: Float64Array) -> Float64Array:
    """10 log10 of mean square values `(n_windows, n_bands)`, dB re 1 unit (of the channel, as RMS).

    Not below -120 dB of the window's `total_power` `(n_windows,)`, where float32 transforms only show their
    rounding, nor below -200 dB.
    """
    floor = np.maximum(total_power * LEVEL_FLOOR_SHARE, LEVEL_FLOOR_POWER)
    return np.asarray(10.0 * np.log10(np.maximum(power, floor[:, np.newaxis])), np.float64)


def envelope_kurtosis(
    spectra: npt.NDArray[np.complex64], band: Band, step_hz: float, band_power: Float64Array
) -> Float64Array:
    """Spectral kurtosis of one band: <|z|^4> / <|z|^2>^2 - 2, z the band's analytic signal; `(n_windows,)`.

    0 for Gaussian noise, -1 for a steady tone, above 0 for impacts (Antoni, Mech. Syst. Signal Process. 20
    (2006) 282-307, eq. 12). `spectra` is `rfft` of unwindowed rows `(n_windows, n_bins)`. NaN where
    `band_power`, a row's power in the band, is zero or not finite.
    """
    first, after = band.bins(step_hz)
    after = min(after, spectra.shape[1])
    # |z|^4 holds no frequency beyond twice the band's width: this many instants make its mean exact.
    instants = fft.next_fast_len(2 * (after - first))
    analytic = fft.ifft(spectra[:, first:after], n=instants, axis=1, workers=1)
    moments = np.empty((len(spectra), 2))
    kernels.squared_envelope_moments(analytic, moments)
    kurtosis = np.full(len(spectra), np.nan)
    stated = np.isfinite(band_power) & (band_power > 0.0) & (moments[:, 0] > 0.0)
    kurtosis[stated] = moments[stated, 1] / moments[stated, 0] ** 2 - 2.0
    return kurtosis


def _edges(series: tuple[float, ...], least_width_hz: float, upper_hz: float) -> list[float]:
    decade = 10.0 ** np.floor(np.log10(least_width_hz))
    edges: list[float] = []
    while decade < upper_hz:
        for number in series:
            edge = round(float(number * decade), 9)
            lowest = edges[-1] + least_width_hz if edges else least_width_hz
            if lowest <= edge < upper_hz:
                edges.append(edge)
        decade *= 10.0
    # The last band ends where the anti-alias filter begins; a sliver is joined to its neighbour.
    ratio = series[1] / series[0]
    if len(edges) > 1 and (upper_hz / edges[-1] < ratio**0.5 or upper_hz - edges[-1] < least_width_hz):
        edges.pop()
    return [*edges, upper_hz]


def _bin_at_or_above(frequency_hz: float, step_hz: float) -> int:
    return int(np.ceil(frequency_hz / step_hz - 1e-9))


def _edge_text(edge_hz: float) -> str:
    return f"{edge_hz:.0f}" if edge_hz >= 100.0 else f"{edge_hz:.4g}"
