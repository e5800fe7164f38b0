"""Entries of a `MANIFEST.json` to units with read arrays and sealed labels: every layout that is built.

Duty: reading, and saying what cannot be used and why; one entry's defect never stops the others. Reads no
`id` and no `description`, and concludes nothing from a file's name. Decides nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands import evaluate_pictures
from appliance.sources.recording_bounds import npz_arrays, npz_names
from appliance.sources.recording_notes import RecordingNotes, notes_from_manifest
from appliance.sources.recording_rows import TagRows, read_tag_rows
from appliance.sources.recordings import RATE_TOLERANCE, Recording, RecordingError, read_recording
from dsp.errors import DspError
from models.evaluation.protocol import Rows, Unit, UnreadableUnit, Waveforms
from models.evaluation.sealed import RevealedLabel, SealedLabel
from models.machine import Machine

NOT_READ = ("id", "description")
DAY_S = 86_400.0
DELIMITERS = {"csv": ",", "csv_semicolon": ";"}


@dataclass(slots=True)
class DatasetUnits:
    """What one data set offers to one task."""

    dataset: str
    task: str
    entries: list[dict[str, Any]] = field(default_factory=list)


def by_dataset(entries: list[dict[str, Any]], remark: Callable[[str], None]) -> list[DatasetUnits]:
    """Entries by data set and task, in the manifest's order; an entry that lacks a field is said aloud."""
    groups: dict[tuple[str, str], DatasetUnits] = {}
    for number, entry in enumerate(entries, start=1):
        blind = {key: value for key, value in entry.items() if key not in NOT_READ}
        for key in ("dataset", "task", "file"):
            if not isinstance(blind.get(key), str) or not blind[key]:
                remark(f"MANIFEST.json, entry {number} ({entry.get('file')}): field {key!r} is missing")
                blind[key] = f"(no {key})"
        of = (str(blind["dataset"]), str(blind["task"]))
        groups.setdefault(of, DatasetUnits(*of)).entries.append(blind)
    return list(groups.values())


def read_units(
    folder: Path, entry: dict[str, Any], remark: Callable[[str], None]
) -> Iterator[Unit | UnreadableUnit]:
    """The units of one entry: one per file, but one per run for layout `runs`, and one per picture."""
    name = str(entry["file"])
    label = entry.get("label") or {}
    if not isinstance(label, dict):
        remark(f"{name}: its label is {label!r}, not an object: taken as unlabelled")
        label = {}
    blind = {key: value for key, value in entry.items() if key != "label"}
    try:
        yield from _read(folder, name, blind, label, remark)
    except (RecordingError, DspError) as error:
        reason = str(error)
    except Exception as error:  # a damaged file or field makes foreign readers raise anything
        reason = f"{name}: it cannot be used ({type(error).__name__}: {error})"
    else:
        return
    remark(reason)
    yield UnreadableUnit(name, reason, SealedLabel(RevealedLabel(label)))


def _read(
    folder: Path, name: str, blind: dict[str, Any], label: dict[str, Any], remark: Callable[[str], None]
) -> Iterator[Unit | UnreadableUnit]:
    layout = str(blind.get("layout") or "")
    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        raise RecordingError(path, "it lies outside the folder", "name a file inside it")
    notes = _notes(path, blind)
    _check_sum(path, name, blind.get("sha256"), remark)
    unit = Unit(
        name=name,
        layout=layout,
        content=Waveforms((), 0.0, (), ""),
        sealed=SealedLabel(RevealedLabel(label)),
        machine=notes.machine,
        shaft_hz=notes.shaft_hz,
        bearing_channel=notes.bearing_channel or 0,
        group="" if blind.get("group") is None else str(blind["group"]),
        stated_unit=str(blind.get("unit") or ""),
    )
    if layout in evaluate_pictures.LAYOUTS:
        yield from evaluate_pictures.picture_units(path, unit, label, remark)
        return
    if layout in DELIMITERS:
        yield _table(path, unit, label, notes.sample_rate_hz, remark)
        return
    if layout not in _WAVEFORM_CHECKS:
        known = ", ".join((*_WAVEFORM_CHECKS, *DELIMITERS, *sorted(evaluate_pictures.LAYOUTS)))
        given = f"layout {layout!r} is not one that is known" if layout else "field 'layout' is missing"
        raise RecordingError(path, given, f"use {known}")
    recording = read_recording(path, notes.sample_rate_hz, notes.unit)
    for line in recording.remarks:
        remark(f"{name}: {line}")
    _WAVEFORM_CHECKS[layout](path, recording)
    if blind.get("task") == "diagnosis":
        unit = replace(unit, bearing_channel=_channel(path, name, blind, recording, remark))
    if layout == "runs":
        yield from _runs(path, recording, unit)
    else:
        starts = _starts(recording) if layout == "snapshots" else None
        yield replace(unit, content=_waveforms(recording, starts))


def _channel(
    path: Path, name: str, blind: dict[str, Any], recording: Recording, remark: Callable[[str], None]
) -> int:
    """The channel that the bearing is heard on, by index or name; the first where none is stated."""
    stated, names = blind.get("bearing_channel"), recording.channel_names
    if isinstance(stated, str) and stated in names:
        return names.index(stated)
    if not isinstance(stated, int) or isinstance(stated, bool) or stated < 0:
        remark(f"{name}: field 'bearing_channel' is missing or no index: channel 0 is taken")
        return 0
    if stated >= len(names):
        raise RecordingError(path, f"there is no channel {stated}", "correct bearing_channel")
    return stated


