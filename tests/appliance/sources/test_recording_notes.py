"""Where a recording's machine data come from, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.sources.recording_notes import bearing_from_manifest, read_notes
from appliance.sources.recordings import RecordingError

SKF_6205 = {"n_balls": 9, "ball_d_in": 0.3126, "pitch_d_in": 1.537, "contact_deg": 0}


def test_a_sidecar_gives_machine_speed_and_unit(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        '[recording]\nunit = "g"\nsample_rate_hz = 12000\nhealthy = true\n'
        '[machine]\nname = "fan"\nshaft_rpm = 1800\nrated_power_kw = 30\nfoundation = "rigid"\n'
        "[machine.bearing]\nn_rolling_elements = 9\nrolling_element_diameter_mm = 7.94\n"
        "pitch_diameter_mm = 39.04\ncontact_angle_deg = 0\n"
    )
    notes = read_notes(tmp_path / "run.npz", "m")
    assert notes.shaft_hz == pytest.approx(30.0)
    assert notes.healthy is True
    assert notes.machine.bearing is not None
    assert notes.machine.bearing.bpfo == pytest.approx(3.585, abs=0.002)
    assert notes.machine.bearing.bpfi == pytest.approx(5.415, abs=0.002)


def test_a_sidecar_with_an_unknown_key_names_it(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[machine]\nshaft_speed = 1800\n")
    with pytest.raises(RecordingError, match=r"machine\.shaft_speed"):
        read_notes(tmp_path / "run.npz", "m")


def test_a_manifest_is_found_above_and_matched_by_file(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    entry = {
        "file": "set/a.npz", "dataset": "rig", "sampling_rate_hz": 5000, "unit": "g", "shaft_rpm": 1796,
        "shaft_rpm_nominal": 1797, "label": {"state": "faulty"},
        "machine_geometry": SKF_6205, "bearing_channel": 1,
    }  # fmt: skip
    (tmp_path / "MANIFEST.json").write_text(json.dumps([entry]))
    notes = read_notes(tmp_path / "set" / "a.npz", "m")
    assert notes.shaft_hz == pytest.approx(1796 / 60)
    assert notes.machine.nominal_shaft_hz == pytest.approx(1797 / 60)
    assert notes.bearing_channel == 1
    assert notes.healthy is False
    assert read_notes(tmp_path / "set" / "b.npz", "m").origin == "no notes"


@pytest.mark.parametrize("text", ["{", '{"file": 1}', "[1, 2]"])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "MANIFEST.json").write_text(text)
    with pytest.raises(RecordingError, match=r"MANIFEST\.json"):
        read_notes(tmp_path / "a.npz", "m")


def test_missing_multipliers_are_completed_by_their_relations() -> None:
    full = bearing_from_manifest(SKF_6205)
    assert full is not None
    sparse = bearing_from_manifest({"BPFO": full.bpfo, "BPFI": full.bpfi})
    assert sparse is not None
    assert sparse.ftf == pytest.approx(full.ftf, rel=1e-6)
    assert sparse.bsf == pytest.approx(full.bsf, rel=1e-6)
    assert sparse.contact_angle_known is False
    assert bearing_from_manifest({}) is None
