"""`stethos evaluate`: how good diagnosis is on a folder of recordings that brings its own truth.

Duty: read `MANIFEST.json` and the recordings, run the protocol of each entry's task, print counts. The shell
around `models.evaluation`, which decides and counts. A unit's label is not looked at until its decision is
written, and `id` and `description` never.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from appliance.sources.recording_notes import notes_from_manifest, read_manifest
from appliance.sources.recordings import RecordingError, read_recording
from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION
from models.diagnosis import Diagnosis, DiagnosisSettings, Verdict
from models.evaluation.diagnosis_protocol import DECISIONS, settings_hash
from models.evaluation.outcome import (
    JudgedUnit,
    Truth,
    calibration,
    counts,
    counts_by_grade,
    judged,
    upper_bound_of_none,
)

BUILT_TASKS = frozenset({"diagnosis"})
_COLUMNS = (
    "n",
    "right",
    "wrong",
    "missed",
    "abstain",
    "first",
    "healthy_ok",
    "healthy_abstain",
    "healthy_false",
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge detection on a folder of recordings with known truth",
        description="Runs the protocol of each entry of DIR/MANIFEST.json and prints counts beside a simple "
        "baseline. Exit code 0: done; 2: the folder cannot be used.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with MANIFEST.json")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="also draw the counts as a picture")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate `args.data`; see `add_parser` for the arguments and exit codes."""
    try:
        entries = read_manifest(args.data / "MANIFEST.json")
    except RecordingError as error:
        print(error, file=sys.stderr)
        return 2
    results, remarks = evaluate(entries, args.data)
    if args.json:
        print(json.dumps(report(results, entries), indent=1))
    else:
        _print_tables(results, entries, remarks)
    if args.plot is not None:
        _plot(results, args.plot)
    return 0


def evaluate(
    entries: list[dict[str, Any]], folder: Path
) -> tuple[dict[tuple[str, str], list[JudgedUnit]], list[str]]:
    """Judged units by (data set, variant) of the task `diagnosis`, and what was odd about files."""
    results: dict[tuple[str, str], list[JudgedUnit]] = {}
    remarks: list[str] = []
    units = [entry for entry in entries if entry.get("task") == "diagnosis"]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for entry in progress.track(units, description="diagnosis"):
            decisions = _decisions(entry, folder, remarks)
            truth = _truth(entry)  # only now: the decisions are written
            if truth is None:
                remarks.append(
                    f"{entry.get('file')}: its label says neither healthy nor which fault, not scored"
                )
                continue
            for variant, diagnosis in decisions.items():
                unit = judged(str(entry.get("file")), diagnosis, truth)
                results.setdefault((str(entry.get("dataset")), variant), []).append(unit)
    return results, remarks


def _decisions(entry: dict[str, Any], folder: Path, remarks: list[str]) -> dict[str, Diagnosis]:
    """One decision per variant on one file; a file that cannot be read is an abstention, said aloud."""
    blind = {key: value for key, value in entry.items() if key not in ("label", "id", "description")}
    try:
        path = folder / str(blind.get("file"))
        notes = notes_from_manifest(blind, asset_id="machine")
        recording = read_recording(path, notes.sample_rate_hz, notes.unit)
        remarks.extend(f"{path}: {remark}" for remark in recording.remarks)
        channel = notes.bearing_channel or 0
        if channel >= len(recording.channel_names):
            raise RecordingError(path, f"there is no channel {channel}", "correct bearing_channel")
        segments = [segment.samples[:, channel] for segment in recording.segments]
        return {
            variant: decide(segments, recording.sample_rate_hz, notes.machine, notes.shaft_hz)
            for variant, decide in DECISIONS.items()
        }
    except (RecordingError, DspError) as error:
        remarks.append(str(error))
        nothing = Diagnosis("machine", "", 0, Verdict.ABSTAIN, None, 0.0, str(error), (), None, None)
        return dict.fromkeys(DECISIONS, nothing)


def _truth(entry: dict[str, Any]) -> Truth | None:
    label = entry.get("label") or {}
    grade = str(label.get("grade") or "")
    if label.get("state") == "healthy":
        return Truth(None, grade)
    fault = label.get("fault")
    return Truth(str(fault), grade) if label.get("state") == "faulty" and fault else None


