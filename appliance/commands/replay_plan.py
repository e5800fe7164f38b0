"""Which recordings teach and which are judged: the order of work of a replay.

Duty: read files and their notes, apply options, and pair each file with the healthy files of the same machine
and rate. Prints nothing and analyses nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.bearing_catalogue import find_bearing
from appliance.sources.recording_notes import RecordingNotes, read_notes
from appliance.sources.recordings import Recording, RecordingError, read_recording
from appliance.sources.replay import recording_channels
from dsp.bearing import FaultMultipliers, fault_multipliers
from dsp.samples import Channel
from models.machine import Foundation

ASSET_ID = "machine"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One recording, what is known of its machine, and which of its channels count."""

    path: Path
    recording: Recording
    notes: RecordingNotes
    only: int | None  # the one channel to analyse; None: all

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Channels that the replay delivers."""
        return recording_channels(ASSET_ID, self.recording, self.only, self.notes.shaft_hz is not None)

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for recordings that may teach each other: same machine, rate, channels and unit."""
        machine = self.notes.machine
        return (
            machine.name,
            machine.bearing,
            self.recording.sample_rate_hz,
            self.recording.channel_names,
            self.recording.unit,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """One file to judge, after the healthy ones (maybe none) that teach its baseline."""

    file: PlannedFile
    healthy: tuple[PlannedFile, ...]


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Options that say about a recording what no note says."""
    facts = parser.add_argument_group("facts that a manifest or sidecar would give")
    facts.add_argument("--rate", type=positive, metavar="HZ", help="sampling rate, where the file has none")
    facts.add_argument("--unit", metavar="UNIT", help="g, m/s2 or mm/s2; without a unit levels mean nothing")
    facts.add_argument("--rpm", type=positive, help="shaft speed")
    facts.add_argument(
        "--bearing",
        metavar="6205|N,d,D[,ANGLE]",
        help="designation of the catalogue; or rolling elements, their and the pitch diameter (one unit), "
        "contact angle in degrees",
    )
    facts.add_argument("--multipliers", metavar="BPFO,BPFI,BSF,FTF", help="fault frequencies per revolution")
    facts.add_argument("--power-kw", type=positive, help="rated power, for ISO 20816-3")
    facts.add_argument("--foundation", choices=[str(f) for f in Foundation], help="for ISO 20816-3")
    facts.add_argument(
        "--channel", metavar="N|all", help="channel to analyse, from 0 (default: the noted one, else all)"
    )


def positive(text: str) -> float:
    """A positive finite number, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} should be a positive number")
    return value


def plan(files: Sequence[PlannedFile], healthy: Sequence[PlannedFile]) -> list[Judgement]:
    """Files in the order given, each with its teachers.

    Teachers are the `healthy` files, and files ahead of a judged one that their notes call healthy.
    """
    teachers = list(healthy)
    judged: list[Judgement] = []
    for position, file in enumerate(files):
        if file.notes.healthy and any(not later.notes.healthy for later in files[position + 1 :]):
            teachers.append(file)
            continue
        alike = tuple(t for t in teachers if t.likeness == file.likeness and t.path != file.path)
        judged.append(Judgement(file, alike))
    return judged


def load(path: Path, options: argparse.Namespace) -> PlannedFile:
    """One file with its notes; options win over notes. Raises RecordingError."""
    notes = read_notes(path, ASSET_ID)
    machine = notes.machine
    bearing = _bearing_option(path, options)
    if bearing is not None:
        machine = replace(machine, bearing=bearing)
    if options.power_kw is not None:
        machine = replace(machine, rated_power_kw=options.power_kw)
    if options.foundation is not None:
        machine = replace(machine, foundation=Foundation(options.foundation))
    shaft_hz = notes.shaft_hz
    if options.rpm is not None:
        shaft_hz = options.rpm / 60.0
        machine = replace(machine, nominal_shaft_hz=shaft_hz)
    notes = replace(notes, machine=machine, shaft_hz=shaft_hz)
    recording = read_recording(path, options.rate or notes.sample_rate_hz, options.unit or notes.unit)
    return PlannedFile(path, recording, notes, _chosen_channel(path, recording, notes, options.channel))


def _chosen_channel(
    path: Path, recording: Recording, notes: RecordingNotes, option: str | None
) -> int | None:
    n_channels = len(recording.channel_names)
    if option == "all":
        return None
    if option is not None:
        if not option.isdigit() or int(option) >= n_channels:
            raise RecordingError(path, f"it has no channel {option!r}", f"0 to {n_channels - 1}, or all")
        return int(option)
    if notes.bearing_channel is not None and notes.bearing_channel >= n_channels:
        raise RecordingError(
            path,
            f"its notes speak of channel {notes.bearing_channel}",
            f"it has {n_channels}, counted from 0",
        )
    return notes.bearing_channel


def _bearing_option(path: Path, options: argparse.Namespace) -> FaultMultipliers | None:
    try:
        if options.multipliers is not None:
            bpfo, bpfi, bsf, ftf = _numbers(options.multipliers, 4, 4)
            if 0.0 in (bpfo, bpfi, bsf, ftf):
                raise ValueError(f"a multiplier in {options.multipliers!r} is zero")
            return FaultMultipliers(bpfo, bpfi, bsf, ftf, round(bpfo + bpfi), True)
        if options.bearing is not None and "," not in options.bearing:
            known = find_bearing(options.bearing)
            if known is None:
                raise ValueError(f"{options.bearing!r} is not in the catalogue of bearings")
            return known.multipliers
        if options.bearing is not None:
            n, small, pitch, *angle = _numbers(options.bearing, 3, 4)
            if not n.is_integer():
                raise ValueError(f"{n:g} rolling elements")
            return fault_multipliers(int(n), small, pitch, angle[0] if angle else None)
    except ValueError as error:
        raise RecordingError(
            path, f"the bearing option cannot be used ({error})", "see 'stethos replay --help'"
        ) from error
    return None


def _numbers(text: str, least: int, most: int) -> list[float]:
    """So many finite numbers, none negative, parted by commas. Raises ValueError."""
    parts = text.split(",")
    if not least <= len(parts) <= most:
        wanted = f"{least}" if least == most else f"{least} or {most}"
        raise ValueError(f"{len(parts)} values in {text!r}; {wanted} are needed")
    numbers = []
    for part in parts:
        try:
            number = float(part)
        except ValueError:
            raise ValueError(f"{part!r} is not a number") from None
        if not 0.0 <= number < float("inf"):
            raise ValueError(f"{part!r} should be zero or a positive number")
        numbers.append(number)
    return numbers
