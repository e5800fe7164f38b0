"""What an appliance has stored, as one table in order of time: features, scores, tags, gaps, alarms.

Duty: rows out of a journal's records, and their columns with units. A row is one record of one kind; columns
that do not belong to its kind are empty. A gap is a row of its own where it begins, and nothing is ever
interpolated. Writes no files (see export_tables).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import orjson

from appliance.alarm_records import stored_transition
from appliance.alarms.lifecycle import Alarm
from appliance.errors import Rejected
from appliance.journal.archive import Archive
from appliance.journal.features import decode_record
from appliance.journal.record import Record, RecordKind, StoredGap
from dsp.extractor import FeatureVector, unit_of
from dsp.samples import Float32Array

Cell = str | int | float | bool | None
Row = tuple[int, dict[str, Cell]]  # time in ns, cells by column


class RowKind(StrEnum):
    """What a row tells."""

    FEATURES = "features"
    SCORE = "score"
    TAG = "tag"
    GAP = "gap"
    ALARM = "alarm"


class CellType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in a row, and its heading with the unit."""

    key: str
    heading: str
    type: CellType


COMMON = (
    Column("time", "time [ISO 8601 UTC]", CellType.TEXT),
    Column("time_ns", "time_ns [ns since 1970 UTC]", CellType.INTEGER),
    Column("time_trusted", "time_trusted", CellType.TRUTH),
    Column("kind", "kind", CellType.TEXT),
    Column("channel", "channel", CellType.TEXT),
)
WINDOW = (
    Column("duration_s", "duration [s]", CellType.FLOAT32),
    Column("operating_state", "operating_state", CellType.TEXT),
    Column("quality", "quality", CellType.TEXT),
)
OF_KIND: dict[RowKind, tuple[Column, ...]] = {
    RowKind.FEATURES: WINDOW,
    RowKind.SCORE: (Column("score", "score [1 = limit]", CellType.FLOAT64),),
    RowKind.TAG: (Column("tag", "tag [unit of the channel]", CellType.FLOAT64),),
    RowKind.GAP: (
        Column("gap_end", "gap_end [ISO 8601 UTC]", CellType.TEXT),
        Column("gap_end_ns", "gap_end_ns [ns since 1970 UTC]", CellType.INTEGER),
        Column("gap_cause", "gap_cause", CellType.TEXT),
        Column("gap_state", "gap_state", CellType.TEXT),
        Column("gap_samples_missing", "gap_samples_missing [1]", CellType.INTEGER),
    ),
    RowKind.ALARM: (
        Column("alarm_id", "alarm_id", CellType.TEXT),
        Column("alarm_activation", "alarm_activation [1]", CellType.INTEGER),
        Column("alarm_what", "alarm_what", CellType.TEXT),
        Column("alarm_severity", "alarm_severity", CellType.TEXT),
        Column("alarm_state", "alarm_state", CellType.TEXT),
        Column("alarm_actor", "alarm_actor", CellType.TEXT),
        Column("alarm_text", "alarm_text", CellType.TEXT),
    ),
}
_RECORD_KINDS = {
    RowKind.FEATURES: RecordKind.FEATURES,
    RowKind.SCORE: RecordKind.SCORE,
    RowKind.TAG: RecordKind.TAG,
    RowKind.ALARM: RecordKind.ALARM_TRANSITION,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted: kinds, channels (None: all), features (None: all), times in UTC ns."""

    kinds: tuple[RowKind, ...]
    channels: frozenset[str] | None
    features: frozenset[str] | None
    start_ns: int
    end_ns: int


class TrendTable:
    """The rows of a selection, read from an archive as they are taken. Raises Rejected for unknown names."""

    def __init__(self, archive: Archive, selection: Selection) -> None:
        self._archive = archive
        self._selection = selection
        self.features = self._known_features()
        self._check_channels()
        named = [Column(name, f"{name} [{unit_of(name)}]", CellType.FLOAT32) for name in self.features]
        self.columns: tuple[Column, ...] = (
            *COMMON,
            *(
                column
                for kind in selection.kinds
                for column in (*OF_KIND[kind], *(named if kind is RowKind.FEATURES else ()))
            ),
        )
        self.left_out = 0  # records that are no longer readable

    def rows(self) -> Iterator[dict[str, Cell]]:
        """Rows in order of time; a gap stands where it begins, also where that is before the selection."""
        merged = heapq.merge(self._gap_rows(), self._record_rows(), key=lambda row: row[0])
        return (cells for _, cells in merged)

    def _known_features(self) -> tuple[str, ...]:
        if RowKind.FEATURES not in self._selection.kinds:
            return ()
        known = self._archive.feature_names()
        wanted = self._selection.features
        if wanted is None:
            return tuple(known)
        unknown = sorted(wanted - set(known))
        if unknown:
            raise Rejected(f"no feature {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
        return tuple(name for name in known if name in wanted)

    def _check_channels(self) -> None:
        wanted = self._selection.channels
        known = {
            subject
            for kind in (RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG)
            for subject in self._archive.subjects(kind)
        }
        unknown = sorted((wanted or frozenset()) - known)
        if unknown:
            there = ", ".join(sorted(known)) or "none"
            raise Rejected(f"no channel {', '.join(unknown)}; there are {there}")

    def _record_rows(self) -> Iterator[Row]:
        channels = self._selection.channels
        subjects = [
            (kind, subject)
            for row_kind, kind in _RECORD_KINDS.items()
            if row_kind in self._selection.kinds
            for subject in self._archive.subjects(kind)
            if channels is None or row_kind is RowKind.ALARM or subject in channels
        ]
        for record in self._archive.records(subjects, self._selection.start_ns, self._selection.end_ns):
            try:
                cells = self._cells(record)
            except (Rejected, ValueError, KeyError, TypeError):
                self.left_out += 1
                continue
            if cells is not None:
                yield record.time_ns, cells

    def _cells(self, record: Record) -> dict[str, Cell] | None:
        if record.kind is RecordKind.FEATURES:
            names = self._archive.name_list(record)
            if names is None:
                raise Rejected(f"the names of record {record.key} are not stored")
            return {**_common(record, RowKind.FEATURES), **self._feature_cells(decode_record(record, names))}
        if record.kind is RecordKind.SCORE:
            return {**_common(record, RowKind.SCORE), "score": _value(record)}
        if record.kind is RecordKind.TAG:
            return {**_common(record, RowKind.TAG), "tag": _value(record)}
        return _alarm_cells(record, self._selection.channels)

    def _feature_cells(self, vector: FeatureVector) -> dict[str, Cell]:
        (duration_s,) = _shortest(np.array([vector.duration_s], dtype=np.float32))
        cells: dict[str, Cell] = {
            "duration_s": duration_s,
            "operating_state": vector.operating_state,
            "quality": vector.quality.value,
        }
        values = dict(zip(vector.names, _shortest(vector.values), strict=True))
        cells.update((name, values[name]) for name in self.features if name in values)
        return cells

    def _gap_rows(self) -> Iterator[Row]:
        if RowKind.GAP not in self._selection.kinds:
            return
        selection = self._selection
        for gap in self._archive.gaps(selection.channels, selection.start_ns, selection.end_ns):
            yield gap.start_ns, _gap_cells(gap)


def iso_utc(time_ns: int) -> str:
    """ISO 8601 with nine decimals and Z: no digit of the nanoseconds is lost."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def parse_time(text: str) -> int:
    """UTC ns of an ISO 8601 time (without a zone: UTC) or a date. Raises ValueError."""
    fraction = re.search(r"[.,](\d{1,9})(?=$|Z|[+-])", text)  # datetime itself would cut it to microseconds
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    moment = datetime.fromisoformat(whole)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    rest_ns = 0 if fraction is None else int(fraction[1].ljust(9, "0"))
    return int(moment.timestamp()) * 1_000_000_000 + rest_ns


def headings(columns: Sequence[Column]) -> list[str]:
    return [column.heading for column in columns]


def _common(record: Record, kind: RowKind, channel: str | None = None) -> dict[str, Cell]:
    return {
        "time": iso_utc(record.time_ns),
        "time_ns": record.time_ns,
        "time_trusted": record.time_trusted,
        "kind": kind.value,
        "channel": record.subject if channel is None else channel,
    }


def _shortest(values: Float32Array) -> list[float | None]:
    """The float64s with the shortest decimals of float32s: 0.1 is written 0.1, and is that float32 again.

    NaN is None.
    """
    if np.isinf(values).any():  # JSON knows none
        return [None if np.isnan(value) else float(str(value)) for value in values]
    texts = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return list(orjson.loads(texts))


def _value(record: Record) -> float | None:
    value = orjson.loads(record.payload)["value"]
    return None if value is None else float(value)


def _alarm_cells(record: Record, channels: Collection[str] | None) -> dict[str, Cell] | None:
    stored = stored_transition(record)
    alarm = stored.transition.alarm
    if channels is not None and not any(_concerns(alarm, channel) for channel in channels):
        return None
    return {
        **_common(record, RowKind.ALARM, alarm.channel_id or ""),
        "alarm_id": alarm.alarm_id,
        "alarm_activation": alarm.activation,
        "alarm_what": stored.transition.what,
        "alarm_severity": str(alarm.severity.value),
        "alarm_state": str(alarm.state.value),
        "alarm_actor": stored.transition.actor,
        "alarm_text": alarm.reason,
    }


def _concerns(alarm: Alarm, channel: str) -> bool:
    """Whether it is an alarm of this channel, or of the whole machine that the channel belongs to."""
    if alarm.channel_id is None:
        return channel.startswith(f"{alarm.asset_id}.")
    return alarm.channel_id == channel


def _gap_cells(gap: StoredGap) -> dict[str, Cell]:
    return {
        "time": iso_utc(gap.start_ns),
        "time_ns": gap.start_ns,
        "time_trusted": None,
        "kind": RowKind.GAP.value,
        "channel": gap.channel_id,
        "gap_end": iso_utc(gap.end_ns),
        "gap_end_ns": gap.end_ns,
        "gap_cause": gap.cause.value,
        "gap_state": gap.state.value,
        "gap_samples_missing": gap.samples_missing,
    }
