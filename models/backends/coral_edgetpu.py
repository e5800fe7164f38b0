"""Networks on a Coral Edge TPU: LiteRT with the delegate of libedgetpu.

Duty: load the delegate from the configured library, and refuse a file that was not compiled for the Edge TPU:
LiteRT would run it on the CPU and nobody would know. Needs no Python package of Coral's; the one of that name
on PyPI is something else. A stock libedgetpu may take its whole process with it, which is one reason for the
model host.
"""

from __future__ import annotations

from models.backends.litert import LiteRtNetwork
from models.backends.network import BackendOptions, NetworkBackend
from models.errors import ArtefactError, BackendUnavailableError
from models.manifest import Artefact

CORAL_EDGETPU = "coral_edgetpu"
COMPILED_OPERATOR = b"edgetpu-custom-op"
_LIBRARY = "libedgetpu.so.1"


def coral_edgetpu_backend(options: BackendOptions | None = None) -> NetworkBackend:
    """The Edge TPU backend; `options.library` is the delegate, `options.device` like "usb:1", "pci:0"."""
    return NetworkBackend(CORAL_EDGETPU, _open, options)


def _open(artefact: bytes, entry: Artefact, options: BackendOptions) -> LiteRtNetwork:
    from ai_edge_litert.interpreter import load_delegate

    if not _is_compiled(artefact):
        raise ArtefactError("the network is not compiled for the Edge TPU (no operator 'edgetpu-custom-op')")
    library = options.library or _LIBRARY
    settings = {**({"device": options.device} if options.device else {}), **options.settings}
    try:
        delegate = load_delegate(library, settings)
    except Exception as error:  # OSError, ValueError, AttributeError: no library, no device, no delegate
        words = " ".join(str(error).split())[:300]
        raise BackendUnavailableError(f"Edge TPU delegate {library!r} cannot be loaded: {words}") from error
    return LiteRtNetwork(artefact, entry, options.threads, (delegate,))


def _is_compiled(artefact: bytes) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(artefact, 0)
    return any(
        model.OperatorCodes(i).CustomCode() == COMPILED_OPERATOR for i in range(model.OperatorCodesLength())
    )
