"""Kurtogram: how impulsive a record is in each band of a tree of bands, and which band to demodulate.

Duty: the kurtosis of the complex envelope over centre frequency and bandwidth, by the definition in float64,
and the choice of a band. The same by lanes, for many channels or windows at once, is `dsp.lanes.kurtogram`,
which is tested against this. Does not demodulate (see `dsp.envelope_spectrum`).

Definition. Level l = 1, 2, ... splits 0 Hz to half the rate into 2^l bands, level l + 0.6 (log2 3 = 1.58:
the "thirds") into 3 2^(l-1), as in the 1/3-binary tree (Antoni, "Fast computation of the kurtogram for the
detection of transient faults", MSSP 21 (2007) 108). The record is cut into windows of 8192 samples, end to
end. With X the transform of a window less its mean, times a taper w, the band's lines X_k, first <= k <
last, moved down to 0 Hz and zero-padded to m = 2^i or 3 2^i of them, are transformed back: c_0 ... c_(m-1),
the complex envelope. Over all windows together

    K = (<|c|^4> / <w^4>) / (<|c|^2> / <w^2>)^2 - 2

is 0 for stationary Gaussian noise, -1 for a tone, and large for impulses that ring in the band (Antoni, "The
spectral kurtosis: a useful tool for characterising non-stationary signals", MSSP 20 (2006) 282).

The taper w is 1 in the window's middle half and rises over its first quarter as 1/2 - (9 cos pi u - cos 3
pi u) / 16, whose slope is sin^3. Without it a transform takes the window for one period, and where its end
meets its beginning there is a step, which sounds in every band as one impulse: recordings with an
anti-aliasing filter then seem most impulsive where they are silent, just below half the rate, and a strong
tone makes every quiet band so. The usual raised cosine is not smooth enough for a tone 60 dB above the
noise; this one leaves nothing of 80 dB. Dividing by the taper's own means leaves K unbiased. Bands are cut
from one transform, where the published algorithm iterates short filters; their skirts blur its bands, ideal
filters do not.

How much is chance. For n independent envelope samples of Gaussian noise var K = 4 / n (delta method on
exponential variables), and the distribution leans to the right. A band is chosen only if K exceeds what one
record of Gaussian noise in a hundred would show in any of its bands: 2 / sqrt(n) (4.0 + 36 / sqrt(n)), 4.0
being the normal quantile of 1 % shared by 300 bands and 36 the lean, fitted to simulated noise. Of those
that do, and whose impulses do not stand in one window alone, the band with the largest excess over it is
chosen: so a wide band wins where a narrow one is no better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.errors import DspError
from dsp.samples import Float32Array, Float64Array

WINDOW_SAMPLES = 8192
LINES = WINDOW_SAMPLES // 2
MAX_LEVEL = 6
LEVEL_6_MIN_S = 1.0  # bands of 64 lines say little on less
# Bands weaker than this part of the record's mean square hold the rounding of float32, not a signal.
NEGLIGIBLE_POWER = 1e-10
TAPERED_SAMPLES = WINDOW_SAMPLES // 4  # at each end

# More of <|c|^4> than this in one window, of four or more, is an event and no repetition.
EVENT_SHARE = 0.5
EVENT_WINDOWS = 4

_WINDOWS_AT_ONCE = 64  # an hour's record must not need an hour's spectra in memory
_NORMAL_QUANTILE = 4.0
_LEAN = 36.0


@dataclass(frozen=True, slots=True)
class Band:
    """One band of the tree."""

    level: float  # log2 of the number of bands
    first_line: int
    last_line: int  # exclusive; lines of a window of WINDOW_SAMPLES

    @property
    def n_lines(self) -> int:
        """Lines in the band, which are the independent envelope samples of one window."""
        return self.last_line - self.first_line

    @property
    def envelope_samples(self) -> int:
        """Samples of the band's complex envelope: the next 2^i, or 3 2^i if that is less."""
        power = 1 << (self.n_lines - 1).bit_length()
        return 3 * power // 4 if 3 * power >= 4 * self.n_lines else power


