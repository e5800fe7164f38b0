"""Convolutions over pictures, as every runtime must compute them: padding, strides, dilations.

Duty: what each output of such a layer reads, in the order of `models.network`. Padding is the one that
TensorFlow calls SAME (so LiteRT needs no operator more): an output of size ceil(input / stride), and where an
odd number of rows must be added, the odd one behind. Zeros are added: in int8 those are zero points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def output_size(size: int, stride: int) -> int:
    """Rows, or columns, of a layer's output."""
    return -(-size // stride)


def padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Rows, or columns, of zeros before and behind an input of `size`."""
    missing = (output_size(size, stride) - 1) * stride + (kernel - 1) * dilation + 1 - size
    return max(missing, 0) // 2, max(missing, 0) - max(missing, 0) // 2


def patches(
    picture: npt.NDArray[Any], kernel: tuple[int, int], stride: int, dilation: int
) -> npt.NDArray[Any]:
    """What each output reads of a picture `(h, w, channels)`: `(outputs down, across, kernel x channels)`."""
    h, w, channels = picture.shape
    padded = np.pad(
        picture,
        [padding(h, kernel[0], stride, dilation), padding(w, kernel[1], stride, dilation), (0, 0)],
    )
    down, across = output_size(h, stride), output_size(w, stride)
    found = np.empty((down, across, *kernel, channels), picture.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            first, left = i * dilation, j * dilation
            found[:, :, i, j] = padded[
                first : first + (down - 1) * stride + 1 : stride,
                left : left + (across - 1) * stride + 1 : stride,
            ]
    return found.reshape(down, across, -1)
