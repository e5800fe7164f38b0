"""What the audit asks in InfluxQL, and what the answers mean.

Duty: the text of two questions (count and sum of fields per series and span; the points themselves) in the
subset that versions 1, 2 and 3 Core share, and reading their answers by series. Pure; asks nobody. No
question covers more than a day: 3 Core opens files of ten minutes each, and refuses beyond 432.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.reconcile.central import SeriesAnswer, Value, name_of, text_of
from appliance.reconcile.sent_line import SeriesKey
from appliance.reconcile.slot_sums import SLOT_NS, FoundSum, SeriesSum

LONGEST_SPAN_NS = 86_400_000_000_000
SERIES_AT_ONCE = 200
_TIMES = "time >= {start} AND time < {end}"

PointKey = tuple[SeriesKey, int]
FoundPoints = dict[PointKey, dict[str, Value]]


@dataclass(frozen=True, slots=True)
class FieldAsk:
    """What is asked of one field."""

    counted: bool
    summed: bool


FieldTable = dict[str, FieldAsk]


def fields_of(sums: Iterable[SeriesSum]) -> FieldTable:
    """What is worth a question: the sum of every number, the number of all other values, and the number of
    values of the field that a series has most often. (A server pays for each; a line arrives whole or not at
    all, so that a missing value of another field is a missing point.)"""
    counted: dict[str, None] = {}
    summed: dict[str, None] = {}
    for one in sums:
        for name, figures in one.fields.items():
            (counted if figures.total is None else summed)[name] = None
        if one.fields:
            counted[max(one.fields, key=lambda name: one.fields[name].count)] = None
    return {name: FieldAsk(name in counted, name in summed) for name in {**counted, **summed}}


def sums_question(
    series: Sequence[SeriesKey], fields: FieldTable, start_ns: int, end_ns: int, *, by_slot: bool = False
) -> str:
    """COUNT and SUM of fields of series of one measurement in [start, end): one row each, or one per slot.

    Columns have short names (c0, s0, ...): their place in `fields` says which.
    """
    asked = []
    for index, (name, ask) in enumerate(fields.items()):
        if ask.counted:
            asked.append(f"count({name_of(name)}) AS c{index}")
        if ask.summed:
            asked.append(f"sum({name_of(name)}) AS s{index}")
    by = f"time({SLOT_NS // 1_000_000_000}s), *" if by_slot else "*"
    return (
        f"SELECT {', '.join(asked)} FROM {name_of(series[0].measurement)} "  # noqa: S608 - quoted above
        f"WHERE {_where(series, start_ns, end_ns)} GROUP BY {by}" + (" fill(none)" if by_slot else "")
    )


def found_sums(
    answers: Iterable[SeriesAnswer], fields: FieldTable, *, start_ns: int, by_slot: bool = False
) -> dict[PointKey, FoundSum]:
    """What an answer says, by series and the begin of the slot (or of the span)."""
    found: dict[PointKey, FoundSum] = {}
    numbered = list(enumerate(fields.items()))
    for answer in answers:
        key = series_of(answer)
        for row in answer.rows():
            counts = {name: _integer(row.get(f"c{i}")) for i, (name, ask) in numbered if ask.counted}
            totals = {name: _number(row.get(f"s{i}")) for i, (name, ask) in numbered if ask.summed}
            time_ns = _integer(row.get("time")) if by_slot else start_ns
            if any(counts.values()) or any(total is not None for total in totals.values()):
                found[key, time_ns] = FoundSum(counts, totals)
    return found


def points_question(series: Sequence[SeriesKey], start_ns: int, end_ns: int) -> str:
    """All fields of all points of series of one measurement in [start, end)."""
    return (
        f"SELECT * FROM {name_of(series[0].measurement)} "  # noqa: S608 - quoted
        f"WHERE {_where(series, start_ns, end_ns)} GROUP BY *"
    )


def measurement_question(measurement: str, device_id: str, start_ns: int, end_ns: int) -> str:
    """All points of one measurement that bear this device's tag, whatever other tags they have."""
    times = _TIMES.format(start=start_ns, end=end_ns)
    return (
        f"SELECT * FROM {name_of(measurement)} "  # noqa: S608 - quoted
        f'WHERE "device_id" = {text_of(device_id)} AND {times} GROUP BY *'
    )


def found_points(answers: Iterable[SeriesAnswer]) -> FoundPoints:
    """The points of an answer; fields that a point does not have are left out."""
    points: FoundPoints = {}
    for answer in answers:
        key = series_of(answer)
        for row in answer.rows():
            time_ns = _integer(row.pop("time"))
            points[key, time_ns] = {name: value for name, value in row.items() if value is not None}
    return points


def series_of(answer: SeriesAnswer) -> SeriesKey:
    """Which series an answer speaks of. A tag that it does not have is told as empty."""
    return SeriesKey(answer.name, tuple(sorted((key, value) for key, value in answer.tags.items() if value)))


def _where(series: Sequence[SeriesKey], start_ns: int, end_ns: int) -> str:
    times = _TIMES.format(start=start_ns, end=end_ns)
    chosen = " OR ".join(f"({_of_tags(one.tags)})" for one in series)
    return f"({chosen}) AND {times}" if chosen != "()" else times


def _of_tags(tags: Sequence[tuple[str, str]]) -> str:
    return " AND ".join(f"{name_of(key)} = {text_of(value)}" for key, value in tags)


def _integer(value: Value) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _number(value: Value) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def differing_fields(sent: Mapping[str, object], there: Mapping[str, object]) -> list[str]:
    """Names of the fields that were sent and that the centre has otherwise, or not at all.

    Fields that somebody else added are not ours to judge.
    """
    return [name for name, value in sent.items() if name not in there or not _same(value, there[name])]


def _same(sent: object, there: object) -> bool:
    if isinstance(sent, bool) or isinstance(there, bool):
        return sent is there
    if isinstance(sent, int | float) and isinstance(there, int | float):
        return sent == there or abs(sent - there) <= 4 * 2.0**-52 * abs(sent)
    return sent == there
