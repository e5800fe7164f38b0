"""What every engine of the window features must do, on made and on real recordings."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.extractor import FeatureExtractor
from dsp.framing import WindowBatch
from dsp.samples import Quality
from dsp.window_extractor import WINDOW_EXTRACTOR, Engine, WindowExtractor
from dsp.window_parameters import HOP_SAMPLES, WINDOW_SAMPLES, WindowParameters
from tests.dsp.lanes.recording_windows import recordings
from tests.dsp.lanes.window_signals import RATE_HZ, bearing, parameters_at
from tests.oracles import window_features as oracle

LIMIT = 5e-6
PARAMETERS = parameters_at()


def batch_of(samples: np.ndarray, rate_hz: float = RATE_HZ) -> WindowBatch:
    n = len(samples)
    return WindowBatch(
        channel_ids=tuple(f"channel-{i}" for i in range(n)),
        start_ns=tuple(1_000 * i for i in range(n)),
        sample_rate_hz=(rate_hz,) * n,
        samples=samples.astype(np.float32),
        qualities=(Quality.UNCERTAIN,) * n,
        operating_states=("loaded",) * n,
    )


@pytest.fixture(params=Engine, ids=str)
def extractor(request: pytest.FixtureRequest) -> WindowExtractor:
    return WindowExtractor(PARAMETERS, request.param)


def values_of(extractor: FeatureExtractor, batch: WindowBatch) -> np.ndarray:
    return np.array([vector.values for vector in extractor.extract(batch)])


def test_its_values_are_the_specification(extractor: WindowExtractor) -> None:
    windows = bearing(19).astype(np.float32)
    wanted = np.array([oracle.features(x, PARAMETERS) for x in windows])
    assert oracle.errors(values_of(extractor, batch_of(windows)), wanted, PARAMETERS.names).max() <= LIMIT


def test_a_vector_says_whose_when_and_how(extractor: WindowExtractor) -> None:
    vectors = extractor.extract(batch_of(bearing(3)))
    assert [v.channel_id for v in vectors] == ["channel-0", "channel-1", "channel-2"]
    assert [v.start_ns for v in vectors] == [0, 1_000, 2_000]
    for vector in vectors:
        assert vector.duration_s == WINDOW_SAMPLES / RATE_HZ
        assert vector.names == extractor.names == PARAMETERS.names
        assert vector.values.dtype == np.float32
        assert vector.values.shape == (len(PARAMETERS.names),)
        assert (vector.operating_state, vector.quality) == ("loaded", Quality.UNCERTAIN)
        version, text = vector.extractor_version.split(" ", 1)
        assert version == WINDOW_EXTRACTOR
        assert WindowParameters.from_text(text) == PARAMETERS


def test_no_window_gives_no_vector(extractor: WindowExtractor) -> None:
    assert extractor.extract(batch_of(np.empty((0, WINDOW_SAMPLES)))) == []


def test_windows_that_cannot_be_stated(extractor: WindowExtractor) -> None:
    windows = bearing(5).astype(np.float32)
    clean = values_of(extractor, batch_of(windows))
    windows[1, 7] = np.nan
    windows[2] = 0.0
    windows[3] = np.float32(0.1)
    found = values_of(extractor, batch_of(windows))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 4]], clean[[0, 4]])
    of = dict(zip(PARAMETERS.names, found[2:4].T, strict=True))
    assert (of["rms_mps2"] == np.array([0.0, 0.1], np.float32)).all()
    for name in ("skewness", "kurtosis", "centroid_hz", "spread_hz", "entropy", "envelope_bpfo"):
        assert np.isnan(of[name]).all(), name
    for name in ("density_rms_mps2", "band_7_rms_mps2", "velocity_rms_mm_s", "peak_1_hz", "peak_1_density"):
        assert (of[name] == 0.0).all(), name
    assert np.isnan(of["crest_factor"][0])
    assert of["crest_factor"][1] == pytest.approx(1.0, rel=2e-6)


@pytest.mark.parametrize("engine", Engine, ids=str)
def test_without_faults_the_other_features_are_the_same(engine: str) -> None:
    faultless = dataclasses.replace(PARAMETERS, fault_frequencies_hz=())
    assert WindowParameters.from_text(faultless.text) == faultless
    windows = batch_of(bearing(3).astype(np.float32))
    whole, without = (WindowExtractor(made, engine) for made in (PARAMETERS, faultless))
    kept = [i for i, name in enumerate(whole.names) if not name.startswith("envelope_")]
    assert without.names == tuple(whole.names[i] for i in kept)
    np.testing.assert_array_equal(values_of(without, windows), values_of(whole, windows)[:, kept])


def test_what_does_not_fit_is_refused(extractor: WindowExtractor) -> None:
    with pytest.raises(DspError, match="shape"):
        extractor.extract(batch_of(np.zeros((2, 4096))))
    with pytest.raises(DspError, match="'channel-0' has a rate of 25700"):
        extractor.extract(batch_of(bearing(1), 25_700.0))
    with pytest.raises(DspError, match="'lanes' or 'scipy'"):
        WindowExtractor(PARAMETERS, "gpu")


def test_threads_may_share_it(extractor: WindowExtractor) -> None:
    windows = bearing(64)
    alone = values_of(extractor, batch_of(windows))
    found: list[np.ndarray] = [np.empty(0)] * 4

    def work(i: int) -> None:
        found[i] = values_of(extractor, batch_of(windows))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in found:
        np.testing.assert_array_equal(values, alone)


@pytest.mark.realdata
def test_both_engines_agree_on_every_recording(data_dir: Path) -> None:
    seen = 0
    for name, rate_hz, samples in recordings(data_dir):
        parameters = parameters_at(rate_hz)
        starts = np.arange(0, samples.shape[1] - WINDOW_SAMPLES + 1, HOP_SAMPLES)[:6]
        windows = np.array([x[s : s + WINDOW_SAMPLES] for x in samples for s in starts], np.float32)
        batch = batch_of(windows, rate_hz)
        lanes, scipy = (values_of(WindowExtractor(parameters, engine), batch) for engine in Engine)
        errors = oracle.errors(lanes, scipy.astype(np.float64), parameters.names).max(axis=0)
        for feature, error in zip(parameters.names, errors, strict=True):
            # a tone within the demodulation band costs the scores a digit (`dsp/lanes/README.md`)
            limit = 5e-5 if feature.startswith("envelope_") else LIMIT
            assert error <= limit, f"{name}: {feature} differs by {error:.2g}"
        seen += len(windows)
    assert seen > 500
