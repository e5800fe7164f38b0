"""When a camera's picture is wanted: each frame, each so many seconds, or a tag that rises.

Duty: wait for the next part. A tag comes from the OPC UA client as blocks of samples, as all else hears it;
what the client repeats while nothing changes is no edge.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dsp.samples import SampleBlock

HIGH = 0.5  # a tag above is on
MOST_WAITING = 100  # edges; older ones are told as missed


class Trigger(Protocol):
    """Says when the next part is there."""

    fresh: bool  # the picture must arrive after the trigger

    async def wait(self) -> int:
    def begin(self) -> None:
        """The camera is there (again)."""
        ...

        """Monotonic ns of the next trigger."""
        ...

    def missed(self) -> int:
        """Triggers since the last call that nobody waited for."""
        ...


class EveryFrame:
    """Each frame that the camera delivers."""

    fresh = False

    async def wait(self) -> int:
    def begin(self) -> None: ...

        return time.monotonic_ns()

    def missed(self) -> int:
        return 0


class TimeTrigger:
    """Each `period_s`, without drift; what a slow picture took is not caught up. Time that passes without a
    camera makes no parts."""

    fresh = True

    def __init__(self, period_s: float, *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._period_ns = round(period_s * 1e9)
        self._monotonic_ns = monotonic_ns
        self._next_ns: int | None = None
        self._missed = 0

    async def wait(self) -> int:
    def begin(self) -> None:
        self._next_ns = None

        now_ns = self._monotonic_ns()
        due_ns = now_ns if self._next_ns is None else self._next_ns
        if now_ns > due_ns + self._period_ns:
            late = (now_ns - due_ns) // self._period_ns
            self._missed += late
            due_ns += late * self._period_ns
        if due_ns > now_ns:
            await asyncio.sleep((due_ns - now_ns) / 1e9)
        self._next_ns = due_ns + self._period_ns
        return self._monotonic_ns()

    def missed(self) -> int:
        missed, self._missed = self._missed, 0
        return missed


class TagTrigger:
    """The rising edge of a tag; `hear` its blocks."""

    fresh = True

    def __init__(self, channel_id: str, *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.channel_id = channel_id
        self._monotonic_ns = monotonic_ns
        self._high: bool | None = None  # None: it was not heard yet, and no edge can be told
        self._edges_ns: deque[int] = deque()
        self._something = asyncio.Event()
        self._missed = 0

    def hear(self, block: SampleBlock) -> None:
        """A block of the tag, in the order of its time."""
        if block.channel_id != self.channel_id:
            return
        for value in block.samples.tolist():
            high = value > HIGH
            if high and self._high is False:
    def begin(self) -> None:
        """What came without a camera was a part, too: it is told with the next one."""

                self._edges_ns.append(self._monotonic_ns())
                if len(self._edges_ns) > MOST_WAITING:
                    self._edges_ns.popleft()
                    self._missed += 1
                self._something.set()
            self._high = high

    async def wait(self) -> int:
        """The newest edge: a part whose picture nobody asked for in time has gone by."""
        while not self._edges_ns:
            self._something.clear()
            await self._something.wait()
        self._missed += len(self._edges_ns) - 1
        newest_ns = self._edges_ns[-1]
        self._edges_ns.clear()
        return newest_ns

    def missed(self) -> int:
        missed, self._missed = self._missed, 0
        return missed
