"""`stethos gaps`: every interval that should have data and has none, why, and what became of it.

Duty: the command: arguments, the table, exit codes. Exit 0: listed; 1: the journal cannot be read; 2: an
argument cannot be used. Reads the journal beside a running service, writes nothing to it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from appliance.commands import EXIT_CONFIGURATION, EXIT_OK
from appliance.commands.export_trends import parse_time
from appliance.config_file import load_settings
from appliance.errors import Rejected
from appliance.journal.archive import Archive
from appliance.journal.record import GapState, StoredGap
from appliance.sinks.webhook_message import iso_time

EVER_NS = (0, 1 << 62)
SHOWN = 100


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gaps` to the command line."""
    parser = subparsers.add_parser(
        "gaps",
        help="list intervals without data: channel, span, cause, state",
        description="Every interval that should have data and has none, from the journal's ledger. open: may "
        "still be backfilled, for a day; backfilled; lost. Works beside a running appliance.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="FILE", help="configuration of the appliance")
    source.add_argument("--state", type=Path, metavar="DIR", help="its state folder")
    parser.add_argument("--from", dest="start", metavar="TIME", help="ISO 8601; UTC without a zone")
    parser.add_argument("--until", dest="end", metavar="TIME", help="up to and with this time")
    parser.add_argument("--channel", action="append", metavar="ID", help="only this one; may be repeated")
    parser.add_argument("--only", choices=[str(one) for one in GapState], help="only gaps in this state")
    parser.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"so many ({SHOWN}); 0: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List gaps; see `add_parser` for the options, the module for exit codes."""
    try:
        start_ns = EVER_NS[0] if options.start is None else parse_time(options.start)
        end_ns = EVER_NS[1] if options.end is None else parse_time(options.end)
        if end_ns < start_ns:
            raise Rejected("--until lies before --from: exchange them")
    except ValueError as error:
        print(f"stethos gaps: {error}: write a time as 2026-03-01T06:30:00, UTC", file=sys.stderr)
        return EXIT_CONFIGURATION
    except Rejected as error:
        print(f"stethos gaps: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    folder = options.state if options.config is None else load_settings(options.config).station.state_dir
    archive = Archive(Path(folder) / "journal")
    try:
        channels = None if options.channel is None else frozenset(options.channel)
        found = archive.gaps(channels, start_ns, end_ns)
    finally:
        archive.close()
    found = [gap for gap in found if options.only in (None, str(gap.state))]
    shown = found[-options.limit :] if options.limit > 0 else found
    if options.json:
        print(json.dumps({"gaps": [_row(gap) for gap in shown], "totals": _totals(found)}))
    else:
        _print(shown, found)
    return EXIT_OK


def _row(gap: StoredGap) -> dict[str, object]:
    return {
        "gap_id": gap.gap_id,
        "channel": gap.channel_id,
        "start": iso_time(gap.start_ns),
        "end": iso_time(gap.end_ns),
        "start_ns": gap.start_ns,
        "end_ns": gap.end_ns,
        "duration_s": _seconds(gap),
        "cause": str(gap.cause),
        "state": str(gap.state),
        "samples_missing": gap.samples_missing,
        "provisional": gap.provisional,  # by a clock that is not trusted yet
    }


def _totals(gaps: Iterable[StoredGap]) -> list[dict[str, object]]:
    """Number and length by channel, cause and state."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for gap in gaps:
        total = sums.setdefault((gap.channel_id, str(gap.cause), str(gap.state)), [0, 0.0])
        total[0] += 1
        total[1] += _seconds(gap)
    return [
        {"channel": channel, "cause": cause, "state": state, "gaps": int(n), "duration_s": seconds}
        for (channel, cause, state), (n, seconds) in sorted(sums.items())
    ]


def _print(shown: Sequence[StoredGap], found: Sequence[StoredGap]) -> None:
    if not found:
        print("no gaps")
        return
    width = max(len(gap.channel_id) for gap in found)
    for gap in shown:
        missing = "" if gap.samples_missing is None else f", {gap.samples_missing:,} samples missing"
        doubt = ", by a clock that is not trusted" if gap.provisional else ""
        print(
            f"{gap.channel_id:{width}}  {iso_time(gap.start_ns)}  {_seconds(gap):>10,.1f} s  "
            f"{gap.state:10}  {gap.cause}{missing}{doubt}"
        )
    if len(shown) < len(found):
        print(f"... and {len(found) - len(shown):,} older ones: --limit 0 shows all")
    print()
    for total in _totals(found):
        print(
            f"{total['channel']:{width}}  {total['gaps']:,} {total['state']}, {total['cause']}: "
            f"{total['duration_s']:,.1f} s"
        )


def _seconds(gap: StoredGap) -> float:
    return (gap.end_ns - gap.start_ns) / 1e9
