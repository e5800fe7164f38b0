"""What int8 may change: the gate, split by split, and what `stethos evaluate` says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from appliance.commands.evaluate_networks import NOT_ASKED, networks_json, print_networks
from models.evaluation.int8_gate import GATE, alarm_events, network_changes
from models.evaluation.result import METRICS, TaskResult


def result(
    variant: str, area: float, left_out: float, events: Sequence[int], dataset: str = "bench"
) -> TaskResult:
    metrics = {**dict.fromkeys(METRICS["one_class"]), "auroc": area, "pauc": area}
    counts = {
        "by_faulty_group": {"bent": area, "unknown": None},
        "by_left_out_group": {"monday": left_out},
        "alarm_events": {"commissioning": list(events), "monday": [0, 0]},
    }
    return TaskResult(dataset, "one_class", variant, metrics, counts)


FLOAT = result("float32", 0.99, 0.95, [1, 5])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (result("int8", 0.99, 0.95, [1, 5]), ""),
        (result("int8", 0.9905, 0.9455, [2, 4]), ""),
        (result("int8", 0.99, 0.9449, [1, 5]), "worst AUROC change 0.0051"),
        (result("int8", 0.9865, 0.9535, [1, 5]), "mean AUROC change 0.0035"),
        (result("int8", 0.99, 0.95, [1, 7]), "changed by +2"),
        (result("int8", 0.99, 0.95, [0, 3]), "changed by -2"),
    ],
)
def test_the_gate_takes_and_refuses(changed: TaskResult, words: str) -> None:
    (change,) = network_changes([FLOAT, changed])
    said = "; ".join(change.refusals)
    assert words in said
    assert bool(said) is bool(words)
    assert change.to_json()["passed"] is not bool(words)
    assert set(change.auroc) == {"all", "faulty bent", "left out monday"}


def test_data_sets_are_judged_alone_and_together() -> None:
    other = [
        result("float32", 0.9, 0.8, [0, 2], "pump"), result("int8:litert", 0.907, 0.8, [0, 2], "pump")
    ]  # fmt: skip
    found = network_changes([FLOAT, result("int8:litert", 0.99, 0.95, [1, 5]), *other])
    assert [one.dataset for one in found] == ["bench", "pump", ""]
    assert [bool(one.refusals) for one in found] == [False, True, True]
    assert found[2].events == (1, 7)
    assert len(found[2].auroc) == 6
    assert network_changes([result("rules", 0.9, 0.9, [0, 0])]) == []


def test_nothing_to_compare_is_no_pass() -> None:
    assert GATE.refusals([], 0)
    assert GATE.refusals([float("nan")], 0)


def test_an_alarm_event_is_counted_once_and_each_sequence_begins_anew() -> None:
    loud = np.concatenate([np.zeros(20), np.full(20, 3.0), np.zeros(200), np.full(20, 3.0)])
    assert alarm_events(loud, np.zeros(len(loud), np.int64)) == 2
    halves = np.concatenate([np.zeros(10), np.full(3, 3.0)])
    assert alarm_events(np.tile(halves, 2), np.repeat([0, 1], len(halves))) == 0
    assert alarm_events(np.zeros(0), np.zeros(0, np.int64)) == 0


def test_what_evaluate_says_of_networks(capsys: pytest.CaptureFixture[str]) -> None:
    print_networks([result("rules", 0.9, 0.9, [0, 0])], None)
    assert NOT_ASKED in capsys.readouterr().out
    results = [FLOAT, result("int8:litert", 0.99, 0.95, [1, 8]), result("int8:openvino", 0.99, 0.95, [1, 5])]
    print_networks(results, "autoencoder")
    said = capsys.readouterr().out
    assert "refuse: alarm events changed by +3" in said
    assert said.count(" pass") == 1
    assert "not installed, so not run: onnxruntime" in said
    told = json.loads(json.dumps(networks_json(results, "autoencoder")))
    assert [one["passed"] for one in told["changes"]] == [False, True]
    assert told["gate"]["auroc_change_mean"] == 0.002
    assert told["not_installed"] == ["onnxruntime"]
    print_networks([], "one-class")
    assert "no task of this folder" in capsys.readouterr().out