def report(results: dict[tuple[str, str], list[JudgedUnit]], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The result as `--json` prints it."""
    settings = DiagnosisSettings()
    listed: list[dict[str, Any]] = [
        {
            "dataset": dataset,
            "task": "diagnosis",
            "variant": variant,
            "metrics": counts(units),
            "counts": {"by_grade": counts_by_grade(units), "calibration": calibration(units)},
            "units": [
                {
                    "unit": unit.unit,
                    "truth": unit.truth.fault or "healthy",
                    "grade": unit.truth.grade,
                    "verdict": unit.verdict.value,
                    "fault": unit.fault,
                    "confidence": unit.confidence,
                    "text": unit.text,
                    "outcome": unit.outcome.value,
                    "first": unit.first,
                }
                for unit in units
            ],
        }
        for (dataset, variant), units in results.items()
    ]
    listed += [
        {
            "dataset": dataset,
            "task": task,
            "variant": "not built",
            "metrics": {},
            "counts": {"files": n},
            "units": [],
        }
        for (dataset, task), n in sorted(_not_built(entries).items())
    ]
    return {
        "settings_hash": settings_hash(settings),
        "extractor_version": EXTRACTOR_VERSION,
        "results": listed,
    }


def _not_built(entries: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter(
        (str(entry.get("dataset")), str(entry.get("task")))
        for entry in entries
        if entry.get("task") not in BUILT_TASKS
    )


def _print_tables(
    results: dict[tuple[str, str], list[JudgedUnit]], entries: list[dict[str, Any]], remarks: list[str]
) -> None:
    console = Console(width=max(132, Console().width))
    table = Table(title="diagnosis: one file whole length, no training", padding=(0, 1))
    table.add_column("data set", no_wrap=True)
    table.add_column("variant", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column.replace("_", " "), justify="right", width=7)
    variants = list(dict.fromkeys(variant for _, variant in results))
    for variant in variants:
        every: list[JudgedUnit] = []
        for (dataset, of_variant), units in results.items():
            if of_variant != variant:
                continue
            every += units
            _add_row(table, dataset, variant, counts(units))
            grades = counts_by_grade(units)
            if set(grades) != {"ungraded"}:
                for grade, found in grades.items():
                    _add_row(table, f"  grade {grade}", "", found)
        _add_row(table, "all", variant, counts(every))
        table.add_section()
    console.print(table)
    if variants:
        _print_calibration(
            console, [unit for key, units in results.items() if key[1] == variants[0] for unit in units]
        )
    for (dataset, task), n in sorted(_not_built(entries).items()):
        console.print(f"{dataset}, {task}: not built ({n} files)", highlight=False)
    for remark in remarks:
        console.print(f"remark: {remark}", highlight=False, soft_wrap=True)
    console.print(
        f"settings {settings_hash(DiagnosisSettings())}, extractor {EXTRACTOR_VERSION}", highlight=False
    )


def _add_row(table: Table, name: str, variant: str, found: dict[str, int]) -> None:
    table.add_row(name, variant, *(str(found[column]) for column in _COLUMNS))


def _print_calibration(console: Console, units: list[JudgedUnit]) -> None:
    for row in calibration(units):
        console.print(
            f"confidence {row['low']:.2f}-{row['high']:.2f}: {row['n']:.0f} called, "
            f"mean {row['mean_confidence']:.2f}, right {row['right']:.2f}",
            highlight=False,
        )
    found = counts(units)
    faulted = found["right"] + found["wrong"] + found["missed"] + found["abstain"]
    healthy = found["n"] - faulted
    for what, rate, n in (("wrong", "wrong", faulted), ("healthy false", "healthy_false", healthy)):
        console.print(
            f"{what}: {found[rate]} of {n} (none would leave up to {upper_bound_of_none(n):.2f} at 95 %)",
            highlight=False,
        )


def _plot(results: dict[tuple[str, str], list[JudgedUnit]], path: Path) -> None:
    from matplotlib.figure import Figure

    outcomes = ("right", "wrong", "missed", "abstain", "healthy_ok", "healthy_abstain", "healthy_false")
    colours = ("#2a7f4f", "#b3261e", "#e08a00", "#b8b8b8", "#7fbf9b", "#d9d9d9", "#7a0000")
    figure = Figure(figsize=(9.0, 0.6 * len(results) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    names = [f"{dataset}\n{variant}" for dataset, variant in results]
    found = [counts(units) for units in results.values()]
    left = [0] * len(found)
    for outcome, colour in zip(outcomes, colours, strict=True):
        widths = [row[outcome] for row in found]
        axes.barh(names, widths, left=left, color=colour, label=outcome.replace("_", " "))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("files")
    axes.legend(ncols=4, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, dpi=120)
