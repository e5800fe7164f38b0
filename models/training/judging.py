"""What a network is judged on, and what it is worth there: limit, areas under the ROC curve, alarm events.

Duty: the same figures for a float32 network and for each of its artefacts, on held-out rows. Compares none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.baseline import FeatureScale, running_median
from models.errors import ModelError
from models.evaluation.int8_gate import alarm_events
from models.evaluation.ranking import auroc, pauc
from models.network import LayerNetwork
from models.network_score import NetworkSpec, moved, prepare, raw_scores
from models.training.rows import SEQUENCES_PER_FAULT, Rows, TrainingRows, items_of, raised

LIMIT_MARGIN = 1.5  # as the robust baseline's
LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Items that a network is judged on: held-out healthy ones, and faulty ones by kind."""

    healthy: Rows
    faulty: Rows
    faults: tuple[str, ...]  # names of its kinds
    made_up: bool  # no faulty rows were given: healthy ones were raised


@dataclass(frozen=True, slots=True)
class Quality:
    """What scores of the judged items are worth."""

    auroc: float
    pauc: float  # up to 10 % false alarms
    by_fault: dict[str, float]  # AUROC of each kind of fault against all healthy items
    healthy_alarms: int  # alarm events in held-out healthy sequences
    faulty_alarms: int
    healthy_items: int
    faulty_items: int

    @property
    def worst(self) -> float:
        """The smallest area of a kind of fault."""
        return min(self.by_fault.values())

    def to_json(self) -> dict[str, Any]:
        """Its fields, JSON-ready."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def quality_of(judged: Judged, healthy: Float64Array, faulty: Float64Array, limit: float) -> Quality:
    """Figures of raw distances of the judged items, with the limit that was fitted on them."""
    kinds = judged.faulty.sequence // SEQUENCES_PER_FAULT
    by_fault = {
        name: float(auroc(healthy, faulty[kinds == number]) or 0.0)
        for number, name in enumerate(judged.faults)
        if (kinds == number).any()
    }
    return Quality(
        auroc=float(auroc(healthy, faulty) or 0.0),
        pauc=float(pauc(healthy, faulty) or 0.0),
        by_fault=by_fault,
        healthy_alarms=alarm_events(healthy / limit, judged.healthy.sequence),
        faulty_alarms=alarm_events(faulty / limit, judged.faulty.sequence),
        healthy_items=len(healthy),
        faulty_items=len(faulty),
    )


def raw_of(spec: NetworkSpec, network: LayerNetwork, items: Float32Array) -> Float64Array:
    """`(n,)` raw distances of items, by the reference's arithmetic."""
    prepared = prepare(spec, items)
    return raw_scores(spec, prepared, network.run(prepared.inputs))


def fitted_limit(raw: Float64Array, sequence: np.ndarray) -> float:
    """The limit of held-out healthy distances: 1.5 times the largest excess over the usual, median of five.

    As other detectors' limits on live rows, see models/README.md.
    """
    smooth = [running_median(raw[sequence == label], 5) for label in np.unique(sequence)]
    seen = np.concatenate([*smooth, np.zeros(0)])
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        raise ModelError("no held-out healthy row has a score: the limit cannot be found")
    usual, largest = float(np.median(seen)), float(seen.max())
    return usual + LIMIT_MARGIN * max(largest - usual, LEAST_SHARE * usual, 1e-6)


def judged_items(rows: TrainingRows, spec: NetworkSpec, steps: int, seed: int) -> Judged:
    """What the network is judged on; without faulty rows, held-out ones are raised by 1 to 6 spreads."""
    held = items_of(rows.parts()[2], steps)
    faulty = items_of(rows.faulty, steps)
    if len(faulty):
        return Judged(held, faulty, rows.faults, made_up=False)
    chance = np.random.Generator(np.random.PCG64(seed + 2))
    far = _raised_items(spec, held.values, chance, 1.0, 6.0)
    return Judged(held, Rows(far, held.sequence), ("made-up rises",), made_up=True)


def calibration_items(
    rows: TrainingRows, spec: NetworkSpec, steps: int, seed: int, most: int
) -> Float32Array:
    """At most `most` items for calibration: healthy ones that taught, a quarter raised up to the reach.

    Ranges of healthy rows alone would cut what a fault does before the network sees it.
    """
    chance = np.random.Generator(np.random.PCG64(seed + 3))
    items = items_of(rows.parts()[0], steps).values
    if len(items) > most:
        items = items[np.sort(chance.choice(len(items), most, replace=False))]
    far = np.arange(len(items)) % 4 == 3
    items = items.copy()
    items[far] = _raised_items(spec, items[far], chance, 1.0, spec.reach)
    return items


def _raised_items(
    spec: NetworkSpec, items: Float32Array, chance: np.random.Generator, least: float, most: float
) -> Float32Array:
    """Items with neighbouring features raised, in the features' own units."""
    flat = np.zeros((len(items), len(spec.columns)), np.float32)
    step = np.zeros((len(items), items.shape[-1]))
    step[:, spec.columns] = raised(flat, chance, least, most) * np.asarray(spec.spread)
    levels = np.array([scale is FeatureScale.LEVEL for scale in spec.scales])
    result = items.copy()
    last = result.reshape(len(result), -1, items.shape[-1])[:, -1]
    last[:] = moved(last.astype(np.float64), step, levels)
    return result
