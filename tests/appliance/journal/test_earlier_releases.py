"""Journals that earlier releases wrote: brought to the present schema with all that is in them.

The files under `earlier/` are dumps of real ones, each written by the last release of its schema: two starts
of the service within one boot of the kernel, the second without a clock that could be trusted. A new
migration needs the dump of the schema before it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.clock import ReplayClock
from appliance.journal import journal as journal_module
from appliance.journal import schema
from appliance.journal.record import CENTRAL, GapState, RecordClass, RecordKind
from appliance.journal.store import FILE_NAME
from dsp.samples import GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, START_NS, alarm
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.test_durability import until

DUMPS = Path(__file__).parent / "earlier"
EARLIER = range(1, schema.SCHEMA_VERSION)
KERNEL = "11111111-1111-4111-8111-111111111111"  # the boot in which both starts were
HOUR_NS = 3600 * SECOND_NS
CONDITION = "pump-1.machine-condition"
RECORDS = 59


def written_by(version: int, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Lay the journal of an earlier release into `folder`; returns what stands in its tables."""
    folder.mkdir(mode=0o700)
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.executescript((DUMPS / f"schema_{version}.sql").read_text(encoding="utf-8"))
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
    ]
    rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    assert found == version
    return rows


def test_there_is_a_journal_of_every_earlier_schema() -> None:
    assert {DUMPS / f"schema_{version}.sql" for version in EARLIER} <= set(DUMPS.iterdir())


@pytest.mark.parametrize("version", EARLIER)
def test_a_migrated_file_has_the_very_schema_of_a_new_one(tmp_path: Path, version: int) -> None:
    written_by(version, tmp_path / "old")
    found = []
    for path in (tmp_path / "old" / FILE_NAME, tmp_path / "new.sqlite"):
        connection = schema.connect_writer(path)
        laid = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall()
        found.append({(kind, name, " ".join(sql.split())) for kind, name, sql in laid})
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("version", EARLIER)
async def test_every_record_of_an_earlier_release_is_there_unchanged(
    tmp_path: Path, open_journal: OpenJournal, version: int
) -> None:
    rows = written_by(version, tmp_path / "journal")
    boots = dict(rows["boot"])
    journal = await open_journal(clock=ReplayClock(START_NS + 2 * HOUR_NS), resolve_times=False)
    assert journal.damage_report is None
    assert journal.incarnation == dict(rows["meta"])["incarnation"]
    found = await journal.read(0, limit=RECORDS + 1)
    told = [
        (r.sequence, r.boot_id, r.monotonic_ns, r.time_ns, int(r.time_trusted), r.subject, r.key, r.payload)
        for r in found
    ]
    wrote = [(row[0], boots[row[3]], row[4], row[5], row[6], *row[8:]) for row in sorted(rows["record"])]
    assert len(told) == RECORDS and told == wrote
    assert [(r.record_class, r.kind) for r in found] == [
        (schema.CLASS_OF_CODE[row[1]], schema.KIND_OF_CODE[row[2]]) for row in sorted(rows["record"])
    ]
    newest = {(schema.KIND_OF_CODE[kind], subject): sequence for kind, subject, sequence in rows["newest"]}
    assert {(kind, r.subject): r.sequence for kind in RecordKind for r in journal.latest(kind)} == newest
    sent = sorted(row for row in journal.deliveries.rows())
    assert sent == [(CENTRAL, RecordClass.ALARM, 3), (CENTRAL, RecordClass.TELEMETRY, 9)]
    held = {one.record_class: one.records for one in journal.backlog()}
    assert held == {schema.CLASS_OF_CODE[row[0]]: row[1] for row in rows["account"]}


