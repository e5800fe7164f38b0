"""Captures: which stretch of raw samples is kept for which alarm, and its way to the disk.

Duty: one ring per sensor of a machine, fed with what the analysis has seen; a trigger (an alarm that
becomes active, a person) cuts what came before at once and what comes after when it has come. Under
pressure captures are the first to be given up, told as a gap of the waveform and by an alarm. Decides
nothing about machines; keeps nothing itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from appliance.alarms.lifecycle import AlarmTransition
from appliance.capture_group import (
    DISK,
    OVERLOADED,
    TOO_SLOW,
    CaptureGroup,
    CaptureTiming,
    GrowingCapture,
    PartJob,
    Pressure,
    alarm_trigger,
    capture_groups,
    part_of,
)
from appliance.capture_ring import MOST_SHIFT_NS
from appliance.capture_segment import PICTURE_UNIT, SUFFIX, SegmentHead, Stretch, encode_segment
from appliance.clock import Clock
from appliance.counters import Counter, Counters
from appliance.errors import Rejected
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import (
    CUT_BY_DISK,
    CUT_BY_SOURCE,
    CUT_BY_STOP,
    capture_record,
)
from appliance.journal.capture_trimming import waveform_channel
from appliance.journal.journal import Journal
from dsp.samples import Channel, Gap, SourceItem

logger = logging.getLogger(__name__)

TRIGGERS = frozenset({"raised", "re-raised"})
MOST_TRIGGERS = 20  # of one capture; more of them are counted, not named
LOOK_S = 1.0
FINISH_WAIT_S = 3.0
LATE_NS = 10_000_000_000  # a sensor that delivers nothing for so long after a trigger ends the capture
SPARE_BYTES = 64 * 1024 * 1024  # must stay free on the disk beside a capture
HOUR_NS = 3_600_000_000_000


class CaptureDesk:
    """All captures of this appliance on their way. `take` what the pipeline brings, `run` it for ever."""

    def __init__(
        self,
        channels: Iterable[Channel],
        timing: CaptureTiming,
        *,
        journal: Journal,
        clock: Clock,
        counters: Counters,
        queue_fill: Callable[[str], float] = lambda _asset_id: 0.0,
        left_out: Callable[[str], None] = lambda _reason: None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:6],
    ) -> None:
        """`queue_fill` says how full a machine's fullest queue is (0 to 1); `left_out` is told each time
        something is given up, and why."""
        self._timing = timing
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._queue_fill = queue_fill
        self._left_out = left_out
        self._new_id = new_id
        self.files = CaptureFiles(journal.folder)
        self._groups = capture_groups(channels, timing)
        self._of_channel = {
            (group.asset_id, one.channel_id): group for group in self._groups for one in group.ring.channels
        }
        self._jobs: deque[PartJob] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self.stored = 0  # parts, since the start
        self.failed = 0

    @property
    def waiting(self) -> int:
        """Parts that wait for the disk."""
        return len(self._jobs)

    @property
    def ring_bytes(self) -> int:
        """Samples held in memory."""
        return sum(group.ring.held_bytes for group in self._groups)

    @property
    def open_ids(self) -> set[str]:
        """Captures that still grow, or wait for the disk."""
        growing = {group.open.head.capture_id for group in self._groups if group.open is not None}
        return growing | {job.head.capture_id for job in self._jobs}

    def assets(self) -> Collection[str]:
        """Machines that have waveforms to capture."""
        return {group.asset_id for group in self._groups}

    # ---- from the pipeline ----

    def take(
        self, asset_id: str, items: Sequence[SourceItem], transitions: Sequence[AlarmTransition]
    ) -> None:
        """What the analysis has seen, and the alarms that came of it. Never blocks."""
        touched: dict[int, CaptureGroup] = {}
        for item in items:
            group = self._of_channel.get((asset_id, item.channel_id))
            if group is not None:
                group.ring.add(item)
                touched[id(group)] = group
        for transition in transitions:
            if transition.what in TRIGGERS:
                self._trigger(asset_id, transition.alarm.raised_ns, alarm_trigger(transition))
        for group in touched.values():
            self._grow(group)
            group.ring.trim()

    def request(self, asset_id: str, actor: str, comment: str) -> list[str]:
        """A person wants a capture of a machine, around now: the ids of what is captured. Raises Rejected."""
        own = [group for group in self._groups if group.asset_id == asset_id]
        if not self._groups:
            raise Rejected("nothing is captured here: write enabled = true under [captures]")
        if not own:
            raise Rejected(f"machine {asset_id} has no vibration channel: there is nothing to capture")
        if not any(group.ring.newest_ns is not None for group in own):
            raise Rejected(f"no samples of {asset_id} have come since the start: connect its sensor first")
        pressure = self._pressure(asset_id)
        if pressure is not None:
            raise Rejected(f"captures are left out now: {pressure.reason}")
        told = {"actor": actor, "comment": comment[:500]}
        return self._trigger(asset_id, self._clock.monotonic_ns(), told, by_hand=True)

    def keep_picture(self, camera_id: str, picture: bytes, taken_ns: int, why: dict[str, Any]) -> str:
        """Bring the picture of a part to the disk (a whole file, PNG): the capture's id. Raises Rejected.

        How many there may be is for those who have it kept; under pressure none is.
        """
        pressure = self._pressure("")
        if pressure is None and self._waiting_bytes + len(picture) > self._timing.memory_bytes:
            pressure = TOO_SLOW
        if pressure is not None:
            self._counters.add(Counter.CAPTURES_LEFT_OUT, camera_id)
            self._left_out(pressure.reason)
            raise Rejected(f"pictures are left out now: {pressure.reason}")
        head = self._head(
            camera_id,
            camera_id,
            (camera_id,),
            unit_and_rate=(PICTURE_UNIT, 0.0),
            trigger_ns=taken_ns,
            why=why,
        )
        head = replace(head, before_s=0.0, after_s=0.0, last=True)
        self._put_job(PartJob(head, (), "", picture))
        self._counters.add(Counter.CAPTURES, camera_id)
        return head.capture_id

    # ---- in the event loop ----

    async def run(self) -> None:
        """Bring parts to the disk as they come, and end what waits for a sensor that is gone; for ever."""
        while True:
            self._expire()
            await self._store_all()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._something.wait()
            except TimeoutError:
                continue
            self._something.clear()

    async def finish(self) -> None:
        """What is begun is stored as far as it has come: before an orderly stop."""
        for group in self._groups:
            if group.open is not None:
                self._end(group, CUT_BY_STOP, self._clock.monotonic_ns())
        with contextlib.suppress(TimeoutError):  # a disk that hangs holds no stop up
            async with asyncio.timeout(FINISH_WAIT_S):
                await self._store_all()

    # ---- inside ----

    async def _store_all(self) -> None:
        while self._jobs:
            job = self._jobs[0]  # it leaves when it is stored: what a stop cuts short is stored once more
            try:
                await self._store(job)
            except Exception:
                self.failed += 1  # a fault of ours must not keep the others from the disk
                logger.exception("capture not stored capture=%s", job.head.capture_id)
            self._jobs.popleft()
            self._waiting_bytes -= job.size_bytes

    def _trigger(self, asset_id: str, at_ns: int, why: dict[str, Any], by_hand: bool = False) -> list[str]:
        begun: list[str] = []
        pressure = self._pressure(asset_id)
        for group in self._groups:
            if group.asset_id != asset_id or group.ring.newest_ns is None:
                continue
            trigger_ns = min(at_ns, group.ring.newest_ns)
            if group.open is not None and trigger_ns > group.open.end_ns:
                self._end(group, "", trigger_ns)
            if group.open is not None:  # one capture tells of both
                head = group.open.head
                offset_ns = trigger_ns - head.trigger_monotonic_ns
                if len(head.triggers) < MOST_TRIGGERS:
                    more = (*head.triggers, {**why, "offset_ns": offset_ns})
                    group.open.head = replace(head, triggers=more)
                begun.append(head.capture_id)
            elif pressure is not None:
                self._give_up(group, trigger_ns, self._timing.before_s, pressure)
            elif not by_hand and self._too_often(group, trigger_ns):
                group.suppressed += 1
                self._counters.add(Counter.CAPTURES_SUPPRESSED, asset_id)
                logger.info("capture left out, too many in an hour asset=%s", asset_id)
            else:
                begun.append(self._begin(group, trigger_ns, why))
        return begun

    def _head(
        self,
        asset_id: str,
        sensor_id: str,
        channels: tuple[str, ...],
        *,
        unit_and_rate: tuple[str, float],
        trigger_ns: int,
        why: dict[str, Any],
    ) -> SegmentHead:
        wall = self._clock.wall(trigger_ns)
        stamp = datetime.fromtimestamp(wall.time_ns / 1e9, UTC).strftime("%Y%m%dt%H%M%S")
        return SegmentHead(
            capture_id=f"{stamp}-{asset_id}-{self._new_id()}",
            part=0,
            asset_id=asset_id,
            sensor_id=sensor_id,
            channels=channels,
            unit=unit_and_rate[0],
            nominal_rate_hz=unit_and_rate[1],
            trigger_time_ns=wall.time_ns,
            time_trusted=wall.trusted,
            trigger_monotonic_ns=trigger_ns,
            boot_id=self._journal.boot_id,
            before_s=self._timing.before_s,
            after_s=self._timing.after_s,
            triggers=({**why, "offset_ns": 0},),
            last=False,
            joins=False,
        )

    def _begin(self, group: CaptureGroup, trigger_ns: int, why: dict[str, Any]) -> str:
        first, channels = group.ring.channels[0], tuple(one.channel_id for one in group.ring.channels)
        unit_and_rate = (first.unit, first.sample_rate_hz)
        head = self._head(
            group.asset_id,
            group.sensor_id,
            channels,
            unit_and_rate=unit_and_rate,
            trigger_ns=trigger_ns,
            why=why,
        )
        newest_ns = group.ring.newest_ns or trigger_ns
        end_ns = trigger_ns + round(min(self._timing.after_s, group.ring.keep_s) * 1e9)
        told_ns = min(newest_ns, end_ns)
        before = group.ring.cut(trigger_ns - round(self._timing.before_s * 1e9), told_ns, trigger_ns)
        expires_ns = max(end_ns, self._clock.monotonic_ns()) + LATE_NS
        group.open = GrowingCapture(head, end_ns, told_ns, group.ring.newest_frame_ns(), expires_ns, 1)
        self._put(group, PartJob(head, tuple(before), ""))
        self._counters.add(Counter.CAPTURES, group.asset_id)
        logger.info("capture begun capture=%s", head.capture_id)
        self._grow(group)
        return head.capture_id

    def _grow(self, group: CaptureGroup) -> None:
        newest_ns = group.ring.newest_ns
        if group.open is not None and newest_ns is not None and newest_ns >= group.open.end_ns:
            self._end(group, "", newest_ns)

    def _end(self, group: CaptureGroup, ended: str, upto_ns: int) -> None:
        """What came after the trigger, as its last part."""
        growing = group.open
        if growing is None:
            return
        group.open = None
        pressure = self._pressure(group.asset_id)
        stretches: list[Stretch] = []
        trigger_ns = growing.head.trigger_monotonic_ns
        if pressure is None:
            if growing.told_frame_ns is not None and growing.told_ns < growing.end_ns:
                begin_ns, end_ns = growing.told_ns - MOST_SHIFT_NS, min(growing.end_ns, upto_ns)
                stretches = group.ring.cut(begin_ns, end_ns, trigger_ns, growing.told_frame_ns)
        elif growing.told_ns < growing.end_ns:
            ended = pressure.ended
            self._enter_gap(group, growing.told_ns, growing.end_ns, pressure)
        joins = bool(stretches) and group.ring.goes_on_after(growing.told_frame_ns or 0)
        head = replace(growing.head, part=growing.parts, last=True, joins=joins)
        self._put(group, PartJob(head, tuple(stretches), ended))

    def _expire(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for group in self._groups:
            if group.open is not None and now_ns > group.open.expires_ns:
                self._end(group, CUT_BY_SOURCE, now_ns)

    def _put(self, group: CaptureGroup, job: PartJob) -> None:
        if self._waiting_bytes + job.size_bytes > self._timing.memory_bytes:
            start_ns = job.head.trigger_monotonic_ns + min((s.start_ns for s in job.stretches), default=0)
            end_ns = job.head.trigger_monotonic_ns + max((s.end_ns for s in job.stretches), default=0)
            self._enter_gap(group, start_ns, end_ns, TOO_SLOW)
            job = replace(job, stretches=(), ended=TOO_SLOW.ended)
        self._put_job(job)

    def _put_job(self, job: PartJob) -> None:
        self._jobs.append(job)
        self._waiting_bytes += job.size_bytes
        self._something.set()

    async def _store(self, job: PartJob) -> None:
        """File first, then the record that names it."""
        name, size_bytes, ended = "", 0, job.ended
        if job.stretches or job.picture:
            content = await asyncio.to_thread(encode_segment, job.head, job.stretches, job.picture)
            name = f"{job.head.capture_id}.{job.head.part}{SUFFIX}"
            try:
                await asyncio.to_thread(self._write, name, content)
                size_bytes = len(content)
            except OSError as error:
                name, ended = "", CUT_BY_DISK
                self.failed += 1
                self._lost(job, str(error.strerror or error))
        part = part_of(job, name, size_bytes, ended)
        try:
            await self._journal.commit([capture_record(part)])
        except Rejected as error:
            logger.error("capture not noted capture=%s reason=%s", part.capture_id, error)
            return
        self.stored += bool(name)

    def _write(self, name: str, content: bytes) -> None:
        """In a thread: the disk may hang."""
        if self._journal.reserve.free_bytes() < len(content) + SPARE_BYTES:
            raise OSError(28, "no room on the disk beside what alarms need")
        self.files.write(name, content)

    def _lost(self, job: PartJob, reason: str) -> None:
        if job.picture:
            logger.error("picture not stored capture=%s reason=%s", job.head.capture_id, reason)
            self._counters.add(Counter.CAPTURES_LEFT_OUT, job.head.asset_id)
            self._left_out(f"a file cannot be written ({reason})")
            return
        group = self._of_channel[job.head.asset_id, job.head.channels[0]]
        trigger_ns = job.head.trigger_monotonic_ns
        start_ns = trigger_ns + min(stretch.start_ns for stretch in job.stretches)
        end_ns = trigger_ns + max(stretch.end_ns for stretch in job.stretches)
        logger.error("capture not stored capture=%s reason=%s", job.head.capture_id, reason)
        self._enter_gap(group, start_ns, end_ns, replace(DISK, reason=f"a file cannot be written ({reason})"))

    def _pressure(self, asset_id: str) -> Pressure | None:
        """Whether captures are to be left out now, so that more important things are not."""
        if not self._journal.durable or self._journal.space_low:
            return DISK
        return OVERLOADED if asset_id and self._queue_fill(asset_id) > 0.5 else None

    def _give_up(self, group: CaptureGroup, trigger_ns: int, before_s: float, pressure: Pressure) -> None:
        start_ns = trigger_ns - round(before_s * 1e9)
        self._enter_gap(group, start_ns, trigger_ns + round(self._timing.after_s * 1e9), pressure)

    def _enter_gap(self, group: CaptureGroup, start_ns: int, end_ns: int, pressure: Pressure) -> None:
        self._counters.add(Counter.CAPTURES_LEFT_OUT, group.asset_id)
        self._left_out(pressure.reason)
        for channel in group.ring.channels:
            self._journal.record_gap(
                Gap(waveform_channel(channel.channel_id), start_ns, end_ns, pressure.cause)
            )

    def _too_often(self, group: CaptureGroup, now_ns: int) -> bool:
        while group.begun_ns and group.begun_ns[0] <= now_ns - HOUR_NS:
            group.begun_ns.popleft()
        if len(group.begun_ns) >= self._timing.most_per_hour:
            return True
        group.begun_ns.append(now_ns)
        return False
