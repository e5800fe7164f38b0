"""Networks in the protocols: the same folds as the others, what they cannot judge, and no look ahead.

A detector of the catalogue stands in a network's place here: what is tested is what a protocol asks of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from dsp.log_spectrum import log_spectrum_extractor
from dsp.samples import Float64Array
from models.detectors.catalogue import detectors
from models.detectors.columns import ScaleRules
from models.detectors.one_class import Fitted, OneClassDetector
from models.detectors.representation import RowRules
from models.errors import TooFewRowsError
from models.evaluation.network_runs import run_area
from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import ON_LOG_SPECTRA, MadeNetworks, OneClassProtocol
from models.evaluation.one_class_rows import LogSpectrum
from models.evaluation.onset_labels import Onsets
from models.evaluation.protocol import Run
from models.evaluation.run_to_failure_protocol import RULES, RunToFailureProtocol
from tests.dsp.test_extractor import batch_of
from tests.models.evaluation.sequential_units import snapshots
from tests.models.evaluation.test_one_class_protocols import BESIDE, burst, data_set, speed_runs, unit
from tests.models.evaluation.test_sequential_protocols import RATE_HZ, results, run_of_noise


@dataclass(frozen=True)
class Stand:
    """A detector of the catalogue that needs so many rows, and looks at so many before a row."""

    inside: OneClassDetector
    least: int = 1
    history: int = 0

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        if len(np.asarray(rows)) < self.least:
            raise TooFewRowsError(f"abstains: {len(np.asarray(rows))} rows, needs {self.least}")
        return _Fitted(self.inside.fit(rows, groups), self.history)  # type: ignore[return-value]


@dataclass(frozen=True)
class _Fitted:
    inside: Fitted
    history: int

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        scores = self.inside.score(rows)
        scores[: self.history] = np.nan
        return scores


def made(least: int = 1, history: int = 0, log_spectrum: bool = False) -> MadeNetworks:
    def make(scale: ScaleRules) -> Mapping[str, OneClassDetector]:
        stand = Stand(detectors(scale)["mahalanobis"], least, history)
        return {"int8": stand, "float32": stand}

    return MadeNetworks(make, history, log_spectrum)


def test_a_network_learns_and_judges_what_the_others_do() -> None:
    found = {
        one.variant: one
        for one in OneClassProtocol(beside=BESIDE, networks=made()).evaluate(
            "d", "one_class", data_set(), [], Run()
        )
    }
    assert dict(found["float32"].metrics) == dict(found[RULES].metrics)
    assert set(found["int8"].counts["alarm_events"]) == {"commissioning", "a-one", "a-two"}
    assert "abstains" not in found["int8"].counts


def test_on_log_spectra_the_same_detector_stands_beside_them() -> None:
    protocol = OneClassProtocol(beside=BESIDE, networks=made(log_spectrum=True))
    units = data_set()
    found = {one.variant: one for one in protocol.evaluate("d", "one_class", units, [], Run())}
    assert dict(found["float32"].metrics) == dict(found[ON_LOG_SPECTRA].metrics)
    assert (found["float32"].metrics["auroc"] or 0.0) > 0.9
    scores = [units[0].sealed.decision(name)["commissioning"] for name in ("float32", RULES)]
    assert not np.allclose(*scores)  # the product's reads what it always did
    plain = OneClassProtocol(beside=BESIDE).evaluate("d", "one_class", data_set(), [], Run())
    assert dict(found[RULES].metrics) == dict(plain[0].metrics)


def test_stretches_too_short_for_a_log_spectrum_are_said_aloud() -> None:
    said: list[str] = []
    units = [
        unit(
            str(seed), state, [burst(fault, np.random.default_rng(seed), 60) for _ in range(40)], group=group
        )
        for seed, (state, fault, group) in enumerate(
            [("healthy", 0.0, "one"), ("healthy", 0.0, "two"), ("faulty", 0.5, "bad")]
        )
    ]
    protocol = OneClassProtocol(beside=BESIDE, networks=made(log_spectrum=True))
    found = protocol.evaluate("d", "one_class", units, [], Run(remark=said.append))
    assert found[0].metrics["auroc"] is not None
    assert not {"int8", "float32", ON_LOG_SPECTRA} & {one.variant for one in found}
    assert said == ["d: a network abstains: stretches of 60 samples have no log spectrum; needs 64"]


def test_a_log_spectrum_of_a_stretch_is_that_of_its_windows() -> None:
    x = burst(0.3, np.random.default_rng(4), 400)
    rules = replace(RowRules(), segment_samples=200)
    extractor = log_spectrum_extractor(200.0, 200, "1")
    windows = np.concatenate([x[:200].T, x[200:].T])
    levels = [vector.values for vector in extractor.extract(batch_of(windows, 200.0))]
    power = 10.0 ** (np.array(levels) / 10.0)
    expected = 10.0 * np.log10((power[:2] + power[2:]) / 2.0).ravel()
    row = LogSpectrum(200.0)(x, 201.0 / 1.005, True, rules)
    assert row == pytest.approx(expected, abs=0.01)
    relative = LogSpectrum(200.0)(x, 200.0, False, rules).reshape(2, -1)
    assert (10.0 ** (relative / 10.0)).sum(axis=1) == pytest.approx([1.0, 1.0])
    louder = LogSpectrum(200.0)(3.0 * x, 200.0, False, rules).reshape(2, -1)
    assert louder == pytest.approx(relative, abs=1e-3)
    holes = x.copy()
    holes[7] = np.nan
    assert np.isfinite(LogSpectrum(200.0)(holes, 200.0, True, rules)).all()


def test_rows_without_a_score_are_judged_by_nobody_and_learned_ones_count_as_history() -> None:
    units = data_set()
    found = {
        one.variant: one
        for one in OneClassProtocol(beside=BESIDE, networks=made(history=8)).evaluate(
            "d", "one_class", units, [], Run()
        )
    }
    beside = found["baseline:mahalanobis after 8 rows"]
    assert dict(found["int8"].metrics) == dict(beside.metrics)
    assert len(units[0].sealed.decision("int8")["commissioning"]) == 16  # 24 learned rows lie before them
    assert len(units[0].sealed.decision("int8")["a-one"]) == 40 - 8
    assert len(units[0].sealed.decision(RULES)["a-one"]) == 40
    assert np.isfinite(units[0].sealed.decision("int8")["a-one"]).all()


def test_a_fold_that_is_too_small_is_named_and_the_others_are_judged() -> None:
    said: list[str] = []
    found = {
        one.variant: one
        for one in OneClassProtocol(beside=BESIDE, networks=made(least=48)).evaluate(
            "d", "one_class", data_set(), [], Run(remark=said.append)
        )
    }
    assert found["int8"].counts["abstains"] == {
        "a-one": "abstains: 40 rows, needs 48", "a-two": "abstains: 40 rows, needs 48",
    }  # fmt: skip
    assert found["int8"].metrics["lgo_auroc"] is None
    assert found["int8"].metrics["auroc"] == found[RULES].metrics["auroc"]
    assert found[RULES].metrics["lgo_auroc"] is not None
    assert said == ["d: a network abstains: 40 rows, needs 48"]


def test_by_speed_networks_get_coarse_rows_and_their_alarms_are_counted() -> None:
    said: list[str] = []
    units = speed_runs([20, 40, 60, 80], 1.0)
    found = {
        one.variant: one
        for one in OneClassBySpeedProtocol(beside=BESIDE, networks=made()).evaluate(
            "d", "one_class_by_speed", units, [], Run(remark=said.append)
        )
    }
    assert found["float32"].metrics["auroc"] == found[RULES].metrics["auroc"]  # both on coarse rows
    curve, nearest = (units[0].sealed.decision(name)["unseen"] for name in (RULES, "float32"))
    assert not np.allclose(curve, nearest)  # the product's has its curve over speed
    events = found["int8"].counts["alarm_events"]
    assert len(events) == 8
    assert all(len(pair) == 2 for pair in events.values())
    temporal = OneClassBySpeedProtocol(beside=BESIDE, networks=made(history=8))
    table = temporal.evaluate(
        "d", "one_class_by_speed", speed_runs([20, 40], 1.0), [], Run(remark=said.append)
    )
    assert not {"int8", "float32"} & {one.variant for one in table}
    assert "6 healthy windows are judged at a speed; needs more than the 8 before a score" in said[-1]


def test_by_speed_networks_may_read_log_spectra() -> None:
    units = speed_runs([20, 40, 60, 80], 1.0)
    protocol = OneClassBySpeedProtocol(beside=BESIDE, networks=made(log_spectrum=True))
    found = {one.variant: one for one in protocol.evaluate("d", "one_class_by_speed", units, [], Run())}
    assert dict(found["float32"].metrics) == dict(found[ON_LOG_SPECTRA].metrics)
    coarse = speed_runs([20, 40, 60, 80], 1.0)
    OneClassBySpeedProtocol(beside=BESIDE, networks=made()).evaluate(
        "d", "one_class_by_speed", coarse, [], Run()
    )
    read, usual = (of[0].sealed.decision("float32")["within"] for of in (units, coarse))
    assert len(read) == len(usual)
    assert not np.allclose(read, usual)
    assert units[0].sealed.decision(RULES)["within"] == pytest.approx(
        coarse[0].sealed.decision(RULES)["within"]
    )


@pytest.mark.parametrize("log_spectrum", [False, True])
def test_a_run_teaches_by_its_baseline_and_no_snapshot_is_judged_by_later_ones(log_spectrum: bool) -> None:
    def alarms(n: int) -> list[int]:
        unit = snapshots(run_of_noise(200, 110)[:n], RATE_HZ)
        networks = made(log_spectrum=log_spectrum)
        results(RunToFailureProtocol(networks=networks), "run_to_failure", [unit])
        decided: list[int] = unit.sealed.decision("int8")
        return decided

    whole = alarms(200)
    assert 110 <= min(at for at in whole if at >= 100) <= 114
    assert min(whole) >= 20
    for n in (112, 130, 199):
        assert alarms(n) == [at for at in whole if at < n]


def test_of_a_run_the_gate_gets_areas_events_and_first_alarms() -> None:
    unit = snapshots(run_of_noise(150, 110), RATE_HZ)
    found, remarks = results(RunToFailureProtocol(networks=made()), "run_to_failure", [unit])
    network = found["float32"]
    assert list(found)[:3] == [RULES, "int8", "float32"]
    assert network.metrics["runs"] == network.metrics["found"] == 1
    assert network.counts["by_run"] == {"run": pytest.approx(1.0)}
    assert network.counts["alarm_events"] == {"run": [network.metrics["false_events"], 1]}
    assert network.counts["first_alarms"] == {"run": network.units[0]["first_alarm"]}
    assert not [line for line in remarks if "abstains" in line]
    plain, _ = results(RunToFailureProtocol(), "run_to_failure", [snapshots(run_of_noise(150, 110), RATE_HZ)])
    assert dict(plain[RULES].metrics) == dict(found[RULES].metrics)
    assert "by_run" not in plain[RULES].counts


def test_a_baseline_that_is_too_short_for_a_network_is_named() -> None:
    unit = snapshots(run_of_noise(150, 110), RATE_HZ)
    protocol = RunToFailureProtocol(networks=made(least=15))  # halves of 20 rows find the limit
    found, remarks = results(protocol, "run_to_failure", [unit])
    assert found["int8"].metrics["runs"] == 0
    assert found["int8"].counts["abstained"] == 1
    assert found["int8"].units[0]["abstains"] == "abstains: 10 rows, needs 15"
    assert "run: a network abstains: 10 rows, needs 15" in remarks
    assert found[RULES].metrics["runs"] == 1


def test_the_area_of_a_run_leaves_out_what_nobody_can_call_healthy_or_faulty() -> None:
    onsets = Onsets(a=60, b=70, c=65)
    score = np.zeros(100)
    score[:20] = np.nan
    score[55:70] = 5.0  # neither side
    score[70:] = 1.0
    assert run_area(score, onsets, 20) == 1.0
    assert run_area(np.full(100, np.nan), onsets, 20) is None
    assert run_area(score, replace(onsets, b=100), 20) is None
