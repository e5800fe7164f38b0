"""Bundles for the features of live channels: a network without training, for whatever names a channel has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dsp.channel_extractor import channel_extractor
from dsp.extractor import EXTRACTOR_VERSION
from dsp.framing import trend_window_samples
from dsp.log_spectrum import LOG_SPECTRUM_VERSION, log_spectrum_extractor
from models.baseline import FeatureScale
from models.bundle import Bundle
from models.feature_words import scale_of
from models.training.rows import Stretch, training_rows
from tests.fakes.linear_bundle import linear_bundle, temporal_bundle


def level_names(sample_rate_hz: float, unit: str = "m/s2") -> tuple[str, ...]:
    """Names of what windows of such a channel are scored by."""
    return channel_extractor(sample_rate_hz, trend_window_samples(sample_rate_hz), unit).level_names


def spectrum_names(sample_rate_hz: float, unit: str = "m/s2") -> tuple[str, ...]:
    """Names of the fine bands of such a channel's log spectra."""
    return log_spectrum_extractor(sample_rate_hz, trend_window_samples(sample_rate_hz), unit).names


def trend_bundle(
    sample_rate_hz: float,
    version: str = "",
    seed: int = 3,
    temporal: bool = False,
    log_spectrum: bool = False,
) -> Bundle:
    """A float network for `numpy_reference` on the features, or log spectra, of a channel of this rate."""
    names = (spectrum_names if log_spectrum else level_names)(sample_rate_hz)
    extractor_version = LOG_SPECTRUM_VERSION if log_spectrum else EXTRACTOR_VERSION
    random = np.random.default_rng(seed)
    levels = np.array([scale_of(name) is FeatureScale.LEVEL for name in names])
    decibels = 1.5 * random.standard_normal((400, 1)) + 0.8 * random.standard_normal((400, len(names)))
    values = np.where(levels, 10.0 ** (decibels / 20.0), -30.0 + decibels)
    made = (temporal_bundle if temporal else linear_bundle)(
        training_rows(
            names, extractor_version, [Stretch(values.astype(np.float32), "drawn")], "drawn at random"
        )
    )
    return made if not version else Bundle(replace(made.manifest, version=version), made.files)
