"""Recordings written and read back equal; read by others; refused where a format cannot state them."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import pyuff
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from scipy.io import wavfile

from appliance.__main__ import main
from appliance.sources.recording_columns import RecordingError
from appliance.sources.recording_notes import read_manifest, read_notes
from appliance.sources.recording_writers import write_recording
from appliance.sources.recordings import Recording, Segment, read_recording
from dsp.samples import Float32Array

X = np.random.default_rng(1).normal(size=(1000, 2)).astype(np.float32)
X[3, 0] = np.nan
X[4, 1] = -0.0


def recording_of(
    *pieces: tuple[float, Float32Array],
    rate_hz: float = 25600.0,
    unit: str = "m/s2",
    names: tuple[str, ...] = ("DE x", "FE"),
) -> Recording:
    segments = tuple(Segment(start_s, samples) for start_s, samples in pieces)
    return Recording(Path("memory"), names, unit, rate_hz, segments, ())


def equal(read: Recording, written: Recording, names: bool = True) -> None:
    if names:
        assert read.channel_names == written.channel_names
    assert read.unit == written.unit
    assert read.sample_rate_hz == pytest.approx(written.sample_rate_hz, rel=1e-9)
    assert len(read.segments) == len(written.segments)
    for one, other in zip(read.segments, written.segments, strict=True):
        assert one.start_s == pytest.approx(other.start_s, rel=1e-5, abs=1e-9)
        np.testing.assert_array_equal(one.samples, other.samples)


@pytest.mark.parametrize("name", ["a.wav", "a.csv", "a.parquet", "a.uff", "A.UNV"])
@pytest.mark.parametrize("unit", ["m/s2", "1"])
def test_what_is_written_is_read_back_equal(tmp_path: Path, name: str, unit: str) -> None:
    written = recording_of((0.0, X), unit=unit)
    files = write_recording(written, tmp_path / name)
    notes = read_notes(tmp_path / name, "m")
    equal(read_recording(tmp_path / name, None, notes.unit), written, names=name != "a.wav")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in files)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.uff"])
def test_gaps_stay_gaps(tmp_path: Path, name: str) -> None:
    written = recording_of((0.0, X), (2.5, X[:400]), (7.0, X[:1]) if name != "a.uff" else (7.0, X[:3]))
    write_recording(written, tmp_path / name)
    equal(read_recording(tmp_path / name), written)


def test_a_gap_in_a_table_is_a_marked_row_without_values(tmp_path: Path) -> None:
    write_recording(recording_of((0.0, X[:2]), (1.0, X[:2]), rate_hz=10.0), tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == '"time_s","gap","DE x [m/s2]","FE [m/s2]"'
    assert lines[3] == "0.2,1,,"
    assert len(lines) == 6


def test_channels_that_are_called_like_other_columns_or_each_other(tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        written = recording_of((0.0, X), unit="1", names=("gap", "time"))
        write_recording(written, tmp_path / f"a.{kind}")
        equal(read_recording(tmp_path / f"a.{kind}"), written)
        write_recording(recording_of((0.0, X), names=("a", "A")), tmp_path / f"b.{kind}")
        assert read_recording(tmp_path / f"b.{kind}").channel_names == ("a", "A 2")


@example(values=[math.nan, math.nan], rate_hz=1, name="0", kind="csv")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(width=32), min_size=2, max_size=60),
    rate_hz=st.integers(1, 200_000),
    name=st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable() and text.strip() == text),
    kind=st.sampled_from(["csv", "parquet", "uff"]),
)
def test_any_samples_and_names_survive(
    tmp_path: Path, values: list[float], rate_hz: int, name: str, kind: str
) -> None:
    samples = np.array(values, dtype=np.float32)[:, None]
    written = recording_of((0.0, samples), rate_hz=float(rate_hz), names=(name,))
    write_recording(written, tmp_path / f"a.{kind}")
    equal(read_recording(tmp_path / f"a.{kind}"), written, names=False)


def test_scipy_reads_the_wav(tmp_path: Path) -> None:
    write_recording(recording_of((0.0, X)), tmp_path / "a.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rate, samples = wavfile.read(tmp_path / "a.wav")
    assert (rate, samples.dtype) == (25600, np.float32)
    np.testing.assert_array_equal(samples, X)
    assert 'unit = "m/s2"' in (tmp_path / "a.wav.toml").read_text()


def test_pyarrow_reads_the_parquet(tmp_path: Path) -> None:
    write_recording(recording_of((0.0, X)), tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["time_s", "gap", "DE x [m/s2]", "FE [m/s2]"]
    assert table.schema.metadata[b"sample_rate_hz"] == b"25600.0"
    np.testing.assert_array_equal(table.column("FE [m/s2]").to_numpy(), X[:, 1])


def test_pyuff_reads_the_uff(tmp_path: Path) -> None:
    write_recording(recording_of((0.0, X), (2.0, X)), tmp_path / "a.uff")
    sets = pyuff.UFF(str(tmp_path / "a.uff")).read_sets()
    assert [content["id1"] for content in sets] == ["DE x", "FE"] * 2
    first = sets[0]
    assert (first["func_type"], first["abscissa_spec_data_type"], first["num_pts"]) == (1, 17, 1000)
    assert (first["ordinate_spec_data_type"], first["ordinate_axis_units_lab"]) == (12, "m/s2")
    assert first["abscissa_inc"] == pytest.approx(1 / 25600)
    assert sets[2]["abscissa_min"] == pytest.approx(2.0)
    np.testing.assert_array_equal(first["data"].astype(np.float32), X[:, 0])


@pytest.mark.parametrize(
    ("recording", "name", "says"),
    [
        (recording_of((0.0, X), (2.0, X)), "a.wav", "cannot state the gaps"),
        (recording_of((0.0, X), rate_hz=1000.5), "a.wav", "only whole Hz"),
        (recording_of((0.0, X)), "a.tdms", "not one that is written; use one of .wav"),
    ],
)
def test_what_a_format_cannot_state_is_refused(
    tmp_path: Path, recording: Recording, name: str, says: str
) -> None:
    with pytest.raises(RecordingError, match=says):
        write_recording(recording, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_sidecar_of_somebody_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.wav.toml").write_text("[machine]\nshaft_rpm = 1480\n")
    with pytest.raises(RecordingError, match="may be of another recording"):
        write_recording(recording_of((0.0, X)), tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()
    assert "1480" in (tmp_path / "a.wav.toml").read_text()


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recording(recording_of((0.0, X)), tmp_path / "a.uff")
    for name in ("b.parquet", "c.csv", "d.wav"):
        command = ["export", "--recording", str(tmp_path / "a.uff"), "--to", str(tmp_path / name), "--json"]
        assert main(command) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["samples"], told["unit"], told["sample_rate_hz"]) == (1000, "m/s2", 25600.0)
        unit = read_notes(tmp_path / name, "m").unit
        np.testing.assert_array_equal(read_recording(tmp_path / name, None, unit).segments[0].samples, X)


@pytest.mark.parametrize(
    ("source", "to", "says"),
    [
        ("none.uff", "b.csv", "no such file"),
        ("a.csv", "a.csv", "exists"),
        ("a.csv", "b.h5", "not one that is"),
    ],
)
def test_the_command_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, to: str, says: str
) -> None:
    write_recording(recording_of((0.0, X)), tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    assert main(["export", "--recording", str(tmp_path / source), "--to", str(tmp_path / to)]) == 2
    assert says in capsys.readouterr().err
    assert (
        main(["export", "--recording", str(tmp_path / "a.csv"), "--to", str(tmp_path / "a.csv"), "--force"])
        == 2
    )
    assert (tmp_path / "a.csv").read_bytes() == before


@pytest.mark.realdata
@pytest.mark.parametrize("kind", ["uff", "parquet"])
def test_real_recordings_survive(data_dir: Path, tmp_path: Path, kind: str) -> None:
    seen = set()
    for entry in read_manifest(data_dir / "MANIFEST.json"):
        if entry["layout"] not in ("recording", "mfpt_mat", "bursts") or entry["dataset"] in seen:
            continue
        seen.add(entry["dataset"])
        path = data_dir / entry["file"]
        notes = read_notes(path, "m")
        original = read_recording(path, notes.sample_rate_hz, notes.unit)
        write_recording(original, tmp_path / f"{len(seen)}.{kind}")
        copy = read_recording(tmp_path / f"{len(seen)}.{kind}")
        assert copy.sample_rate_hz == pytest.approx(original.sample_rate_hz, rel=6e-6)
        assert copy.unit == original.unit
        for one, other in zip(copy.segments, original.segments, strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
    assert len(seen) >= 3


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-x", "@sum(a1)", "\uff1d1+1"])
def test_a_heading_of_csv_is_no_formula(tmp_path: Path, name: str) -> None:
    samples = np.arange(8, dtype=np.float32)[:, None]
    recording = Recording(tmp_path / "a", (name,), "m/s2", 100.0, (Segment(0.0, samples),), ())
    write_recording(recording, tmp_path / "a.csv")
    heading = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[0]
    assert heading == f'"time_s","gap","\'{name} [m/s2]"'
    again = read_recording(tmp_path / "a.csv")
    assert again.channel_names == (f"'{name}",)
    np.testing.assert_array_equal(again.segments[0].samples, samples)


@pytest.mark.parametrize("rate_hz", [1000, 25_600, 48_000])
def test_times_of_day_state_the_rate_to_the_last_digit(tmp_path: Path, rate_hz: int) -> None:
    """Seconds since 1970 as a float are a quarter of a microsecond coarse: bearing lines would move."""
    at = np.arange(2000) / rate_hz
    date = np.datetime64("2026-10-21T07:28:00", "ns") + np.round(at * 1e9).astype("timedelta64[ns]")
    for name, times in (("text", date.astype(str)), ("number", 1_792_567_680 + at)):
        rows = "\n".join(f"{time},{i}" for i, time in enumerate(times.tolist()))
        (tmp_path / f"{name}.csv").write_text(f"time,x\n{rows}\n")
        recording = read_recording(tmp_path / f"{name}.csv")
        assert recording.sample_rate_hz == pytest.approx(rate_hz, rel=1e-5), name
        assert recording.n_samples == 2000
