"""Whether the demo's centre has what the journal has: counted and summed on both sides, independently.

Duty: the journal's own account (read-only, from its file, beside the running appliance), the centre's account
(InfluxQL), and what differs. It uses none of the courier's code: a courier that miscounts is found here.
Telemetry is compared by COUNT and SUM of every numeric field per series; alarm transitions, counters, gaps,
limits and the audit one by one, by their sequence in the journal. Repairs nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from appliance.journal import schema
from appliance.journal.features import NAMES_ID, decode_name_list, decode_record
from appliance.journal.record import Record, RecordKind
from appliance.journal.store import FILE_NAME

SERIES = {
    RecordKind.FEATURES: "features",
    RecordKind.SCORE: "score",
    RecordKind.TAG: "process_value",
}
EVENTS = {
    RecordKind.ALARM_TRANSITION: "alarm",
    RecordKind.COUNTER_VALUE: "counter",
    RecordKind.GAP: "gap",
    RecordKind.LEARNED_LIMIT: "limit",
    RecordKind.LIMIT_VERSION: "limit_version",
    RecordKind.ADVISORY: "advisory",
    RecordKind.AUDIT: "audit",
}
OF_AUDIT = {"reconciliation": "reconciliation", "command": "command_result"}
"""Audit records that have a measurement of their own, by their subject."""
EVENT_FIELDS = {
    "alarm": ("alarm_id", "what", "actor", "activation", "severity", "state", "reason", "fault", "comment"),
    "counter": ("value", "total"),
    "gap": ("gap_id", "cause", "state"),
    "limit": (),
    "limit_version": ("version", "action", "actor", "reason", "factor", "locked", "change_id"),
    "advisory": ("boundary", "text"),
    "audit": ("subject",),
    "reconciliation": ("report_id", "cause", "text"),
    "command_result": ("outcome", "text"),
}
STAYING = frozenset({RecordKind.CAPTURE})  # never goes to the centre (docs/influx-schema.md)
HEALTH = "health"  # the kind of records that name their measurement themselves
SUM_TOLERANCE = 1e-6  # a float32 travels as its shortest decimal
_PERCENT = re.compile("[\x00-\x1f\x7f\u0085\u2028\u2029\\\\%]")
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]


@dataclass(slots=True)
class SeriesAccount:
    """One series of telemetry: its tags, and its points by time (UTC ns); words and booleans are None."""

    tags: dict[str, str]
    points: dict[int, dict[str, float | None]] = field(default_factory=dict)

    def of(self, name: str) -> list[float | None]:
        """The values of one field."""
        return [fields[name] for fields in self.points.values() if name in fields]


@dataclass(slots=True)
class JournalAccount:
    """What the journal holds up to a sequence, as the centre should have it."""

    upto: int
    series: dict[tuple[str, str], SeriesAccount] = field(default_factory=dict)  # by measurement and subject
    events: dict[str, dict[int, Row]] = field(default_factory=dict)  # by measurement, by sequence
    totals: dict[tuple[str, str, str], float] = field(default_factory=dict)  # subject, counter, incarnation
    unknown: Counter[str] = field(default_factory=Counter)  # records of kinds that nobody compares

    def points_of(self, measurement: str) -> int:
        """How many points a measurement has."""
        telemetry = sum(len(one.points) for (name, _), one in self.series.items() if name == measurement)
        return telemetry + len(self.events.get(measurement, {}))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was compared, and every difference as a sentence."""

    upto: int  # the journal's sequence
    points: dict[str, int]  # by measurement, as the journal has them
    series: int
    transitions: int
    counters: int
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def last_sequence(journal_dir: Path) -> int:
    """The newest record's sequence; 0 for an empty journal. Raises sqlite3.Error."""
    with closing(schema.connect_reader(journal_dir / FILE_NAME)) as connection:
        return int(connection.execute("SELECT coalesce(max(sequence), 0) FROM record").fetchone()[0])


