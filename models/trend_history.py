"""A long history of one level in bounded memory: medians of blocks of running time.

Duty: keep blocks, and make them longer as the history does. Fits nothing (`models.trend`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dsp.samples import Float64Array

KEPT_BLOCKS = 160
_KEPT_VALUES = 64  # of a block


class TrendHistory:
    """Medians of blocks; when there are too many, neighbours become one and blocks twice as long.

    Time is running time: what a machine stands still, or is not heard, does not wear it and is left out.
    """

    def __init__(self, block_s: float, longest_step_s: float) -> None:
        self._block_s = block_s
        self._longest_step_s = longest_step_s
        self._times_s: list[float] = []  # middle of each block
        self._medians: list[float] = []
        self._now_s = 0.0
        self._begun_s = 0.0
        self._values: list[float] = []
        self._stride, self._passed = 1, 0
        self._last_ns: int | None = None

    def observe(self, time_ns: int, value: float) -> bool:
        """Take one value; whether it completed a block."""
        if not math.isfinite(value):
            return False
        if self._last_ns is not None and time_ns > self._last_ns:
            step_s = (time_ns - self._last_ns) / 1e9
            self._now_s += step_s if step_s <= self._longest_step_s else 0.0
        self._last_ns = time_ns
        whole = self._now_s - self._begun_s >= self._block_s
        if whole:
            self._close()
        if self._passed % self._stride == 0:
            self._values.append(value)
        self._passed += 1
        if len(self._values) > _KEPT_VALUES:
            self._values = self._values[::2]
            self._stride *= 2
        return whole

    def blocks(self) -> tuple[Float64Array, Float64Array]:
        """Times (s of running) and medians of the blocks, oldest first."""
        return np.array(self._times_s), np.array(self._medians)

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready; the block that is not whole is left out."""
        return {
            "block_s": self._block_s,
            "now_s": round(self._begun_s, 3),
            "times_s": [round(time_s, 1) for time_s in self._times_s],
            "medians": [float(f"{median:.6g}") for median in self._medians],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        times_s = [float(time_s) for time_s in state["times_s"]]
        medians = [float(median) for median in state["medians"]]
        block_s, now_s = float(state["block_s"]), float(state["now_s"])
        if len(times_s) != len(medians) or len(times_s) > KEPT_BLOCKS:
            raise ValueError(f"{len(times_s)} times and {len(medians)} medians; equal, at most {KEPT_BLOCKS}")
        if not all(map(math.isfinite, (*times_s, *medians, block_s, now_s))) or not block_s > 0.0:
            raise ValueError("a history of finite numbers is right")
        self._times_s, self._medians, self._block_s = times_s, medians, block_s
        self._now_s = self._begun_s = now_s
        self._values, self._stride, self._passed, self._last_ns = [], 1, 0, None

    def _close(self) -> None:
        self._times_s.append((self._begun_s + self._now_s) / 2.0)
        self._medians.append(float(np.median(self._values)))
        self._begun_s = self._now_s
        self._values, self._stride, self._passed = [], 1, 0
        if len(self._medians) >= KEPT_BLOCKS:
            times, medians = np.array(self._times_s), np.array(self._medians)
            even = len(medians) - len(medians) % 2
            self._times_s = times[:even].reshape(-1, 2).mean(axis=1).tolist()
            self._medians = medians[:even].reshape(-1, 2).mean(axis=1).tolist()
            self._block_s *= 2.0
