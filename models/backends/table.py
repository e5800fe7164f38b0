"""The backends by name: one row per runtime. A runtime's library is imported when it loads, not here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.backend import InferenceBackend
from models.backends.coral_edgetpu import CORAL_EDGETPU, coral_edgetpu_backend
from models.backends.litert import LITERT, litert_backend
from models.backends.network import BackendOptions
from models.backends.numpy_reference import NUMPY_REFERENCE, NumpyReference
from models.backends.onnxruntime_backend import PROVIDERS, onnxruntime_backend
from models.backends.openvino_backend import OPENVINO, openvino_backend
from models.errors import BackendUnavailableError

MakeBackend = Callable[[BackendOptions], InferenceBackend]


def _of_provider(name: str) -> MakeBackend:
    return lambda options: onnxruntime_backend(name, options)


BACKENDS: Mapping[str, MakeBackend] = {
    NUMPY_REFERENCE: lambda options: NumpyReference(),
    OPENVINO: openvino_backend,
    LITERT: litert_backend,
    CORAL_EDGETPU: coral_edgetpu_backend,
    **{name: _of_provider(name) for name in PROVIDERS},
}


def backend_named(name: str, options: BackendOptions) -> InferenceBackend:
    """The backend of that name, with nothing loaded. Raises BackendUnavailableError that lists the names."""
    make = BACKENDS.get(name)
    if make is None:
        raise BackendUnavailableError(f"no backend {name!r}; there are: {', '.join(sorted(BACKENDS))}")
    return make(options)