def journal_account(journal_dir: Path, upto: int) -> JournalAccount:
    """What the journal holds up to and with a sequence. Blocking. Raises sqlite3.Error."""
    account = JournalAccount(upto, events={name: {} for name in EVENT_FIELDS})
    with closing(schema.connect_reader(journal_dir / FILE_NAME)) as connection:
        boots: dict[int, str] = dict(connection.execute("SELECT id, boot_id FROM boot"))
        names = {
            names_id: decode_name_list(names_id, encoded)
            for names_id, encoded in connection.execute("SELECT names_id, encoded FROM name_list")
        }
        rows = connection.execute(
            f"SELECT {schema.RECORD_COLUMNS} FROM record WHERE sequence<=? ORDER BY sequence",  # noqa: S608
            (upto,),
        )
        for row in rows:
            record = schema.record_of(row, boots)
            if record is None:
                continue
            if record.kind is RecordKind.FEATURES:
                name_list = names.get(record.payload[NAMES_ID])
                if name_list is not None:
                    vector = decode_record(record, name_list)
                    values = zip(vector.names, vector.values.tolist(), strict=True)
                    fields = {"duration_s": vector.duration_s, **dict(values)}
                    _add_point(account, record, "features", {"channel": record.subject}, fields)
            elif record.kind in SERIES:
                fields = {"value": orjson.loads(record.payload)["value"]}
                _add_point(account, record, SERIES[record.kind], {"channel": record.subject}, fields)
            elif record.kind in EVENTS:
                _add_event(account, record)
            elif record.kind == HEALTH:
                said = orjson.loads(record.payload)
                _add_point(account, record, said["measurement"], said["tags"], said["fields"])
            elif record.kind not in STAYING:
                account.unknown[record.kind] += 1
    return account


def compare(account: JournalAccount, ask: Ask) -> Agreement:
    """Hold the centre against the journal. Blocking. Raises what `ask` raises."""
    differences: list[str] = []
    for (measurement, subject), series in account.series.items():
        differences += _of_series(measurement, subject, series, ask)
    for measurement, events in account.events.items():
        differences += _of_events(measurement, events, account.upto, ask)
    differences += _of_totals(account, ask)
    differences += [
        f"{number:,} records of kind {kind}: not compared, this demo does not know them"
        for kind, number in account.unknown.items()
    ]
    names = dict.fromkeys((*(name for name, _ in account.series), *EVENT_FIELDS))
    return Agreement(
        account.upto,
        {name: account.points_of(name) for name in names},
        len(account.series),
        len(account.events["alarm"]),
        len(account.totals),
        tuple(differences),
    )


# ---- the journal's side ----


def _add_point(
    account: JournalAccount, record: Record, measurement: str, tags: dict[str, str], fields: dict[str, Any]
) -> None:
    written: dict[str, float | None] = {}
    for name, value in fields.items():
        if isinstance(value, bool | str):
            written[name] = None
        elif value is not None and math.isfinite(value):
            written[name] = value
    if written:  # a point without a value is none
        series = account.series.setdefault((measurement, record.subject), SeriesAccount(tags))
        series.points.setdefault(record.time_ns, {}).update(written)


def _add_event(account: JournalAccount, record: Record) -> None:
    payload = orjson.loads(record.payload)
    measurement = EVENTS[record.kind]
    if measurement == "audit":
        measurement = OF_AUDIT.get(record.subject, measurement)
    told: Row = {"subject": record.subject}
    if measurement == "alarm":
        told = {**payload["alarm"], "what": payload["what"], "actor": payload["actor"]}
    elif measurement in ("gap", "limit_version", "advisory", "reconciliation", "command_result"):
        told = payload
    elif measurement == "counter":
        told = {"value": payload["value"], "total": payload.get("life_total")}
        name = (payload["subject"], payload["counter"], payload["incarnation"])
        if told["total"] is not None:
            account.totals[name] = max(account.totals.get(name, 0.0), told["total"])
    account.events[measurement][record.sequence] = {
        "time_ns": record.time_ns,
        **{name: told.get(name) for name in EVENT_FIELDS[measurement]},
    }


# ---- the centre's side ----


