"""Pictures to a bundle with a float32 network: what `stethos train` does once it has pictures.

Duty: put together what a trained network needs to be used and judged: how pictures become its input, its
limit, golden vectors, model card, pictures that did not teach. `picture_fitting` trains; int8 comes later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from dsp.samples import Float32Array
from models.bundle import MODEL_CARD, Bundle, artefact_of, entry_of
from models.manifest import Artefact, GoldenVector, ModelKind, ModelManifest
from models.network import LayerNetwork, to_artefact
from models.training.golden import TOLERANCE
from models.training.picture_card import picture_card
from models.training.picture_fitting import (
    CELL_PX,
    LEAST_SPREAD,
    REACH,
    PictureFitSettings,
    PictureProgress,
    fit_pictures,
)
from models.training.picture_material import (
    CROP_PX,
    PICTURES_FILE,
    PictureMaterial,
    fitted_limit,
    material_of,
    to_bytes,
)
from models.training.picture_textures import fit_texture
from models.training.pictures import GOOD, MarkedPicture, TrainingPictures
from models.training.record import RECORD_FILE
from models.training.runtime_files import FLOAT_FILE
from models.vision.inspection import UInt8Array
from models.vision.picture_score import (
    PictureForm,
    PictureSpec,
    figures,
    mirrored,
    network_input,
    results,
    shrunk,
)

TOP_CELLS = 3
LATENCY_BUDGET_S = 0.1
PICTURE_EXTRACTOR = "grey-1"  # grey values, shrunk by whole factors
_LARGEST_PX = 640 * 480  # of the network's picture: larger ones are shrunk
_GOLDEN_PX = 48


class PictureKind(StrEnum):
    """What is trained."""

    GOOD_PARTS = "vision-good-parts"
    SEGMENTER = "vision-segmenter"

    @property
    def form(self) -> PictureForm:
        """What its network was taught."""
        return PictureForm.GOOD_PARTS if self is PictureKind.GOOD_PARTS else PictureForm.SEGMENTER


TeachPictures = Callable[[Sequence[MarkedPicture], tuple[str, ...]], LayerNetwork]


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What a bundle is put together from."""

    kind: PictureKind
    settings: PictureFitSettings
    pictures: TrainingPictures
    network: LayerNetwork  # of the whole picture's size
    spec: PictureSpec
    material: PictureMaterial


def train_pictures(
    pictures: TrainingPictures,
    kind: PictureKind,
    name: str,
    settings: PictureFitSettings,
    progress: PictureProgress = lambda step, loss: None,
) -> Bundle:
    """A bundle with a trained float32 network. Raises ModelError where the pictures cannot teach one."""
    return finished_pictures(
        pictures, kind, name, settings, lambda learn, kinds: fit_pictures(learn, kinds, settings, progress)
    )


def finished_pictures(
    pictures: TrainingPictures,
    kind: PictureKind,
    name: str,
    settings: PictureFitSettings,
    teach: TeachPictures,
) -> Bundle:
    """A bundle with the network that `teach` makes of those pictures that teach, shrunk to its own size."""
    kinds = pictures.kinds if kind is PictureKind.SEGMENTER else ()
    size_px = pictures.pictures[0].picture.shape[:2] if pictures.pictures else (0, 0)
    shrink = shrink_of(size_px)
    material = material_of(pictures, shrink, CROP_PX, settings.seed)
    learn = [small(one, shrink) for one in pictures.parts()[0] if kinds or one.kind == GOOD]
    crops = teach(learn, kinds)
    shape = material.good.shape[1:]
    network = replace(crops, input_shape=(*shape, 1))
    spec = spec_of(kind.form, (size_px[0], size_px[1]), shrink, network, kinds)
    marked = [(one.picture.astype(np.float32), one.kind) for one in learn if one.kind != GOOD]
    spec = replace(spec, texture=fit_texture(marked, kinds) if kinds else None)
    return _bundle(name, _Made(kind, settings, pictures, network, spec, material))


