"""`stethos profile BUNDLE...`: what each artefact costs on this box, and which is the best for a budget.

Duty: the command: arguments, progress, exit codes. Exit 0: measured; 1: nothing could be, or nothing keeps
the budget; 2: wrong arguments. No part of the service; needs no extra but the runtimes', and `files` for
pictures.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from appliance.commands import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK
from appliance.commands.profile_energy import EnergyMeter
from appliance.commands.profile_plot import PICTURES, draw
from appliance.commands.profile_report import as_json, report
from appliance.commands.profile_run import Measured, measured, profiled
from appliance.errors import Rejected
from models.errors import BundleError, ModelError
from models.manifest import Artefact
from models.runtime_profile import RuntimeProfile, best_within
from models.store import read_bundle

SECONDS = 3.0
MOST_MINUTES = 240.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `profile` to the command line."""
    parser = subparsers.add_parser(
        "profile",
        help="latency, throughput, memory and energy of a bundle's artefacts here, and the best for a budget",
        description="Each artefact is run as the service runs it, in the model host's child process, and "
        "judged on the rows that the bundle holds. Exit code 0: measured; 1: nothing could be measured, or "
        "nothing keeps the budget; 2: wrong arguments.",
    )
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="folders or .zip files")
    parser.add_argument("--backend", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="of calls for each artefact (%(default)g)"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="instead: a sustained run, from 2 on with throttling"
    )
    parser.add_argument(
        "--budget-ms", type=float, metavar="MS", help="name the best whose p99 is at most this"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="the Pareto picture: .png, .svg, .pdf, .html"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Profile the bundles; see the module for exit codes."""
    seconds = options.seconds if options.minutes is None else 60.0 * options.minutes
    if wrong := _wrong(options, seconds):
        print(f"stethos profile: {wrong}", file=sys.stderr)
        return EXIT_CONFIGURATION
    try:
        bundles = [measured(_name(path, options.bundles), read_bundle(path)) for path in options.bundles]
    except BundleError as error:
        print(f"stethos profile: {error}", file=sys.stderr)
        return EXIT_FAILED
    profiles, not_run = _measured(bundles, options.backend, seconds)
    lines = report(profiles, not_run, options.budget_ms)
    if options.json:
        print(json.dumps(as_json(profiles, not_run, options.budget_ms)))
    else:
        print("\n".join(lines))
    if options.plot is not None and profiles:
        try:
            draw(profiles, lines, options.budget_ms, options.plot)
        except (Rejected, OSError) as error:
            print(f"stethos profile: {error}", file=sys.stderr)
            return EXIT_CONFIGURATION
        print(f"drawn: {options.plot}", file=sys.stderr)
    fits = options.budget_ms is None or best_within(profiles, options.budget_ms * 1e3) is not None
    return EXIT_OK if profiles and fits else EXIT_FAILED


def _wrong(options: argparse.Namespace, seconds: float) -> str:
    """What of the arguments cannot be used; "" where all can."""
    if not (math.isfinite(seconds) and 0 < seconds <= 60.0 * MOST_MINUTES):
        return f"--seconds and --minutes must be above 0, and at most {MOST_MINUTES:g} minutes"
    if options.budget_ms is not None and not (math.isfinite(options.budget_ms) and options.budget_ms > 0):
        return "--budget-ms must be above 0"
    if options.plot is not None and options.plot.suffix not in PICTURES:
        return f"--plot {options.plot}: its name must end in one of {', '.join(PICTURES)}"
    return ""


def _name(path: Path, all_paths: list[Path]) -> str:
    """The shortest name that tells the bundles apart."""
    return path.name if sum(other.name == path.name for other in all_paths) == 1 else str(path)


def _measured(
    bundles: list[Measured], backends: list[str] | None, seconds: float
) -> tuple[list[RuntimeProfile], dict[str, str]]:
    """Profiles, and why the others were not measured."""
    work: list[tuple[Measured, Artefact]] = [
        (one, entry)
        for one in bundles
        for entry in one.bundle.manifest.artefacts
        if backends is None or entry.backend in backends
    ]
    profiles: list[RuntimeProfile] = []
    not_run: dict[str, str] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("profile", total=len(work))
        for one, entry in work:
            name = f"{one.name}, {entry.backend}, {entry.precision}"
            progress.update(bar, description=name)
            try:
                profiles.append(profiled(one, entry, seconds, EnergyMeter()))
            except ModelError as error:
                not_run[name] = str(error)
            progress.advance(bar)
    return profiles, not_run
