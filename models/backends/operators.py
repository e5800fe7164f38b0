"""Where the time of a network goes, operator by operator, as far as its runtime tells.

Duty: run a network with its runtime's own profiler. For people (`stethos profile`): profiling costs time, so
that what is found here says how time is shared out, not how long a call takes. Serves nobody.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.backends.litert import LITERT
from models.backends.numpy_reference import NUMPY_REFERENCE
from models.backends.onnxruntime_backend import CPU_PROVIDER, ONNXRUNTIME
from models.backends.openvino_backend import OPENVINO
from models.errors import ModelError
from models.network import LayerNetwork, from_artefact
from models.runtime_profile import OperatorTime

CALLS = 200
_WARM = 5


class OperatorsUnknownError(ModelError):
    """The runtime does not tell; the message says why."""


def operator_times(
    backend: str, artefact: bytes, inputs: Float32Array, calls: int = CALLS
) -> list[OperatorTime]:
    """Time of each operator in the order in which they run, of one item `inputs` `(1, *item_shape)`.

    Raises OperatorsUnknownError where the runtime does not tell, or cannot be run here.
    """
    told = _TOLD.get(backend)
    if told is None:
        why = _SILENT.get(backend, "nobody asks this backend for it")
        raise OperatorsUnknownError(f"{backend}: {why}")
    try:
        return told(artefact, inputs, calls)
    except Exception as error:  # a runtime that is missing or fails: the rest of a profile stands
        raise OperatorsUnknownError(f"{backend}: {type(error).__name__}: {error}") from error


def _numpy(artefact: bytes, inputs: Float32Array, calls: int) -> list[OperatorTime]:
    network = from_artefact(artefact)
    found = []
    shape, quantisation = network.input_shape, network.input_quantisation
    given = network.activations(inputs.reshape(1, *shape))
    for i, layer in enumerate(network.layers):
        one = LayerNetwork(shape, (layer,), quantisation)
        batch = given[i].reshape(1, *shape)
        found.append(OperatorTime(f"layer {i}", layer.kind, _median_us(lambda: one.run(batch), calls)))  # noqa: B023
        shape, quantisation = given[i + 1].shape[1:], layer.output
    return found


def _median_us(call: Callable[[], object], calls: int) -> float:
    taken = []
    for _ in range(calls + _WARM):
        begin = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - begin)
    return statistics.median(taken[_WARM:]) / 1e3


def _onnxruntime(artefact: bytes, inputs: Float32Array, calls: int) -> list[OperatorTime]:
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "operators")
        options.log_severity_level = 4
        session = ort.InferenceSession(artefact, options, providers=[CPU_PROVIDER])
        first = session.get_inputs()[0]
        for _ in range(calls + _WARM):
            session.run(None, {first.name: inputs})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    taken: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = (event["name"].removesuffix("_kernel_time"), str(event["args"].get("op_name", "")))
            taken.setdefault(name, []).append(float(event["dur"]))
    return _medians(taken)


def _openvino(artefact: bytes, inputs: Float32Array, calls: int) -> list[OperatorTime]:
    import openvino as ov

    core = ov.Core()
    settings = {"PERF_COUNT": "YES", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    request = core.compile_model(core.read_model(artefact), "CPU", settings).create_infer_request()
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(calls + _WARM):
        request.infer([inputs])
        for one in request.profiling_info:
            if str(one.status).endswith(".EXECUTED"):
                us = one.real_time.total_seconds() * 1e6
                taken.setdefault((one.node_name, one.node_type), []).append(us)
    return _medians(taken)


def _medians(taken: Mapping[tuple[str, str], list[float]]) -> list[OperatorTime]:
    return [
        OperatorTime(name, kind, float(np.median(times[_WARM:] or times)))
        for (name, kind), times in taken.items()
    ]


_TOLD: Mapping[str, Callable[[bytes, Float32Array, int], list[OperatorTime]]] = {
    NUMPY_REFERENCE: _numpy,
    ONNXRUNTIME: _onnxruntime,
    OPENVINO: _openvino,
}
_SILENT: Mapping[str, Any] = {
    LITERT: "its Python interface has no profiler of operators",
    "coral_edgetpu": "the device runs the whole network as one operator",
}