def _of_series(measurement: str, subject: str, series: SeriesAccount, ask: Ask) -> list[str]:
    first_ns, last_ns = min(series.points), max(series.points)
    tags = "".join(f"\"{tag}\" = '{_quoted(value)}' AND " for tag, value in series.tags.items())
    where = f"{tags}time >= {first_ns} AND time <= {last_ns}"
    rows = ask(f'SELECT count(*), sum(*) FROM "{measurement}" WHERE {where}')  # noqa: S608 - our own names
    there = rows[0] if rows else {}
    name_of = measurement if subject == measurement else f"{measurement} of {subject}"
    names = sorted({name for fields in series.points.values() for name in fields})
    longest = max(names, key=lambda name: len(series.of(name)))
    points, found = len(series.of(longest)), int(there.get(f"count_{longest}") or 0)
    if points != found:
        return [f"{name_of}: {points:,} points here, {found:,} there"]
    differences = []
    for name in names:
        values = series.of(name)
        numbers = [value for value in values if value is not None]
        here, scale = math.fsum(numbers), max(1.0, math.fsum(map(abs, numbers)))
        count, total = int(there.get(f"count_{name}") or 0), float(there.get(f"sum_{name}") or 0.0)
        if count != len(values):
            differences.append(f"{name_of}: {name} has {len(values):,} values here, {count:,} there")
        elif numbers and abs(total - here) > SUM_TOLERANCE * scale:
            differences.append(f"{name_of}: the sum of {name} is {here:.9g} here, {total:.9g} there")
    return differences


def _of_events(measurement: str, events: dict[int, Row], upto: int, ask: Ask) -> list[str]:
    first = min(events, default=upto + 1)  # what the journal no longer has cannot be compared
    fields = ", ".join(f'"{name}"' for name in ("sequence", "time_ns", *EVENT_FIELDS[measurement]))
    rows = ask(f'SELECT {fields} FROM "{measurement}" WHERE "sequence" >= {first} AND "sequence" <= {upto}')  # noqa: S608
    there = {int(row["sequence"]): row for row in rows}
    differences = [
        f"{measurement}: number {sequence} {_told(events[sequence])}is not there"
        for sequence in sorted(events.keys() - there.keys())
    ]
    differences += [
        f"{measurement}: number {sequence} {_told(there[sequence])}is there, not here"
        for sequence in sorted(there.keys() - events.keys())
    ]
    differences += [
        f"{measurement}: number {sequence} is there {times} times"
        for sequence, times in sorted(Counter(int(row["sequence"]) for row in rows).items())
        if times > 1
    ]
    for sequence in sorted(events.keys() & there.keys()):
        for name, here in events[sequence].items():
            if not _same(here, there[sequence].get(name)):
                told = f"{name} is {here!r} here, {there[sequence].get(name)!r} there"
                differences.append(f"{measurement}: number {sequence}: {told}")
    return differences


def _of_totals(account: JournalAccount, ask: Ask) -> list[str]:
    rows = ask(
        f'SELECT max("total") AS total FROM "counter" WHERE "sequence" <= {account.upto} '  # noqa: S608
        'GROUP BY "asset", "counter", "incarnation"'
    )
    # What cannot stand in a name is written as percent and hexadecimal digits (docs/influx-schema.md).
    there = {
        (unquote(row["asset"]), unquote(row["counter"]), row["incarnation"]): row["total"] for row in rows
    }
    return [
        f"counter {counter} of {subject}: its total is {total:g} here, {found} there"
        for (subject, counter, incarnation), total in sorted(account.totals.items())
        if not _same(total, found := there.get((subject, counter, incarnation)))
    ]


def _same(here: object, there: object) -> bool:
    if isinstance(here, float) and isinstance(there, int | float):
        return math.isclose(here, there, rel_tol=1e-12, abs_tol=1e-12)
    return here == there


def _told(row: Row) -> str:
    named = " ".join(str(row[name]) for name in ("alarm_id", "what") if row.get(name))
    return f"({named}) " if named else ""


def _quoted(name: str) -> str:
    """A name as it is written at the centre (docs/influx-schema.md), for a quoted text of InfluxQL."""
    written = _PERCENT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
    return written.replace("'", "\\'")


def counted(points: Mapping[str, int]) -> str:
    """ "3 alarm, 40 health": points by measurement, those of health together; none is left out."""
    found: Counter[str] = Counter()
    for name, number in points.items():
        found[HEALTH if name.startswith(HEALTH) else name] += number
    return ", ".join(f"{number:,} {name}" for name, number in found.items() if number)
