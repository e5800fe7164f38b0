"""What every backend that runs a network has in common: everything but the runtime.

Duty: verify the bytes, hold the network against its manifest, cut a batch into what the network takes, turn
its output into scores, refuse what is no number. A runtime adds one function that opens a `Network`. Imports
no runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from dsp.samples import Float32Array
from models.backends.runtime_version import require_runtime
from models.errors import ArtefactError, BackendUnavailableError, InferenceError, ModelError, TensorError
from models.manifest import Artefact, ModelManifest, verify_artefact
from models.network_score import NetworkForm, NetworkSpec, Prepared, ScoreArithmetic
from models.vision.picture_score import PictureSpec, network_input, results


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How a runtime is to be used on this box; what a runtime has no use for it ignores."""

    threads: int = 1  # of the runtime, for one call
    device: str = ""  # by the runtime's own name: "GPU.0" (OpenVINO), "usb:0" (Edge TPU), "1" (TensorRT)
    library: str = ""  # delegate or provider library; "" = the usual name, found by the loader
    cache_folder: str = ""  # compiled engines are kept below it; "" = compiled anew at each load
    settings: Mapping[str, str] = field(default_factory=dict)  # further ones, by the runtime's own names


class Network(Protocol):
    """One network, opened by a runtime: float32 in, float32 out."""

    item_shape: tuple[int, ...]  # input of one item
    batch: int | None  # items per call where the network's shape fixes it, else None

    def run(self, batch: Float32Array) -> Float32Array:
        """Output `(n, ...)` of a contiguous batch `(n, *item_shape)`; may raise whatever the runtime does."""
        ...

    def close(self) -> None:
        """Give back what the runtime took."""
        ...


OpenNetwork = Callable[[bytes, Artefact, BackendOptions], Network]


class NetworkBackend:
    """Runs one network on one runtime; implements InferenceBackend.

    `open_network` raises BackendUnavailableError where the box lacks something; whatever else it raises means
    that the artefact is not a network that this runtime can run.
    """

    def __init__(self, name: str, open_network: OpenNetwork, options: BackendOptions | None = None) -> None:
        self.name = name
        self._open = open_network
        self._options = options or BackendOptions()
        self._loaded: _Rows | _Pictures | None = None

    def load(self, manifest: ModelManifest, artefact: bytes) -> None:
        """Take over a network that ran once. ArtefactError and BackendUnavailableError leave the old one."""
        entry = verify_artefact(manifest, self.name, artefact)
        if manifest.network is None and manifest.picture is None:
            raise ArtefactError(f"model {manifest.name!r} is no network: {self.name!r} cannot run it")
        require_runtime(entry)
        network = self._opened(manifest, entry, artefact)
        try:
            loaded = _loaded(network, manifest, entry.limit)
            loaded.infer(np.zeros((1, *manifest.input_shape), np.float32))
        except Exception as error:
            network.close()
            if isinstance(error, ArtefactError):
                raise
            raise ArtefactError(
                f"artefact of model {manifest.name!r} for {self.name!r} does not run: {_words(error)}"
            ) from error
        self.close()
        self._loaded = loaded

    def _opened(self, manifest: ModelManifest, entry: Artefact, artefact: bytes) -> Network:
        try:
            return self._open(artefact, entry, _with_own_cache(self._options, entry))
        except (ArtefactError, BackendUnavailableError):
            raise
        except ImportError as error:
            raise BackendUnavailableError(f"{self.name}: {error}; install the package's extra") from error
        except Exception as error:  # runtimes raise what they like for damaged files
            raise ArtefactError(
                f"artefact of model {manifest.name!r} for {self.name!r} cannot be opened: {_words(error)}"
            ) from error

    def infer(self, batch: Float32Array) -> Float32Array:
        """Scores `(n,)`, 1.0 = limit, of a batch `(n, *input_shape)`; NaN for a row that states nothing.

        Of pictures `(n, values)`, see `models.vision.picture_score.results`. Raises TensorError for another
        shape, InferenceError where the runtime fails or gives no number.
        """
        loaded = self._loaded
        if loaded is None:
            raise ModelError(f"{self.name}: no model is loaded; call load first")
        if batch.ndim != 1 + len(loaded.input_shape) or batch.shape[1:] != loaded.input_shape:
            wanted = ", ".join(str(size) for size in loaded.input_shape)
            raise TensorError(f"{self.name}: batch of shape {batch.shape}; expected (n, {wanted})")
        if not len(batch):
            return loaded.nothing()
        try:
            return loaded.infer(batch)
        except Exception as error:
            raise InferenceError(f"{self.name}: {_words(error)}") from error

    def close(self) -> None:
        """Forget the network."""
        if self._loaded is not None:
            self._loaded.network.close()
            self._loaded = None


