"""Golden vectors: items with known scores, which tell a damaged or misunderstood network from a sound one.

Duty: choose them. Who runs them, and what happens when one is wrong, is the model host's.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.manifest import GoldenVector
from models.network import LayerNetwork
from models.network_score import NetworkSpec
from models.training.judging import Judged, raw_of
from models.training.saturating_item import saturating_item, short_figures

TOLERANCE = 0.02  # of the score, or of the limit where the score is below it


def golden_vectors(
    spec: NetworkSpec, network: LayerNetwork, judged: Judged, limit: float
) -> tuple[GoldenVector, ...]:
    """Three usual items, three faulty ones, and one that tells where products saturate in 16 bits."""
    picked: list[tuple[Float32Array, str]] = []
    for rows, why in ((judged.healthy, "usual"), (judged.faulty, "faulty")):
        whole = np.flatnonzero(np.isfinite(raw_of(spec, network, rows.values)))
        order = whole[np.argsort(raw_of(spec, network, rows.values[whole]), kind="stable")]
        picked += [(rows.values[order[int(q * (len(order) - 1))]], why) for q in (0.1, 0.5, 0.9)]
    picked.append((saturating_item(spec, network, judged, limit), "saturating"))
    items = short_figures(np.stack([item for item, _ in picked]))
    scores = raw_of(spec, network, items) / limit
    return tuple(
        GoldenVector(tuple(float(v) for v in item.ravel()), float(score), TOLERANCE, why)
        for item, score, (_, why) in zip(items, scores, picked, strict=True)
    )
