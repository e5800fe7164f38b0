"""What a reader finds in a file before units and rate are settled, and the error for what it cannot use.

Duty: `RecordingError`, `Columns`, and the joining of channels that a file states one by one (UFF, TDMS,
HDF5), each with its own unit and rate, to the columns of one recording. Reads no files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.errors import Rejected
from appliance.installation import files_remedy

STANDARD_GRAVITY_MPS2 = 9.80665  # CGPM 1901
MAX_VALUES = 2**28  # of one file, all channels together: 1 GiB as float32
MAX_CHANNELS = 512
LONGEST_SPAN_S = 1e9  # thirty years: a start beyond it is no start
SAME_RATE = 1e-6
FLOAT_ROUNDING = 1e-12  # of a time step that is a double
TIMES_ROUNDING = 1e-6  # of a difference of times


class RecordingError(Rejected):
    """A file that cannot be replayed: which, why, and what would be right."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path = path
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Columns:
    """What a reader found in a file before units and rate are settled."""

    names: tuple[str, ...]
    segments: tuple[tuple[float | None, npt.NDArray[Any]], ...]  # (start in s or None, (n, n_channels))
    sample_rate_hz: float | None
    unit: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundChannel:
    """One channel as its file states it: each piece is (start in s or None, samples (n,))."""

    name: str
    unit: str | None
    sample_rate_hz: float | None
    pieces: tuple[tuple[float | None, npt.NDArray[Any]], ...]


def unit_to_si(unit: str | None) -> tuple[float, str]:
    """Factor to m/s2 and the unit after it; (1.0, "1") where the unit is not one of acceleration."""
    words = (unit or "").strip().lower().replace("²", "2").replace("^", "").replace("**", "")
    first = words.split()[0].strip(",;:()[]") if words else ""
    if first in ("g", "gn", "g_n"):
        return STANDARD_GRAVITY_MPS2, "m/s2"
    if first in ("mg", "milli-g"):
        return 1e-3 * STANDARD_GRAVITY_MPS2, "m/s2"
    if first in ("m/s2", "m/s/s", "mps2", "m/sec2", "ms-2"):
        return 1.0, "m/s2"
    if first in ("mm/s2",):
        return 1e-3, "m/s2"
    return 1.0, "1"


def whole_rate(rate_hz: float, tolerance: float) -> float:
    """A rate that was stated as a rounded time step: the whole one that is this near, else as it is."""
    whole = round(rate_hz) if rate_hz < 1e9 else 0
    return float(whole) if abs(whole / rate_hz - 1.0) <= tolerance else rate_hz


def missing_library(path: Path, library: str) -> RecordingError:
    """The error for a library of the extra `files` that is not installed."""
    return RecordingError(path, f"reading it needs {library}, which is not installed", files_remedy())


def join_channels(path: Path, channels: Sequence[FoundChannel]) -> Columns:
    """Channels of one file as columns of one rate.

    Where some state a unit of acceleration, they are brought to m/s2 and the others are left out; of several
    rates the highest is kept. What is left out stands in the remarks. Raises RecordingError.
    """
    if not channels:
        raise RecordingError(path, "it holds no channel of samples", "record again, or convert another file")
    if len(channels) > MAX_CHANNELS:
        raise RecordingError(
            path, f"{len(channels)} channels are too many", f"split it into files of {MAX_CHANNELS} at most"
        )
    remarks: list[str] = []
    chosen = _accelerations(channels, remarks)
    chosen = _fastest(chosen, remarks)
    accelerations = unit_to_si(chosen[0].unit)[1] == "m/s2"
    counts = {len(channel.pieces) for channel in chosen}
    if len(counts) != 1:
        raise RecordingError(
            path,
            f"its channels are recorded in {' and '.join(map(str, sorted(counts)))} pieces",
            "each piece should hold all channels: split it into files",
        )
    segments = [_joined(chosen, index, accelerations, remarks) for index in range(len(chosen[0].pieces))]
    labels = {channel.unit for channel in chosen}
    unit = "m/s2" if accelerations else labels.pop() if len(labels) == 1 else None
    return Columns(
        distinct_names([channel.name for channel in chosen]),
        tuple(zip(_starts(chosen, remarks), segments, strict=True)),
        chosen[0].sample_rate_hz,
        unit,
        tuple(dict.fromkeys(remarks)),
    )


