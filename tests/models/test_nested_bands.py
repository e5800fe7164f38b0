"""Fine levels add up to their bands', and each finds its band by name."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.extractor import TrendExtractor
from dsp.framing import trend_window_samples
from dsp.log_spectrum import LogSpectrumExtractor
from models.errors import TensorError
from models.nested_bands import parents_of, summed_db


def test_two_equal_parts_are_three_decibels_more_and_holes_stay_holes() -> None:
    levels = np.array([[-20.0, -20.0, -7.0], [0.0, np.nan, -200.0]])
    found = summed_db(levels, (0, 0, 2), 3)
    assert found[0, [0, 2]] == pytest.approx([-16.9897, -7.0], abs=1e-4)
    assert np.isnan(found[:, 1]).all()  # a band without parts
    assert np.isnan(found[1, 0])
    assert found[1, 2] == -200.0


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 12_000.0, 25_600.0, 48_828.0])
def test_names_tell_what_the_extractors_cut(rate_hz: float) -> None:
    n = trend_window_samples(rate_hz)
    fine, trend = LogSpectrumExtractor(rate_hz, n, "m/s2"), TrendExtractor(rate_hz, n, "m/s2")
    first = len(trend.names) - len(trend.bands)
    assert parents_of(fine.names, trend.names) == tuple(first + parent for parent in fine.parents)


def test_a_band_in_no_other_is_named() -> None:
    with pytest.raises(TensorError, match="band_10_20_hz_db lies in no band"):
        parents_of(("band_10_20_hz_db",), ("rms_mps2", "band_20_30_hz_db"))
    with pytest.raises(TensorError, match="rms_mps2 lies in no band"):
        parents_of(("rms_mps2",), ("band_20_30_hz_db",))
