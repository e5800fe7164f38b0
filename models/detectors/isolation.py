"""Extended isolation forest: rows that few random cuts set apart are anomalous.

    s(x) = 2^(-E[h(x)] / c(m)),  c(m) = 2 (ln(m - 1) + 0.5772) - 2 (m - 1) / m

h is the depth at which a random tree over m healthy rows has x alone, plus c of the rows that a leaf
still holds. A cut is a plane: a random direction over `directions` columns through a random point of the
node's bounding box; 1 direction is the plain isolation forest. Source: Liu, Ting & Zhou, ICDM 2008;
Hariri, Carrasco Kind & Brunner, IEEE TKDE 33 (2021) 1479. Cheap at any number of rows, but it sees rows
outside the box of the healthy ones no farther than its edge. The random numbers are PCG64 of `seed`:
equal rows give an equal forest. Cost: O(trees x depth x directions) per row; memory: 2 m nodes per tree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors.columns import (
    DEFAULT_SCALE,
    Columns,
    ScaleRules,
    State,
    array_of,
    columns_from,
    fit_columns,
)
from models.errors import ModelStateError

_EULER = 0.5772156649015329
Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class IsolationDetector:
    """Settings of the isolation forest."""

    scale: ScaleRules = DEFAULT_SCALE
    trees: int = 100
    sample: int = 128  # rows per tree
    directions: int = 3  # columns that a cut mixes
    seed: int = 0

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedIsolation:
        """See `OneClassDetector.fit`; rows are scaled within groups, the forest sees all of them at once."""
        columns = fit_columns(rows, groups, self.scale)
        z = np.maximum(columns.standardised(rows)[~columns.says_nothing(rows)], -columns.fall_cap)
        size = min(self.sample, len(z))
        forest = _Forest(
            max(1, min(self.directions, z.shape[1])), np.random.Generator(np.random.PCG64(self.seed))
        )
        for _ in range(self.trees if size > 1 and z.shape[1] else 0):
            forest.plant(z[forest.chance.choice(len(z), size, replace=False)])
        return forest.fitted(columns, size)


@dataclass(frozen=True, slots=True, eq=False)
class FittedIsolation:
    """A forest after learning: one table of nodes for all trees; `child` is 0 in a leaf."""

    columns: Columns
    roots: Int32Array  # (n_trees,)
    cut_columns: Int32Array  # (n_nodes, directions)
    cut_weights: Float64Array  # (n_nodes, directions)
    cut_at: Float64Array  # (n_nodes,)
    child: Int32Array  # (n_nodes,) first of two, 0 for none
    depth: Float64Array  # (n_nodes,) of a leaf, with what its rows would still need
    sample: int

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; 0 to 1, about 0.4 for healthy rows."""
        z = np.ascontiguousarray(np.maximum(self.columns.standardised(rows), -self.columns.fall_cap))
        depths = np.zeros(len(z))
        if len(self.roots):
            _mean_depths(
                z, self.roots, self.cut_columns, self.cut_weights, self.cut_at, self.child, self.depth, depths
            )
        result: Float64Array = (
            np.exp2(-depths / max(average_depth(self.sample), 1e-9)) if self.sample > 1 else depths
        )
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {
            **self.columns.state(),
            "roots": self.roots,
            "cut_columns": self.cut_columns,
            "cut_weights": self.cut_weights,
            "cut_at": self.cut_at,
            "child": self.child,
            "depth": self.depth,
            "sample": np.array(self.sample),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`; every index is checked, for compiled code follows them."""
        columns = columns_from(state)
        roots, child = (array_of(state, name, 1).astype(np.int32) for name in ("roots", "child"))
        cut_columns = array_of(state, "cut_columns", 2).astype(np.int32)
        cut_weights = array_of(state, "cut_weights", 2).astype(np.float64)
        cut_at, depth = (array_of(state, name, 1).astype(np.float64) for name in ("cut_at", "depth"))
        n, order = len(child), np.arange(len(child))
        if not (len(cut_columns) == len(cut_weights) == len(cut_at) == len(depth) == n):
            raise ModelStateError("the forest's arrays have unequal lengths")
        if (
            cut_columns.shape != cut_weights.shape
            or ((cut_columns < 0) | (cut_columns >= columns.used.sum())).any()
        ):
            raise ModelStateError("the forest cuts columns that there are not")
        # Children stand behind their parent, so that no walk can be endless.
        leads = child != 0
        if (child[leads] <= order[leads]).any() or (child[leads] + 1 >= n).any() or (child < 0).any():
            raise ModelStateError("the forest's nodes lead nowhere")
        if ((roots < 0) | (roots >= n)).any():
            raise ModelStateError("the forest has roots that there are not")
        sample = int(array_of(state, "sample", 0).astype(np.int64))
        return cls(columns, roots, cut_columns, cut_weights, cut_at, child, depth, sample)


def average_depth(rows: int) -> float:
    """c(m): mean depth of an unsuccessful search in a binary tree of `rows` (Liu 2008, eq. 1); 0 for one."""
    if rows <= 1:
        return 0.0
    return 1.0 if rows == 2 else 2.0 * (math.log(rows - 1.0) + _EULER) - 2.0 * (rows - 1.0) / rows


class _Forest:
    """Nodes while trees are planted."""

    def __init__(self, directions: int, chance: np.random.Generator) -> None:
        self.directions = directions
        self.chance = chance
        self.roots: list[int] = []
        self.nodes: list[tuple[npt.NDArray[np.int64], Float64Array, float]] = []
        self.child: list[int] = []
        self.depth: list[float] = []

    def plant(self, rows: Float64Array) -> None:
        self.roots.append(self._node())
        limit = math.ceil(math.log2(len(rows)))
        open_nodes = [(self.roots[-1], rows, 0)]
        while open_nodes:
            node, inside, depth = open_nodes.pop()
            low, high = inside.min(axis=0), inside.max(axis=0)
            varied = np.flatnonzero(high > low)
            if depth >= limit or len(inside) <= 1 or len(varied) == 0:
                self.depth[node] = depth + average_depth(len(inside))
                continue
            chosen = self.chance.choice(varied, min(self.directions, len(varied)), replace=False)
            weights = self.chance.standard_normal(len(chosen))
            at = float(weights @ self.chance.uniform(low[chosen], high[chosen]))
            left = inside[:, chosen] @ weights <= at
            missing = self.directions - len(chosen)
            self.nodes[node] = (np.pad(chosen, (0, missing)), np.pad(weights, (0, missing)), at)
            first = self._node()
            self._node()
            self.child[node] = first
            for place, side in ((first, left), (first + 1, ~left)):
                if side.any():
                    open_nodes.append((place, inside[side], depth + 1))
                else:
                    self.depth[place] = depth + 1.0

    def fitted(self, columns: Columns, sample: int) -> FittedIsolation:
        shape = (len(self.nodes), self.directions)
        return FittedIsolation(
            columns=columns,
            roots=np.array(self.roots, dtype=np.int32),
            cut_columns=np.array([node[0] for node in self.nodes], dtype=np.int32).reshape(shape),
            cut_weights=np.array([node[1] for node in self.nodes], dtype=np.float64).reshape(shape),
            cut_at=np.array([node[2] for node in self.nodes], dtype=np.float64),
            child=np.array(self.child, dtype=np.int32),
            depth=np.array(self.depth, dtype=np.float64),
            sample=sample,
        )

    def _node(self) -> int:
        self.nodes.append((np.zeros(self.directions, np.int64), np.zeros(self.directions), 0.0))
        self.child.append(0)
        self.depth.append(0.0)
        return len(self.child) - 1


@numba.njit(cache=True, nogil=True, fastmath=False)
def _mean_depths(  # noqa: PLR0917
    z: Float64Array,
    roots: Int32Array,
    cut_columns: Int32Array,
    cut_weights: Float64Array,
    cut_at: Float64Array,
    child: Int32Array,
    depth: Float64Array,
    out: Float64Array,
) -> None:
    """Fills `out` `(n,)` with the mean depth of each row over the trees."""
    for i in range(len(z)):
        total = 0.0
        for root in roots:
            node = root
            while child[node] != 0:
                side = 0.0
                for d in range(cut_columns.shape[1]):
                    side += cut_weights[node, d] * z[i, cut_columns[node, d]]
                node = child[node] if side <= cut_at[node] else child[node] + 1
            total += depth[node]
        out[i] = total / len(roots)
