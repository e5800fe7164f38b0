"""`stethos export`: what an appliance has stored as CSV or Parquet, and recordings in other formats.

Duty: the command: arguments, what is said, exit codes. Exit 0: written; 1: the journal or the disk refused;
2: an argument or a recording cannot be used. Reads the journal beside a running service, writes nothing to
it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from appliance.capture_segment import PICTURE_UNIT, SegmentError
from appliance.captured_recording import captured_recording
from appliance.commands import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK
from appliance.commands.captures import read_captures
from appliance.commands.export_tables import write_table
from appliance.commands.export_trends import RowKind, Selection, TrendTable, parse_time
from appliance.config_file import load_settings
from appliance.errors import Rejected
from appliance.journal.archive import Archive
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import Capture
from appliance.sources.recording_notes import read_notes
from appliance.sources.recording_writers import WRITERS, write_recording
from appliance.sources.recordings import Recording, read_recording

EVER_NS = (0, 1 << 62)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `export` to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write stored trends as CSV or Parquet; a captured waveform or a recording in another format",
        description="Trends: one table in order of time, a row per stored window, score, process value, "
        "gap and alarm transition; units stand in the headings, times are ISO 8601 UTC and ns, a gap is a "
        "row of its own and nothing is interpolated. Works beside a running appliance. Recordings: "
        f"any that 'stethos replay' reads, written as {', '.join(WRITERS)} in m/s2 where the unit is known. "
        "With --capture, a waveform that the appliance kept around an alarm ('stethos captures' lists them), "
        "in the same formats.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="FILE", help="configuration of the appliance")
    source.add_argument("--state", type=Path, metavar="DIR", help="its state folder")
    source.add_argument("--recording", type=Path, metavar="FILE", help="convert this recording instead")
    parser.add_argument(
        "--capture", metavar="ID", help="write this captured waveform of the appliance instead of trends"
    )
    parser.add_argument(
        "--to", type=Path, required=True, metavar="OUT", help="file to write; its ending says the format"
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument("--json", action="store_true", help="say what was written as one JSON object")
    trends = parser.add_argument_group("which trends")
    trends.add_argument(
        "--from", dest="start", type=_time, metavar="TIME", help="ISO 8601; UTC without a zone"
    )
    trends.add_argument("--until", dest="end", type=_time, metavar="TIME", help="up to and with this time")
    trends.add_argument("--channel", action="append", metavar="ID", help="only this one; may be repeated")
    trends.add_argument("--feature", action="append", metavar="NAME", help="only this one; may be repeated")
    trends.add_argument(
        "--kind",
        action="append",
        choices=[str(kind) for kind in RowKind],
        help="only rows of this kind; may be repeated (default: all)",
    )
    facts = parser.add_argument_group("facts that a recording may lack")
    facts.add_argument("--rate", type=_positive, metavar="HZ", help="sampling rate")
    facts.add_argument("--unit", metavar="UNIT", help="g, m/s2 or mm/s2")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write `options.to`; see `add_parser` for the options, the module for exit codes."""
    try:
        if options.to.exists() and not options.force:
            raise Rejected(f"{options.to} exists: choose another name, or add --force")
        if options.recording is not None:
            if options.capture is not None:
                raise Rejected("--capture is of an appliance: give --config or --state, not --recording")
            said = _recording(options)
        else:
            said = _trends(options) if options.capture is None else _capture(options)
    except Rejected as error:
        print(f"stethos export: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except OSError as error:
        print(f"stethos export: {options.to} cannot be written: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    if options.json:
        print(json.dumps(said))
    else:
        print(", ".join(f"{key}: {value}" for key, value in said.items()))
    return EXIT_OK


def _state_folder(options: argparse.Namespace) -> Path:
    if options.config is None:
        return Path(options.state)
    return load_settings(options.config).station.state_dir


def _trends(options: argparse.Namespace) -> dict[str, object]:
    folder = _state_folder(options)
    selection = Selection(
        kinds=tuple(kind for kind in RowKind if options.kind is None or kind in options.kind),
        channels=None if options.channel is None else frozenset(options.channel),
        features=None if options.feature is None else frozenset(options.feature),
        start_ns=EVER_NS[0] if options.start is None else options.start,
        end_ns=EVER_NS[1] if options.end is None else options.end,
    )
    if selection.end_ns < selection.start_ns:
        raise Rejected("--until lies before --from: exchange them")
    archive = Archive(folder / "journal")
    try:
        table = TrendTable(archive, selection)
        rows = write_table(options.to, table.columns, table.rows())
        unreadable = archive.damaged_rows + table.left_out
    finally:
        archive.close()
    if unreadable:
        print(f"stethos export: {unreadable} records are damaged and left out", file=sys.stderr)
    return {"written": str(options.to), "rows": rows, "columns": len(table.columns), "left_out": unreadable}


def _capture(options: argparse.Namespace) -> dict[str, object]:
    journal = _state_folder(options) / "journal"
    known = {capture.capture_id: capture for capture in read_captures(journal)}
    capture = known.get(options.capture)
    if capture is None:
        raise Rejected(f"there is no capture {options.capture}: 'stethos captures' lists them")
    if capture.unit == PICTURE_UNIT:
        return _picture(CaptureFiles(journal), capture, options)
    nominal = options.to.name.lower().endswith(".wav")
    recording = captured_recording(CaptureFiles(journal), capture, nominal)
    for remark in recording.remarks:
        print(f"{capture.capture_id}: {remark}", file=sys.stderr)
    return _written(recording, options)


def _picture(files: CaptureFiles, capture: Capture, options: argparse.Namespace) -> dict[str, object]:
    """The picture of a part that a camera saw."""
    path: Path = options.to
    if path.suffix.lower() != ".png":
        raise Rejected(f"{capture.capture_id} is the picture of a part: name a .png file, not {path.name}")
    try:
        segment = files.segment(capture.parts[0].file) if capture.parts[0].file else None
    except (OSError, SegmentError) as error:
        raise Rejected(f"the picture {capture.capture_id} cannot be read: {error}") from error
    if segment is None or not segment.picture:
        raise Rejected(f"the picture {capture.capture_id} is gone: {capture.ended or 'nothing was stored'}")
    path.write_bytes(segment.picture)
    return {"written": str(path), "bytes": len(segment.picture)}


def _recording(options: argparse.Namespace) -> dict[str, object]:
    path: Path = options.recording
    if options.to.exists() and options.to.samefile(path):
        raise Rejected(f"{options.to} is the recording itself: choose another name")
    notes = read_notes(path, "recording")
    recording = read_recording(path, options.rate or notes.sample_rate_hz, options.unit or notes.unit)
    for remark in recording.remarks:
        print(f"{path}: {remark}", file=sys.stderr)
    return _written(recording, options)


def _written(recording: Recording, options: argparse.Namespace) -> dict[str, object]:
    written = write_recording(recording, options.to, replace=options.force)
    return {
        "written": ", ".join(str(file) for file in written),
        "channels": len(recording.channel_names),
        "samples": recording.n_samples,
        "sample_rate_hz": recording.sample_rate_hz,
        "unit": recording.unit,
    }


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2026-03-01, 2026-03-01T06:30:00 or 2026-03-01T06:30:00+02:00"
        ) from error


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} should be a positive number")
    return value
