"""The one-class protocols on made-up data sets: what they learn, judge and leave alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import OneClassProtocol, training_length
from models.evaluation.protocol import Run, Unit, Waveforms
from models.evaluation.result import TaskResult
from models.evaluation.sealed import RevealedLabel, SealedLabel
from models.machine import Machine

RATE_HZ = 200.0
BESIDE = ("baseline:knn", "baseline:level-kurtosis-crest")  # the contract suite covers the others


def burst(fault: float, chance: np.random.Generator, n: int = 200) -> np.ndarray:
    t = np.arange(n) / RATE_HZ
    shaft = np.sin(2 * np.pi * (12.0 * t + chance.uniform()))
    impact = fault * np.sin(2 * np.pi * (61.0 * t + chance.uniform()))
    return ((shaft + impact)[:, None] + chance.normal(0, 0.3, (n, 2))).astype(np.float32)


def unit(
    name: str,
    state: str,
    stretches: Sequence[np.ndarray],
    *,
    group: str = "",
    layout: str = "bursts",
    rate_hz: float = RATE_HZ,
    speed_percent: float | None = None,
) -> Unit:
    waveforms = Waveforms(tuple(stretches), rate_hz, ("x", "y"), "m/s2", speed_percent=speed_percent)
    return Unit(
        name, layout, waveforms, SealedLabel(RevealedLabel({"state": state})), Machine("m", "m"), group=group
    )


def session(name: str, state: str, fault: float, seed: int, count: int = 40, **more: object) -> Unit:
    chance = np.random.default_rng(seed)
    return unit(name, state, [burst(fault, chance) for _ in range(count)], **more)  # type: ignore[arg-type]


def data_set(prefix: str = "a") -> list[Unit]:
    return [
        session(f"{prefix}1", "healthy", 0.0, 1, group=f"{prefix}-one"),
        session(f"{prefix}2", "healthy", 0.0, 2, group=f"{prefix}-two"),
        session(f"{prefix}3", "faulty", 1.0, 3, group=f"{prefix}-three"),
    ]


def judged(units: list[Unit], run: Run | None = None) -> dict[str, TaskResult]:
    results = OneClassProtocol(beside=BESIDE).evaluate("d", "one_class", units, [], run or Run())
    return {result.variant: result for result in results}


def test_a_clear_fault_is_ranked_first_in_every_fold_and_counts_are_told() -> None:
    results = judged(data_set(), Run(pictures=True))
    product = results["rules"]
    assert next(iter(results)) == "rules"
    assert product.metrics["auroc"] == product.metrics["lgo_auroc_worst"] == pytest.approx(1.0)
    assert product.metrics["auroc_median_of_10"] == pytest.approx(1.0)
    assert product.counts["healthy_judged"] == 2 * 16
    assert product.counts["faulty_judged"] == 40
    assert [group.name for group in product.scored] == ["commissioning", "left out: a-one", "left out: a-two"]
    assert len(product.scored[1].healthy) == 40
    assert set(results) == {"rules", *BESIDE}


def test_without_a_fault_nothing_is_found() -> None:
    units = [*data_set()[:2], session("c", "faulty", 0.0, 9, group="three")]
    assert 0.25 < (judged(units)["rules"].metrics["auroc"] or 0.0) < 0.75


def test_names_mean_nothing() -> None:
    first, second = judged(data_set("a")), judged(data_set("healthy_"))
    assert {name: dict(result.metrics) for name, result in first.items()} == {
        name: dict(result.metrics) for name, result in second.items()
    }


def test_healthy_rows_that_were_learned_are_never_judged() -> None:
    units = data_set()
    judged(units)
    folds = units[0].sealed.decision("rules")
    assert len(folds["commissioning"]) == 16
    assert len(folds["a-one"]) == 40
    assert "a-two" not in folds
    assert training_length(1) == 0
    assert training_length(10) == 6


def test_a_group_over_two_files_learns_from_its_first_part_in_order() -> None:
    units = [
        session("a", "healthy", 0.0, 1, 20, group="one"),
        session("b", "healthy", 0.0, 2, 20, group="one"),
        session("c", "faulty", 1.0, 3, 20, group="two"),
    ]
    result = judged(units)["rules"]
    assert len(units[0].sealed.decision("rules")["commissioning"]) == 0
    assert len(units[1].sealed.decision("rules")["commissioning"]) == 16
    assert result.metrics["lgo_auroc"] is None  # nothing to learn from without the only group


def test_parked_machines_unknown_states_and_other_rates_are_neither_learned_nor_scored() -> None:
    said: list[str] = []
    extra = [
        session("p", "healthy", 0.0, 11, group="Off"),
        session("u", "unknown", 1.0, 12, group="x"),
        session("r", "healthy", 0.0, 13, group="y", rate_hz=400.0),
    ]
    plain, more = judged(data_set()), judged([*data_set(), *extra], Run(remark=said.append))
    assert dict(more["rules"].metrics) == dict(plain["rules"].metrics)
    assert any("400" in line for line in said)


def test_bursts_of_unequal_length_and_a_stump_are_compared() -> None:
    said: list[str] = []
    chance = np.random.default_rng(5)
    units = data_set()
    lengths = [200, 180, 230, 12, *([200] * 30)]
    units.append(unit("v", "faulty", [burst(1.0, chance, n) for n in lengths], group="four"))
    result = judged(units, Run(remark=said.append))["rules"]
    assert result.metrics["auroc"] == pytest.approx(1.0)
    assert result.counts["faulty_judged"] == 40 + 33
    assert any("stretches" in line for line in said)


def test_few_long_recordings_are_cut_into_windows() -> None:
    units = [
        unit(name, state, [burst(fault, np.random.default_rng(seed), 60000)], group=name, layout="recording")
        for seed, (name, state, fault) in enumerate(
            [("a", "healthy", 0.0), ("b", "healthy", 0.0), ("c", "faulty", 1.0)]
        )
    ]
    result = judged(units)["rules"]
    assert result.counts["faulty_judged"] == 40
    assert result.metrics["auroc"] == pytest.approx(1.0)


def test_nothing_healthy_or_nothing_faulty_is_no_error() -> None:
    said: list[str] = []
    assert judged([data_set()[2]], Run(remark=said.append)) == {}
    assert "no healthy group" in said[0]
    assert judged(data_set()[:2])["rules"].metrics["auroc"] is None


def speed_runs(speeds: Sequence[float], fault: float) -> list[Unit]:
    units = []
    for state, extra in (("healthy", 0.0), ("faulty", fault)):
        for speed in speeds:
            chance = np.random.default_rng(int(speed) + (1000 if extra else 0))
            x = (1.0 + speed / 50.0) * chance.normal(0, 1, (3000, 2))
            x[:, 0] += extra * 3.0 * np.sin(2 * np.pi * 9.0 * np.arange(3000) / 50.0)
            units.append(
                unit(
                    f"{state} {speed}",
                    state,
                    [x.astype(np.float32)],
                    layout="runs",
                    rate_hz=50.0,
                    speed_percent=speed,
                )
            )
    return units


def test_by_speed_judges_six_windows_of_healthy_runs_and_all_faulty_ones() -> None:
    results = OneClassBySpeedProtocol(beside=BESIDE).evaluate("d", "t", [], [], Run())
    assert results == []
    results = OneClassBySpeedProtocol(beside=BESIDE).evaluate(
        "d", "one_class_by_speed", speed_runs([20, 40, 60, 80], 1.0), [], Run()
    )
    product = results[0]
    assert product.variant == "rules"
    assert product.counts["healthy_judged"] == 4 * 6
    assert product.counts["faulty_judged"] == 4 * 12
    assert (product.metrics["auroc"] or 0.0) > 0.9
    assert (product.metrics["lgo_auroc"] or 0.0) > 0.9


def test_by_speed_finds_nothing_where_nothing_is() -> None:
    results = OneClassBySpeedProtocol(beside=BESIDE).evaluate(
        "d", "one_class_by_speed", speed_runs([20, 40, 60, 80], 0.0), [], Run()
    )
    assert 0.2 < (results[0].metrics["auroc"] or 0.0) < 0.8


def test_settings_are_json_and_change_with_a_detector() -> None:
    import json

    from models.detectors.representation import RowRules

    plain = json.dumps(OneClassProtocol().settings(), sort_keys=True)
    assert plain != json.dumps(OneClassProtocol(RowRules(max_bands=32)).settings(), sort_keys=True)
    assert json.dumps(OneClassBySpeedProtocol().settings())
