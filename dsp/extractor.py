"""Windows to feature vectors: the levels of every trend window, which baselines are learned from.

Duty: which of them a channel has, in which order and under which names, and computing them for a batch of
channels at once; and what any feature's name says. What a channel has besides is `dsp.channel_extractor`'s.
Definitions live beside their formulas (`time_features`, `band_features`, `severity`); a row for each feature
stands in `dsp/README.md`.

Names end in their unit (`rms_mps2`, `velocity_rms_mm_s`, `band_2500_4000_hz_db`); a name without one is a
ratio, or is in the unknown unit of a channel whose recording does not state it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dsp import kernels
from dsp.band_features import (
    Band,
    band_powers,
    envelope_kurtosis,
    high_band,
    level_bands,
    level_db,
)
from dsp.errors import DspError
from dsp.framing import WindowBatch
from dsp.samples import Float32Array, Float64Array, Quality
from dsp.severity import velocity_rms_mm_s, velocity_statable
from dsp.window_spectrum import window_spectra

EXTRACTOR_VERSION = "trend-1"

# The unit a channel's samples may have, and what names of features in that unit end in.
_SUFFIXES = {"m/s2": "_mps2", "1": ""}
_UNITS_BY_SUFFIX = (("_mm_s", "mm/s"), ("_mps2", "m/s2"), ("_db", "dB"), ("_hz", "Hz"))
_LABELS = {
    "rms": "RMS",
    "peak": "peak",
    "peak_to_peak": "peak-to-peak",
    "crest_factor": "crest factor",
    "skewness": "skewness",
    "kurtosis": "kurtosis",
    "velocity_rms": "velocity RMS",
    "mean": "bias",
    "zero_crossing_rate": "zero crossings per second",
    "centroid": "spectral centroid",
    "spread": "spectral spread",
    "entropy": "spectral entropy",
    "high_frequency_peak": "high-frequency peak",
}
_LINE = re.compile(r"line_([0-9]+)(_rms_mps2|_hz)")
_BAND_LABELS = {"db": "", "rms": "RMS of ", "envelope_kurtosis": "envelope kurtosis of "}
# Windows transformed together: as many as keep the scratch arrays within a core's second-level cache.
_SAMPLES_AT_ONCE = 131_072
# The true rate may be this far from the nominal one that the names were made for: accelerometers that run on
# a built-in oscillator are off by up to 5 %.
_RATE_TOLERANCE = 0.06
# Windows whose rates differ by less share the bins that their bands are summed over.
_SAME_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """Features of one window of one channel; `names[i]` says what `values[i]` is, its unit in the name.

    A feature that the window cannot state (velocity on a window too short for its band) is NaN.
    """

    channel_id: str
    start_ns: int
    duration_s: float
    names: tuple[str, ...]
    values: Float32Array  # (n_features,)
    operating_state: str
    quality: Quality
    extractor_version: str


class FeatureExtractor(Protocol):
    """Turns windows into feature vectors; pure, a batch of channels at once."""

    names: tuple[str, ...]  # tensor order

    def extract(self, windows: WindowBatch) -> list[FeatureVector]: ...


class WindowFeatures(FeatureExtractor, Protocol):
    """One that is built for windows of one length and nominal rate."""

    version: str
    sample_rate_hz: float
    window_samples: int


def require_windows(window_samples: int, unit: str) -> None:
    """Raises DspError for a unit that no features are made of, or an odd window length."""
    if unit not in _SUFFIXES:
        raise DspError(f"unit is {unit!r}; features are made of {' or '.join(map(repr, _SUFFIXES))}")
    if window_samples % 2:
        raise DspError(f"window_samples is {window_samples}; an even number is needed")


def unit_of(feature_name: str) -> str:
    """Unit that a feature's name states: "m/s2", "mm/s", "dB" (re 1 unit of the channel) or "1"."""
    for suffix, unit in _UNITS_BY_SUFFIX:
        if feature_name.endswith(suffix):
            return unit
    return "1"


def label_of(feature_name: str) -> str:
    """A feature's name as people read it: "velocity RMS", "band 2.8-4.5 kHz"."""
    if line := _LINE.fullmatch(feature_name):
        return f"{'frequency' if line[2] == '_hz' else 'RMS'} of line {line[1]}"
    base = feature_name.removesuffix("_mm_s").removesuffix("_mps2")
    if base.removesuffix("_hz") in _LABELS:
        return _LABELS[base.removesuffix("_hz")]
    edges, separator, rest = base.removeprefix("band_").partition("_hz_")
    lower, _, upper = edges.partition("_")
    if not (separator and base.startswith("band_") and rest in _BAND_LABELS):
        return base.replace("_", " ")
    lower_hz, upper_hz = float(lower), float(upper)
    divisor, unit = (1000.0, "kHz") if lower_hz >= 1000.0 else (1.0, "Hz")
    return f"{_BAND_LABELS[rest]}band {lower_hz / divisor:g}-{upper_hz / divisor:g} {unit}"