def _check_sum(path: Path, name: str, stated: object, remark: Callable[[str], None]) -> None:
    """Says aloud that a file is not the one the manifest was written for; it is judged all the same."""
    if isinstance(stated, str) and path.is_file():
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != stated.lower():
            remark(f"{name}: its sha256 is not the manifest's: it was changed or damaged since")


def _notes(path: Path, blind: dict[str, Any]) -> RecordingNotes:
    geometry = blind.get("machine_geometry")
    if geometry is not None and not isinstance(geometry, dict):
        raise RecordingError(
            path, f"its machine_geometry is {geometry!r}", "it should be an object, or left out"
        )
    try:
        notes = notes_from_manifest(blind, asset_id="machine")
    except (DspError, ArithmeticError) as error:
        raise RecordingError(path, f"its geometry is impossible ({error})", "mend or remove it") from error
    machine = notes.machine
    return replace(notes, machine=Machine("machine", "machine", nominal_shaft_hz=machine.nominal_shaft_hz,
                                          bearing=machine.bearing))  # fmt: skip


def _waveforms(recording: Recording, start_s: tuple[float, ...] | None) -> Waveforms:
    return Waveforms(
        tuple(segment.samples for segment in recording.segments),
        recording.sample_rate_hz,
        recording.channel_names,
        recording.unit,
        start_s,
    )


def _starts(recording: Recording) -> tuple[float, ...] | None:
    """Starts of snapshots; times of day that begin anew at midnight go on."""
    starts = np.array([segment.start_s for segment in recording.segments])
    if not np.isfinite(starts).all():
        return None
    days = np.concatenate([[0.0], np.cumsum(np.diff(starts) < -DAY_S / 2)])
    return tuple(float(start) for start in starts + days * DAY_S)


def _runs(path: Path, recording: Recording, unit: Unit) -> Iterator[Unit]:
    """One unit per run: which of them are healthy is as sealed as any label."""
    arrays = npz_arrays(path, {"config", "speed_percent"})
    for key in ("config", "speed_percent"):
        if key not in arrays or arrays[key].shape != (len(recording.segments),):
            raise RecordingError(
                path, f"it holds no {key!r} of each run", f"it should have {len(recording.segments)} values"
            )
    for index, segment in enumerate(recording.segments):
        config = int(arrays["config"][index])
        label = {"state": "healthy" if config == 1 else "faulty", "config": config}
        waveforms = Waveforms(
            (segment.samples,),
            recording.sample_rate_hz,
            recording.channel_names,
            recording.unit,
            speed_percent=float(arrays["speed_percent"][index]),
        )
        yield replace(
            unit,
            name=f"{unit.name}, run {index + 1}",
            content=waveforms,
            sealed=SealedLabel(RevealedLabel(label)),
        )


def _rows(path: Path, unit: Unit, remark: Callable[[str], None]) -> TagRows:
    """The table, also where its cells are parted as the other layout says."""
    wanted = DELIMITERS[unit.layout]
    try:
        return read_tag_rows(path, wanted)
    except RecordingError as refused:
        for delimiter in set(DELIMITERS.values()) - {wanted}:
            with contextlib.suppress(RecordingError):
                rows = read_tag_rows(path, delimiter)
                remark(f"{unit.name}: its cells are parted by {delimiter!r}, not as its layout says")
                return rows
        raise refused


def _table(
    path: Path,
    unit: Unit,
    label: dict[str, Any],
    stated_rate_hz: float | None,
    remark: Callable[[str], None],
) -> Unit:
    rows = _rows(path, unit, remark)
    for line in rows.remarks:
        remark(f"{unit.name}: {line}")
    steps_s = np.diff(rows.time_s)
    if stated_rate_hz is not None and len(steps_s) and np.median(steps_s) > 0:
        rate_hz = 1.0 / float(np.median(steps_s))
        if abs(stated_rate_hz / rate_hz - 1.0) > RATE_TOLERANCE:
            remark(
                f"{unit.name}: the file says {rate_hz:g} Hz, the notes {stated_rate_hz:g} Hz: "
                "the file is believed"
            )
    return replace(
        unit,
        content=Rows(rows.time_s, rows.values, rows.tag_names, rows.start_utc_ns),
        sealed=SealedLabel(RevealedLabel(label, rows.labels)),
    )


def _one_stretch(path: Path, recording: Recording) -> None:
    if len(recording.segments) != 1:
        raise RecordingError(
            path, f"it holds {len(recording.segments)} stretches", "its layout says one: correct 'layout'"
        )


def _with_lengths(path: Path, recording: Recording) -> None:
    if "lengths" not in npz_names(path):
        raise RecordingError(path, "it has no array 'lengths'", "its layout says bursts: correct 'layout'")


def _any_number(path: Path, recording: Recording) -> None:
    """A set of any size is one."""


_WAVEFORM_CHECKS: dict[str, Callable[[Path, Recording], None]] = {
    "recording": _one_stretch,
    "mfpt_mat": _one_stretch,
    "recordings": _any_number,
    "bursts": _with_lengths,
    "runs": _any_number,
    "snapshots": _any_number,
}
