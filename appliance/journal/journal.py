"""The journal: hop 9. What is in it is on stable storage, in order, and survives the appliance.

Duty: the one door to the store for the rest of the appliance. Gives records their wall time, waits for the
disk but never longer than it may, tells who follows that there is more, and says when it is not durable.
Writing is the writer thread's work, reading that of the query threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

from appliance.clock import Clock, kernel_boot_id
from appliance.errors import Fatal
from appliance.journal.absence import Absence, channels_last_seen
from appliance.journal.admission import check
from appliance.journal.anchors import ClockLook, newest_trusted
from appliance.journal.deliveries import Deliveries
from appliance.journal.durability import Durability, DurabilityCallback
from appliance.journal.errors import JournalRejected
from appliance.journal.knowledge import Knowledge
from appliance.journal.ledger import first_state
from appliance.journal.pending import PendingGap, PendingGapState, PendingRecord, Ticket
from appliance.journal.queries import Queries
from appliance.journal.reading import Reading
from appliance.journal.record import (
    ClassBacklog,
    CommitResult,
    DamageReport,
    GapState,
    NewRecord,
    Record,
    RecordClass,
    RecordKind,
)
from appliance.journal.recovery import Recovery
from appliance.journal.refuge import Refuge
from appliance.journal.reserve import Reserve
from appliance.journal.restamping import Restamping
from appliance.journal.retention import Budgets, Timing
from appliance.journal.store import FILE_NAME, Store
from appliance.journal.writer import Writer
from dsp.samples import Gap, GapCause

_CLOSE_LIMIT_S = 10.0
_log = logging.getLogger(__name__)


class Journal(Reading):
    """An open journal. Build it with `Journal.open`, use it from one event loop, `close` it."""

    def __init__(  # noqa: PLR0917 - `open` is the way in
        self,
        folder: Path,
        budgets: Budgets,
        clock: Clock,
        timing: Timing,
        resolve_times: bool,
        refuge: Refuge,
    ) -> None:
        self.folder = folder
        self._refuge = refuge
        self.budgets = budgets
        self.reserve = Reserve(folder, budgets.reserve_bytes)
        # The kernel's boot names the life of the monotonic clock; the suffix names this start of the service.
        self.kernel_boot_id = kernel_boot_id()
        self.boot_id = f"{self.kernel_boot_id}.{uuid.uuid4().hex[:8]}"
        self._clock = clock
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self.deliveries = Deliveries()  # tell it which sinks are configured: until then nothing unsent leaves
        self._recovery = Recovery(folder, self.boot_id, self._clock_now, self.deliveries)
        self._restamping = Restamping(self.kernel_boot_id, resolve_times)
        self._writer = Writer(
            self._open_store,
            self.reserve,
            budgets=budgets,
            timing=timing,
            clock_now=self._clock_now,
            on_commit=self._tell_commit,
            restamping=self._restamping,
        )
        self._known = Knowledge(self._writer, self._recovery)
        super().__init__(Queries(folder / FILE_NAME, self._writer.suspect))
        self._durability = Durability()
        self._committed = asyncio.Event()
        self._absence = Absence(self.boot_id)
        self._closing = False
        self._watch_task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path | str,
        budgets: Budgets,
        clock: Clock,
        timing: Timing | None = None,
        *,
        resolve_times: bool = True,
        refuge_folder: Path | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Journal:
        """Open the journal in `folder`, or create it (mode 0700).

        A damaged file is set aside and salvaged (`damage_report`); `told` hears of it if that takes long.
        A disk that refuses or hangs does not stop the appliance: the journal opens not durable, knows what
        can be read (nothing: `began_blind`), and tries on. `resolve_times` False: records of an untrusted
        clock keep their time for good, because they are sent with it. `refuge_folder`, in the system's
        memory: there a service that is killed finds again what no disk had taken. Raises JournalLocked when
        another process has it open, Fatal when a newer release has written it.
        """
        journal = cls(Path(folder), budgets, clock, timing or Timing(), resolve_times, Refuge(refuge_folder))
        await journal._start(told or _log.info)
        return journal

    @property
    def incarnation(self) -> str:
        """Names this life of the store: minted when it is created or had to be replaced."""
        return self._recovery.incarnation

    @property
    def damage_report(self) -> DamageReport | None:
        """What was found damaged at this start or since; None if nothing was."""
        return self._recovery.report

    @property
    def durable(self) -> bool:
        """Whether the journal can commit. False: records are held in memory, alarms go out unsaved."""
        return self._durability.durable

    @property
    def not_durable_because(self) -> str:
        return self._durability.reason

    @property
    def space_low(self) -> bool:
        """The disk is full: alarms are written from the reserve, telemetry replaces older telemetry."""
        return self._writer.space_low

    @property
    def began_blind(self) -> bool:
        """Whether this start could not even read what was: no limit is stored then, until the next start."""
        return self._known.blind

    @property
    def last_sequence(self) -> int:
        store = self._known.store
        return 0 if store is None else store.last_sequence

    def watch_durability(self, callback: DurabilityCallback) -> None:
        """Call `callback(durable, reason)` in the event loop at every change (and at once if not durable)."""
        self._durability.watch(callback)

    def watch_flushes(self, callback: Callable[[float, int], None]) -> None:
        """Call `callback(seconds, records)` in the writer's thread after each batch that the disk took."""
        self._writer.on_flush = callback

    @property
    def resolutions(self) -> int:
        """How often provisional times were resolved since the start; `follow`ers are woken by it."""
        return self._restamping.passes

    @property
    def waiting(self) -> int:
        """Records in memory that the disk has not taken yet."""
        critical, telemetry, _ = self._writer.in_memory()
        return critical + telemetry

    @property
    def failures(self) -> int:
        """How often the disk refused, since the start."""
        return self._writer.failures

    async def commit(self, records: Sequence[NewRecord]) -> CommitResult:
        """Put records on stable storage, together. Concurrent commits share one flush.

        Returns when they are durable, or with `durable=False` when the disk did not take them within 2 s
        (at once, while it is known not to). Cancelling the call does not take the records back.
        Raises JournalRejected.
        """
        for record in records:
            check(record)
        if not records:
            return CommitResult((), self._durability.durable)
        ticket, done = self._ticket(len(records))
        pending = [self._pending(record, ticket) for record in records]
        taken = self._known.without_limits(pending)
        self._writer.add_critical(taken)
        whole = len(taken) == len(pending)
        limit_s = self._timing.commit_limit_s if self._durability.durable and whole else 0.0
        if limit_s > 0.0:
            await asyncio.wait({done}, timeout=limit_s)
        if done.done() and not done.cancelled():
            return CommitResult(done.result(), True)
        self._refuge.hold(taken)
        if whole:
            self._durability.refused(self._writer.failure)
        return CommitResult(tuple(one.held(self.boot_id) for one in pending), False)

    def submit(self, record: NewRecord) -> None:
        """Hand over telemetry: on the disk within a second, with what else comes. Never blocks.

        When the queue is full its oldest records leave, counted and told as a gap. The first FEATURES or TAG
        record of a channel after a start also closes the gap since the previous start (`power off`).
        Raises JournalRejected.
        """
        check(record)
        if record.record_class is not RecordClass.TELEMETRY:
            raise JournalRejected(
                f"record {record.key}: class {record.record_class} must be durable, use `commit`"
            )
        pending = self._pending(record, None)
        gap = self._absence.gap_before(pending, self._stopped_by())
        if gap is not None:
            self._writer.add_gap(gap)
        self._writer.add_telemetry(pending)

    def record_gap(self, gap: Gap, state: GapState | None = None) -> None:
        """Enter an interval without data in the ledger. One that touches a known one extends it.

        `gap` times are monotonic ns of this boot. Without `state` the cause decides: what a server may still
        have is open, what no one has is lost.
        """
        start, end = self._clock.wall(gap.start_ns), self._clock.wall(gap.end_ns)
        trusted, state = start.trusted and end.trusted, state or first_state(gap.cause)
        interval = (gap.channel_id, start.time_ns, end.time_ns, gap.cause, state, gap.samples_missing)
        self._writer.add_gap(PendingGap(*interval, gap.start_ns, trusted))

    def resolve_gap(self, gap_id: int, state: GapState) -> None:
        """Note what became of a gap: backfilled, or lost for good. An unknown id changes nothing."""
        now_ns = self._clock.monotonic_ns()
        wall = self._clock.wall(now_ns)
        self._writer.add_gap(PendingGapState(gap_id, state, wall.time_ns, wall.trusted, now_ns))

    def mark_delivered(self, sink: str, record_class: RecordClass, sequence: int) -> None:
        """The sink needs the class's records up to here no more, whatever happens to the box: once every sink
        says so they may leave when the budget asks."""
        self.deliveries.mark(sink, record_class, sequence)

    def latest(self, kind: RecordKind) -> list[Record]:
        """The newest committed record of every subject of a kind, in order of sequence."""
        store = self._known.store
        return [] if store is None else store.latest(kind)

    def channels_last_seen(self) -> dict[str, int]:
        """UTC ns of the end of the newest data of every channel that ever had any."""
        return channels_last_seen(self._known.store)

    async def follow(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None
    ) -> AsyncIterator[Record]:
        """Records after a sequence, then every new one as it is committed; none missed, none twice.

        Ends when the journal is closed. Raises Retryable if the file cannot be read.
        """
        sequence = after_sequence
        while not self._closing:
            # The event is taken before the read: a commit in between sets the one that is waited for.
            committed = self._committed
            records = await self.queries.read(sequence, kinds, 500)
            for record in records:
                sequence = record.sequence
                yield record
            if not records:
                await committed.wait()

    def backlog(self) -> list[ClassBacklog]:
        """What each class holds, from running accounts; reads nothing from the disk."""
        store = self._known.store
        return [] if store is None else store.books.backlog(self.budgets, self._clock_now().time_ns)

    async def close(self) -> None:
        """Flush what waits and end. Gives up on a disk that hangs."""
        if self._closing:
            return
        self._closing = True
        if self._watch_task is not None:
            self._watch_task.cancel()
        self._committed.set()
        await asyncio.to_thread(self._writer.stop, _CLOSE_LIMIT_S)
        self.queries.close()
        self._recovery.release()

    # ---- inside ----

    async def _start(self, told: Callable[[str], None]) -> None:
        with contextlib.suppress(OSError):  # the writer tries again, before it opens the file
            await asyncio.to_thread(self._recovery.lock)
        self._writer.start()
        try:
            await self._known.gather(told)
        except Fatal:
            await self.close()
            raise
        if self._writer.store is None:
            self._durability.refused(self._writer.failure)
            if (store := self._known.store) is not None:
                self._learn_from(store)
        await self._take_up()
        threading.Thread(target=self._check_file, name="journal-check", daemon=True).start()
        self._watch_task = asyncio.create_task(self._watch(), name="journal-durability")

    async def _take_up(self) -> None:
        """What an earlier life could not write comes first, before anybody asks what is known."""
        if not (held := self._refuge.recall(time.monotonic_ns())):
            return
        ticket, done = self._ticket(len(held))
        for one in held:
            one.ticket = ticket
        self._writer.add_critical(held)
        await asyncio.wait({done}, timeout=self._timing.commit_limit_s)

    def _ticket(self, wanted: int) -> tuple[Ticket, asyncio.Future[tuple[Record, ...]]]:
        """What the writer resolves once so many records are on the disk, and what is awaited meanwhile."""
        loop = self._loop
        done: asyncio.Future[tuple[Record, ...]] = loop.create_future()

        def resolve(stored: tuple[Record, ...]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_set_result, done, stored)

        return Ticket(wanted, resolve), done

    def _open_store(self, error: Exception | None, thorough: bool) -> Store:
        """In the writer's thread, before it looks at the clock: that learns what the file knows of it."""
        store = self._recovery.open_store(error, thorough)
        self._learn_from(store)
        self.queries.keep_open = True
        self.queries.reopen()  # what could only be read changes from now on
        return store

    def _learn_from(self, store: Store) -> None:
        """Before anything of this start is in it: the time, and since when channels are silent."""
        for gap in self._absence.knows(store, self._stopped_by()):
            self._writer.add_gap(gap)
        self._clock.not_before(store.newest_time_ns() or 0)
        newest = (record for kind in RecordKind for record in store.latest(kind))
        if (known := newest_trusted(newest, self.kernel_boot_id)) is not None:
            self._clock.was(known.monotonic_ns, known.time_ns)

    async def _watch(self) -> None:
        """Notice a disk that hangs or refuses even when no alarm is waiting for it."""
        while True:
            await asyncio.sleep(self._timing.commit_limit_s / 8)
            self._look()
            if self._durability.durable and self._writer.waiting_s() == 0.0:
                self._refuge.clear()

    def _look(self) -> None:
        self._durability.judge(self._writer.failure, self._writer.waiting_s(), self._timing.commit_limit_s)

    def _stopped_by(self) -> GapCause:
        return GapCause.POWER_OFF if self.damage_report is None else GapCause.DAMAGED_STORE

    def _tell_commit(self) -> None:
        """From the writer thread: wake whoever follows."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        committed, self._committed = self._committed, asyncio.Event()
        committed.set()
        if self._recovery.take_replaced():
            self.queries.reopen()
        self._look()

    def _check_file(self) -> None:
        """In a thread of its own, while the service runs: the check that was too long for the start."""
        if not self._recovery.check_all():
            self._writer.suspect()

    def _clock_now(self) -> ClockLook:
        now_ns = self._clock.monotonic_ns()
        wall = self._clock.wall(now_ns)
        return ClockLook(now_ns, wall.time_ns, wall.trusted)

    def _pending(self, record: NewRecord, ticket: Ticket | None) -> PendingRecord:
        wall = self._clock.wall(record.monotonic_ns)
        # Real time, not the appliance's clock: it says how long the disk has kept the record waiting.
        return PendingRecord(record, wall.time_ns, wall.trusted, time.monotonic_ns(), ticket)


def _set_result(done: asyncio.Future[tuple[Record, ...]], stored: tuple[Record, ...]) -> None:
    if not done.done():
        done.set_result(stored)
