"""A record's kurtogram by compiled lanes, or by the plain definition where lanes cannot state it.

Duty: which of the two computes, and how much of a record counts. Both give the same bands and, within
rounding, the same figures (`dsp.lanes.README`); the plain one is the specification.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from dsp.kurtogram import WINDOW_SAMPLES, Kurtogram, checked_level, kurtogram
from dsp.lanes.ingest import LARGEST
from dsp.lanes.kurtogram import LaneKurtogram
from dsp.samples import Float32Array

KurtogramEngine = Literal["lanes", "scipy"]
LONGEST_S = 60.0  # of a record; more says no more, and a machine does not stay the same for ever


def record_kurtogram(
    samples: Float32Array, sample_rate_hz: float, engine: KurtogramEngine = "lanes"
) -> Kurtogram | None:
    """Kurtogram of the first minute of a record `(n_samples,)`; None where there can be none.

    None below 8192 samples, and for a record that is constant or holds a sample that is no number. Magnitudes
    beyond what lanes take for a number (1e30) are the plain definition's, whatever `engine` says.
    """
    if len(samples) < WINDOW_SAMPLES:
        return None
    record = np.ascontiguousarray(samples[: max(WINDOW_SAMPLES, round(LONGEST_S * sample_rate_hz))])
    if not np.isfinite(record).all() or float(np.ptp(record)) == 0.0:
        return None
    if engine == "scipy" or record.dtype != np.float32 or float(np.abs(record).max()) > LARGEST:
        return kurtogram(record, sample_rate_hz)
    return LaneKurtogram(checked_level(record, sample_rate_hz)).kurtogram(record, sample_rate_hz)


def warm_up() -> None:
    """Compile what `record_kurtogram` calls, or load it from the cache."""
    noise = np.sin(np.arange(WINDOW_SAMPLES, dtype=np.float32))
    record_kurtogram(noise, float(WINDOW_SAMPLES))
