"""`stethos bundle verify`: whether a model bundle is whole, and whether its networks give what they must.

Duty: the command. Exit 0: sound; 1: not, with every reason on its own line; 2: wrong arguments. Artefacts of
runtimes that are not installed are named as not run; `--files-only` runs none.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from appliance.commands import EXIT_FAILED, EXIT_OK
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import Bundle
from models.errors import BackendUnavailableError, BundleError, ModelError
from models.manifest import Artefact, golden_differences, golden_inputs
from models.store import read_bundle


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bundle` and its actions to the command line."""
    parser = subparsers.add_parser(
        "bundle",
        help="verify a model bundle: files, digests, golden outputs in every runtime that is installed",
        description="Exit code 0: sound; 1: not sound; 2: wrong arguments.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="say all that is wrong with a bundle")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder, or a .zip file")
    verify.add_argument("--files-only", action="store_true", help="do not run the networks")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify one bundle; see the module for exit codes."""
    try:
        bundle = read_bundle(options.bundle)
    except BundleError as error:
        if options.json:
            print(json.dumps({"sound": False, "problems": [str(error)]}))
        else:
            print(f"stethos bundle: {error}", file=sys.stderr)
        return EXIT_FAILED
    rows = [_row(bundle, entry, not options.files_only) for entry in bundle.manifest.artefacts]
    problems = [
        f"{row['backend']}, {row['precision']}: {row['said']}" for row in rows if row["sound"] is False
    ]
    if options.json:
        print(
            json.dumps(
                {
                    "sound": not problems,
                    "name": bundle.manifest.name,
                    "version": bundle.manifest.version,
                    "identity": bundle.identity,
                    "artefacts": rows,
                    "problems": problems,
                }
            )
        )
    else:
        _print(bundle, rows, problems)
    return EXIT_FAILED if problems else EXIT_OK


def _row(bundle: Bundle, entry: Artefact, runs: bool) -> dict[str, object]:
    """One artefact; `sound` None: not run here."""
    sound, said = _judged(bundle, entry) if runs else (None, "not run")
    return {
        "backend": entry.backend,
        "precision": str(entry.precision),
        "file": entry.file,
        "size_bytes": entry.size_bytes,
        "limit": entry.limit,
        "fitted_in": entry.fitted_in,
        "sound": sound,
        "said": said,
    }


def _judged(bundle: Bundle, entry: Artefact) -> tuple[bool | None, str]:
    manifest = bundle.manifest
    try:
        backend = backend_named(entry.backend, BackendOptions())
        backend.load(manifest, bundle.files[entry.file])
        outputs = backend.infer(golden_inputs(manifest))
        backend.close()
    except BackendUnavailableError as error:
        return None, f"not run: {error}"
    except ModelError as error:
        return False, str(error)
    wrong = golden_differences(manifest, entry, outputs)
    return not wrong, "; ".join(wrong) or f"{len(manifest.golden)} golden outputs are right"


def _print(bundle: Bundle, rows: list[dict[str, object]], problems: list[str]) -> None:
    manifest = bundle.manifest
    print(f"{manifest.name} {manifest.version}, {bundle.identity[:16]}: {len(bundle.files)} files are right")
    for row in rows:
        print(
            f"  {row['backend']:16} {row['precision']:8} {row['file']:20} {row['size_bytes']:>9,} bytes"
            f"  {row['said']}"
        )
    for problem in problems:
        print(f"stethos bundle: {problem}", file=sys.stderr)
