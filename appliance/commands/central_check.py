"""`stethos central check`: says in words what is wrong with the way to the central InfluxDB.

Duty: builds the check from the configuration and prints its findings. Runs beside a running service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.config_central import CentralSettings
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.reconcile.central_check import Finding, Verdict
from appliance.wiring_central import check_central

_MARKS = {Verdict.GOOD: "ok     ", Verdict.WARNING: "WARNING", Verdict.BAD: "WRONG  "}


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to `stethos central`."""
    parser = actions.add_parser(
        "check", help="say what is wrong with address, TLS, token, database, clock ..."
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check; exit code 1 where something is wrong."""
    settings = load_settings(options.config)
    if settings.central is None:
        raise Fatal(f"{options.config} has no [central]: nothing is sent, so there is nothing to check")
    findings = asyncio.run(_findings(settings.central, settings.station.state_dir))
    bad = any(one.verdict is Verdict.BAD for one in findings)
    if options.json:
        rows = [
            {"subject": one.subject, "verdict": one.verdict, "text": one.text, "remedy": one.remedy}
            for one in findings
        ]
        print(json.dumps({"good": not bad, "findings": rows}))
        return EXIT_FAILED if bad else EXIT_OK
    for one in findings:
        print(f"{_MARKS[one.verdict]} {one.subject}: {one.text}")
        if one.remedy:
            print(f"        {one.remedy}")
    print("something is wrong" if bad else "the way to the centre is good")
    return EXIT_FAILED if bad else EXIT_OK


async def _findings(settings: CentralSettings, state_dir: Path) -> list[Finding]:
    return await check_central(settings, state_dir, time.time_ns)
