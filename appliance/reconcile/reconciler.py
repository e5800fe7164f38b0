"""When edge and centre are compared, and what is told of it.

Duty: notices a reconnect, runs the audit and the other parts of the reconciliation (counters, alarms) after
it and at intervals, takes up wishes to send again, stores reports, and says how things stand. Compares
nothing itself. It waits until the courier has no backlog left: what is not sent yet is not missing.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from appliance.errors import Fatal, Retryable
from appliance.journal.record import RecordClass
from appliance.reconcile.audit import ALARMING, DAY_NS, KIND_CLASS, SlotState
from appliance.reconcile.audit_book import DONE, FAILED, RUNNING, AuditTally, ResendRequest
from appliance.reconcile.auditor import Auditor, Bounds
from appliance.reconcile.errors import BudgetSpent, CentralRefused, CentralUnavailable, ReconcileError
from appliance.reconcile.report import Report, ReportDraft
from appliance.reconcile.slot_store import SlotStore, is_damaged, kinds_of
from appliance.sinks.courier_report import CourierReport, CourierState
from appliance.sinks.outbox import Lane
from appliance.sinks.sink import SinkUnavailable
from appliance.sinks.webhook_message import iso_time

logger = logging.getLogger(__name__)

SECOND_NS = 1_000_000_000
START, RECONNECT, INTERVAL, RECHECK, ASKED = "start", "reconnect", "interval", "recheck", "asked for"
AUDITED = frozenset(KIND_CLASS.values())
TOLD_ALWAYS = frozenset({START, RECONNECT, ASKED})
_REMEDY = (
    "See the runbook: find who else writes there, or why the centre keeps nothing, then run `stethos resend`."
)


class Part(Protocol):
    """Another part of the reconciliation, run in each round after the audit; adds to the draft.

    May raise what the centre's reader raises: the round then ends early and is run again.
    """

    async def reconcile(self, draft: ReportDraft) -> object: ...


class CourierView(Protocol):
    """What is needed of the courier."""

    @property
    def lanes(self) -> Mapping[RecordClass, Lane]: ...

    def report(self) -> CourierReport: ...


class Told(Protocol):
    """Who hears what a round found."""

    async def central_differs(self, stands: bool, reason: str, remedy: str) -> None: ...

    async def reconciled(self, report: Report) -> None:
        """A report to be kept and sent to the centre."""
        ...


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How far back, how often. Times in s, but for `days`."""

    days: float = 14.0
    every_s: float = 3600.0
    full_every_s: float = 86_400.0  # all days; in between the last day
    full_after_s: float = 3600.0  # a reconnect sooner after a full round looks at the last day alone
    settle_s: float = 60.0  # so long records may take from their time to the journal
    recheck_s: float = 120.0  # after a repair that did not hold
    trouble_s: float = 30.0  # after a round that could not be ended
    look_s: float = 1.0
    waiting_records: int = 2_000  # what may wait for delivery while a round begins


@dataclass(slots=True)
class AuditStatus:
    """How the audit stands, for the page and the metrics. Times UTC ns, 0: never."""

    tally: AuditTally = field(default_factory=AuditTally)
    running: bool = False
    ended_ns: int = 0  # the last round that came to its end
    full_ns: int = 0
    error: str = ""  # why the last round did not
    report: Report | None = None  # the newest that was kept
    rounds: int = 0
    records_resent: int = 0
    slots_repaired: int = 0

    @property
    def text(self) -> str:
        """One sentence for the page."""
        if self.error:
            return f"audit: {self.error}"
        if not self.ended_ns:
            return "audit: runs for the first time" if self.running else "audit: not yet run"
        tally = self.tally
        parts = [
            f"{tally.sent:,} points sent",
            f"{tally.confirmed:,} confirmed",
            f"{tally.differing:,} differ",
        ]
        if tally.settled:
            parts.append(f"{tally.settled:,} cut by the centre's retention or no longer here")
        return f"audit: {', '.join(parts)}, as of {iso_time(self.ended_ns)}"


