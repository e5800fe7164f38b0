"""What may follow a training: weights that are cut, and weights that learn to live with int8.

Duty: the arithmetic of pruning and of quantisation-aware training, in torch, for `fitting`. Trains nothing by
itself, imports torch nowhere: it is handed in.

- Pruning cuts the smallest weights of every layer (Han et al., Learning both Weights and Connections for
  Efficient Neural Networks, NIPS 2015). What is cut stays 0 while the others learn on.
- Quantisation-aware training computes as int8 will, gradients passing through as if it did not round (Jacob
  et al., CVPR 2018, section 3). Scales are found as `quantiser` finds them: weights by their largest, one per
  dense layer, per channel of a convolution; activations by the true smallest and largest of calibration rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.network import CONVOLUTION
from models.training.quantiser import MOST_ROWS
from models.training.rows import raised

LayerPlan = list[tuple[str, tuple[int, ...], bool]]


class Cut:
    """Which weights are 0 for good."""

    def __init__(self, torch: Any, parts: list[Any], share: float) -> None:
        """Chooses the smallest `share` of each layer's weights, 0 to below 1, and cuts them."""
        self._parts = parts
        self._masks = []
        for part in parts:
            sizes = part.weight.detach().abs().flatten()
            mask = torch.ones_like(sizes)
            mask[torch.argsort(sizes, stable=True)[: int(share * len(sizes))]] = 0.0
            self._masks.append(mask.reshape(part.weight.shape))
        self.apply()

    def apply(self) -> None:
        """Cut them again: after each step of an optimiser."""
        for part, mask in zip(self._parts, self._masks, strict=True):
            part.weight.data.mul_(mask)


class FakeInt8:
    """A forward pass that rounds as int8 will."""

    def __init__(self, torch: Any, parts: list[Any], plan: LayerPlan) -> None:
        self._torch, self._parts, self._plan = torch, parts, plan
        self._ranges: list[tuple[float, float]] = []

    def calibrate(self, rows: Float32Array) -> None:
        """Find the activations' ranges with the weights as they are."""
        torch = self._torch
        self._ranges = []
        with torch.no_grad():
            self._run(torch.from_numpy(rows), self._widest)

    def __call__(self, now: Any) -> Any:
        """The outputs, as int8 would give them."""
        ranges = iter(self._ranges)
        return self._run(now, lambda values: self._rounded(values, *next(ranges)))

    def _widest(self, values: Any) -> Any:
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        self._ranges.append((low, high))
        return self._rounded(values, low, high)

    def _rounded(self, values: Any, low: float, high: float) -> Any:
        torch = self._torch
        scale = max(high - low, 1e-6) / 255.0
        zero = round(-128.0 - low / scale)
        steps = torch.clamp(torch.round(values / scale) + zero, -128, 127)
        return values + ((steps - zero) * scale - values).detach()

    def _run(self, now: Any, rounded: Any) -> Any:
        torch = self._torch
        functional = torch.nn.functional
        now = rounded(now)
        for part, (kind, _, relu) in zip(self._parts, self._plan, strict=True):
            weights = self._weights(part.weight, kind)
            if kind == CONVOLUTION:
                now = functional.conv1d(now.transpose(1, 2), weights, part.bias).transpose(1, 2)
            else:
                now = functional.linear(now.reshape(len(now), -1), weights, part.bias)
            now = rounded(torch.relu(now) if relu else now)
        return now

    def _weights(self, weights: Any, kind: str) -> Any:
        torch = self._torch
        sizes = weights.detach().abs()
        largest = sizes.amax(dim=(1, 2), keepdim=True) if kind == CONVOLUTION else sizes.max()
        scale = torch.clamp(largest, min=1e-6) / 127.0
        return weights + (torch.clamp(torch.round(weights / scale), -127, 127) * scale - weights).detach()


def calibration_rows(learn: Float32Array, reach: float, seed: int) -> Float32Array:
    """At most 1000 of the deviations that teach, a quarter of them raised up to the reach."""
    chance = np.random.Generator(np.random.PCG64(seed + 3))
    rows = learn[np.linspace(0, len(learn) - 1, min(len(learn), MOST_ROWS)).astype(int)].copy()
    far = np.arange(len(rows)) % 4 == 3
    rows[far] = raised(rows[far], chance, 1.0, reach)
    clipped: Float32Array = np.clip(rows, -reach, reach)
    return clipped
