"""Damaged UFF, TDMS and HDF5 files: refused by name, no crash, no hang; the guard that sees to it."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.sources.recording_columns import FoundChannel, RecordingError
from appliance.sources.recording_guard import read_guarded
from appliance.sources.recording_hdf5 import found_channels
from appliance.sources.recordings import read_recording
from tests.appliance.sources.recording_files import (
    RATE_HZ,
    X,
    Y,
    uff_set,
    write_hdf5,
    write_tdms,
    write_uff,
)


def whole_files(folder: Path) -> dict[str, bytes]:
    wave = {"wf_increment": 1 / RATE_HZ, "unit_string": "g"}
    return {
        "text.uff": write_uff(folder / "t.uff", uff_set("a", X), uff_set("b", Y, rsp_dir=2)).read_bytes(),
        "binary.uff": write_uff(folder / "b.uff", uff_set("a", X, binary=1)).read_bytes(),
        "a.tdms": write_tdms(folder / "a.tdms", ("a", X, wave), ("b", Y, wave)).read_bytes(),
    }


@pytest.mark.parametrize("name", ["text.uff", "binary.uff", "a.tdms"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_and_flipped_bytes_never_do_more_than_refuse(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    if not folder.exists():
        folder.mkdir()
        for kind, content in whole_files(folder).items():
            (folder / f"whole-{kind}").write_bytes(content)
    content = bytearray((folder / f"whole-{name}").read_bytes())
    edge = st.integers(0, min(len(content), 1500) - 1) | st.integers(0, len(content) - 1)
    for position in data.draw(st.lists(edge, max_size=6)):
        content[position] = data.draw(st.sampled_from([0, 0xFF, 0x20, 0x2D, 0x39]) | st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(1, len(content)))
    path = folder / f"damaged-{name}"
    path.write_bytes(content[:end])
    try:
        recording = read_recording(path, sample_rate_hz=1000.0)
    except RecordingError as error:
        assert error.remedy
    else:
        assert recording.n_samples >= 1
        assert np.isfinite(recording.sample_rate_hz)


def test_damaged_hdf5_is_refused_or_read_in_bounded_time(tmp_path: Path) -> None:
    whole = write_hdf5(tmp_path / "a.h5").read_bytes()
    random = np.random.default_rng(5)
    refused = 0
    for number in range(8):
        content = bytearray(whole)
        for _ in range(1 + number % 4):
            content[random.integers(8, len(content))] = random.integers(0, 256)
        cut = len(content) if number % 3 else random.integers(1, len(content))
        (tmp_path / "b.h5").write_bytes(content[:cut])
        try:
            read_recording(tmp_path / "b.h5", sample_rate_hz=1000.0)
        except RecordingError as error:
            refused += 1
            assert error.remedy
    assert refused >= 2  # the cut ones at least


# ---- the guard ----


def hang(_path: Path) -> list[FoundChannel]:
    while True:
        time.sleep(0.1)


def crash(_path: Path) -> list[FoundChannel]:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("unreachable")


def devour(_path: Path) -> list[FoundChannel]:
    np.zeros(2**40, dtype=np.uint8)
    return []


@pytest.mark.parametrize(
    ("reader", "says"),
    [(hang, "did not come to an end within 1 s"), (crash, "its reader died"), (devour, "Unable to allocate")],
)
def test_a_reader_that_hangs_dies_or_devours_is_an_error(tmp_path: Path, reader: Any, says: str) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"something")
    with pytest.raises(RecordingError, match=says) as caught:
        read_guarded(reader, path, limit_s=1.0)
    assert caught.value.remedy
    assert not multiprocessing.active_children()


def test_the_guard_changes_nothing(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "a.h5")
    direct, guarded = found_channels(path), read_guarded(found_channels, path)
    assert [(c.name, c.unit, c.sample_rate_hz) for c in guarded] == [
        (c.name, c.unit, c.sample_rate_hz) for c in direct
    ]
    for one, other in zip(direct, guarded, strict=True):
        np.testing.assert_array_equal(one.pieces[0][1], other.pieces[0][1])
