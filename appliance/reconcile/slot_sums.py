"""What was sent in a slot of time: points, and count and sum of every field, per series.

Duty: adding up, adding slots together, holding it against the centre's COUNT and SUM, and a compact form for
the disk. Pure. A slot is an hour of UTC.

A server's sum of n numbers is off by rounding, in whatever order it adds: by no more than n - 1 unit
roundoffs (2**-53) of the sum of magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd
ed., section 4.2). More than that is a difference: one value of 3,600 that was changed by a hundred-millionth
is seen, one of a day's 86,400 by a millionth. Integers are exact. Those beyond 2**53 (times in ns) are only
counted, as words and truths are: a server's sum of them would overflow.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from appliance.reconcile.sent_line import SentPoint, SeriesKey, Value

SLOT_NS = 3_600_000_000_000
_ROUNDOFF = 2.0**-53
_OWN_ADDITIONS = 64  # of exact sums of slots: a day has 24
_LARGEST_SUMMED = 2**53
_WRAP = 2**64


@dataclass(slots=True)
class FieldSum:
    """One field: how many values, their sum (None: only counted) and the sum of their magnitudes."""

    count: int = 0
    total: float | int | None = None
    magnitude: float = 0.0

    def agrees(self, count: int | None, total: float | None) -> bool:
        """Whether the centre's figures are these, but for rounding. `count` None: it was not asked."""
        if count is not None and count != self.count:
            return False
        if self.total is None or not self.count:
            return True
        if total is None:
            return False
        if isinstance(self.total, int) and isinstance(total, int):
            return (self.total - total) % _WRAP == 0
        return abs(self.total - total) <= (self.count + _OWN_ADDITIONS) * _ROUNDOFF * self.magnitude


@dataclass(slots=True)
class SeriesSum:
    """One series in one or more slots."""

    points: int = 0
    fields: dict[str, FieldSum] = field(default_factory=dict)

    def merge(self, other: SeriesSum) -> None:
        """Add those of other slots."""
        self.points += other.points
        for name, theirs in other.fields.items():
            known = self.fields.get(name)
            if known is None:
                self.fields[name] = FieldSum(theirs.count, theirs.total, theirs.magnitude)
                continue
            known.count += theirs.count
            known.magnitude += theirs.magnitude
            both = known.total is not None and theirs.total is not None
            known.total = known.total + theirs.total if both else None  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class FoundSum:
    """What the centre says of one series and time: count and sum of the fields that were asked about."""

    counts: Mapping[str, int]
    totals: Mapping[str, float | None]


SlotSums = dict[SeriesKey, SeriesSum]


def sums_of(points: Iterable[SentPoint]) -> SlotSums:
    """Added up by series; the sums of numbers are exact to the last place."""
    counts: dict[SeriesKey, int] = {}
    values: dict[SeriesKey, dict[str, list[Value]]] = {}
    for point in points:
        counts[point.series] = counts.get(point.series, 0) + 1
        of_series = values.setdefault(point.series, {})
        for name, value in point.fields.items():
            of_series.setdefault(name, []).append(value)
    return {
        series: SeriesSum(counts[series], {name: _field_sum(all_of) for name, all_of in of_series.items()})
        for series, of_series in values.items()
    }


def merged(slots: Iterable[SlotSums]) -> SlotSums:
    """Slots together."""
    sums: SlotSums = {}
    for slot in slots:
        for series, theirs in slot.items():
            sums.setdefault(series, SeriesSum()).merge(theirs)
    return sums


def agrees(sent: SeriesSum, found: FoundSum | None) -> bool:
    """Whether the centre has of a series what was sent: no less, no more, nothing else."""
    if found is None:
        return sent.points == 0
    return all(
        one.agrees(found.counts.get(name), found.totals.get(name)) for name, one in sent.fields.items()
    )


def all_agree(sent: SlotSums, there: Mapping[tuple[SeriesKey, int], Mapping[str, Value | None]]) -> bool:
    """The same of all series of a slot (False: none are known), by the points themselves, of series and time
    (ns): it tells whether what the box no longer holds is there, too."""
    found = sums_of(
        SentPoint(series, time_ns, {name: value for name, value in fields.items() if value is not None})
        for (series, time_ns), fields in there.items()
    )
    return bool(sent) and all(
        agrees(one, None if series not in found else _as_found(found[series])) for series, one in sent.items()
    )


def points_in(sums: SlotSums) -> int:
    """All points."""
    return sum(one.points for one in sums.values())


def packed(sums: SlotSums) -> bytes:
    """For the disk."""
    document = [
        [
            series.measurement,
            series.tags,
            one.points,
            list(one.fields),
            [[f.count, _wrapped(f.total), f.magnitude] for f in one.fields.values()],
        ]
        for series, one in sums.items()
    ]
    return zlib.compress(orjson.dumps(document), 6)


def unpacked(stored: bytes) -> SlotSums:
    """From the disk. Raises ValueError for what is not whole."""
    try:
        return {
            SeriesKey(measurement, tuple((key, value) for key, value in tags)): SeriesSum(
                points, {name: FieldSum(*figures) for name, figures in zip(names, fields, strict=True)}
            )
            for measurement, tags, points, names, fields in orjson.loads(zlib.decompress(stored))
        }
    except (zlib.error, TypeError) as error:
        raise ValueError(f"sums of a slot are not whole: {error}") from error


def slot_of(time_ns: int) -> int:
    """Begin of the slot that a time falls into (UTC ns)."""
    return time_ns - time_ns % SLOT_NS


def _wrapped(total: float | int | None) -> float | int | None:
    """Integers as a sum of 64 bits has them: that is what a server keeps."""
    return (total + _WRAP // 2) % _WRAP - _WRAP // 2 if isinstance(total, int) else total


def _as_found(one: SeriesSum) -> FoundSum:
    return FoundSum(
        {name: of_field.count for name, of_field in one.fields.items()},
        {name: of_field.total for name, of_field in one.fields.items()},
    )


def _field_sum(values: Sequence[Value]) -> FieldSum:
    numbers = [value for value in values if not isinstance(value, bool | str)]
    if len(numbers) < len(values) or any(
        isinstance(one, int) and abs(one) > _LARGEST_SUMMED for one in numbers
    ):
        return FieldSum(len(values))
    if all(isinstance(one, int) for one in numbers):
        return FieldSum(len(values), sum(numbers), float(sum(map(abs, numbers))))
    return FieldSum(len(values), math.fsum(numbers), math.fsum(map(abs, numbers)))
