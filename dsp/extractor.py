"""Windows to feature vectors: the trend features of every window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dsp.framing import WindowBatch
from dsp.samples import Float32Array, Quality

EXTRACTOR_VERSION = "trend-1"


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


class TrendExtractor:
    """Time features, log band levels, velocity RMS and envelope level of each window.

    Built for one window length and nominal rate: `names` depend on the rate (bands end below Nyquist).
    """

    names: tuple[str, ...]

    def __init__(self, sample_rate_hz: float, window_samples: int, unit: str) -> None:
        raise NotImplementedError

    def extract(self, windows: WindowBatch) -> list[FeatureVector]:
        raise NotImplementedError
