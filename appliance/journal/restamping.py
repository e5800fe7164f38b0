"""Gives records of an untrusted clock their true time, once it is known.

Duty: find what is provisional, place boots that no trusted clock has seen, and write resolved times in small
transactions, so that an alarm never waits long behind them. A record is restamped once at most and never one
that had a trusted time: what may have left the box keeps its key. The rules stand in `time_rules`. Runs in
the writer thread.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from appliance.journal import gap_clock, schema
from appliance.journal.anchors import Anchors, ClockLook, kernel_of
from appliance.journal.record import Record, RecordKind
from appliance.journal.store import Store
from appliance.journal.time_rules import Anchor, Resolved, UnknownBoot, between_neighbours, resolved

_log = logging.getLogger(__name__)

STEP_RECORDS = 500
_LAST_ROWS = 1_000  # of a boot, among which its latest monotonic time is looked for
_GAP = schema.KIND_CODES[RecordKind.GAP]


@dataclass(slots=True)
class _Boot:
    """A start of the service that left provisional records, and how far they are dealt with."""

    boot: int
    kernel: str
    after: int


class Restamping:
    """The work on one open file after another; `step` it between commits."""

    def __init__(self, kernel: str, resolve: bool) -> None:
        """`resolve` False: provisional times stay as they are, because they are sent as they are."""
        self._kernel = kernel
        self._resolve = resolve
        self._store: Store | None = None
        self._anchors: Anchors | None = None
        self._todo: list[_Boot] = []
        self._known: dict[str, list[Anchor]] = {}
        self._due = True  # something may be provisional that can be resolved by now
        self._moved = 0  # records of the present pass
        self.passes = 0  # that moved anything

    def step(self, store: Store, look: ClockLook) -> bool:
        """One round; True while more is due. Raises sqlite3.Error or OSError."""
        anchors = self._anchors
        if store is not self._store or anchors is None:
            anchors = self._open(store)
        if anchors.wants(look):
            with store.transaction():
                self._due |= anchors.note(look, store.last_sequence)
        else:
            anchors.see(look)
        if store.take_provisional():
            self._due = True
        if not look.trusted or not self._resolve:
            return False
        if self._due and not self._todo:
            self._begin(store, anchors)
            self._due = False
        if self._todo:
            self._restamp_some(store, self._todo[0])
        if not self._todo and self._moved:
            _log.info("provisional times resolved records=%d", self._moved)
            self._moved = 0
            self.passes += 1
            store.books.refresh_oldest()
        return bool(self._todo)

    def _open(self, store: Store) -> Anchors:
        self._store, self._todo, self._due = store, [], True
        anchors = self._anchors = Anchors(store.connection, self._kernel)
        with store.transaction():
            anchors.seed()
            _note_policy(store, self._resolve)
        return anchors

    def _begin(self, store: Store, anchors: Anchors) -> None:
        """What is provisional, in the order in which it was recorded, as far as its boot's time is known."""
        final = int(store.get_meta(_FINAL) or 0)
        found = []
        boot: int | None = -1
        while True:
            (boot,) = store.connection.execute(
                "SELECT min(boot) FROM record INDEXED BY record_provisional WHERE trusted=0 AND boot>?",
                (boot,),
            ).fetchone()
            if boot is None:
                break
            found.append(_Boot(boot, kernel_of(store.boot_id_of(boot)), final))
        self._known = {one.kernel: anchors.of(one.kernel) for one in found}
        with store.transaction():
            self._place_unknown(store, anchors, [one for one in found if not self._known[one.kernel]])
        self._todo = [one for one in found if self._known[one.kernel]]

    def _place_unknown(self, store: Store, anchors: Anchors, boots: list[_Boot]) -> None:
        """Rule 3, for each run of boots without an anchor between two trusted ones."""
        runs: dict[tuple[object, object], list[tuple[str, UnknownBoot, int]]] = {}
        spans: dict[str, tuple[int, int, UnknownBoot]] = {}
        for one in boots:
            span = _span(store.connection, one)
            if span is None:
                continue
            first, last, unknown = span
            known = spans.get(one.kernel)
            if known is not None:  # another start of the service within the same boot of the kernel
                first = min(first, known[0])
                if known[2].last_monotonic_ns > unknown.last_monotonic_ns:
                    last, unknown = known[1], known[2]
            spans[one.kernel] = (first, last, unknown)
        for kernel, (first, last, unknown) in sorted(spans.items(), key=lambda item: item[1][0]):
            sides = (anchors.last_before(first), anchors.first_after(last))
            runs.setdefault(sides, []).append((kernel, unknown, last))
        for (lower, upper), run in runs.items():
            placed = between_neighbours(
                lower[1] if isinstance(lower, tuple) else None,
                upper[1] if isinstance(upper, tuple) else None,
                [unknown for _, unknown, _ in run],
            )
            if placed is None:
                _log.warning("times of boots without a trusted clock stay provisional boots=%d", len(run))
                continue
            for (kernel, _, last), anchor in zip(run, placed, strict=True):
                _log.warning("boot without a trusted clock placed within_s=%d", anchor.bound_s)
                anchors.place(kernel, anchor, last)
                self._known[kernel] = [anchor]

    def _restamp_some(self, store: Store, boot: _Boot) -> None:
        rows: list[schema.Row] = store.connection.execute(
            f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_provisional "  # noqa: S608
            "WHERE trusted=0 AND boot=? AND sequence>? ORDER BY sequence LIMIT ?",
            (boot.boot, boot.after, STEP_RECORDS),
        ).fetchall()
        if not rows:
            self._todo.pop(0)
            return
        anchors = self._known[boot.kernel]
        records: list[Record] = []
        with store.transaction():
            for row in rows:
                record = schema.record_of(row, store.boots)
                if record is not None:  # a damaged row is found, told and left out by those who read it
                    restamped = self._restamped(store, row, record, anchors)
                    if restamped is not None:
                        records.append(restamped)
        store.renew(records)
        boot.after = rows[-1][0]
        self._moved += len(records)
        if len(rows) < STEP_RECORDS:  # not before it is written: a disk that refuses is asked again
            self._todo.pop(0)

    def _restamped(
        self, store: Store, row: schema.Row, record: Record, anchors: list[Anchor]
    ) -> Record | None:
        """Write one record's true time; None where it cannot be known yet."""
        when, payload = resolved(record.monotonic_ns, anchors), record.payload
        if row[2] == _GAP:
            told = gap_clock.resolve(store.connection, record, when, self._at)
            if told is None:
                return None
            when, payload = Resolved(told.time_ns, max(when.bound_s, told.bound_s)), told.payload
        time_ns = store.free_time(row[1], row[2], record, when.time_ns)
        return store.restamp(record, time_ns, schema.trust_code(when.bound_s), payload)

    def _at(self, kernel: str, monotonic_ns: int) -> Resolved | None:
        """UTC of a monotonic time of any boot; None while that is unknown."""
        if kernel not in self._known and self._anchors is not None:
            self._known[kernel] = self._anchors.of(kernel)
        anchors = self._known.get(kernel)
        return resolved(monotonic_ns, anchors) if anchors else None


