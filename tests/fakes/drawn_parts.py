"""Pictures of parts as a camera over a belt takes them, drawn from a seed: good ones, defects, bad pictures.

A part is a turned ring with a bore, radial marks and grain; each picture has its own noise, light and a shift
of less than a pixel. The same seed draws the same pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.png_picture import encode_png

Picture = npt.NDArray[np.uint8]


class DrawnParts:
    """An endless belt of parts of `size_px` (height, width)."""

    def __init__(self, seed: int, size_px: tuple[int, int] = (120, 160)) -> None:
        self.size_px = size_px
        self._random = np.random.default_rng(seed)
        height, width = size_px
        self._y, self._x = np.mgrid[0:height, 0:width].astype(np.float32)
        grain = np.random.default_rng(4711).normal(0.0, 1.0, (height // 2 + 1, width // 2 + 1))
        self._grain = np.kron(grain, np.ones((2, 2)))[:height, :width].astype(np.float32)

    def good(self) -> Picture:
        return self._taken(self._part())

    def scratched(self) -> Picture:
        """A dark line of a few pixels' width across the ring."""
        part = self._part()
        height, width = self.size_px
        angle = self._random.uniform(0.0, 2.0 * np.pi)
        along, across = np.cos(angle), np.sin(angle)
        x, y = self._x - width / 2 - 0.28 * height * along, self._y - height / 2 - 0.28 * height * across
        near = (np.abs(-x * across + y * along) < height / 50) & (
            np.abs(x * along + y * across) < height / 10
        )
        return self._taken(np.where(near, part - 70.0, part))

    def stained(self) -> Picture:
        """A bright patch on the ring."""
        part = self._part()
        height, width = self.size_px
        angle = self._random.uniform(0.0, 2.0 * np.pi)
        x, y = width / 2 + 0.28 * height * np.cos(angle), height / 2 + 0.28 * height * np.sin(angle)
        near = np.exp(-((self._x - x) ** 2 + (self._y - y) ** 2) / (2.0 * (height / 18) ** 2))
        return self._taken(part + 60.0 * near)

    def lamp_out(self) -> Picture:
        return self._taken(self._part() * 0.03)

    def over_exposed(self) -> Picture:
        return self._taken(self._part() * 2.6)

    def empty(self) -> Picture:
        """No part: the belt alone."""
        return self._taken(np.full(self.size_px, 90.0, np.float32))

    def blurred(self) -> Picture:
        """A lens with grease on it."""
        part = self._part()
        for _ in range(6):
            padded = np.pad(part, 2, mode="edge")
            part = sum(
                padded[dy : dy + part.shape[0], dx : dx + part.shape[1]] for dy in range(5) for dx in range(5)
            )
            part = part / 25.0
        return self._taken(part)

    def _part(self) -> npt.NDArray[np.float32]:
        height, width = self.size_px
        dx, dy = self._random.normal(0.0, 0.25, 2)
        x, y = self._x - width / 2 - dx, self._y - height / 2 - dy
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        ring = 1.0 / (1.0 + np.exp((radius - 0.42 * height) / 1.2)) - 1.0 / (
            1.0 + np.exp((radius - 0.15 * height) / 1.2)
        )
        marks = 14.0 * np.cos(12.0 * angle) * np.sin(radius / 1.7)
        part: npt.NDArray[np.float32] = 55.0 + ring * (85.0 + marks) + 5.0 * self._grain
        return part

    def _taken(self, part: npt.NDArray[np.float32]) -> Picture:
        light = self._random.normal(1.0, 0.01)
        noisy = part * light + self._random.normal(0.0, 2.0, self.size_px)
        taken: Picture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        return taken


def lay(folder: Path, name: str, picture: Picture) -> Path:
    """Put a picture into a folder as a camera's program would: under another name first, then renamed."""
    path = folder / f"{name}.png"
    part = folder / f".{name}.part"
    part.write_bytes(encode_png(picture))
    return part.rename(path)
