"""Whether a network is worth anything beside the simple detector, on one data set: figure by figure.

Duty: the comparison that decides what stays off. Runs no network, and looks at figures of recordings alone.

A network beats the simple detector where no figure is worse and one is better: detection up to a tenth of
false alarms, sessions and speeds that were never seen; of runs to failure what is found, false events, delay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.evaluation.result import BASELINE, FUSED, TaskResult, of_network

RULES = "rules"
_MORE, _LESS = 1.0, -1.0
_ONE_CLASS = {"pauc": _MORE, "lgo_auroc": _MORE, "lgo_auroc_worst": _MORE}
_FIGURES: Mapping[str, Mapping[str, float]] = {
    "one_class": _ONE_CLASS,
    "one_class_by_speed": _ONE_CLASS,
    "run_to_failure": {"found": _MORE, "false_events": _LESS, "delay_b": _LESS},
}  # by task: which figures, and which way is better
_SAME = 5e-5  # what prints as the same


@dataclass(frozen=True, slots=True)
class NetworkWorth:
    """One column of networks beside the simple detector."""

    dataset: str
    task: str
    variant: str
    against: str  # the simple detector's variant
    figures: Mapping[str, tuple[float, float]]  # by metric: of the simple one, of the network
    abstains: bool = False  # on a part of what the simple one judged

    @property
    def beats(self) -> bool:
        """No figure is worse and one is better; never where the network judged less."""
        gains = [
            _FIGURES[self.task][name] * (network - simple) for name, (simple, network) in self.figures.items()
        ]
        return not self.abstains and min(gains, default=-1.0) > -_SAME and max(gains) > _SAME

    def to_json(self) -> dict[str, Any]:
        """Its fields, JSON-ready."""
        return {
            "dataset": self.dataset,
            "task": self.task,
            "variant": self.variant,
            "against": self.against,
            "figures": {name: list(pair) for name, pair in self.figures.items()},
            "abstains": self.abstains,
            "beats": self.beats,
        }


def network_worth(results: Sequence[TaskResult]) -> list[NetworkWorth]:
    """Each column of the reference, alone and fused, beside the simple detector of its data set.

    Other runtimes say the same within the gate. Of a network that needs the rows before a row, the simple one
    is that which was judged on the same rows.
    """
    found = []
    for result in results:
        alone = result.variant.removesuffix(FUSED)
        if not of_network(result.variant) or ":" in alone or result.task not in _FIGURES:
            continue
        beside = [other for other in results if (other.dataset, other.task) == (result.dataset, result.task)]
        simple = next((other for other in beside if _same_rows(other.variant)), None) or next(
            (other for other in beside if other.variant == RULES), None
        )
        if simple is not None:
            found.append(_worth(simple, result))
    return found


def _same_rows(variant: str) -> bool:
    return variant.startswith(BASELINE) and variant.endswith(" rows")


def _worth(simple: TaskResult, network: TaskResult) -> NetworkWorth:
    figures = {}
    missing = False
    for name in _FIGURES[network.task]:
        pair = (simple.metrics.get(name), network.metrics.get(name))
        if pair[0] is not None and pair[1] is not None:
            figures[name] = (float(pair[0]), float(pair[1]))
        elif pair[0] is not None:
            missing = True
    counts = network.counts
    abstains = missing or bool(counts.get("abstains")) or bool(counts.get("abstained"))
    return NetworkWorth(network.dataset, network.task, network.variant, simple.variant, figures, abstains)
