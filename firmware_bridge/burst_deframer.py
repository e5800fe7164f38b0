"""Many frames in one call: the same answers as `codec.Deframer`, by a compiled kernel.

Duty: the deframer of the live path, where chunks hold many frames. What it finds and what it counts is by
definition what `codec.Deframer` finds and counts, for any bytes in any chunks; a property test holds the two
together. Keeps bounded memory: the bytes of one unfinished frame, and buffers as large as the largest chunk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from firmware_bridge import deframe_kernel as kernel
from firmware_bridge.codec import CRC_BYTES, MAX_WIRE_BYTES, Discards
from firmware_bridge.errors import FrameError
from firmware_bridge.frames import SAMPLES_HEADER_BYTES, FrameType

_FIRST_BUFFER_BYTES = 1 << 14
_SMALLEST_GOOD_FRAME = 7  # code, type, CRC, delimiter


class Burst:
    """Payloads of one chunk, back to back in one array that the next chunk will overwrite."""

    def __init__(self, data: npt.NDArray[np.uint8], begins: kernel.Numbers, ends: kernel.Numbers) -> None:
        self._data = data
        self.begins = begins
        self.ends = ends

    def __len__(self) -> int:
        return len(self.begins)

    def payloads(self) -> list[bytes]:
        """Each payload as bytes of its own."""
        if not len(self.begins):
            return []
        memory = self._data[: self.ends[-1]].tobytes()
        return [memory[i:j] for i, j in zip(self.begins.tolist(), self.ends.tolist(), strict=True)]

    def samples(self, axes: int, samples_per_frame: int) -> npt.NDArray[np.int16]:
        """Counts `(n_frames * samples_per_frame, axes)` of a burst of nothing but SAMPLES of this size.

        Raises `FrameError` if it holds another frame.
        """
        size = SAMPLES_HEADER_BYTES + 2 * axes * samples_per_frame
        types = self._data[self.begins]
        if np.any(types != FrameType.SAMPLES) or np.any(self.ends - self.begins != size):
            raise FrameError(f"a burst with frames that are not SAMPLES of {size} bytes")
        rows = self._data[: len(self) * (size + CRC_BYTES)].reshape(len(self), size + CRC_BYTES)
        return rows[:, SAMPLES_HEADER_BYTES:size].copy().view("<i2").reshape(-1, axes)


class BurstDeframer:
    """Finds payloads in a byte stream, like `codec.Deframer`, many at a time."""

    def __init__(self) -> None:
        self._tail = b""  # of a frame that has begun
        self._skipping = False  # to the next delimiter: the frame is too long already
        self._counts = np.zeros(kernel.N_COUNTS, np.int64)
        self._grow(_FIRST_BUFFER_BYTES)

    @property
    def discards(self) -> Discards:
        """All that was thrown away so far."""
        return Discards(*self._counts[: kernel.CONSUMED].tolist())

    def reset(self) -> None:
        """Forget a partial frame (counted as discarded): the line was interrupted."""
        self._counts[kernel.N_BYTES] += len(self._tail)
        self._tail = b""
        self._skipping = False

    def payloads(self, data: bytes) -> list[bytes]:
        """The payloads that end in this chunk, in order, their CRC checked."""
        return self.burst(data).payloads()

    def burst(self, data: bytes) -> Burst:
        """The payloads that end in this chunk, in an array that is valid until the next call."""
        if self._skipping:
            data = self._skip(data)
        n_bytes = len(self._tail) + len(data)
        if n_bytes > self._capacity:
            self._grow(n_bytes)
        begin = len(self._tail)
        if begin:
            self._wire[:begin] = np.frombuffer(self._tail, np.uint8)
        self._wire[begin:n_bytes] = np.frombuffer(data, np.uint8)
        n_frames = kernel.deframe(
            self._wire,
            n_bytes,
            self._payloads,
            self._begins,
            self._ends,
            kernel.CRC_TABLES,
            self._counts,
        )
        self._keep(int(self._counts[kernel.CONSUMED]), n_bytes)
        return Burst(self._payloads, self._begins[:n_frames], self._ends[:n_frames])

    def _skip(self, data: bytes) -> bytes:
        """The bytes from the delimiter on that ends a frame which was too long."""
        end = data.find(0)
        self._counts[kernel.N_BYTES] += len(data) if end < 0 else end
        if end < 0:
            return b""
        self._skipping = False
        self._counts[kernel.TOO_LONG] += 1
        return data[end + 1 :]

    def _keep(self, begin: int, n_bytes: int) -> None:
        """Remember the bytes of an unfinished frame, or that it is too long already."""
        if begin == n_bytes:
            self._tail = b""
        elif n_bytes - begin > MAX_WIRE_BYTES:
            self._counts[kernel.N_BYTES] += n_bytes - begin
            self._skipping = True
            self._tail = b""
        else:
            self._tail = self._wire[begin:n_bytes].tobytes()

    def _grow(self, n_bytes: int) -> None:
        """Buffers for chunks of up to this size."""
        self._capacity = n_bytes
        self._wire = np.zeros(n_bytes + kernel.PADDING_BYTES, np.uint8)
        self._payloads = np.zeros_like(self._wire)
        self._begins = np.zeros(n_bytes // _SMALLEST_GOOD_FRAME + 1, np.int64)
        self._ends = np.zeros_like(self._begins)


def warm_up() -> None:
    """Compile the kernels, or load them from the cache, ahead of data: seconds, or a fraction of one."""
    BurstDeframer().burst(b"\x00")
