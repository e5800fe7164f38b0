"""`stethos export` of trends: all that the journal holds, beside a running one and after it."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from appliance.__main__ import main
from appliance.alarm_records import AlarmRecords
from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, Severity
from appliance.clock import ReplayClock
from appliance.commands.export_tables import write_table
from appliance.commands.export_trends import CellType, Column, iso_utc, parse_time
from appliance.journal.archive import Archive
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordKind
from appliance.journal.series import score_record, tag_record
from appliance.journal.store import FILE_NAME
from dsp.samples import Gap, GapCause
from models.detector import AnomalyScore
from tests.appliance.journal.builders import NAMES, PATIENT, SECOND_NS, SMALL, START_NS, vector
from tests.conftest import ROOT

WINDOWS = 2_100  # more than one page of the archive
HOSTILE = 'outer race, BPFO at "3.58" x shaft;\r\n=HYPERLINK("x") ünïcode \u2028 end'
DE, FE, SPEED = "pump-1.de.x", "pump-1.fe.x", "pump-1.speed"
VALUES = np.random.default_rng(3).normal(size=(WINDOWS, 3)).astype(np.float32)
VALUES[7, 1] = np.nan
VALUES[8, 2] = np.inf


def transition(number: int) -> AlarmTransition:
    alarm = Alarm(
        "pump-1.machine-condition", "pump-1", None, "machine condition",
        Severity.WARN, AlarmState.ACTIVE_UNACKNOWLEDGED, number * SECOND_NS, number * SECOND_NS, 1, 2.5,
        "outer race", 0.9, HOSTILE, {},
    )  # fmt: skip
    return AlarmTransition("raised", "appliance", alarm)


def telemetry() -> list[NewRecord]:
    records = []
    for number, values in enumerate(VALUES):
        at_ns = number * SECOND_NS
        records.append(features_record(vector(at_ns, *values)))
        if number % 10 == 0:
            records.append(features_record(vector(at_ns, 1.0, names=("other",), channel_id=FE, version="2")))
            score = AnomalyScore(DE, at_ns, number / 7, "m", "numpy", np.zeros(0, np.float32))
            records.append(score_record(score))
            records.append(tag_record(SPEED, at_ns, 24.7 if number else float("nan"), "Hz"))
    return records


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Journal]:
    """A journal that is open, as a service has it, with telemetry, a gap and an alarm in it."""
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "state" / "journal", SMALL, clock, PATIENT)
    for record in telemetry():
        journal.submit(record)
    gap = Gap(DE, 100 * SECOND_NS + 5, 160 * SECOND_NS + 7, GapCause.SERIAL_LOSS, 1000)
    journal.record_gap(gap)
    await journal.commit([AlarmRecords(clock, "boot").record(transition(50))])
    async with asyncio.timeout(60):
        while len((await journal.features(DE, NAMES[0], 0, 1 << 62))[0]) < WINDOWS:
            await asyncio.sleep(0.02)
        while not await journal.gaps(DE, 0, 1 << 62):
            await asyncio.sleep(0.02)
    yield journal
    await journal.close()


async def export(folder: Path, *options: str, to: str = "out.csv") -> tuple[int, Path]:
    """Exit code and file of one export, run beside the event loop that the journal lives in."""
    out = folder / to
    code = await asyncio.to_thread(
        main, ["export", "--state", str(folder / "state"), "--to", str(out), *options]
    )
    return code, out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


async def test_a_running_journal_is_exported_without_loss(running: Journal, tmp_path: Path) -> None:
    code, out = await export(tmp_path)
    assert code == 0
    rows = rows_of(out)
    assert [int(row["time_ns [ns since 1970 UTC]"]) for row in rows] == sorted(
        int(row["time_ns [ns since 1970 UTC]"]) for row in rows
    )
    for name, unit in zip(NAMES, ("m/s2", "m/s2", "1"), strict=True):
        times_ns, values = await running.features(DE, name, 0, 1 << 62)
        told = [row for row in rows if row["kind"] == "features" and row["channel"] == DE]
        assert [int(row["time_ns [ns since 1970 UTC]"]) for row in told] == list(times_ns)
        read = np.array([row[f"{name} [{unit}]"] or "nan" for row in told], dtype=np.float32)
        np.testing.assert_array_equal(read, values)
    for row in rows:
        assert parse_time(row["time [ISO 8601 UTC]"]) == int(row["time_ns [ns since 1970 UTC]"])
    scores = [float(row["score [1 = limit]"]) for row in rows if row["kind"] == "score"]
    assert scores == [number / 7 for number in range(0, WINDOWS, 10)]
    tags = [row["tag [unit of the channel]"] for row in rows if row["kind"] == "tag"]
    assert tags == ["", *["24.7"] * (len(tags) - 1)]
    assert running.durable


async def test_gaps_and_alarms_are_rows_of_their_own_and_nothing_is_interpolated(
    running: Journal, tmp_path: Path
) -> None:
    _, out = await export(tmp_path)
    rows = rows_of(out)
    (gap,) = [row for row in rows if row["kind"] == "gap"]
    stored = (await running.gaps(DE, 0, 1 << 62))[0]
    assert gap["channel"] == DE
    assert int(gap["time_ns [ns since 1970 UTC]"]) == stored.start_ns
    assert int(gap["gap_end_ns [ns since 1970 UTC]"]) == stored.end_ns
    assert (gap["gap_cause"], gap["gap_samples_missing [1]"]) == (GapCause.SERIAL_LOSS.value, "1000")
    assert all(gap[heading] == "" for heading in gap if heading.endswith(("[m/s2]", "limit]", "channel]")))
    (alarm,) = [row for row in rows if row["kind"] == "alarm"]
    assert alarm["alarm_text"] == HOSTILE
    assert (alarm["alarm_severity"], alarm["alarm_what"]) == ("warn", "raised")
    assert sum(row["kind"] == "features" for row in rows) == WINDOWS + WINDOWS // 10


async def test_parquet_holds_what_csv_holds(running: Journal, tmp_path: Path) -> None:
    await export(tmp_path)
    code, out = await export(tmp_path, to="out.parquet")
    assert code == 0
    table = parquet.read_table(out)
    rows = rows_of(tmp_path / "out.csv")
    assert table.column_names == list(rows[0])
    assert table.num_rows == len(rows)
    for heading in ("kind", "channel", "gap_cause", "alarm_text"):
        assert [value or "" for value in table.column(heading).to_pylist()] == [row[heading] for row in rows]
    rms = table.column("rms_mps2 [m/s2]")
    assert str(rms.type) == "float"
    read = np.array([row["rms_mps2 [m/s2]"] or "nan" for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(rms.to_numpy(), read)


async def test_a_stopped_appliance_tells_the_same(running: Journal, tmp_path: Path) -> None:
    await export(tmp_path)
    await running.close()
    code, out = await export(tmp_path, to="stopped.csv")
    assert code == 0
    assert out.read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize("log_remains", [True, False])
async def test_a_folder_that_cannot_be_written_is_read(
    running: Journal, tmp_path: Path, log_remains: bool
) -> None:
    await running.close()
    folder = tmp_path / "state" / "journal"
    if not log_remains:  # as after the end of the process: the last connection takes the log away
        (tmp_path / "copy").mkdir()
        with sqlite3.connect(folder / FILE_NAME) as source:
            target = sqlite3.connect(tmp_path / "copy" / FILE_NAME)
            source.backup(target)
            target.close()
        folder = tmp_path / "copy"
    assert (folder / f"{FILE_NAME}-wal").exists() == log_remains
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    as_root = os.geteuid() == 0
    for parent in (tmp_path / "state", tmp_path, *tmp_path.parents) if as_root else ():
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    try:
        if as_root:  # whom no mode stops
            os.seteuid(65_534)
        archive = Archive(folder)
        assert archive.subjects(RecordKind.FEATURES) == [DE, FE]
        archive.close()
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o700)


async def test_only_what_is_asked_for(running: Journal, tmp_path: Path) -> None:
    origin_ns = (await running.features(DE, NAMES[0], 0, 1 << 62))[0][0]
    start, end = (iso_utc(int(origin_ns) + n * SECOND_NS) for n in (90, 120))
    options = ("--from", start, "--until", end, "--channel", DE, "--feature", "kurtosis")
    code, out = await export(tmp_path, *options)
    assert code == 0
    rows = rows_of(out)
    assert {row["channel"] for row in rows} == {DE}
    assert "kurtosis [1]" in rows[0]
    assert "rms_mps2 [m/s2]" not in rows[0]
    assert sum(row["kind"] == "features" for row in rows) == 31
    assert [row["kind"] for row in rows].count("gap") == 1
    code, out = await export(tmp_path, "--kind", "alarm", "--kind", "gap", "--json", to="events.csv")
    assert [row["kind"] for row in rows_of(out)] == ["alarm", "gap"]
    assert "score [1 = limit]" not in rows_of(out)[0]


async def test_a_gap_that_began_before_stands_at_the_beginning(running: Journal, tmp_path: Path) -> None:
    gap = (await running.gaps(DE, 0, 1 << 62))[0]
    _, out = await export(tmp_path, "--from", iso_utc(gap.start_ns + SECOND_NS), "--channel", DE)
    first = rows_of(out)[0]
    assert (first["kind"], first["time_ns [ns since 1970 UTC]"]) == ("gap", str(gap.start_ns))


@pytest.mark.parametrize(
    ("options", "to", "says"),
    [
        (("--channel", "pump-9"), "o.csv", "no channel pump-9; there are pump-1.de.x, pump-1.fe.x"),
        (("--feature", "loudness"), "o.csv", "no feature loudness; there are rms_mps2"),
        (("--from", "2030-01-02", "--until", "2030-01-01"), "o.csv", "--until lies before --from"),
        ((), "o.xlsx", "its ending should be one of .csv, .parquet"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    running: Journal,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    to: str,
    says: str,
) -> None:
    code, out = await export(tmp_path, *options, to=to)
    assert code == 2
    assert says in capsys.readouterr().err
    assert not out.exists()
    assert not list(tmp_path.glob(".*.part"))


async def test_a_file_is_not_overwritten_unasked(
    running: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.csv").write_text("mine")
    assert (await export(tmp_path))[0] == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "mine"
    code, out = await export(tmp_path, "--force", "--json")
    assert code == 0
    assert json.loads(capsys.readouterr().out)["rows"] == len(rows_of(out))


async def test_a_damaged_record_is_left_out_and_counted(
    running: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await running.close()
    with sqlite3.connect(tmp_path / "state" / "journal" / FILE_NAME) as connection:
        connection.execute(
            "UPDATE record SET payload=x'00' WHERE sequence IN (SELECT sequence FROM record LIMIT 3)"
        )
    connection.close()
    code, _out = await export(tmp_path, "--json")
    told = capsys.readouterr()
    assert code == 0
    assert json.loads(told.out)["left_out"] == 3
    assert "3 records are damaged" in told.err


async def test_an_export_beside_a_busy_writer_holds_nobody_up(running: Journal, tmp_path: Path) -> None:
    more = [features_record(vector((WINDOWS + number) * SECOND_NS)) for number in range(600)]

    async def write() -> None:
        for record in more:
            running.submit(record)
            await asyncio.sleep(0.001)

    (code, out), _ = await asyncio.gather(export(tmp_path), write())
    assert code == 0
    told = [row for row in rows_of(out) if row["kind"] == "features" and row["channel"] == DE]
    assert WINDOWS <= len(told) <= WINDOWS + len(more)
    assert running.durable


async def test_another_process_exports_what_is_locked_here(running: Journal, tmp_path: Path) -> None:
    out = tmp_path / "other.csv"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance", "export", "--state", str(tmp_path / "state"), "--to", str(out),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), 60) == 0
    _, here = await export(tmp_path)
    assert out.read_bytes() == here.read_bytes()
    record = features_record(vector((WINDOWS + 5) * SECOND_NS))
    running.submit(record)  # and the service goes on writing
    async with asyncio.timeout(60):
        while (await running.features(DE, NAMES[0], 0, 1 << 62))[0].size == WINDOWS:
            await asyncio.sleep(0.02)


def test_where_no_journal_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--state", str(tmp_path), "--to", str(tmp_path / "o.csv")]) == 1
    assert "there is no journal in" in capsys.readouterr().err
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / FILE_NAME).write_bytes(b"no database" * 500)
    assert main(["export", "--state", str(tmp_path), "--to", str(tmp_path / "o.csv")]) == 1
    assert "damaged" in capsys.readouterr().err


def test_a_time_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--state", "x", "--to", "y.csv", "--from", "yesterday"])
    assert "2026-03-01T06:30:00" in capsys.readouterr().err


def test_times_keep_their_nanoseconds() -> None:
    assert iso_utc(1_800_000_000_123_456_789) == "2027-01-15T08:00:00.123456789Z"
    assert parse_time("2027-01-15T10:00:00.5+02:00") == 1_800_000_000_500_000_000
    assert parse_time("2027-01-15T08:00:00.123456789Z") == 1_800_000_000_123_456_789
    assert parse_time("2027-01-15") == 1_799_971_200 * SECOND_NS


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    columns = (
        Column("a", "a", CellType.TEXT),
        Column("b", "b", CellType.FLOAT64),
        Column("c", "c", CellType.TRUTH),
    )
    rows = [{"a": "=1+1", "b": -2.5, "c": True}, {"a": "", "c": False}, {"a": "fine"}]
    assert write_table(tmp_path / "a.csv", columns, rows) == 3
    assert (tmp_path / "a.csv").read_text() == "a,b,c\n'=1+1,-2.5,1\n,,0\nfine,,\n"
