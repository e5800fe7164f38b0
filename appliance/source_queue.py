"""What waits between a source and the analysis of one machine: bounded, counted, honest about what it drops.

Duty: hold items in order; when full, drop the oldest and turn what was lost into a gap. Never blocks and
never grows. Used from the event loop alone.
"""

from __future__ import annotations

from collections import deque

from dsp.samples import Gap, GapCause, SampleBlock, SourceItem


class SourceQueue:
    """A bounded queue of blocks and gaps of one source for one machine."""

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.dropped = 0  # blocks, since the start
        self._items: deque[SourceItem] = deque()
        self._put_ns: deque[int] = deque()  # of each item: when it came
        self._lost: dict[str, Gap] = {}  # per channel: all that was dropped from the front

    def __len__(self) -> int:
        return len(self._items)

    @property
    def oldest_ns(self) -> int | None:
        """When the item at the head came; None where nothing waits."""
        return self._put_ns[0] if self._put_ns else None

    def put(self, item: SourceItem, cause: GapCause = GapCause.OVERLOAD, now_ns: int = 0) -> bool:
        """Add an item at the end; `cause` names why an older one must go if there is no room.

        Returns whether something was dropped.
        """
        drops = len(self._items) >= self.capacity
        if drops:
            self._put_ns.popleft()
            self._drop(self._items.popleft(), cause)
        self._items.append(item)
        self._put_ns.append(now_ns)
        return drops

    def take(self, most: int, until_ns: int | None = None) -> list[SourceItem]:
        """Up to `most` of the oldest items, after the gaps of what was dropped before them.

        `until_ns`: what begins later stays (None: nothing does).
        """
        items: list[SourceItem] = list(self._lost.values())
        self._lost.clear()
        while self._items and len(items) < most:
            if until_ns is not None and self._items[0].start_ns > until_ns:
                break
            items.append(self._items.popleft())
            self._put_ns.popleft()
        return items

    def _drop(self, item: SourceItem, cause: GapCause) -> None:
        """Enter an item into the gap of its channel: everything before the queue's head is gone."""
        if isinstance(item, SampleBlock):
            self.dropped += 1
            missing: int | None = len(item.samples)
        else:
            cause, missing = item.cause, item.samples_missing
        known = self._lost.get(item.channel_id)
        if known is None:
            self._lost[item.channel_id] = Gap(item.channel_id, item.start_ns, item.end_ns, cause, missing)
            return
        both = (
            None
            if known.samples_missing is None or missing is None
            else known.samples_missing + missing
        )  # fmt: skip
        self._lost[item.channel_id] = Gap(
            item.channel_id,
            min(known.start_ns, item.start_ns),
            max(known.end_ns, item.end_ns),
            cause if isinstance(item, SampleBlock) else known.cause,
            both,
        )
