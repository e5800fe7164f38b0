"""Networks small enough for the edge, trained in plain torch: autoencoder, one-class, temporal.

Duty: from deviations to a trained `LayerNetwork`. Equal rows, settings and seed give equal networks, on one
kind of machine and one version of torch. The only place that imports torch, and only when something trains.

- autoencoder: deviations through a narrow layer and back; noise is added while it learns, so that it cannot
  copy. The distance is what it does not give back.
- one-class: an embedding that draws healthy rows near to one point and pushes others away (after Ruff et
  al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, with made-up anomalies; without them a network may
  map all rows to the point). Its layers have no biases, as in the paper before it.
- temporal: two convolutions over eight rows foretell the ninth.

Three options, off unless asked for: weights are cut (`prune`), a student also learns what a teacher gives
back (`Teacher`; Hinton et al., Distilling the Knowledge in a Neural Network, 2015), and the last epochs
compute as int8 will (`quantisation_aware`); see `refining`.
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
from models.training.refining import Cut, FakeInt8, LayerPlan, calibration_rows
from models.training.rows import displaced

MAX_PARAMETERS = 50_000
STEPS = 9  # rows of a temporal item: eight that are seen, and the one that is foretold
REACH = 5.0  # spreads that a network sees: wider is coarser in int8, and beyond it the distance is float
EMBEDDING = 16
SPARED = 0.2  # squared distance within which healthy rows are left alone: drawn to one point, int8 sees one
MARGIN = 4.0  # squared distance to which made-up rows are pushed; farther would cost healthy rows resolution
_LEAST_WIDTH = 4
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
    most_parameters: int = MAX_PARAMETERS
    prune: float = 0.0  # share of each layer's weights that is cut, 0 to below 1
    quantisation_aware: bool = False
    refine_epochs: int = 40  # at most, after a cut, and again to learn int8

    def __post_init__(self) -> None:
        if not 0.0 <= self.prune < 1.0:
            raise ModelError(f"prune is {self.prune}; expected a share from 0 to below 1")


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A trained network, where an embedding is drawn to, and how it went."""

    network: LayerNetwork
    target: tuple[float, ...]
    epochs: int
    losses: tuple[tuple[float, float], ...]  # per epoch: of the rows that teach, of those that say stop


Progress = Callable[[int, float, float], None]  # epoch, loss of learning, loss of stopping


@dataclass(frozen=True, slots=True)
class Teacher:
    """A network whose outputs a student learns to give, and where its embedding is drawn to."""

    outputs: Callable[[Float32Array], Float32Array]  # of what the student sees, in the student's units
    target: tuple[float, ...] = ()


