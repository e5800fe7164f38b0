"""HDF5, read by h5py in a process of its own (the C library hangs on some damaged files).

Duty: HDF5 has no layout of its own for recordings, so these conventions are read. A signal is a data set of
numbers, (samples,) or two-dimensional with the longer axis as time. Its rate is an attribute of it or of a
group above it (RATE_NAMES, or a step: STEP_NAMES), a data set of one number with such a name beside it, or
one of times beside it; its unit an attribute (UNIT_NAMES), likewise; names of its columns one of
NAMES_NAMES. Where some data sets have a rate, only those are signals. Links to other files are not
followed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_columns import (
    FLOAT_ROUNDING,
    MAX_CHANNELS,
    MAX_VALUES,
    TIMES_ROUNDING,
    Columns,
    FoundChannel,
    RecordingError,
    join_channels,
    missing_library,
    whole_rate,
)
from appliance.sources.recording_guard import read_guarded

RATE_NAMES = (
    "sample_rate_hz", "sample_rate", "sampling_rate_hz", "sampling_rate", "sampling_frequency", "fs", "fs_hz",
)  # fmt: skip
STEP_NAMES = ("dt", "dt_s", "sample_interval_s", "sampling_interval", "wf_increment")
UNIT_NAMES = ("unit", "units", "unit_string")
NAMES_NAMES = ("channels", "channel_names", "names", "labels", "columns")
TIME_NAMES = ("time", "t", "time_s", "t_s")
MAX_OBJECTS = 10_000


def read_hdf5(path: Path) -> Columns:
    """Channels of an HDF5 file. Raises RecordingError."""
    try:
        import h5py  # noqa: F401 - the child needs it; here it is only asked for
    except ImportError as error:
        raise missing_library(path, "h5py") from error
    with path.open("rb") as stream:
        # The signature may stand behind a user block of 512, 1024, ... bytes (MATLAB -v7.3 writes 512).
        found = any(_at(stream, offset) == b"\x89HDF\r\n\x1a\n" for offset in (0, 512, 1024, 2048, 4096))
    if not found:
        raise RecordingError(
            path, "it has no HDF5 signature", "it is cut off or of another kind: copy it again"
        )
    return join_channels(path, read_guarded(found_channels, path))


def _at(stream: Any, offset: int) -> bytes:
    stream.seek(offset)
    return bytes(stream.read(8))


@dataclass(frozen=True, slots=True)
class _Signal:
    """A data set that holds samples, and what is known of it."""

    dataset: Any
    rate_hz: float | None
    n_samples: int
    n_columns: int
    transposed: bool


def found_channels(path: Path) -> list[FoundChannel]:
    """Channels of the file, read in this process: see `read_hdf5` for the guarded way."""
    import h5py

    with h5py.File(path, "r") as file:
        datasets = _datasets(path, file)
        signals = [signal for dataset in datasets if (signal := _signal(path, dataset)) is not None]
        rated = [signal for signal in signals if signal.rate_hz is not None]
        chosen = rated or signals
        if len(chosen) > 1 and not rated:
            names = ", ".join(repr(signal.dataset.name) for signal in chosen[:5])
            raise RecordingError(
                path,
                f"several data sets could be the signal ({names}) and none states a rate",
                "give the one meant an attribute 'sample_rate_hz'",
            )
        n_values = sum(signal.n_samples * signal.n_columns for signal in chosen)
        if n_values > MAX_VALUES or sum(signal.n_columns for signal in chosen) > MAX_CHANNELS:
            raise RecordingError(
                path, f"it promises {n_values} values", f"split it into files of {MAX_VALUES} values at most"
            )
        return [channel for signal in chosen for channel in _channels(signal, len(chosen))]


def _datasets(path: Path, file: Any) -> list[Any]:
    import h5py

    found: list[Any] = []
    seen = 0

    def visit(_name: str, item: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > MAX_OBJECTS:
            raise RecordingError(
                path, f"it holds more than {MAX_OBJECTS} objects", "take the signals out of it"
            )
        if isinstance(item, h5py.Dataset):
            found.append(item)

    file.visititems(visit)
    return found


def _signal(path: Path, dataset: Any) -> _Signal | None:
    """None where the data set is no signal: text, a single number, times, or kept in another file."""
    name = _base_name(dataset)
    shape = dataset.shape
    if shape is None or dataset.dtype.kind not in "fiu" or len(shape) not in (1, 2) or max(shape) < 2:
        return None
    if name in TIME_NAMES or dataset.is_virtual or dataset.external:
        return None
    if len(shape) == 1:
        n_samples, n_columns, transposed = shape[0], 1, False
    else:
        transposed = shape[1] > shape[0]
        n_samples, n_columns = max(shape), min(shape)
    if n_columns == 0:
        return None
    return _Signal(dataset, _rate(path, dataset, n_samples), n_samples, n_columns, transposed)


def _base_name(item: Any) -> str:
    return str(item.name or "").rsplit("/", 1)[-1].lower()


def _rate(path: Path, dataset: Any, n_samples: int) -> float | None:
    """Stated nearest first: at the data set, beside it, at the groups above it."""
    holder = dataset
    while True:
        for names, invert in ((RATE_NAMES, False), (STEP_NAMES, True)):
            value = _number(holder, names)
            if value is None:
                continue
            if not (math.isfinite(value) and value > 0):
                raise RecordingError(
                    path, f"{holder.name!r} states a rate or step of {value}", "it should be above 0"
                )
            return whole_rate(1.0 / value, FLOAT_ROUNDING) if invert else value
        if holder is not dataset:
            step_s = _step_of_times(holder, n_samples)
            if step_s is not None:
                return whole_rate(1.0 / step_s, TIMES_ROUNDING)
        if holder.name == "/":
            return None
        holder = holder.parent


def _number(holder: Any, names: tuple[str, ...]) -> float | None:
    """A number by name (in any case): an attribute, or in a group also a data set of one number."""
    for key in holder.attrs:
        if key.lower() in names:
            value = np.asarray(holder.attrs[key])
            if value.size == 1 and value.dtype.kind in "fiu":
                return float(value.ravel()[0])
    if hasattr(holder, "keys"):
        for key in holder:
            if key.lower() in names:
                item = holder.get(key)
                if getattr(item, "size", None) == 1 and item.dtype.kind in "fiu":
                    return float(np.asarray(item[()]).ravel()[0])
    return None


def _step_of_times(group: Any, n_samples: int) -> float | None:
    for key in group:
        if key.lower() not in TIME_NAMES:
            continue
        item = group.get(key)
        if getattr(item, "size", None) == n_samples and item.dtype.kind in "fiu" and n_samples <= MAX_VALUES:
            times = np.asarray(item[()], dtype=np.float64).ravel()
            step_s = float(np.median(np.diff(times)))
            if math.isfinite(step_s) and step_s > 0:
                return step_s
    return None


def _texts(holder: Any, names: tuple[str, ...]) -> list[str]:
    for key in holder.attrs:
        if key.lower() in names:
            values = np.asarray(holder.attrs[key]).ravel()
            return [
                value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in values
            ]
    return []


def _channels(signal: _Signal, n_signals: int) -> list[FoundChannel]:
    dataset = signal.dataset
    samples: npt.NDArray[Any] = np.asarray(dataset[()])
    if samples.ndim == 1:
        samples = samples[:, None]
    elif signal.transposed:
        samples = samples.T
    holders = [dataset]
    while holders[-1].name != "/":
        holders.append(holders[-1].parent)
    units: list[str] = next((found for holder in holders if (found := _texts(holder, UNIT_NAMES))), [])
    names: list[str] = next(
        (found for holder in holders if len(found := _texts(holder, NAMES_NAMES)) == signal.n_columns), []
    )
    own = str(dataset.name or "").strip("/").replace("/", " ")
    if not names:
        names = [own] if signal.n_columns == 1 else [f"{own} {i + 1}" for i in range(signal.n_columns)]
    elif n_signals > 1 and signal.n_columns > 1:
        names = [f"{own} {name}" for name in names]
    if len(units) != signal.n_columns:
        units = units[:1] * signal.n_columns
    return [
        FoundChannel(
            names[column],
            (units[column] or None) if units else None,
            signal.rate_hz,
            ((0.0, samples[:, column].astype(np.float64)),),
        )
        for column in range(signal.n_columns)
    ]
