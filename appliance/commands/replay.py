"""`stethos replay FILE...`: recordings through the pipeline of the live appliance, as a printed timeline.

Duty: the command: arguments, progress, order of files, exit codes. Exit 0: judged; 2: a file or option cannot
be used (the others are judged all the same). A bundle that is there and cannot be used is no such option: the
timeline says so, and the statistical detector judges.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.analysis import PROFILES, AnalysisSettings, AssetAnalysis, Findings
from appliance.commands.replay_network import ReplayNetwork
from appliance.commands.replay_plan import ASSET_ID, Judgement, PlannedFile, add_machine_options, load, plan
from appliance.commands.replay_plot import Traces, draw
from appliance.commands.timeline import FileResult, JsonTimeline, TextTimeline
from appliance.config_models import backend_and_device
from appliance.errors import Rejected
from appliance.sources.recordings import RecordingError
from appliance.sources.replay import ReplaySource
from appliance.wiring_replay import RecordingPipeline, recording_pipeline
from dsp.errors import DspError
from dsp.framing import trend_window_samples
from dsp.window_extractor import Engine
from models.backends.table import BACKENDS
from models.one_class_judge import JUDGES, ROBUST

BETWEEN_FILES_S = 10.0
LEAST_WINDOW_SAMPLES = 64
NOT_SCORED = "no healthy recording of this machine was given: no window is scored, by a network neither"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `replay` to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="run recordings through the live pipeline and print what it makes of them",
        description="Reads .npz, MFPT .mat, .wav, .csv(.gz), .parquet, .uff/.unv (data sets 58), .tdms and "
        ".h5/.hdf5, with rate, unit and names from the file itself where it states them. HDF5: data sets of "
        "numbers with attributes sample_rate_hz (or fs, sampling_rate, dt ...) and unit, there or at a group "
        "above; all layouts stand in docs/recordings.md. Facts of the machine come from options, a "
        "sidecar TOML (FILE.toml, STEM.toml or machine.toml) or a MANIFEST.json beside or above the file. "
        "Healthy files of the same machine and rate, given first or with --healthy, teach the baseline; "
        "without any, only absolute evidence judges ('no baseline').",
        epilog="Keys of a sidecar, all optional: [recording] sample_rate_hz, unit, healthy, bearing_channel; "
        "[machine] name, shaft_rpm, rated_power_kw, foundation, gear_teeth; [machine.bearing] designation, "
        "n_rolling_elements, rolling_element_diameter_mm, pitch_diameter_mm, contact_angle_deg, or bpfo, "
        "bpfi, bsf, ftf.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--healthy", action="append", default=[], type=Path, metavar="FILE", help="learn from this one"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines: window, alarm, gap, sensor, summary"
    )
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="also draw levels, scores and alarms")
    parser.add_argument("--real-time", action="store_true", help="at the pace of the recording")
    parser.add_argument(
        "--every", type=float, default=None, metavar="S", help="print a window each S seconds"
    )
    parser.add_argument(
        "--engine",
        choices=[str(engine) for engine in Engine],
        default=str(Engine.LANES),
        help="what computes spectral features; values agree",
    )
    parser.add_argument(
        "--detector", choices=JUDGES, default=ROBUST, help="what scores windows once a baseline is learned"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="BUNDLE",
        help="score by this bundle's int8 network (autoencoder, one-class, temporal), run as the service "
        "runs it, with the statistical detector behind it where the bundle is damaged, does not fit or a "
        "runtime dies",
    )
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        type=_backend,
        metavar="NAME",
        help="runtime of the network, with a device after a colon; repeated, in order of preference "
        "(default: onnxruntime where it is installed, then numpy_reference)",
    )
    add_machine_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay `args.files`; see `add_parser` for the arguments, the module for exit codes."""
    return asyncio.run(_replay(args))


async def _replay(args: argparse.Namespace) -> int:
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    console = Console(highlight=False, soft_wrap=True)
    usable, failed = _usable(args, errors)
    if not usable:
        return 2
    every_s = args.every if args.every is not None else _default_every_s(usable)
    if args.bundle is not None and not args.bundle.exists():
        errors.print(f"{args.bundle}: there is no such folder or file", style="red", markup=False)
        return 2
    network = None if args.bundle is None else ReplayNetwork(args.bundle, args.backend)
    timeline: JsonTimeline | TextTimeline = (
        JsonTimeline(print) if args.json else TextTimeline(console.print, every_s)
    )
    traces: list[Traces] = []
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    with bar:
        if network is not None:
            await _started(network, bar)
        try:
            for judgement in usable:
                try:
                    settings = replace(
                        _settings(judgement), engine=Engine(args.engine), detector=args.detector
                    )
                    judged = await _judge(
                        judgement, settings, timeline, bar, real_time=args.real_time, network=network
                    )
                    traces.append(judged)
                except (DspError, ValueError) as error:
                    errors.print(f"{judgement.file.path}: {error}", style="red", markup=False)
                    failed = True
        finally:
            if network is not None:
                await asyncio.to_thread(network.close)
    if args.plot is not None and traces:
        try:
            draw(traces, args.plot)
        except Rejected as error:
            errors.print(str(error), style="red", markup=False)
            failed = True
    return 2 if failed else 0


def _usable(args: argparse.Namespace, errors: Console) -> tuple[list[Judgement], bool]:
    """Judgements of the files that can be used; every other one is named on stderr."""
    failed = False

    def loaded(paths: list[Path]) -> list[PlannedFile]:
        nonlocal failed
        files = []
        for path in paths:
            try:
                files.append(load(path, args))
            except RecordingError as error:
                errors.print(str(error), style="red", markup=False)
                failed = True
        return files

    return plan(loaded(args.files), loaded(args.healthy)), failed