_FINAL = "provisional_final_through"
_POLICY = "provisional_times"


def holds_untrusted(store: Store) -> bool:
    """Whether records of untrusted time are held back from the sinks until it is known."""
    return store.get_meta(_POLICY) == "resolve"


def _note_policy(store: Store, resolve: bool) -> None:
    """What was sent with its provisional time keeps it, also once such records are held back instead."""
    wanted = "resolve" if resolve else "keep"
    before = store.get_meta(_POLICY)
    if before == "keep" and resolve:
        store.set_meta(_FINAL, str(store.last_sequence))
    if before != wanted:
        store.set_meta(_POLICY, wanted)


def _span(connection: sqlite3.Connection, boot: _Boot) -> tuple[int, int, UnknownBoot] | None:
    """(first sequence, last sequence, latest time) of a boot's provisional records; None without any."""
    (first,) = connection.execute(
        "SELECT min(sequence) FROM record INDEXED BY record_provisional "
        "WHERE trusted=0 AND boot=? AND sequence>?",
        (boot.boot, boot.after),
    ).fetchone()
    if first is None:
        return None
    rows = connection.execute(
        "SELECT sequence, monotonic_ns, time_ns, kind FROM record INDEXED BY record_provisional "
        "WHERE trusted=0 AND boot=? AND sequence>? ORDER BY sequence DESC LIMIT ?",
        (boot.boot, boot.after, _LAST_ROWS),
    ).fetchall()
    own = [(row[1], row[2]) for row in rows if row[3] != _GAP]  # a gap may have begun in an earlier boot
    if not own:
        return None
    last_ns, provisional_ns = max(own)
    return first, rows[0][0], UnknownBoot(max(0, last_ns), provisional_ns)
