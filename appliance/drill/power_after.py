"""What is left after a power cut, held against what the outside had been promised.

Duty: opens the stores of a rebuilt disk by the product's own code, as the next start would, and counts. The
truth is what the load said on its standard output up to the cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from appliance.clock import Discipline, SystemClock
from appliance.drill.outcome import Outcome
from appliance.drill.power_line import deliver_all
from appliance.drill.power_load import CHANNEL, HOOK, WINDOW_S, window
from appliance.drill.power_trace import Said
from appliance.errors import Fatal
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass, RecordKind
from appliance.journal.retention import Budgets, Timing
from appliance.journal.store import FILE_NAME
from appliance.sinks.courier import KINDS
from appliance.sinks.outbox import FILE_NAME as OUTBOX_FILE
from appliance.sinks.outbox import Outbox
from appliance.sinks.webhook_store import FILE_NAME as WEBHOOK_FILE
from appliance.sinks.webhook_store import WebhookStore
from dsp.samples import GapCause

FILES = tuple(name + suffix for name in (FILE_NAME, OUTBOX_FILE, WEBHOOK_FILE) for suffix in ("", "-wal"))
WEBHOOK, CURSOR, DELIVERY = "webhook", "cursor", "delivery"
BUDGETS, QUICK = Budgets(reserve_transitions=0), Timing(group_s=0.01)
MOST_RECORDS = 1_000_000
ORDERS = 2  # in which a class is delivered: live, and the backlog
GAP_WAIT_S = 60.0


@dataclass(slots=True)
class Promised:
    """What the outside was told before a cut."""

    acknowledged: dict[str, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )  # by class, in order
    handed_over: list[int] = field(default_factory=list)  # telemetry: monotonic ns
    took: set[int] = field(default_factory=set)  # messages that must be there
    offered: set[int] = field(default_factory=set)  # messages that may be there
    there: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by class, in order
    delivers: bool = False  # a courier did; then the cursors are its own
    saving: dict[str, set[int]] = field(
        default_factory=lambda: defaultdict(lambda: {0})
    )  # cursors, also unsaved

    def hear(self, said: Said) -> None:
        """One more line."""
        match said.words:
            case ("ack", record_class, key):
                self.acknowledged[record_class].append(key)
            case ("sent", start_ns):
                self.handed_over.append(int(start_ns))
            case ("took", sequence):
                self.took.add(int(sequence))
                self.offered.add(int(sequence))
            case ("settle", sequence):
                self.took.discard(int(sequence))
            case ("there", record_class, *keys):
                self.there[record_class] += keys
            case ("save", record_class, live):
                self.saving[record_class].add(int(live))


@dataclass(frozen=True, slots=True)
class AfterCut:
    """Counts of one cut by class, how much telemetry it cost (s), and what was found damaged."""

    outcomes: Mapping[str, Outcome]
    telemetry_lost_s: float
    damaged: tuple[str, ...]


async def after_cut(folder: Path, promised: Promised) -> AfterCut:
    """Open what a cut left in `folder` and count. Raises sqlite3.Error, StethosError."""
    damaged: list[str] = []
    clock = SystemClock(discipline=lambda: Discipline(True))
    journal = await Journal.open(folder, BUDGETS, clock, QUICK)
    try:
        if journal.damage_report is not None:
            damaged.append(journal.damage_report.text)
        records = await journal.read(0, None, MOST_RECORDS)
        outcomes = {
            str(one): _kept(promised.acknowledged[one], [r.key for r in records if r.record_class is one])
            for one in (RecordClass.ALARM, RecordClass.COUNTER, RecordClass.LIMIT)
        }
        windows = Counter(record.monotonic_ns for record in records if record.kind is RecordKind.FEATURES)
        telemetry, lost_s = await _telemetry(journal, windows, promised)
        outcomes[str(RecordClass.TELEMETRY)] = telemetry
        if promised.delivers:
            outcomes[DELIVERY] = await _delivered(journal, folder, promised, damaged)
    finally:
        await journal.close()
    outcomes[WEBHOOK] = _webhooks(folder, promised, damaged)
    if not promised.delivers:
        outcomes[CURSOR] = _cursors(folder, promised, damaged)
    return AfterCut(outcomes, lost_s, tuple(damaged))


def _kept(acknowledged: list[str], stored: list[str]) -> Outcome:
    times = Counter(stored)
    place = {key: number for number, key in enumerate(stored)}
    order = [place[key] for key in acknowledged if key in place]
    return Outcome(
        produced=len(acknowledged),
        lost=sum(key not in times for key in acknowledged),
        doubled=sum(number - 1 for number in times.values()),
        out_of_order=sum(later < earlier for earlier, later in pairwise(order)),
    )


async def _telemetry(journal: Journal, windows: Counter[int], promised: Promised) -> tuple[Outcome, float]:
    """Windows handed over that are gone, and how long they were together; those that the gap of the next
    start covers are declared. (The time since the first would count the stalls of the machine, too.)"""
    lost = [start_ns for start_ns in promised.handed_over if start_ns not in windows]
    outcome = Outcome(
        produced=len(promised.handed_over),
        lost=len(lost),
        declared=await _declared(journal, lost) if lost and windows else 0,
        doubled=sum(number - 1 for number in windows.values()),
    )
    return outcome, len(lost) * WINDOW_S


async def _declared(journal: Journal, lost_ns: list[int]) -> int:
    """Let the next start hand over its first window; how many of the lost lie in the gap that this leaves."""
    offset_ns = time.time_ns() - time.monotonic_ns()
    first_ns = time.monotonic_ns()
    journal.submit(window(first_ns))
    async with asyncio.timeout(GAP_WAIT_S):
        while all(record.monotonic_ns != first_ns for record in journal.latest(RecordKind.FEATURES)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    gaps = await journal.gaps(CHANNEL, 0, 1 << 62)
    middles = [start_ns + offset_ns + round(WINDOW_S * 0.5e9) for start_ns in lost_ns]
    return sum(
        any(gap.cause is GapCause.POWER_OFF and gap.start_ns <= middle <= gap.end_ns for gap in gaps)
        for middle in middles
    )


async def _delivered(journal: Journal, folder: Path, promised: Promised, damaged: list[str]) -> Outcome:
    """What the centre has once the courier of the next start has brought the rest: every record of the
    journal, each under one key, none that the journal does not have. First arrivals of a class are a mixture
    of two that are in order: what is live, and the backlog behind it."""
    there = {record_class: list(keys) for record_class, keys in promised.there.items()}

    def arrived(record_class: RecordClass, keys: list[str]) -> None:
        there.setdefault(record_class, []).extend(keys)

    await deliver_all(journal, folder, arrived)
    total = Outcome()
    for record_class, kinds in KINDS.items():
        stored = [record.key for record in await journal.read(0, kinds, MOST_RECORDS)]
        place = {key: number for number, key in enumerate(stored)}
        first = list(dict.fromkeys(there.get(record_class, [])))
        order = [place[key] for key in first if key in place]
        damaged += [f"{key} is at the centre, and not in the journal" for key in first if key not in place]
        total += Outcome(
            produced=len(stored),
            lost=len(place.keys() - set(first)),
            doubled=len(stored) - len(place),
            out_of_order=max(0, _descents(order) - ORDERS),
        )
    return total


def _descents(order: Sequence[int]) -> int:
    """The most places that follow each other downwards: as many orders are mixed in it."""
    tails: list[int] = []
    for place in order:
        at = bisect_left(tails, -place)
        tails[at : at + 1] = [-place]
    return len(tails)


def _webhooks(folder: Path, promised: Promised, damaged: list[str]) -> Outcome:
    store = WebhookStore.open(folder)
    try:
        if store.replaced:
            damaged.append("the webhooks' file was found damaged")
        found = [one.message.sequence for one in store.messages(HOOK, dead=False)]
    finally:
        store.close()
    return Outcome(
        produced=len(promised.offered),
        lost=len(promised.took - set(found)),
        doubled=len(found) - len(set(found)),
        out_of_order=sum(later < earlier for earlier, later in pairwise(found)),
    )


def _cursors(folder: Path, promised: Promised, damaged: list[str]) -> Outcome:
    """Cursors may go back to an earlier save (a batch is delivered twice), never to a place that was none."""
    try:
        outbox = Outbox(folder / OUTBOX_FILE)
    except Fatal as error:
        damaged.append(str(error))
        return Outcome(produced=len(promised.saving), lost=len(promised.saving))
    try:
        lanes = outbox.lanes("life", 1 << 39)
    except sqlite3.DatabaseError as error:
        damaged.append(f"the courier's file: {error}")
        lanes = {}
    finally:
        outbox.close()
    wrong = sum(
        record_class not in lanes or lanes[RecordClass(record_class)].live not in places
        for record_class, places in promised.saving.items()
    )
    return Outcome(produced=len(promised.saving), lost=wrong)
