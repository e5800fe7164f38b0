"""`stethos explain FILE`: why the appliance says of a recording what it says.

Duty: the command: arguments, wording, JSON, exit codes. The verdict is that of `stethos analyse`, `evaluate`
and live data; `models.explanation` takes it apart. Exit 0: explained; 2: the file or an option cannot be
used.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from appliance.commands.analyse import analysed, speed_rpm
from appliance.commands.evaluate_report import jsonable
from appliance.commands.explain_limits import (
    ChannelLimits,
    FaultLineLimit,
    LearnedLimit,
    LimitInForce,
    read_limits,
)
from appliance.commands.replay_plan import PlannedFile, add_machine_options, load
from appliance.config_file import load_settings
from appliance.errors import Fatal, Rejected
from dsp.errors import DspError
from dsp.fault_comb import HARMONICS
from models.channel_report import ChannelReport
from models.diagnosis import Verdict
from models.errors import ModelError
from models.explanation import ExplainedFault, Explanation, Sign, explained

_STYLE = {Verdict.FAULT: "bold red", Verdict.HEALTHY: "green", Verdict.ABSTAIN: "yellow"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain` to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="why this verdict: evidence per fault, decoys, band, speed, limits and their age",
        description="Takes the verdict of one recording apart: what was found for each fault, what calling "
        "it would need, and what stood in the way. With an appliance's journal also its limits and their "
        "age, and the lines beside the baseline of a channel. Exit code 0: explained; 2: the file or an "
        "option cannot be used.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--speed", metavar="1797rpm|29.95Hz", help="shaft speed with its unit; rpm without")
    parser.add_argument("--json", action="store_true", help="print one JSON line per channel")
    add_machine_options(parser)
    journal = parser.add_argument_group("what an appliance has learned")
    where = journal.add_mutually_exclusive_group()
    where.add_argument("--config", type=Path, metavar="CONFIG", help="configuration of the appliance")
    where.add_argument("--state", type=Path, metavar="DIR", help="its state folder")
    journal.add_argument(
        "--like",
        metavar="CHANNEL",
        help="compare the lines with the baseline of this channel of the appliance",
    )
    journal.add_argument("--operating-state", metavar="LABEL", help="of that baseline, where it has several")
    journal.add_argument(
        "--at", metavar="TIME", help="the limits in force then (2026-03-01T14:00Z; UTC without a zone); now"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain `args.file`; see `add_parser` for the arguments and exit codes."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if args.speed is not None:
            args.rpm = speed_rpm(args.speed)
        file = load(args.file, args)
        limits = _limits(args)
        learned, state, factor = None, "", 1.0
        if args.like is not None:
            learned, state = limits[0].diagnoser, limits[0].state_for(args.operating_state)
            factor = 1.0 if limits[0].fault_lines is None else limits[0].fault_lines.factor
        now_ns = time.time_ns() if args.at is None else time_ns_of(args.at)
        channels = analysed(file, learned=learned, operating_state=state, limit_factor=factor)
        for report in (one.report for one in channels):
            explanation = explained(report.found)
            if args.json:
                said = as_json(file, report, explanation, limits, now_ns)
                console.print(json.dumps(jsonable(said)), markup=False)
            else:
                _print(console, file, report, explanation, _limit_texts(limits, now_ns))
    except (Rejected, Fatal, DspError, ModelError, ValueError) as error:
        errors.print(str(error), style="red", markup=False)
        return 2
    return 0


def _limits(args: argparse.Namespace) -> list[ChannelLimits]:
    if args.config is None and args.state is None:
        if any(one is not None for one in (args.like, args.operating_state, args.at)):
            raise Rejected(
                "--like, --operating-state and --at need the journal: add --state DIR or --config CONFIG"
            )
        return []
    folder = args.state if args.config is None else load_settings(args.config).station.state_dir
    return read_limits(folder, args.like, None if args.at is None else time_ns_of(args.at))


def time_ns_of(text: str) -> int:
    """UTC ns of an ISO 8601 time, UTC where it names no zone. Raises Rejected."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(f"--at {text!r} is no time: write it as 2026-03-01T14:00Z") from error
    return round((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp() * 1e9)


def as_json(
    file: PlannedFile,
    report: ChannelReport,
    explanation: Explanation,
    limits: list[ChannelLimits],
    now_ns: int,
) -> dict[str, Any]:
    """One channel's explanation as `--json` prints it; what cannot be stated is null."""
    diagnosis, evidence = report.diagnosis, report.found.evidence
    return {
        "file": str(file.path),
        "channel": report.channel,
        "verdict": diagnosis.verdict.value,
        "fault": diagnosis.fault,
        "confidence": diagnosis.confidence,
        "text": diagnosis.text,
        "reasons": list(_reasons(report, explanation)),
        "shaft": {
            "speed_hz": report.shaft_hz,
            "origin": report.speed_origin,
            "line_tolerance": None if evidence is None else evidence.tolerance,
        },
        "band_hz": None if evidence is None else list(evidence.band_hz),
        "impulsive_band_hz": _impulsive_band(report),
        "records": report.found.records,
        "refused": list(report.found.refused),
        "faults": [_fault_json(one) for one in explanation.faults],
        "rises_db": dict(report.found.rises),
        "limits": [
            {
                "channel": one.channel_id,
                "operating_state": one.operating_state,
                "complete": one.complete,
                "learned_s": one.learned_s,
                "confirmed_s": one.confirmed_s,
                "windows": one.windows,
                "age_s": round(one.age_s(now_ns)),
                "age_trusted": one.time_trusted,
                "in_force": _in_force_json(one.in_force, now_ns),
            }
            for channel in limits
            for one in channel.limits
        ],
        "fault_line_limits": [
            {"channel": channel.channel_id, **channel.fault_lines.as_json(now_ns)}
            for channel in limits
            if channel.fault_lines is not None
        ],
    }


def _in_force_json(version: LimitInForce | None, now_ns: int) -> dict[str, Any] | None:
    """The version that was in force; null where the journal has none."""
    if version is None:
        return None
    return {
        "version": version.version,
        "action": version.action,
        "actor": version.actor,
        "said": version.said,
        "factor": version.factor,
        "locked": version.locked,
        "provisional": version.provisional,
        "age_s": round(version.age_s(now_ns)),
        "age_trusted": version.time_trusted,
    }


def _fault_json(one: ExplainedFault) -> dict[str, Any]:
    line = one.line
    return {
        "fault": one.fault,
        "evidence": one.evidence,
        "line": line.label,
        "multiplier": round(line.multiplier, 4),
        "frequency_hz": line.frequency_hz,
        "resolvable": line.resolvable,
        "needed_record_s": line.needed_s,
        "level_db": line.level_db,
        "decoy_margin": line.decoy_margin,
        "signs": [
            {
                "name": sign.name,
                "met": sign.met,
                "conditions": [
                    {"what": c.what, "found": c.found, "needed": c.needed, "unit": c.unit, "met": c.met}
                    for c in sign.conditions
                ],
            }
            for sign in one.signs
        ],
    }


def _impulsive_band(report: ChannelReport) -> list[float] | None:
    if report.kurtogram is None or report.kurtogram.best is None:
        return None
    return [report.kurtogram.best.lower_hz, report.kurtogram.best.upper_hz]


def _reasons(report: ChannelReport, explanation: Explanation) -> tuple[str, ...]:
    if report.windows_refused == report.windows:
        return (f"Nothing is said of the machine: {report.sensor.text} {report.sensor.remedy}",)
    return explanation.reasons


def _print(
    console: Console,
    file: PlannedFile,
    report: ChannelReport,
    explanation: Explanation,
    limit_texts: list[str],
) -> None:
    diagnosis = report.diagnosis
    style = _STYLE[diagnosis.verdict]
    console.print(f"[bold]{escape(str(file.path))}[/bold], channel {escape(report.channel)}")
    console.print(
        f"[{style}]{diagnosis.verdict.value}[/{style}]: {escape(diagnosis.text)} "
        f"(confidence {diagnosis.confidence:.2f})"
    )
    for remark in file.recording.remarks:
        console.print(f"  remark   {escape(remark)}", style="yellow")
    for reason in _reasons(report, explanation):
        console.print(f"  {escape(reason)}")
    _print_ground(console, report)
    for one in explanation.faults:
        _print_fault(console, one)
    if report.found.rises:
        shown = ", ".join(f"{key} {rise:+.1f} dB" for key, rise in sorted(report.found.rises.items()))
        console.print(f"  over the baseline: {shown}")
    for text in limit_texts:
        console.print(f"  limit    {escape(text)}")


def _print_ground(console: Console, report: ChannelReport) -> None:
    """What the evidence rests on: speed, bands, records."""
    evidence = report.found.evidence
    speed = report.speed_origin
    if report.shaft_hz is not None:
        speed = f"{report.shaft_hz * 60:.0f} rpm ({report.shaft_hz:.2f} Hz), {report.speed_origin}"
    if evidence is not None:
        speed += f"; a line may stand {100 * evidence.tolerance:.1f} % from its multiplier"
    console.print(f"  speed    {speed}")
    if evidence is not None:
        low, high = evidence.band_hz
        console.print(
            f"  band     {low:.0f} to {high:.0f} Hz: prewhitened, demodulated in half-overlapping bands, "
            "each by its own floor, averaged; none is chosen"
        )
    band = _impulsive_band(report)
    words = "none is impulsive beyond chance" if band is None else f"{band[0]:.0f} to {band[1]:.0f} Hz"
    console.print(f"           most impulsive by the kurtogram: {words}")
    refused = report.found.refused
    said = f"{report.found.records} used, averaged"
    if refused:
        said += f"; {len(refused)} refused: {', '.join(dict.fromkeys(refused))}"
    console.print(f"  records  {escape(said)}")


def _print_fault(console: Console, one: ExplainedFault) -> None:
    line = one.line
    where = f"{line.label} {line.multiplier:.3f} x shaft, {line.frequency_hz:.2f} Hz"
    if not line.resolvable:
        console.print(
            f"  [bold]{one.fault}[/bold]: {where}: could not be looked for; records of "
            f"{line.needed_s / HARMONICS:.1f} s resolve its harmonics, {line.needed_s:.1f} s the line itself"
        )
        return
    console.print(f"  [bold]{one.fault}[/bold]: evidence {one.evidence:.2f} (1 = called), {where}")
    for sign in one.signs:
        _print_sign(console, sign)


def _print_sign(console: Console, sign: Sign) -> None:
    console.print(f"    {sign.name}", style="dim")
    for condition in sign.conditions:
        mark = "[green]yes[/green]" if condition.met else "[red]no [/red]"
        console.print(f"      {mark} {escape(condition.text)}")


def _limit_texts(limits: list[ChannelLimits], now_ns: int) -> list[str]:
    said = []
    for channel in limits:
        said += [limit_text(one, now_ns) for one in channel.limits]
        if channel.fault_lines is not None:
            said.append(f"{channel.channel_id}, fault lines: {fault_line_text(channel.fault_lines, now_ns)}")
        if not channel.limits:
            said.append(f"{channel.channel_id}: nothing is learned yet")
    return said


def limit_text(limit: LearnedLimit, now_ns: int) -> str:
    """One limit in words: what it rests on and how old it is."""
    state = f"state {limit.operating_state!r}" if limit.operating_state else "its one operating state"
    where = f"{limit.channel_id}, {state}"
    hours = limit.learned_s / 3600.0
    if not limit.complete:
        anew = _in_force_words(limit.in_force, now_ns)
        return f"{where}: still learning, {_span(limit.learned_s)} of running so far{anew}"
    age = _span(limit.age_s(now_ns))
    doubt = "" if limit.time_trusted else ", by a clock that was not set"
    rests = f"{limit.windows} windows in {hours:.1f} h"
    since = f"run below it for {_span(limit.confirmed_s)} since"
    said = _in_force_words(limit.in_force, now_ns)
    return f"{where}: learned from {rests}, {age} old{doubt}, {since}{said}"


def fault_line_text(limit: FaultLineLimit, now_ns: int) -> str:
    """From which limit on a fault's lines are called, in words."""
    if limit.factor == 1.0:
        return "called at the usual limit"
    doubt = "" if limit.time_trusted else ", by a clock that was not set"
    age = _span(limit.age_s(now_ns))
    level = f"{100.0 * limit.factor:.0f} % of the usual limit"
    return f"called at {level}, settled by healthy running; {age} old{doubt}"


def _in_force_words(version: LimitInForce | None, now_ns: int) -> str:
    if version is None:
        return ""
    level = f"at {100.0 * version.factor:.0f} % of what was learned" if version.learned else "nothing learned"
    kept = [level, *(["locked"] if version.locked else []), *(["provisional"] if version.provisional else [])]
    age = _span(version.age_s(now_ns))
    return f"; version {version.version} in force for {age} ({', '.join(kept)}): {version.said}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{math.floor(seconds)} s"