def plan(kind: NetworkKind, n: int, most_parameters: int = MAX_PARAMETERS) -> LayerPlan:
    """Kind, shape of the weights and ReLU of each layer, for `n` features; at most so many parameters.

    Raises ModelError where even the narrowest network is larger.
    """
    if kind is NetworkKind.TEMPORAL:
        widest = min(24, _MOST_FIRST // (7 * n))
    else:
        widest = min(64, _MOST_FIRST // ((2 if kind is NetworkKind.AUTOENCODER else 1) * n))
    for width in range(widest, _LEAST_WIDTH - 1, -1):
        layers = _layers(kind, n, width)
        if sum(int(np.prod(shape)) + shape[0] for _, shape, _ in layers) <= most_parameters:
            return layers
    raise ModelError(f"{n} features are too many for {most_parameters} parameters")


def _layers(kind: NetworkKind, n: int, width: int) -> LayerPlan:
    if kind is NetworkKind.TEMPORAL:
        convolved = (STEPS - 1) - 4
        return [
            (CONVOLUTION, (width, 3, n), True),
            (CONVOLUTION, (width, 3, width), True),
            (DENSE, (n, convolved * width), False),
        ]
    narrow = max(2, min(16, n // 4, width))
    closed = kind is NetworkKind.AUTOENCODER
    sizes = (n, width, narrow, width, n) if closed else (n, width, 32, EMBEDDING)
    shapes = list(pairwise(sizes))
    return [(DENSE, (after, before), i < len(shapes) - 1) for i, (before, after) in enumerate(shapes)]


def fit(  # noqa: PLR0917
    kind: NetworkKind,
    learn: Float32Array,
    until: Float32Array,
    settings: FitSettings,
    progress: Progress = lambda epoch, learning, stopping: None,
    teacher: Teacher | None = None,
) -> Fit:
    """A network that learned from deviations `learn`, stopped by `until`.

    `(n, n_columns)`, or `(n, STEPS, n_columns)` of the temporal kind. Raises ModelError without torch, and
    where a loss is no number.
    """
    torch = torch_or_refused()
    torch.manual_seed(settings.seed)
    chance = np.random.Generator(np.random.PCG64(settings.seed))
    plan_of = plan(kind, learn.shape[-1], settings.most_parameters)
    parts = _made(torch, plan_of, kind is not NetworkKind.ONE_CLASS)
    target = None
    if kind is NetworkKind.ONE_CLASS:
        taught = teacher is not None and len(teacher.target) > 0
        target = (
            torch.tensor(teacher.target, dtype=torch.float32)
            if teacher is not None and taught
            else _centre(torch, parts, plan_of, learn)
        )
    loss_of = _Loss(torch, kind, parts, plan_of, target, settings, chance, teacher)
    course = _Course(torch, kind, parts, loss_of, settings, chance, progress)
    course.run(learn, until, settings.most_epochs)
    if settings.prune > 0:
        course.cut = Cut(torch, parts, settings.prune)
        course.run(learn, until, settings.refine_epochs)
    if settings.quantisation_aware:
        fake = FakeInt8(torch, parts, plan_of)
        rows = calibration_rows(learn, REACH, settings.seed)
        rows = rows[:, :-1] if kind is NetworkKind.TEMPORAL else rows
        loss_of.forward = fake
        course.before_epoch = lambda: fake.calibrate(np.ascontiguousarray(rows))
        course.run(learn, until, settings.refine_epochs)
    layers = tuple(
        Layer(shape_kind, weights, bias, relu)
        for (shape_kind, _, relu), (weights, bias) in zip(plan_of, _weights(parts), strict=True)
    )
    shape = learn.shape[1:] if learn.ndim == 2 else (learn.shape[1] - 1, learn.shape[2])
    network = LayerNetwork(shape, layers)
    if network.parameters > MAX_PARAMETERS:
        raise ModelError(f"the network has {network.parameters} parameters; at most {MAX_PARAMETERS}")
    embedded = () if target is None else tuple(target.tolist())
    return Fit(network, embedded, course.best_at, tuple(course.losses))


class _Course:
    """Epochs until the rows that say stop say it; the parts end with the best weights of the last run."""

    def __init__(  # noqa: PLR0917
        self,
        torch: Any,
        kind: NetworkKind,
        parts: list[Any],
        loss_of: _Loss,
        settings: FitSettings,
        chance: np.random.Generator,
        progress: Progress,
    ) -> None:
        self._torch, self._kind, self._parts, self._loss_of = torch, kind, parts, loss_of
        self._settings, self._chance, self._progress = settings, chance, progress
        self.losses: list[tuple[float, float]] = []
        self.best_at = 0
        self.cut: Cut | None = None
        self.before_epoch: Callable[[], None] = lambda: None

    def run(self, learn: Float32Array, until: Float32Array, most_epochs: int) -> None:
        """Learn for at most so many epochs. Raises ModelError where a loss is no number."""
        settings = self._settings
        optimiser = self._torch.optim.Adam(
            [one for part in self._parts for one in part.parameters()],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        first = len(self.losses)
        best, kept = float("inf"), self._copied()
        if first:  # what a run before left may be the best already
            self.before_epoch()
            best = self._stopping(until)
        since = 0
        for epoch in range(first + 1, first + most_epochs + 1):
            self.before_epoch()
            learning = self._epoch(learn, optimiser)
            self.before_epoch()
            stopping = self._stopping(until)
            self.losses.append((learning, stopping))
            if not np.isfinite(self.losses[-1]).all():
                raise ModelError(f"the {self._kind} network's loss is no number after {epoch} epochs")
            self._progress(epoch, learning, stopping)
            since += 1
            if stopping < best:
                best, self.best_at, kept, since = stopping, epoch, self._copied(), 0
            elif since >= settings.patience:
                break
        for part, state in zip(self._parts, kept, strict=True):
            part.load_state_dict(state)

    def _epoch(self, learn: Float32Array, optimiser: Any) -> float:
        order = self._chance.permutation(len(learn))
        total = 0.0
        for first in range(0, len(order), self._settings.batch):
            rows = learn[order[first : first + self._settings.batch]]
            optimiser.zero_grad()
            loss = self._loss_of(rows, learning=True)
            loss.backward()
            optimiser.step()
            if self.cut is not None:
                self.cut.apply()
            total += float(loss.detach()) * len(rows)
        return total / len(learn)

    def _stopping(self, until: Float32Array) -> float:
        with self._torch.no_grad():
            return float(self._loss_of(until, learning=False))

    def _copied(self) -> list[Any]:
        return [{name: one.clone() for name, one in part.state_dict().items()} for part in self._parts]


class _Loss:
    """The loss of a batch of deviations."""

    def __init__(  # noqa: PLR0917
        self,
        torch: Any,
        kind: NetworkKind,
        parts: list[Any],
        plan_of: LayerPlan,
        target: Any,
        settings: FitSettings,
        chance: np.random.Generator,
        teacher: Teacher | None,
    ) -> None:
        self._torch, self._kind, self._teacher = torch, kind, teacher
        self.forward: Callable[[Any], Any] = lambda now: _run(torch, parts, plan_of, now)
        self._target, self._settings, self._chance = target, settings, chance
        # the rows that say stop are displaced in the same way each time, or their loss would be noise
        self._stop_seed = settings.seed + 1

    def __call__(self, rows: Float32Array, learning: bool) -> Any:
        torch = self._torch
        given = torch.from_numpy(np.clip(rows, -REACH, REACH))
        if self._kind is NetworkKind.TEMPORAL:
            seen = given[:, :-1].contiguous()
            outputs = self.forward(seen)
            return ((outputs - given[:, -1]) ** 2).mean() + self._apart(seen, outputs)
        if self._kind is NetworkKind.AUTOENCODER:
            noisy = given + self._settings.noise * torch.randn(given.shape) if learning else given
            outputs = self.forward(noisy)
            return ((outputs - given) ** 2).mean() + self._apart(given, outputs)
        chance = self._chance if learning else np.random.Generator(np.random.PCG64(self._stop_seed))
        made_up = torch.from_numpy(np.clip(displaced(rows, chance), -REACH, REACH))
        placed, moved_away = self.forward(given), self.forward(made_up)
        near = ((placed - self._target) ** 2).mean(dim=1)
        far = ((moved_away - self._target) ** 2).mean(dim=1)
        loss = (torch.relu(near - SPARED) + torch.relu(MARGIN - far)).mean()
        return loss + self._apart(given, placed) + self._apart(made_up, moved_away)

    def _apart(self, seen: Any, outputs: Any) -> Any:
        """How far a student's outputs are from its teacher's, of the same rows."""
        if self._teacher is None:
            return 0.0
        wanted = self._torch.from_numpy(self._teacher.outputs(seen.numpy()))
        return ((outputs - wanted) ** 2).mean()


def _run(torch: Any, parts: list[Any], plan_of: LayerPlan, now: Any) -> Any:
    for part, (kind, _, relu) in zip(parts, plan_of, strict=True):
        if kind == CONVOLUTION:
            now = part(now.transpose(1, 2)).transpose(1, 2)
        else:
            now = part(now.reshape(len(now), -1))
        now = torch.relu(now) if relu else now
    return now


def _made(torch: Any, plan_of: LayerPlan, bias: bool) -> list[Any]:
    return [
        torch.nn.Conv1d(shape[2], shape[0], shape[1], bias=bias)
        if kind == CONVOLUTION
        else torch.nn.Linear(shape[1], shape[0], bias=bias)
        for kind, shape, _ in plan_of
    ]


def _centre(torch: Any, parts: list[Any], plan_of: LayerPlan, learn: Float32Array) -> Any:
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
