"""`stethos evaluate`: how good the appliance's judgement is on a folder that brings its own truth.

Duty: read `MANIFEST.json`, hand each data set's units to the protocol of its task, gather results. The shell
around `models.evaluation`, whose protocols decide and count. A defect of one file or data set becomes a line
and never stops the others. `id`, `description` and names of files are concluded nothing from.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from appliance.commands.evaluate_networks import NOT_ASKED, print_networks
from appliance.commands.evaluate_pictures import LAYOUTS as PICTURE_LAYOUTS
from appliance.commands.evaluate_plot import draw_results
from appliance.commands.evaluate_report import as_json, print_results
from appliance.commands.evaluate_units import DatasetUnits, by_dataset, read_units
from appliance.errors import Rejected
from appliance.sources.recording_notes import read_manifest
from appliance.sources.recordings import RecordingError
from models.detectors.catalogue import DEFAULT
from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import MadeNetworks, OneClassProtocol
from models.evaluation.protocol import Run, TaskProtocol, Unit, UnreadableUnit
from models.evaluation.protocols import PROTOCOLS, protocol_of, settings_hash
from models.evaluation.result import METRICS, TaskResult, not_built
from models.evaluation.run_to_failure_protocol import RunToFailureProtocol
from models.evaluation.visual_anomaly_protocol import VisualAnomalyProtocol
from models.evaluation.visual_classification_protocol import VisualClassificationProtocol
from models.one_class_judge import ROBUST

SEED = 0
VISION_STEPS = 900


@dataclass(slots=True)
class Evaluation:
    """All results of one run, in the manifest's order, and what a reader should know of the files."""

    settings_hash: str
    seed: int
    results: list[TaskResult] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evaluate` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge detection on a folder of recordings with known truth",
        description="Runs the protocol of each entry of DIR/MANIFEST.json and prints counts beside simple "
        "baselines. Exit code 0: done; 2: the folder cannot be used.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with MANIFEST.json")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="OUT",
        help="also draw pictures into this folder: ROC, timelines, evidence",
    )
    parser.add_argument(
        "--network",
        choices=("autoencoder", "one-class", "temporal"),
        help="also train this network in each fold of the one-class tasks and on the baseline of each run to "
        "failure; shows float32 and int8 in every runtime that is installed, each alone and fused with the "
        "statistical detector, and whether int8 passes the gate; needs torch (the extra [train]; [quantise] "
        "for runtimes other than the reference) and tens of minutes",
    )
    parser.add_argument(
        "--input",
        choices=("features", "log-spectrum"),
        help="what the network reads of a window: what the product's detector reads (the default), or its log"
        " spectrum as `stethos train --input` makes it",
    )
    parser.add_argument(
        "--vision",
        action="store_true",
        help="also train networks over pictures on what each task may learn, and show int8 and float32 by "
        "runtime; needs torch (the extra [train]), [quantise], and tens of minutes",
    )
    parser.add_argument(
        "--vision-steps", type=int, metavar="N", default=VISION_STEPS, help="of each training (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate `args.data`; see `add_parser` for the arguments and exit codes."""
    try:
        entries = read_manifest(args.data / "MANIFEST.json")
        if not entries:
            raise RecordingError(args.data / "MANIFEST.json", "it lists no file", "nothing can be judged")
        if args.plot is not None:
            _make_folder(args.plot)
        protocols: list[TaskProtocol] = list(PROTOCOLS)
        if args.network is not None or args.input is not None:
            protocols = _with_network(args.network, args.input == "log-spectrum", protocols)
        if args.vision:
            protocols = _with_vision(args.vision_steps, protocols)
        found = evaluate(entries, args.data, pictures=args.plot is not None, protocols=protocols)
    except Rejected as error:
        print(error, file=sys.stderr)
        return 2
    asked = f"{args.network} on log spectra" if args.input == "log-spectrum" else args.network
    if args.json:
        print(json.dumps(as_json(found.results, found.settings_hash, asked), indent=1))
        for remark in found.remarks:
            print(f"remark: {remark}", file=sys.stderr)
        if args.network is None:
            print(f"networks: {NOT_ASKED}.", file=sys.stderr)
    else:
        print_results(found.results, found.remarks, found.settings_hash, found.seed)
        print_networks(found.results, asked)
    if args.plot is not None:
        try:
            for picture in draw_results(found.results, args.plot):
                print(f"drawn: {picture}", file=sys.stderr)
        except (Rejected, OSError) as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def _with_network(
    kind: str | None, log_spectrum: bool, protocols: Sequence[TaskProtocol]
) -> list[TaskProtocol]:
    """The protocols, with networks of this kind where it is judged. Raises Rejected without torch."""
    from models.training.evaluated import Networks
    from models.training.fitting import NetworkKind

    if kind is None:
        raise Rejected("--input says what a network reads: name one with --network")
    _torch_or_refused("--network")
    made = NetworkKind(kind)

    def networks(beside: str) -> MadeNetworks:
        return MadeNetworks(
            lambda scale: Networks(made, scale, SEED, beside).detectors(),
            max(0, made.steps - 1),
            log_spectrum,
        )

    judged: dict[type, TaskProtocol] = {
        OneClassProtocol: OneClassProtocol(networks=networks(DEFAULT)),
        OneClassBySpeedProtocol: OneClassBySpeedProtocol(networks=networks(DEFAULT)),
        RunToFailureProtocol: RunToFailureProtocol(networks=networks(ROBUST)),
    }
    return [judged.get(type(one), one) for one in protocols]


def _with_vision(steps: int, protocols: Sequence[TaskProtocol]) -> list[TaskProtocol]:
    """The protocols, with networks in the tasks on pictures. Raises Rejected without torch or ONNX."""
    _torch_or_refused("--vision")
    if steps < 1:
        raise Rejected(f"--vision-steps is {steps}; expected 1 or more")
    if importlib.util.find_spec("onnx") is None:
        raise Rejected("--vision needs ONNX: install the extra [quantise]")
    from models.training.picture_evaluated import PictureNetworks
    from models.training.picture_fitting import PictureFitSettings
    from models.training.processor import bits_here

    settings = PictureFitSettings(seed=SEED, steps=steps)
    networks = PictureNetworks(settings, bits_here(), lambda text: print(text, file=sys.stderr))
    named = asdict(settings)
    visual: dict[type, TaskProtocol] = {
        VisualAnomalyProtocol: VisualAnomalyProtocol(networks.good_parts, named),
        VisualClassificationProtocol: VisualClassificationProtocol(networks.kinds, named),
    }
    return [visual.get(type(one), one) for one in protocols]


def _torch_or_refused(option: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise Rejected(f"{option} needs torch: install the extra [train]")


def evaluate(
    entries: list[dict[str, Any]],
    folder: Path,
    *,
    pictures: bool = False,
    seed: int = SEED,
    protocols: Sequence[TaskProtocol] = PROTOCOLS,
) -> Evaluation:
    """Results of every data set and task of a manifest's entries; nothing is left out."""
    found = Evaluation(settings_hash(protocols), seed)
    datasets = by_dataset(entries, found.remarks.append)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("evaluate", total=len(entries))
        for offered in datasets:
            progress.update(bar, description=f"{offered.dataset}, {offered.task}")
            shared = Run(seed, found.remarks.append, lambda: None, pictures)
            found.results += _judged(offered, folder, shared, protocols)
            progress.advance(bar, len(offered.entries))
    return found


def _judged(
    offered: DatasetUnits, folder: Path, shared: Run, protocols: Sequence[TaskProtocol]
) -> list[TaskResult]:
    dataset, task, files = offered.dataset, offered.task, len(offered.entries)
    protocol = protocol_of(task, protocols)
    if protocol is None:
        if task not in METRICS:
            shared.remark(f"{dataset}: task {task!r} is not one that is known: use {', '.join(METRICS)}")
        return [not_built(dataset, task, files)]
    units: list[Unit] = []
    unreadable: list[UnreadableUnit] = []
    for entry in offered.entries:
        for unit in read_units(folder, entry, shared.remark):
            if isinstance(unit, Unit):
                units.append(unit)
            else:
                unreadable.append(unit)
    units = [unit for unit in units if _fits(unit, task, shared.remark)]
    try:
        results = protocol.evaluate(dataset, task, units, unreadable, shared)
    except Exception as error:  # the last resort: one data set's oddity must not cost the others
        shared.remark(f"{dataset}, {task}: it cannot be judged ({type(error).__name__}: {error})")
        return [_nothing(dataset, task, files, len(unreadable), f"{type(error).__name__}: {error}")]
    if not results:
        shared.remark(f"{dataset}, {task}: none of its {files} files can be judged")
        return [_nothing(dataset, task, files, len(unreadable), "no unit that can be judged")]
    more = {"files": files, "unreadable": len(unreadable)}
    return [replace(result, counts={**result.counts, **more}) for result in results]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Rejected(f"{folder}: the folder for pictures cannot be made ({error.strerror})") from error


_ROWS = frozenset({"process_anomaly", "slow_tag"})
_PICTURES = frozenset({"visual_anomaly", "visual_classification"})


def _fits(unit: Unit, task: str, remark: Callable[[str], None]) -> bool:
    """Whether the unit's content is of the kind that the task judges."""
    tables, pictures = unit.layout in ("csv", "csv_semicolon"), unit.layout in PICTURE_LAYOUTS
    if (tables, pictures) == (task in _ROWS, task in _PICTURES):
        return True
    remark(f"{unit.name}: layout {unit.layout!r} holds nothing that task {task!r} can judge")
    return False


def _nothing(dataset: str, task: str, files: int, unreadable: int, reason: str) -> TaskResult:
    """The line of a data set of which nothing could be judged: every metric is undefined."""
    metrics: dict[str, float | int | None] = dict.fromkeys(METRICS[task])
    counts = {"files": files, "unreadable": unreadable, "reason": reason}
    return TaskResult(dataset, task, "rules", metrics, counts)
