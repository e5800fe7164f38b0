"""Fine bands: cut from the level bands without a line lost, and their levels as SciPy has them."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.band_features import fine_bands, level_bands
from dsp.errors import DspError
from dsp.extractor import FeatureExtractor, TrendExtractor
from dsp.framing import trend_window_samples
from dsp.log_spectrum import LOG_SPECTRUM_VERSION, LogSpectrumExtractor, log_spectrum_extractor
from tests.dsp.test_extractor import RATES, batch_of, machine_like
from tests.oracles.trend_features import trend_features


@pytest.mark.parametrize("rate_hz", RATES)
def test_every_level_equals_scipys(rate_hz: float) -> None:
    n = trend_window_samples(rate_hz)
    extractor = LogSpectrumExtractor(rate_hz, n, "m/s2")
    samples = machine_like(rate_hz, n, seed=int(rate_hz))
    for vector, x in zip(
        extractor.extract(batch_of(samples, rate_hz)), samples.astype(np.float32), strict=True
    ):
        expected = trend_features(x, rate_hz, extractor.names)
        assert vector.values == pytest.approx([expected[name] for name in vector.names], abs=0.01)


@pytest.mark.parametrize("rate_hz", [*RATES, 3200.0, 65536.0])
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_fine_bands_nest_and_none_is_narrower_than_three_lines(rate_hz: float, share: float) -> None:
    n = int(trend_window_samples(rate_hz) * share) // 2 * 2
    coarse, extractor = level_bands(rate_hz, n), LogSpectrumExtractor(rate_hz, n, "1")
    assert len(set(extractor.names)) == len(extractor.names) == len(extractor.parents)
    for place, band in enumerate(coarse):
        own = [
            fine for fine, parent in zip(extractor.bands, extractor.parents, strict=True) if parent == place
        ]
        assert 1 <= len(own) <= 4
        lines = [line for fine in own for line in range(*fine.bins(rate_hz / n))]
        assert lines == list(range(*band.bins(rate_hz / n)))
        assert min(np.diff(fine.bins(rate_hz / n))[0] for fine in own) >= 3


def test_at_the_usual_rate_there_are_some_sixty_and_they_add_up_to_the_level_bands() -> None:
    rate_hz, n = 25_600.0, 32_768
    extractor, trend = LogSpectrumExtractor(rate_hz, n, "m/s2"), TrendExtractor(rate_hz, n, "m/s2")
    assert 55 <= len(extractor.names) <= 4 * len(trend.bands)
    batch = batch_of(machine_like(rate_hz, n, 5), rate_hz * 1.02)
    parents = np.array(extractor.parents)
    for fine, coarse in zip(extractor.extract(batch), trend.extract(batch), strict=True):
        power = np.bincount(parents, 10.0 ** (fine.values.astype(np.float64) / 10.0))
        assert 10.0 * np.log10(power) == pytest.approx(coarse.values[-len(power) :], abs=0.01)


def test_a_band_is_cut_into_equal_ratios_and_a_narrow_one_into_fewer() -> None:
    band = level_bands(25_600.0, 32_768)[-3]
    cut = fine_bands(band, 0.78125)
    ratios = [one.upper_hz / one.lower_hz for one in cut]
    assert len(cut) == 4
    assert ratios == pytest.approx([(band.upper_hz / band.lower_hz) ** 0.25] * 4, rel=1e-3)
    assert (cut[0].lower_hz, cut[-1].upper_hz) == (band.lower_hz, band.upper_hz)
    width_hz = band.upper_hz - band.lower_hz
    assert [len(fine_bands(band, width_hz / lines)) for lines in (3, 6, 8, 11, 20)] == [1, 1, 2, 3, 4]


def test_what_cannot_be_stated_is_nan_and_a_constant_window_is_far_down() -> None:
    extractor: FeatureExtractor = log_spectrum_extractor(1000.0, 1024, "1")
    samples = machine_like(1000.0, 1024, 3)
    samples[0, 77] = np.nan
    samples[1] = 9.81
    values = [vector.values for vector in extractor.extract(batch_of(samples, 1000.0))]
    assert np.isnan(values[0]).all()
    assert (values[1] == -200.0).all()
    assert np.isfinite(values[2]).all()
    assert values[2].dtype == np.float32


def test_a_vector_says_whose_it_is_and_what_does_not_fit_is_refused() -> None:
    extractor = LogSpectrumExtractor(1000.0, 1024, "m/s2")
    samples = machine_like(1000.0, 1024, 1, n_channels=200)  # more than are transformed at once
    vectors = extractor.extract(batch_of(samples, 1000.0))
    assert [vector.channel_id for vector in vectors] == [f"motor/{i}" for i in range(200)]
    assert {vector.extractor_version for vector in vectors} == {LOG_SPECTRUM_VERSION}
    assert np.array_equal(extractor.extract(batch_of(samples[199:], 1000.0))[0].values, vectors[199].values)
    with pytest.raises(DspError, match="built for 1000"):
        extractor.extract(batch_of(samples, 1100.0))
    with pytest.raises(DspError, match="even number"):
        LogSpectrumExtractor(1000.0, 1023, "m/s2")
    with pytest.raises(DspError, match="unit is 'g'"):
        LogSpectrumExtractor(1000.0, 1024, "g")
    with pytest.raises(DspError, match="64"):
        LogSpectrumExtractor(1000.0, 62, "m/s2")
