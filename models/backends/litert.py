"""Networks on LiteRT (TensorFlow Lite): on the CPU, and the part that the Edge TPU shares.

Duty: open a flatbuffer, quantise its input and dequantise its output by the scales that the file states, and
hold these against the manifest's. Knows nothing of scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions, NetworkBackend
from models.errors import ArtefactError
from models.manifest import Artefact, Quantisation

LITERT = "litert"


def litert_backend(options: BackendOptions | None = None) -> NetworkBackend:
    """The LiteRT backend on the CPU."""
    return NetworkBackend(LITERT, _open, options)


def _open(artefact: bytes, entry: Artefact, options: BackendOptions) -> LiteRtNetwork:
    return LiteRtNetwork(artefact, entry, options.threads)


class LiteRtNetwork:
    """A network in a LiteRT interpreter, float32 or 8-bit at its ends; implements Network."""

    def __init__(
        self, artefact: bytes, entry: Artefact, threads: int, delegates: Sequence[object] = ()
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(
            model_content=artefact, experimental_delegates=list(delegates) or None, num_threads=threads
        )
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1 or not outputs:
            raise ArtefactError(
                f"the network has {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
            )
        self._in = _End(inputs[0], entry.input_quantisation, "input")
        self._out = _End(outputs[0], entry.output_quantisation, "output")
        shape = [int(size) for size in inputs[0]["shape"]]
        if not shape or min(shape) < 1:
            raise ArtefactError(f"the network takes {shape}; expected (batch, ...) of sizes of 1 or more")
        self._one_by_one = shape[0] == 1
        self.batch: int | None = None if self._one_by_one else shape[0]
        self.item_shape = tuple(shape[1:])
        self._interpreter: Any = interpreter

    def run(self, batch: Float32Array) -> Float32Array:
        """Output `(n, ...)` of a batch."""
        stored = self._in.stored(batch)
        if not self._one_by_one:
            return self._out.real(self._called(stored))
        if len(stored) == 1:
            return self._out.real(self._called(stored))
        # quantised and dequantised together: done item by item it would cost more than the network
        return self._out.real(np.concatenate([self._called(stored[i : i + 1]) for i in range(len(stored))]))

    def _called(self, stored: Any) -> Any:
        self._interpreter.set_tensor(self._in.index, stored)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._out.index)

    def close(self) -> None:
        """Give the interpreter back."""
        self._interpreter = None


class _End:
    """An input or output of a network: its place, its type, its scale."""

    def __init__(self, details: Any, stated: Quantisation | None, end: str) -> None:
        self.index = int(details["index"])
        self._dtype = np.dtype(details["dtype"])
        scale, zero_point = details["quantization"]
        self._scale, self._zero_point = np.float32(scale), np.float32(zero_point)
        if self._dtype == np.float32:
            if stated is not None:
                raise ArtefactError(f"the network's {end} is float32; the manifest states a quantisation")
            return
        if self._dtype not in (np.int8, np.uint8):
            raise ArtefactError(f"the network's {end} is {self._dtype}; expected float32, int8 or uint8")
        if not (np.isfinite(self._scale) and self._scale > 0):
            raise ArtefactError(f"the network's {end} has scale {scale}; expected above 0")
        if stated is not None and (np.float32(stated.scale), stated.zero_point) != (self._scale, zero_point):
            raise ArtefactError(
                f"the network's {end} has scale {scale} and zero point {zero_point};"
                f" the manifest says {stated.scale} and {stated.zero_point}"
            )
        self._low = np.float32(np.iinfo(self._dtype).min)
        self._high = np.float32(np.iinfo(self._dtype).max)

    def stored(self, values: Float32Array) -> Any:
        """Values as the network's input stores them; beyond its range they saturate."""
        if self._dtype == np.float32:
            return values
        steps = values / self._scale
        np.rint(steps, out=steps)
        steps += self._zero_point
        np.maximum(steps, self._low, out=steps)
        np.minimum(steps, self._high, out=steps)
        return steps.astype(self._dtype)

    def real(self, stored: Any) -> Float32Array:
        """Values that an output stands for."""
        if self._dtype == np.float32:
            return np.asarray(stored, dtype=np.float32)
        real: Float32Array = stored.astype(np.float32)
        real -= self._zero_point
        real *= self._scale
        return real
