"""`stethos analyse FILE`: one recording as a vibration analyst wants to see it, in figures and in a picture.

Duty: the command: arguments, wording, JSON, exit codes. What is said comes from `models.channel_report`,
what is drawn from `analyse_plot`. Exit 0: analysed; 2: the file or an option cannot be used.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from appliance.bearing_catalogue import find_bearing
from appliance.commands.analyse_orders import (
    MeasuredShaft,
    add_shaft_options,
    measured_shaft,
    orders_json,
    orders_of,
    print_orders,
)
from appliance.commands.analyse_plot import draw_report
from appliance.commands.replay_plan import PlannedFile, add_machine_options, load, positive
from appliance.commands.timeline import finite
from appliance.errors import Rejected
from appliance.kernel_watch import Compilation, KernelWatch
from appliance.sources.recordings import RecordingError
from dsp.errors import DspError
from models.channel_report import ChannelReport, channel_report
from models.diagnosis import Verdict
from models.order_report import OrderReport
from models.record_kurtogram import KurtogramEngine

_VERDICT_STYLE = {Verdict.FAULT: "bold red", Verdict.HEALTHY: "green", Verdict.ABSTAIN: "yellow"}
_LEVEL_WORDS = {
    "rms_mps2": "RMS {:.3g} m/s2",
    "rms": "RMS {:.3g} (unit not stated)",
    "peak_mps2": "peak {:.3g} m/s2",
    "peak": "peak {:.3g}",
    "crest_factor": "crest factor {:.2f}",
    "kurtosis": "kurtosis {:.2f}",
    "velocity_rms_mm_s": "velocity {:.2f} mm/s RMS",
    "displacement_rms_um": "displacement {:.1f} um RMS",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `analyse` to the command line."""
    parser = subparsers.add_parser(
        "analyse",
        help="levels, zone, spectra, fault evidence and sensor verdict of one recording",
        description="Reads what 'stethos replay' reads, with the same facts of the machine from options, "
        "sidecar or manifest, and says what one recording shows, without a baseline. Exit code 0: analysed; "
        "2: the file or an option cannot be used.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--speed", metavar="1797rpm|29.95Hz", help="shaft speed with its unit; rpm without")
    parser.add_argument(
        "--plot", type=Path, metavar="OUT.png", help="also draw spectra, envelope and markers"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line per channel")
    parser.add_argument("--gear-teeth", type=int, metavar="N", help="teeth of the gear on this shaft")
    parser.add_argument(
        "--line-hz", type=positive, metavar="HZ", help="supply frequency of an induction motor"
    )
    parser.add_argument(
        "--engine",
        choices=("lanes", "scipy"),
        default="lanes",
        help="what computes the kurtogram: compiled code (default), or the plain definition",
    )
    add_shaft_options(parser)
    add_machine_options(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class AnalysedChannel:
    """One channel's report, and what it shows over the shaft's angle where that was measured."""

    report: ChannelReport
    orders: OrderReport | None = None
    order_remarks: tuple[str, ...] = ()


def run(args: argparse.Namespace) -> int:
    """Analyse `args.file`; see `add_parser` for the arguments and exit codes."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    console = Console(highlight=False, soft_wrap=True)
    KernelWatch(_FirstCompilation(errors)).begin()
    try:
        if args.speed is not None:
            args.rpm = speed_rpm(args.speed)
        file = load(args.file, args)
        machine = file.notes.machine
        machine = replace(
            machine,
            gear_teeth=args.gear_teeth or machine.gear_teeth,
            line_frequency_hz=args.line_hz or machine.line_frequency_hz,
        )
        file = replace(file, notes=replace(file.notes, machine=machine))
        channels = analysed(file, measured_shaft(file.recording, args), args.engine)
        for channel in channels:
            if args.json:
                console.print(json.dumps(as_json(file, channel)), markup=False)
            else:
                _print(console, file, channel)
        if args.plot is not None:
            for channel, out in zip(channels, _outputs(args.plot, channels), strict=True):
                draw_report(channel.report, file.path.name, out, channel.orders)
    except (RecordingError, DspError, Rejected, ValueError) as error:
        errors.print(str(error), style="red", markup=False)
        return 2
    return 0


class _FirstCompilation:
    """Says once why a first start takes seconds."""

    def __init__(self, console: Console) -> None:
        self._console: Console | None = console

    def __call__(self, found: Compilation) -> None:
        if self._console is not None:
            self._console.print("compiling for this processor, once ('stethos warm-up' does it ahead) ...")
        self._console = None


def speed_rpm(text: str) -> float:
    """A shaft speed in rpm from "1797rpm", "29.95 Hz" or "1797". Raises ValueError."""
    number, factor = text.strip().lower(), 1.0
    for unit, unit_factor in (("rpm", 1.0), ("1/min", 1.0), ("hz", 60.0)):
        if number.endswith(unit):
            number, factor = number.removesuffix(unit), unit_factor
            break
    try:
        value = float(number) * factor
    except ValueError:
        raise ValueError(f"--speed {text!r} is no speed; write it like 1797rpm or 29.95Hz") from None
    if not 0.0 < value < float("inf"):
        raise ValueError(f"--speed {text!r} should be above 0")
    return value


def analysed(
    file: PlannedFile,
    shaft: MeasuredShaft | None = None,
    engine: KurtogramEngine = "lanes",
    *,
    learned: Mapping[str, Any] | None = None,
    operating_state: str = "",
    limit_factor: float = 1.0,
) -> list[AnalysedChannel]:
    """Each channel that counts, the shaft's own left out, beside what a Diagnoser has learned.

    A measured speed wins over a stated one. Raises DspError.
    """
    recording, stated_hz = file.recording, file.notes.shaft_hz
    chosen: Sequence[int] = range(len(recording.channel_names)) if file.only is None else (file.only,)
    shaft_hz, longest = stated_hz, max(recording.segments, key=lambda one: len(one.samples))
    if shaft is not None:
        chosen = [column for column in chosen if column != shaft.column]
        shaft_hz = shaft.speed_hz or stated_hz
    if not chosen:
        raise ValueError("the only channel to analyse is the shaft's; name another with --channel")
    machine = replace(file.notes.machine, nominal_shaft_hz=shaft_hz)
    found = []
    for column in chosen:
        report = channel_report(
            recording.channel_names[column],
            [segment.samples[:, column] for segment in recording.segments],
            recording.sample_rate_hz,
            recording.unit,
            machine,
            shaft_hz=shaft_hz,
            engine=engine,
            learned=learned,
            operating_state=operating_state,
            limit_factor=limit_factor,
        )
        if shaft is None:
            found.append(AnalysedChannel(report))
            continue
        if shaft.speed_hz is not None:
            report = replace(report, speed_origin=report.speed_origin.replace("stated", "measured"))
        samples = longest.samples[:, column]
        orders, remarks = orders_of(shaft, samples, recording.sample_rate_hz, machine.gear_teeth, stated_hz)
        found.append(AnalysedChannel(report, orders, remarks))
    return found


def _outputs(plot: Path, channels: list[AnalysedChannel]) -> list[Path]:
    """One picture per channel: OUT.png, or OUT-CHANNEL.png where there are several."""
    if len(channels) == 1:
        return [plot]
    return [plot.with_name(f"{plot.stem}-{channel.report.channel}{plot.suffix}") for channel in channels]


def as_json(file: PlannedFile, channel: AnalysedChannel) -> dict[str, Any]:
    """A report as `--json` prints it; what cannot be stated is null."""
    report = channel.report
    diagnosis, rating = report.diagnosis, report.rating
    bearing = report.machine.bearing
    return {
        "file": str(file.path),
        "channel": report.channel,
        "unit": report.unit,
        "sample_rate_hz": report.sample_rate_hz,
        "duration_s": round(report.duration_s, 3),
        "remarks": list(file.recording.remarks),
        "sensor": {
            "verdict": str(report.sensor.verdict),
            "text": report.sensor.text,
            "remedy": report.sensor.remedy,
            "windows": report.windows,
            "windows_refused": report.windows_refused,
        },
        "levels": {name: finite(value) for name, value in report.levels.items()},
        "severity": {
            "severity": str(rating.severity),
            "zone": None if rating.zone is None else str(rating.zone),
            "reason": rating.reason,
            "limits_source": None if rating.limits is None else rating.limits.source,
        },
        "shaft": {"speed_hz": finite(report.shaft_hz), "origin": report.speed_origin},
        "bearing": None if bearing is None else bearing.designation,
        "diagnosis": {
            "verdict": diagnosis.verdict.value,
            "fault": diagnosis.fault,
            "confidence": diagnosis.confidence,
            "text": diagnosis.text,
            "frequency_hz": finite(diagnosis.frequency_hz),
            "ranking": [{"fault": one.fault, "evidence": one.evidence} for one in diagnosis.ranking],
        },
        "machine_lines": {name: finite(value) for name, value in report.machine_lines.items()},
        "machine_remarks": list(report.machine_remarks),
        "orders": orders_json(channel.orders, channel.order_remarks),
        "impulsive_band": None
        if report.kurtogram is None or report.kurtogram.best is None
        else {
            "lower_hz": report.kurtogram.best.lower_hz,
            "upper_hz": report.kurtogram.best.upper_hz,
            "kurtosis": finite(report.kurtogram.best.kurtosis),
            "chance": finite(report.kurtogram.best.chance),
        },
        "lines": [
            {
                "line": line.label,
                "fault": line.fault.value,
                "multiplier": round(line.multiplier, 4),
                "frequency_hz": finite(line.frequency_hz),
                "resolvable": line.resolvable,
                "fundamental_resolved": line.fundamental_resolved,
                "needed_record_s": finite(line.needed_s),
                "level_db": finite(line.level_db),
                "decoy_margin": finite(line.decoy_margin),
                "harmonics": line.harmonics,
            }
            for line in report.lines
        ],
    }


def _print(console: Console, file: PlannedFile, channel: AnalysedChannel) -> None:
    report, machine = channel.report, channel.report.machine
    console.print(f"[bold]{escape(str(file.path))}[/bold], channel {escape(report.channel)}")
    for remark in file.recording.remarks:
        console.print(f"  remark     {escape(remark)}", style="yellow")
    console.print(f"  recording  {report.duration_s:.2f} s at {report.sample_rate_hz:g} Hz")
    speed = report.speed_origin
    if report.shaft_hz is not None:
        speed = f"{report.shaft_hz * 60:.0f} rpm ({report.shaft_hz:.2f} Hz), {report.speed_origin}"
    console.print(f"  shaft      {speed}")
    if machine.bearing is not None:
        multipliers = machine.bearing
        console.print(
            f"  bearing    {escape(multipliers.designation or 'as stated')}: BPFO {multipliers.bpfo:.3f}, "
            f"BPFI {multipliers.bpfi:.3f}, 2xBSF {2 * multipliers.bsf:.3f}, FTF {multipliers.ftf:.3f} x shaft"
        )
        known = find_bearing(multipliers.designation) if multipliers.designation else None
        if known is not None and known.multipliers == multipliers:
            console.print(f"             {escape(known.source)}", style="dim")
    _print_sensor(console, report)
    levels = [
        _LEVEL_WORDS[name].format(value) for name, value in report.levels.items() if math.isfinite(value)
    ]
    console.print(f"  levels     {', '.join(levels)}")
    console.print(f"  severity   {report.rating.severity}: {escape(report.rating.reason)}")
    _print_machine(console, report)
    print_orders(console, channel.orders, channel.order_remarks)
    diagnosis = report.diagnosis
    style = _VERDICT_STYLE[diagnosis.verdict]
    console.print(
        f"  diagnosis  [{style}]{diagnosis.verdict.value}[/{style}]: {escape(diagnosis.text)} "
        f"(confidence {diagnosis.confidence:.2f})"
    )
    for line in report.lines:
        what = f"{line.label:6} {line.multiplier:7.3f} x shaft, {line.frequency_hz:8.2f} Hz"
        if line.resolvable:
            found = (
                f"{line.level_db:5.1f} dB over floor, {line.decoy_margin:4.1f} x decoys, "
                f"{line.harmonics} harmonics"
            )
            if not line.fundamental_resolved:
                found += f", by harmonics only (the line itself: {line.needed_s:.1f} s)"
        else:
            found = f"not resolvable: records of {line.needed_s:.1f} s show it"
        console.print(f"    {what}  {found}  {line.fault.value}")


def _print_machine(console: Console, report: ChannelReport) -> None:
    """Lines of shaft, gear and motor, and where impacts are."""
    shown = [
        f"{name.replace('_', ' ')} {value:.3g}"
        for name, value in report.machine_lines.items()
        if math.isfinite(value)
    ]
    if shown:
        console.print(f"  lines      {', '.join(shown)}")
    for remark in report.machine_remarks:
        console.print(f"             {escape(remark)}", style="dim")
    if report.kurtogram is not None:
        band = report.kurtogram.best
        words = "no band is impulsive beyond chance"
        if band is not None:
            where = f"{band.lower_hz:.0f} to {band.upper_hz:.0f} Hz"
            words = f"most impulsive from {where}, kurtosis {band.kurtosis:.1f}"
        console.print(f"  impacts    {words}")


def _print_sensor(console: Console, report: ChannelReport) -> None:
    if report.windows_refused == 0:
        console.print("  sensor     [green]ok[/green]")
        return
    console.print(
        f"  sensor     [bold red]check sensor: {report.sensor.verdict}[/bold red] in "
        f"{report.windows_refused} of {report.windows} windows. "
        f"{escape(report.sensor.text)} {escape(report.sensor.remedy)}"
    )
