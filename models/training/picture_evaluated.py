"""Networks over pictures as the judges of an evaluation: trained on what a protocol hands over.

Duty: train, calibrate, find each artefact's limit in its runtime, and judge pictures of any size. Reads no
label but those of pictures that teach. As `stethos quantise` does, it makes ONNX in float32 and in int8 (QDQ)
for ONNX Runtime and OpenVINO, and int8 TFLite for LiteRT; what is not installed is left out.

A camera's pictures have one size, these may not: then each is mirrored up to the next round size, and what
the mirror shows is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import artefact_of
from models.errors import BackendUnavailableError
from models.evaluation.sealed import RevealedLabel
from models.evaluation.visual_anomaly_protocol import Judge
from models.evaluation.visual_classification_protocol import NameKind
from models.manifest import Artefact, ModelKind, ModelManifest, Precision
from models.network import LayerNetwork
from models.training.flatbuffer import to_tflite
from models.training.onnx_files import resized, to_onnx, to_qdq
from models.training.picture_fitting import CELL_PX, PictureFitSettings, PictureProgress, fit_pictures
from models.training.picture_making import PICTURE_EXTRACTOR, spec_of
from models.training.picture_material import CROP_PX, calibration_crops, fitted_limit
from models.training.picture_textures import fit_texture
from models.training.pictures import MarkedPicture, mask_of_boxes
from models.training.quantiser import quantise
from models.vision.inspection import UInt8Array
from models.vision.picture_score import (
    PictureForm,
    PictureResult,
    PictureSpec,
    mirrored,
    network_input,
    raw_score,
    taken_apart,
)
from models.vision.picture_texture import TextureKinds

_EACH_FIFTH = 5
_STEP_PX = 64  # sizes that differ are rounded up to this: each is a network of its own to a runtime
RUNTIMES = ("onnxruntime", "openvino", "litert")  # the first that is there gives the headline
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PictureNetworks:
    """Trains and judges; `good_parts` and `kinds` are what the protocols take."""

    settings: PictureFitSettings = field(default_factory=PictureFitSettings)
    weight_bits: int = 8
    say: Say = lambda text: None
    progress: PictureProgress = lambda step, loss: None

    def good_parts(self, good: Sequence[UInt8Array]) -> dict[str, dict[str, Judge]]:
        """Judges by variant and runtime; see `visual_anomaly_protocol.TeachGoodParts`.

        Every fifth picture does not teach: the limit is found on those.
        """
        teach = [MarkedPicture(one) for i, one in enumerate(good) if i % _EACH_FIFTH != _EACH_FIFTH - 1]
        until = [one for i, one in enumerate(good) if i % _EACH_FIFTH == _EACH_FIFTH - 1] or list(good)
        network = fit_pictures(teach, (), self.settings, self.progress)
        found: dict[str, dict[str, Judge]] = {}
        for precision, runtime, run in self._runs(PictureForm.GOOD_PARTS, network, teach, (), None):
            raw = np.array([run.judged(picture)[0] for picture in until], dtype=np.float64)
            found.setdefault(str(precision), {})[runtime] = run.at(fitted_limit(raw)).judged
        return found

    def kinds(self, taught: Sequence[tuple[UInt8Array, RevealedLabel]]) -> dict[str, dict[str, NameKind]]:
        """Namers by variant and runtime; see `visual_classification_protocol.TeachKinds`."""
        marked = [_marked(picture, truth) for picture, truth in taught]
        names = tuple(sorted({one.kind for one in marked}))
        network = fit_pictures(marked, names, self.settings, self.progress)
        found: dict[str, dict[str, NameKind]] = {}
        texture = None
        if len({one.picture.shape for one in marked}) == 1:
            texture = fit_texture([(one.picture.astype(np.float32), one.kind) for one in marked], names)
        for precision, runtime, run in self._runs(PictureForm.SEGMENTER, network, marked, names, texture):
            found.setdefault(str(precision), {})[runtime] = run.kind
        return found

    def _runs(
        self,
        form: PictureForm,
        crops: LayerNetwork,
        teach: Sequence[MarkedPicture],
        kinds: tuple[str, ...],
        texture: TextureKinds | None,
    ) -> list[tuple[Precision, str, _Run]]:
        """One for each runtime and precision, int8 first, at limit 1."""
        chance = np.random.Generator(np.random.PCG64(self.settings.seed + 1))
        size = min(CROP_PX, crops.input_shape[0])
        small = replace(crops, input_shape=(size, size, 1))
        spec = spec_of(form, (size, size), 1, small, kinds)
        grounds = [one.picture.astype(np.float32) for one in teach]
        seen = network_input(spec, calibration_crops(grounds, size, chance).astype(np.float32))
        int8 = quantise(small, seen)
        qdq = to_qdq(to_onnx(small), seen, symmetric=False, weight_bits=self.weight_bits)
        step_px = _STEP_PX if len({one.picture.shape for one in teach}) > 1 else 1
        made: list[tuple[Precision, str, _Run]] = []
        for precision in (Precision.INT8, Precision.FLOAT32):
            for runtime in RUNTIMES:
                if runtime == "litert" and precision is Precision.FLOAT32:
                    continue  # the house writes no float TFLite
                files = _Files(small, int8, qdq, precision, runtime)
                run = _Run(files, replace(spec, texture=texture), step_px)
                try:
                    run.judged(np.zeros((size, size), np.uint8))
                except (BackendUnavailableError, ImportError) as error:
                    self.say(f"{runtime}: left out, {error}")
                    continue
                made.append((precision, runtime, run))
        return made


@dataclass(frozen=True, slots=True, eq=False)
class _Files:
    """A network for one runtime, at any size of picture."""

    small: LayerNetwork
    int8: LayerNetwork
    qdq: bytes
    precision: Precision
    runtime: str

    def content(self, shape: tuple[int, int, int]) -> bytes:
        """The file for pictures of this size."""
        if self.runtime == "litert":
            return to_tflite(replace(self.int8, input_shape=shape))
        network = replace(self.small, input_shape=shape)
        return to_onnx(network) if self.precision is Precision.FLOAT32 else resized(self.qdq, network)


class _Run:
    """A network in one runtime, which judges pictures of any size; sizes are rounded up, and kept."""

    def __init__(self, files: _Files, spec: PictureSpec, step_px: int, limit: float = 1.0) -> None:
        self._files, self._spec, self._step_px, self._limit = files, spec, step_px, limit
        self._opened: dict[tuple[int, int], tuple[PictureSpec, InferenceBackend]] = {}

    def at(self, limit: float) -> _Run:
        """The same with another limit."""
        other = _Run(self._files, self._spec, self._step_px, limit)
        other._opened = self._opened
        return other

    def judged(self, picture: UInt8Array) -> tuple[float, Float32Array]:
        """Score and heat map, in units of the limit."""
        result, spec = self._result(picture)
        cells = tuple(-(-size // CELL_PX) for size in picture.shape)
        heat: Float64Array = result.heat[: cells[0], : cells[1]].astype(np.float64) / self._limit
        return raw_score(heat, spec.top_cells), heat.astype(np.float32)

    def kind(self, picture: UInt8Array) -> str:
        """The kind that most of the evidence speaks for."""
        return self._spec.kinds[int(self._result(picture)[0].kind_shares.argmax())]

    def _result(self, picture: UInt8Array) -> tuple[PictureResult, PictureSpec]:
        height, width = (-(-size // self._step_px) * self._step_px for size in picture.shape)
        spec, backend = self._backend((height, width))
        values = mirrored(picture.astype(np.float32), (height, width))
        return taken_apart(spec, backend.infer(values[np.newaxis])[0]), spec

    def _backend(self, size_px: tuple[int, int]) -> tuple[PictureSpec, InferenceBackend]:
        if size_px not in self._opened:
            shape = (*size_px, 1)
            cells = replace(self._files.small, input_shape=shape).output_shape
            spec = replace(self._spec, picture_size_px=size_px, map_shape=(cells[0], cells[1]))
            content = self._files.content(shape)
            entry = Artefact(self._files.runtime, "", 0, 1.0, precision=self._files.precision)
            manifest = ModelManifest(
                name="evaluated",
                version="1",
                kind=ModelKind.DEFECT_MAP,
                feature_names=(),
                input_shape=size_px,
                extractor_version=PICTURE_EXTRACTOR,
                artefacts=(artefact_of(entry, "network.bin", content),),
                picture=spec,
            )
            backend = backend_named(self._files.runtime, BackendOptions())
            backend.load(manifest, content)
            self._opened[size_px] = (spec, backend)
        return self._opened[size_px]


def _marked(picture: UInt8Array, truth: RevealedLabel) -> MarkedPicture:
    """With its mask, or its boxes; a picture that nobody marked shows its kind everywhere."""
    shape = (picture.shape[0], picture.shape[1])
    mask, boxes = truth.columns.get("mask"), truth.columns.get("boxes")
    if mask is None:
        mask = np.ones(shape, np.bool_)
        if boxes is not None and len(boxes):
            mask = mask_of_boxes(shape, [tuple(int(edge) for edge in box) for box in boxes])  # type: ignore[misc]
    return MarkedPicture(picture, truth.fault or "", np.asarray(mask, dtype=np.bool_))