def _default_every_s(judgements: list[Judgement]) -> float:
    """Some forty lines a file are enough for a reader; `--every 0` shows all."""
    return max(judgement.file.recording.duration_s for judgement in judgements) / 20.0


def _settings(judgement: Judgement) -> AnalysisSettings:
    settings = PROFILES["recording_with_baseline" if judgement.healthy else "recording"]
    files = (judgement.file, *judgement.healthy)
    shortest = min(len(segment.samples) for file in files for segment in file.recording.segments)
    usual = trend_window_samples(judgement.file.recording.sample_rate_hz)
    if shortest >= usual:
        return settings
    # Snapshots shorter than a second: what they can state is stated, velocity from 10 Hz on is not.
    return replace(settings, window_samples=max(LEAST_WINDOW_SAMPLES, shortest - shortest % 2))


async def _started(network: ReplayNetwork, bar: Progress) -> None:
    task = bar.add_task("starting the network's runtimes", total=None)
    await asyncio.to_thread(network.start)
    bar.remove_task(task)


def _backend(text: str) -> str:
    """The name of a runtime, for argparse."""
    name, _ = backend_and_device(text)
    if name not in BACKENDS:
        raise argparse.ArgumentTypeError(f"{name!r} is no backend; there are: {', '.join(sorted(BACKENDS))}")
    return text


class _Told:
    """Hands findings to the timeline of the file that is being played."""

    def __init__(self, timeline: JsonTimeline | TextTimeline, network: ReplayNetwork | None) -> None:
        self._timeline = timeline
        self._network = network
        self.result: FileResult | None = None
        self.traces: Traces | None = None
        self.remarks: list[str] = []  # on the network, of the file that is played next
        self.zero_ns = 0

    def take(self, findings: Findings) -> None:
        assert self.result is not None
        self.result.take(findings)
        if self.traces is not None:
            self.traces.take(findings, self.zero_ns)
        if self._network is not None and findings.features:
            at_s = (findings.features[0].start_ns - self.zero_ns) / 1e9
            if text := self._network.news(at_s):
                self._timeline.network(text, self.result.file, at_s)
        self._timeline.show(findings, self.result.file, self.zero_ns)

    def begin_file(self, result: FileResult, zero_ns: int) -> None:
        self.result = result
        self.zero_ns = zero_ns
        self._timeline.unscored = "learning" if result.learned_from else "no baseline"
        for text in self.remarks:
            self._timeline.network(text, result.file, 0.0)

    def end_file(self) -> None:
        assert self.result is not None
        self._timeline.summarise(self.result)


class _Player:
    """Plays the files of one judgement one after the other, each from its own zero on."""

    def __init__(self, pipeline: RecordingPipeline, told: _Told, bar: Progress, real_time: bool) -> None:
        self._pipeline = pipeline
        self._told = told
        self._bar = bar
        self._real_time = real_time
        self._start_ns = 0

    async def play(self, file: PlannedFile, result: FileResult) -> None:
        """All of one file, to its summary."""
        recording = file.recording
        result.seconds = recording.duration_s
        self._told.begin_file(result, self._start_ns)
        for remark in recording.remarks:
            self._bar.console.print(f"{file.path}: {remark}", style="yellow", markup=False)
        task = self._bar.add_task(file.path.name, total=recording.n_samples)
        source = ReplaySource(
            str(file.path),
            ASSET_ID,
            recording,
            shaft_hz=file.notes.shaft_hz,
            only=file.only,
            start_ns=self._start_ns,
            real_time=self._real_time,
            on_progress=lambda samples: self._bar.update(task, completed=samples),
        )
        await self._pipeline.play(source)
        await self._pipeline.finish()
        self._bar.remove_task(task)
        self._told.end_file()
        last = recording.segments[-1]
        span_s = last.start_s + len(last.samples) / recording.sample_rate_hz
        self._start_ns += round((span_s + BETWEEN_FILES_S) * 1e9)


async def _judge(
    judgement: Judgement,
    settings: AnalysisSettings,
    timeline: JsonTimeline | TextTimeline,
    bar: Progress,
    *,
    real_time: bool,
    network: ReplayNetwork | None,
) -> Traces:
    file = judgement.file
    remarks: list[str] = []
    if network is not None:
        seats, remarks = network.seats(file.channels, settings)
        settings = replace(settings, networks=seats)
        if not judgement.healthy:
            remarks.append(NOT_SCORED)
    machine = replace(file.notes.machine, asset_id=ASSET_ID)
    analysis = AssetAnalysis(machine, file.channels, settings)
    preparing = bar.add_task("preparing the analysis (half a minute the first time)", total=None)
    await asyncio.to_thread(analysis.warm_up)
    bar.remove_task(preparing)
    told = _Told(timeline, network)
    async with recording_pipeline(analysis, told.take) as pipeline:
        player = _Player(pipeline, told, bar, real_time)
        for teacher in judgement.healthy:
            await player.play(teacher, FileResult(str(teacher.path), True, "learning"))
            analysis.interrupt()
        if judgement.healthy:
            analysis.end_learning()
        told.traces, told.remarks = Traces(file.path.name), remarks
        await player.play(file, FileResult(str(file.path), False, _baseline_words(judgement)))
    return told.traces


def _baseline_words(judgement: Judgement) -> str:
    if not judgement.healthy:
        return "none"
    seconds = sum(teacher.recording.duration_s for teacher in judgement.healthy)
    return f"learned from {len(judgement.healthy)} healthy files ({seconds:.0f} s), provisional"
