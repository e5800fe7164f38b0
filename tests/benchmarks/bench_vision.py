"""What inspecting a picture of 640 x 480 costs on one core, by runtime and precision, and through the host.

The network has the layers of `models.training.picture_fitting.PLAN`, weights from a seed: what it costs does
not depend on what it learned. CPU time of this process on one thread, the least of many calls, because other
load can only add; through the host wall time, because the work is the child's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import Bundle, artefact_of
from models.fallback_chain import ChainRules, TierState
from models.host_tiers import Tier
from models.manifest import Artefact, GoldenVector, ModelKind, ModelManifest, Precision
from models.network import PICTURE_CONVOLUTION, Layer, LayerNetwork
from models.training.flatbuffer import to_tflite
from models.training.onnx_files import resized, to_onnx, to_qdq
from models.training.picture_fitting import PLAN
from models.training.picture_making import PICTURE_EXTRACTOR, spec_of
from models.training.quantiser import quantise
from models.vision.inspector import NetworkInspector
from models.vision.picture_score import PictureForm, figures, mirrored

HEIGHT_PX, WIDTH_PX, CROP_PX = 480, 640, 96
RUNS = (
    ("onnxruntime", "float32"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "int8"),
    ("litert", "int8"),
)
CALLS = 20
BUDGET_MS = 100.0


def run() -> list[dict[str, Any]]:
    made = _made()
    costs = {}
    picture = np.random.default_rng(1).integers(0, 255, (1, HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    for runtime, precision in RUNS:
        backend = backend_named(runtime, BackendOptions(threads=1))
        manifest, content = made(runtime, precision)
        backend.load(manifest, content)
        costs[runtime, precision] = _least_ms(partial(backend.infer, picture), time.process_time_ns)
        backend.close()
    rows = [
        row(
            f"{runtime} {precision}, 640 x 480, one core",
            "ms",
            cost,
            costs[runtime, "float32"],
            f"{runtime} float32",
        )
        for (runtime, precision), cost in costs.items()
        if (runtime, "float32") in costs
    ]
    rows.append(
        row("litert int8, 640 x 480", "ms", costs["litert", "int8"],
            costs["onnxruntime", "float32"], "onnxruntime float32")
    )  # fmt: skip
    rows.append(_hosted(*made("onnxruntime", "int8")))
    return rows


def row(figure: str, unit: str, ours: float, peer: float, peer_name: str) -> dict[str, Any]:
    return {
        "bench": "vision", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": peer_name, "ratio": ours / peer if peer else None,
    }  # fmt: skip


def _made() -> Callable[[str, str], tuple[ModelManifest, bytes]]:
    chance = np.random.default_rng(7)
    layers, channels = [], 1
    for outputs, stride, dilation in (*PLAN, (1, 1, 1)):
        size = 3 if len(layers) < len(PLAN) else 1
        weights = chance.normal(0, np.sqrt(2 / (size * size * channels)), (outputs, size, size, channels))
        layers.append(
            Layer(PICTURE_CONVOLUTION, weights.astype(np.float32), np.zeros(outputs, np.float32),
                  relu=len(layers) < len(PLAN), stride=stride, dilation=dilation)
        )  # fmt: skip
        channels = outputs
    network = LayerNetwork((HEIGHT_PX, WIDTH_PX, 1), tuple(layers))
    small = replace(network, input_shape=(CROP_PX, CROP_PX, 1))
    seen = chance.normal(size=(100, CROP_PX, CROP_PX, 1)).astype(np.float32)
    int8 = replace(quantise(small, seen), input_shape=network.input_shape)
    files = {
        "float32": to_onnx(network),
        "int8": resized(to_qdq(to_onnx(small), seen, symmetric=False, weight_bits=8), network),
        "litert": to_tflite(int8),
    }
    spec = spec_of(PictureForm.GOOD_PARTS, (HEIGHT_PX, WIDTH_PX), 1, network, ())

    def made(runtime: str, precision: str) -> tuple[ModelManifest, bytes]:
        content = files["litert" if runtime == "litert" else precision]
        entry = artefact_of(
            Artefact(runtime, "", 0, 1.0, precision=Precision(precision)), "network.bin", content
        )
        return (
            ModelManifest("bench", "1", ModelKind.DEFECT_MAP, (), (HEIGHT_PX, WIDTH_PX), PICTURE_EXTRACTOR,
                          (entry,), picture=spec),
            content,
        )  # fmt: skip

    return made


def _least_ms(call: Callable[[], object], clock_ns: Callable[[], int]) -> float:
    call()
    taken = []
    for _ in range(CALLS):
        begin = clock_ns()
        call()
        taken.append(clock_ns() - begin)
    return min(taken) / 1e6


def _hosted(manifest: ModelManifest, content: bytes) -> dict[str, Any]:
    """Camera's picture to verdict, through the child process and back, beside the budget of a part."""
    bundle = _bundle(manifest, content)
    picture = np.random.default_rng(3).integers(0, 255, (HEIGHT_PX, WIDTH_PX), dtype=np.uint8)
    with NetworkInspector(
        bundle, (Tier("onnxruntime"),), ChainRules(deadline_ns=20_000_000_000)
    ) as inspector:
        until = time.monotonic() + 60
        while inspector.report()[0].state is not TierState.SERVING:
            if time.monotonic() > until:
                raise TimeoutError(inspector.report()[0].reason)
            time.sleep(0.02)
        taken_ms = _least_ms(lambda: inspector.inspect(picture), time.perf_counter_ns)
    return row("onnxruntime int8 through the host, wall", "ms", taken_ms, BUDGET_MS, "a part's budget")


def _bundle(manifest: ModelManifest, content: bytes) -> Bundle:
    """With golden vectors that differ in what they score: even grey, stripes, and grain."""
    stripes = np.where(np.arange(16) % 8 < 4, 40.0, 200.0)
    crops = [
        np.full((16, 16), 128.0, np.float32),
        np.tile(stripes, (16, 1)).astype(np.float32),
        np.random.default_rng(2).integers(0, 255, (16, 16)).astype(np.float32),
    ]
    backend = backend_named("onnxruntime", BackendOptions())
    backend.load(manifest, content)
    found = backend.infer(np.stack([mirrored(crop, manifest.input_shape) for crop in crops]))
    backend.close()
    assert manifest.picture is not None
    golden = tuple(
        GoldenVector(tuple(crop.ravel().tolist()), float(figure), 0.02)
        for crop, figure in zip(crops, figures(manifest.picture, found), strict=True)
    )
    return Bundle(replace(manifest, golden=golden), {"network.bin": content})
