"""What a row is made of: a window's features, or its log spectrum.

Duty: the extractor of each, and rows of what it gave. Reads no recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from dsp.extractor import TrendExtractor
from dsp.log_spectrum import LogSpectrumExtractor
from models.training.rows import Stretch, TrainingRows, training_rows

RowExtractor = TrendExtractor | LogSpectrumExtractor


class RowInput(StrEnum):
    """What a network reads of a window."""

    FEATURES = "features"
    LOG_SPECTRUM = "log-spectrum"


def extractor_of(made_of: RowInput, sample_rate_hz: float, window_samples: int, unit: str) -> RowExtractor:
    """The extractor of such rows. Raises DspError for windows that it cannot read."""
    kind = LogSpectrumExtractor if made_of is RowInput.LOG_SPECTRUM else TrendExtractor
    return kind(sample_rate_hz, window_samples, unit)


def rows_made_by(extractor: RowExtractor, stretches: Sequence[Stretch], origin: str) -> TrainingRows:
    """See `training_rows`."""
    parents = extractor.parents if isinstance(extractor, LogSpectrumExtractor) else None
    return training_rows(extractor.names, extractor.version, stretches, origin, parents)
