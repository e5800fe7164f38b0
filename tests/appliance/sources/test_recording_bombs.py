"""Files of a few kilobytes that would fill the memory are refused before they are unpacked."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from appliance.sources.recordings import RecordingError, read_recording

ZEROS = bytes(1 << 24)  # 16 MiB
MAX_RISE_MIB = 400
READ = """
import json, sys
from pathlib import Path
from appliance.sources import recording_tables
from appliance.sources.recordings import RecordingError, read_recording
import pyarrow, pyarrow.csv, pyarrow.parquet, scipy.io
def peak_mib():  # getrusage would count what the parent had
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(said["VmHWM"].split()[0]) // 1024
before, said = peak_mib(), ""
try: read_recording(Path(sys.argv[1]), 1000.0)
except RecordingError as error: said = str(error)
print(json.dumps([said, peak_mib() - before]))
"""


def _deflated(data: bytes) -> bytes:
    """A piece of a deflated stream that may be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def npz(path: Path) -> None:
    """160 of those 16 MiB behind one head: the same deflated piece again and again."""
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    head += b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % (160 * len(ZEROS) // 8)
    head = head.ljust(127) + b"\n"
    last = zlib.compressobj(9, zlib.DEFLATED, -15).flush(zlib.Z_FINISH)
    body, size = _deflated(head) + _deflated(ZEROS) * 160 + last, 128 + 160 * len(ZEROS)
    info = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(body), size, 5, 0)
    entry = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 33, 0, len(body), size, 5, 0, 0, 0, 0, 0, 0)
    local = b"PK\x03\x04" + info + b"x.npy" + body
    central = b"PK\x01\x02" + entry + b"x.npy"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)
    assert zipfile.ZipFile(path).getinfo("x.npy").file_size == size


def csv_gz(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x\n") + gzip.compress(b"0\n" * (1 << 22)) * 80)


def mat(path: Path) -> None:
    scipy.io.savemat(path, {"bearing": {"gs": np.zeros(8), "sr": 1000.0}})
    body = b"\x78\xda" + _deflated(struct.pack("<II", 14, 0xFFFFFFF0)) + _deflated(ZEROS) * 160
    with path.open("ab") as stream:
        stream.write(struct.pack("<II", 15, len(body)) + body)


def parquet_rows(path: Path) -> None:
    rows = pa.table({"x": pa.array(np.zeros(1 << 24, np.int8))})
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(17):
            writer.write_table(rows)


def parquet_text(path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), pa.array(["9" * 1_000_000]))
    rows = pa.table({"time": words.cast(pa.dictionary(pa.int32(), pa.string())), "x": np.zeros(100_000)})
    pq.write_table(rows, path, compression="zstd")


def parquet_other_text(path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), pa.array(["9" * 1_000_000]))
    pq.write_table(pa.table({"note": words, "x": np.zeros(100_000)}), path, compression="zstd")


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (npz, "bomb.npz", "unpacked it holds more"),
        (csv_gz, "bomb.csv.gz", "unpacked it holds more"),
        (mat, "bomb.mat", "unpacked it holds more"),
        (parquet_rows, "rows.parquet", "it promises"),
        (parquet_text, "text.parquet", "characters, not times"),
        (parquet_other_text, "other.parquet", "not numbers"),
    ],
)
def test_a_bomb_is_refused_within_little_memory(
    tmp_path: Path, make: Callable[[Path], None], name: str, reason: str
) -> None:
    path = tmp_path / name
    make(path)
    assert path.stat().st_size < 10_000_000
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=100
    )
    said, rise_mib = json.loads(done.stdout)
    assert reason in said
    assert rise_mib < MAX_RISE_MIB


def test_what_is_not_a_signal_is_not_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(8.0), photograph=np.zeros(1 << 20))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content["x.npy"])
        archive.writestr("photograph.npy", b"not an array at all")
    assert read_recording(tmp_path / "a.npz", 1000.0).n_samples == 8


def test_times_as_text_and_labels_of_any_kind_are_still_read(tmp_path: Path) -> None:
    times = [f"2026-01-01T00:00:00.{ms:03d}" for ms in range(500)]
    columns = {"time": times, "x": np.arange(500.0), "label": ["healthy"] * 500}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    recording = read_recording(tmp_path / "a.parquet")
    assert (recording.n_samples, recording.sample_rate_hz) == (500, 1000.0)
    pq.write_table(pa.table({"x": ["a", "b"]}), tmp_path / "b.parquet")
    with pytest.raises(RecordingError, match="'x' holds string, not numbers"):
        read_recording(tmp_path / "b.parquet", 1000.0)