def _accelerations(channels: Sequence[FoundChannel], remarks: list[str]) -> list[FoundChannel]:
    found = [channel for channel in channels if unit_to_si(channel.unit)[1] == "m/s2"]
    if not found:
        return list(channels)
    remarks.extend(
        f"channel {channel.name!r} is left out: its unit is {channel.unit or 'not stated'}, "
        "not one of acceleration"
        for channel in channels
        if unit_to_si(channel.unit)[1] != "m/s2"
    )
    return found


def _fastest(channels: Sequence[FoundChannel], remarks: list[str]) -> list[FoundChannel]:
    rate = max((c.sample_rate_hz for c in channels if c.sample_rate_hz is not None), default=None)
    if rate is None:
        return list(channels)
    kept = [c for c in channels if c.sample_rate_hz is not None and _alike(c.sample_rate_hz, rate)]
    remarks.extend(
        f"channel {channel.name!r} is left out: "
        + ("it states no rate" if channel.sample_rate_hz is None else f"it has {channel.sample_rate_hz:g} Hz")
        + f", the others {rate:g} Hz"
        for channel in channels
        if channel not in kept
    )
    return kept


def _alike(one_hz: float, other_hz: float) -> bool:
    return math.isclose(one_hz, other_hz, rel_tol=SAME_RATE)


def _joined(
    channels: Sequence[FoundChannel], index: int, accelerations: bool, remarks: list[str]
) -> npt.NDArray[np.float64]:
    pieces = [channel.pieces[index][1] for channel in channels]
    shortest = min(len(piece) for piece in pieces)
    if any(len(piece) != shortest for piece in pieces):
        remarks.append(f"its channels differ in length: all are cut to the shortest, {shortest} samples")
    return np.stack(
        [
            piece[:shortest].astype(np.float64) * (unit_to_si(channel.unit)[0] if accelerations else 1.0)
            for channel, piece in zip(channels, pieces, strict=True)
        ],
        axis=1,
    )


def _starts(channels: Sequence[FoundChannel], remarks: list[str]) -> list[float | None]:
    """Starts counted from the first piece; None for all where they do not run forward."""
    pieces = channels[0].pieces
    stated = [start for start, _ in pieces if start is not None]
    if len(stated) == len(pieces):
        starts = [start - stated[0] for start in stated]
        rate = channels[0].sample_rate_hz
        ends = [
            start + (0.0 if rate is None else (len(samples) - 1) / rate)
            for start, (_, samples) in zip(starts, pieces, strict=True)
        ]
        sane = all(math.isfinite(start) and start <= LONGEST_SPAN_S for start in starts)
        if sane and all(end < later for end, later in zip(ends, starts[1:], strict=False)):
            return list(starts)
        remarks.append("the starts of its pieces do not run forward: they are played one after the other")
    return [0.0] if len(pieces) == 1 else [None] * len(pieces)


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Printable names of at most 80 characters that stay distinct as channel ids."""
    taken: set[str] = set()
    distinct = []
    for position, name in enumerate(names):
        clean = "".join(c if c.isprintable() else " " for c in name).strip()[:80] or f"ch{position + 1}"
        candidate, number = clean, 1
        while (slug := re.sub(r"[^a-z0-9]+", "-", candidate.lower()).strip("-") or "channel") in taken:
            number += 1
            candidate = f"{clean} {number}"
        taken.add(slug)
        distinct.append(candidate)
    return tuple(distinct)
