"""`stethos central`: what the central InfluxDB refused, its sending again, and a check of the way there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from appliance.commands import EXIT_OK, central_check
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.sinks.outbox_dead import read_dead_letters, redrive_dead_letters
from appliance.sinks.webhook_message import iso_time
from appliance.wiring_central import outbox_path

SHOWN = 50


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `central` and its actions to the command line."""
    parser = subparsers.add_parser(
        "central",
        help="check the way to the central InfluxDB, list what it refused, and send it again",
        description="Exit code 0: done; 1: not possible; 2: wrong configuration.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="records that the centre refused, the latest refusal first")
    listing.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"so many ({SHOWN})")
    again = actions.add_parser("redrive", help="let refused records be sent again")
    again.add_argument("ids", nargs="*", type=int, metavar="ID", help="of records; all refused ones without")
    for action in (listing, again):
        action.add_argument("--config", type=Path, required=True, metavar="FILE")
        action.add_argument("--json", action="store_true", help="print one JSON object")
    central_check.add_action(actions)
    listing.set_defaults(run=run_list)
    again.set_defaults(run=run_redrive)


def run_list(options: argparse.Namespace) -> int:
    """List refused records."""
    counts, letters = read_dead_letters(_path(options.config), max(0, options.limit))
    rows = [
        {
            "id": letter.sequence,
            "kind": letter.kind or letter.record_class.value,
            "subject": letter.subject,
            "key": letter.key,
            "recorded_at": iso_time(letter.time_ns),
            "refused_at": iso_time(letter.refused_ns) if letter.refused_ns else None,
            "reason": letter.reason,
        }
        for letter in letters
    ]
    if options.json:
        print(json.dumps({"refused": counts.refused, "sent_again": counts.again, "dropped": counts.dropped,
                          "dead_letters": rows}))  # fmt: skip
        return EXIT_OK
    print(
        f"{counts.refused} refused, {counts.again} wait to be sent again, {counts.dropped} older ones dropped"
    )
    for row in rows:
        print(f"  {row['id']} {row['kind']} {row['subject'] or row['key']}, "
              f"refused {row['refused_at'] or 'by an earlier release'}: {row['reason']}")  # fmt: skip
    if len(rows) < counts.refused:
        print(f"  ... and {counts.refused - len(rows)} more: --limit {counts.refused} shows all")
    return EXIT_OK


def run_redrive(options: argparse.Namespace) -> int:
    """Let refused records be sent again."""
    count = redrive_dead_letters(_path(options.config), options.ids or None)
    if options.json:
        print(json.dumps({"sent_again": count}))
    else:
        print(f"{count} records are sent again, by a running appliance within seconds")
    return EXIT_OK


def _path(config: Path) -> Path:
    settings = load_settings(config)
    if settings.central is None:
        raise Fatal(f"{config} has no [central]: nothing is sent, so nothing is refused")
    return outbox_path(settings.station.state_dir)
