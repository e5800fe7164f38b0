"""Wishes of people, reports and figures in the audit's file: what another process may read and note there.

Duty: their tables, and what a command, or a page's thread, does with them beside a running service. Decides
nothing. Blocking: called in a thread.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal.record import RecordClass
from appliance.reconcile.audit import ALARMING, SETTLED, UNREPAIRED, SlotState
from appliance.reconcile.report import Report

logger = logging.getLogger(__name__)

MOST_REPORTS = 200
MOST_REQUESTS = 200
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
TABLES = """
CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY AUTOINCREMENT, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
  classes TEXT NOT NULL, state TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS report (id TEXT PRIMARY KEY, ended_ns INTEGER NOT NULL, document BLOB NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """A person's wish that records of an interval (UTC ns, end excluded) be sent again."""

    request_id: int
    from_ns: int
    to_ns: int
    classes: tuple[RecordClass, ...]
    state: str  # waiting, running, done, failed
    sent: int  # records so far
    note: str


@dataclass(frozen=True, slots=True)
class AuditTally:
    """Points by what is known of them."""

    sent: int = 0
    confirmed: int = 0
    differing: int = 0
    settled: int = 0  # cut by retention, or no longer here
    slots: int = 0
    alarming: int = 0  # slots that a person must look at

    @property
    def unasked(self) -> int:
        """Points that were sent, or sent again, and not asked about since."""
        return self.sent - self.confirmed - self.differing - self.settled


def tally_of(connection: sqlite3.Connection) -> AuditTally:
    rows = connection.execute(
        "SELECT state, count(*), total(points) FROM slot WHERE summed_sequence<>-1 GROUP BY state"
    )
    slots = {SlotState(state): (number, int(points)) for state, number, points in rows}

    def points(*states: SlotState) -> int:
        return sum(slots.get(state, (0, 0))[1] for state in states)

    return AuditTally(
        sent=points(*SlotState),
        confirmed=points(SlotState.CONFIRMED, SlotState.AHEAD),
        differing=points(*UNREPAIRED),
        settled=points(*SETTLED),
        slots=sum(number for number, _ in slots.values()),
        alarming=sum(slots.get(state, (0, 0))[0] for state in ALARMING),
    )


def reports_of(connection: sqlite3.Connection, limit: int) -> list[Report]:
    reports = []
    rows = connection.execute(
        "SELECT document FROM report ORDER BY ended_ns DESC, rowid DESC LIMIT ?", (limit,)
    )
    for (document,) in rows.fetchall():
        try:
            reports.append(Report.decoded(document))
        except ValueError as error:
            logger.error("a report cannot be read error=%s", error)
    return reports


def next_request(connection: sqlite3.Connection) -> ResendRequest | None:
    """The oldest wish that is not done."""
    row = connection.execute(
        "SELECT * FROM request WHERE state IN (?,?) ORDER BY id LIMIT 1", (WAITING, RUNNING)
    ).fetchone()
    return None if row is None else _request(row)


def put_report(connection: sqlite3.Connection, report: Report) -> None:
    """Inside a transaction: one more report."""
    connection.execute(
        "INSERT OR REPLACE INTO report VALUES (?,?,?)", (report.report_id, report.ended_ns, report.encoded())
    )
    connection.execute(
        "DELETE FROM report WHERE id IN "
        "(SELECT id FROM report ORDER BY ended_ns DESC, rowid DESC LIMIT -1 OFFSET ?)",
        (MOST_REPORTS,),
    )


def read_reports(path: Path, limit: int) -> list[Report]:
    """The newest reports of a file that a service may have open. Raises Fatal."""
    if not path.exists():
        return []
    with _opened(path, "ro") as connection:
        return reports_of(connection, limit)


def read_tally(path: Path) -> AuditTally:
    """Points by state, of a file that a service may have open. Raises Fatal."""
    if not path.exists():
        return AuditTally()
    with _opened(path, "ro") as connection:
        return tally_of(connection)


def ask_for_resend(path: Path, from_ns: int, to_ns: int, classes: Collection[RecordClass]) -> int:
    """Note a person's wish; a running service takes it up within seconds. Its number. Raises Fatal."""
    if not path.exists():
        raise Fatal(f"there is no {path}: the service has not run with a [central] whose audit is on")
    with _opened(path, "rw") as connection, connection:
        (waiting,) = connection.execute(
            "SELECT count(*) FROM request WHERE state IN (?,?)", (WAITING, RUNNING)
        ).fetchone()
        if waiting >= MOST_REQUESTS:
            raise Fatal(f"{waiting} wishes wait already: start the service, or wait until they are done")
        connection.execute(
            "DELETE FROM request WHERE id IN "
            "(SELECT id FROM request WHERE state IN (?,?) ORDER BY id DESC LIMIT -1 OFFSET ?)",
            (DONE, FAILED, MOST_REQUESTS),
        )
        found = connection.execute(
            "INSERT INTO request (from_ns, to_ns, classes, state) VALUES (?,?,?,?)",
            (from_ns, to_ns, ",".join(sorted(one.value for one in classes)), WAITING),
        )
        return int(found.lastrowid or 0)


def read_request(path: Path, request_id: int) -> ResendRequest | None:
    """How a wish stands. Raises Fatal."""
    with _opened(path, "ro") as connection:
        row = connection.execute("SELECT * FROM request WHERE id=?", (request_id,)).fetchone()
    return None if row is None else _request(row)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=5.0)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Fatal(f"the audit's file {path} cannot be used: {error}") from error


def _request(row: tuple[int, int, int, str, str, int, str]) -> ResendRequest:
    number, from_ns, to_ns, classes, state, sent, note = row
    return ResendRequest(
        number,
        from_ns,
        to_ns,
        tuple(RecordClass(one) for one in classes.split(",") if one),
        state,
        sent,
        note,
    )
