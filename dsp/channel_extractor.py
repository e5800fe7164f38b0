"""Trend windows of any length to the one feature vector that is stored, shown and published.

Duty: which features a channel has. Every window has those of `dsp.extractor`, which say what a second or more
of vibration says: levels, velocity for the rating, and what is learned from. Where a window of m/s2 holds
8192 samples or more, it is also cut into hops for the window engine (`dsp.window_extractor`), and the figures
of its hops are joined (`dsp.hop_figures`). Fault lines are not looked for here: they want longer records and
the shaft speed of the moment (`dsp.envelope`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from dsp import kernels
from dsp.band_features import high_band
from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION, FeatureVector, TrendExtractor
from dsp.framing import WindowBatch
from dsp.hop_figures import figure_names, joined_figures
from dsp.samples import Float32Array, Float64Array
from dsp.window_extractor import Engine, WindowExtractor
from dsp.window_parameters import WINDOW_SAMPLES, WindowParameters

CHANNEL_EXTRACTOR = "channel-1"
_MOST_ENVELOPE_HZ = 1000.0


class ChannelExtractor:
    """Features of trend windows of one length, nominal rate and unit; threads may share one.

    `names` are those of the levels, then those of the hops; the same for either engine. `hop_parameters` is
    None where windows are too short for a hop or not in m/s2 (no name states a unit then), or the rate is
    beyond what the window engine serves: such a channel has its levels alone. Raises DspError as
    `TrendExtractor` does, and for an unknown engine.
    """

    names: tuple[str, ...]

    def __init__(
        self, sample_rate_hz: float, window_samples: int, unit: str, engine: str = Engine.LANES
    ) -> None:
        self._levels = TrendExtractor(sample_rate_hz, window_samples, unit)
        self.window_samples = window_samples
        self.level_names = self._levels.names
        self.hop_parameters = hop_parameters(sample_rate_hz, window_samples, unit)
        self._hops = None
        figures: tuple[str, ...] = ()
        if self.hop_parameters is not None:
            self._hops = WindowExtractor(self.hop_parameters, engine)
            figures = figure_names(sample_rate_hz)
        elif engine not in set(Engine):
            raise DspError(f"engine is {engine!r}; {' or '.join(repr(str(e)) for e in Engine)} is needed")
        self._hop_starts = hop_starts(window_samples)
        self.names = self.level_names + figures
        self.version = f"{CHANNEL_EXTRACTOR} rate={sample_rate_hz!r} window={window_samples} unit={unit}"

    def warm_up(self) -> None:
        """Compile all kernels (the sensor check's, too), or load them from the cache, ahead of windows."""
        self._levels.warm_up()
        if self._hops is not None:
            self._hops.warm_up()

    def extract(self, windows: WindowBatch) -> list[FeatureVector]:
        """One vector per window of the batch, in its order; values float32.

        A window that holds NaN or infinity has NaN for every feature, a constant one for every ratio. Raises
        DspError for windows of another length, or a rate more than 6 % from the one this was built for.
        """
        levels = self._levels.extract(windows)
        if self._hops is None or not levels:
            return [replace(vector, extractor_version=self.version) for vector in levels]
        figures = self._figures(self._hops, windows)
        return [
            replace(
                vector,
                names=self.names,
                values=np.concatenate((vector.values, row)),
                extractor_version=self.version,
            )
            for vector, row in zip(levels, figures, strict=True)
        ]

    def levels_of(self, vector: FeatureVector) -> FeatureVector:
        """The part of a vector that baselines are learned from and windows are scored by."""
        return replace(
            vector,
            names=self.level_names,
            values=vector.values[: len(self.level_names)],
            extractor_version=EXTRACTOR_VERSION,
        )

    def _figures(self, extractor: WindowExtractor, windows: WindowBatch) -> Float32Array:
        parameters = extractor.parameters
        samples = kernels.float32_rows(windows.samples)
        means = samples.mean(axis=1, dtype=np.float64)
        usable: Float64Array = np.where(np.isfinite(means), means, 0.0)
        centred = np.empty_like(samples)
        # The bias of the whole window is taken out, so that factors and crossings are those of the vibration.
        kernels.centred(samples, usable, np.ones(len(samples)), centred)
        cut = np.stack([centred[:, start : start + WINDOW_SAMPLES] for start in self._hop_starts], axis=1)
        hops = extractor.values(cut.reshape(-1, WINDOW_SAMPLES)).astype(np.float64)
        rates_hz = np.array(windows.sample_rate_hz, np.float64)
        shape = (len(samples), len(self._hop_starts), len(parameters.names))
        with np.errstate(over="ignore"):
            return joined_figures(hops.reshape(shape), parameters, usable, rates_hz).astype(np.float32)


@lru_cache(maxsize=64)
def channel_extractor(
    sample_rate_hz: float, window_samples: int, unit: str, engine: str = Engine.LANES
) -> ChannelExtractor:
    """The extractor for such channels, one for all of them: each that works owns some 8 MiB of memory."""
    return ChannelExtractor(sample_rate_hz, window_samples, unit, engine)


def hop_parameters(sample_rate_hz: float, window_samples: int, unit: str) -> WindowParameters | None:
    """What the window engine is run with: demodulation over the high band, no fault lines; None where it is
    not run at all."""
    if window_samples < WINDOW_SAMPLES or unit != "m/s2":
        return None
    band = high_band(sample_rate_hz)
    try:
        return WindowParameters(
            sample_rate_hz=sample_rate_hz,
            fault_frequencies_hz=(),
            demodulation_band_hz=(band.lower_hz, band.upper_hz),
            envelope_limit_hz=min(_MOST_ENVELOPE_HZ, (band.upper_hz - band.lower_hz) / 2.0),
        )
    except DspError:
        return None


def hop_starts(window_samples: int) -> tuple[int, ...]:
    """Where the hops of a window begin: side by side, overlapping evenly where they do not fill it."""
    n_hops = -(-window_samples // WINDOW_SAMPLES)
    last = max(0, window_samples - WINDOW_SAMPLES)
    return tuple(round(last * i / max(1, n_hops - 1)) for i in range(n_hops))
