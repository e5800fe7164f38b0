"""Which pictures of parts are kept, and which of them may go to the centre.

Duty: defects and unsure parts become captures, so many an hour; unsure ones are queued for the centre within
a day's bytes. No other picture is kept, and none leaves but these. Brings nothing to the disk itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

from appliance.capture_desk import CaptureDesk
from appliance.capture_segment import PICTURE_UNIT
from appliance.captured_object import TO_CENTRE
from appliance.clock import Clock
from appliance.counters import Counter, Counters
from appliance.errors import Rejected
from appliance.inspection_verdict import PartResult, PartVerdict
from appliance.journal.capture_record import Capture
from appliance.png_picture import encode_png
from appliance.sources.camera import Picture

logger = logging.getLogger(__name__)

HOUR_NS = 3_600_000_000_000
DEFECT, UNSURE = "defect", "unsure part"


class PictureKeeper:
    """One camera's."""

    def __init__(
        self,
        camera_id: str,
        desk: CaptureDesk,
        *,
        clock: Clock,
        counters: Counters,
        most_per_hour: int,
        unsure_budget_bytes: int,
    ) -> None:
        """`unsure_budget_bytes`: of pictures that are queued for the centre in a day (UTC); 0: none is."""
        self._camera_id, self._desk, self._clock, self._counters = camera_id, desk, clock, counters
        self._most_per_hour, self._budget_bytes = most_per_hour, unsure_budget_bytes
        self._kept_ns: deque[int] = deque()
        self._day, self._spent_bytes = "", 0
        self.last_defect = ""  # id of the capture
        self.queued = 0  # for the centre, since the start

    def restore(self, captures: Iterable[Capture]) -> None:
        """What earlier starts kept today counts; `captures`: the latest first."""
        today = self._today()
        for capture in captures:
            if capture.unit != PICTURE_UNIT or capture.asset_id != self._camera_id:
                continue
            told = capture.triggers[0] if capture.triggers else {}
            if not self.last_defect and told.get("what") == DEFECT:
                self.last_defect = capture.capture_id
            if told.get(TO_CENTRE) is True and _day(capture.trigger_time_ns) == today:
                self._day, self._spent_bytes = today, self._spent_bytes + capture.size_bytes

    async def keep(self, verdict: PartVerdict, picture: Picture) -> None:
        """Have the picture of a defect, or of an unsure part, kept."""
        now_ns = self._clock.monotonic_ns()
        while self._kept_ns and self._kept_ns[0] <= now_ns - HOUR_NS:
            self._kept_ns.popleft()
        if len(self._kept_ns) >= self._most_per_hour:
            self._counters.add(Counter.CAPTURES_SUPPRESSED, self._camera_id)
            return
        content = await asyncio.to_thread(encode_png, picture)
        to_centre = verdict.unsure and self._affordable(len(content))
        defect = verdict.result is PartResult.DEFECT
        why = {
            "what": DEFECT if defect else UNSURE,
            "text": verdict_words(verdict),
            "part": verdict.part.number,
            "file": verdict.part.name,
            "score": None if verdict.score is None else round(verdict.score, 4),
            "kind": verdict.kind,
            "position_px": verdict.position_px,
            "unsure": verdict.unsure,
            TO_CENTRE: to_centre,
        }
        try:
            capture_id = self._desk.keep_picture(self._camera_id, content, verdict.part.taken_ns, why)
        except Rejected as error:
            logger.warning("picture not kept camera=%s reason=%s", self._camera_id, error)
            return
        self._kept_ns.append(now_ns)
        if to_centre:
            self._spent_bytes += len(content)
            self.queued += 1
        if defect:
            self.last_defect = capture_id

    def _affordable(self, size_bytes: int) -> bool:
        today = self._today()
        if self._day != today:
            self._day, self._spent_bytes = today, 0
        return self._spent_bytes + size_bytes <= self._budget_bytes

    def _today(self) -> str:
        return _day(self._clock.wall(self._clock.monotonic_ns()).time_ns)


def verdict_words(verdict: PartVerdict) -> str:
    """A verdict as one line for people."""
    if verdict.result is PartResult.NONE:
        return f"part {verdict.part.number}: no verdict, {verdict.reason}"
    score = "" if verdict.score is None else f", {verdict.score:.2f} x the limit"
    kind = f" ({verdict.kind})" if verdict.kind else ""
    where = (
        "" if verdict.position_px is None else f" at {verdict.position_px[0]}, {verdict.position_px[1]} px"
    )
    unsure = ", unsure" if verdict.unsure else ""
    return f"part {verdict.part.number}: {verdict.result}{kind}{score}{where}{unsure}"


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d")
