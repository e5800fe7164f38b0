"""Sidecars and manifests as anybody may have left them: used, or refused by name, never a crash."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.sources.recording_columns import RecordingError
from appliance.sources.recording_notes import RecordingNotes, read_notes

PER_TEST = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIDECAR = """[recording]
sample_rate_hz = 25600.0
unit = "g"
[machine]
name = "Cooling pump 2"
shaft_rpm = 1480.0
foundation = "rigid"
[machine.bearing]
n_rolling_elements = 8
rolling_element_diameter_mm = 17.46
pitch_diameter_mm = 72.5
contact_angle_deg = 0.0
"""
ENTRY_KEYS = (
    "shaft_rpm", "shaft_rpm_nominal", "sampling_rate_hz", "unit", "bearing_channel", "label",
    "machine_geometry", "dataset",
)  # fmt: skip
GEOMETRY_KEYS = ("BPFO", "BPFI", "BSF", "FTF", "n_balls", "ball_d_mm", "pitch_d_mm", "contact_deg", "bearing")
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NUMBER = st.integers(-3, 60) | st.floats(-1.0, 60.0)


def sane(notes: RecordingNotes) -> None:
    """What later hops divide by is a positive finite number or unknown."""
    for value in (notes.shaft_hz, notes.sample_rate_hz):
        assert value is None or (math.isfinite(value) and value > 0)
    bearing = notes.machine.bearing
    if bearing is not None:
        for value in (bearing.bpfo, bearing.bpfi, bearing.bsf, bearing.ftf):
            assert math.isfinite(value)
            assert value > 0


def used_or_refused(path: Path) -> None:
    try:
        notes = read_notes(path, "m")
    except RecordingError as error:
        assert error.remedy
    else:
        sane(notes)


@PER_TEST
@given(
    cut=st.integers(0, len(SIDECAR)),
    flips=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=5),
)
def test_damaged_sidecars(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(SIDECAR.encode())
    for position, value in flips:
        content[position % len(content)] = value
    (tmp_path / "a.wav.toml").write_bytes(content[: len(content) - cut] if cut % 3 == 0 else content)
    used_or_refused(tmp_path / "a.wav")


@PER_TEST
@given(
    entry=st.dictionaries(st.sampled_from(ENTRY_KEYS), ANY, max_size=5),
    geometry=st.dictionaries(st.sampled_from(GEOMETRY_KEYS), NUMBER | ANY, max_size=9),
    inside=st.booleans(),
)
def test_manifests_of_anything(
    tmp_path: Path, entry: dict[str, object], geometry: dict[str, object], inside: bool
) -> None:
    if inside:
        entry = {**entry, "machine_geometry": geometry}
    (tmp_path / "MANIFEST.json").write_text(json.dumps([{**entry, "file": "a.wav"}]))
    used_or_refused(tmp_path / "a.wav")


@PER_TEST
@given(content=ANY)
def test_manifests_that_are_none(tmp_path: Path, content: object) -> None:
    (tmp_path / "MANIFEST.json").write_text(json.dumps(content))
    used_or_refused(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[recording", b"[recording]\nunknown = 1", b"[machine]\nshaft_rpm = nan"]
)
def test_a_sidecar_that_cannot_be_used_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(RecordingError, match=r"a\.toml"):
        read_notes(tmp_path / "a.wav", "m")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MANIFEST.json", "[" * 100_000),
        ("a.npz.toml", "a = " + "[" * 100_000),
        ("MANIFEST.json", "[" + " " * (17 * 1024 * 1024) + "]"),
        ("a.npz.toml", "#" * (17 * 1024 * 1024)),
    ],
    ids=["deep manifest", "deep sidecar", "huge manifest", "huge sidecar"],
)
def test_notes_that_would_exhaust_the_reader_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordingError, match="mend or remove it"):
        read_notes(tmp_path / "a.npz", "asset")


def test_a_name_that_no_file_can_have_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_text(json.dumps([{"file": "a\0b"}, {"file": "a.npz", "unit": "g"}]))
    assert read_notes(tmp_path / "a.npz", "asset").unit == "g"
