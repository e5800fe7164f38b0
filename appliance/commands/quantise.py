"""`stethos quantise BUNDLE`: one float32 network to what every runtime runs, refused where int8 changes it.

Duty: the command: arguments, the table, exit codes. Exit 0: written; 1: an artefact does not pass the gate,
or the bundle cannot be used; 2: wrong arguments. Needs the extra [quantise]; no part of the service.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands import EXIT_FAILED, EXIT_OK
from models.errors import ModelError
from models.evaluation.int8_gate import GATE
from models.store import read_bundle, write_bundle
from models.training.processor import bits_here
from models.training.quantising import Verdict, quantised_bundle

AUTO = "auto"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `quantise` to the command line."""
    parser = subparsers.add_parser(
        "quantise",
        help="make int8 artefacts of a bundle's network for every runtime, and compare them with float32",
        description="ONNX QDQ U8S8 (ONNX Runtime, OpenVINO), symmetric QDQ S8S8 (TensorRT) and full-integer "
        "TFLite (LiteRT; for the Edge TPU, once its compiler took it), each run here on held-out rows, "
        f"each with its own limit. Refused where the mean AUROC change is above {GATE.mean_auroc}, the worst "
        f"above {GATE.worst_auroc}, or alarm events change by more than {GATE.alarm_events}. Exit code 0: "
        "written; 1: refused, or the bundle cannot be used; 2: wrong arguments.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="of `stethos train`: a folder, or a .zip")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="another than BUNDLE itself")
    parser.add_argument(
        "--weight-bits",
        choices=[AUTO, "7", "8"],
        default=AUTO,
        help="of U8S8: 8 where every processor that will run it has VNNI, else 7 (auto: asks this one)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Quantise one bundle; see the module for exit codes."""
    bits = bits_here() if options.weight_bits == AUTO else int(options.weight_bits)
    try:
        made, verdicts = quantised_bundle(
            read_bundle(options.bundle), bits, lambda text: print(text, file=sys.stderr)
        )
    except ModelError as error:
        print(f"stethos quantise: {error}", file=sys.stderr)
        return EXIT_FAILED
    except ImportError as error:
        print(f"stethos quantise: {error}: install the extra [quantise]", file=sys.stderr)
        return EXIT_FAILED
    refused = {f"{v.entry.backend}, {v.entry.precision}": v.refusals() for v in verdicts if v.refusals()}
    if options.json:
        print(json.dumps({"refused": refused, "artefacts": [_fields(verdict) for verdict in verdicts]}))
    else:
        _print(verdicts)
    for name, reasons in refused.items():
        print(f"stethos quantise: refused: {name}: {'; '.join(reasons)}", file=sys.stderr)
    if refused:
        return EXIT_FAILED
    target = options.out or options.bundle
    try:
        write_bundle(made, target)
    except ModelError as error:
        print(f"stethos quantise: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"written: {target}", file=sys.stderr)
    return EXIT_OK


def _fields(verdict: Verdict) -> dict[str, Any]:
    changes = np.abs(verdict.auroc_changes)
    entry = verdict.entry
    return {
        "backend": entry.backend,
        "precision": str(entry.precision),
        "file": entry.file,
        "size_bytes": entry.size_bytes,
        "fitted_in": entry.fitted_in,
        "weight_bits": entry.weight_bits,
        "limit": entry.limit,
        "latency_us": verdict.latency_us[0],
        "latency_p99_us": verdict.latency_us[1],
        "calibration_rows": verdict.calibrated_with,
        "score_correlation": verdict.score_correlation,
        "rank_correlation": verdict.correlation,
        "auroc": verdict.quality.auroc,
        "pauc": verdict.quality.pauc,
        "auroc_change_mean": float(changes.mean()),
        "auroc_change_worst": float(changes.max()),
        "pauc_change": verdict.quality.pauc - verdict.reference.pauc,
        "alarm_events_changed": verdict.alarms_changed,
        "passed": not verdict.refusals(),
    }


def _print(verdicts: list[Verdict]) -> None:
    first = verdicts[0]
    bits = sorted({v.entry.weight_bits for v in verdicts if v.entry.weight_bits})
    print(
        f"{first.quality.healthy_items:,} healthy and {first.quality.faulty_items:,} faulty held-out items;"
        f" latency of single calls here, row to score. int8 is calibrated with the true smallest and largest"
        f" values of {first.calibrated_with:,} rows; weights of {' and '.join(map(str, bits)) or 'no'} bits"
        f"{' (7: for processors without VNNI)' if 7 in bits else ''}. Each limit is fitted on its own file.\n"
        f"Gate: AUROC change at most {GATE.mean_auroc} in the mean over the kinds of fault and all together,"
        f" {GATE.worst_auroc} at worst, alarm events within {GATE.alarm_events}."
    )
    print(
        f"{'backend':16} {'numbers':8} {'bytes':>8} {'us p50':>6} {'p99':>6} {'corr.':>7} {'of ranks':>8}"
        f" {'AUROC':>7} {'change: mean':>12} {'worst':>7} {'pAUC':>7} {'alarms':>6} {'limit':>7}"
        f" {'gate':6}  judged in"
    )
    for verdict in verdicts:
        row = _fields(verdict)
        print(
            f"{row['backend']:16} {row['precision']:8} {row['size_bytes']:>8,} {row['latency_us']:>6.0f}"
            f" {row['latency_p99_us']:>6.0f} {row['score_correlation']:>7.5f} {row['rank_correlation']:>8.5f}"
            f" {row['auroc']:>7.4f} {row['auroc_change_mean']:>12.4f} {row['auroc_change_worst']:>7.4f}"
            f" {row['pauc_change']:>+7.4f} {row['alarm_events_changed']:>+6d} {row['limit']:>7.3f}"
            f" {'pass' if row['passed'] else 'refuse':6}  {row['fitted_in']}"
        )
