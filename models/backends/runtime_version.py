"""Whether the runtime on this box is as new as an artefact needs it.

Duty: the installed release of a backend's runtime, and the comparison with a manifest's. Loads no runtime.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from models.errors import BackendUnavailableError
from models.manifest import Artefact

# Builds for other devices are packages of other names; what none of these gives is not known.
_ONNXRUNTIME = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-qnn")
_PACKAGES = {
    "numpy_reference": ("numpy",),
    "onnxruntime": _ONNXRUNTIME,
    "tensorrt": _ONNXRUNTIME,
    "qnn": _ONNXRUNTIME,
    "openvino": ("openvino",),
    "litert": ("ai-edge-litert",),
    "coral_edgetpu": ("ai-edge-litert",),
}


def runtime_version(backend: str) -> str:
    """The release of a backend's runtime; "" where it is not known."""
    for package in _PACKAGES.get(backend, ()):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def require_runtime(entry: Artefact) -> None:
    """Raises BackendUnavailableError where the box's runtime is older than the artefact states."""
    here = runtime_version(entry.backend)
    if is_older(here, entry.min_runtime):
        raise BackendUnavailableError(
            f"the artefact for {entry.backend} needs release {entry.min_runtime} or newer; the box has {here}"
        )


def is_older(here: str, wanted: str) -> bool:
    """Whether release `here` comes before `wanted`, by their leading numbers; not where one is not known."""
    return bool(here and wanted) and _numbers(here) < _numbers(wanted)


def _numbers(release: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(?:\.\d+)*", release)
    return tuple(int(part) for part in leading.group().split(".")) if leading else ()
