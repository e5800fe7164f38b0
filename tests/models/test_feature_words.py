"""Every name that the extractor gives is understood."""

from __future__ import annotations

import pytest

from dsp.channel_extractor import ChannelExtractor
from dsp.extractor import TrendExtractor
from models.baseline import FeatureScale
from models.feature_words import scale_of, words_of


@pytest.mark.parametrize(
    ("rate_hz", "samples", "unit"),
    [(25_600.0, 32_768, "m/s2"), (12_000.0, 16_384, "1"), (25_600.0, 2560, "1")],
)
def test_all_levels_are_scored(rate_hz: float, samples: int, unit: str) -> None:
    names = TrendExtractor(rate_hz, samples, unit).names
    scored = [name for name in names if scale_of(name) is not FeatureScale.UNUSED]
    bands = [name for name in names if name.endswith("_hz_db")]
    assert len(bands) >= 12
    assert set(bands) < set(scored)
    assert "velocity_rms_mm_s" in scored
    assert len(scored) == len(bands) + 3  # overall level, high band's level, velocity
    assert len({words_of(name) for name in bands}) == len(bands)


def test_every_feature_of_the_product_has_words() -> None:
    names = ChannelExtractor(25_600.0, 32_768, "m/s2").names
    assert not [name for name in names if "_" in words_of(name) or words_of(name).endswith((" hz", "mps2"))]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("band_2000_4000_hz_db", "band 2-4 kHz"),
        ("band_2500_11520_hz_rms_mps2", "band 2.5-11.5 kHz"),
        ("band_31.5_63_hz_db", "band 31.5-63 Hz"),
        ("band_630_1000_hz_db", "band 630 Hz-1 kHz"),
        ("velocity_rms_mm_s", "velocity 10-1000 Hz"),
        ("rms", "overall level"),
        ("crest_factor", "crest factor"),
        ("peak_to_peak_mps2", "peak to peak"),
        ("zero_crossing_rate_hz", "zero crossings per second"),
        ("high_frequency_peak_mps2", "high frequency peak"),
        ("line_3_hz", "frequency of line 3"),
        ("line_3_rms_mps2", "level of line 3"),
    ],
)
def test_words(name: str, words: str) -> None:
    assert words_of(name) == words