def shrink_of(size_px: tuple[int, ...]) -> int:
    """By how much pictures are shrunk so that a network of them keeps its latency."""
    shrink = 1
    while (size_px[0] // shrink) * (size_px[1] // shrink) > _LARGEST_PX:
        shrink += 1
    return shrink


def small(one: MarkedPicture, shrink: int) -> MarkedPicture:
    """A marked picture, shrunk."""
    if shrink == 1:
        return one
    picture = np.rint(shrunk(one.picture.astype(np.float32), shrink)).astype(np.uint8)
    mask = None if one.mask is None else shrunk(one.mask.astype(np.float32), shrink) >= 0.5
    return MarkedPicture(picture, one.kind, mask)


def spec_of(
    form: PictureForm, size_px: tuple[int, int], shrink: int, network: LayerNetwork, kinds: tuple[str, ...]
) -> PictureSpec:
    """What stands around a network of whole pictures."""
    down, across = network.output_shape[:2]
    return PictureSpec(
        form=form,
        picture_size_px=size_px,
        shrink=shrink,
        map_shape=(down, across),
        kinds=kinds,
        own_light=True,
        spread=LEAST_SPREAD,
        reach=REACH,
        top_cells=TOP_CELLS,
    )


def raw_results(
    spec: PictureSpec, network: LayerNetwork, pictures: UInt8Array | Float32Array
) -> Float32Array:
    """Results `(n, values)` at limit 1, by the reference's arithmetic, one picture at a time."""
    rows = [
        results(spec, one, network.run(network_input(spec, one)), 1.0)
        for one in (picture[np.newaxis].astype(np.float32) for picture in pictures)
    ]
    return np.concatenate(rows) if rows else np.empty((0, spec.values), np.float32)


def _bundle(name: str, made: _Made) -> Bundle:
    material, network, spec = made.material, made.network, made.spec
    limit_raw, good, bad = (
        raw_results(spec, network, part)[:, 0].astype(np.float64)
        for part in (material.limit, material.good, material.bad)
    )
    limit = fitted_limit(limit_raw)
    quality = material.quality(good, bad, limit)
    content = to_artefact(network)
    files = {FLOAT_FILE: content, PICTURES_FILE: to_bytes(material)}
    teach = made.pictures.parts()[0]
    record = {
        "kind": made.kind,
        "seed": made.settings.seed,
        "settings": asdict(made.settings),
        "parameters": network.parameters,
        "data_sha256": made.pictures.sha256,
        "origin": made.pictures.origin,
        "steps": 0,
        "faults": list(material.kinds),
        "judged_kinds": list(material.kinds),
        "kinds": list(spec.kinds),
        "texture": spec.texture is not None,
        "made_up": material.made_up,
        "picture_size_px": list(spec.picture_size_px),
        "cell_px": CELL_PX * spec.shrink,
        "taught": sum(bool(spec.kinds) or one.kind == GOOD for one in teach),
        "limit_pictures": len(material.limit),
        "quality": quality.to_json(),
    }
    files[RECORD_FILE] = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    files[MODEL_CARD] = picture_card(name, record, quality).encode()
    entry = Artefact("numpy_reference", "", 0, limit, fitted_in=f"numpy {np.__version__}", min_runtime="2.0")
    manifest = ModelManifest(
        name=name,
        version=made.pictures.sha256[:6] + entry_of(FLOAT_FILE, content).sha256[:6],
        kind=ModelKind.DEFECT_MAP,
        feature_names=(),
        input_shape=network.input_shape[:2],
        extractor_version=PICTURE_EXTRACTOR,
        artefacts=(artefact_of(entry, FLOAT_FILE, content),),
        golden=_golden(made, limit, good, bad),
        picture=spec,
        latency_budget_s=LATENCY_BUDGET_S,
        files=tuple(entry_of(file, files[file]) for file in (MODEL_CARD, RECORD_FILE, PICTURES_FILE)),
    )
    return Bundle(manifest, files)


def _golden(made: _Made, limit: float, good: np.ndarray, bad: np.ndarray) -> tuple[GoldenVector, ...]:
    """Crops of two usual and three defective pictures, and one whose first products saturate 16 bits."""
    picked: list[tuple[Float32Array, str]] = []
    for pictures, scores, parts, why in (
        (made.material.good, good, (0.5, 1.0), "usual"),
        (made.material.bad, bad, (0.3, 0.6, 0.9), "faulty"),
    ):
        order = np.argsort(scores, kind="stable")
        for part in parts:
            picture = pictures[order[int(part * (len(order) - 1))]].astype(np.float32)
            picked.append((_hottest_crop(made, picture), why))
    picked.append((_saturating_crop(made.network), "saturating"))
    whole = np.stack([mirrored(crop, made.network.input_shape[:2]) for crop, _ in picked])
    rows = raw_results(made.spec, made.network, whole)
    rows[:, 0] /= limit
    rows[:, 1 + len(made.spec.kinds) :] /= limit
    return tuple(
        GoldenVector(tuple(crop.ravel().tolist()), float(f"{figure:.7g}"), TOLERANCE, why)
        for (crop, why), figure in zip(picked, figures(made.spec, rows).tolist(), strict=True)
    )


def _hottest_crop(made: _Made, picture: Float32Array) -> Float32Array:
    """The surroundings of a picture's hottest cell, square."""
    spec = made.spec
    side = min(_GOLDEN_PX, *picture.shape)
    heat = raw_results(spec, made.network, picture[np.newaxis])[0, 1 + len(spec.kinds) :]
    cell = np.unravel_index(int(heat.argmax()), spec.map_shape)
    top, left = (
        int(np.clip(at * CELL_PX + CELL_PX // 2 - side // 2, 0, size - side))
        for at, size in zip(cell, picture.shape, strict=True)
    )
    return picture[top : top + side, left : left + side]


def _saturating_crop(network: LayerNetwork) -> Float32Array:
    """Mid-grey but for one place that drives a filter of the first layer as far as its input goes."""
    side = min(_GOLDEN_PX, *network.input_shape[:2])
    weights = network.layers[0].weights[..., 0]
    strongest = weights[int(np.abs(weights).sum(axis=(1, 2)).argmax())]
    crop = np.full((side, side), 128.0, np.float32)
    middle = side // 4 * 2  # the filters of a stride of two stand on even rows
    crop[middle : middle + strongest.shape[0], middle : middle + strongest.shape[1]] = np.where(
        strongest > 0, 255.0, 0.0
    )
    return crop
