"""The golden item whose score alone tells that products of bytes saturate (x86 without VNNI).

Duty: find it. It is searched for, because strong weights and far inputs are not enough: what saturates must
also show in the score, beside all else that the item does to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.baseline import FeatureScale
from models.network import LayerNetwork
from models.network_score import NetworkForm, NetworkSpec, prepare, raw_scores
from models.training.judging import Judged
from models.training.saturation import eight_bits, saturated_outputs

ENOUGH = 0.3  # change of the score, of itself or of the limit: farther need not be searched
_SEEN = 500  # items of each sort that say how far activations go
_DRIVEN_OUTPUTS = 16
_STRONG_SHARES = (0.0, 0.25, 0.5, 0.7)  # of the strongest weight
_KEPT, _CHILDREN, _ROUNDS = 10, 8, 15
_CHANGED_SHARES = (0.05, 0.15, 0.4)  # of an item's figures, by chance


def saturating_item(spec: NetworkSpec, network: LayerNetwork, judged: Judged, limit: float) -> Float32Array:
    """The item found whose score changes most where products are summed in 16 bits, in units of its score.

    Such a processor is judged by its arithmetic (`models.training.saturation`), whichever products a runtime
    takes as neighbours. Begins with items that drive the strongest weights of one output of the first layer
    as far as inputs go, and changes the best ones by chance, repeatably.
    """
    search = _Search.of(spec, network, judged, limit)
    chance = np.random.Generator(np.random.PCG64(0))
    items = np.stack(list(search.driven(judged.healthy.values)))
    items, changes = search.judged(items)
    for _ in range(_ROUNDS):
        order = np.argsort(-changes, kind="stable")[:_KEPT]
        items, changes = items[order], changes[order]
        if changes[0] >= ENOUGH:
            break
        children = np.stack([search.changed(one, chance) for one in np.repeat(items, _CHILDREN, axis=0)])
        children, theirs = search.judged(children)
        items, changes = np.concatenate([items, children]), np.concatenate([changes, theirs])
    best: Float32Array = items[int(np.argmax(changes))]
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    spec: NetworkSpec
    int8: LayerNetwork
    limit: float
    columns: npt.NDArray[np.intp]
    levels: npt.NDArray[np.bool_]  # of the columns

    @classmethod
    def of(cls, spec: NetworkSpec, network: LayerNetwork, judged: Judged, limit: float) -> _Search:
        rows = (judged.healthy.values[:_SEEN], judged.faulty.values[:_SEEN])
        seen = np.concatenate([prepare(spec, part).inputs for part in rows])
        levels = np.array([spec.scales[i] is FeatureScale.LEVEL for i in spec.columns])
        return cls(spec, eight_bits(network, seen), limit, np.array(spec.columns), levels)

    def judged(self, items: Float32Array) -> tuple[Float32Array, Float64Array]:
        """The items as they are kept, and how far the score of each changes."""
        prepared = prepare(self.spec, items)
        outputs = self.int8.run(prepared.inputs)
        if self.spec.form is NetworkForm.PREDICTION:  # foretold rightly, so that all of the change shows
            items = items.copy()
            items[:, -1, self.columns] = self._values(outputs.astype(np.float64))
        items = short_figures(items)
        prepared = prepare(self.spec, items)
        outputs = self.int8.run(prepared.inputs)
        right = raw_scores(self.spec, prepared, outputs) / self.limit
        changes = np.full(len(items), np.inf)
        for by_steps in (False, True) if items.ndim == 3 else (False,):
            wrong = saturated_outputs(self.int8, prepared.inputs, by_steps)
            score = raw_scores(self.spec, prepared, wrong) / self.limit
            changes = np.minimum(changes, np.abs(score - right) / np.maximum(right, 1.0))
        return items, np.nan_to_num(changes)

    def driven(self, healthy: Float32Array) -> Iterator[Float32Array]:
        """Usual items with what an output of the first layer reads strongly driven to its ends."""
        weights = self.int8.layers[0].weights.astype(np.float64)
        reads = weights.reshape(
            len(weights), -1, weights.shape[-1]
        )  # (outputs, steps that it reads, columns)
        strength = np.maximum(reads, 0).sum(axis=(1, 2))
        for usual in (healthy[0], healthy[len(healthy) // 2]):
            for output in np.argsort(-strength, kind="stable")[:_DRIVEN_OUTPUTS]:
                for share in _STRONG_SHARES:
                    strong = reads[output] > share * np.abs(reads[output]).max()
                    yield self._moved(usual, strong, np.full(strong.shape, self.spec.reach))
                    low = np.where(strong, self.spec.reach, self._lowest)
                    yield self._moved(usual, np.ones_like(strong), low)

    def changed(self, item: Float32Array, chance: np.random.Generator) -> Float32Array:
        """The item with some of its figures drawn anew, most of them as far as inputs go."""
        shape = (self._steps(item), len(self.columns))
        which = chance.random(shape) < chance.choice(_CHANGED_SHARES)
        z = np.where(
            chance.random(shape) < 0.6,
            self.spec.reach,
            chance.uniform(self._lowest, self.spec.reach, shape),
        )
        return self._moved(item, which, z)

    @property
    def _lowest(self) -> float:
        return -min(self.spec.fall_cap, self.spec.reach)

    def _steps(self, item: Float32Array) -> int:
        """Rows of an item that the network sees."""
        return len(item) - 1 if item.ndim == 2 else 1

    def _moved(self, item: Float32Array, which: npt.NDArray[np.bool_], z: Float64Array) -> Float32Array:
        """The item with figures `(steps, columns)` at deviations `z`, over and over along its steps."""
        values = self._values(z)
        rows = np.nan_to_num(item).reshape(-1, item.shape[-1]).astype(np.float64)
        for step in range(self._steps(item)):
            at = step % len(which)
            rows[step, self.columns[which[at]]] = values[at][which[at]]
        return rows.astype(np.float32).reshape(item.shape)

    def _values(self, z: Float64Array) -> Float64Array:
        """Features of deviations `(n, columns)`."""
        values: Float64Array = np.asarray(self.spec.centre) + z * np.asarray(self.spec.spread)
        values[:, self.levels] = 10.0 ** (values[:, self.levels] / 20.0)
        return values


def short_figures(items: Float32Array) -> Float32Array:
    """Figures of six digits: golden inputs are read by people, and a manifest is kept small."""
    flat = [float(f"{value:.6g}") for value in np.nan_to_num(items).ravel()]
    return np.array(flat, np.float32).reshape(items.shape)
