"""What a feature's name tells a model and a technician: its scale, and its words.

Duty: reads names as `dsp.extractor` writes them ("band_2000_2500_hz_db", "velocity_rms_mm_s"). Computes no
feature and knows no values.
"""

from __future__ import annotations

import re

from models.baseline import FeatureScale

_BAND_LEVEL = re.compile(r"band_([0-9.]+)_([0-9.]+)_hz_db")
_BAND_RMS = re.compile(r"band_([0-9.]+)_([0-9.]+)_hz_rms(_mps2)?")
_LINE = re.compile(r"line_([0-9]+)_(hz|rms_mps2)")
_WORDS = {
    "mean": "bias",
    "zero_crossing_rate": "zero crossings per second",
    "centroid": "spectral centroid",
    "spread": "spectral spread",
    "entropy": "spectral entropy",
}


def scale_of(feature_name: str) -> FeatureScale:
    """How a feature takes part in the anomaly score.

    Levels only: those of bands, of the high band and of the whole signal, and velocity. Ratios (crest factor,
    skewness, kurtosis) and peaks follow single impacts, a dropped tool among them: scored, they cost false
    events on run-to-failure recordings and found nothing earlier (the figures stand in models/README.md).
    """
    if _BAND_LEVEL.fullmatch(feature_name):
        return FeatureScale.DECIBEL
    if _BAND_RMS.fullmatch(feature_name) or feature_name in ("rms", "rms_mps2", "velocity_rms_mm_s"):
        return FeatureScale.LEVEL
    return FeatureScale.UNUSED


def band_edges_hz(feature_name: str) -> tuple[float, float] | None:
    """Lower and upper edge of a band level's band; None for any other feature."""
    match = _BAND_LEVEL.fullmatch(feature_name)
    return None if match is None else (float(match[1]), float(match[2]))


def words_of(feature_name: str) -> str:
    """A feature in a technician's words: "band 2-2.5 kHz", "velocity 10-1000 Hz", "overall level"."""
    if match := _BAND_LEVEL.fullmatch(feature_name) or _BAND_RMS.fullmatch(feature_name):
        return f"band {_span(float(match[1]), float(match[2]))}"
    if feature_name == "velocity_rms_mm_s":
        return "velocity 10-1000 Hz"
    if feature_name in ("rms", "rms_mps2"):
        return "overall level"
    if match := _LINE.fullmatch(feature_name):
        return f"{'frequency' if match[2] == 'hz' else 'level'} of line {match[1]}"
    bare = feature_name.removesuffix("_mps2").removesuffix("_db").removesuffix("_hz")
    return _WORDS.get(bare, bare.replace("_", " "))


def _span(lower_hz: float, upper_hz: float) -> str:
    if lower_hz >= 1000.0:
        return f"{lower_hz / 1000.0:.3g}-{upper_hz / 1000.0:.3g} kHz"
    if upper_hz >= 1000.0:
        return f"{lower_hz:.4g} Hz-{upper_hz / 1000.0:.3g} kHz"
    return f"{lower_hz:.4g}-{upper_hz:.4g} Hz"
