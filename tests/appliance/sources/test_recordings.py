"""Every layout a recording may have, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from appliance.sources.recordings import RecordingError, read_recording, unit_to_si

G = 9.80665


def write_npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **{key: np.asarray(value) for key, value in arrays.items()})  # type: ignore[arg-type]
    return path


def test_two_dimensional_npz_is_scaled_and_named(tmp_path: Path) -> None:
    x = np.array([[1, -2], [3, 4]], dtype=np.int16)
    path = write_npz(
        tmp_path / "a.npz", x=x, scale=[0.5, 2.0], offset=[1.0, 0.0], fs=1000.0, channels=["DE", "FE"]
    )
    recording = read_recording(path, unit="g")
    assert recording.channel_names == ("DE", "FE")
    assert recording.unit == "m/s2"
    np.testing.assert_allclose(
        recording.segments[0].samples, np.array([[1.5, -4.0], [2.5, 8.0]]) * G, rtol=1e-6
    )


def test_sets_bursts_and_snapshots_become_segments_with_gaps_between(tmp_path: Path) -> None:
    cube = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    sets = read_recording(write_npz(tmp_path / "sets.npz", x=cube, fs=10.0))
    assert [len(s.samples) for s in sets.segments] == [4, 4]
    assert sets.segments[1].start_s > 0.4
    bursts = read_recording(write_npz(tmp_path / "bursts.npz", x=cube.reshape(8, 3), lengths=[3, 5], fs=10.0))
    assert [len(s.samples) for s in bursts.segments] == [3, 5]
    snapshots = read_recording(write_npz(tmp_path / "snap.npz", x=cube, t_day_s=[100.0, 110.0], fs=10.0))
    assert [s.start_s for s in snapshots.segments] == [0.0, 10.0]


def test_wav_csv_and_parquet_hold_the_same_samples(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from scipy.io import wavfile

    rate = 2000
    t = np.arange(400) / rate
    signal = (0.5 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    wavfile.write(tmp_path / "a.wav", rate, signal)
    rows = "\n".join(f"{a:.6f};{b:.7f}" for a, b in zip(t, signal, strict=True))
    (tmp_path / "a.csv").write_text("time;vib\n" + rows + "\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as text:
        text.write("time;vib\n" + rows + "\n")
    pq.write_table(pa.table({"t": t, "vib": signal}), tmp_path / "a.parquet")
    for name in ("a.wav", "a.csv", "b.csv.gz", "a.parquet"):
        recording = read_recording(tmp_path / name)
        assert recording.sample_rate_hz == pytest.approx(rate, rel=1e-6), name
        np.testing.assert_allclose(recording.segments[0].samples[:, 0], signal, atol=1e-6, err_msg=name)


def test_integer_wav_is_scaled_to_full_scale(tmp_path: Path) -> None:
    from scipy.io import wavfile

    wavfile.write(tmp_path / "i.wav", 100, np.array([0, 16384, -32768], dtype=np.int16))
    samples = read_recording(tmp_path / "i.wav").segments[0].samples[:, 0]
    np.testing.assert_allclose(samples, [0.0, 0.5, -1.0])


def test_headless_csv_and_label_columns(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("1.0,2.0\n3.0,4.0\n")
    bare = read_recording(tmp_path / "bare.csv", sample_rate_hz=10.0)
    assert bare.channel_names == ("ch1", "ch2")
    assert bare.n_samples == 2
    (tmp_path / "labelled.csv").write_text("time,v,anomaly\n0.0,1.0,0\n0.1,2.0,1\n0.2,2.5,1\n")
    assert read_recording(tmp_path / "labelled.csv").channel_names == ("v",)


def test_the_files_own_rate_wins_and_it_is_said(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", x=np.zeros((10, 1)), fs=48000.0)
    recording = read_recording(path, sample_rate_hz=12000.0)
    assert recording.sample_rate_hz == 48000.0
    assert "12000" in recording.remarks[0]
    assert "48000" in recording.remarks[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.npz", b"", "empty"),
        ("garbage.npz", b"PK\x03\x04 not really", "cannot be read"),
        ("garbage.mat", b"MATLAB 5.0 MAT-file" + b"\0" * 30, "cannot be read"),
        ("garbage.wav", b"RIFF1234WAVE", "cannot be read"),
        ("garbage.parquet", b"PAR1xxxxPAR1", "cannot be read"),
        ("words.csv", b"time,v\n0.0,hello\n0.1,world\n", "not numbers"),
        ("nothing.csv", b"\n\n", "first line is empty"),
        ("backward.csv", b"time,v\n0.2,1\n0.1,2\n0.0,3\n", "does not run forward"),
        ("strange.xyz", b"abc", "ending"),
    ],
)
def test_a_bad_file_is_refused_by_name_with_a_remedy(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read_recording(path, sample_rate_hz=1000.0)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert caught.value.remedy


def test_a_truncated_npz_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", x=np.random.default_rng(1).normal(size=(5000, 2)), fs=1000.0)
    whole = path.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(RecordingError, match="cannot be read"):
            read_recording(path)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"y": [1.0]}, "no array 'x'"),
        ({"x": [["a", "b"]], "fs": 10.0}, "type"),
        ({"x": np.zeros((2, 2, 2, 2)), "fs": 10.0}, "dimensions"),
        ({"x": np.zeros((0, 2)), "fs": 10.0}, "no samples"),
        ({"x": np.zeros((5, 2)), "fs": -3.0}, "impossible"),
        ({"x": np.zeros((5, 2)), "fs": np.nan}, "impossible"),
        ({"x": np.zeros((5, 2))}, "does not state its sampling rate"),
        ({"x": np.zeros((5, 2)), "fs": 10.0, "scale": [1.0, 2.0, 3.0]}, "'scale'"),
        ({"x": np.zeros((5, 2)), "fs": 10.0, "lengths": [2, 2]}, "'lengths'"),
    ],
)
def test_a_wrong_npz_says_what_is_wrong(tmp_path: Path, arrays: dict[str, object], says: str) -> None:
    path = write_npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(RecordingError, match=says):
        read_recording(path)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.array([{"a": 1}], dtype=object), fs=10.0)
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(tmp_path / "p.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        read_recording(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("unit", "factor", "si"),
    [
        ("g", G, "m/s2"), ("g (gravity included)", G, "m/s2"), ("m/s2", 1.0, "m/s2"), ("m/s²", 1.0, "m/s2"),
        ("mm/s^2", 1e-3, "m/s2"), ("mg (LIS2DW12)", 1e-3 * G, "m/s2"), ("ms-2", 1.0, "m/s2"),
        ("unknown (probably V or g)", 1.0, "1"), ("none: normalised", 1.0, "1"), (None, 1.0, "1"),
    ],
)  # fmt: skip
def test_units(unit: str | None, factor: float, si: str) -> None:
    assert unit_to_si(unit) == (factor, si)


@pytest.mark.realdata
def test_every_recording_of_the_pack_can_be_read(data_dir: Path) -> None:
    from appliance.sources.recording_notes import read_manifest, read_notes

    layouts = ("recording", "mfpt_mat", "recordings", "bursts", "runs", "snapshots")
    seen = set()
    for entry in read_manifest(data_dir / "MANIFEST.json"):
        if entry["layout"] not in layouts or (entry["dataset"], entry["layout"]) in seen:
            continue
        seen.add((entry["dataset"], entry["layout"]))
        path = data_dir / entry["file"]
        notes = read_notes(path, "m")
        recording = read_recording(path, notes.sample_rate_hz, notes.unit)
        assert recording.sample_rate_hz == pytest.approx(entry["sampling_rate_hz"], rel=1e-3)
        shape = entry["check"]["shape"]
        assert recording.n_samples * len(recording.channel_names) == np.prod(shape)
    assert len(seen) >= 6
