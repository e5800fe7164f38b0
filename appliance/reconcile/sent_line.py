"""One line of line protocol, read back: the series, the time and the fields that were sent.

Duty: what `sinks/line_protocol.py` writes, and nothing else that the protocol allows. The audit counts what
stands in the lines themselves, so that its numbers are those that the server has read. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from appliance.errors import Rejected

Value = float | int | bool | str

# Within names a backslash only ever stands before a comma, a space or an equals sign.
_SPACE = re.compile(rb"(?<!\\) ")
_COMMA = re.compile(rb"(?<!\\),")
_EQUALS = re.compile(rb"(?<!\\)=")
_FIELD = re.compile(rb'([^=\\]*(?:\\.[^=\\]*)*)=("[^"\\]*(?:\\.[^"\\]*)*"|[^,"]+)(?:,|$)', re.DOTALL)
_TEXT_ESCAPE = re.compile(rb'\\([\\"])')
_NAME_ESCAPE = re.compile(rb"\\([, =])")


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A series: measurement and tags, in order of their keys."""

    measurement: str
    tags: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """For people: `features of pump-1.de.x`."""
        named = [value for key, value in self.tags if key != "device_id"]
        return f"{self.measurement} of {', '.join(named)}" if named else self.measurement


@dataclass(frozen=True, slots=True)
class SentPoint:
    """One point as it was sent. `time_ns` UTC."""

    series: SeriesKey
    time_ns: int
    fields: dict[str, Value]


def sent_point(line: bytes) -> SentPoint:
    """The point of one line. Raises Rejected for what is none."""
    begin = _SPACE.search(line)
    end = line.rfind(b" ")
    if begin is None or end <= begin.start():
        raise Rejected(f"{line[:80]!r} is no line with series, fields and time")
    body = line[begin.end() : end]
    found = _FIELD.findall(body)
    if (
        sum(len(key) + len(value) + 2 for key, value in found) != len(body) + 1
    ):  # "=" and ","; none at the end
        raise Rejected(f"{body[:80]!r} are no fields")
    fields = {_field_name(key): _value(value) for key, value in found}
    try:
        return SentPoint(_series(line[: begin.start()]), int(line[end + 1 :]), fields)
    except ValueError as error:
        raise Rejected(f"{line[end:]!r} is no time") from error


@lru_cache(maxsize=8192)
def _series(head: bytes) -> SeriesKey:
    measurement, *tags = _COMMA.split(head)
    pairs = [_EQUALS.split(tag, maxsplit=1) for tag in tags]
    return SeriesKey(_name(measurement), tuple(sorted((_name(key), _name(value)) for key, value in pairs)))


@lru_cache(maxsize=8192)
def _field_name(written: bytes) -> str:
    return _name(written)


def _name(written: bytes) -> str:
    return _NAME_ESCAPE.sub(rb"\1", written).decode()


def _value(written: bytes) -> Value:
    last = written[-1:]
    if last == b'"':
        return _TEXT_ESCAPE.sub(rb"\1", written[1:-1]).decode()
    if written in (b"true", b"false"):
        return written == b"true"
    try:
        return int(written[:-1]) if last == b"i" else float(written)
    except ValueError as error:
        raise Rejected(f"{written[:80]!r} is no value") from error
