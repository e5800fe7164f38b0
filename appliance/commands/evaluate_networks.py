"""What `stethos evaluate` says of networks: what they are worth, the gate that int8 must pass, or why none
was asked.

Duty: wording and JSON of `models.evaluation.network_worth` and `int8_gate`. Computes no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.evaluation.int8_gate import GATE, NetworkChange, network_changes
from models.evaluation.network_worth import NetworkWorth, network_worth
from models.evaluation.result import TaskResult

NOT_ASKED = (
    "none was asked for: `--network autoencoder`, `one-class` or `temporal` trains one in each fold and on"
    " each run's baseline (torch, the extra [train]) and prints float32 and int8 of every runtime that is"
    " installed, alone and fused with the statistical detector, with what int8 changes."
    " On a box they are off by default, because none was better than `rules`: docs/networks.md has the table"
)
RUNTIMES = ("onnxruntime", "openvino", "litert")


def networks_json(results: Sequence[TaskResult], asked: str) -> dict[str, Any]:
    """The gate's figures, JSON-ready; `asked` is the kind of network."""
    changes = network_changes(results)
    return {
        "asked": asked,
        "gate": {
            "auroc_change_mean": GATE.mean_auroc,
            "auroc_change_worst": GATE.worst_auroc,
            "alarm_events_changed": GATE.alarm_events,
        },
        "changes": [one.to_json() for one in changes],
        "worth": [one.to_json() for one in network_worth(results)],
        "not_installed": _missing(results),
    }


def _missing(results: Sequence[TaskResult]) -> list[str]:
    """Runtimes that no column of networks was run by."""
    ran = {result.variant.partition(":")[2] for result in results}
    return [runtime for runtime in RUNTIMES if runtime not in ran]


def print_networks(results: Sequence[TaskResult], asked: str | None) -> None:
    """The gate, column by column; or in words that no network was asked for."""
    if asked is None:
        print(f"networks: {NOT_ASKED}.")
        return
    changes = network_changes(results)
    if not changes:
        print(
            f"networks: no task of this folder was judged by a network ({asked} serves `one_class`,"
            " `one_class_by_speed` and `run_to_failure`; tags and pictures have no windows for it)."
        )
        return
    print(f"networks: {asked}, beside the simple detector, whose figure stands first:")
    worth = network_worth(results)
    for one in worth:
        print(_worth_line(one))
    for variant in dict.fromkeys(one.variant for one in worth):
        own = [one.beats for one in worth if one.variant == variant]
        verdict = "it beats it on each" if all(own) else "stays off"
        print(f"{variant}: beats the simple detector on {sum(own)} of {len(own)} data sets: {verdict}.")
    print(
        f"networks: {asked}, against `float32` by the reference (fused against fused). Gate: mean AUROC"
        f" change at most {GATE.mean_auroc} over all splits, worst {GATE.worst_auroc}, alarm events within"
        f" {GATE.alarm_events}, a run's first alarm within {GATE.alarm_events} snapshot.\n"
        f"{'data set':18} {'column':22} {'splits':>6} {'AUROC: mean':>11} {'worst':>8} {'pAUC':>8}"
        f" {'alarms: healthy':>15} {'faulty':>6} {'change':>6}  gate"
    )
    for change in changes:
        print(_line(change))
    if missing := _missing(results):
        print(f"not installed, so not run: {', '.join(missing)} (the extras [quantise] and [openvino]).")


def _worth_line(one: NetworkWorth) -> str:
    figures = ", ".join(
        f"{name.replace('_', ' ')} {simple:.4g} and {network:.4g}"
        for name, (simple, network) in one.figures.items()
    )
    said = f"beats {one.against} here" if one.beats else f"no better than {one.against}"
    if one.abstains:
        said = f"abstains from a part of what {one.against} judges"
    return f"{one.dataset:18} {one.variant:14} {figures or 'no figure'}: {said}"


def _line(one: NetworkChange) -> str:
    row = one.to_json()
    return (
        f"{row['dataset']:18} {row['variant']:22} {row['splits']:>6} {row['auroc_change_mean']:>11.4f}"
        f" {row['auroc_change_worst']:>8.4f} {row['pauc_change']:>+8.4f} {row['alarm_events_healthy']:>15}"
        f" {row['alarm_events_faulty']:>6} {row['alarm_events_changed']:>+6d}"
        f"  {'pass' if row['passed'] else 'refuse: ' + '; '.join(row['refusals'])}"
    )
