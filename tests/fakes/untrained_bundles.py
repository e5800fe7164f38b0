"""Bundles with the shapes that are trained and weights from a seed."""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.bundle import Bundle
from models.network import Layer, LayerNetwork
from models.training.fitting import Fit, FitSettings, NetworkKind, plan
from models.training.making import finished
from tests.fakes.linear_bundle import linear_rows


def untrained(kind: NetworkKind) -> Bundle:
    """In float32."""
    random = np.random.default_rng(2)

    def teach(learn: Float32Array, until: Float32Array) -> Fit:
        layers = [
            Layer(
                layer,
                (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32),
                np.zeros(shape[0], np.float32),
                relu,
            )
            for layer, shape, relu in plan(kind, learn.shape[-1])
        ]
        network = LayerNetwork(
            (kind.steps - 1, learn.shape[-1]) if kind.steps else learn.shape[1:], tuple(layers)
        )
        seen = learn[:, :-1] if kind.steps else learn
        middle = network.run(seen).mean(axis=0) if kind is NetworkKind.ONE_CLASS else np.empty(0)
        return Fit(network, tuple(middle.tolist()), 1, ((0.5, 0.5),))

    return finished(linear_rows(), kind, str(kind), FitSettings(), teach)