class Reconciler:
    """Runs the reconciliation of one appliance. `run` it under the supervisor."""

    def __init__(
        self,
        auditor: Auditor,
        store: SlotStore,
        courier: CourierView,
        told: Told,
        *,
        last_sequence: Callable[[], int],
        refused: Callable[[], frozenset[int]],
        wall_ns: Callable[[], int | None],
        plan: AuditPlan | None = None,
        parts: Sequence[Part] = (),
        figures: Callable[[], tuple[int, int]] = lambda: (0, 0),
        may_send: Callable[[RecordClass], bool] = lambda _: True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`refused`: sequences of dead letters, asked in a thread. `wall_ns`: UTC, None while nobody knows.
        `figures`: questions asked so far, and bytes of their answers. `may_send`: whether today's budget of a
        class has room."""
        self._auditor, self._store, self._courier, self._told = auditor, store, courier, told
        self._last_sequence, self._refused, self._wall_ns = last_sequence, refused, wall_ns
        self._plan = plan or AuditPlan()
        self._parts = list(parts)
        self._figures = figures
        self._may_send = may_send
        self._sleep, self._monotonic_s = sleep, monotonic_s
        self._outage_from_ns = 0  # of the first one since a round came to its end
        self._is_away = False  # the centre, as the courier sees it
        self._cause = START
        self._due_s = 0.0
        self._wish_due_s = 0.0  # after one that could not be done
        self._cut_off: ReportDraft | None = None  # of a round that the next one goes on from
        reports = store.reports(1)
        self.status = AuditStatus(tally=store.tally(), report=reports[0] if reports else None)

    def add(self, part: Part) -> None:
        """One more part, run after those before it."""
        self._parts.append(part)

    async def run(self) -> None:
        """For ever."""
        alarm_told = False
        while True:
            try:
                if not alarm_told:
                    await asyncio.to_thread(self._store.end_incidents)
                    await self._tell_alarm()
                    alarm_told = True
                await self.look()
            except sqlite3.Error as error:
                await self._file_fails(error)
            await self._sleep(self._plan.look_s)

    async def _file_fails(self, error: sqlite3.Error) -> None:
        """The audit's file cannot be used: a damaged one is begun anew, a refusing disk is asked later."""
        self.status.error = f"its file cannot be used: {error}"
        self._due_s = self._monotonic_s() + self._plan.trouble_s
        logger.error("audit's file fails damaged=%s error=%s", is_damaged(error), error)
        if is_damaged(error):
            await asyncio.to_thread(self._store.begin_anew)

    async def look(self) -> None:
        """Once: note an outage, take up a wish, or run a round if one is due."""
        report, now_ns = self._courier.report(), self._wall_ns()
        if report.state is not CourierState.CONNECTED:
            if report.state is not CourierState.STARTING and not self._is_away:
                self._is_away = True
                self._outage_from_ns = self._outage_from_ns or now_ns or 1
                self._cause, self._due_s = RECONNECT, 0.0
                await asyncio.to_thread(self._store.end_incidents)
            return
        self._is_away = False
        if now_ns is None or self._has_backlog():
            return
        try:
            request = await asyncio.to_thread(self._store.next_request)
            if request is not None and self._monotonic_s() >= self._wish_due_s:
                await self._resend(request, now_ns)
            elif self._monotonic_s() >= self._due_s:
                await self._round(now_ns)
        except (Retryable, ReconcileError, Fatal) as error:
            self.status.error = f"cannot be run now: {error}"
            self._due_s = self._monotonic_s() + self._plan.trouble_s
            logger.warning("reconciliation ended early cause=%s reason=%s", self._cause, error)
            if isinstance(error, CentralUnavailable | SinkUnavailable):
                # Away, too, though the courier need not have noticed: a proxy may answer in its place.
                await asyncio.to_thread(self._store.end_incidents)
        finally:
            self.status.running = False

    def _has_backlog(self) -> bool:
        """Whether the courier has more to send, now, than comes in anyway. What waits for tomorrow's budget
        of bytes waits long: the other classes are looked at meanwhile."""
        head = self._last_sequence()
        lanes = [
            lane
            for record_class, lane in self._courier.lanes.items()
            if record_class in AUDITED and self._may_send(record_class)
        ]
        return any(lane.stretches or head - lane.live > self._plan.waiting_records for lane in lanes)

    async def _round(self, now_ns: int) -> None:
        self.status.running = True
        draft = ReportDraft(uuid.uuid4().hex[:16], self._cause, now_ns, self._outage_from_ns)
        if self._cut_off is not None:
            draft.go_on_from(self._cut_off)
        asked = self._figures()
        try:
            full = await self._compared(draft, now_ns)
        except BaseException:
            self._count_questions(draft, asked)
            self._cut_off = draft
            raise
        self._cut_off = None
        await self._ended(draft, asked, full=full)

    async def _compared(self, draft: ReportDraft, now_ns: int) -> bool:
        """Hold both sides against each other; whether all days were looked at."""
        bounds = await self._bounds(now_ns)
        full = self._cause != RECHECK and self._is_full(now_ns)
        days = self._plan.days if full else min(1.0, self._plan.days)
        from_ns = bounds.closed_ns - round(days * DAY_NS)
        states = frozenset({SlotState.DIFFERS}) if self._cause == RECHECK else bounds.states
        if self._cause == RECHECK:
            from_ns = bounds.from_ns
        await self._auditor.audit(
            Bounds(from_ns, bounds.closed_ns, bounds.sent, bounds.refused, states), draft
        )
        for part in self._parts if self._cause != RECHECK else ():
            await part.reconcile(draft)
        await asyncio.to_thread(self._store.forget, bounds.from_ns)
        return full

    def _count_questions(self, draft: ReportDraft, asked: tuple[int, int]) -> None:
        questions, answer_bytes = self._figures()
        draft.count("questions", questions - asked[0])
        draft.count("answer_bytes", answer_bytes - asked[1])

    async def _ended(self, draft: ReportDraft, asked: tuple[int, int], *, full: bool) -> None:
        ended_ns = self._wall_ns() or draft.began_ns
        self._count_questions(draft, asked)
        draft.count("dead_letters", self._courier.report().refused)
        report = draft.finished(ended_ns, complete=True)
        status = self.status
        status.error, status.ended_ns = "", ended_ns
        status.full_ns = ended_ns if full else status.full_ns
        status.rounds += 1
        status.records_resent += report.figures["records_resent"]
        status.slots_repaired += report.figures["slots_repaired"]
        status.tally = await asyncio.to_thread(self._store.tally)
        logger.info("reconciled cause=%s complete=%s text=%s", report.cause, report.complete, report.text)
        if report.cause in TOLD_ALWAYS or report.lines:
            await asyncio.to_thread(self._store.put_report, report)
            status.report = report
            await self._told.reconciled(report)
        await self._tell_alarm()
        left = await asyncio.to_thread(
            self._store.slots, tuple(KIND_CLASS), 0, ended_ns, states=[SlotState.DIFFERS]
        )
        wait_s, recheck = self._plan.every_s, bool(left) and report.figures["records_resent"] > 0
        if recheck:
            wait_s = self._plan.recheck_s
        elif left:  # for which there is no budget today
            status.full_ns = 0
        elif report.cause in TOLD_ALWAYS:  # what came in the last minute was not looked at yet
            wait_s = min(wait_s, 2 * self._plan.settle_s)
        self._outage_from_ns = 0
        self._cause = RECHECK if recheck else INTERVAL
        self._due_s = self._monotonic_s() + wait_s

    async def _resend(self, request: ResendRequest, now_ns: int) -> None:
        """Do what a person asked for; from the beginning again where it is cut off, which changes nothing."""
        store = self._store
        self._wish_due_s = self._monotonic_s() + self._plan.trouble_s
        await asyncio.to_thread(store.put_request, request.request_id, RUNNING, 0)
        bounds = await self._bounds(now_ns)
        kinds, interval_ns = kinds_of(request.classes), (request.from_ns, request.to_ns)

        sent = 0

        async def told(so_far: int) -> None:
            nonlocal sent
            sent = so_far
            await asyncio.to_thread(store.put_request, request.request_id, RUNNING, sent)

        try:
            sent = await self._auditor.resend(kinds, interval_ns, bounds, told)
        except (CentralRefused, BudgetSpent, Fatal) as error:
            await asyncio.to_thread(store.put_request, request.request_id, FAILED, sent, str(error))
            raise
        await asyncio.to_thread(store.put_request, request.request_id, DONE, sent)
        self._wish_due_s = 0.0
        self.status.records_resent += sent
        logger.info("sent again on demand request=%d records=%d", request.request_id, sent)
        self._due_s, self.status.full_ns = 0.0, 0
        if self._cause not in TOLD_ALWAYS:
            self._cause = ASKED

    async def _bounds(self, now_ns: int) -> Bounds:
        """What can be looked at, once the courier has dealt with what the journal had a moment ago."""
        closed_ns = now_ns - round(self._plan.settle_s * SECOND_NS)
        closed_ns -= closed_ns % SECOND_NS
        upto = self._last_sequence()
        held = [lane.held_from for lane in self._courier.lanes.values() if lane.held_from]
        await self._auditor.take_up(upto, min(held, default=0))
        for _ in range(10):
            if all(self._courier.lanes[one].sent >= upto for one in AUDITED if self._may_send(one)):
                break
            await self._sleep(self._plan.look_s)
        dead = await asyncio.to_thread(self._refused)
        refused = dead | await asyncio.to_thread(self._store.refused)
        sent = {record_class: lane.sent for record_class, lane in self._courier.lanes.items()}
        return Bounds(closed_ns - round(self._plan.days * DAY_NS), closed_ns, sent, refused)

    def _is_full(self, now_ns: int) -> bool:
        age_s = (now_ns - self.status.full_ns) / SECOND_NS
        return age_s >= (self._plan.full_every_s if self._cause == INTERVAL else self._plan.full_after_s)

    async def _tell_alarm(self) -> None:
        slots = await asyncio.to_thread(
            self._store.slots, tuple(KIND_CLASS), 0, (1 << 62), states=tuple(ALARMING)
        )
        reason = ""
        if slots:
            first = slots[0]
            about = f"{first.kind} {first.subject}".strip().replace("_", " ")
            reason = (
                f"{len(slots):,} hours of data differ again after two repairs, the first: {about} from "
                f"{iso_time(first.start_ns)}: {first.note}"
            )
        await self._told.central_differs(bool(slots), reason, _REMEDY)
