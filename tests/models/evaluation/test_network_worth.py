"""Whether a network beats the simple detector, and what `stethos evaluate` says of it."""

from __future__ import annotations

import json

import pytest

from appliance.commands.evaluate_networks import networks_json, print_networks
from models.evaluation.int8_gate import network_changes
from models.evaluation.network_worth import network_worth
from models.evaluation.result import METRICS, TaskResult


def one_class(variant: str, pauc: float, unseen: float | None, **counts: object) -> TaskResult:
    metrics = {**dict.fromkeys(METRICS["one_class"]), "pauc": pauc, "auroc": pauc, "lgo_auroc": unseen}
    events = {"alarm_events": {"commissioning": [0, 1]}} if not variant.startswith("rules") else {}
    return TaskResult("bench", "one_class", variant, metrics, {**events, **counts})


def run(variant: str, found: int, false_events: int, delay: float | None, **counts: object) -> TaskResult:
    metrics = {
        **dict.fromkeys(METRICS["run_to_failure"]),
        "found": found, "false_events": false_events, "delay_b": delay, "runs": 5,
    }  # fmt: skip
    return TaskResult("mill", "run_to_failure", variant, metrics, counts)


@pytest.mark.parametrize(
    ("network", "beats"),
    [
        (one_class("int8", 0.9, 0.8), False),
        (one_class("int8", 0.91, 0.8), True),
        (one_class("int8:fused", 0.92, 0.85), True),
        (one_class("int8", 0.95, 0.79), False),
        (one_class("int8", 0.95, None), False),
        (one_class("int8", 0.95, 0.9, abstains={"monday": "12 rows"}), False),
    ],
)
def test_nothing_may_be_worse_and_something_must_be_better(network: TaskResult, beats: bool) -> None:
    (worth,) = network_worth([one_class("rules", 0.9, 0.8), network])
    assert worth.beats is beats
    assert worth.against == "rules"


@pytest.mark.parametrize(
    ("network", "beats"),
    [
        (run("float32", 5, 0, 2.0), True),
        (run("float32", 5, 1, 1.0), False),  # sooner, at the price of a false event
        (run("float32", 4, 0, 1.0), False),
        (run("float32", 5, 0, 3.0), False),
        (run("float32", 4, 0, 2.0, abstained=1), False),
        (run("float32", 0, 0, None), False),
    ],
)
def test_of_runs_to_failure_less_delay_and_fewer_false_events_are_better(
    network: TaskResult, beats: bool
) -> None:
    (worth,) = network_worth([run("rules", 5, 0, 3.0), network])
    assert worth.beats is beats


def test_other_runtimes_are_left_to_the_gate_and_the_same_rows_are_compared() -> None:
    rows = [
        one_class("rules", 0.99, 0.9), one_class("baseline:mahalanobis after 8 rows", 0.8, 0.7),
        one_class("int8", 0.85, 0.75), one_class("int8:litert", 0.85, 0.75),
    ]  # fmt: skip
    (worth,) = network_worth(rows)
    assert (worth.variant, worth.against) == ("int8", "baseline:mahalanobis after 8 rows")
    assert worth.beats


def test_it_is_printed_by_data_set_and_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    events = {"alarm_events": {"run": [0, 1]}, "first_alarms": {"run": 90}, "by_run": {"run": 0.98}}
    results = [
        one_class("rules", 0.9, 0.8), one_class("float32", 0.95, 0.9), one_class("int8", 0.95, 0.9),
        run("rules", 5, 0, 3.0), run("float32", 5, 2, 1.0, **events), run("int8", 5, 2, 1.0, **events),
    ]  # fmt: skip
    print_networks(results, "autoencoder")
    said = capsys.readouterr().out
    assert "pauc 0.9 and 0.95, lgo auroc 0.8 and 0.9: beats rules here" in said
    assert "int8: beats the simple detector on 1 of 2 data sets: stays off." in said
    assert "found 5 and 5, false events 0 and 2, delay b 3 and 1: no better than rules" in said
    print_networks([*results, run("int8:fused", 4, 0, 3.0, abstained=1)], "temporal")
    assert "delay b 3 and 3: abstains from a part of what rules judges" in capsys.readouterr().out
    told = json.loads(json.dumps(networks_json(results, "autoencoder")))
    assert [one["beats"] for one in told["worth"]] == [True, True, False, False]


def test_a_run_s_first_alarm_may_move_by_one_snapshot_and_fused_is_held_against_fused() -> None:
    def column(variant: str, first: int | None, area: float = 0.98) -> TaskResult:
        events = {"alarm_events": {"run": [0, int(first is not None)]}, "first_alarms": {"run": first}}
        return run(variant, 5, 0, 3.0, **events, by_run={"run": area})

    for now, words in ((91, ""), (93, "moved by +3 snapshots"), (None, "")):
        (change,) = network_changes([column("float32", 90), column("int8", now)])
        assert words in "; ".join(change.refusals)
        assert bool(change.refusals) is bool(words)
    results = [
        column("float32", 90), column("float32:fused", 80, 0.5),
        column("int8:fused", 80, 0.5), column("int8", 90),
    ]  # fmt: skip
    changes = network_changes(results)
    assert {one.variant for one in changes} == {"int8:fused", "int8"}
    assert not any(one.refusals for one in changes)
    (alone,) = network_changes([column("float32", 90), column("int8", 90, 0.9)])
    assert "worst AUROC change 0.0800" in "; ".join(alone.refusals)
    assert set(alone.auroc) == {"run run"}