def taper() -> Float64Array:
    """The window function w `(8192,)`."""
    turn = np.pi * (np.arange(TAPERED_SAMPLES) + 0.5) / TAPERED_SAMPLES
    rise = 0.5 - (9.0 * np.cos(turn) - np.cos(3.0 * turn)) / 16.0
    flat = np.ones(WINDOW_SAMPLES - 2 * TAPERED_SAMPLES)
    return np.concatenate([rise, flat, rise[::-1]])


TAPER = taper()
MEAN_SQUARE = float(np.mean(TAPER**2))
MEAN_FOURTH = float(np.mean(TAPER**4))
USED_PART = MEAN_SQUARE**2 / MEAN_FOURTH  # of a window's envelope samples, as far as chance goes


def bands_of(max_level: int) -> tuple[Band, ...]:
    """Bands of levels 1, 1.6, 2, ... up to `max_level` + 0.6, each level from low to high frequency."""
    bands = []
    for level in range(1, max_level + 1):
        for n_bands in (2**level, 3 * 2 ** (level - 1)):
            edges = [round(LINES * i / n_bands) for i in range(n_bands + 1)]
            bands += [Band(math.log2(n_bands), first, last) for first, last in pairwise(edges)]
    return tuple(bands)


def chance_kurtosis(n_lines: int, n_windows: int) -> float:
    """What the largest K of Gaussian noise exceeds in one record of a hundred, in a band of so many lines."""
    root = math.sqrt(n_lines * n_windows * USED_PART)
    return 2.0 / root * (_NORMAL_QUANTILE + _LEAN / root)


@dataclass(frozen=True, slots=True)
class DemodulationBand:
    """The band in which a record is most impulsive beyond chance."""

    lower_hz: float
    upper_hz: float
    kurtosis: float  # K
    chance: float  # what K had to exceed


@dataclass(frozen=True, slots=True)
class Kurtogram:
    """K over the tree of bands of one record."""

    sample_rate_hz: float
    n_windows: int
    bands: tuple[Band, ...]
    kurtosis: Float64Array  # (n_bands,); NaN where a band is silent
    event_share: Float64Array  # (n_bands,) part of <|c|^4> that one window alone holds; NaN where silent

    @property
    def hz_per_line(self) -> float:
        """Distance of a window's lines."""
        return self.sample_rate_hz / WINDOW_SAMPLES

    @property
    def repeated(self) -> npt.NDArray[np.bool_]:
        """Bands `(n_bands,)` whose impulses are not one event: no window holds more than half of <|c|^4>.

        Below four windows all are. A click in a band that is silent otherwise outdoes every bearing.
        """
        if self.n_windows < EVENT_WINDOWS:
            return np.ones(len(self.bands), bool)
        return np.asarray(~(self.event_share > EVENT_SHARE))

    @property
    def best(self) -> DemodulationBand | None:
        """The band to demodulate; None where no band is impulsive, again and again, beyond chance."""
        chance = np.array([chance_kurtosis(band.n_lines, self.n_windows) for band in self.bands])
        usable = np.isfinite(self.kurtosis) & self.repeated
        excess = np.where(usable, self.kurtosis - chance, -np.inf)
        index = int(np.argmax(excess))
        if not excess[index] > 0.0:
            return None
        band = self.bands[index]
        return DemodulationBand(
            lower_hz=band.first_line * self.hz_per_line,
            upper_hz=band.last_line * self.hz_per_line,
            kurtosis=float(self.kurtosis[index]),
            chance=float(chance[index]),
        )

    def levels(self) -> list[tuple[float, Float64Array]]:
        """(log2 of the number of bands, K from low to high frequency) of each level: the picture's rows."""
        numbers = sorted({band.level for band in self.bands})
        at = np.array([band.level for band in self.bands])
        return [(level, self.kurtosis[at == level]) for level in numbers]


