"""When each channel was last heard, and the gap that a stop of the appliance left.

Duty: a channel's first data in a start of the service ends the interval since its last data in an earlier
one; that interval is a gap, whether the stop was clean, a kill or a power cut. No one has to announce it.
"""

from __future__ import annotations

import threading

from appliance.journal.anchors import kernel_of
from appliance.journal.features import end_ns
from appliance.journal.pending import BootTime, PendingGap, PendingRecord
from appliance.journal.record import GapState, RecordKind
from appliance.journal.store import Store
from dsp.samples import GapCause

_CHANNEL_KINDS = frozenset({RecordKind.FEATURES, RecordKind.TAG})


class Absence:
    """Watches for the first data of every channel in this start. Safe from any thread."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._seen: set[str] = set()
        self._known: Store | None = None
        self._unjudged: list[PendingRecord] = []  # first data of a channel, while nothing is known of before
        self._lock = threading.Lock()

    def knows(self, store: Store, cause: GapCause) -> list[PendingGap]:
        """From now on a store says what was; returns the gaps that data ended before. To be called before
        that data is in it."""
        with self._lock:
            self._known = store
            waiting, self._unjudged = self._unjudged, []
        gaps = (self._gap(pending, store, cause) for pending in waiting)
        return [gap for gap in gaps if gap is not None]

    def gap_before(self, pending: PendingRecord, cause: GapCause) -> PendingGap | None:
        """The gap that this record ends, if it is its channel's first of this start; while nothing is known,
        `knows` says so later."""
        new = pending.record
        if new.kind not in _CHANNEL_KINDS or new.subject in self._seen:
            return None
        self._seen.add(new.subject)
        with self._lock:
            if (store := self._known) is None:
                self._unjudged.append(pending)
                return None
        return self._gap(pending, store, cause)

    def _gap(self, pending: PendingRecord, store: Store, cause: GapCause) -> PendingGap | None:
        new = pending.record
        known = store.newest(new.kind, new.subject)
        if known is None or known.boot_id == self._boot_id:
            return None
        here, there = kernel_of(self._boot_id), kernel_of(known.boot_id)
        told_ns = end_ns(known)
        began_ns = known.monotonic_ns + told_ns - known.time_ns
        trusted = known.time_trusted and pending.time_trusted
        if began_ns >= new.monotonic_ns if here == there else trusted and told_ns >= pending.time_ns:
            return None
        return PendingGap(
            channel_id=new.subject,
            start_ns=told_ns,
            end_ns=max(told_ns, pending.time_ns),  # by clocks that were not trusted it may seem to end before
            cause=cause,
            state=GapState.LOST,
            samples_missing=None,
            monotonic_ns=new.monotonic_ns,
            time_trusted=trusted,
            clock=(
                BootTime("" if known.time_known else there, began_ns),
                BootTime("" if pending.time_trusted else here, new.monotonic_ns),
            ),
        )


def channels_last_seen(store: Store | None) -> dict[str, int]:
    """UTC ns of the end of the newest data of every channel that ever had any."""
    seen: dict[str, int] = {}
    if store is None:
        return seen
    for kind in _CHANNEL_KINDS:
        for record in store.latest(kind):
            seen[record.subject] = max(seen.get(record.subject, 0), end_ns(record))
    return seen
