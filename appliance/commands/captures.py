"""`stethos captures`: lists the raw waveforms that an appliance has kept around alarms.

Reads the journal beside a running service, and writes nothing to it. `stethos export --capture` writes one
out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from appliance.capture_segment import PICTURE_UNIT
from appliance.commands import EXIT_OK
from appliance.commands.export_trends import iso_utc
from appliance.config_file import load_settings
from appliance.journal.archive import Archive
from appliance.journal.capture_record import Capture, captures_of
from appliance.journal.record import RecordKind

EVER_NS = (0, 1 << 62)
SHOWN = 50


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `captures` to the command line."""
    parser = subparsers.add_parser(
        "captures",
        help="list the raw waveforms that were kept around alarms",
        description="The latest first. 'stethos export --capture ID' writes one as WAV, CSV, Parquet or "
        "UFF 58. Exit code 0: listed; 1: the journal cannot be read; 2: wrong configuration.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="FILE", help="configuration of the appliance")
    source.add_argument("--state", type=Path, metavar="DIR", help="its state folder")
    parser.add_argument("--machine", metavar="ID", help="only of this machine")
    parser.add_argument("--alarm", metavar="ID", help="only those of this alarm")
    parser.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"so many ({SHOWN})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List captures; see `add_parser` for the options."""
    folder = options.state if options.config is None else load_settings(options.config).station.state_dir
    found = [
        capture
        for capture in read_captures(folder / "journal")
        if options.machine in (None, capture.asset_id)
        and (options.alarm is None or options.alarm in capture.alarm_ids)
    ]
    rows = [_row(capture) for capture in found[: max(0, options.limit)]]
    if options.json:
        print(json.dumps({"captures": rows, "total": len(found)}))
        return EXIT_OK
    size_mb = sum(capture.size_bytes for capture in found) / 1e6
    print(f"{len(found)} captures, {size_mb:.1f} MB")
    for row in rows:
        about = ", ".join(row["alarms"]) or "by hand"
        ended = f"; {row['ended']}" if row["ended"] else ""
        if row["unit"] == PICTURE_UNIT:
            size, told = row["size_bytes"] / 1e6, [one.get("text", "") for one in row["triggers"][:1]]
            print(f"  {row['id']}  {row['trigger_time']}  picture, {size:.1f} MB, {''.join(told)}{ended}")
            continue
        print(
            f"  {row['id']}  {row['trigger_time']}  {row['duration_s']:.1f} s x {len(row['channels'])} "
            f"channels, {row['size_bytes'] / 1e6:.1f} MB, {about}{ended}"
        )
    if len(rows) < len(found):
        print(f"  ... and {len(found) - len(rows)} more: --limit {len(found)} shows all")
    return EXIT_OK


def read_captures(journal_folder: Path) -> list[Capture]:
    """All captures of a journal, the latest first. Raises Fatal."""
    archive = Archive(journal_folder)
    try:
        subjects = [(RecordKind.CAPTURE, subject) for subject in archive.subjects(RecordKind.CAPTURE)]
        return captures_of(archive.records(subjects, *EVER_NS))
    finally:
        archive.close()


def _row(capture: Capture) -> dict[str, Any]:
    return {
        "id": capture.capture_id,
        "trigger_time": iso_utc(capture.trigger_time_ns),
        "time_trusted": capture.time_trusted,
        "machine": capture.asset_id,
        "sensor": capture.sensor_id,
        "channels": list(capture.channels),
        "unit": capture.unit,
        "sample_rate_hz": capture.nominal_rate_hz,
        "start_time": iso_utc(capture.start_ns),
        "duration_s": capture.duration_s,
        "size_bytes": capture.size_bytes,
        "complete": capture.complete,
        "ended": capture.ended,
        "alarms": list(capture.alarm_ids),
        "triggers": list(capture.triggers),
        "files": [part.file for part in capture.parts if part.file],
    }
