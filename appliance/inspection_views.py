"""Cameras over parts as a person sees them, behind the web floor's interface.

Duty: views of what the lines hold, counts that are committed, pictures that were kept. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from appliance.capture_care import stored_captures
from appliance.capture_segment import PICTURE_UNIT, SegmentError
from appliance.counter_records import Counter
from appliance.counters import Counters
from appliance.errors import Retryable
from appliance.inspection_line import InspectionLine
from appliance.inspection_pictures import PictureKeeper
from appliance.inspection_verdict import PartVerdict
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.journal import Journal
from web.inspection_schemas import CameraView, DefectCount, PartView
from web.station_view import NotPossibleError, UnknownIdError

NAMED = 10


class InspectionViews:
    """Implements `web.inspection_provider.InspectionProvider`."""

    def __init__(
        self,
        journal: Journal,
        *,
        names: Mapping[str, str],
        lines: Mapping[str, InspectionLine],
        keepers: Mapping[str, PictureKeeper],
        counters: Counters,
        to_ms: Callable[[int], float],
    ) -> None:
        """`names`: of cameras by id; `to_ms`: monotonic ns as UTC ms."""
        self._journal, self._files = journal, CaptureFiles(journal.folder)
        self._names, self._lines, self._keepers = names, lines, keepers
        self._counters, self._to_ms = counters, to_ms

    def cameras(self) -> list[CameraView]:
        """In the order of the configuration."""
        counted = {(one.counter, one.subject): one.value for one in self._counters.committed()}
        return [self._view(camera_id, line, counted) for camera_id, line in self._lines.items()]

    async def picture(self, capture_id: str) -> bytes:
        """A kept picture."""
        try:
            captures = [one for one in await stored_captures(self._journal) if one.unit == PICTURE_UNIT]
        except Retryable as error:
            raise NotPossibleError(str(error)) from error
        for capture in captures:
            if capture.capture_id == capture_id and capture.parts[0].file:
                try:
                    segment = await asyncio.to_thread(self._files.segment, capture.parts[0].file)
                except (OSError, SegmentError) as error:
                    raise NotPossibleError(f"the picture {capture_id} cannot be read: {error}") from error
                if segment.picture:
                    return segment.picture
        known = [one.capture_id for one in captures[:NAMED] if one.size_bytes]
        raise UnknownIdError(f"There is no picture {capture_id!r}.", known)

    def _view(
        self, camera_id: str, line: InspectionLine, counted: Mapping[tuple[str, str], float]
    ) -> CameraView:
        n, needed = line.knowledge.progress
        keeper, prefix = self._keepers.get(camera_id), f"{camera_id}/"
        return CameraView(
            camera_id=camera_id,
            name=self._names[camera_id],
            last=None if line.last is None else self._part(line.last),
            learning="" if line.knowledge.learned else f"{n} of {needed} pictures of good parts are learned",
            parts_inspected=counted.get((Counter.PARTS_INSPECTED, camera_id), 0.0),
            parts_defective=counted.get((Counter.PARTS_DEFECTIVE, camera_id), 0.0),
            parts_no_verdict=counted.get((Counter.PARTS_NO_VERDICT, camera_id), 0.0),
            defects=[
                DefectCount(kind=subject.removeprefix(prefix), count=value)
                for (counter, subject), value in counted.items()
                if counter == Counter.DEFECTS and subject.startswith(prefix)
            ],
            last_defect=keeper.last_defect or None if keeper is not None else None,
        )

    def _part(self, verdict: PartVerdict) -> PartView:
        return PartView(
            number=verdict.part.number,
            time_ms=self._to_ms(verdict.part.taken_ns),
            result=verdict.result.value,
            reason=verdict.reason,
            score=verdict.score,
            kind=verdict.kind,
            position_px=verdict.position_px,
            unsure=verdict.unsure,
            latency_ms=1000.0 * verdict.latency_s,
        )
