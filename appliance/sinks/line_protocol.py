"""InfluxDB line protocol: one point as one line of bytes.

Duty: escaping, number formats and what may not be written, for versions 1 and 2 of the server. Pure; knows
nothing of records. Grammar: InfluxDB documentation, "Line protocol reference".

Names come from the outside world. What the protocol can escape (comma, space, equals sign) is escaped. What
it cannot carry without ambiguity (backslash before a separator, line ends, other control characters, lone
surrogates), and names that the server reserves (`time` and those that begin with `_` or `#`), is written as
percent and hexadecimal digits, `%` itself as `%25`: two different names never become one series.
Timestamps are always nanoseconds: write with `precision=ns`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from appliance.errors import Rejected

FieldValue = float | int | bool | str

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
# The storage engine of version 1 refuses longer strings and keys (64 KiB); the rest of the key needs room.
LONGEST_TEXT_BYTES = 60_000
LONGEST_NAME_BYTES = 4_000

_AMBIGUOUS = re.compile("[\x00-\x1f\x7f\u0085\u2028\u2029\\\\%\ud800-\udfff]")
_RESERVED = re.compile("^(?:time$|[_#])")


def line(
    measurement: str,
    tags: Mapping[str, str],
    fields: Mapping[str, FieldValue | None],
    time_ns: int,
    raw_fields: Iterable[bytes] = (),
) -> bytes | None:
    """One point; None if no field has a value that can be written.

    An empty tag value is left out (to the server both are the same); a field that is None, NaN or infinite is
    left out. `raw_fields` are ready `key=value` pairs. Raises Rejected for an empty or endless name,
    an integer or a time beyond 64 bits, a text beyond 60,000 bytes.
    """
    if not INT64_MIN < time_ns < INT64_MAX:
        raise Rejected(f"time {time_ns} ns of {measurement!r} does not fit into 64 bits")
    head = [_name(measurement, b"measurement")]
    head.extend(_key(key) + b"=" + _key(tags[key]) for key in sorted(tags) if tags[key])
    written = [pair for key, value in fields.items() if (pair := field(key, value)) is not None]
    written.extend(raw_fields)
    if not written:
        return None
    return b"%b %b %d" % (b",".join(head), b",".join(written), time_ns)


def field(key: str, value: FieldValue | None) -> bytes | None:
    """`key=value`; None for what the protocol has no word for (None, NaN, infinity)."""
    if value is None:
        return None
    if isinstance(value, bool):  # before int: a bool is one
        return field_key(key) + (b"=true" if value else b"=false")
    if isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise Rejected(f"integer {value} of field {key!r} does not fit into 64 bits")
        return b"%b=%di" % (field_key(key), value)
    if isinstance(value, float):
        return field_key(key) + b"=" + repr(value).encode() if math.isfinite(value) else None
    return field_key(key) + b'="' + _text(key, value) + b'"'


def field_key(key: str) -> bytes:
    """An escaped field key. Raises Rejected if it is empty or endless."""
    return _name(key, b"field key", equals=True)


def _key(text: str) -> bytes:
    return _name(text, b"tag", equals=True)


@lru_cache(maxsize=8192)  # an appliance has a few hundred names, and writes them ten thousand times a second
def _name(text: str, what: bytes, *, equals: bool = False) -> bytes:
    """Measurement (`equals` False: an equals sign is plain there), tag key, tag value or field key."""
    if not text:
        raise Rejected(f"an empty {what.decode()} cannot be written")
    safe = _AMBIGUOUS.sub(_percent, text)
    if what != b"tag":  # a tag's value may be any word; its key is ours
        safe = _RESERVED.sub(lambda match: f"%{ord(match[0][0]):02X}{match[0][1:]}", safe)
    safe = safe.replace(",", "\\,").replace(" ", "\\ ")
    if equals:
        safe = safe.replace("=", "\\=")
    encoded = safe.encode()
    if len(encoded) > LONGEST_NAME_BYTES:
        raise Rejected(f"{what.decode()} of {len(encoded)} bytes is longer than {LONGEST_NAME_BYTES}")
    return encoded


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _text(key: str, value: str) -> bytes:
    encoded = value.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "backslashreplace")
    if len(encoded) > LONGEST_TEXT_BYTES:
        raise Rejected(f"text of {len(encoded)} bytes in field {key!r} is longer than {LONGEST_TEXT_BYTES}")
    return encoded
