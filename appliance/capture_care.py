"""The captures that are on the disk already: looked after at each start, and whenever one is found damaged.

Duty: what a kill left behind (half files, files that no record names, captures without an end), files that
are gone or damaged: told, set aside, and what is whole of them kept. Also says when captures are left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from appliance.alarms.system import SystemCondition
from appliance.capture_segment import Segment, SegmentError, encode_segment
from appliance.clock import Clock
from appliance.errors import Rejected
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import (
    CUT_BY_DAMAGE,
    CUT_BY_STOP,
    Capture,
    CapturePart,
    capture_key,
    capture_record,
    captures_of,
)
from appliance.journal.capture_trimming import waveform_channel
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordKind
from appliance.system_watch import SystemWatch
from dsp.samples import Gap, GapCause

logger = logging.getLogger(__name__)

PAGE = 5_000
MOST_RECORDS = 10_000
CALM_NS = 60_000_000_000  # without a capture left out for so long, the alarm clears
LOOK_S = 2.0
PAUSE_S = 0.05  # between two files that are read: the disk has more important things to do
SUBJECT = "captures"


async def stored_captures(journal: Journal) -> list[Capture]:
    """All captures that the journal knows, the latest first. Raises Retryable."""
    records: list[Record] = []
    after = 0
    while page := await journal.read(after, {RecordKind.CAPTURE}, PAGE):
        records += page
        after = page[-1].sequence
    return await asyncio.to_thread(captures_of, records)


class CaptureCare:
    """Keeps records and files of captures in agreement."""

    def __init__(self, journal: Journal, files: CaptureFiles, clock: Clock, watch: SystemWatch) -> None:
        self._journal = journal
        self._files = files
        self._clock = clock
        self._watch = watch
        self._damaged: list[str] = []  # names, since the start
        self._left_out: tuple[int, str] | None = None

    def left_out(self, reason: str) -> None:
        """A capture was given up."""
        self._left_out = (self._clock.monotonic_ns(), reason)

    async def begin(self) -> None:
        """Before the first capture of this start: take up what the last one left. Raises Retryable."""
        unfinished = await asyncio.to_thread(self._files.remove_unfinished)
        if unfinished:
            logger.warning("half written captures removed n=%d", unfinished)
        captures = await stored_captures(self._journal)
        known = {part.file for capture in captures for part in capture.parts if part.file}
        names = await asyncio.to_thread(self._files.names)
        adopted = {await self._adopt(name) for name in names if name not in known}
        for capture in captures:
            for part in capture.parts:
                if part.file and part.file not in names:
                    await self._lost(capture, part, "its file is gone")
        for capture in await stored_captures(self._journal):
            ours = capture.boot_id == self._journal.boot_id and capture.capture_id not in adopted
            if not capture.complete and not ours:
                await self._close(capture)

    async def check(self) -> None:
        """Read every file once and mend what is damaged. Raises Retryable."""
        for capture in await stored_captures(self._journal):
            for part in capture.parts:
                if part.file:
                    await self.look_at(capture, part)
                    await asyncio.sleep(PAUSE_S)
        if not self._damaged:
            await self._watch.state(False, SystemCondition.DATA_LOST, SUBJECT, "")

    async def look_at(self, capture: Capture, part: CapturePart) -> bool:
        """Read one file; True if it is whole. A damaged one is set aside, what is whole of it takes its
        place; what is missing of it is told as a gap. The same where it was mended so already, and the power
        went before its record was."""
        try:
            segment = await asyncio.to_thread(self._files.segment, part.file)
        except FileNotFoundError:
            if await self._revisions(part):  # else it has left meanwhile
                await self._lost(capture, part, "its file is gone")
            return False
        except (OSError, SegmentError) as error:
            await self._set_aside(part)
            await self._lost(capture, part, str(error))
            return False
        missing = _missing(part.stretches, _told(segment))
        if not segment.damaged and not missing:
            return True
        if segment.damaged:
            await self._set_aside(part)
            if not segment.stretches:
                await self._lost(capture, part, "no sample of it is whole")
                return False
            content = await asyncio.to_thread(encode_segment, segment.head, segment.stretches)
            await asyncio.to_thread(self._files.write, part.file, content)
        else:
            content = await asyncio.to_thread(self._files.read, part.file)
        for begin_ns, end_ns in missing:
            self._gap(capture, begin_ns, end_ns, GapCause.DAMAGED_STORE)
        mended = replace(
            part, ended=CUT_BY_DAMAGE, size_bytes=len(content), booked_bytes=0, stretches=_told(segment)
        )
        await self._supersede(mended, capture.trigger_time_ns)
        gone = f"{sum(end_ns - begin_ns for begin_ns, end_ns in missing) / 1e9:.1f} s of samples"
        what = ", ".join(segment.damaged) or gone
        await self._tell(part.file, f"{what} of it are gone, the rest is kept")
        return False

    async def run(self) -> None:
        """Say when captures are left out, for ever."""
        while True:
            now_ns = self._clock.monotonic_ns()
            stands = self._left_out is not None and now_ns - self._left_out[0] < CALM_NS
            reason = "" if self._left_out is None else self._left_out[1]
            await self._watch.state(
                stands,
                SystemCondition.CAPTURES_LEFT_OUT,
                "",
                reason,
                "Alarms and trends are kept; see the appliance page for what is busy or full.",
            )
            await asyncio.sleep(LOOK_S)

    # ---- inside ----

    async def _adopt(self, name: str) -> str:
        """A file that no record names: the power went between the two. It says itself what it is: its capture
        comes back, "" where there is none."""
        try:
            content = await asyncio.to_thread(self._files.read, name)
            segment = await asyncio.to_thread(self._files.segment, name)
        except (OSError, SegmentError) as error:
            logger.error("captured file cannot be used name=%s error=%s", name, error)
            await self._tell(name, f"{error}; it is kept beside the others, for inspection")
            await asyncio.to_thread(self._away, name)
            return ""
        head = segment.head
        if head.boot_id == self._journal.boot_id:
            return ""  # on its way
        part = CapturePart(
            capture_id=head.capture_id,
            part=head.part,
            last=head.last,
            ended="",
            file=name,
            size_bytes=len(content),
            booked_bytes=len(content),
            asset_id=head.asset_id,
            sensor_id=head.sensor_id,
            channels=head.channels,
            unit=head.unit,
            nominal_rate_hz=head.nominal_rate_hz,
            before_s=head.before_s,
            after_s=head.after_s,
            stretches=_told(segment),
            triggers=head.triggers,
            trigger_monotonic_ns=0,
        )
        logger.warning("captured file taken up again name=%s", name)
        await self._supersede(part, head.trigger_time_ns)
        return head.capture_id

    async def _close(self, capture: Capture) -> None:
        """The service ended before the capture did."""
        last = capture.parts[-1]
        ends_ns = [
            start + round(n * 1e9 / rate) for part in capture.parts for start, rate, n in part.stretches
        ]
        reached_ns, wanted_ns = max(ends_ns, default=0), round(last.after_s * 1e9)
        if reached_ns < wanted_ns:
            self._gap(capture, reached_ns, wanted_ns, GapCause.POWER_OFF)
        closing = replace(
            last,
            part=last.part + 1,
            last=True,
            ended=CUT_BY_STOP,
            file="",
            size_bytes=0,
            booked_bytes=0,
            stretches=(),
        )
        await self._supersede(closing, capture.trigger_time_ns)
        logger.warning("capture ended with the service capture=%s", capture.capture_id)

    async def _lost(self, capture: Capture, part: CapturePart, reason: str) -> None:
        """Nothing of a part can be used: no record names its file any more, then it leaves its place."""
        if part.stretches:
            begin_ns = min(start for start, _, _ in part.stretches)
            end_ns = max(start + round(n * 1e9 / rate_hz) for start, rate_hz, n in part.stretches)
            self._gap(capture, begin_ns, end_ns, GapCause.DAMAGED_STORE)
        gone = replace(part, ended=CUT_BY_DAMAGE, file="", size_bytes=0, booked_bytes=0, stretches=())
        await self._supersede(gone, capture.trigger_time_ns)
        await asyncio.to_thread(self._files.remove, part.file)
        await self._tell(part.file, reason)

    async def _set_aside(self, part: CapturePart) -> None:
        stamp = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
        try:
            aside = await asyncio.to_thread(self._files.set_aside, part.file, stamp)
        except OSError as error:
            logger.error("damaged capture not set aside name=%s error=%s", part.file, error)
            return
        logger.error("damaged capture set aside as=%s", aside.name)

    def _away(self, name: str) -> None:
        stamp = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
        self._files.set_aside(name, stamp)
        self._files.remove(name)

    async def _supersede(self, part: CapturePart, trigger_time_ns: int) -> None:
        """Commit what is known of a part now, as one more word on it."""
        part = replace(part, trigger_monotonic_ns=self._monotonic_ns(trigger_time_ns))
        try:
            await self._journal.commit([capture_record(part, await self._revisions(part))])
        except Rejected as error:
            logger.error("capture not noted capture=%s reason=%s", part.capture_id, error)

    async def _revisions(self, part: CapturePart) -> int:
        """How many records speak of this part."""
        records = await self._journal.history(RecordKind.CAPTURE, part.asset_id, MOST_RECORDS)
        return sum(capture_key(part) in (record.key, record.key.rpartition("/")[0]) for record in records)

    async def _tell(self, name: str, reason: str) -> None:
        text = f"the captured waveform {name}: {reason}"
        logger.error("captured waveform damaged what=%s", text)
        self._damaged.append(text)
        more = f" and {len(self._damaged) - 1} more" if len(self._damaged) > 1 else ""
        await self._watch.state(True, SystemCondition.DATA_LOST, SUBJECT, f"{self._damaged[0]}{more}")

    def _gap(self, capture: Capture, begin_ns: int, end_ns: int, cause: GapCause) -> None:
        """`begin_ns`, `end_ns` count from the trigger."""
        at_ns = self._monotonic_ns(capture.trigger_time_ns)
        for channel_id in capture.channels:
            self._journal.record_gap(
                Gap(waveform_channel(channel_id), at_ns + begin_ns, at_ns + end_ns, cause)
            )

    def _wall_ns(self) -> int:
        return self._clock.wall(self._clock.monotonic_ns()).time_ns

    def _monotonic_ns(self, time_ns: int) -> int:
        """A UTC time as one of this boot's monotonic clock (before the boot: negative)."""
        return self._clock.monotonic_ns() - (self._wall_ns() - time_ns)


def _missing(
    told: Iterable[tuple[int, float, int]], there: Iterable[tuple[int, float, int]]
) -> list[tuple[int, int]]:
    """Spans of `told` stretches (start ns, rate Hz, samples), a sample or longer, that are not among those
    that are there."""
    spans = [(start_ns, start_ns + n * 1e9 / rate_hz) for start_ns, rate_hz, n in sorted(there)]
    found = []
    for start_ns, rate_hz, n in told:
        at_ns, end_ns, sample_ns = float(start_ns), start_ns + n * 1e9 / rate_hz, 1e9 / rate_hz
        for begin_ns, until_ns in [*spans, (end_ns, end_ns)]:
            if min(begin_ns, end_ns) - at_ns > 0.5 * sample_ns:
                found.append((round(at_ns), round(min(begin_ns, end_ns))))
            at_ns = max(at_ns, until_ns)
    return found


def _told(segment: Segment) -> tuple[tuple[int, float, int], ...]:
    return tuple((s.start_ns, s.sample_rate_hz, len(s.samples)) for s in segment.stretches)
