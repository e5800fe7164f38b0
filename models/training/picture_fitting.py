"""Networks over pictures, trained in plain torch: one that finds made-up defects, one that tells kinds apart.

Duty: from pictures to a trained `LayerNetwork`. Equal pictures, settings and seed give equal networks, on one
kind of machine and one version of torch. Chooses no limit.

Both are the same small network: convolutions down to an eighth of the picture, then wider and wider ones, at
last the evidence of each kind in each cell. The one of good parts is shown good pictures of which most carry
made-up defects (`drawn_defects`); the segmenter is shown marked ones. Both see crops; their batch
normalisation is folded into the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.errors import ModelError
from models.network import PICTURE_CONVOLUTION, Layer, LayerNetwork
from models.picture_layers import padding
from models.training.drawn_defects import BoolArray, with_defects
from models.training.fitting import torch_or_refused
from models.training.pictures import GOOD, MarkedPicture
from models.vision.picture_score import lit, mirrored

MAX_PARAMETERS = 300_000
CELL_PX = 8  # of the network's pixels, down and across
DEFECT = "defect"  # the one kind of a model that has seen good parts only
REACH = 4.0  # spreads; see models.vision.picture_score
LEAST_SPREAD = 8.0  # grey values
# outputs, stride, dilation; each 3 x 3 with ReLU
PLAN = ((16, 2, 1), (32, 2, 1), (32, 1, 1), (64, 2, 1), (64, 1, 1), (64, 1, 2), (64, 1, 4), (64, 1, 1))
_LEAST_SHARE, _CLEAR_SHARE = 0.04, 0.25  # of a cell that shows a defect; between, a box's edge is left out
_DEFECTIVE = 0.7  # share of pictures that are given made-up defects


@dataclass(frozen=True, slots=True)
class PictureFitSettings:
    """How long and how fast a network over pictures learns."""

    seed: int = 0
    steps: int = 2400
    batch: int = 12
    crop_px: int = 192  # at most; of smaller pictures, their own size
    learning_rate: float = 3e-3  # the largest, a third of the way
    weight_decay: float = 1e-4
    gain: float = 0.22  # contrast and brightness of a good part's crop change by up to so much, either way
    shift: float = 20.0  # grey values; of marked pictures half of both: brightness may tell kinds apart


PictureProgress = Callable[[int, float], None]  # step, mean loss of the last ones
Batch = tuple[Float32Array, Float32Array]  # (n, h, w, 1) as the network sees it; (n, h, w) kind + 1, 0 sound


def fit_pictures(
    learn: Sequence[MarkedPicture],
    kinds: Sequence[str],
    settings: PictureFitSettings,
    progress: PictureProgress = lambda step, loss: None,
) -> LayerNetwork:
    """A network on crops that learned from pictures; no kinds: from good ones, with made-up defects.

    Raises ModelError without torch, without pictures, and where the loss is no number.
    """
    torch = torch_or_refused()
    torch.manual_seed(settings.seed)
    crops = Crops(learn, kinds, settings)
    parts = _made(torch, max(len(kinds), 1))
    parameters = [one for part in parts for one in part.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps + 1
    )
    lately: list[float] = []
    for step in range(1, settings.steps + 1):
        seen, cells = crops.batch()
        shown = torch.from_numpy(seen.transpose(0, 3, 1, 2).copy())
        evidence = _run(torch, parts, shown.contiguous(memory_format=torch.channels_last))
        loss = _loss(torch, evidence, torch.from_numpy(cells), tells_kinds=len(kinds) > 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        lately = [*lately[-49:], float(loss.detach())]
        if not np.isfinite(lately[-1]):
            raise ModelError(f"the loss is no number after {step} steps")
        progress(step, float(np.mean(lately)))
    network = LayerNetwork((crops.size_px, crops.size_px, 1), _folded(parts))
    if network.parameters > MAX_PARAMETERS:
        raise ModelError(f"the network has {network.parameters} parameters; at most {MAX_PARAMETERS}")
    return network


class Crops:
    """Crops of pictures that teach, with the kind that each cell shows."""

    def __init__(
        self, learn: Sequence[MarkedPicture], kinds: Sequence[str], settings: PictureFitSettings
    ) -> None:
        """Raises ModelError where nothing can teach."""
        self._marked = [one for one in learn if one.kind in kinds and one.mask is not None]
        self._good = [one for one in learn if one.kind == GOOD]
        self._kinds, self._settings = tuple(kinds), settings
        if (kinds and not self._marked) or (not kinds and not self._good):
            raise ModelError(
                f"there is no picture of {'a marked defect' if kinds else 'a good part'} to learn from"
            )
        shortest = min(min(one.picture.shape) for one in (self._marked or self._good))
        # small pictures are mirrored up to twice their size, so that narrow parts do not shrink all crops
        fits = min(settings.crop_px, 2 * shortest) // CELL_PX * CELL_PX
        if fits < 4 * CELL_PX:
            raise ModelError(f"a picture is only {shortest} pixels across; expected {2 * CELL_PX} or more")
        self.size_px = fits
        self._chance = np.random.Generator(np.random.PCG64(settings.seed))

    def batch(self) -> Batch:
        """The next batch."""
        drawn = [self._one() for _ in range(self._settings.batch)]
        return np.stack([seen for seen, _ in drawn]), np.stack([cells for _, cells in drawn])

    def _one(self) -> tuple[Float32Array, Float32Array]:
        chance = self._chance
        if not self._kinds:
            crop, _ = self._crop(self._any(self._good))
            mask: BoolArray = np.zeros(crop.shape, np.bool_)
            if chance.random() < _DEFECTIVE:
                crop, mask = with_defects(crop, [self._crop(self._any(self._good))[0]], chance)
            return self._seen(crop), (_cover(mask) > _LEAST_SHARE).astype(np.float32)
        # kinds in turn, however many pictures each has; good ones as one kind more
        choices = [[one for one in self._marked if one.kind == kind] for kind in self._kinds]
        choices = [own for own in (*choices, self._good) if own]
        one = self._any(choices[int(chance.integers(len(choices)))])
        crop, mask = self._crop(one)
        if one.kind == GOOD:
            return self._seen(crop), np.zeros_like(_cover(mask))
        cover, number = _cover(mask), 1.0 + self._kinds.index(one.kind)
        cells = np.where(cover > _CLEAR_SHARE, number, np.where(cover > _LEAST_SHARE, -1.0, 0.0))
        return self._seen(crop), cells.astype(np.float32)

    def _seen(self, crop: Float32Array) -> Float32Array:
        """As the network sees it, `(h, w, 1)`."""
        return lit(crop[np.newaxis], True, LEAST_SPREAD, REACH)[0, ..., np.newaxis]

    def _any(self, pictures: Sequence[MarkedPicture]) -> MarkedPicture:
        return pictures[int(self._chance.integers(len(pictures)))]

    def _crop(self, one: MarkedPicture) -> tuple[Float32Array, BoolArray]:
        """A crop, mirrored and lit at random, and its mask."""
        chance, size, settings = self._chance, self.size_px, self._settings
        height, width = one.picture.shape
        picture = mirrored(one.picture.astype(np.float32), (max(height, size), max(width, size)))
        mask = np.zeros(picture.shape, np.float32)
        if one.mask is not None:
            mask = mirrored(one.mask.astype(np.float32), picture.shape)
        top, left = (int(chance.integers(n - size + 1)) for n in picture.shape)
        down, across = (int(chance.choice([-1, 1])) for _ in range(2))
        part = (slice(top, top + size), slice(left, left + size))
        crop, inside = (values[part][::down, ::across] for values in (picture, mask))
        part_of = 0.5 if self._kinds else 1.0
        gain = np.exp(part_of * chance.uniform(-settings.gain, settings.gain))
        shift = part_of * chance.uniform(-settings.shift, settings.shift)
        return np.clip((crop - 128.0) * gain + 128.0 + shift, 0.0, 255.0).astype(np.float32), inside > 0.5


def _cover(mask: BoolArray) -> Float32Array:
    """`(cells down, across)` the share of each cell that is marked."""
    down, across = (size // CELL_PX for size in mask.shape)
    cover: Float32Array = mask.reshape(down, CELL_PX, across, CELL_PX).mean(axis=(1, 3), dtype=np.float32)
    return cover


def _made(torch: Any, evidences: int) -> list[Any]:
    """Convolution, normalisation, convolution, ...; the last convolution has a bias."""
    parts, channels = [], 1
    for outputs, stride, dilation in PLAN:
        parts.append(torch.nn.Conv2d(channels, outputs, 3, stride, dilation=dilation, bias=False))
        parts.append(torch.nn.BatchNorm2d(outputs))
        channels = outputs
    parts.append(torch.nn.Conv2d(channels, evidences, 1))
    return [part.to(memory_format=torch.channels_last) for part in parts]  # a third faster on a CPU


def _run(torch: Any, parts: list[Any], now: Any) -> Any:
    """Evidence `(n, kinds, h, w)` of pictures `(n, 1, h, w)`, padded as every runtime does."""
    functional = torch.nn.functional
    for part in parts:
        if isinstance(part, torch.nn.BatchNorm2d):
            now = torch.relu(part(now))
            continue
        pads = [
            padding(size, part.kernel_size[0], part.stride[0], part.dilation[0]) for size in now.shape[2:]
        ]
        now = part(functional.pad(now, (*pads[1], *pads[0])))
    return now


def _loss(torch: Any, evidence: Any, cells: Any, *, tells_kinds: bool) -> Any:
    """Cross entropy of cells, those with a defect four times; of kinds also that of each picture's shares."""
    functional = torch.nn.functional
    none = torch.zeros_like(evidence[:, :1])
    log_part = functional.log_softmax(torch.cat([none, evidence], dim=1), dim=1)
    right = cells.long().clamp(min=0)
    cost = -log_part.gather(1, right[:, None])[:, 0]
    counts = (cells >= 0) * (1.0 + 3.0 * (cells > 0))
    loss = (cost * counts).sum() / counts.sum()
    if not tells_kinds:
        return loss
    inside = log_part[:, 1:].exp().flatten(2).sum(dim=2)  # (n, kinds)
    share = inside / inside.sum(dim=1, keepdim=True).clamp(min=1e-6)
    kind = right.flatten(1).amax(dim=1)
    shown = kind > 0
    if bool(shown.any()):
        chosen = share[shown].gather(1, kind[shown][:, None] - 1)
        loss = loss - chosen.clamp(min=1e-6).log().mean()
    return loss


def _folded(parts: list[Any]) -> tuple[Layer, ...]:
    """Layers with each normalisation folded into the convolution before it."""
    layers = []
    for convolution, after in zip(parts[::2], [*parts[1::2], None], strict=True):
        weights = convolution.weight.detach().numpy().astype(np.float64)
        bias = np.zeros(len(weights))
        if convolution.bias is not None:
            bias = convolution.bias.detach().numpy().astype(np.float64)
        if after is not None:
            spread = np.sqrt(after.running_var.numpy().astype(np.float64) + after.eps)
            factor = after.weight.detach().numpy().astype(np.float64) / spread
            bias = (bias - after.running_mean.numpy()) * factor + after.bias.detach().numpy()
            weights = weights * factor[:, np.newaxis, np.newaxis, np.newaxis]
        layers.append(
            Layer(
                PICTURE_CONVOLUTION,
                np.ascontiguousarray(weights.transpose(0, 2, 3, 1), dtype=np.float32),
                bias.astype(np.float32),
                relu=after is not None,
                stride=convolution.stride[0],
                dilation=convolution.dilation[0],
            )
        )
    return tuple(layers)
