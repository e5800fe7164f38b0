"""`stethos train`: a small network from healthy recordings, or from pictures, as a bundle in float32.

Duty: the command: arguments, progress, exit codes. Exit 0: written; 1: the rows cannot teach a network, or
torch is missing; 2: an argument or the folder cannot be used. Needs the extra [train]. No part of the
service.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from appliance.commands import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK
from appliance.commands.train_pictures import folder_pictures
from appliance.commands.train_rows import captured_rows, folder_rows
from appliance.errors import Rejected
from models.bundle import Bundle
from models.errors import ModelError
from models.store import read_bundle, write_bundle
from models.training.fitting import MAX_PARAMETERS, FitSettings, NetworkKind
from models.training.making import train
from models.training.picture_fitting import PictureFitSettings
from models.training.picture_making import PictureKind, train_pictures
from models.training.row_inputs import RowInput
from models.training.rows import TrainingRows
from models.training.simulated_rows import simulated_rows

SIMULATED_S = 240.0
SIMULATED_MACHINES = 2
SIMULATED_RATE_HZ = 25_600.0  # the demo's sensor


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a small network on healthy recordings, or on pictures, and write it as a bundle",
        description="Recordings are read as by `stethos replay`; what their notes call faulty only judges, "
        "and of captures what an alarm triggered. "
        "The bundle holds a float32 network, the rows, and a model card; `stethos quantise` adds what "
        "runtimes run. For the vision kinds the folder holds pictures: sub-folder good, and one per kind of "
        "defect, with marks beside them (NAME.mask.png, or boxes in NAME.xml). Equal data, settings and seed "
        "give equal bundles. Needs torch: the extra [train]; pictures also [vision]. Exit code 0: written; "
        "1: nothing that can teach a network, or torch is missing; 2: wrong arguments.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data", type=Path, metavar="FOLDER", help="recordings, in sub-folders too; or pictures by kind"
    )
    source.add_argument(
        "--captures",
        type=Path,
        metavar="FOLDER",
        help="captures of an appliance (its journal/captures): what people asked for teaches, what an alarm"
        " triggered judges, unless a sidecar says otherwise",
    )
    source.add_argument("--simulate", action="store_true", help="the simulated machine of the demo")
    kinds = [str(kind) for kind in (*NetworkKind, *PictureKind)]
    parser.add_argument("--kind", choices=kinds, required=True)
    parser.add_argument(
        "--input",
        choices=[str(one) for one in RowInput],
        help="what a row is of a window: the features that baselines learn from (the default), or its log"
        " spectrum, each of their bands cut into up to four",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="a folder, or a .zip file")
    parser.add_argument("--name", metavar="NAME", help="the model's name; the kind without")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise (0)")
    parser.add_argument(
        "--epochs", type=int, default=FitSettings().most_epochs, help="at most (%(default)s); stops early"
    )
    parser.add_argument(
        "--steps", type=int, default=PictureFitSettings().steps, help="of the vision kinds (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=SIMULATED_S, help="simulated running of each machine (%(default)g)"
    )
    parser.add_argument(
        "--machines", type=int, default=SIMULATED_MACHINES, help="that are simulated (%(default)s)"
    )
    parser.add_argument(
        "--baseline-seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="what is simulated is what boxes see whose baselines learn for so long (0: for all of it)",
    )
    parser.add_argument(
        "--parameters", type=int, default=MAX_PARAMETERS, metavar="N", help="at most (%(default)s)"
    )
    parser.add_argument(
        "--prune", type=float, default=0.0, metavar="SHARE", help="cut this share of each layer's weights"
    )
    parser.add_argument(
        "--distil", type=Path, metavar="FROM", help="also learn what this bundle's network gives back"
    )
    parser.add_argument(
        "--quantisation-aware", action="store_true", help="compute as int8 will in the last epochs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train one network; see the module for exit codes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if options.epochs < 1 or options.steps < 1 or not options.seconds > 0 or options.seed < 0:
        print(
            "stethos train: --epochs, --steps, --seconds must be above 0, --seed 0 or more", file=sys.stderr
        )
        return EXIT_CONFIGURATION
    if options.machines < 1 or not 0 <= options.baseline_seconds < math.inf:
        print("stethos train: --machines must be above 0, --baseline-seconds 0 or more", file=sys.stderr)
        return EXIT_CONFIGURATION
    if not 0 <= options.prune < 1 or not 1 <= options.parameters <= MAX_PARAMETERS:
        print(
            "stethos train: --prune must be a share from 0 to below 1,"
            f" --parameters from 1 to {MAX_PARAMETERS}",
            file=sys.stderr,
        )
        return EXIT_CONFIGURATION
    if options.kind in list(PictureKind):
        if options.input is not None:
            print(
                "stethos train: --input is of waveforms; the vision kinds learn from pictures",
                file=sys.stderr,
            )
            return EXIT_CONFIGURATION
        return _train_pictures(options, PictureKind(options.kind), console)
    return _train_rows(options, NetworkKind(options.kind), console)


def _train_rows(options: argparse.Namespace, kind: NetworkKind, console: Console) -> int:
    try:
        teacher = None if options.distil is None else read_bundle(options.distil)
        rows = _rows(options, console)
    except Rejected as error:
        print(f"stethos train: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except ModelError as error:
        print(f"stethos train: {error}", file=sys.stderr)
        return EXIT_FAILED
    settings = FitSettings(
        seed=options.seed,
        most_epochs=options.epochs,
        most_parameters=options.parameters,
        prune=options.prune,
        quantisation_aware=options.quantisation_aware,
    )
    epochs = options.epochs + settings.refine_epochs * ((options.prune > 0) + options.quantisation_aware)
    bar = _bar(console)
    try:
        with bar:
            task = bar.add_task(f"train {kind}", total=epochs)
            bundle = train(
                rows,
                kind,
                options.name or str(kind),
                settings,
                lambda epoch, learning, stopping: bar.update(
                    task,
                    completed=epoch,
                    description=f"train {kind}: loss {learning:.4f}, of rows not taught {stopping:.4f}",
                ),
                teacher,
            )
        write_bundle(bundle, options.out)
    except ModelError as error:
        print(f"stethos train: {error}", file=sys.stderr)
        return EXIT_FAILED
    return _written(bundle, options.out)


def _train_pictures(options: argparse.Namespace, kind: PictureKind, console: Console) -> int:
    if options.data is None or not options.data.is_dir():
        what = (
            "machines' waveforms are no pictures"
            if options.data is None
            else f"{options.data}: no such folder"
        )
        print(f"stethos train: {what}; --data names a folder of pictures", file=sys.stderr)
        return EXIT_CONFIGURATION
    settings = PictureFitSettings(seed=options.seed, steps=options.steps)
    try:
        pictures = folder_pictures(
            options.data, lambda text: console.print(text, style="yellow", markup=False)
        )
    except Rejected as error:
        print(f"stethos train: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    try:
        with _bar(console) as bar:
            task = bar.add_task(f"train {kind}", total=options.steps)
            bundle = train_pictures(
                pictures,
                kind,
                options.name or str(kind),
                settings,
                lambda step, loss: bar.update(
                    task, completed=step, description=f"train {kind}: loss {loss:.4f}"
                ),
            )
        write_bundle(bundle, options.out)
    except ModelError as error:
        print(f"stethos train: {error}", file=sys.stderr)
        return EXIT_FAILED
    return _written(bundle, options.out)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip


def _written(bundle: Bundle, out: Path) -> int:
    print(bundle.model_card)
    print(f"written: {out}, {bundle.manifest.name} {bundle.manifest.version}", file=sys.stderr)
    return EXIT_OK


def _rows(options: argparse.Namespace, console: Console) -> TrainingRows:
    made_of = RowInput(options.input or RowInput.FEATURES)
    if options.simulate:
        console.print(f"simulating {options.seconds:g} s of {options.machines} machines")
        return simulated_rows(
            options.seconds,
            options.seed,
            SIMULATED_RATE_HZ,
            options.machines,
            options.baseline_seconds,
            made_of=made_of,
        )
    folder, read = (
        (options.data, folder_rows) if options.captures is None else (options.captures, captured_rows)
    )
    if not folder.is_dir():
        raise Rejected(f"{folder}: there is no such folder")
    return read(folder, lambda text: console.print(text, style="yellow", markup=False), made_of)
