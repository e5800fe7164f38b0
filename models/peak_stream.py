"""The largest values of a long stream, declustered, in bounded memory.

Duty: block maxima by running time, the largest of them kept, and the clusters that they form above a
threshold. Knows nothing of tails (`models.extreme_limit`) nor of what the values mean.

Values of one block of running time make one maximum; neighbouring blocks above the threshold are one
cluster (runs declustering, Ferro and Segers, JRSS B 65, 2003, at the resolution of blocks). So a bout that
lasts hours is one peak, however many windows it has. Memory is the kept blocks, for ever.
"""

from __future__ import annotations

import math
from typing import Any

from models.extreme_limit import Peaks

KEPT_BLOCKS = 192
_TAIL_SHARE = 0.15  # of all blocks lie above the threshold, or as many as are kept
_MIN_TAIL = 24


class PeakStream:
    """Block maxima of one stream. `block_s` is longer than one bout of high values lasts, as a rule."""

    def __init__(self, block_s: float, longest_step_s: float, apart_blocks: int = 2) -> None:
        """A value stands for the time since the one before it, at most `longest_step_s`: gaps do not count.

        Blocks above the threshold with fewer than `apart_blocks` below it between them are one cluster.
        """
        self._block_s = block_s
        self._longest_step_s = longest_step_s
        self._apart_blocks = apart_blocks
        self._blocks: list[tuple[int, float]] = []  # (number, maximum), in order of time
        self._number = 0
        self._fill_s = 0.0
        self._largest = -math.inf
        self._last_ns: int | None = None

    @property
    def span_h(self) -> float:
        """Running time watched, hours; whole blocks."""
        return self._number * self._block_s / 3600.0

    def observe(self, time_ns: int, value: float) -> None:
        """Take one value; what is not finite is left out."""
        if not math.isfinite(value):
            return
        if self._last_ns is not None and time_ns > self._last_ns:
            self._fill_s += min((time_ns - self._last_ns) / 1e9, self._longest_step_s)
        self._last_ns = time_ns
        if self._fill_s >= self._block_s:
            self._close()
        self._largest = max(self._largest, value)

    def interrupt(self) -> None:
        """What comes next does not follow (a restart, an alarm): the time between does not count."""
        self._last_ns = None

    def peaks(self) -> Peaks | None:
        """Declustered peaks above a threshold that some 15 % of the blocks pass; None below 25 blocks."""
        if len(self._blocks) <= _MIN_TAIL:
            return None
        count = min(len(self._blocks) - 1, max(_MIN_TAIL, round(_TAIL_SHARE * self._number)))
        ordered = sorted((largest for _, largest in self._blocks), reverse=True)
        threshold = ordered[count]
        clusters: list[float] = []
        last = -self._apart_blocks - 1
        for number, largest in self._blocks:
            if largest <= threshold:
                continue
            if number - last <= self._apart_blocks and clusters:
                clusters[-1] = max(clusters[-1], largest)
            else:
                clusters.append(largest)
            last = number
        return Peaks(tuple(clusters), threshold, self.span_h)

    def halves(self) -> tuple[list[float], list[float]]:
        """The kept maxima of the first and of the second half of the time: whether the stream rose."""
        middle = self._number // 2
        # Of equal blocks the newest are kept: where the least ones are equal (a machine that shows nothing),
        # they say when they were kept, not when they were highest.
        least = min((largest for _, largest in self._blocks), default=0.0)
        equal = sum(largest == least for _, largest in self._blocks) > 1
        blocks = [(n, largest) for n, largest in self._blocks if largest > least or not equal]
        first = [largest for number, largest in blocks if number < middle]
        second = [largest for number, largest in blocks if number >= middle]
        return first, second

    @property
    def largest(self) -> float:
        """The largest maximum of any whole block; -inf before the first."""
        return max((largest for _, largest in self._blocks), default=-math.inf)

    def reaching(self, level: float) -> int:
        """How many whole blocks reached a level, of those that are kept."""
        return sum(largest >= level for _, largest in self._blocks)

    def rescale(self, by: float) -> None:
        """The unit of the values changed: multiply what is kept."""
        self._blocks = [(number, largest * by) for number, largest in self._blocks]
        self._largest *= by

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready."""
        return {
            "number": self._number,
            "fill_s": round(self._fill_s, 3),
            "largest": self._largest if math.isfinite(self._largest) else None,
            "blocks": [[number, float(f"{largest:.7g}")] for number, largest in self._blocks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        blocks = [(int(number), float(largest)) for number, largest in state["blocks"]]
        if len(blocks) > KEPT_BLOCKS or not all(math.isfinite(largest) for _, largest in blocks):
            raise ValueError(f"{len(blocks)} blocks; at most {KEPT_BLOCKS} finite ones are kept")
        number, fill_s = int(state["number"]), float(state["fill_s"])
        if number < 0 or not math.isfinite(fill_s):
            raise ValueError(f"block number {number}, {fill_s} s of it; both must be 0 or more")
        largest = state["largest"]
        self._largest = -math.inf if largest is None else float(largest)
        self._blocks, self._number, self._fill_s, self._last_ns = blocks, number, fill_s, None

    def _close(self) -> None:
        """The present block is full: its maximum is kept if it is one of the largest."""
        self._fill_s = 0.0
        if math.isfinite(self._largest):
            self._blocks.append((self._number, self._largest))
            self._number += 1
            if len(self._blocks) > KEPT_BLOCKS:
                smallest = min(range(len(self._blocks)), key=lambda i: self._blocks[i][1])
                del self._blocks[smallest]
        self._largest = -math.inf
