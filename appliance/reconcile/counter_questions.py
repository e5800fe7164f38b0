"""What is asked of the centre about this device's counters, and what the answers mean.

Duty: which questions, their text in InfluxQL (the subset that versions 1, 2 and 3 Core share), and reading
the answers. Pure; asks nobody. Aggregates by series; points only of the one counter that has few for each
start of the service.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from appliance.counter_records import Counter, CounterKey, LifeKey
from appliance.reconcile.central import SeriesAnswer, Value, text_of
from appliance.reconcile.errors import AnswerTooLarge

LARGEST = 1e18  # beyond what any box can have counted: samples of 200 channels in 1,000 years
MOST_LIVES = 10_000  # of all counters together, that are believed
MOST_ASKED = 200  # starts, in one round
_SKEW_NS = 86_400_000_000_000  # by which clocks of two starts may differ
_RECENT_STARTS = 5  # whose counts may grow still, told by a copy of this box
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


def told_totals(answers: Iterable[SeriesAnswer]) -> dict[LifeKey, float]:
    """Of an answer to `totals_question`. Raises AnswerTooLarge beyond MOST_LIVES: nobody has so many."""
    told: dict[LifeKey, float] = {}
    for answer in answers:
        if len(told) >= MOST_LIVES:
            raise AnswerTooLarge(f"the centre has more than {MOST_LIVES:,} lives of this device's counters")
        life = _life(answer)
        for row in answer.rows():
            if (value := _number(row.get("total"))) is not None:
                told[life] = max(told.get(life, 0.0), value)
    return told


def told_starts(answers: Iterable[SeriesAnswer], boot_id: str) -> dict[CounterKey, float]:
    """Of an answer to the `start_question` of this start."""
    starts: dict[CounterKey, float] = {}
    for answer in answers:
        life = _life(answer)
        for row in answer.rows():
            if (value := _number(row.get("value"))) is not None:
                starts[CounterKey(life.counter, life.subject, life.incarnation, boot_id)] = value
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
    begun: Mapping[tuple[str, str], int], known: Collection[tuple[str, str]], incarnation: str, *, far: bool
) -> list[AskedStart]:
    """Starts whose counts could be others than this store has, by life and boot, of lives that it counted in.

    Always those that it does not know, and the latest (the running one among them: a copy of its memory would
    count under the same name); with `far` all of the present life, `incarnation`. At most MOST_ASKED.
    """
    lives = {life for life, _ in known} | {incarnation}
    order = sorted((time_ns, name) for name, time_ns in begun.items() if name[0] in lives)
    asked = []
    for place, (time_ns, name) in enumerate(order):
        recent = len(order) - place <= _RECENT_STARTS
        if not (recent or name not in known or (far and name[0] == incarnation)):
            continue
        # Where nothing speaks for a copy that goes on counting, a start ended when the next one began.
        ended_ns = None if recent else order[place + 1][0] + _SKEW_NS
        asked.append(AskedStart(*name, time_ns - _SKEW_NS, ended_ns))
    return asked[-MOST_ASKED:]


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
    return float(value) if math.isfinite(value) and 0.0 <= value <= LARGEST else None


def _of(device_id: str, since_ns: int | None) -> str:
    of = f'"device_id" = {text_of(device_id)}'
    return of if since_ns is None else f"{of} AND time >= {since_ns}"
