"""Golden vectors: items with known scores, which tell a damaged or misunderstood network from a sound one.

Duty: choose them. Who runs them, and what happens when one is wrong, is the model host's.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.baseline import FeatureScale
from models.manifest import GoldenVector
from models.network import LayerNetwork
from models.network_score import NetworkSpec
from models.training.judging import Judged, raw_of

TOLERANCE = 0.02  # of the score, or of the limit where the score is below it


def golden_vectors(
    spec: NetworkSpec, network: LayerNetwork, judged: Judged, limit: float
) -> tuple[GoldenVector, ...]:
    """Three usual items, three faulty ones, and one whose products saturate where 16 bits must hold them."""
    picked: list[tuple[Float32Array, str]] = []
    for rows, why in ((judged.healthy, "usual"), (judged.faulty, "faulty")):
        whole = np.flatnonzero(np.isfinite(raw_of(spec, network, rows.values)))
        order = whole[np.argsort(raw_of(spec, network, rows.values[whole]), kind="stable")]
        picked += [(rows.values[order[int(q * (len(order) - 1))]], why) for q in (0.1, 0.5, 0.9)]
    picked.append((saturating_item(spec, network, judged.healthy.values[0]), "saturating"))
    items = np.array([_short(item) for item, _ in picked], dtype=np.float32)
    scores = raw_of(spec, network, items) / limit
    return tuple(
        GoldenVector(tuple(float(v) for v in item.ravel()), float(score), TOLERANCE, why)
        for item, score, (_, why) in zip(items, scores, picked, strict=True)
    )


def saturating_item(spec: NetworkSpec, network: LayerNetwork, like: Float32Array) -> Float32Array:
    """An item that drives the first layer's strongest pair of neighbouring weights as far as inputs go.

    Where two products of an unsigned and a signed byte are summed in 16 bits (x86 without VNNI), weights of
    8 bits saturate here: the golden score then differs, and the box refuses the artefact before it serves.
    """
    weights = network.layers[0].weights
    pairs = np.maximum(weights[..., :-1], 0) + np.maximum(weights[..., 1:], 0)
    strongest = np.unravel_index(int(np.argmax(pairs)), pairs.shape)
    row = weights[strongest[:-1]]
    z = np.where(row > 0, spec.reach, -min(spec.fall_cap, spec.reach))
    item = np.nan_to_num(like).reshape(-1, like.shape[-1]).astype(np.float64)
    value = np.asarray(spec.centre) + z * np.asarray(spec.spread)
    levels = np.array([spec.scales[i] is FeatureScale.LEVEL for i in spec.columns])
    item[:, spec.columns] = np.where(levels, 10.0 ** (value / 20.0), value)
    return item.astype(np.float32).reshape(like.shape)


def _short(item: Float32Array) -> Float32Array:
    """Figures of six digits: golden inputs are read by people, and a manifest is kept small."""
    return np.array([float(f"{value:.6g}") for value in np.nan_to_num(item).ravel()], np.float32).reshape(
        item.shape
    )
