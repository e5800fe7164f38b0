"""Many frames in one call: the same answers as `codec.Deframer`, by a compiled kernel.

Duty: the deframer of the live path, where chunks hold many frames. What it finds and what it counts is by
definition what `codec.Deframer` finds and counts, for any bytes in any chunks; a property test holds the two
together. Keeps bounded memory: the bytes of one unfinished frame, and buffers as large as the largest chunk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from firmware_bridge import deframe_kernel as kernel
from firmware_bridge.codec import CRC_BYTES, Deframer
from firmware_bridge.errors import FrameError
from firmware_bridge.frames import SAMPLES_HEADER_BYTES, FrameType

BURST_BYTES = 4096  # below, calling the kernel costs more than it saves
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


class BurstDeframer(Deframer):
    """A deframer that takes large chunks by the kernel, small ones plainly, with one state and one count."""

    def __init__(self, burst_bytes: int = BURST_BYTES) -> None:
        super().__init__()
        self._burst_bytes = burst_bytes
        self._counts = np.zeros(kernel.N_COUNTS, np.int64)
        self._grow(_FIRST_BUFFER_BYTES)

    def payloads(self, data: bytes) -> list[bytes]:
        """The payloads that end in this chunk, in order, their CRC checked."""
        if len(data) < self._burst_bytes:
            return super().payloads(data)
        return self.burst(data).payloads()

    def burst(self, data: bytes) -> Burst:
        """The payloads that end in this chunk, in an array that is valid until the next call."""
        if self._overlong_bytes:
            data = self._skip(data)
        begin = len(self._partial)
        n_bytes = begin + len(data)
        if n_bytes > self._capacity:
            self._grow(n_bytes)
        if begin:
            self._wire[:begin] = np.frombuffer(bytes(self._partial), np.uint8)
            self._partial.clear()
        self._wire[begin:n_bytes] = np.frombuffer(data, np.uint8)
        self._counts[:] = 0
        n_frames = kernel.deframe(
            self._wire,
            n_bytes,
            self._payloads,
            self._begins,
            self._ends,
            kernel.CRC_TABLES,
            self._counts,
        )
        consumed = self._take_counts()
        self._extend(self._wire[consumed:n_bytes].tobytes())
        return Burst(self._payloads, self._begins[:n_frames], self._ends[:n_frames])

    def _skip(self, data: bytes) -> bytes:
        """The bytes behind the delimiter that ends a frame which was too long."""
        end = data.find(0)
        if end < 0:
            self._extend(data)
            return b""
        self._extend(data[:end])
        self._finish()
        return data[end + 1 :]

    def _take_counts(self) -> int:
        """Add the kernel's counts to one's own; returns where the unfinished frame begins."""
        counts = self._counts.tolist()
        self._n_bytes += counts[kernel.N_BYTES]
        self._bad_crc += counts[kernel.BAD_CRC]
        self._bad_cobs += counts[kernel.BAD_COBS]
        self._too_long += counts[kernel.TOO_LONG]
        self._too_short += counts[kernel.TOO_SHORT]
        return int(counts[kernel.CONSUMED])

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