@pytest.mark.parametrize("version", EARLIER)
async def test_series_and_gaps_of_an_earlier_release_are_shown(
    tmp_path: Path, open_journal: OpenJournal, version: int
) -> None:
    rows = written_by(version, tmp_path / "journal")
    journal = await open_journal(clock=ReplayClock(START_NS + 2 * HOUR_NS), resolve_times=False)
    first = [10, 11, 12, 13, 14, 40, 41, 42, 43, 44]
    times, rms = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    assert [round((t - START_NS) % HOUR_NS / SECOND_NS) for t in times] == first
    np.testing.assert_array_equal(rms, np.array(first, np.float32) + 1)
    _, crest = await journal.features("pump-1.de.y", "crest", *ALL_TIME)
    np.testing.assert_array_equal(crest, np.array(first, np.float32) + 5)
    _, speed = await journal.tags("pump-1.speed", *ALL_TIME)
    np.testing.assert_array_equal(speed, np.array(first, np.float32) + 24.5)
    _, score = await journal.scores("pump-1.de.x", *ALL_TIME)
    np.testing.assert_array_equal(score, np.array(first, np.float32) / 10)
    wanted = {row[0]: row[1:6] for row in rows["gap"]}
    shown = {
        gap.gap_id: (gap.channel_id, gap.start_ns, gap.end_ns, gap.cause.value, gap.state.value)
        for channel in ("pump-1.de.x", "pump-1.de.y", "pump-1.speed")
        for gap in await journal.gaps(channel, *ALL_TIME)
    }
    assert len(shown) == 7 and shown == wanted
    assert {GapCause.POWER_OFF.value, GapCause.SERIAL_LOSS.value} <= {row[3] for row in wanted.values()}
    assert {state for *_, state in wanted.values()} == {GapState.OPEN.value, GapState.LOST.value}


@pytest.mark.parametrize("version", EARLIER)
async def test_life_goes_on_in_a_journal_of_an_earlier_release(
    tmp_path: Path, open_journal: OpenJournal, version: int
) -> None:
    written_by(version, tmp_path / "journal")
    journal = await open_journal(clock=ReplayClock(START_NS + 2 * HOUR_NS), resolve_times=False)
    (known,) = [r for r in await journal.read(0, {RecordKind.ALARM_TRANSITION}) if r.key.endswith("/12")]
    again = await journal.commit([alarm(12, CONDITION), alarm(99, CONDITION)])
    assert again.durable and again.records[0] == known, "a key that was used stays what it was"
    assert again.records[1].sequence > RECORDS
    await journal.close()
    journal = await open_journal(clock=ReplayClock(START_NS + 3 * HOUR_NS), resolve_times=False)
    assert [r.key for r in journal.latest(RecordKind.ALARM_TRANSITION)] == [f"alarm/{CONDITION}/99"]
    assert len(await journal.read(0, limit=200)) == RECORDS + 1


@pytest.mark.parametrize("version", EARLIER)
async def test_times_that_an_earlier_release_did_not_know_are_found(
    tmp_path: Path, open_journal: OpenJournal, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock said an hour too much in the second start; in the same boot of the kernel it is right now."""
    rows = written_by(version, tmp_path / "journal")
    unknown = [row for row in sorted(rows["record"]) if not row[6]]
    assert unknown and all(row[5] == row[4] + START_NS + HOUR_NS for row in unknown if row[2] != 7)
    monkeypatch.setattr(journal_module, "kernel_boot_id", lambda: KERNEL)
    clock = ReplayClock(START_NS)
    clock.set(90 * SECOND_NS)
    journal = await open_journal(clock=clock)
    await until(lambda: journal.resolutions > 0)
    found = {r.sequence: r for r in await journal.read(0, limit=RECORDS + 10)}
    for row in unknown:
        record = found[row[0]]
        assert (record.time_trusted, record.time_resolved) == (True, True), record.key
        if record.kind is not RecordKind.GAP:
            assert record.time_ns == START_NS + record.monotonic_ns, record.key
    before = [row for row in sorted(rows["record"]) if row[6]]
    assert [found[row[0]].time_ns for row in before] == [row[5] for row in before], "what was known stays"