class TrendExtractor:
    """Time features, log band levels, velocity RMS and envelope level of each window.

    Built for one window length and nominal rate: `names` depend on the rate (bands end below Nyquist).
    `unit` is "m/s2", or "1" where a recording does not state it (then velocity is always NaN).
    Raises DspError for another unit, an odd window length or one below 64 samples.
    """

    names: tuple[str, ...]
    version = EXTRACTOR_VERSION

    def __init__(self, sample_rate_hz: float, window_samples: int, unit: str) -> None:
        require_windows(window_samples, unit)
        self.sample_rate_hz = float(sample_rate_hz)
        self.window_samples = window_samples
        self.unit = unit
        self.bands: tuple[Band, ...] = level_bands(sample_rate_hz, window_samples)
        self.high_band: Band = high_band(sample_rate_hz)
        suffix = _SUFFIXES[unit]
        self.names = (
            f"rms{suffix}",
            f"peak{suffix}",
            f"peak_to_peak{suffix}",
            "crest_factor",
            "skewness",
            "kurtosis",
            "velocity_rms_mm_s",
            f"{self.high_band.name}_rms{suffix}",
            f"{self.high_band.name}_envelope_kurtosis",
            *(f"{band.name}_db" for band in self.bands),
        )

    def warm_up(self) -> None:
        """Compile the kernels (sensor check's too) or load them from the cache, ahead of the first window."""
        kernels.warm_up()
        ramp = np.linspace(-1.0, 1.0, self.window_samples, dtype=np.float32)
        self._features(ramp[np.newaxis, :], np.array([self.sample_rate_hz]))

    def extract(self, windows: WindowBatch) -> list[FeatureVector]:
        """One vector per window of the batch, in its order; values float32.

        A window that holds NaN or infinity has NaN for every feature; a constant one has RMS 0, band levels
        of -200 dB and NaN for ratios. Bands are summed at the true rate of each window. Raises DspError for
        windows of another length, or a rate more than 6 % from the one this extractor was built for.
        """
        return vectors_of(self, windows, self._features)

    def _features(self, samples: Float32Array, rates_hz: Float64Array) -> Float32Array:
        """Values `(n_windows, n_features)` in the order of `names`."""
        n_windows, n = samples.shape
        step_hz = float(rates_hz.mean()) / n
        found = window_spectra(samples)
        shape, spectra, power = found.shape, found.spectra, found.power
        levels = level_db(band_powers(power, self.bands, step_hz), shape.rms**2)
        in_high_band = band_powers(power, (self.high_band,), step_hz)[:, 0]
        velocity = np.full(n_windows, np.nan)
        if self.unit == "m/s2" and velocity_statable(float(rates_hz.max()), n):
            velocity = velocity_rms_mm_s(power, rates_hz / n)
        values = np.column_stack(
            (
                shape.rms,
                shape.peak,
                shape.peak_to_peak,
                shape.crest_factor,
                shape.skewness,
                shape.kurtosis,
                velocity,
                np.sqrt(in_high_band),
                envelope_kurtosis(spectra, self.high_band, step_hz, in_high_band),
                levels,
            )
        )
        values[~np.isfinite(shape.rms)] = np.nan
        with np.errstate(
            over="ignore"
        ):  # samples at the end of float32 have a peak-to-peak beyond it: infinity
            return values.astype(np.float32)


def vectors_of(
    extractor: WindowFeatures,
    windows: WindowBatch,
    features: Callable[[Float32Array, Float64Array], Float32Array],
) -> list[FeatureVector]:
    """One vector per window of the batch; `features` gives values `(n_windows, n_features)` of samples
    `(n_windows, n_samples)` at true rates `(n_windows,)`, which differ by next to nothing within a call.

    Raises DspError for windows of another length, or a rate more than 6 % from the nominal one.
    """
    n_windows, window_samples = len(windows.channel_ids), extractor.window_samples
    if windows.samples.shape != (n_windows, window_samples):
        raise DspError(f"windows of shape {windows.samples.shape}; ({n_windows}, {window_samples}) is needed")
    rates_hz = np.array(windows.sample_rate_hz, np.float64)
    off = ~(np.abs(rates_hz / extractor.sample_rate_hz - 1.0) <= _RATE_TOLERANCE)
    if off.any():
        worst = int(np.argmax(off))
        raise DspError(
            f"channel {windows.channel_ids[worst]!r} has a rate of {rates_hz[worst]} Hz; this extractor "
            f"was built for {extractor.sample_rate_hz} Hz"
        )
    samples = kernels.float32_rows(windows.samples)
    vectors: list[FeatureVector] = []
    one_rate = n_windows > 0 and np.ptp(rates_hz) <= _SAME_RATE * extractor.sample_rate_hz
    at_once = max(1, _SAMPLES_AT_ONCE // window_samples) if one_rate else 1
    for start in range(0, n_windows, at_once):
        part = slice(start, start + at_once)
        for i, values in enumerate(features(samples[part], rates_hz[part]), start):
            vectors.append(
                FeatureVector(
                    channel_id=windows.channel_ids[i],
                    start_ns=windows.start_ns[i],
                    duration_s=window_samples / windows.sample_rate_hz[i],
                    names=extractor.names,
                    values=values,
                    operating_state=windows.operating_states[i],
                    quality=windows.qualities[i],
                    extractor_version=extractor.version,
                )
            )
    return vectors
