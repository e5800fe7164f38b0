"""A small network as a list of layers: its bytes, and its arithmetic in float32 and in int8.

Duty: the one description of a network that everything else is made from (ONNX, flatbuffers), and the
reference of what it computes. Trains nothing, quantises nothing, knows nothing of features or scores.

Layers are dense, convolutions along the steps of a sequence (no padding, stride 1), or over a picture
(`models.picture_layers`), each with a bias and perhaps a ReLU; a dense layer after a convolution reads all
that it gave, step by step. In int8, real value = scale * (integer - zero point); sums are exact, and
requantised once per layer, rounded half away from zero (Jacob et al., Quantization and Training of Neural
Networks, CVPR 2018, equation 5). Runtimes that requantise in fixed point may differ by one step where a value
lies between two.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.errors import ArtefactError, ManifestError, TensorError
from models.manifest_entries import Quantisation
from models.manifest_fields import an_object, as_integer, as_number, as_text, each, list_at, only
from models.picture_layers import output_size, patches

NETWORK_FORMAT = "stethos-network-1"
MAX_NETWORK_BYTES = 4 << 20
MAX_PARAMETERS = 1 << 19
_LARGEST_SIZE = 1 << 16
_LARGEST_PICTURE = 1 << 24  # values of one item
_LARGEST_STEP = 64  # of a stride or dilation
DENSE, CONVOLUTION, PICTURE_CONVOLUTION = "dense", "convolution", "picture convolution"
_TYPES = {"float32": "<f4", "int8": "<i1", "int32": "<i4"}

Int8Array = npt.NDArray[np.int8]
Weights = Float32Array | Int8Array
Bias = Float32Array | npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer. Weights are `(out, in)`, `(out, kernel, in)` of a convolution; bias `(out,)`.

    Of a picture's: `(out, kernel down, kernel across, in)`.
    """

    kind: str  # DENSE, CONVOLUTION or PICTURE_CONVOLUTION
    weights: Weights
    bias: Bias
    relu: bool
    weight_scales: tuple[float, ...] = ()  # int8 only: one, or one per output; zero points are 0
    output: Quantisation | None = None  # int8 only
    stride: int = 1  # of a picture's convolution, in both directions
    dilation: int = 1

    @property
    def outputs(self) -> int:
        """Its width."""
        return int(self.weights.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class LayerNetwork:
    """A network of layers on items `(features,)`, `(steps, features)`, or `(height, width, channels)`."""

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    input_quantisation: Quantisation | None = None  # None: float32

    def __post_init__(self) -> None:
        _check(self)

    @property
    def quantised(self) -> bool:
        """Whether it computes in int8."""
        return self.input_quantisation is not None

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one item."""
        shape = self.input_shape
        for layer in self.layers:
            shape = _shape_after(layer, shape)
        return shape

    def run(self, batch: Float32Array) -> Float32Array:
        """Outputs `(n, *output_shape)` of a batch `(n, *input_shape)`, in the network's own numbers.

        Raises TensorError for another shape.
        """
        return self.activations(batch)[-1]

    def activations(self, batch: Float32Array) -> list[Float32Array]:
        """The input as the network sees it, and every layer's output, as real values; see `run`."""
        if batch.shape[1:] != self.input_shape or batch.ndim != 1 + len(self.input_shape):
            raise TensorError(f"batch of shape {batch.shape}; expected (n, {_shape(self.input_shape)})")
        quantisation = self.input_quantisation
        if quantisation is None:
            return _float_activations(self, np.asarray(batch, dtype=np.float32))
        now = quantised(np.asarray(batch, dtype=np.float64), quantisation)
        seen = [_real(now, quantisation)]
        for layer in self.layers:
            assert layer.output is not None
            now = _int8_layer(layer, now, quantisation)
            quantisation = layer.output
            seen.append(_real(now, quantisation))
        return seen


def quantised(values: Float64Array, quantisation: Quantisation) -> Float64Array:
    """Integers -128 to 127, as float64, nearest to real `values`."""
    return np.clip(_rounded(values / quantisation.scale) + quantisation.zero_point, -128, 127)


def _rounded(values: Float64Array) -> Float64Array:
    """Rounded half away from zero."""
    result: Float64Array = np.trunc(values + np.copysign(0.5, values))
    return result


def _real(integers: Float64Array, quantisation: Quantisation) -> Float32Array:
    result: Float32Array = ((integers - quantisation.zero_point) * quantisation.scale).astype(np.float32)
    return result


def _float_activations(network: LayerNetwork, batch: Float32Array) -> list[Float32Array]:
    seen = [batch]
    for layer in network.layers:
        found: Float32Array = _sums(layer, seen[-1], _flat(layer).T.astype(np.float32))
        found += layer.bias.astype(np.float32)
        seen.append(np.maximum(found, 0) if layer.relu else found)
    return seen


def _int8_layer(layer: Layer, now: Float64Array, before: Quantisation) -> Float64Array:
    # float64 holds every sum of products of bytes exactly
    sums = _sums(layer, now - before.zero_point, _flat(layer).T.astype(np.float64)) + layer.bias
    assert layer.output is not None
    factor = before.scale * np.asarray(layer.weight_scales) / layer.output.scale
    lowest = layer.output.zero_point if layer.relu else -128
    found: Float64Array = np.clip(_rounded(sums * factor) + layer.output.zero_point, max(lowest, -128), 127)
    return found


def _flat(layer: Layer) -> npt.NDArray[Any]:
    """Weights `(out, what one output reads)`."""
    return layer.weights.reshape(layer.outputs, -1)


def _sums(layer: Layer, now: npt.NDArray[Any], weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Products of what each output reads with its weights `(read, out)`, summed."""
    if layer.kind != PICTURE_CONVOLUTION:
        return np.asarray(_windows(layer, now) @ weights)
    kernel = (layer.weights.shape[1], layer.weights.shape[2])
    # one picture after the other: what all outputs read is many times the picture
    sums = [patches(picture, kernel, layer.stride, layer.dilation) @ weights for picture in now]
    return np.stack(sums) if sums else np.empty((0, *_shape_after(layer, now.shape[1:])), weights.dtype)


def _windows(layer: Layer, now: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What each output reads: `(n, in)`, or `(n, steps, kernel * in)` of a convolution."""
    if layer.kind == DENSE:
        return now.reshape(len(now), math.prod(now.shape[1:]))
    kernel = layer.weights.shape[1]
    steps = now.shape[1] - kernel + 1
    parts = [now[:, first : first + steps] for first in range(kernel)]
    return np.concatenate(parts, axis=2)


def _check(network: LayerNetwork) -> None:
    """Raises ArtefactError where a layer does not fit the one before it."""
    shape = network.input_shape
    sizes_fit = len(shape) in (1, 2, 3) and all(0 < n <= _LARGEST_SIZE for n in shape)
    if not network.layers or not sizes_fit or math.prod(shape) > _LARGEST_PICTURE:
        raise ArtefactError(
            f"network with {len(network.layers)} layers on input {shape}; expected some of each"
        )
    for i, layer in enumerate(network.layers):
        wanted = _wanted_weights(layer, shape)
        if wanted is None or layer.weights.shape != wanted or layer.bias.shape != (layer.outputs,):
            raise ArtefactError(
                f"layer {i} ({layer.kind}) has weights {layer.weights.shape} and bias {layer.bias.shape},"
                f" which do not fit an input of {shape}"
            )
        shape = _shape_after(layer, shape)
        _check_numbers(layer, i, network.quantised)
    if network.parameters > MAX_PARAMETERS:
        raise ArtefactError(f"network has {network.parameters} parameters; at most {MAX_PARAMETERS}")


def _shape_after(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    if layer.kind == DENSE:
        return (layer.outputs,)
    if layer.kind == CONVOLUTION:
        return (shape[0] - layer.weights.shape[1] + 1, layer.outputs)
    return (output_size(shape[0], layer.stride), output_size(shape[1], layer.stride), layer.outputs)


def _wanted_weights(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if layer.kind == DENSE and layer.weights.ndim == 2:
        return (layer.outputs, math.prod(shape))
    if layer.kind == CONVOLUTION and layer.weights.ndim == 3 and len(shape) == 2:
        kernel = layer.weights.shape[1]
        return (layer.outputs, kernel, shape[1]) if 1 <= kernel <= shape[0] else None
    if layer.kind == PICTURE_CONVOLUTION and layer.weights.ndim == 4 and len(shape) == 3:
        down, across = layer.weights.shape[1:3]
        steps_fit = all(1 <= step <= _LARGEST_STEP for step in (layer.stride, layer.dilation))
        fits = steps_fit and all(1 <= size <= _LARGEST_STEP for size in (down, across))
        return (layer.outputs, down, across, shape[2]) if fits else None
    return None


def _check_numbers(layer: Layer, i: int, in_int8: bool) -> None:
    kinds = ("int8", "int32") if in_int8 else ("float32", "float32")
    if (layer.weights.dtype.name, layer.bias.dtype.name) != kinds:
        raise ArtefactError(f"layer {i} has {layer.weights.dtype} and {layer.bias.dtype}; expected {kinds}")
    scales = layer.weight_scales
    if in_int8 != (layer.output is not None) or len(scales) not in ((1, layer.outputs) if in_int8 else (0,)):
        raise ArtefactError(f"layer {i} has {len(scales)} weight scales and output {layer.output}")
    given = [*scales, *([layer.output.scale] if layer.output else [])]
    if not all(math.isfinite(scale) and scale > 0 for scale in given):
        raise ArtefactError(f"layer {i} has a scale that is not above 0")
    if not in_int8 and not (np.isfinite(layer.weights).all() and np.isfinite(layer.bias).all()):
        raise ArtefactError(f"layer {i} has weights that are no numbers")


def to_artefact(network: LayerNetwork) -> bytes:
    """The network as JSON with base64 arrays; equal networks give equal bytes."""
    layers = [
        {
            "kind": layer.kind,
            "weights": _packed(layer.weights),
            "bias": _packed(layer.bias),
            "relu": layer.relu,
            "weight_scales": list(layer.weight_scales),
            "output": _quantisation_fields(layer.output),
            **(
                {"stride": layer.stride, "dilation": layer.dilation}
                if layer.kind == PICTURE_CONVOLUTION
                else {}
            ),
        }
        for layer in network.layers
    ]
    fields = {
        "format": NETWORK_FORMAT,
        "input_shape": list(network.input_shape),
        "input": _quantisation_fields(network.input_quantisation),
        "layers": layers,
    }
    return json.dumps(fields, sort_keys=True, allow_nan=False).encode()


def from_artefact(content: bytes) -> LayerNetwork:
    """A network from its bytes. Raises ArtefactError that says what is wrong."""
    if len(content) > MAX_NETWORK_BYTES:
        raise ArtefactError(f"network has {len(content)} bytes; at most {MAX_NETWORK_BYTES}")
    try:
        fields = an_object(json.loads(content), "network")
        if fields.get("format") != NETWORK_FORMAT:
            raise ArtefactError(f"network.format is {fields.get('format')!r}; expected {NETWORK_FORMAT!r}")
        only(fields, "network", {"format", "input_shape", "input", "layers"}, set())
        return LayerNetwork(
            input_shape=each(fields, "network", "input_shape", as_integer),
            layers=each(fields, "network", "layers", _layer),
            input_quantisation=_quantisation(fields["input"], "network.input"),
        )
    except ManifestError as error:
        raise ArtefactError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"network is not JSON: {error}") from error


def _layer(raw: Any, where: str) -> Layer:
    fields = an_object(raw, where)
    steps = {"stride", "dilation"}
    only(fields, where, {"kind", "weights", "bias", "relu", "weight_scales", "output"} | steps, steps)
    if not isinstance(fields["relu"], bool):
        raise ManifestError(f"{where}.relu is {fields['relu']!r}; expected true or false")
    return Layer(
        kind=as_text(fields["kind"], f"{where}.kind"),
        weights=_unpacked(fields["weights"], f"{where}.weights"),
        bias=_unpacked(fields["bias"], f"{where}.bias"),
        relu=fields["relu"],
        weight_scales=each(fields, where, "weight_scales", as_number),
        output=_quantisation(fields["output"], f"{where}.output"),
        stride=as_integer(fields.get("stride", 1), f"{where}.stride"),
        dilation=as_integer(fields.get("dilation", 1), f"{where}.dilation"),
    )


def _packed(values: npt.NDArray[Any]) -> dict[str, Any]:
    little = np.ascontiguousarray(values, dtype=_TYPES[values.dtype.name])
    return {
        "type": values.dtype.name,
        "shape": list(values.shape),
        "data": base64.b64encode(little.tobytes()).decode(),
    }


def _unpacked(raw: Any, where: str) -> npt.NDArray[Any]:
    fields = an_object(raw, where)
    only(fields, where, {"type", "shape", "data"}, set())
    kind = as_text(fields["type"], f"{where}.type")
    shape = [as_integer(size, f"{where}.shape") for size in list_at(fields, where, "shape")]
    if kind not in _TYPES or not all(0 < size <= _LARGEST_SIZE for size in shape):
        raise ManifestError(f"{where} is {kind} of shape {shape}; expected {', '.join(_TYPES)}")
    try:
        content = base64.b64decode(as_text(fields["data"], f"{where}.data"), validate=True)
    except binascii.Error as error:
        raise ManifestError(f"{where}.data is not base64: {error}") from error
    dtype = np.dtype(_TYPES[kind])
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ManifestError(f"{where}.data has {len(content)} bytes for {kind} of shape {shape}")
    return np.frombuffer(content, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _quantisation_fields(quantisation: Quantisation | None) -> dict[str, Any] | None:
    if quantisation is None:
        return None
    return {"scale": quantisation.scale, "zero_point": quantisation.zero_point}


def _quantisation(raw: Any, where: str) -> Quantisation | None:
    if raw is None:
        return None
    fields = an_object(raw, where)
    only(fields, where, {"scale", "zero_point"}, set())
    zero_point = as_integer(fields["zero_point"], f"{where}.zero_point")
    scale = as_number(fields["scale"], f"{where}.scale")
    if not -128 <= zero_point <= 127 or not scale > 0:
        raise ManifestError(f"{where} is {scale} and {zero_point}; expected above 0, and -128 to 127")
    return Quantisation(scale, zero_point)


def _shape(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
