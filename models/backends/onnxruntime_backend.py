"""Networks on ONNX Runtime: on the CPU by default, on an accelerator through a provider of the table.

Duty: open a session whose provider is really the one that was asked for. ONNX Runtime falls back to the CPU
with a mere warning, for a missing provider as for a device that fails: here both are errors, because the
chain of fallbacks belongs to the model host, where it is seen. Knows nothing of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions, NetworkBackend
from models.backends.onnx_file import require_self_contained
from models.errors import ArtefactError, BackendUnavailableError
from models.manifest import Artefact

ONNXRUNTIME = "onnxruntime"
CPU_PROVIDER = "CPUExecutionProvider"
_REFUSED_FALLBACK = "fallback to CPU EP has been explicitly disabled"  # in ONNX Runtime's words


@dataclass(frozen=True, slots=True)
class Provider:
    """One way for ONNX Runtime to run a network, and how our options are said in its words."""

    execution_provider: str
    said: Callable[[BackendOptions], Mapping[str, str]]


def _tensorrt(options: BackendOptions) -> Mapping[str, str]:
    said = {"device_id": options.device or "0", "trt_int8_enable": "1"}  # QDQ models carry their own scales
    if options.cache_folder:
        said |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": options.cache_folder}
    return said


def _qnn(options: BackendOptions) -> Mapping[str, str]:
    return {"backend_path": options.library or "libQnnHtp.so"}


def _migraphx(options: BackendOptions) -> Mapping[str, str]:
    return {"device_id": options.device or "0"}


def _coreml(options: BackendOptions) -> Mapping[str, str]:
    return {"ModelFormat": "MLProgram", "MLComputeUnits": options.device or "ALL"}


PROVIDERS: Mapping[str, Provider] = {
    ONNXRUNTIME: Provider(CPU_PROVIDER, lambda options: {}),
    "tensorrt": Provider("TensorrtExecutionProvider", _tensorrt),
    "qnn": Provider("QNNExecutionProvider", _qnn),
    "migraphx": Provider("MIGraphXExecutionProvider", _migraphx),
    "coreml": Provider("CoreMLExecutionProvider", _coreml),
}


def onnxruntime_backend(name: str, options: BackendOptions | None = None) -> NetworkBackend:
    """The backend of one row of PROVIDERS."""
    provider = PROVIDERS[name]

    def open_network(artefact: bytes, entry: Artefact, chosen: BackendOptions) -> OnnxNetwork:
        return OnnxNetwork(artefact, provider, chosen)

    return NetworkBackend(name, open_network, options)


class OnnxNetwork:
    """A network in an ONNX Runtime session; implements Network."""

    def __init__(self, artefact: bytes, provider: Provider, options: BackendOptions) -> None:
        import onnxruntime as ort

        require_self_contained(artefact)
        wanted = provider.execution_provider
        have = ort.get_available_providers()
        if wanted not in have:
            raise BackendUnavailableError(
                f"ONNX Runtime {ort.__version__} was built without {wanted}; it has {', '.join(have)}"
            )
        session_options = ort.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        session_options.inter_op_num_threads = 1
        session_options.log_severity_level = 4  # errors are raised; what it prints nobody reads
        # Threads that spin between calls would take the cores from acquisition.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        said = {**provider.said(options), **options.settings}
        if wanted != CPU_PROVIDER:
            # A node that the accelerator does not take would run on the CPU unseen: it is an error instead.
            session_options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = ort.InferenceSession(
                artefact, session_options, providers=[(wanted, said)], enable_fallback=0
            )
        except Exception as error:
            if _REFUSED_FALLBACK in str(error):
                raise BackendUnavailableError(
                    f"ONNX Runtime fell back from {wanted} to the CPU for all or some of the network"
                ) from error
            raise
        used = session.get_providers()
        if not used or used[0] != wanted:
            raise BackendUnavailableError(
                f"ONNX Runtime fell back from {wanted} to {', '.join(used) or 'nothing'}"
            )
        self._input, self.item_shape, self.batch = _only_input(session.get_inputs())
        outputs = session.get_outputs()
        if not outputs or outputs[0].type != "tensor(float)":
            raise ArtefactError(
                "the network's first output is not float32; quantise inside the network (QDQ)"
            )
        self._outputs = [outputs[0].name]
        self._session: Any = session

    def run(self, batch: Float32Array) -> Float32Array:
        """Output `(n, ...)` of a batch."""
        output: Float32Array = np.asarray(self._session.run(self._outputs, {self._input: batch})[0])
        return output

    def close(self) -> None:
        """Give the session back."""
        self._session = None


def _only_input(inputs: list[Any]) -> tuple[str, tuple[int, ...], int | None]:
    """Name, item shape and fixed batch of a network's only input. Raises ArtefactError."""
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        have = ", ".join(f"{item.name} {item.type}" for item in inputs) or "none"
        raise ArtefactError(f"the network's inputs are {have}; expected one of tensor(float)")
    batch, *item = inputs[0].shape or [0]
    if not all(isinstance(size, int) and size > 0 for size in item):
        raise ArtefactError(f"the network takes {inputs[0].shape}; only the batch may be left open")
    return inputs[0].name, tuple(item), batch if isinstance(batch, int) else None
