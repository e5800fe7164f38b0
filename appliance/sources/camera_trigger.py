"""When a camera's picture is wanted: each frame, each so many seconds, a tag that rises, one that counts.

Duty: wait for the next part. A tag comes from the OPC UA client as blocks of samples, as all else hears it;
what the client repeats while nothing changes is no part.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dsp.samples import SampleBlock

HIGH = 0.5  # a tag above is on
MOST_WAITING = 100  # parts; older ones are told as missed
MOST_AT_ONCE = 1000  # parts by which a count may grow: more is another count


class Trigger(Protocol):
    """Says when the next part is there."""

    fresh: bool  # the picture must arrive after the trigger

    def begin(self) -> None:
        """The camera is there (again)."""
        ...

    async def wait(self) -> int:
        """Monotonic ns of the next trigger."""
        ...

    def missed(self) -> int:
        """Triggers since the last call that nobody waited for."""
        ...


class EveryFrame:
    """Each frame that the camera delivers."""

    fresh = False

    def begin(self) -> None: ...

    async def wait(self) -> int:
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

    def begin(self) -> None:
        self._next_ns = None

    async def wait(self) -> int:
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
    """Parts that a tag tells: by its rising edge, or, with `counts`, by how far it grew. `hear` its blocks.

    A count that falls has begun anew, or is another: that is one part. It must stay below 2^24, which is as
    far as a sample tells neighbours apart.
    """

    fresh = True

    def __init__(
        self, channel_id: str, *, counts: bool = False, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.channel_id, self._counts = channel_id, counts
        self._monotonic_ns = monotonic_ns
        self._before: float | None = None  # None: it was not heard yet, and no part can be told
        self._parts_ns: deque[int] = deque()
        self._something = asyncio.Event()
        self._missed = 0

    def begin(self) -> None:
        """What came without a camera was a part, too: it is told with the next one."""

    def hear(self, block: SampleBlock) -> None:
        """A block of the tag, in the order of its time."""
        if block.channel_id != self.channel_id:
            return
        for value in block.samples.tolist():
            n = 0 if self._before is None else self._parts_between(self._before, value)
            self._before = value
            for _ in range(n):
                self._parts_ns.append(self._monotonic_ns())
                if len(self._parts_ns) > MOST_WAITING:
                    self._parts_ns.popleft()
                    self._missed += 1
            if n:
                self._something.set()

    def _parts_between(self, before: float, value: float) -> int:
        if not self._counts:
            return int(before <= HIGH < value)
        grown = round(value) - round(before)
        return grown if 0 <= grown <= MOST_AT_ONCE else 1

    async def wait(self) -> int:
        """The newest part's time: one whose picture nobody asked for in time has gone by."""
        while not self._parts_ns:
            self._something.clear()
            await self._something.wait()
        self._missed += len(self._parts_ns) - 1
        newest_ns = self._parts_ns[-1]
        self._parts_ns.clear()
        return newest_ns

    def missed(self) -> int:
        missed, self._missed = self._missed, 0
        return missed
