"""What the journal says of captures: one record per part, and the captures that they add up to.

Duty: the payload of CAPTURE records, both ways, and the fold of the parts to captures. Pure. Times in a
payload count from the trigger, whose time is the record's own: where that is resolved later, all of them
are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind

CUT_BY_STOP = "appliance stopped"
CUT_BY_SOURCE = "sensor delivered no more"
CUT_BY_OVERLOAD = "left out, overload"
CUT_BY_DISK = "left out, the disk takes no more"
CUT_BY_DAMAGE = "damaged"


@dataclass(frozen=True, slots=True)
class CapturePart:
    """One part of a capture, as its record says it. `file` is empty where nothing (more) could be stored."""

    capture_id: str
    part: int
    last: bool  # nothing more follows
    ended: str  # why it ended before its time; empty: it did not
    file: str  # name in the journal's folder of captures
    size_bytes: int  # of the file
    booked_bytes: int  # of the file, in the account of the class; 0 where another record of it is booked
    asset_id: str
    sensor_id: str
    channels: tuple[str, ...]
    unit: str
    nominal_rate_hz: float
    before_s: float  # as wanted
    after_s: float
    stretches: tuple[tuple[int, float, int], ...]  # start in ns from the trigger, rate in Hz, samples
    triggers: tuple[dict[str, Any], ...]
    trigger_monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture: its parts in order, the newest word on each. `sequence` is that of its newest record."""

    capture_id: str
    asset_id: str
    sensor_id: str
    channels: tuple[str, ...]
    unit: str
    nominal_rate_hz: float
    trigger_time_ns: int  # UTC
    time_trusted: bool
    boot_id: str
    triggers: tuple[dict[str, Any], ...]
    parts: tuple[CapturePart, ...]
    sequence: int

    @property
    def complete(self) -> bool:
        """Whether nothing more follows."""
        return any(part.last for part in self.parts)

    @property
    def ended(self) -> str:
        """Why it ended before its time; empty: it did not, or it goes on."""
        return next((part.ended for part in self.parts if part.ended), "")

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts if part.file)

    @property
    def start_ns(self) -> int:
        """UTC of the first stored sample; the trigger's where there is none."""
        return self.trigger_time_ns + min((s[0] for part in self.parts for s in part.stretches), default=0)

    @property
    def duration_s(self) -> float:
        """Seconds of stored samples."""
        return sum(n / rate_hz for part in self.parts for _, rate_hz, n in part.stretches)

    @property
    def alarm_ids(self) -> tuple[str, ...]:
        """Alarms that it belongs to."""
        return tuple(dict.fromkeys(str(one["alarm_id"]) for one in self.triggers if one.get("alarm_id")))


def capture_record(part: CapturePart, revision: int = 0) -> NewRecord:
    """The record of a part. A higher `revision` supersedes what was said of the part before."""
    payload = {name: getattr(part, name) for name in CapturePart.__slots__}
    suffix = f"/{revision}" if revision else ""
    return NewRecord(
        RecordClass.CAPTURE,
        RecordKind.CAPTURE,
        f"{capture_key(part)}{suffix}",
        part.asset_id,
        part.trigger_monotonic_ns,
        orjson.dumps(payload),
    )


def capture_key(part: CapturePart) -> str:
    """The key of a part's first record; later words on it have a number behind."""
    return f"capture/{part.capture_id}/{part.part}"


def capture_id_of(key: str) -> str:
    """The capture that a record's key belongs to."""
    return key.split("/")[1]


def capture_part(record: Record | NewRecord) -> CapturePart:
    """The part that a record speaks of. Raises Rejected if it cannot be read."""
    try:
        fields = orjson.loads(record.payload)
        fields = {name: fields[name] for name in CapturePart.__slots__}
        fields["channels"] = tuple(fields["channels"])
        fields["triggers"] = tuple(fields["triggers"])
        fields["stretches"] = tuple((int(s[0]), float(s[1]), int(s[2])) for s in fields["stretches"])
        return CapturePart(**fields)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise Rejected(f"record {record.key} is no capture: {type(error).__name__} {error}") from error


def booked_bytes(payload: bytes) -> int:
    """Bytes of the file that a CAPTURE payload is booked with; 0 for one that cannot be read."""
    try:
        return max(0, int(orjson.loads(payload)["booked_bytes"]))
    except (ValueError, TypeError, KeyError):
        return 0


def captures_of(records: Iterable[Record]) -> list[Capture]:
    """The captures that records add up to, the latest trigger first. What cannot be read is left out."""
    parts: dict[str, dict[int, tuple[Record, CapturePart]]] = {}
    for record in sorted(records, key=lambda one: one.sequence):
        try:
            part = capture_part(record)
        except Rejected:
            continue
        parts.setdefault(part.capture_id, {})[part.part] = (record, part)
    found = [_capture(known) for known in parts.values()]
    return sorted(found, key=lambda one: (one.trigger_time_ns, one.sequence), reverse=True)


def _capture(known: dict[int, tuple[Record, CapturePart]]) -> Capture:
    in_order = [known[number] for number in sorted(known)]
    newest, part = max(in_order, key=lambda pair: pair[0].sequence)
    record = in_order[0][0]
    told = max((one.triggers for _, one in in_order), key=len)
    return Capture(
        part.capture_id,
        part.asset_id,
        part.sensor_id,
        part.channels,
        part.unit,
        part.nominal_rate_hz,
        record.time_ns,
        record.time_trusted,
        record.boot_id,
        told,
        tuple(one for _, one in in_order),
        newest.sequence,
    )
