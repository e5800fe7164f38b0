"""A captured part as the object store gets it: the file as it lies here, under a name that stays.

Duty: from a CAPTURE record to name, bytes and a few words about them. The name derives from the record
alone, so that what is sent twice overwrites itself. Sends nothing.
"""

from __future__ import annotations

import asyncio
import logging

from appliance.capture_segment import PICTURE_UNIT, SegmentError, decode_segment
from appliance.errors import Rejected
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import CapturePart, capture_part
from appliance.journal.record import Record
from appliance.sinks.capture_courier import CapturedObject
from appliance.sinks.webhook_message import iso_time

logger = logging.getLogger(__name__)

TO_CENTRE = "to_centre"  # in a trigger: this picture was queued for the centre, within its day's budget


def may_leave(part: CapturePart) -> bool:
    """Waveforms may; of pictures only those of unsure parts that were queued for the centre."""
    return part.unit != PICTURE_UNIT or any(one.get(TO_CENTRE) is True for one in part.triggers)


class CapturedObjects:
    """Loads what records speak of."""

    def __init__(self, files: CaptureFiles, device_id: str, prefix: str) -> None:
        """`device_id` tells boxes apart that bear one name."""
        self._files, self._device_id, self._prefix = files, device_id, prefix

    async def load(self, record: Record) -> CapturedObject | None:
        """The object of a record; None where there is nothing (any more), or nothing that is whole.

        Damaged files are mended, and spoken of by a new record, by those who care for them.
        """
        try:
            part = capture_part(record)
            if not part.file or not may_leave(part):
                return None
            content = await asyncio.to_thread(self._files.read, part.file)
            segment = await asyncio.to_thread(decode_segment, content)
        except FileNotFoundError:
            return None
        except (Rejected, SegmentError, OSError, ValueError) as error:
            logger.error("capture cannot be sent key=%s error=%s", record.key, error)
            return None
        if segment.damaged:
            logger.error("capture is damaged and not sent key=%s", record.key)
            return None
        words = [self._prefix, self._device_id, part.asset_id, part.capture_id, part.file]
        alarms = ",".join(dict.fromkeys(str(one["alarm_id"]) for one in part.triggers if one.get("alarm_id")))
        metadata = {
            "device-id": self._device_id,
            "asset": part.asset_id,
            "trigger-time": iso_time(record.time_ns),
            "time-trusted": "true" if record.time_trusted else "false",
            "alarms": alarms[:500],
        }
        return CapturedObject("/".join(word for word in words if word), content, metadata)
