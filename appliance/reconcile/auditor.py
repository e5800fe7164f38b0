"""One round of the arrival audit: what was sent is added up and held against the centre, day by day.

Duty: which slots are ready, and the order in which they are asked about: the newest day first, sums of a day
before sums of its hours, single points only where these differ. What differs `slot_repair.py` repairs; when a
round is due `reconciler.py` knows. Every state is on the disk before the next question: a round that is cut
off goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.audit import (
    DAY_NS,
    KIND_CLASS,
    OPEN,
    READ_BACK,
    SETTLED,
    SUMMED,
    Slot,
    SlotState,
    difference,
    silently_cut,
)
from appliance.reconcile.centre_account import CentreAccount
from appliance.reconcile.errors import AnswerTooLarge
from appliance.reconcile.questions import FoundPoints
from appliance.reconcile.report import ReportDraft
from appliance.reconcile.sent_records import SentRecords
from appliance.reconcile.slot_repair import MEASUREMENTS, PART, SlotRepair
from appliance.reconcile.slot_store import SlotStore
from appliance.reconcile.slot_sums import SLOT_NS, SlotSums, sums_of

logger = logging.getLogger(__name__)

SUBJECTS_AT_ONCE = 100
SLOTS_AT_ONCE = 24 * SUBJECTS_AT_ONCE  # in memory: a day of a hundred series


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a round looks at: slots that begin from `from_ns`, as far as they lie before `closed_ns` (UTC,
    whole seconds); up to which sequence of each class the courier has dealt with everything; what the centre
    refuses for good."""

    from_ns: int
    closed_ns: int
    sent: Mapping[RecordClass, int]
    refused: frozenset[int]
    states: frozenset[SlotState] = frozenset(SlotState) - SETTLED  # only slots in these

    def cut(self, slot: Slot) -> Slot:
        """The slot as far as it is looked at."""
        is_open = slot.start_ns < self.closed_ns < slot.start_ns + SLOT_NS
        return replace(slot, until_ns=self.closed_ns) if is_open else slot

    def has_closed(self, slot: Slot) -> bool:
        """Whether all of it was sent, and nothing more comes into it."""
        return slot.end_ns <= self.closed_ns and slot.last_sequence <= self.sent[KIND_CLASS[slot.kind]]


