"""The product's vector: the levels, and the figures of a window's hops by either engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dsp.channel_extractor import CHANNEL_EXTRACTOR, ChannelExtractor, channel_extractor, hop_starts
from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION, TrendExtractor, label_of, unit_of
from dsp.framing import WindowBatch, trend_window_samples
from dsp.hop_figures import LINE_NAMES
from dsp.window_extractor import Engine
from dsp.window_parameters import WINDOW_SAMPLES
from tests.dsp.lanes.recording_windows import recordings
from tests.dsp.test_extractor import batch_of, machine_like, pattern_of
from tests.oracles.hop_figures import figures

RATE_HZ = 25_600.0
LENGTH = 32_768
README = (Path(__file__).parents[2] / "dsp" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(params=Engine, ids=str)
def extractor(request: pytest.FixtureRequest) -> ChannelExtractor:
    return ChannelExtractor(RATE_HZ, LENGTH, "m/s2", request.param)


def found_in(extractor: ChannelExtractor, batch: WindowBatch) -> Iterator[dict[str, float]]:
    for vector in extractor.extract(batch):
        yield dict(zip(vector.names, vector.values.tolist(), strict=True))


def noise(n_windows: int, n: int = LENGTH) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 1.0, (n_windows, n))


@pytest.mark.parametrize(("rate_hz", "length"), [(25_600.0, 32_768), (6_400.0, 8_192), (48_828.0, 65_536)])
@pytest.mark.parametrize("engine", Engine, ids=str)
def test_figures_of_hops_are_those_of_the_window(rate_hz: float, length: int, engine: str) -> None:
    extractor = ChannelExtractor(rate_hz, length, "m/s2", engine)
    assert extractor.hop_parameters is not None
    samples = machine_like(rate_hz, length, 3).astype(np.float32)
    for x, found in zip(samples, found_in(extractor, batch_of(samples, rate_hz)), strict=True):
        wanted = figures(x, extractor.hop_parameters, hop_starts(length))
        sixteenths = [name for name in found if name.endswith("_hz_rms_mps2")][-16:]
        for name, value in wanted.items():
            of = sixteenths[int(name.split()[1])] if name.startswith("band ") else name
            # what is read off the moments of many samples, in float32, and added up again
            assert found[of] == pytest.approx(value, rel=5e-5, abs=2e-6), of


def test_the_levels_are_those_of_the_trend_extractor(extractor: ChannelExtractor) -> None:
    batch = batch_of(machine_like(RATE_HZ, LENGTH, 1), RATE_HZ)
    plain = TrendExtractor(RATE_HZ, LENGTH, "m/s2").extract(batch)
    for vector, level in zip(extractor.extract(batch), plain, strict=True):
        part = extractor.levels_of(vector)
        assert (part.names, part.extractor_version) == (level.names, EXTRACTOR_VERSION)
        np.testing.assert_array_equal(part.values, level.values)
        assert vector.names[: len(part.names)] == part.names
        assert len(set(vector.names)) == len(vector.names) == len(vector.values)
        assert vector.extractor_version == f"{CHANNEL_EXTRACTOR} rate=25600.0 window=32768 unit=m/s2"


def test_lines_are_found_once_and_in_order(extractor: ChannelExtractor) -> None:
    t = np.arange(LENGTH) / RATE_HZ
    tones = ((1_000.0, 2.0), (3_456.0, 1.0), (7_003.1, 0.5))
    x = sum(height * np.sin(2 * np.pi * hz * t) for hz, height in tones) + 0.01 * noise(1)[0]
    (found,) = found_in(extractor, batch_of(x[np.newaxis], RATE_HZ))
    for i, (hz, height) in enumerate(tones, 1):
        assert found[f"line_{i}_hz"] == pytest.approx(hz, abs=0.4)
        assert found[f"line_{i}_rms_mps2"] == pytest.approx(height / np.sqrt(2.0), rel=0.1)
    assert found["line_4_rms_mps2"] < 0.01


def test_a_line_of_one_hop_counts_for_a_quarter_of_its_power(extractor: ChannelExtractor) -> None:
    t = np.arange(LENGTH) / RATE_HZ
    whole, short = np.sin(2 * np.pi * 1_000.0 * t), np.sin(2 * np.pi * 4_000.0 * t)
    short[WINDOW_SAMPLES:] = 0.0
    (found,) = found_in(extractor, batch_of((whole + 1.5 * short)[np.newaxis], RATE_HZ))
    assert found["line_1_hz"] == pytest.approx(1_000.0, abs=0.4)
    assert found["line_2_hz"] == pytest.approx(4_000.0, abs=0.4)
    assert found["line_2_rms_mps2"] / found["line_1_rms_mps2"] == pytest.approx(0.75, rel=0.02)


def test_a_sensor_that_runs_five_percent_fast_has_true_frequencies(extractor: ChannelExtractor) -> None:
    rate_hz = 1.05 * RATE_HZ
    x = np.sin(2 * np.pi * 2_000.0 * np.arange(LENGTH) / rate_hz)
    (found,) = found_in(extractor, batch_of(x[np.newaxis], rate_hz))
    assert found["line_1_hz"] == pytest.approx(2_000.0, abs=0.4)
    assert found["centroid_hz"] == pytest.approx(2_000.0, abs=1.0)
    assert found["zero_crossing_rate_hz"] == pytest.approx(4_000.0, rel=0.002)


def test_the_level_of_a_line_does_not_follow_the_rate(extractor: ChannelExtractor) -> None:
    levels = []
    for rate_hz in (RATE_HZ, 1.05 * RATE_HZ):
        x = np.sin(2 * np.pi * 0.125 * np.arange(LENGTH))
        (found,) = found_in(extractor, batch_of(x[np.newaxis], rate_hz))
        levels.append(found["line_1_rms_mps2"])
    assert levels[0] == pytest.approx(levels[1]) == pytest.approx(np.sqrt(0.5), rel=0.1)


def test_windows_that_cannot_be_stated_do_not_touch_their_neighbours(extractor: ChannelExtractor) -> None:
    windows = noise(5).astype(np.float32)
    clean = extractor.extract(batch_of(windows, RATE_HZ))
    windows[1, 20_000] = np.nan
    windows[2] = 9.75
    windows[3, :WINDOW_SAMPLES] = windows[3, WINDOW_SAMPLES:].mean()  # a hop without vibration
    found = extractor.extract(batch_of(windows, RATE_HZ))
    assert np.isnan(found[1].values).all()
    constant = dict(zip(found[2].names, found[2].values.tolist(), strict=True))
    assert constant["mean_mps2"] == pytest.approx(9.75)
    for name in ("band_0_800_hz_rms_mps2", "high_frequency_peak_mps2", "line_1_hz", "line_1_rms_mps2"):
        assert constant[name] == 0.0, name
    for name in ("shape_factor", "impulse_factor", "clearance_factor", "centroid_hz", "spread_hz", "entropy"):
        assert np.isnan(constant[name]), name
    assert np.isfinite(found[3].values).all()
    for i in (0, 4):
        np.testing.assert_array_equal(found[i].values, clean[i].values)


def test_hops_fill_windows_of_any_length() -> None:
    assert hop_starts(8_192) == (0,)
    assert hop_starts(32_768) == (0, 8_192, 16_384, 24_576)
    assert hop_starts(20_000) == (0, 5_904, 11_808)


@pytest.mark.parametrize(
    ("rate_hz", "length", "unit"),
    [(25_600.0, 2_560, "m/s2"), (25_600.0, 32_768, "1"), (2e6, 2_097_152, "m/s2")],
    ids=["short", "unknown unit", "fast"],
)
@pytest.mark.parametrize("engine", Engine, ids=str)
def test_what_the_window_engine_does_not_serve_has_its_levels(
    rate_hz: float, length: int, unit: str, engine: str
) -> None:
    extractor = ChannelExtractor(rate_hz, length, unit, engine)
    assert extractor.names == extractor.level_names == TrendExtractor(rate_hz, length, unit).names
    extractor.warm_up()
    (vector,) = extractor.extract(batch_of(noise(1, length), rate_hz))
    assert np.isfinite(vector.values[:6]).all()
    assert vector.extractor_version == f"{CHANNEL_EXTRACTOR} rate={rate_hz!r} window={length} unit={unit}"


@pytest.mark.parametrize("rate_hz", [25_600.0, 12_000.0, 6_400.0, 6_667.0, 97_656.0])
def test_every_feature_has_a_row_a_unit_and_a_label(rate_hz: float) -> None:
    names = ChannelExtractor(rate_hz, max(8192, trend_window_samples(rate_hz)), "m/s2").names
    documented = README.split("## Features of a window")[1]
    for name in names:
        pattern = re.sub(r"^line_\d", "line_N", pattern_of(name))
        assert f"`{pattern}`" in documented, f"dsp/README.md has no row for {pattern}"
        assert "_" not in label_of(name) and not label_of(name).endswith((" hz", "mps2")), label_of(name)
        assert (unit_of(name) == "Hz") == name.endswith("_hz"), name
    assert LINE_NAMES.issubset(names)


def test_one_extractor_serves_all_channels_of_a_kind() -> None:
    assert channel_extractor(RATE_HZ, LENGTH, "m/s2") is channel_extractor(RATE_HZ, LENGTH, "m/s2")
    assert channel_extractor(RATE_HZ, LENGTH, "m/s2", "scipy") is not channel_extractor(
        RATE_HZ, LENGTH, "m/s2"
    )


@pytest.mark.parametrize("unit", ["m/s2", "1"])
def test_an_unknown_engine_is_refused(unit: str) -> None:
    with pytest.raises(DspError, match="'lanes' or 'scipy'"):
        ChannelExtractor(RATE_HZ, LENGTH, unit, "gpu")


@pytest.mark.realdata
def test_both_engines_agree_on_recordings(data_dir: Path) -> None:
    seen = 0
    for name, rate_hz, samples in recordings(data_dir):
        length = trend_window_samples(rate_hz)
        if length < WINDOW_SAMPLES or samples.shape[1] < length:
            continue
        batch = batch_of(samples[:, :length], rate_hz)
        vectors = (ChannelExtractor(rate_hz, length, "m/s2", engine).extract(batch) for engine in Engine)
        for lanes, scipy in zip(*vectors, strict=True):
            for i, feature in enumerate(lanes.names):
                if feature in LINE_NAMES:
                    continue  # of two lines that are nearly as strong, either may come first
                assert lanes.values[i] == pytest.approx(scipy.values[i], rel=5e-5, abs=1e-5), (name, feature)
            seen += 1
    assert seen > 50
