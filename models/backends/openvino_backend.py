"""Networks on OpenVINO: CPU by default, an Intel GPU or NPU by its device name.

Duty: compile an ONNX network for one device, in float32 where the network is not quantised (a "FP32" network
runs in bfloat16 otherwise, on processors that can), and see to it that this device runs it. Knows nothing of
scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions, NetworkBackend
from models.backends.onnx_file import require_self_contained
from models.errors import ArtefactError, BackendUnavailableError
from models.manifest import Artefact

OPENVINO = "openvino"
_SIZES_KEPT = 4  # sizes of batches whose requests are kept: a caller uses one or two
_FLOAT32_DEVICES = ("CPU", "GPU")  # an NPU has no float32: its hint is left at the device's own


def openvino_backend(options: BackendOptions | None = None) -> NetworkBackend:
    """The OpenVINO backend; `options.device` is a name like "CPU", "GPU.0", "NPU"."""
    return NetworkBackend(OPENVINO, _open, options)


def _open(artefact: bytes, entry: Artefact, options: BackendOptions) -> OpenVinoNetwork:
    return OpenVinoNetwork(artefact, options)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A request with its tensors, for batches of one size."""

    request: Any
    inputs: Float32Array
    outputs: Float32Array


class OpenVinoNetwork:
    """A network compiled for one OpenVINO device; implements Network."""

    def __init__(self, artefact: bytes, options: BackendOptions) -> None:
        import openvino as ov

        require_self_contained(artefact)
        self._tensor_of = ov.Tensor
        core = ov.Core()
        device = options.device or "CPU"
        have = core.available_devices
        if not any(device in (name, name.split(".")[0]) for name in have):
            raise BackendUnavailableError(
                f"OpenVINO has no device {device!r}; it has {', '.join(have) or 'none'}"
            )
        compiled = core.compile_model(core.read_model(artefact), device, _settings(device, options))
        used = [str(name).split(".")[0].split("(")[0] for name in compiled.get_property("EXECUTION_DEVICES")]
        if set(used) != {device.split(".")[0]}:
            raise BackendUnavailableError(
                f"OpenVINO put the network on {', '.join(used)} instead of {device}"
            )
        if len(compiled.inputs) != 1 or not compiled.outputs:
            raise ArtefactError(f"the network has {len(compiled.inputs)} inputs; expected one")
        shape = compiled.inputs[0].get_partial_shape()
        if shape.rank.is_dynamic or len(shape) < 1 or any(size.is_dynamic for size in list(shape)[1:]):
            raise ArtefactError(f"the network takes {shape}; only the batch may be left open")
        batch, *item = shape
        self.item_shape = tuple(int(size.get_length()) for size in item)
        self.batch: int | None = None if batch.is_dynamic else int(batch.get_length())
        self._compiled: Any = compiled
        self._calls: dict[int, _Call] = {}  # by number of items

    def run(self, batch: Float32Array) -> Float32Array:
        """Output `(n, ...)` of a batch. Tensors are set once per size: that costs as much as a call."""
        call = self._calls.get(len(batch))
        if call is None:
            if len(self._calls) >= _SIZES_KEPT:
                self._calls.clear()
            call = self._calls[len(batch)] = self._prepared(batch)
        np.copyto(call.inputs, batch)
        call.request.infer()
        return call.outputs.copy()

    def _prepared(self, batch: Float32Array) -> _Call:
        """A request for batches of this size with tensors of ours; a first call says the output's shape."""
        request = self._compiled.create_infer_request()
        inputs = batch.copy()
        request.set_input_tensor(self._tensor_of(inputs, shared_memory=True))
        request.infer()
        outputs = np.array(request.get_output_tensor(0).data, dtype=np.float32)
        request.set_output_tensor(self._tensor_of(outputs, shared_memory=True))
        return _Call(request, inputs, outputs)

    def close(self) -> None:
        """Give the requests and the compiled network back."""
        self._calls.clear()
        self._compiled = None


def _settings(device: str, options: BackendOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if device.split(".", maxsplit=1)[0] in _FLOAT32_DEVICES:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    if device.split(".", maxsplit=1)[0] == "CPU":
        settings["INFERENCE_NUM_THREADS"] = str(options.threads)
    if options.cache_folder:
        settings["CACHE_DIR"] = options.cache_folder
    return {**settings, **options.settings}
