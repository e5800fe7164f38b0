"""UFF 58, TDMS and HDF5: rate, unit and names from the files' own words; all that can be wrong."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from appliance.sources.recording_columns import RecordingError
from appliance.sources.recordings import Recording, read_recording
from tests.appliance.sources.recording_files import (
    RATE_HZ,
    G,
    X,
    Y,
    uff_set,
    write_hdf5,
    write_tdms,
    write_uff,
)


def expect(recording: Recording, *columns: np.ndarray, rtol: float = 1e-6) -> None:
    samples = recording.segments[0].samples
    for column, wanted in enumerate(columns):
        np.testing.assert_allclose(samples[:, column], wanted, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("binary", [0, 1])
def test_uff_58_states_everything(tmp_path: Path, binary: int) -> None:
    path = write_uff(
        tmp_path / "a.uff",
        uff_set("drive end", X, binary=binary),
        uff_set("fan end", Y, binary=binary, rsp_dir=2, ordinate_axis_units_lab="m/s^2"),
        uff_set("tacho", Y, binary=binary, rsp_dir=3, ordinate_axis_units_lab="V", ordinate_spec_data_type=0),
    )
    recording = read_recording(path)
    assert recording.channel_names == ("drive end", "fan end")
    assert (recording.unit, recording.sample_rate_hz) == ("m/s2", RATE_HZ)
    assert "'tacho' is left out: its unit is V" in recording.remarks[0]
    expect(recording, X * G, Y)


def test_a_whole_rate_survives_the_six_digits_of_an_increment(tmp_path: Path) -> None:
    times = np.arange(400) / 48000
    assert read_recording(write_uff(tmp_path / "a.unv", uff_set("a", X, x=times))).sample_rate_hz == 48000.0


def test_uff_sets_of_one_dof_are_pieces_and_unlabelled_axes_are_told_apart(tmp_path: Path) -> None:
    late = np.arange(400) / RATE_HZ + 2.0
    path = write_uff(
        tmp_path / "a.uff",
        uff_set("NONE", X), uff_set("NONE", Y, rsp_dir=-3),
        uff_set("NONE", X, x=late), uff_set("NONE", Y, x=late, rsp_dir=-3),
    )  # fmt: skip
    recording = read_recording(path)
    assert recording.channel_names == ("1+x", "1-z")
    assert [segment.start_s for segment in recording.segments] == pytest.approx([0.0, 2.0])


def test_uff_without_a_label_is_an_acceleration_only_in_stated_si(tmp_path: Path) -> None:
    bare = uff_set("a", X, ordinate_axis_units_lab="NONE")
    assert read_recording(write_uff(tmp_path / "a.uff", bare)).unit == "1"
    si = {"type": 164, "units_code": 1, "units_description": "SI", "temp_mode": 1,
          "length": 1.0, "force": 1.0, "temp": 1.0, "temp_offset": 273.15}  # fmt: skip
    assert read_recording(write_uff(tmp_path / "b.uff", si, bare)).unit == "m/s2"


def test_uneven_times_of_uff_are_refused_even_ones_read(tmp_path: Path) -> None:
    even = write_uff(tmp_path / "a.uff", uff_set("a", X, abscissa_spacing=0))
    assert read_recording(even).sample_rate_hz == pytest.approx(RATE_HZ, rel=1e-4)
    times = np.arange(400) ** 2 / RATE_HZ
    with pytest.raises(RecordingError, match="unevenly"):
        read_recording(write_uff(tmp_path / "b.uff", uff_set("a", X, abscissa_spacing=0, x=times)))


def test_tdms_waveform_properties(tmp_path: Path) -> None:
    wave = {"wf_increment": 1 / RATE_HZ, "unit_string": "g"}
    path = write_tdms(
        tmp_path / "a.tdms",
        ("ai0", X, wave),
        ("ai1", Y, {**wave, "unit_string": "m/s^2"}),
        ("temperature", Y[:40], {"wf_increment": 0.1, "unit_string": "deg C"}),
        ("note", np.array(["a", "b"]), {}),
    )
    (tmp_path / "a.tdms_index").write_bytes(b"TDSh of another recording")
    recording = read_recording(path)
    assert recording.channel_names == ("ai0", "ai1")
    assert recording.unit == "m/s2"
    assert recording.sample_rate_hz == pytest.approx(RATE_HZ)
    assert "deg C" in recording.remarks[0]
    expect(recording, X * G, Y)


def test_tdms_without_properties_needs_a_rate_and_keeps_its_numbers(tmp_path: Path) -> None:
    path = write_tdms(tmp_path / "a.tdms", ("ai0", (X * 1000).astype(np.int16), {}))
    with pytest.raises(RecordingError, match="does not state its sampling rate"):
        read_recording(path)
    recording = read_recording(path, sample_rate_hz=100.0, unit="mm/s2")
    expect(recording, (X * 1000).astype(np.int16) / 1000)


def test_the_slower_channels_of_a_file_are_left_out_and_a_longer_one_is_cut(tmp_path: Path) -> None:
    fast, slow = {"wf_increment": 1 / RATE_HZ}, {"wf_increment": 0.01}
    path = write_tdms(tmp_path / "a.tdms", ("a", X, fast), ("b", Y[:390], fast), ("c", Y, slow))
    recording = read_recording(path)
    assert recording.channel_names == ("a", "b")
    assert recording.n_samples == 390
    assert any("100 Hz" in remark for remark in recording.remarks)
    assert any("shortest" in remark for remark in recording.remarks)


def test_hdf5_attributes(tmp_path: Path) -> None:
    recording = read_recording(write_hdf5(tmp_path / "a.h5"))
    assert recording.channel_names == ("DE", "FE")
    assert (recording.unit, recording.sample_rate_hz) == ("m/s2", RATE_HZ)
    expect(recording, X * G, Y * G)


def hdf5(build: Callable[[h5py.File], None]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        with h5py.File(path, "w") as file:
            build(file)
        return path

    return write


def _rate_above(file: h5py.File) -> None:
    file.attrs["Fs"] = RATE_HZ
    file.attrs["units"] = "m/s²"
    file["run/x"] = X
    file["run/y"] = Y


def _rate_beside(file: h5py.File) -> None:
    file["fs"] = np.array([[float(RATE_HZ)]])
    file["data"] = np.stack([X, Y])  # as MATLAB stores it: the longer axis is time
    file["note"] = "text is no signal"


def _step(file: h5py.File) -> None:
    file["a"] = X
    file["a"].attrs["dt"] = 1 / RATE_HZ


def _times(file: h5py.File) -> None:
    file["time"] = np.arange(400) / RATE_HZ
    file["a"] = X


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (_rate_above, ("run x", "run y")),
        (_rate_beside, ("data 1", "data 2")),
        (_step, ("a",)),
        (_times, ("a",)),
    ],
)
def test_hdf5_conventions(tmp_path: Path, build: Callable[[h5py.File], None], names: tuple[str, ...]) -> None:
    recording = read_recording(hdf5(build)(tmp_path / "a.hdf5"))
    assert recording.channel_names == names
    assert recording.sample_rate_hz == pytest.approx(RATE_HZ)
    expect(recording, X, *([Y] if len(names) == 2 else []))


def _two(file: h5py.File) -> None:
    file["a"], file["b"] = X, Y


def _huge(file: h5py.File) -> None:
    file.create_dataset("a", shape=(2**45,), dtype="f4", chunks=(2**20,)).attrs["fs"] = 1.0


def _negative(file: h5py.File) -> None:
    file["a"] = X
    file["a"].attrs["fs"] = -5.0


def _absurd(file: h5py.File) -> None:
    file["a"] = X
    file["a"].attrs["fs"] = 1e30


def _elsewhere(file: h5py.File) -> None:
    file.create_dataset("a", shape=(4,), dtype="u1", external=[("/etc/hostname", 0, 4)])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (_two, "several data sets"), (_huge, "promises 35184372088832"), (_negative, "rate or step of -5"),
        (_absurd, "impossible"), (_elsewhere, "no channel of samples"), (lambda file: None, "no channel"),
    ],
)  # fmt: skip
def test_a_wrong_hdf5_says_what_is_wrong(
    tmp_path: Path, build: Callable[[h5py.File], None], says: str
) -> None:
    with pytest.raises(RecordingError, match=says):
        read_recording(hdf5(build)(tmp_path / "a.h5"))


def test_a_wrong_uff_says_what_is_wrong(tmp_path: Path) -> None:
    spectrum = uff_set("a", X, func_type=2, abscissa_spec_data_type=18)
    with pytest.raises(RecordingError, match="no data set 58 holds a time signal"):
        read_recording(write_uff(tmp_path / "a.uff", spectrum))
    whole = write_uff(tmp_path / "b.uff", uff_set("a", X)).read_bytes()
    (tmp_path / "c.uff").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="does not end with the delimiter"):
        read_recording(tmp_path / "c.uff")
    lines = whole.splitlines(keepends=True)
    (tmp_path / "d.uff").write_bytes(b"".join(lines[:20] + lines[30:]))
    with pytest.raises(RecordingError, match="promises 400 values"):
        read_recording(tmp_path / "d.uff")
    (tmp_path / "e.uff").write_bytes(whole.replace(b"       400", b"2147483647"))
    with pytest.raises(RecordingError, match="promise 2147483647 values"):
        read_recording(tmp_path / "e.uff")


def test_a_tdms_file_whose_end_is_missing_says_so(tmp_path: Path) -> None:
    path = write_tdms(tmp_path / "a.tdms", ("a", X, {"wf_increment": 1 / RATE_HZ}))
    path.write_bytes(path.read_bytes()[:-400])
    recording = read_recording(path)
    assert recording.n_samples == 300
    assert "cut off" in recording.remarks[0]


def test_a_wrong_tdms_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="wf_increment"):
        read_recording(write_tdms(tmp_path / "a.tdms", ("a", X, {"wf_increment": -1.0})))
    with pytest.raises(RecordingError, match="no channel of samples"):
        read_recording(write_tdms(tmp_path / "b.tdms", ("a", np.array(["x", "y"]), {})))
    with pytest.raises(RecordingError, match="impossible"):
        read_recording(write_tdms(tmp_path / "c.tdms", ("a", X, {"wf_increment": 1e-30})))


@pytest.mark.parametrize("name", ["a.uff", "a.unv", "a.tdms", "a.h5", "a.hdf5"])
@pytest.mark.parametrize("content", [b"", b"\0" * 600, b"PK\x03\x04 of another kind", b"\xff\xfe\xfa" * 500])
def test_what_is_no_such_file_is_refused_with_a_remedy(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read_recording(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(("name", "library"), [("a.uff", "pyuff"), ("a.tdms", "nptdms"), ("a.h5", "h5py")])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    (tmp_path / name).write_bytes(b"something")
    imported = builtins.__import__

    def refuse(wanted: str, *rest: Any) -> Any:
        if wanted == library:
            raise ImportError(wanted)
        return imported(wanted, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RecordingError, match=r"(?i)needs .* install the extra: stethos\[files\]"):
        read_recording(tmp_path / name)