class Auditor:
    """Audits, one round at a time."""

    def __init__(
        self, store: SlotStore, records: SentRecords, centre: CentreAccount, repair: SlotRepair
    ) -> None:
        self._store = store
        self._records = records
        self._centre = centre
        self._repair = repair
        self._resolutions: int | None = None  # of the journal, when it was last read
        self._held_from = 0  # the same

    async def take_up(self, last_sequence: int, held_from: int) -> None:
        """Note which slots the journal has written to since the last time.

        `held_from`: the first record that waits for its true time (0: none). From there on the journal is
        read again once times were found (and once after a start): such a record lies in another slot
        than before. Raises Retryable.
        """
        resolutions = self._records.resolutions
        followed, noted = await asyncio.to_thread(self._store.followed, last_sequence)
        again_from = noted if resolutions != self._resolutions else 0
        if again_from:
            followed = min(followed, again_from - 1)
        while True:
            touched, upto = await self._records.touched_after(followed)
            if upto is None:
                break
            followed = upto
            await asyncio.to_thread(self._store.touch, touched, upto, anew=bool(again_from))
        done = again_from or not (held_from or self._held_from)  # nothing is held, as the last time
        waiting = [held_from] if done else [held_from, noted]
        self._resolutions, self._held_from = resolutions, held_from
        await asyncio.to_thread(self._store.again_from, min(filter(None, waiting), default=0))

    async def audit(self, bounds: Bounds, draft: ReportDraft) -> None:
        """Hold all closed slots within the bounds against the centre, and repair them.

        Raises CentralUnavailable, CentralRefused, SinkUnavailable, SinkStopped, Retryable.
        """
        self._repair.begin()
        newest_ns = bounds.closed_ns - bounds.closed_ns % DAY_NS
        for day_ns in range(newest_ns, bounds.from_ns - DAY_NS, -DAY_NS):
            await self._add_up(bounds, day_ns)
            for kind in KIND_CLASS:
                slots = await self._askable(bounds, kind, day_ns)
                for some in _together(slots):
                    draft.count("slots_audited", len(some))
                    try:
                        await (self._read_back if kind in READ_BACK else self._compare)(bounds, some, draft)
                    except AnswerTooLarge as error:
                        draft.count("slots_unanswered", len(some))
                        draft.tell(PART, kind.value, str(error))
        await self._tell_silently_cut(bounds, draft)

    async def resend(
        self,
        kinds: Sequence[RecordKind],
        interval_ns: tuple[int, int],
        bounds: Bounds,
        told: Callable[[int], Awaitable[None]],
    ) -> int:
        """Send what lies in an interval (UTC, end excluded) once more, whether it differs or not.

        Returns how many records; `told` hears the number as it grows. Their slots may then be repaired anew.
        Raises as `audit`, and BudgetSpent.
        """
        count = 0
        start_ns, end_ns = interval_ns
        for kind in kinds:
            record_class = KIND_CLASS[kind]
            subjects = [None] if kind in READ_BACK else await self._records.subjects(kind)
            for subject in subjects:
                pages = self._records.pages(
                    kind, subject, start_ns, end_ns, bounds.sent[record_class], bounds.refused
                )
                async for records in pages:
                    refused = await self._repair.send(record_class, records, within_budget=True)
                    count += len(records) - len(refused)
                    await told(count)
        slots = await asyncio.to_thread(self._store.slots, kinds, start_ns - SLOT_NS + 1, end_ns)
        await asyncio.to_thread(self._store.take_again, slots)
        return count

    async def _add_up(self, bounds: Bounds, day_ns: int) -> None:
        slots = await asyncio.to_thread(self._store.slots, tuple(KIND_CLASS), day_ns, day_ns + DAY_NS)
        for slot in map(bounds.cut, slots):
            if (slot.is_stale or slot.is_open) and bounds.has_closed(slot):
                found = await self._records.of_slot(slot, slot.last_sequence, bounds.refused)
                sums = await asyncio.to_thread(sums_of, [one.point for one in found])
                points = len(found)
                if slot.summed_sequence >= 0 and slot.points > points:
                    # Some of it has left the journal since: the larger account is what was sent.
                    points, sums = slot.points, await asyncio.to_thread(self._store.sums, slot)
                upto = OPEN if slot.until_ns else slot.last_sequence
                summed = replace(slot, summed_sequence=upto, points=points)
                await asyncio.to_thread(self._store.put_sums, [(summed, sums if slot.kind in SUMMED else {})])

    async def _askable(self, bounds: Bounds, kind: RecordKind, day_ns: int) -> list[Slot]:
        slots = await asyncio.to_thread(
            self._store.slots,
            (kind,),
            max(day_ns, bounds.from_ns),
            day_ns + DAY_NS,
            states=bounds.states,
        )
        cut = map(bounds.cut, slots)
        return [one for one in cut if one.points and not one.is_stale and bounds.has_closed(one)]

    async def _compare(self, bounds: Bounds, slots: Sequence[Slot], draft: ReportDraft) -> None:
        """Sums of a day first; of the hours only where these differ.

        What is ahead is read back, point by point: as much as lacks there may be there too much, and the sums
        agree. The same holds for a day with such an hour.
        """
        sums = await asyncio.to_thread(self._sums, slots)
        ahead = {slot for slot in slots if slot.state is SlotState.AHEAD}
        start_ns, end_ns = min(slot.start_ns for slot in slots), max(slot.end_ns for slot in slots)
        suspects = await self._centre.differing_series(sums, start_ns, end_ns)
        suspects |= {series for slot in ahead for series in sums[slot]}
        differing = ahead | (
            await self._centre.differing_slots(sums, suspects, start_ns, end_ns) if suspects else set()
        )
        await self._confirm([slot for slot in slots if slot not in differing], draft)
        for slot in slots:
            if slot in differing:
                await self._repair.settle(slot, bounds.refused, draft)

    async def _read_back(self, bounds: Bounds, slots: Sequence[Slot], draft: ReportDraft) -> None:
        """Every point."""
        start_ns, end_ns = min(slot.start_ns for slot in slots), max(slot.end_ns for slot in slots)
        there = await self._centre.points_of_measurements(MEASUREMENTS[slots[0].kind], start_ns, end_ns)
        for slot in slots:
            here = await self._records.of_slot(slot, slot.last_sequence, bounds.refused)
            found = difference({one.key: one.point for one in here}, _within(there, slot))
            if found.is_none and not found.foreign and len(here) >= slot.points:
                await self._confirm([slot], draft)
            else:
                await self._repair.settle(slot, bounds.refused, draft)

    async def _confirm(self, slots: Sequence[Slot], draft: ReportDraft) -> None:
        draft.count("slots_confirmed", len(slots))
        news = [
            replace(one.over(), state=SlotState.CONFIRMED, note="")
            for one in slots
            if one.state is not SlotState.CONFIRMED or one.repairs
        ]
        if news:
            await asyncio.to_thread(self._store.put_states, news)

    async def _tell_silently_cut(self, bounds: Bounds, draft: ReportDraft) -> None:
        absent = self._repair.absent
        for kind in sorted({kind for kind, _, _ in absent}):
            subjects = sorted({subject for of_kind, subject, _ in absent if of_kind is kind})
            for at in range(0, len(subjects), SUBJECTS_AT_ONCE):
                slots = await asyncio.to_thread(
                    self._store.slots,
                    (kind,),
                    bounds.from_ns,
                    bounds.closed_ns,
                    subjects=subjects[at : at + SUBJECTS_AT_ONCE],
                )
                for subject, of_one in groupby(slots, key=lambda slot: slot.subject):
                    marked = [
                        (slot, (kind, subject, slot.start_ns) in absent) for slot in of_one if slot.points
                    ]
                    for slot in silently_cut(marked):
                        draft.count("slots_differing", -1)
                        draft.count("conflicts", -1)
                        note = "the centre keeps nothing of this age, without saying so"
                        cut = replace(slot, state=SlotState.CUT, note=note)
                        await self._repair.conclude(cut, slot, draft)

    def _sums(self, slots: Sequence[Slot]) -> dict[Slot, SlotSums]:
        return {slot: self._store.sums(slot) for slot in slots}


def _within(points: FoundPoints, slot: Slot) -> FoundPoints:
    return {key: fields for key, fields in points.items() if slot.start_ns <= key[1] < slot.end_ns}


def _together(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Slots of some subjects, no more than memory should hold, all of one subject together."""
    some: list[Slot] = []
    for _, group in groupby(slots, key=lambda slot: slot.subject):
        some += group
        if len(some) >= SLOTS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some
