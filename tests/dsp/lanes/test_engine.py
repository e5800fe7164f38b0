"""The lane engine against the slow specification: batches, streams, both layouts, odd and extreme input."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import DspError
from dsp.lanes import stream as stream_module
from dsp.lanes import window_kernels
from dsp.lanes.engine import LaneEngine
from dsp.lanes.vector import LANES
from dsp.window_parameters import HOP_SAMPLES, WINDOW_SAMPLES, WindowParameters
from tests.dsp.lanes.window_signals import NOISE_RMS, RATE_HZ, bearing, parameters_at
from tests.oracles import window_features as oracle

PARAMETERS = parameters_at()
NAMES = PARAMETERS.names
LIMIT = 5e-6


@pytest.fixture(scope="module")
def engine() -> LaneEngine:
    return LaneEngine(PARAMETERS)


def specified(windows: np.ndarray, parameters: WindowParameters = PARAMETERS) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([oracle.features(x, parameters) for x in windows])


def agree(ours: np.ndarray, windows: np.ndarray, limit: float = LIMIT, **limits: float) -> None:
    """Every feature within `limit`; `limits` by the beginning of a name."""
    found = oracle.errors(ours, specified(windows), NAMES).max(axis=0)
    for name, error in zip(NAMES, found, strict=True):
        allowed = next((limits[start] for start in limits if name.startswith(start)), limit)
        assert error <= allowed, f"{name}: {error:.2g} > {allowed:.2g}"


@pytest.mark.parametrize("n_windows", [1, 3, LANES, LANES + 1, 2 * LANES + 5])
def test_a_batch_of_any_size_is_the_specification(engine: LaneEngine, n_windows: int) -> None:
    windows = bearing(n_windows).astype(np.float32)
    agree(engine.batch(windows), windows)


def test_no_window_gives_no_features(engine: LaneEngine) -> None:
    assert engine.batch(np.empty((0, WINDOW_SAMPLES), np.float32)).shape == (0, len(NAMES))


def test_counts_of_a_converter_are_scaled(engine: LaneEngine) -> None:
    counts = (bearing(LANES + 2) * 8000).astype(np.int16)
    counts[0, :4] = [-32768, 32767, -1, 0]
    scale = np.float32(9.81 / 8192)
    agree(engine.batch(counts, float(scale)), counts * np.float64(scale))


@pytest.mark.parametrize("rms", [1.0, 0.01])
def test_a_bias_of_ten_thousand_times_the_signal_costs_nothing(engine: LaneEngine, rms: float) -> None:
    x = bearing(LANES)
    x *= rms / x.std(axis=1, keepdims=True)
    windows = (x + 1e4 * rms).astype(np.float32)
    agree(engine.batch(windows), windows)


@pytest.mark.parametrize("tone_hz", [1234.5, 5000.3, 9000.0])
def test_a_tone_eighty_decibels_above_the_floor(engine: LaneEngine, tone_hz: float) -> None:
    """Above the RMS of the noise, that is. Lower peaks lie in the rounding of the tone and are left out."""
    t = np.arange(WINDOW_SAMPLES) / RATE_HZ
    tone = 1e4 * NOISE_RMS * np.sin(2 * np.pi * tone_hz * t)
    windows = (bearing(LANES) + tone).astype(np.float32)
    found = engine.batch(windows)
    agree(found, windows, peak_1_=LIMIT, peak_=np.inf, envelope_=5e-3, high_=5e-4, velocity=1e-4)
    bands = [i for i, name in enumerate(NAMES) if name.startswith("band_")]
    wanted = specified(windows)[:, bands]
    assert np.max(np.abs(found[:, bands] / wanted - 1.0)) <= 5e-4  # each against itself


@settings(max_examples=25, deadline=None)
@given(
    exponents=st.lists(st.floats(-6.0, 6.0), min_size=LANES, max_size=LANES),
    bias=st.floats(-100.0, 100.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_unit_does_not_matter(exponents: list[float], bias: float, seed: int) -> None:
    amplitude = 10.0 ** np.array(exponents)[:, np.newaxis]
    windows = (amplitude * (bearing(LANES, seed=seed) + bias)).astype(np.float32)
    agree(LaneEngine(PARAMETERS).batch(windows), windows)


@pytest.mark.parametrize("n_channels", [1, 3, LANES, 2 * LANES + 3])
@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_a_stream_is_its_windows(engine: LaneEngine, n_channels: int, kind: type) -> None:
    n_hops = 7
    signal = bearing(n_channels, n_hops * HOP_SAMPLES)
    samples = signal.astype(np.float32) if kind is np.float32 else (signal * 8000).astype(np.int16)
    scale = 1.0 if kind is np.float32 else 0.5
    stream = engine.stream(n_channels)
    assert stream.side_by_side == (2 * n_channels <= LANES)
    cuts = [0, 1, 2, 2, 5, 7]  # hops: one alone, one more, none, several
    parts = [
        stream.push(np.ascontiguousarray(samples[:, a * HOP_SAMPLES : b * HOP_SAMPLES]), scale)
        for a, b in pairwise(cuts)
    ]
    assert [len(part) for part in parts] == [0, 1, 0, 3, 2]
    windows = [
        samples[c, h * HOP_SAMPLES :][:WINDOW_SAMPLES] * np.float64(scale)
        for h in range(n_hops - 1)
        for c in range(n_channels)
    ]
    agree(np.concatenate(parts).reshape(-1, len(NAMES)), np.array(windows))


def test_a_reset_stream_begins_anew(engine: LaneEngine) -> None:
    for n_channels in (1, LANES):
        samples = bearing(n_channels, 2 * WINDOW_SAMPLES).astype(np.float32)
        stream = engine.stream(n_channels)
        first = stream.push(np.ascontiguousarray(samples[:, :WINDOW_SAMPLES]))
        stream.push(np.ascontiguousarray(samples[:, WINDOW_SAMPLES:]))
        stream.reset()
        again = stream.push(np.ascontiguousarray(samples[:, :WINDOW_SAMPLES]))
        np.testing.assert_array_equal(first, again)


def test_a_leap_between_two_halves_is_kept_out_of_the_next(engine: LaneEngine) -> None:
    """A quiet half shares windows and transforms with one a million times louder, and with a shift."""
    samples = bearing(LANES, 6 * HOP_SAMPLES)
    samples[:, HOP_SAMPLES : 2 * HOP_SAMPLES] *= 1e6
    samples[:, 4 * HOP_SAMPLES :] += 1e4
    samples = samples.astype(np.float32)
    found = engine.stream(LANES).push(samples)
    for hop in (2, 4):
        windows = samples[:, hop * HOP_SAMPLES :][:, :WINDOW_SAMPLES]
        agree(found[hop], windows)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e31])
@pytest.mark.parametrize("place", [0, HOP_SAMPLES - 1, HOP_SAMPLES, WINDOW_SAMPLES - 1])
def test_a_lane_of_not_a_number_spoils_itself_alone(engine: LaneEngine, bad: float, place: int) -> None:
    windows = bearing(LANES).astype(np.float32)
    clean = engine.batch(windows)
    windows[3, place] = bad
    spoilt = engine.batch(windows)
    assert np.isnan(spoilt[3]).all()
    others = np.arange(LANES) != 3
    np.testing.assert_array_equal(spoilt[others], clean[others])


def test_a_stream_recovers_from_not_a_number(engine: LaneEngine) -> None:
    samples = bearing(LANES, 5 * HOP_SAMPLES).astype(np.float32)
    clean = engine.stream(LANES).push(samples)
    samples[2, HOP_SAMPLES + 100] = np.nan
    spoilt = engine.stream(LANES).push(samples)
    assert np.isnan(spoilt[:2, 2]).all()
    np.testing.assert_allclose(spoilt[2:], clean[2:], rtol=1e-6, atol=1e-7)
    others = np.arange(LANES) != 2
    np.testing.assert_array_equal(spoilt[:, others], clean[:, others])


def test_silence_a_constant_and_a_clipped_window(engine: LaneEngine) -> None:
    windows = np.zeros((4, WINDOW_SAMPLES), np.float32)
    windows[1] = 9.80665
    windows[2] = np.clip(3.0 * bearing(1)[0], -1.0, 1.0)
    windows[3, 4000] = 1.0  # one impulse
    found = dict(zip(NAMES, engine.batch(windows).T, strict=True))
    agree(engine.batch(windows)[2:3], windows[2:3])
    agree(engine.batch(windows)[3:], windows[3:], peak_=np.inf)  # its density is flat: no line is a peak
    for i, value in ((0, 0.0), (1, np.float32(9.80665))):
        assert found["mean_mps2"][i] == found["rms_mps2"][i] == found["peak_mps2"][i] == value
        for name in NAMES:
            if name.startswith(("band_", "peak_1_", "peak_8_", "density_", "velocity", "high_", "zero_")):
                assert found[name][i] == 0.0, name
            if name.startswith(("skew", "kurt", "centroid", "spread", "entropy", "envelope_")):
                assert np.isnan(found[name][i]), name
    ratios = ("crest_factor", "shape_factor", "impulse_factor", "clearance_factor")
    assert all(np.isnan(found[name][0]) for name in ratios)
    assert all(found[name][1] == pytest.approx(1.0, rel=2e-6) for name in ratios)


def test_fewer_than_eight_peaks_leave_zeros(engine: LaneEngine) -> None:
    """Few, far between, and steep: a window of Hann bumps has a density with few maxima."""
    n = np.arange(WINDOW_SAMPLES)
    windows = np.array([np.exp(-0.5 * ((n - 4096) / 40.0) ** 2)], np.float32)
    found = dict(zip(NAMES, engine.batch(windows)[0], strict=True))
    heights = [found[f"peak_{i}_density"] for i in range(1, 9)]
    frequencies = [found[f"peak_{i}_hz"] for i in range(1, 9)]
    assert heights == sorted(heights, reverse=True)
    assert all((h == 0.0) == (f == 0.0) for h, f in zip(heights, frequencies, strict=True))
    falling = np.cumsum(np.ones((1, WINDOW_SAMPLES), np.float32), axis=1)
    assert engine.batch(falling)[0, NAMES.index("peak_8_hz")] >= 0.0


@pytest.mark.parametrize("rate_hz", [50.0, 1000.0, 12_000.0, 48_828.125, 1e6])
def test_other_rates(rate_hz: float) -> None:
    parameters = parameters_at(rate_hz)
    windows = bearing(3).astype(np.float32)
    found = oracle.errors(LaneEngine(parameters).batch(windows), specified(windows, parameters), NAMES)
    assert found.max() <= LIMIT, NAMES[int(found.max(axis=0).argmax())]


@pytest.mark.parametrize(
    "changed",
    [
        {"demodulation_band_hz": (500.0, 12_000.0), "envelope_limit_hz": 950.0},  # the larger transform
        {"demodulation_band_hz": (10_000.0, 12_796.0)},
        {"demodulation_band_hz": (3.2, 1010.0), "envelope_limit_hz": 1000.0},
        {"n_harmonics": 1, "tolerance": 0.0, "envelope_limit_hz": 2345.0},
        {"fault_frequencies_hz": (("only", 95.0),), "n_harmonics": 10},
        {"fault_frequencies_hz": tuple((f"f{i}", 20.0 + 13.0 * i) for i in range(8))},
    ],
)
def test_other_parameters(changed: dict[str, object]) -> None:
    parameters = parameters_at(**changed)
    windows = bearing(LANES).astype(np.float32)
    found = LaneEngine(parameters).batch(windows)
    error = oracle.errors(found, specified(windows, parameters), parameters.names)
    assert error.max() <= LIMIT, parameters.names[int(error.max(axis=0).argmax())]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"demodulation_band_hz": (0.0, 8000.0)}, "must rise and lie between"),
        ({"demodulation_band_hz": (2000.0, 12_800.0)}, "must rise and lie between"),
        ({"demodulation_band_hz": (2000.0, 2900.0)}, "less than the demodulation band is wide"),
        ({"demodulation_band_hz": (100.0, 12_700.0)}, "together span"),
        ({"envelope_limit_hz": 500.0}, "raise envelope_limit_hz"),
        ({"n_harmonics": 0}, "n_harmonics"),
        ({"tolerance": 0.2}, "tolerance"),
        ({"fault_frequencies_hz": (("bpfo", 100.0),) * 9}, "0 to 8"),
        ({"fault_frequencies_hz": (("bpfo", 0.0),)}, "bpfo"),
        ({"sample_rate_hz": 5.0}, "sample_rate_hz"),
    ],
)
def test_parameters_out_of_bounds_are_refused(changed: dict[str, object], said: str) -> None:
    base = {name: getattr(PARAMETERS, name) for name in WindowParameters.__slots__}
    with pytest.raises(DspError, match=said):
        WindowParameters(**(base | changed))  # type: ignore[arg-type]


def test_after_a_warm_up_nothing_is_compiled_on_the_hot_path() -> None:
    engine = LaneEngine(PARAMETERS)
    engine.warm_up()
    kernels = (window_kernels.batch, stream_module.stream)
    before = [len(kernel.signatures) for kernel in kernels]
    floats = bearing(LANES, 3 * HOP_SAMPLES).astype(np.float32)
    counts = (floats * 100).astype(np.int16)
    counts.flags.writeable = False
    wide = LaneEngine(parameters_at(demodulation_band_hz=(500.0, 12_000.0), envelope_limit_hz=950.0))
    for made in (engine, wide):
        for samples in (floats, counts, floats[:, ::-1]):
            made.batch(samples[:, :WINDOW_SAMPLES], 2)
            made.stream(LANES).push(samples)
            made.stream(2).push(samples[:2])
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_wrong_samples_are_refused(engine: LaneEngine) -> None:
    with pytest.raises(DspError, match="float64"):
        engine.batch(np.zeros((1, WINDOW_SAMPLES)))  # type: ignore[arg-type]
    with pytest.raises(DspError, match="8000 samples"):
        engine.batch(np.zeros((1, 8000), np.float32))
    with pytest.raises(DspError, match="dimensions"):
        engine.batch(np.zeros(WINDOW_SAMPLES, np.float32))
    with pytest.raises(DspError, match="starts at"):
        engine.windows_at(np.zeros(WINDOW_SAMPLES, np.float32), np.array([1]))
    with pytest.raises(DspError, match="multiple of 4096"):
        engine.stream(3).push(np.zeros((3, 4000), np.float32))
    with pytest.raises(DspError, match="at least one"):
        engine.stream(0)
    stream = engine.stream(2)
    stream.push(np.zeros((2, HOP_SAMPLES), np.float32))
    with pytest.raises(DspError, match="before they were"):
        stream.push(np.zeros((2, HOP_SAMPLES), np.int16))
