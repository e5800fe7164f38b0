"""Many records at once as line protocol: the same bytes as `points.encode`, several times sooner.

Duty: the kinds that come by the thousand (features, scores, process values). What a batch has in common is
made once: the tags, the words and marks of a series, the names of a list of features; the values of all its
vectors are one array, written by one call. A record that is odd in any way is left to `points.encode`, which
alone says what is wrong with it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from appliance.errors import Rejected
from appliance.journal.features import HEAD_BYTES, NAMES_ID, NameList
from appliance.journal.record import Record, RecordKind
from appliance.sinks.line_protocol import INT64_MAX, INT64_MIN, field_key
from appliance.sinks.points import encode

Float32Array = npt.NDArray[np.float32]
MOST_HEADS = 8_192  # remembered: series times states and lengths of their windows
_VALUE_KINDS = frozenset({RecordKind.SCORE, RecordKind.TAG})


class BatchLines:
    """Encodes for one device; for one thread after another."""

    def __init__(self, device_id: str, asset_of: Callable[[str, int], str]) -> None:
        """`asset_of` says which machine a channel belonged to at a sequence ("": unknown)."""
        self._device_id = device_id
        self._asset_of = asset_of
        self._heads: dict[tuple[object, ...], tuple[bytes, bytes] | None] = {}
        self._keys: dict[bytes, list[bytes] | None] = {}
        self._lock = threading.Lock()

    def __call__(
        self, records: Sequence[Record], names: Mapping[bytes, NameList | None]
    ) -> dict[int, bytes | None]:
        """Lines by the record's place in `records`, None where it has no value to tell; those that are
        missing are for `points.encode`. `names` are the lists that FEATURES payloads refer to."""
        lines: dict[int, bytes | None] = {}
        vectors: dict[bytes, list[int]] = {}
        with self._lock:
            for place, record in enumerate(records):
                if record.kind is RecordKind.FEATURES:
                    vectors.setdefault(record.payload[NAMES_ID], []).append(place)
                elif record.kind in _VALUE_KINDS:
                    self._value(place, record, lines)
            for names_id, places in vectors.items():
                self._vectors(records, places, names_id, names.get(names_id), lines)
        return lines

    # ---- one value ----

    def _value(self, place: int, record: Record, lines: dict[int, bytes | None]) -> None:
        try:
            value = orjson.loads(record.payload)["value"]
        except (ValueError, TypeError, KeyError):
            return
        if value is None:
            lines[place] = None
        elif type(value) is float and math.isfinite(value) and INT64_MIN < record.time_ns < INT64_MAX:
            head = self._head(record, None, b"")
            if head is not None:
                lines[place] = b"%b%b%b %d" % (head[0], repr(value).encode(), head[1], record.time_ns)

    # ---- vectors of one list of names ----

    def _vectors(
        self,
        records: Sequence[Record],
        places: Sequence[int],
        names_id: bytes,
        names: NameList | None,
        lines: dict[int, bytes | None],
    ) -> None:
        keys = self._keys_of(names_id, names)
        if names is None or keys is None:
            return
        state_at = HEAD_BYTES + 4 * len(keys)
        sound, heads, parts = [], [], []
        for place in places:
            record = records[place]
            payload = record.payload
            if len(payload) < state_at or not INT64_MIN < record.time_ns < INT64_MAX:
                continue
            head = self._head(record, names, payload[state_at:])
            if head is not None:
                sound.append(place)
                heads.append(head[0])
                parts.append(payload[HEAD_BYTES:state_at])
        if not sound:
            return
        values = np.frombuffer(b"".join(parts), dtype="<f4").reshape(len(sound), len(keys))
        for rows, there in _alike(np.isfinite(values)):
            own, own_keys = values[rows], keys
            if there is not None:
                own, own_keys = own[:, there], [keys[column] for column in np.flatnonzero(there)]
            times = [b" %d" % records[sound[row]].time_ns for row in rows]
            made = _joined([heads[row] for row in rows], own_keys, own, times)
            lines.update(zip((sound[row] for row in rows), made, strict=True))

    def _keys_of(self, names_id: bytes, names: NameList | None) -> list[bytes] | None:
        """`,key=` of every name; None where there is no list, or one that cannot be written."""
        if names is None or not names.names:
            return None
        if names_id not in self._keys:
            try:
                self._keys[names_id] = [b"," + field_key(name) + b"=" for name in names.names]
            except Rejected:
                self._keys[names_id] = None
        return self._keys[names_id]

    # ---- what a series has in common ----

    def _head(self, record: Record, names: NameList | None, state: bytes) -> tuple[bytes, bytes] | None:
        """What stands before and behind the values of the record's line; None where `points` must say.

        Made by `points.encode` of a record that differs in nothing but its values and time, and remembered.
        """
        asset = self._asset_of(record.subject, record.sequence)
        own = record.payload[:HEAD_BYTES] if names is not None else b""
        trust = (record.time_trusted, record.time_resolved, record.time_bound_s)
        key = (record.kind, record.subject, asset, own, state, *trust)
        known = self._heads.get(key, _UNKNOWN)
        if known is not _UNKNOWN:
            return known  # type: ignore[return-value]
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        found = self._made(record, names, asset, own, state)
        self._heads[key] = found
        return found

    def _made(
        self, record: Record, names: NameList | None, asset: str, own: bytes, state: bytes
    ) -> tuple[bytes, bytes] | None:
        payload = b'{"value":0.0}' if names is None else own + _NAN * len(names.names) + state
        plain = Record(
            sequence=0,
            record_class=record.record_class,
            kind=record.kind,
            key=record.key,
            subject=record.subject,
            boot_id="",
            monotonic_ns=0,
            time_ns=0,
            time_trusted=record.time_trusted,
            payload=payload,
            time_resolved=record.time_resolved,
            time_bound_s=record.time_bound_s,
        )
        try:
            line = encode(plain, self._device_id, asset, names)
        except (Rejected, ValueError):
            return None
        if line is None:
            return None
        line = line.removesuffix(b" 0")
        if names is not None:
            return line, b""
        before, _, behind = line.rpartition(b" value=0.0")
        return before + b" value=", behind


_UNKNOWN = object()
_NAN = np.array([np.nan], dtype="<f4").tobytes()


def _alike(finite: npt.NDArray[np.bool_]) -> Iterable[tuple[Any, npt.NDArray[np.bool_] | None]]:
    """Rows that have the same values, and which these are (None: all)."""
    if finite.all():
        yield range(len(finite)), None
        return
    groups: dict[bytes, list[int]] = {}
    for row, pattern in enumerate(np.packbits(finite, axis=1)):
        groups.setdefault(pattern.tobytes(), []).append(row)
    for rows in groups.values():
        yield rows, finite[rows[0]]


def _joined(
    heads: list[bytes], keys: list[bytes], values: Float32Array, times: list[bytes]
) -> Iterable[bytes]:
    """head, then key and value in turn, then time, of every row of `values` (rows, keys)."""
    n_rows, n_keys = values.shape
    width = 2 * n_keys + 2
    template: list[bytes] = [b""] * width
    template[1:-1:2] = keys
    parts = template * n_rows
    parts[::width] = heads
    parts[width - 1 :: width] = times
    if n_keys:
        # orjson writes the shortest decimal that is the same float32; by columns, each lies in one slice.
        columns = np.ascontiguousarray(values.T).ravel()
        written = orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
        for column in range(n_keys):
            parts[2 + 2 * column :: width] = written[column * n_rows : (column + 1) * n_rows]
    return [b"".join(parts[at : at + width]) for at in range(0, len(parts), width)]
