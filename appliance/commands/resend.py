"""`stethos resend`: has records of an interval sent to the central InfluxDB once more.

Duty: notes the wish in the audit's file; a running service takes it up within seconds, another one once it
runs. Safe to repeat: a record that arrives again overwrites itself.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.journal.record import RecordClass
from appliance.reconcile.audit import KIND_CLASS
from appliance.reconcile.audit_book import DONE, FAILED, ResendRequest, ask_for_resend, read_request
from appliance.wiring_reconcile import audit_path

CLASSES = sorted({one.value for one in KIND_CLASS.values()})
LOOK_S = 0.5


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `resend` to the command line."""
    parser = subparsers.add_parser(
        "resend",
        help="have records of an interval sent to the central InfluxDB once more",
        description="Safe to repeat. Exit code 0: noted, or done; 1: not possible; 2: wrong configuration.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--from", dest="start", type=utc_ns, required=True, metavar="TIME",
                        help="begin, for example 2026-03-01T00:00Z")  # fmt: skip
    parser.add_argument("--to", dest="end", type=utc_ns, required=True, metavar="TIME",
                        help="end, not included")  # fmt: skip
    parser.add_argument("--class", dest="classes", choices=CLASSES, action="append", metavar="CLASS",
                        help=f"only this class ({', '.join(CLASSES)}); may be repeated")  # fmt: skip
    parser.add_argument("--wait", type=float, default=0.0, metavar="S", help="wait so long until it is done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def utc_ns(text: str) -> int:
    """An ISO 8601 time with its offset as UTC ns. Raises ArgumentTypeError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-03-01T00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} says no time zone: write {text}Z for UTC")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def run(options: argparse.Namespace) -> int:
    """Note the wish; wait for it where that is asked for."""
    settings = load_settings(options.config)
    if settings.central is None:
        raise Fatal(f"{options.config} has no [central]: nothing is sent")
    if options.end <= options.start:
        raise Fatal("--to must be later than --from")
    classes = {RecordClass(one) for one in options.classes or CLASSES}
    path = audit_path(settings.station.state_dir)
    number = ask_for_resend(path, options.start, options.end, classes)
    request = _waited(path, number, options.wait)
    if options.json:
        print(
            json.dumps(
                {"request": number, "state": request.state, "sent": request.sent, "note": request.note}
            )
        )
    elif request.state == DONE:
        print(f"{request.sent:,} records were sent again")
    elif request.state == FAILED:
        print(f"not possible, after {request.sent:,} records: {request.note}")
    else:
        told = f"{request.sent:,} sent so far; " if request.sent else ""
        print(f"noted as number {number}; {told}a running service sends the records once nothing else waits")
    return EXIT_FAILED if request.state == FAILED else EXIT_OK


def _waited(path: Path, number: int, limit_s: float) -> ResendRequest:
    give_up_s = time.monotonic() + limit_s
    while True:
        request = read_request(path, number)
        if request is None:
            raise Fatal(f"wish {number} is gone: the audit's file was replaced; ask again")
        if request.state in (DONE, FAILED) or time.monotonic() >= give_up_s:
            return request
        time.sleep(LOOK_S)
