"""The lane engine on every real vibration recording, against the specification."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsp.lanes.engine import LaneEngine
from dsp.window_parameters import WINDOW_SAMPLES
from tests.dsp.lanes.recording_windows import recordings
from tests.dsp.lanes.window_signals import parameters_at
from tests.oracles import window_features as oracle

WINDOWS_PER_CHANNEL = 3


@pytest.mark.realdata
def test_every_recording_is_the_specification(data_dir: Path) -> None:
    worst: dict[str, tuple[float, str]] = {}
    n_recordings = 0
    for name, rate_hz, samples in recordings(data_dir):
        parameters = parameters_at(rate_hz)
        assert samples.shape[1] >= WINDOW_SAMPLES, name
        starts = np.linspace(0, samples.shape[1] - WINDOW_SAMPLES, WINDOWS_PER_CHANNEL).astype(int)
        windows = np.array([x[s : s + WINDOW_SAMPLES] for x in samples for s in starts])
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = np.array([oracle.features(x, parameters) for x in windows])
        found = oracle.errors(LaneEngine(parameters).batch(windows), wanted, parameters.names).max(axis=0)
        for feature, error in zip(parameters.names, found, strict=True):
            worst[feature] = max(worst.get(feature, (0.0, "")), (float(error), name))
        n_recordings += 1
    assert n_recordings > 70
    too_far = {feature: (error, name) for feature, (error, name) in worst.items() if error > 5e-6}
    assert not too_far
