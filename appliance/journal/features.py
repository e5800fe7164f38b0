"""A feature vector as compact bytes, and back.

Duty: the payload of FEATURES records. A vector of 40 features is 160 bytes of float32 and a short head; its
names are stored once per list, in the journal's table `name_list`, and referred to by a hash of the list,
so that a list can never be taken for another. NaN stays NaN. Does not touch the database.

Layout, little-endian: version u8 (1), quality u8, duration f32, names id 8 bytes, number of features u16,
length of the operating state u8, values f32 each, operating state (UTF-8). A value's place depends on its
index alone (`value_offset`), so that a trend can be cut out of the payloads without decoding them.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import orjson

from appliance.journal.errors import JournalRejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from dsp.extractor import FeatureVector
from dsp.samples import Quality

CODEC_VERSION = 1
_HEAD = struct.Struct("<BBf8sHB")
HEAD_BYTES = _HEAD.size  # before the values
_DURATION = struct.Struct("<f")
_QUALITIES = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)
_MAX_STATE_BYTES = 255
DURATION = slice(2, 6)  # where the duration lies in a payload
NAMES_ID = slice(6, 14)  # the names id
LONGEST_DURATION_S = 1e6


@dataclass(frozen=True, slots=True)
class NameList:
    """The names of a vector's values, in order, and the extractor that made them."""

    extractor_version: str
    names: tuple[str, ...]

    def encoded(self) -> bytes:
        return orjson.dumps([self.extractor_version, list(self.names)])

    @property
    def names_id(self) -> bytes:
        """8 bytes that stand for exactly this list."""
        return hashlib.blake2b(self.encoded(), digest_size=8).digest()


# Content-addressed, so it can only ever hold true entries: what `encode` has seen in this process.
_seen: dict[bytes, NameList] = {}


@lru_cache(maxsize=64)
def _register(extractor_version: str, names: tuple[str, ...]) -> bytes:
    name_list = NameList(extractor_version, names)
    names_id = name_list.names_id
    _seen[names_id] = name_list
    return names_id


def seen_name_list(names_id: bytes) -> NameList | None:
    """The list that `encode` used in this process under that id."""
    return _seen.get(names_id)


def decode_name_list(names_id: bytes, encoded: bytes) -> NameList | None:
    """A stored list; None if its bytes are not those that its id stands for."""
    try:
        version, names = orjson.loads(encoded)
        name_list = NameList(str(version), tuple(str(name) for name in names))
    except (ValueError, TypeError):
        return None
    return name_list if name_list.names_id == names_id else None


def encode(vector: FeatureVector) -> bytes:
    """The payload of one vector. Raises JournalRejected if names and values do not match."""
    if len(vector.names) != len(vector.values):
        raise JournalRejected(
            f"features of {vector.channel_id}: {len(vector.names)} names but {len(vector.values)} values"
        )
    names_id = _register(vector.extractor_version, vector.names)
    state = vector.operating_state.encode()
    if len(state) > _MAX_STATE_BYTES:
        raise JournalRejected(f"operating state of {vector.channel_id} exceeds {_MAX_STATE_BYTES} bytes")
    head = _HEAD.pack(
        CODEC_VERSION,
        _QUALITIES.index(vector.quality),
        vector.duration_s,
        names_id,
        len(vector.values),
        len(state),
    )
    return head + np.ascontiguousarray(vector.values, dtype="<f4").tobytes() + state


def decode(payload: bytes, name_list: NameList, channel_id: str, start_ns: int) -> FeatureVector:
    """The vector of a payload whose names id stands for `name_list`. Raises JournalRejected if torn."""
    quality, duration_s, n_values, state_at = _head_of(payload)
    if n_values != len(name_list.names):
        raise JournalRejected(f"features of {channel_id}: {n_values} values for {len(name_list.names)} names")
    state = payload[state_at:].decode()
    values = np.frombuffer(payload, dtype="<f4", count=n_values, offset=_HEAD.size).astype(np.float32)
    return FeatureVector(
        channel_id=channel_id,
        start_ns=start_ns,
        duration_s=duration_s,
        names=name_list.names,
        values=values,
        operating_state=state,
        quality=quality,
        extractor_version=name_list.extractor_version,
    )


def duration_ns(payload: bytes) -> int:
    """How long the vector's window was."""
    return round(_head_of(payload)[1] * 1e9)


def part_duration_ns(part: bytes) -> int:
    """The same from those bytes of a payload alone, unchecked; 0 where they are none."""
    (duration_s,) = _DURATION.unpack(part) if len(part) == _DURATION.size else (0.0,)
    return round(duration_s * 1e9) if 0.0 <= duration_s <= LONGEST_DURATION_S else 0


def end_ns(record: Record) -> int:
    """UTC of the end of what a record tells: of its window, or its own instant."""
    if record.kind is RecordKind.FEATURES:
        return record.time_ns + duration_ns(record.payload)
    return record.time_ns


def value_offset(index: int) -> int:
    """Where the value of this index begins in a payload, in bytes; it is a little-endian float32."""
    return _HEAD.size + 4 * index


def features_record(vector: FeatureVector) -> NewRecord:
    """A vector as a telemetry record: the same channel and window of one boot is stored once."""
    return NewRecord(
        record_class=RecordClass.TELEMETRY,
        kind=RecordKind.FEATURES,
        key=f"features/{vector.channel_id}/{vector.start_ns}",
        subject=vector.channel_id,
        monotonic_ns=vector.start_ns,
        payload=encode(vector),
    )


def decode_record(record: Record, name_list: NameList) -> FeatureVector:
    """The vector of a journalled record; its `start_ns` is monotonic, as it was."""
    return decode(record.payload, name_list, record.subject, record.monotonic_ns)


def _head_of(payload: bytes) -> tuple[Quality, float, int, int]:
    if len(payload) < _HEAD.size:
        raise JournalRejected(f"features payload of {len(payload)} bytes is shorter than its head")
    version, quality, duration_s, _, n_values, state_bytes = _HEAD.unpack_from(payload)
    state_at = _HEAD.size + 4 * n_values
    if version != CODEC_VERSION or quality >= len(_QUALITIES) or len(payload) != state_at + state_bytes:
        raise JournalRejected(
            f"features payload of version {version}, {len(payload)} bytes, {n_values} values is not one "
            f"that this release can read (version {CODEC_VERSION})"
        )
    return _QUALITIES[quality], duration_s, n_values, state_at
