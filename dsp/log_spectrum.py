"""Windows to their log spectra: levels of fine bands, for networks that read a spectrum and not its summary.

Duty: cut each level band of `dsp.extractor` into up to four and compute their levels, by the same transform,
floor and definition. One row of it is the patch of one window; nine rows in order of time, as a temporal
network sees them, are a time-frequency patch. Nothing is learned from it on a box: baselines know the level
bands, and fine bands nest in these (`models/nested_bands.py`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dsp.band_features import Band, band_powers, fine_bands, level_bands, level_db
from dsp.extractor import FeatureVector, require_windows, vectors_of
from dsp.framing import WindowBatch
from dsp.samples import Float32Array, Float64Array
from dsp.window_spectrum import window_spectra

LOG_SPECTRUM_VERSION = "log-spectrum-1"


class LogSpectrumExtractor:
    """Levels of fine bands, dB re 1 unit, of windows of one length, nominal rate and unit; 59 at 25.6 kHz.

    `bands` in order of frequency; `parents[i]` is the place of band i's level band among `level_bands`.
    Threads may share one. Raises DspError for an unknown unit, an odd window length or one below 64 samples.
    """

    names: tuple[str, ...]
    version = LOG_SPECTRUM_VERSION

    def __init__(self, sample_rate_hz: float, window_samples: int, unit: str) -> None:
        require_windows(window_samples, unit)
        self.sample_rate_hz = float(sample_rate_hz)
        self.window_samples = window_samples
        parts = [
            fine_bands(band, sample_rate_hz / window_samples)
            for band in level_bands(sample_rate_hz, window_samples)
        ]
        self.bands: tuple[Band, ...] = tuple(band for part in parts for band in part)
        self.parents = tuple(i for i, part in enumerate(parts) for _ in part)
        self.names = tuple(f"{band.name}_db" for band in self.bands)

    def extract(self, windows: WindowBatch) -> list[FeatureVector]:
        """One vector per window of the batch, in its order; values float32.

        A window that holds NaN or infinity has NaN for every band, a constant one -200 dB. Raises DspError
        for windows of another length, or a rate more than 6 % from the one this extractor was built for.
        """
        return vectors_of(self, windows, self._levels)

    def _levels(self, samples: Float32Array, rates_hz: Float64Array) -> Float32Array:
        found = window_spectra(samples)
        step_hz = float(rates_hz.mean()) / samples.shape[1]
        levels = level_db(band_powers(found.power, self.bands, step_hz), found.shape.rms**2)
        levels[~np.isfinite(found.shape.rms)] = np.nan
        return levels.astype(np.float32)


@lru_cache(maxsize=64)
def log_spectrum_extractor(sample_rate_hz: float, window_samples: int, unit: str) -> LogSpectrumExtractor:
    """The extractor for such channels, one for all of them."""
    return LogSpectrumExtractor(sample_rate_hz, window_samples, unit)
