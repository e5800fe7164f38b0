"""A bundle whose network is made without training: principal directions, on rows drawn at random.

What quantising does to a bundle can so be tested where torch is not installed.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.bundle import Bundle
from models.network import CONVOLUTION, DENSE, Layer, LayerNetwork
from models.training.fitting import Fit, FitSettings, NetworkKind
from models.training.making import finished
from models.training.rows import Stretch, TrainingRows, training_rows

N_FEATURES, N_DIRECTIONS = 16, 4
NAMES = tuple(f"band_{i}00_{i + 1}00_hz_db" for i in range(1, 1 + N_FEATURES))


def linear_rows(seed: int = 4, n: int = 400, faults: bool = True) -> TrainingRows:
    """Two channels whose levels follow four causes and a little noise; faults raise three bands."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((N_DIRECTIONS, N_FEATURES))

    def drawn(count: int) -> Float32Array:
        causes = random.standard_normal((count, N_DIRECTIONS)) @ mixing
        noise = random.standard_normal((count, N_FEATURES))
        return (-30 + 1.5 * causes + 0.5 * noise).astype(np.float32)

    stretches = [Stretch(drawn(n) + 10 * i, f"channel {i}") for i in range(2)]
    for number, rise in enumerate((1.2, 2.0) if faults else ()):
        for i in range(2):
            values = drawn(60) + 10 * i
            values[:, 5 * number : 5 * number + 3] += rise * np.linspace(0, 2, 60)[:, np.newaxis]
            stretches.append(Stretch(values, f"channel {i}", f"fault {number}"))
    return training_rows(NAMES, "trend-1", stretches, "drawn at random")


def principal(learn: Float32Array, until: Float32Array) -> Fit:
    """Two layers: down to the strongest directions, and back."""
    vectors = np.linalg.svd(learn - learn.mean(axis=0), full_matrices=False)[2][:N_DIRECTIONS]
    down = vectors.astype(np.float32)
    layers = (
        Layer(DENSE, down, np.zeros(N_DIRECTIONS, np.float32), relu=False),
        Layer(DENSE, np.ascontiguousarray(down.T), learn.mean(axis=0).astype(np.float32), relu=False),
    )
    return Fit(LayerNetwork((learn.shape[1],), layers), (), 1, ((0.5, 0.5),))


def linear_bundle(rows: TrainingRows | None = None) -> Bundle:
    """In float32."""
    return finished(rows or linear_rows(), NetworkKind.AUTOENCODER, "linear", FitSettings(), principal)


def foretold(learn: Float32Array, until: Float32Array) -> Fit:
    """Of items `(n, steps, n_features)`: the last row as a damped sum of the rows before it."""
    before, features = learn.shape[1] - 1, learn.shape[2]
    seen = learn[:, :-1].reshape(len(learn), -1)
    ridge = seen.T @ seen + 5.0 * len(learn) * np.eye(seen.shape[1])
    weights = np.linalg.solve(ridge, seen.T @ learn[:, -1]).T.astype(np.float32)
    kernel = np.ascontiguousarray(weights.reshape(features, before, features))
    layers = (
        Layer(CONVOLUTION, kernel, np.zeros(features, np.float32), relu=False),
        Layer(DENSE, np.eye(features, dtype=np.float32), np.zeros(features, np.float32), relu=False),
    )
    return Fit(LayerNetwork((before, features), layers), (), 1, ((0.5, 0.5),))


def temporal_bundle(rows: TrainingRows) -> Bundle:
    """In float32, of a network that foretells a row from the eight before it."""
    return finished(rows, NetworkKind.TEMPORAL, "linear", FitSettings(), foretold)
