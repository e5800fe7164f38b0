"""A line that loses, damages, repeats and splits what goes over it, by a seeded plan."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class LossyPort:
    """Carries whole frames; keeps its own account of what it did to them (the truth of a test)."""

    seed: int
    loss: float = 0.0  # probability that a frame vanishes
    corruption: float = 0.0  # probability that one bit of a frame flips
    truncation: float = 0.0  # probability that a frame loses its tail, delimiter included
    duplication: float = 0.0
    garbage: float = 0.0  # probability that noise comes before a frame
    lost: list[int] = field(default_factory=list)  # index of each frame that cannot arrive
    n_frames: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def carry(self, frame: bytes) -> bytes:
        """What comes out at the far end for one frame put in."""
        draw = self._random
        index, self.n_frames = self.n_frames, self.n_frames + 1
        noise = draw.randbytes(draw.randint(1, 40)) + b"\x00" if draw.random() < self.garbage else b""
        if draw.random() < self.loss:
            self.lost.append(index)
            return noise
        if draw.random() < self.corruption:
            self.lost.append(index)
            bit = draw.randrange((len(frame) - 1) * 8)  # not the delimiter
            damaged = bytearray(frame)
            damaged[bit // 8] ^= 1 << (bit % 8)
            return noise + bytes(damaged)
        if draw.random() < self.truncation:
            self.lost.append(index)
            return noise + frame[: draw.randrange(len(frame) - 1)] + b"\x00"
        return noise + (frame * 2 if draw.random() < self.duplication else frame)

    def split(self, data: bytes) -> list[bytes]:
        """The same bytes in chunks of random length."""
        chunks = []
        while data:
            n = self._random.randint(1, 700)
            chunks.append(data[:n])
            data = data[n:]
        return chunks
