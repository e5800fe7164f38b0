"""Marks of several sinks: the slowest counts, whoever is configured no more does not, and files of before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from appliance.journal import schema
from appliance.journal.deliveries import NOBODY, Deliveries
from appliance.journal.record import CENTRAL, RecordClass, RecordKind, SinkClaim
from appliance.journal.store import FILE_NAME
from tests.appliance.journal.builders import alarm, budgets
from tests.appliance.journal.conftest import OpenJournal

CENTRE = SinkClaim(frozenset({RecordClass.ALARM, RecordClass.LIMIT, RecordClass.TELEMETRY}), keeps=True)
HOOK = SinkClaim(frozenset({RecordClass.ALARM}), keeps=False)
ALARM, LIMIT, TELEMETRY = RecordClass.ALARM, RecordClass.LIMIT, RecordClass.TELEMETRY


def test_the_slowest_of_those_that_want_a_class_counts() -> None:
    marks = Deliveries()
    marks.sinks_are({CENTRAL: CENTRE, "webhook/a": HOOK, "webhook/b": HOOK})
    for record_class in (ALARM, LIMIT, TELEMETRY):
        marks.mark(CENTRAL, record_class, 100)
    marks.mark("webhook/a", ALARM, 40)
    assert marks.sent(ALARM) == NOBODY, "one has said nothing yet"
    marks.mark("webhook/b", ALARM, 70)
    assert (marks.sent(ALARM), marks.sent(LIMIT), marks.confirmed(TELEMETRY)) == (40, 100, 100)
    marks.mark("webhook/b", ALARM, 0)  # its file was lost
    assert marks.sent(ALARM) == 0


def test_a_sink_that_is_configured_no_more_holds_nothing_back_and_comes_back_as_a_new_one() -> None:
    marks = Deliveries()
    marks.sinks_are({CENTRAL: CENTRE, "webhook/a": HOOK})
    marks.mark(CENTRAL, ALARM, 100)
    marks.mark("webhook/a", ALARM, 40)
    marks.sinks_are({CENTRAL: CENTRE})
    assert marks.sent(ALARM) == 100
    assert marks.rows() == [(CENTRAL, ALARM, 100)]
    marks.restore([("webhook/a", ALARM, 40)])  # from a file of before
    assert marks.rows() == [(CENTRAL, ALARM, 100)]


def test_without_a_sink_that_keeps_a_class_nothing_of_it_is_sent() -> None:
    marks = Deliveries()
    marks.mark(CENTRAL, ALARM, 100)
    assert marks.sent(ALARM) == NOBODY, "nobody has said what is configured"
    assert marks.confirmed(ALARM) == 100
    marks.sinks_are({"webhook/a": HOOK})
    marks.mark("webhook/a", ALARM, 50)
    assert (marks.sent(ALARM), marks.sent(LIMIT)) == (NOBODY, NOBODY)
    assert (marks.confirmed(ALARM), marks.confirmed(LIMIT)) == (50, NOBODY)


def test_what_a_sink_says_since_the_start_goes_before_what_was_saved() -> None:
    marks = Deliveries()
    marks.mark(CENTRAL, ALARM, 7)
    marks.restore([(CENTRAL, ALARM, 100), (CENTRAL, LIMIT, 90)])
    assert sorted(marks.rows()) == [(CENTRAL, ALARM, 7), (CENTRAL, LIMIT, 90)]


async def test_marks_survive_a_restart_and_those_of_a_removed_sink_do_not(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.deliveries.sinks_are({CENTRAL: CENTRE, "webhook/a": HOOK})
    await journal.commit([alarm(n) for n in range(5)])
    journal.mark_delivered(CENTRAL, ALARM, 5)
    journal.mark_delivered("webhook/a", ALARM, 3)
    await journal.close()
    journal = await open_journal()
    assert sorted(journal.deliveries.rows()) == [(CENTRAL, ALARM, 5), ("webhook/a", ALARM, 3)]
    journal.deliveries.sinks_are({CENTRAL: CENTRE})
    await journal.close()
    journal = await open_journal()
    assert journal.deliveries.rows() == [(CENTRAL, ALARM, 5)]


def file_of_version_1(folder: Path, through: int) -> None:
    """An empty journal as the first schema made it, with the centre's marks in `meta`."""
    folder.mkdir(mode=0o700)
    first = schema.MIGRATIONS[0]
    assert isinstance(first, str)
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.executescript(first)
    connection.executemany(
        "INSERT INTO meta VALUES (?,?)",
        [
            ("incarnation", "a-life"), ("life", "0"), ("accounts_through", "0"),
            ("delivered/alarm", str(through)), ("delivered/telemetry", "12"),
        ],
    )  # fmt: skip
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()


async def test_a_file_of_the_first_schema_keeps_the_centre_s_marks(
    tmp_path: Path, open_journal: OpenJournal
) -> None:
    small = budgets(alarm=30_000)
    file_of_version_1(tmp_path / "journal", through=60)
    journal = await open_journal(budgets=small)
    assert journal.incarnation == "a-life"
    assert sorted(journal.deliveries.rows()) == [(CENTRAL, ALARM, 60), (CENTRAL, TELEMETRY, 12)]
    await journal.commit([alarm(n) for n in range(100)])
    journal.deliveries.sinks_are({CENTRAL: CENTRE})
    await journal.commit([alarm(100)])  # a round, with its trim
    await journal.close()
    journal = await open_journal(budgets=small)
    left = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert [record.sequence for record in left] == list(range(102 - len(left), 102))
    assert 41 <= len(left) < 101, "those that the centre had may leave, no others"
    await journal.close()
    connection = sqlite3.connect(tmp_path / "journal" / FILE_NAME)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (old,) = connection.execute("SELECT count(*) FROM meta WHERE name LIKE 'delivered/%'").fetchone()
    connection.close()
    assert (version, old) == (schema.SCHEMA_VERSION, 0)
