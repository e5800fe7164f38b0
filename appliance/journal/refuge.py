"""What must be durable and the disk does not take, kept where a killed service finds it again.

Duty: a file in a folder of the system's memory (systemd's runtime folder) that holds alarms, counters and
limits for as long as the disk refuses or hangs. It outlives the service, never the power: what is only here
stays *not durable*. Does not decide when the disk is well again.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import orjson

from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, RecordClass, RecordKind

_log = logging.getLogger(__name__)

FILE_NAME = "not-yet-durable"
LIMIT_BYTES = 16 * 1024 * 1024
_ONE_VALUE = frozenset({RecordClass.COUNTER, RecordClass.LIMIT})  # the newest of a subject says it all


class Refuge:
    """The file, of one journal. From one thread. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, limit_bytes: int = LIMIT_BYTES) -> None:
        """`limit_bytes`: the most of the box's memory; beyond it superseded values leave, then the oldest."""
        self._path = None if folder is None else folder / FILE_NAME
        self._limit = limit_bytes
        self._size = 0
        self._complained = False

    def hold(self, pending: Iterable[PendingRecord]) -> None:
        """Keep these, after what is there. A refuge that refuses, too, is said once in the log.

        Telemetry is left out: its key names it within one start only, so that it could come twice.
        """
        frames = b"".join(
            _frame(one) for one in pending if one.record.record_class is not RecordClass.TELEMETRY
        )
        if self._path is None or not frames:
            return
        try:
            if self._size + len(frames) > self._limit:
                self._shrink()
            with open(self._path, "ab", opener=_private) as file:
                file.write(frames)
                self._size = file.tell()
        except OSError as error:
            if not self._complained:
                _log.error("records that no disk takes live in this process alone error=%s", error)
            self._complained = True

    def recall(self, accepted_ns: int) -> list[PendingRecord]:
        """What an earlier life of the service left here, in order, up to the first damaged one.

        It stays until `clear`. `accepted_ns`: the monotonic time at which it counts as handed over.
        """
        found = [one for frame in self._frames() if (one := _pending(frame, accepted_ns)) is not None]
        if found:
            _log.warning("records found that no disk had taken n=%d", len(found))
        return found

    def clear(self) -> None:
        """All of it is on the disk."""
        if self._path is None or self._size == 0:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # once more in the journal does no harm: a key is stored once
            _log.warning("held records cannot be removed error=%s", error)
        self._size, self._complained = 0, False

    def _frames(self) -> list[bytes]:
        if self._path is None:
            return []
        try:
            content = self._path.read_bytes()
        except OSError:
            return []
        self._size = len(content)
        lines = content.splitlines(keepends=True)
        sound: list[bytes] = []
        for line in lines:
            if not _is_sound(line):
                _log.error("a held record is damaged, lost=%d", len(lines) - len(sound))
                break
            sound.append(line)
        return sound

    def _shrink(self) -> None:
        """Rewrite to half of the limit: superseded values leave first, then the oldest of all."""
        path, newest, kept, size = self._path, set[tuple[str, str]](), list[bytes](), 0
        if path is None:
            return
        for frame in reversed(self._frames()):
            one = orjson.loads(frame[9:])
            name = (one["kind"], one["subject"])
            if RecordClass(one["class"]) in _ONE_VALUE and name in newest:
                continue
            newest.add(name)
            size += len(frame)
            if size > self._limit // 2:
                break
            kept.append(frame)
        beside = path.with_name(path.name + ".new")
        with open(beside, "wb", opener=_private) as file:
            file.write(b"".join(reversed(kept)))
        beside.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _frame(one: PendingRecord) -> bytes:
    """One line: CRC-32 in hex, a space, a JSON object (payloads byte by byte as Latin-1)."""
    new = one.record
    body = orjson.dumps(
        {
            "class": new.record_class,
            "kind": new.kind,
            "key": new.key,
            "subject": new.subject,
            "monotonic_ns": new.monotonic_ns,
            "payload": new.payload.decode("latin-1"),
            "late": new.late,
            "time_ns": one.time_ns,
            "time_trusted": one.time_trusted,
        }
    )
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _is_sound(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:-1])


def _pending(frame: bytes, accepted_ns: int) -> PendingRecord | None:
    """None for a kind of record that this release does not know."""
    one = orjson.loads(frame[9:])
    try:
        record_class, kind = RecordClass(one["class"]), RecordKind(one["kind"])
    except ValueError as error:
        _log.error("a held record is left out error=%s", error)
        return None
    new = NewRecord(
        record_class,
        kind,
        one["key"],
        one["subject"],
        one["monotonic_ns"],
        one["payload"].encode("latin-1"),
        one["late"],
    )
    return PendingRecord(new, one["time_ns"], one["time_trusted"], accepted_ns)