def kurtogram(samples: Float32Array, sample_rate_hz: float, max_level: int | None = None) -> Kurtogram:
    """Kurtogram of a record `(n_samples,)` of at least 8192 samples; what is left of a window is not used.

    `max_level` 1 to 6; by default 6 for a record of a second or more, else 5. A record that holds a sample
    that is no number, or is constant, has no K (NaN) anywhere. Raises DspError for another shape or level.
    """
    max_level = checked_level(samples, sample_rate_hz, max_level)
    n_windows = len(samples) // WINDOW_SAMPLES
    windows = samples[: n_windows * WINDOW_SAMPLES].reshape(n_windows, WINDOW_SAMPLES)
    bands = bands_of(max_level)
    parts = [
        band_moments(windows[first : first + _WINDOWS_AT_ONCE], bands)
        for first in range(0, n_windows, _WINDOWS_AT_ONCE)
    ]
    moments = np.concatenate(parts)
    return Kurtogram(sample_rate_hz, n_windows, bands, kurtosis_of(moments), event_share_of(moments))


def checked_level(samples: Float32Array, sample_rate_hz: float, max_level: int | None = None) -> int:
    """The tree's level for a record: the one asked for, else what its length allows. Raises DspError."""
    if samples.ndim != 1 or len(samples) < WINDOW_SAMPLES:
        raise DspError(f"a record of shape {samples.shape}; one row of {WINDOW_SAMPLES} or more is needed")
    if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0.0):
        raise DspError(f"sample_rate_hz is {sample_rate_hz}; a finite figure above 0 is needed")
    if max_level is None:
        max_level = MAX_LEVEL if len(samples) >= LEVEL_6_MIN_S * sample_rate_hz else MAX_LEVEL - 1
    if not 1 <= max_level <= MAX_LEVEL:
        raise DspError(f"max_level is {max_level}; 1 to {MAX_LEVEL} is right")
    return max_level


def kurtosis_of(moments: Float64Array) -> Float64Array:
    """K `(n_bands,)` of the windows' moments `(n_windows, n_bands, 2)` together; NaN where silent."""
    second, fourth = moments.mean(axis=0).T
    # |c|^2 of level 1 (two bands) adds up to the whole; levels are complete, so any one would do
    floor = NEGLIGIBLE_POWER * float(second[:2].sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis: Float64Array = fourth / second**2 - 2.0
    kurtosis[~(second > floor)] = np.nan
    return kurtosis


def event_share_of(moments: Float64Array) -> Float64Array:
    """Part of the fourth moment that the window with most of it holds, `(n_bands,)`; NaN where silent."""
    fourth = moments[:, :, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(fourth.max(axis=0) / fourth.sum(axis=0), np.float64)


def band_moments(
    windows: npt.NDArray[np.floating] | npt.NDArray[np.int16], bands: tuple[Band, ...]
) -> Float64Array:
    """Means of |c|^2 and |c|^4 `(n_windows, n_bands, 2)`, by the taper's, of windows `(n_windows, 8192)`.

    The first is the mean square of the analytic signal, twice that of the samples, in the band. NaN for a
    window that holds a sample that is no number.
    """
    centred = windows.astype(np.float64)
    centred -= centred[:, :1].copy()  # before the mean: so a constant window is exactly zero
    centred -= centred.mean(axis=1, keepdims=True)
    spectra = scipy.fft.rfft(centred * TAPER, axis=1)[:, :LINES] * (2.0 / WINDOW_SAMPLES)
    spectra[:, 0] = 0.0
    moments = np.empty((len(windows), len(bands), 2))
    for index, band in enumerate(bands):
        envelope = scipy.fft.ifft(
            spectra[:, band.first_line : band.last_line], band.envelope_samples, axis=1, norm="forward"
        )
        power = envelope.real**2 + envelope.imag**2
        moments[:, index, 0] = power.mean(axis=1) / MEAN_SQUARE
        moments[:, index, 1] = np.square(power).mean(axis=1) / MEAN_FOURTH
    return moments
