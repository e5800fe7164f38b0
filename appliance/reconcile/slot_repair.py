"""Repairs one slot: reads it back, sends what differs, reads it back again, and says how it stands.

Duty: the order of these steps, and what becomes of records that the centre refuses meanwhile. What to do
about a difference `audit.py` decides. A repair is counted on the disk before it is sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.audit import (
    ALARMING,
    KIND_CLASS,
    MOST_REPAIRS_EVER,
    READ_BACK,
    SUMMED,
    Slot,
    SlotDifference,
    SlotState,
    difference,
    is_retention,
    next_step,
    series_among,
)
from appliance.reconcile.centre_account import CentreAccount
from appliance.reconcile.errors import BudgetSpent
from appliance.reconcile.questions import PointKey
from appliance.reconcile.report import ReportDraft
from appliance.reconcile.sent_records import SentRecord, SentRecords
from appliance.reconcile.slot_store import SlotStore
from appliance.reconcile.slot_sums import all_agree, sums_of
from appliance.sinks.points_schema import SCHEMA
from appliance.sinks.sink import OutboxBatch, Sink, SinkUnavailable
from appliance.sinks.webhook_message import iso_time

logger = logging.getLogger(__name__)

PART = "audit"
MEASUREMENTS: dict[RecordKind, tuple[str, ...]] = {
    kind: tuple(name for name, info in SCHEMA.items() if info.kind is kind) for kind in KIND_CLASS
}
MOST_WAITING = 50_000  # slots that the centre forgot, of which it is known when to try again
_FIRST_WAIT = 2  # rounds until what the centre forgot is tried again; twice as many after each try
_FIGURES = {
    SlotState.CONFIRMED: "slots_confirmed",
    SlotState.AHEAD: "slots_confirmed",
    SlotState.CUT: "slots_cut",
    SlotState.GONE: "slots_gone",
}


@dataclass(frozen=True, slots=True)
class RepairPace:
    """How much is sent again at once, and how fast."""

    batch_records: int = 2_000
    points_per_s: float = 5_000.0
    bytes_per_s: float = 512 * 1024.0  # as sent, packed


class SlotRepair:
    """Repairs slots of one round. `begin` each round."""

    def __init__(
        self,
        store: SlotStore,
        records: SentRecords,
        centre: CentreAccount,
        sink: Sink,
        *,
        pace: RepairPace | None = None,
        may_send: Callable[[RecordClass], bool] = lambda _: True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`sink` is for repairs alone: the courier's own keeps state of its deliveries. `may_send`: whether
        today's budget of a class has room."""
        self._store = store
        self._records = records
        self._centre = centre
        self._sink = sink
        self._pace = pace or RepairPace()
        self._may_send = may_send
        self._sleep = sleep
        self.absent: set[tuple[RecordKind, str, int]] = set()  # slots of which the centre has nothing
        self._forgotten: dict[tuple[RecordKind, str, int], tuple[int, int]] = {}  # rounds to wait, waited
        self._cut_before_ns = 0

    def begin(self) -> None:
        """A new round: what was seen of the centre's retention is seen anew."""
        self.absent.clear()
        self._cut_before_ns = 0

    async def settle(self, slot: Slot, refused: frozenset[int], draft: ReportDraft) -> None:
        """Repair one slot, or say why not. `refused`: sequences that the centre will never take.

        Raises CentralUnavailable, CentralRefused, AnswerTooLarge, SinkUnavailable, SinkStopped, Retryable.
        """
        was, cut, because = slot, 0, ""
        given_up: set[PointKey] = set()
        while True:
            sent = await self._records.of_slot(slot, slot.last_sequence, refused)
            here = [one for one in sent if one.key not in given_up]
            found, agreed = await self._difference(slot, here)
            kept = len(here) + cut
            step = next_step(slot, found, kept=kept, agreed=agreed, cut_before_ns=self._cut_before_ns)
            if step.state is SlotState.FORGOTTEN and slot.repairs == was.repairs and self._tried_again(slot):
                step = replace(step, send=True)
            if found.there == 0:
                self.absent.add((slot.kind, slot.subject, slot.start_ns))
            if not step.send or slot.repairs > was.repairs:
                break
            if not self._may_send(KIND_CLASS[slot.kind]):
                step = replace(step, note=f"{step.note}; waits for tomorrow's budget of bytes")
                break
            because = step.note
            slot = replace(slot, state=SlotState.DIFFERS, repairs=slot.repairs + 1, note=step.note)
            await asyncio.to_thread(self._store.put_states, [slot])
            wanted = {*found.missing, *found.changed}
            again = [one for one in here if one.key in wanted]
            try:
                reasons = await self.send(KIND_CLASS[slot.kind], again)
            except SinkUnavailable:  # never acknowledged: no sign of a centre that forgets
                await asyncio.to_thread(self._store.put_states, [replace(slot, repairs=was.repairs)])
                raise
            draft.count("records_resent", len(again) - len(reasons))
            cut += sum(is_retention(reason) for reason in reasons.values())
            given_up |= {one.key for one in again if one.line.sequence in reasons}
            slot = await self._without_refused(slot, here, reasons)
        state, note = step.state, step.note
        if state is not SlotState.FORGOTTEN:
            self._forgotten.pop((slot.kind, slot.subject, slot.start_ns), None)
        if cut and found.is_none:
            state, note = SlotState.CUT, f"{cut:,} points are older than what the centre keeps"
            self._cut_before_ns = max(self._cut_before_ns, slot.start_ns)
        if found.is_none and slot.repairs == was.repairs:
            slot = slot.over()
        await self.conclude(replace(slot, state=state, note=note), was, draft, because)

    def _tried_again(self, slot: Slot) -> bool:
        """Whether now is the time to send once more what the centre acknowledged and forgot.

        It may have stopped forgetting, and nobody need come for that; the alarm stands until it is there.
        What another writer changed is never tried again: that would be two writers in turn.
        """
        key = (slot.kind, slot.subject, slot.start_ns)
        wait, waited = self._forgotten.pop(key, (_FIRST_WAIT, 0))
        due = waited + 1 >= wait and slot.repairs + slot.earlier_repairs < MOST_REPAIRS_EVER
        self._forgotten[key] = (2 * wait, 0) if due else (wait, waited + 1)
        while len(self._forgotten) > MOST_WAITING:  # of a slot that is no more; else it is tried sooner
            del self._forgotten[next(iter(self._forgotten))]
        return due

    async def conclude(self, slot: Slot, was: Slot, draft: ReportDraft, because: str = "") -> None:
        """Write down how a slot stands, and tell what changed. `because`: what was sent again, and why."""
        await asyncio.to_thread(self._store.put_states, [slot])
        draft.count(_FIGURES.get(slot.state, "slots_differing"))
        if slot.state is SlotState.CONFIRMED and slot.repairs > was.repairs:
            draft.count("slots_repaired")
        if slot.state in ALARMING:
            draft.count("conflicts")
        if slot.state is not was.state or slot.repairs > was.repairs:
            said = "; ".join(dict.fromkeys(text for text in (because, slot.note) if text))
            note = f": {said}" if said else ""
            about = f"{slot.kind} {slot.subject}".strip()
            draft.tell(
                PART,
                about,
                f"the hour from {iso_time(slot.start_ns)} is {slot.state}{note}",
                was.state.value,
                slot.state.value,
            )
            logger.info(
                "slot settled about=%r start_ns=%d state=%s repairs=%d note=%r",
                about,
                slot.start_ns,
                slot.state,
                slot.repairs,
                slot.note,
            )

    async def send(
        self, record_class: RecordClass, records: Sequence[SentRecord], *, within_budget: bool = False
    ) -> dict[int, str]:
        """Send records once more; returns what was refused, with the reason, by sequence.

        Raises SinkUnavailable, SinkStopped; `within_budget`: BudgetSpent, too.
        """
        refused: dict[int, str] = {}
        for at in range(0, len(records), self._pace.batch_records):
            if within_budget and not self._may_send(record_class):
                raise BudgetSpent(
                    f"today's budget of bytes for {record_class} is used up; ask again tomorrow"
                )
            lines = [one.line for one in records[at : at + self._pace.batch_records]]
            batch = await asyncio.to_thread(OutboxBatch.of_lines, record_class, lines)
            receipt = await self._sink.deliver(batch)
            refused |= {one.sequence: one.reason for one in receipt.rejected}
            await self._sleep(
                max(batch.count / self._pace.points_per_s, len(batch.body) / self._pace.bytes_per_s)
            )
        return refused

    async def _difference(self, slot: Slot, here: Sequence[SentRecord]) -> tuple[SlotDifference, bool]:
        """What the slot lacks, and whether the centre has as many points as were once sent."""
        sent = {one.key: one.point for one in here}
        if slot.kind in READ_BACK:
            there = await self._centre.points_of_measurements(
                MEASUREMENTS[slot.kind], slot.start_ns, slot.end_ns
            )
            return difference(sent, there), len(there) >= slot.points
        known = await asyncio.to_thread(self._store.sums, slot)
        series = dict.fromkeys([*known, *series_among(sent)])
        there = await self._centre.points_of_series(list(series), slot.start_ns, slot.end_ns)
        return difference(sent, there), len(here) < slot.points and all_agree(known, there)

    async def _without_refused(
        self, slot: Slot, here: Sequence[SentRecord], reasons: Mapping[int, str]
    ) -> Slot:
        """The slot without records that the centre will never take: they are not missed from now on."""
        for_good = [sequence for sequence, reason in reasons.items() if not is_retention(reason)]
        if not for_good:
            return slot
        await asyncio.to_thread(self._store.refuse, for_good)
        left = [one.point for one in here if one.line.sequence not in reasons]
        less = replace(slot, points=slot.points - len(for_good))
        await asyncio.to_thread(self._store.put_sums, [(less, sums_of(left) if slot.kind in SUMMED else {})])
        return less