def _loaded(network: Network, manifest: ModelManifest, limit: float) -> _Rows | _Pictures:
    if manifest.picture is not None:
        return _Pictures(network, manifest.picture, manifest.input_shape, limit)
    assert manifest.network is not None
    return _Rows(network, manifest.network, manifest.input_shape, limit)


class _Rows:
    """A network on rows with what stands around it."""

    def __init__(
        self, network: Network, spec: NetworkSpec, input_shape: tuple[int, ...], limit: float
    ) -> None:
        wanted = [*input_shape[:-1], len(spec.columns)]
        if spec.form is NetworkForm.PREDICTION:
            wanted[0] -= 1
        if math.prod(wanted) != math.prod(network.item_shape):
            raise ArtefactError(f"the network takes {network.item_shape}; the manifest says {tuple(wanted)}")
        self.network, self.spec, self.input_shape = network, spec, input_shape
        self._limit, self._arithmetic = limit, ScoreArithmetic(spec)

    def nothing(self) -> Float32Array:
        """Of no items."""
        return np.empty(0, np.float32)

    def infer(self, batch: Float32Array) -> Float32Array:
        """Scores `(n,)` of a batch of the right shape."""
        prepared = self._arithmetic.prepare(np.asarray(batch, dtype=np.float32))
        raw = self._arithmetic.raw_scores(prepared, self._outputs(prepared))
        raw /= self._limit
        found: Float32Array = raw.astype(np.float32)
        # one figure first: looking at each costs more
        if not math.isfinite(np.vdot(found, found)) and not (np.isfinite(found) | prepared.empty).all():
            raise InferenceError("the network's output is no number")
        return found

    def _outputs(self, prepared: Prepared) -> Float32Array:
        """`(n, outputs)` of the network."""
        return _called(self.network, prepared.inputs, self.spec.outputs)


class _Pictures:
    """A network on pictures with what stands around it."""

    def __init__(
        self, network: Network, spec: PictureSpec, input_shape: tuple[int, ...], limit: float
    ) -> None:
        if math.prod(input_shape) != math.prod(network.item_shape):
            raise ArtefactError(f"the network takes {network.item_shape}; the manifest says {input_shape}")
        self.network, self.spec, self.input_shape = network, spec, input_shape
        self._limit, self._map = limit, (*spec.map_shape, spec.evidences)

    def nothing(self) -> Float32Array:
        """Of no items."""
        return np.empty((0, self.spec.values), np.float32)

    def infer(self, batch: Float32Array) -> Float32Array:
        """Results `(n, values)` of a batch of the right shape."""
        outputs = _called(self.network, network_input(self.spec, batch), math.prod(self._map))
        found = results(self.spec, batch, outputs.reshape(-1, *self._map), self._limit)
        if not np.isfinite(found).all():
            raise InferenceError("the network's output is no number")
        return found


def _called(network: Network, inputs: Float32Array, values: int) -> Float32Array:
    """`(n, values)` of a network, in calls of the size that it takes."""
    rows = inputs.reshape(-1, *network.item_shape)
    size = network.batch or max(len(rows), 1)
    if len(rows) == size:
        return _given(network, rows, values)
    outputs = np.empty((len(rows), values), np.float32)
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        n = len(part)
        if n < size:  # the network's batch is fixed: fill it up
            part = np.concatenate([part, np.zeros((size - n, *rows.shape[1:]), np.float32)])
        outputs[first : first + n] = _given(network, part, values)[:n]
    return outputs


def _given(network: Network, part: Float32Array, values: int) -> Float32Array:
    """`(n, values)` of a part that the network takes at once."""
    size, given = len(part), network.run(part)
    if given.size != size * values or given.shape[0] != size:
        raise InferenceError(f"the network gave {given.shape} for {size} items of {values} values")
    return given.reshape(size, -1)


def _with_own_cache(options: BackendOptions, entry: Artefact) -> BackendOptions:
    """The options with a folder for this artefact's engines alone. Raises BackendUnavailableError.

    A runtime may name an engine by the network's shape and not by its weights, and would take another's.
    """
    if not options.cache_folder:
        return options
    folder = Path(options.cache_folder) / entry.sha256
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendUnavailableError(f"folder for engines {folder} cannot be made: {error}") from error
    return replace(options, cache_folder=str(folder))


def _words(error: BaseException) -> str:
    """The error's first words: a runtime's message may be pages long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
