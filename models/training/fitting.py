"""Networks small enough for the edge, trained in plain torch: autoencoder, one-class, temporal.

Duty: from deviations to a trained `LayerNetwork`. Equal rows, settings and seed give equal networks, on one
kind of machine and one version of torch. The only place that imports torch, and only when something trains.

- autoencoder: deviations through a narrow layer and back; noise is added while it learns, so that it cannot
  copy. The distance is what it does not give back.
- one-class: an embedding that draws healthy rows near to one point and pushes raised ones away (after Ruff et
  al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, with made-up anomalies; without them a network may
  map all rows to the point). Its layers have no biases, as in the paper before it.
- temporal: two convolutions over eight rows foretell the ninth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array
from models.errors import ModelError
from models.network import CONVOLUTION, DENSE, Layer, LayerNetwork
from models.network_score import NetworkForm
from models.training.rows import raised

MAX_PARAMETERS = 50_000
STEPS = 9  # rows of a temporal item: eight that are seen, and the one that is foretold
REACH = 5.0  # spreads that a network sees: wider is coarser in int8, and beyond it the distance is float
EMBEDDING = 16
SPARED = 0.2  # squared distance within which healthy rows are left alone: drawn to one point, int8 sees one
MARGIN = 4.0  # squared distance to which made-up rows are pushed; farther would cost healthy rows resolution
_MOST_FIRST = 44_000  # weights of the layers that touch the features


class NetworkKind(StrEnum):
    """What is trained."""

    AUTOENCODER = "autoencoder"
    ONE_CLASS = "one-class"
    TEMPORAL = "temporal"

    @property
    def form(self) -> NetworkForm:
        """What its output is compared with."""
        return _FORMS[self]

    @property
    def steps(self) -> int:
        """Rows of one item; 0 where an item is a row."""
        return STEPS if self is NetworkKind.TEMPORAL else 0


_FORMS = {
    NetworkKind.AUTOENCODER: NetworkForm.RECONSTRUCTION,
    NetworkKind.ONE_CLASS: NetworkForm.EMBEDDING,
    NetworkKind.TEMPORAL: NetworkForm.PREDICTION,
}


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast a network learns."""

    seed: int = 0
    most_epochs: int = 150
    patience: int = 15  # epochs without a better figure on rows that do not teach
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    noise: float = 0.3  # spreads, on what an autoencoder is given


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A trained network, where an embedding is drawn to, and how it went."""

    network: LayerNetwork
    target: tuple[float, ...]
    epochs: int
    losses: tuple[tuple[float, float], ...]  # per epoch: of the rows that teach, of those that say stop


Progress = Callable[[int, float, float], None]  # epoch, loss of learning, loss of stopping


def plan(kind: NetworkKind, n: int) -> list[tuple[str, tuple[int, ...], bool]]:
    """Kind, shape of the weights and ReLU of each layer, for `n` features; at most 50,000 parameters.

    Raises ModelError where even the narrowest network is larger.
    """
    if kind is NetworkKind.TEMPORAL:
        width = min(24, _MOST_FIRST // (7 * n))
        convolved = (STEPS - 1) - 4
        layers: list[tuple[str, tuple[int, ...], bool]] = [
            (CONVOLUTION, (width, 3, n), True),
            (CONVOLUTION, (width, 3, width), True),
            (DENSE, (n, convolved * width), False),
        ]
    else:
        closed = kind is NetworkKind.AUTOENCODER
        width = min(64, _MOST_FIRST // ((2 if closed else 1) * n))
        narrow = max(2, min(16, n // 4))
        sizes = (n, width, narrow, width, n) if closed else (n, width, 32, EMBEDDING)
        shapes = list(pairwise(sizes))
        layers = [(DENSE, (after, before), i < len(shapes) - 1) for i, (before, after) in enumerate(shapes)]
    if width < 4:
        raise ModelError(f"{n} features are too many for {MAX_PARAMETERS} parameters")
    return layers


def fit(
    kind: NetworkKind,
    learn: Float32Array,
    until: Float32Array,
    settings: FitSettings,
    progress: Progress = lambda epoch, learning, stopping: None,
) -> Fit:
    """A network that learned from deviations `learn`, stopped by `until`.

    `(n, n_columns)`, or `(n, STEPS, n_columns)` of the temporal kind. Raises ModelError without torch, and
    where the loss is no number.
    """
    torch = torch_or_refused()
    torch.manual_seed(settings.seed)
    chance = np.random.Generator(np.random.PCG64(settings.seed))
    plan_of = plan(kind, learn.shape[-1])
    parts = _made(torch, plan_of, kind is not NetworkKind.ONE_CLASS)
    target = _centre(torch, parts, plan_of, learn) if kind is NetworkKind.ONE_CLASS else None
    loss_of = _Loss(torch, kind, parts, plan_of, target, settings, chance)
    optimiser = torch.optim.Adam(
        [one for part in parts for one in part.parameters()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    best, best_at, kept = float("inf"), 0, _weights(parts)
    losses: list[tuple[float, float]] = []
    for epoch in range(1, settings.most_epochs + 1):
        order = chance.permutation(len(learn))
        total = 0.0
        for first in range(0, len(order), settings.batch):
            rows = learn[order[first : first + settings.batch]]
            optimiser.zero_grad()
            loss = loss_of(rows, learning=True)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        with torch.no_grad():
            stopping = float(loss_of(until, learning=False))
        losses.append((total / len(learn), stopping))
        if not np.isfinite(losses[-1]).all():
            raise ModelError(f"the {kind} network's loss is no number after {epoch} epochs")
        progress(epoch, *losses[-1])
        if stopping < best:
            best, best_at, kept = stopping, epoch, _weights(parts)
        elif epoch - best_at >= settings.patience:
            break
    layers = tuple(
        Layer(shape_kind, weights, bias, relu)
        for (shape_kind, _, relu), (weights, bias) in zip(plan_of, kept, strict=True)
    )
    shape = learn.shape[1:] if learn.ndim == 2 else (learn.shape[1] - 1, learn.shape[2])
    network = LayerNetwork(shape, layers)
    if network.parameters > MAX_PARAMETERS:
        raise ModelError(f"the network has {network.parameters} parameters; at most {MAX_PARAMETERS}")
    return Fit(network, () if target is None else tuple(target.tolist()), best_at, tuple(losses))


class _Loss:
    """The loss of a batch of deviations."""

    def __init__(  # noqa: PLR0917
        self,
        torch: Any,
        kind: NetworkKind,
        parts: list[Any],
        plan_of: list[tuple[str, tuple[int, ...], bool]],
        target: Any,
        settings: FitSettings,
        chance: np.random.Generator,
    ) -> None:
        self._torch, self._kind, self._parts, self._plan = torch, kind, parts, plan_of
        self._target, self._settings, self._chance = target, settings, chance
        # the rows that say stop are raised in the same way each time, or their loss would be noise
        self._stop_seed = settings.seed + 1

    def __call__(self, rows: Float32Array, learning: bool) -> Any:
        torch = self._torch
        given = torch.from_numpy(np.clip(rows, -REACH, REACH))
        if self._kind is NetworkKind.TEMPORAL:
            rest = self._run(given[:, :-1]) - given[:, -1]
            return (rest**2).mean()
        if self._kind is NetworkKind.AUTOENCODER:
            noisy = given + self._settings.noise * torch.randn(given.shape) if learning else given
            return ((self._run(noisy) - given) ** 2).mean()
        chance = self._chance if learning else np.random.Generator(np.random.PCG64(self._stop_seed))
        made_up = np.clip(raised(rows, chance, 2.0, REACH), -REACH, REACH)
        near = ((self._run(given) - self._target) ** 2).mean(dim=1)
        far = ((self._run(torch.from_numpy(made_up)) - self._target) ** 2).mean(dim=1)
        return (torch.relu(near - SPARED) + torch.relu(MARGIN - far)).mean()

    def _run(self, now: Any) -> Any:
        return _run(self._torch, self._parts, self._plan, now)


def _run(torch: Any, parts: list[Any], plan_of: list[tuple[str, tuple[int, ...], bool]], now: Any) -> Any:
    for part, (kind, _, relu) in zip(parts, plan_of, strict=True):
        if kind == CONVOLUTION:
            now = part(now.transpose(1, 2)).transpose(1, 2)
        else:
            now = part(now.reshape(len(now), -1))
        now = torch.relu(now) if relu else now
    return now


def _made(torch: Any, plan_of: list[tuple[str, tuple[int, ...], bool]], bias: bool) -> list[Any]:
    return [
        torch.nn.Conv1d(shape[2], shape[0], shape[1], bias=bias)
        if kind == CONVOLUTION
        else torch.nn.Linear(shape[1], shape[0], bias=bias)
        for kind, shape, _ in plan_of
    ]


def _centre(
    torch: Any, parts: list[Any], plan_of: list[tuple[str, tuple[int, ...], bool]], learn: Float32Array
) -> Any:
    """Where healthy rows lie before anything is learned, no coordinate near 0 (Ruff et al. 2018)."""
    with torch.no_grad():
        centre = _run(torch, parts, plan_of, torch.from_numpy(np.clip(learn, -REACH, REACH))).mean(dim=0)
        away = torch.where(centre < 0, -0.1, 0.1)
        return torch.where(centre.abs() < 0.1, away, centre)


def _weights(parts: list[Any]) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Copies of weights and biases, in the order of `models.network`."""
    found = []
    for part in parts:
        weights = part.weight.detach().numpy().copy()
        if weights.ndim == 3:  # torch: (out, in, kernel)
            weights = np.ascontiguousarray(weights.transpose(0, 2, 1))
        bias = np.zeros(len(weights), np.float32) if part.bias is None else part.bias.detach().numpy().copy()
        found.append((weights, bias))
    return found


def torch_or_refused() -> Any:
    """torch, set to one thread and repeatable sums. Raises ModelError where it is missing."""
    try:
        import torch
    except ImportError as error:
        raise ModelError(f"training needs torch ({error}): install the extra [train]") from error
    torch.set_num_threads(1)  # sums in one order, and small nets gain nothing from more
    torch.use_deterministic_algorithms(True)
    return torch
