"""`stethos reconcile`: how this box and the central InfluxDB agree, and the reports of the reconciliation.

Duty: reads the audit's file, which a running service may have open. Compares nothing: the service does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.reconcile.audit_book import read_reports, read_tally
from appliance.reconcile.report import Report
from appliance.sinks.points_report import FIGURES
from appliance.sinks.webhook_message import iso_time
from appliance.wiring_reconcile import audit_path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `reconcile` to the command line."""
    parser = subparsers.add_parser(
        "reconcile",
        help="say whether this box and the central InfluxDB agree; print reconciliation reports",
        description="Exit code 0: both sides agree; 1: they do not, or nobody knows; 2: wrong configuration.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--report", action="store_true", help="print the newest report in full")
    parser.add_argument("--limit", type=int, default=1, metavar="N", help="the newest N reports")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print how things stand."""
    settings = load_settings(options.config)
    if settings.central is None:
        raise Fatal(f"{options.config} has no [central]: nothing is sent, so there is nothing to compare")
    path = audit_path(settings.station.state_dir)
    reports = read_reports(path, max(1, options.limit))
    tally = read_tally(path)
    agree = bool(reports) and reports[0].agrees and not tally.differing and not tally.unasked
    if options.json:
        document = {
            "agree": agree,
            "points": {
                "sent": tally.sent,
                "confirmed": tally.confirmed,
                "differing": tally.differing,
                "cut_or_gone": tally.settled,
                "not_asked_yet": tally.unasked,
            },
            "reports": [report.document() for report in reports] if options.report else [],
        }
        print(json.dumps(document))
        return EXIT_OK if agree else EXIT_FAILED
    print(
        f"{tally.sent:,} points sent, {tally.confirmed:,} confirmed, {tally.differing:,} differ, "
        f"{tally.settled:,} cut by the centre's retention or no longer here, "
        f"{tally.unasked:,} not asked about yet"
    )
    if not reports:
        print("no report yet: the service makes the first one after its start, once the centre is reached")
    for report in reports if options.report else ():
        print_report(report)
    return EXIT_OK if agree else EXIT_FAILED


def print_report(report: Report) -> None:
    """One report, in full."""
    print(f"\nreport {report.report_id} of {iso_time(report.ended_ns)}, cause: {report.cause}")
    if report.outage_from_ns:
        print(f"  the centre was away from {iso_time(report.outage_from_ns)}")
    print(f"  {report.text}")
    for name, meaning in FIGURES.items():
        if report.figures[name]:
            print(f"  {report.figures[name]:>12,}  {meaning}")
    for line in report.lines:
        change = f" ({line.old or '-'} -> {line.new or '-'})" if line.old or line.new else ""
        print(f"  {line.part}: {line.subject}: {line.text}{change}")
    if report.lines_left_out:
        print(f"  ... and {report.lines_left_out:,} more")
