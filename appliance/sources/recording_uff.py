"""UFF / UNV: time signals in data sets 58 (ASCII) and 58b (binary), read by pyuff.

Duty: every data set 58 with a time abscissa as a channel; sets of the same DOF that repeat are its pieces.
Rate from the abscissa's increment, unit from the ordinate's label (or from data set 164 in SI), name from the
set's first line. Does not read spectra, shapes or meshes.

Format: SDRL universal file formats, University of Cincinnati, https://www.ceas3.uc.edu/sdrluff/
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_columns import (
    MAX_VALUES,
    Columns,
    FoundChannel,
    RecordingError,
    join_channels,
    missing_library,
    whole_rate,
)

MAX_UFF_BYTES = 512 * 1024**2  # pyuff unpacks a set into Python's own numbers: some twelve times its size
MAX_SETS = 4096
LEAST_VALUE_BYTES = 4  # of a binary float32; text is longer
TIME_RESPONSE, TIME, ACCELERATION = 1, 17, 12
GENERAL_FUNCTION, UNKNOWN = 0, 0
REAL = (2, 4)  # ordinate types of single and double precision
# E13.5 rounds the increment to six digits: a whole rate this near to it is the one that was meant.
INCREMENT_ROUNDING = 5.1e-6

Set = dict[str, Any]


def read_uff(path: Path) -> Columns:
    """Channels of a universal file. Raises RecordingError, or what pyuff raises on damaged files."""
    try:
        import pyuff
    except ImportError as error:
        raise missing_library(path, "pyuff") from error
    size = path.stat().st_size
    if size > MAX_UFF_BYTES:
        raise RecordingError(path, f"{size} bytes are too many", f"split it below {MAX_UFF_BYTES} bytes")
    _check_end(path)
    file = pyuff.UFF(str(path))
    types = [int(number) for number in file.get_set_types()]
    if len(types) > MAX_SETS:
        raise RecordingError(path, f"{len(types)} data sets are too many", f"at most {MAX_SETS} are read")
    si = any(_is_si(file.read_sets(index)) for index, number in enumerate(types) if number == 164)
    functions = [index for index, number in enumerate(types) if number == 58]
    heads = {index: file.read_sets(index, header_only=True) for index in functions}
    signals = {index: head for index, head in heads.items() if _is_time_signal(head)}
    if not signals:
        kinds = ", ".join(sorted({str(head.get("func_type")) for head in heads.values()})) or "none"
        raise RecordingError(
            path,
            f"no data set 58 holds a time signal (function types found: {kinds})",
            "export time responses (function type 1, real values)",
        )
    total = sum(int(head["num_pts"]) for head in signals.values())
    if (
        total > MAX_VALUES
        or total > size // LEAST_VALUE_BYTES
        or min(int(head["num_pts"]) for head in signals.values()) < 0
    ):
        raise RecordingError(
            path,
            f"its heads promise {total} values in {size} bytes",
            "it is cut off or damaged: copy it again",
        )
    return join_channels(path, _channels(path, file, signals, si))


def _check_end(path: Path) -> None:
    """A set without its closing delimiter would not be seen at all by pyuff."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4096))
        tail = stream.read()
    if not tail.rstrip().endswith(b"-1"):
        raise RecordingError(
            path, "it does not end with the delimiter -1", "it is cut off or no universal file: copy it again"
        )


def _is_si(units: Set) -> bool:
    return units.get("units_code") == 1


def _is_time_signal(head: Set) -> bool:
    abscissa = head.get("abscissa_spec_data_type", UNKNOWN)
    function = head.get("func_type")
    timely = abscissa == TIME or (abscissa == UNKNOWN and function == TIME_RESPONSE)
    return timely and function in (GENERAL_FUNCTION, TIME_RESPONSE) and head.get("ord_data_type") in REAL


def _channels(path: Path, file: Any, signals: dict[int, Set], si: bool) -> list[FoundChannel]:
    """Channels in the order of their first sets; one that comes again with the same DOF goes on."""
    ids = {_text(head, "id1") for head in signals.values()}
    dofs = {_dof(head) for head in signals.values()}
    found: dict[tuple[object, ...], FoundChannel] = {}
    for index, head in signals.items():
        rate_hz, start_s, samples = _samples(path, file.read_sets(index), index)
        unit = _text(head, "ordinate_axis_units_lab")
        if not unit and si and head.get("ordinate_spec_data_type") == ACCELERATION:
            unit = "m/s2"
        key = (_text(head, "id1"), *_dof(head))
        known = found.get(key)
        if known is None:
            name = _name(head, whole=len(ids) < len(dofs))
            found[key] = FoundChannel(name, unit or None, rate_hz, ((start_s, samples),))
            continue
        if known.sample_rate_hz is None or not math.isclose(known.sample_rate_hz, rate_hz, rel_tol=1e-6):
            raise RecordingError(
                path,
                f"data set {index + 1} has {rate_hz:g} Hz, an earlier one of {known.name!r} another rate",
                "split it into files of one rate",
            )
        pieces = (*known.pieces, (start_s, samples))
        found[key] = FoundChannel(known.name, known.unit, known.sample_rate_hz, pieces)
    return list(found.values())


def _samples(path: Path, content: Set, index: int) -> tuple[float, float, npt.NDArray[np.float64]]:
    """(rate in Hz, start in s, samples) of one set."""
    promised = int(content["num_pts"])
    samples = np.asarray(content["data"], dtype=np.float64)
    if len(samples) < promised or promised < 2:
        raise RecordingError(
            path,
            f"data set {index + 1} promises {promised} values and holds {len(samples)}",
            "it is cut off or damaged: copy it again",
        )
    samples = samples[:promised]
    if content["abscissa_spacing"] == 1:
        step_s, start_s = float(content["abscissa_inc"]), float(content["abscissa_min"])
    else:
        times = np.asarray(content["x"], dtype=np.float64)[:promised]
        start_s, step_s = float(times[0]), float(times[-1] - times[0]) / (promised - 1)
        # Times in text have six digits: late ones are coarse, and that is no unevenness.
        allowed = 1e-5 * float(np.abs(times).max()) + 0.25 * step_s
        if not np.abs(times - (start_s + step_s * np.arange(promised))).max() <= allowed:
            raise RecordingError(
                path, f"data set {index + 1} is sampled unevenly", "resample it to an even spacing"
            )
    if not (math.isfinite(step_s) and step_s > 0):
        raise RecordingError(
            path,
            f"data set {index + 1} has a time step of {step_s} s",
            "it should be above 0: export it again",
        )
    return whole_rate(1.0 / step_s, INCREMENT_ROUNDING), start_s, samples


def _text(head: Set, key: str) -> str:
    text = str(head.get(key, "")).strip()
    return "" if text.upper() == "NONE" else text


def _dof(head: Set) -> tuple[object, ...]:
    return _text(head, "rsp_ent_name"), head.get("rsp_node", 0), head.get("rsp_dir", 0)


def _name(head: Set, whole: bool) -> str:
    """The set's first line; with its node and direction where first lines do not tell channels apart."""
    first = _text(head, "id1")
    if first and not whole:
        return first
    entity, node, direction = _dof(head)
    axis = {1: "+x", 2: "+y", 3: "+z"}.get(abs(int(str(direction))), str(direction))
    axis = axis.replace("+", "-") if int(str(direction)) < 0 else axis
    return " ".join(part for part in (first, str(entity), f"{node}{axis}") if part)
