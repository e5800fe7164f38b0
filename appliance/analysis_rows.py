"""Process values that arrive one by one, as rows at an even pace.

Duty: the mean of each channel over each interval, in the order of time. Pure; what a row means is
`analysis_process`' duty.

A server tells changes, the source repeats what did not change: a channel without any value in an interval has
none to tell, and its cell is empty. An interval in which nobody said anything is no row: nothing is invented.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float64Array, Quality, SampleBlock

LATE_S = 2.0  # tags of one moment come by several ways: so long an interval is kept open
_DIGITS = 7  # what a float32 holds


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Means of one interval, NaN for a channel that had no value in it."""

    end_ns: int
    index: int  # counts intervals: a row after a break is not the next one
    values: Float64Array  # (n_channels,)


class RowFormer:
    """Rows of some channels; other channels' blocks are ignored."""

    def __init__(self, channel_ids: Sequence[str], row_s: float, late_s: float = LATE_S) -> None:
        self._at = {channel_id: position for position, channel_id in enumerate(channel_ids)}
        self._row_ns = max(1, round(row_s * 1e9))
        self._late_ns = round(late_s * 1e9)
        self._open: dict[int, list[list[float]]] = {}  # by interval: sum and count of each channel
        self._closed: int | None = None  # the newest interval that was given
        self._newest_ns: int | None = None

    def take(self, block: SampleBlock) -> list[Row]:
        """Take one block; the rows that are whole now, oldest first. A value that comes too late is lost."""
        position = self._at.get(block.channel_id)
        if position is None:
            return []
        if self._newest_ns is None or block.start_ns > self._newest_ns:
            self._newest_ns = block.start_ns
        index = block.start_ns // self._row_ns
        if block.quality is not Quality.BAD and (self._closed is None or index > self._closed):
            for value in block.samples.tolist():
                if math.isfinite(value):
                    cell = self._open.setdefault(index, [[0.0, 0.0] for _ in self._at])[position]
                    cell[0] += value
                    cell[1] += 1.0
        return self._whole()

    def interrupt(self) -> None:
        """What comes next does not follow what came before: what is open is void."""
        self._open.clear()
        self._closed = self._newest_ns = None

    def _whole(self) -> list[Row]:
        assert self._newest_ns is not None
        ready = (self._newest_ns - self._late_ns) // self._row_ns - 1
        rows = []
        for index in sorted(index for index in self._open if index <= ready):
            cells = self._open.pop(index)
            means = [float(f"{total / n:.{_DIGITS}g}") if n else math.nan for total, n in cells]
            rows.append(Row((index + 1) * self._row_ns, index, np.array(means)))
        self._closed = ready if self._closed is None else max(self._closed, ready)
        return rows
