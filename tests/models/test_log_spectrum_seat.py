"""Networks that read log spectra: moved by what a baseline of level bands knows, asked only for windows whose
spectra are there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from dsp.extractor import FeatureVector, TrendExtractor
from dsp.log_spectrum import LogSpectrumExtractor
from dsp.samples import Float32Array
from models.backends.numpy_reference import NumpyReference
from models.baseline import Baseline, BaselineRules, fit
from models.bundle import Bundle
from models.errors import ModelStateError
from models.feature_words import scale_of
from models.nested_bands import parents_of, summed_db
from models.network_judge import NetworkAnswer, NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from models.training.rows import Stretch, training_rows
from tests.dsp.test_extractor import batch_of
from tests.fakes.linear_bundle import linear_bundle, temporal_bundle

RATE_HZ, LENGTH = 2000.0, 2048
TREND, FINE = TrendExtractor(RATE_HZ, LENGTH, "m/s2"), LogSpectrumExtractor(RATE_HZ, LENGTH, "m/s2")
LEARNED = 60


class Seen(NamedTuple):
    """Windows of a channel as features and as log spectra, and what the first of them taught."""

    trend: list[FeatureVector]
    fine: list[FeatureVector]
    baseline: Baseline

    def rows(self, first: int = LEARNED) -> list[tuple[Baseline, FeatureVector]]:
        return [(self.baseline, one) for one in self.trend[first:]]


def windows(count: int = 100, seed: int = 1, fault_from: int | None = None) -> np.ndarray:
    """Noise with two lines that wander; half a window apart in time."""
    random = np.random.default_rng(seed)
    t = np.arange(count * LENGTH).reshape(count, LENGTH) / RATE_HZ
    gain = np.exp(0.1 * random.standard_normal((count, 2)))
    made = 0.2 * random.standard_normal((count, LENGTH))
    for line, hz in enumerate((24.7, 310.0)):
        made += gain[:, line, np.newaxis] * np.sin(2 * np.pi * hz * t)
    if fault_from is not None:
        made[fault_from:] += 1.5 * np.sin(2 * np.pi * 640.0 * t[fault_from:])
    return made


def seen(samples: np.ndarray, channel: str = "motor.x") -> Seen:
    n, hop_ns = len(samples), round(LENGTH / RATE_HZ * 0.5e9)
    batch = replace(
        batch_of(samples, RATE_HZ),
        channel_ids=(channel,) * n,
        start_ns=tuple(i * hop_ns for i in range(n)),
    )
    trend, fine = TREND.extract(batch), FINE.extract(batch)
    values = np.array([one.values for one in trend[:LEARNED]])
    return Seen(trend, fine, fit(values, TREND.names, [scale_of(n) for n in TREND.names], BaselineRules()))


def taught(temporal: bool = False) -> Bundle:
    fine = seen(windows(300, seed=8)).fine
    values = np.array([one.values for one in fine], np.float32)
    made = temporal_bundle if temporal else linear_bundle
    return made(training_rows(FINE.names, FINE.version, [Stretch(values, "x")], "noise", FINE.parents))


BUNDLE = taught()


def judge_of(bundle: Bundle) -> NetworkJudge:
    backend = NumpyReference()
    backend.load(bundle.manifest, bundle.artefact_bytes("numpy_reference"))
    return NetworkJudge(bundle.manifest, asked_of(backend))


def scores(bundle: Bundle, own: Seen) -> list[float | None]:
    judge = judge_of(bundle)
    seat = NetworkSeat(lambda: judge)
    assert seat.wants_log_spectra
    seat.ask_ahead(own.rows(), own.fine[LEARNED:])
    found = [seat.score(*row) for row in own.rows()]
    return [None if one is None else one.value for one in found]


def test_a_louder_channel_scores_the_same_and_a_fault_over_the_limit() -> None:
    quiet = scores(BUNDLE, seen(windows(fault_from=85)))
    loud = scores(BUNDLE, seen(2.0 * windows(fault_from=85)))
    assert loud == pytest.approx(quiet, rel=1e-3)
    healthy, faulty = np.array(quiet[:25], float), np.array(quiet[25:], float)
    assert healthy.max() < 1.0 < faulty.min()


def test_a_band_is_moved_by_what_its_level_band_lacks() -> None:
    """Against the definition, in NumPy: one level band 6 dB up, the others as they were."""
    judge, own = judge_of(BUNDLE), seen(windows())
    spec = BUNDLE.manifest.network
    assert spec is not None
    assert spec.columns == tuple(range(len(FINE.names)))
    parents = np.array(parents_of(FINE.names, TREND.names))
    raised = int(parents[len(parents) // 2])
    centre = own.baseline.centre.copy()
    centre[raised] += 6.0
    row = own.fine[70].values[np.newaxis].astype(np.float64)
    up = (row + 6.0 * (parents == raised)).astype(np.float32)
    usual = judge.inputs(own.baseline, row.astype(np.float32), FINE.names)
    moved = judge.inputs(replace(own.baseline, centre=centre), up, FINE.names)
    assert moved == pytest.approx(usual, abs=1e-4)
    known = summed_db(np.array([spec.centre]), parents.tolist(), len(TREND.names))[0]
    assert usual == pytest.approx(row + (known - own.baseline.centre)[parents], abs=1e-4)
    lost = own.baseline.centre.copy()
    lost[raised] = np.nan  # a band that taught nothing
    left = judge.inputs(replace(own.baseline, centre=lost), row.astype(np.float32), FINE.names)[0]
    assert left[parents == raised] == pytest.approx(row[0, parents == raised], abs=1e-4)


def test_a_temporal_one_sees_a_patch_of_nine_windows() -> None:
    found = scores(taught(temporal=True), seen(windows(fault_from=90)))
    assert found[:8] == [None] * 8
    later = np.array(found[8:], float)
    assert later[:20].max() < 1.0 < later[22]


def test_without_a_spectrum_it_has_no_score_and_is_not_asked() -> None:
    asked: list[int] = []

    def ask(rows: Float32Array) -> NetworkAnswer:
        asked.append(len(rows))
        return NetworkAnswer(np.zeros(len(rows), np.float32), "x")

    judge, own = NetworkJudge(BUNDLE.manifest, ask), seen(windows(70))
    seat = NetworkSeat(lambda: judge)
    seat.ask_ahead(own.rows())
    assert [seat.score(*row) for row in own.rows()] == [None] * 10
    assert asked == []
    seat.ask_ahead(own.rows(), own.fine[LEARNED : LEARNED + 4])
    assert [seat.score(*row) is None for row in own.rows()] == [False] * 4 + [True] * 6
    assert asked == [4]
    other = [replace(one, names=one.names[:-1], values=one.values[:-1]) for one in own.fine]
    seat.ask_ahead(own.rows(), other)
    assert seat.score(*own.rows()[0]) is None
    assert asked == [4]


def test_the_shadow_hears_what_it_reads() -> None:
    judge, own = judge_of(BUNDLE), seen(windows(70))
    heard: list[str] = []
    beside: list[NetworkJudge] = []
    seat = NetworkSeat(
        lambda: None,
        lambda baseline, read, value: heard.append(read.extractor_version),
        lambda: beside[0] if beside else None,
    )
    assert not seat.wants_log_spectra
    seat.told(own.baseline, own.trend[0], 0.5)
    beside.append(judge)
    assert seat.wants_log_spectra
    seat.told(own.baseline, own.trend[0], 0.5)  # it came too late for this window
    assert heard == ["trend-1"]
    seat.ask_ahead([], own.fine)
    seat.told(own.baseline, own.trend[0], 0.5)
    assert heard == ["trend-1", "log-spectrum-1"]


def test_what_does_not_fit_is_refused_by_what_there_is() -> None:
    judge = judge_of(BUNDLE)
    judge.require({TREND.version: TREND.names, FINE.version: FINE.names})
    with pytest.raises(ModelStateError, match="'log-spectrum-1'; features are of 'trend-1'"):
        judge.require({TREND.version: TREND.names})
