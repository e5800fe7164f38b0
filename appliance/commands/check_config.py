"""`stethos check-config`: says all that is wrong with a configuration file, without starting anything."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from appliance.asset_prospects import plate_notes, prospects
from appliance.commands import EXIT_CONFIGURATION, EXIT_OK
from appliance.config import ApplianceSettings, AssetSettings
from appliance.config_file import ConfigError, Problem, load_settings
from appliance.errors import Fatal
from appliance.machine_facts import bearing_notes
from appliance.wiring_models import bundle_problems


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check-config` to the command line."""
    parser = subparsers.add_parser(
        "check-config",
        help="say all that is wrong with a configuration file",
        description="Names file, key, reason and remedy of every mistake; of a usable file, what will be"
        " judged of each machine, and why not. Exit code 0: usable; 2: not.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check `options.file`."""
    settings: ApplianceSettings | None = None
    problems: list[Problem] = []
    try:
        settings = load_settings(options.file)
    except ConfigError as error:
        problems = error.problems
    if settings is not None:
        problems = _bearing_problems(options.file, settings)
        problems += [Problem(str(options.file), *one) for one in bundle_problems(settings)]
    if options.json:
        told: dict[str, object] = {"usable": not problems, "problems": [asdict(one) for one in problems]}
        if settings is not None and not problems:
            told["machines"] = [_judged(settings, asset) for asset in settings.assets]
        print(json.dumps(told))
    elif settings is not None and not problems:
        print(f"{options.file}: usable; {_summary(settings)}")
        for asset in settings.assets:
            print(f"{asset.name}:")
            for prospect in prospects(settings, asset):
                print(f"  {prospect.what + ':':<16}{'' if prospect.possible else 'NO: '}{prospect.text}")
            for note in bearing_notes(asset):
                print(f"note: bearing of {asset.name}: {note}")
            for note in plate_notes(settings, asset):
                print(f"note: {asset.name}: {note}")
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
    return EXIT_CONFIGURATION if problems else EXIT_OK


def _bearing_problems(path: Path, settings: ApplianceSettings) -> list[Problem]:
    """Bearings that no rule between settings can judge: what the arithmetic itself refuses."""
    problems = []
    for index, asset in enumerate(settings.assets):
        try:
            bearing_notes(asset)
        except Fatal as error:
            problems.append(
                Problem(str(path), f"assets[{index}].bearing", str(error), "Check the bearing's data sheet.")
            )
    return problems


def _judged(settings: ApplianceSettings, asset: AssetSettings) -> dict[str, object]:
    return {
        "id": asset.id,
        "judged": [asdict(prospect) for prospect in prospects(settings, asset)],
        "notes": [*bearing_notes(asset), *plate_notes(settings, asset)],
    }


def _summary(settings: ApplianceSettings) -> str:
    named = {
        "machines": [asset.name for asset in settings.assets],
        "sources": [f"{source.id} ({source.kind})" for source in settings.sources],
        "cameras": [f"{camera.id} ({camera.kind})" for camera in settings.cameras],
    }
    parts = [f"{what}: {', '.join(names)}" for what, names in named.items() if names]
    return "; ".join([*parts, f"state in {settings.station.state_dir}"])
