"""The product's one-class detector on real recordings: what was reached stays reached, what was not is said.

`pytest -s` prints the figures; the table of every detector is `stethos evaluate`'s.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.commands.evaluate_units import by_dataset, read_units
from appliance.sources.recording_notes import read_manifest
from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import OneClassProtocol
from models.evaluation.protocol import Run
from models.evaluation.result import TaskResult


def judged(data_dir: Path, dataset: str) -> TaskResult:
    groups = by_dataset(read_manifest(data_dir / "MANIFEST.json"), print)
    group = next((part for part in groups if part.dataset == dataset), None)
    if group is None:
        pytest.skip(f"REAL DATA MISSING: no data set {dataset} in {data_dir}")
    units = [unit for entry in group.entries for unit in read_units(data_dir, entry, print)]
    protocol = next(
        part
        for part in (OneClassProtocol(beside=()), OneClassBySpeedProtocol(beside=()))
        if group.task in part.tasks
    )
    (result,) = protocol.evaluate(dataset, group.task, units, [], Run(remark=print))
    print(dataset, {name: value and round(value, 4) for name, value in result.metrics.items()}, result.counts)
    return result


@pytest.mark.realdata
def test_pump_motors_of_seen_and_unseen_sessions(data_dir: Path) -> None:
    metrics = judged(data_dir, "pump_motor_45kw").metrics
    assert metrics["auroc"] == pytest.approx(1.0)
    assert (metrics["lgo_auroc_worst"] or 0.0) >= 0.90


@pytest.mark.realdata
def test_a_fan_of_bursts(data_dir: Path) -> None:
    metrics = judged(data_dir, "ceiling_fan").metrics
    assert (metrics["auroc"] or 0.0) >= 0.998  # the goal is 0.999
    assert (metrics["pauc"] or 0.0) >= 0.99
    assert (metrics["auroc_median_of_10"] or 0.0) >= 0.999


@pytest.mark.realdata
def test_a_fan_at_learned_and_unseen_speeds(data_dir: Path) -> None:
    metrics = judged(data_dir, "uci_cooler_fan").metrics
    assert (metrics["auroc_worst"] or 0.0) >= 0.98
    assert (metrics["lgo_auroc"] or 0.0) >= 0.90
