"""What is asked of the centre about this device's counters, and what the answers mean.

Duty: the text of the questions in InfluxQL, in the subset that versions 1, 2 and 3 Core share, and reading
their answers. Pure; asks nobody. Aggregates by series wherever they suffice; points only of other starts of
the service within a time, and of the one counter that has a single point for each start.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from appliance.counter_records import Counter, CounterKey, LifeKey
from appliance.reconcile.central import SeriesAnswer, Value, text_of

_SKEW_NS = 86_400_000_000_000  # by which clocks of two starts may differ
_OPEN_STARTS = 3
_BY = 'GROUP BY "asset", "counter", "incarnation"'


@dataclass(frozen=True, slots=True)
class AskedStart:
    """A start of the service whose counts are asked for, and when it can have told them (UTC)."""

    incarnation: str
    boot_id: str
    since_ns: int
    until_ns: int | None

    @property
    def name(self) -> tuple[str, str]:
        return self.incarnation, self.boot_id


def totals_question(device_id: str, since_ns: int | None) -> str:
    """The greatest total that was told of each life."""
    return f'SELECT max("total") AS "total" FROM "counter" WHERE {_of(device_id, since_ns)} {_BY}'  # noqa: S608


def roll_question(device_id: str, since_ns: int | None) -> str:
    """Every start of the service that the centre has heard of: each counts itself."""
    return (
        f'SELECT "boot_id", "value" FROM "counter" WHERE {_of(device_id, since_ns)} '  # noqa: S608 - quoted
        f'AND "counter" = {text_of(Counter.SERVICE_STARTS)} {_BY}'
    )


def start_question(device_id: str, start: AskedStart) -> str:
    """How far every counter of one start came."""
    until = "" if start.until_ns is None else f"AND time < {start.until_ns} "
    of = f"{_of(device_id, start.since_ns)} {until}"
    return (
        f'SELECT max("value") AS "value" FROM "counter" WHERE {of}'  # noqa: S608 - quoted
        f'AND "incarnation" = {text_of(start.incarnation)} AND "boot_id" = {text_of(start.boot_id)} {_BY}'
    )


def others_question(device_id: str, boot_id: str, since_ns: int) -> str:
    """The values that other starts than this one told since."""
    return (
        f'SELECT "boot_id", "value" FROM "counter" WHERE {_of(device_id, since_ns)} '  # noqa: S608 - quoted
        f'AND "boot_id" != {text_of(boot_id)} {_BY}'
    )


def told_totals(answers: Iterable[SeriesAnswer]) -> dict[LifeKey, float]:
    """Of an answer to `totals_question`."""
    told: dict[LifeKey, float] = {}
    for answer in answers:
        life = _life(answer)
        for row in answer.rows():
            if (value := _number(row.get("total"))) is not None:
                told[life] = max(told.get(life, 0.0), value)
    return told


def told_starts(answers: Iterable[SeriesAnswer], boot_id: str | None = None) -> dict[CounterKey, float]:
    """Of an answer to one of the others; `boot_id`: of a `start_question`, whose answer does not repeat
    it."""
    starts: dict[CounterKey, float] = {}
    for life, said, value in _values(answers, boot_id):
        key = CounterKey(life.counter, life.subject, life.incarnation, said)
        starts[key] = max(starts.get(key, 0.0), value)
    return starts


def starts_begun(answers: Iterable[SeriesAnswer]) -> dict[tuple[str, str], int]:
    """Of an answer to `roll_question`: when each start, by life and boot, was first heard of (UTC ns)."""
    begun: dict[tuple[str, str], int] = {}
    for answer in answers:
        incarnation = _life(answer).incarnation
        for row in answer.rows():
            boot_id, time_ns = row.get("boot_id"), row.get("time")
            if boot_id and isinstance(time_ns, int) and _number(row.get("value")) is not None:
                name = incarnation, str(boot_id)
                begun[name] = min(begun.get(name, time_ns), time_ns)
    return begun


def starts_to_ask(
    begun: Mapping[tuple[str, str], int], known: Collection[tuple[str, str]], incarnation: str, boot_id: str
) -> list[AskedStart]:
    """Starts whose counts could be others than this store has: all of the present life but the running one,
    and unknown ones of lives that this store has counted in itself."""
    lives = {life for life, _ in known} | {incarnation}
    asked = []
    order = sorted((time_ns, name) for name, time_ns in begun.items())
    for place, (time_ns, (life, boot)) in enumerate(order):
        if life not in lives or (life, boot) == (incarnation, boot_id):
            continue
        if life != incarnation and (life, boot) in known:
            continue
        later = order[place + 1 :]
        ended_ns = next((time_ns for time_ns, (other, _) in later if other == life), None)
        # The latest ones may be told of still, by a copy of this box: no end is put to them.
        until_ns = None if ended_ns is None or len(later) < _OPEN_STARTS else ended_ns + _SKEW_NS
        asked.append(AskedStart(life, boot, time_ns - _SKEW_NS, until_ns))
    return asked


def _values(answers: Iterable[SeriesAnswer], boot_id: str | None) -> Iterator[tuple[LifeKey, str, float]]:
    for answer in answers:
        life = _life(answer)
        for row in answer.rows():
            said = boot_id or row.get("boot_id")
            value = _number(row.get("value"))
            if said and value is not None:
                yield life, str(said), value


def _life(answer: SeriesAnswer) -> LifeKey:
    # What cannot stand in a name is written as percent and hexadecimal digits (docs/influx-schema.md).
    counter, subject, incarnation = (
        unquote(answer.tags.get(tag, "")) for tag in ("counter", "asset", "incarnation")
    )
    return LifeKey(counter, subject, incarnation)


def _number(value: Value) -> float | None:
    """A value that a counter can have."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0.0 else None


def _of(device_id: str, since_ns: int | None) -> str:
    of = f'"device_id" = {text_of(device_id)}'
    return of if since_ns is None else f"{of} AND time >= {since_ns}"
