"""Every layout to units: shapes, times, groups, and labels kept out of what a decision may rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.commands.evaluate_units import by_dataset, read_units
from appliance.sources.recording_rows import read_tag_rows
from appliance.sources.recordings import RecordingError
from models.evaluation.protocol import Unit
from tests.appliance.commands.evaluation_folders import (
    burst_entries,
    diagnosis_entries,
    runs_entries,
    slow_entries,
    snapshots_entries,
    tag_entries,
)


def units(folder: Path, entries: list[dict[str, Any]], remarks: list[str] | None = None) -> list[Unit]:
    said = [] if remarks is None else remarks
    (offered,) = by_dataset(entries, said.append)
    found = [unit for entry in offered.entries for unit in read_units(folder, entry, said.append)]
    readable = [unit for unit in found if isinstance(unit, Unit)]
    assert len(readable) == len(found), said
    return readable


def test_recording_and_mfpt(tmp_path: Path) -> None:
    remarks: list[str] = []
    entries = diagnosis_entries(tmp_path)
    entries[1]["sampling_rate_hz"] *= 1.01
    found = units(tmp_path, entries, remarks)
    assert [unit.layout for unit in found] == ["recording", "mfpt_mat", "recording"]
    for unit in found:
        assert unit.waveforms.stretches[0].shape == (115_200, 1)
        assert unit.waveforms.sample_rate_hz == 25_600.0  # the file wins
        assert unit.waveforms.unit == "m/s2"
        assert unit.machine.bearing is not None
        assert unit.machine.name == "machine"  # nothing to conclude from
    assert [remark for remark in remarks if "the file is believed" in remark and "d1.mat" in remark]
    assert len(remarks) == 1


def test_bursts(tmp_path: Path) -> None:
    found = units(tmp_path, burst_entries(tmp_path))
    assert [unit.group for unit in found] == ["slow", "fast", "slow", "fast"]
    assert [unit.sealed.trains for unit in found] == [True, True, False, False]
    assert all(len(unit.waveforms.stretches) == 60 for unit in found)
    assert found[0].waveforms.stretches[7].shape == (200, 3)


def test_runs_are_units_of_their_own(tmp_path: Path) -> None:
    found = units(tmp_path, runs_entries(tmp_path))
    assert len(found) == 9
    assert [unit.sealed.trains for unit in found] == [True] * 3 + [False] * 6
    assert [unit.waveforms.speed_percent for unit in found] == [20.0, 40.0, 60.0] * 3
    found[4].sealed.write("rules", 1)
    assert found[4].sealed.reveal().label == {"state": "faulty", "config": 2}


def test_snapshots_go_on_past_midnight(tmp_path: Path) -> None:
    (unit,) = units(tmp_path, snapshots_entries(tmp_path))
    assert unit.waveforms.start_s is not None
    assert np.allclose(np.diff(unit.waveforms.start_s), 60.0)
    assert unit.waveforms.stretches[0].shape == (512, 2)


def test_tables_keep_their_labels_apart(tmp_path: Path) -> None:
    faulty, healthy = units(tmp_path, tag_entries(tmp_path))
    assert faulty.rows.tag_names == healthy.rows.tag_names == ("Flow", "Pressure", "Current")
    assert faulty.rows.values.shape == (1000, 3)
    assert faulty.rows.time_s[-1] == 999.0
    faulty.sealed.write("rules", "no alarm")
    columns = faulty.sealed.reveal().columns
    assert columns["anomaly"].sum() == 200
    assert np.flatnonzero(columns["changepoint"]).tolist() == [700, 900]


def test_a_slow_table_has_wall_time(tmp_path: Path) -> None:
    entries = slow_entries(tmp_path)
    remarks: list[str] = []
    (unit,) = units(tmp_path, entries, remarks)
    assert unit.rows.start_utc_ns == 1_640_995_200_000_000_000  # 2022-01-01T00:00:00Z
    assert remarks == []
    units(tmp_path, [entries[0] | {"sampling_rate_hz": 1.0}], remarks)
    assert "the file is believed" in remarks[0]


def test_a_file_that_changed_since_is_named_and_judged(tmp_path: Path) -> None:
    remarks: list[str] = []
    entries = [diagnosis_entries(tmp_path)[0] | {"sha256": "00" * 32, "bearing_channel": None}]
    assert len(units(tmp_path, entries, remarks)) == 1
    assert any("sha256" in remark for remark in remarks)
    assert any("'bearing_channel' is missing" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("time;flow\n", "no rows"),
        ("time,flow\n0,1\n", "its first line has no ';'"),
        ("when;flow\n0;1\n", "no time column"),
        ("time;flow\nsoon;1\n", "'soon' in column 'time' is no time"),
        ("time;flow\n0;1\n1;2;3\n", "row 3 has 3 cells"),
        ("time;flow\n0;low\n1;high\n", "no column of numbers"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=words):
        read_tag_rows(path, ";")


def test_cells_that_are_empty_or_written_with_a_comma(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("t;flow;note;state\n0,5;1,25;x;1\n1;;y;2\n", encoding="utf-8")
    rows = read_tag_rows(path, ";")
    assert rows.tag_names == ("flow", "state")
    assert rows.time_s.tolist() == [0.0, 0.5]
    assert rows.values[0].tolist() == [1.25, 1.0]
    assert np.isnan(rows.values[1, 0])
    assert "'note'" in rows.remarks[0]
