"""`stethos warm-up`: run every kernel once, so that all is compiled before samples arrive."""

from __future__ import annotations

import argparse
import json
import os
import time

from appliance.commands import EXIT_OK
from appliance.kernel_exercise import exercise_all
from appliance.kernel_watch import Compilation, KernelWatch, known_kernels, loaded_from_cache


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `warm-up` to the command line."""
    parser = subparsers.add_parser(
        "warm-up",
        help="compile, or load from the cache, all that the service and replay need",
        description="Runs a simulated machine through the whole analysis and says what was compiled. "
        "Where the package brings machine code for this processor, that is nothing. Exit code 0: done.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines: compiled, done")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exercise all profiles; prints each compilation as it happens."""

    def told(found: Compilation) -> None:
        if options.json:
            print(
                json.dumps(
                    {
                        "type": "compiled",
                        "kernel": found.kernel,
                        "arguments": found.arguments,
                        "seconds": round(found.seconds, 3),
                    }
                ),
                flush=True,
            )
        else:
            print(f"compiled {found.kernel}({found.arguments}) in {found.seconds:.2f} s", flush=True)

    watch = KernelWatch(told)
    watch.begin()
    started_s = time.monotonic()
    windows = exercise_all()
    seconds, loaded = time.monotonic() - started_s, loaded_from_cache()
    if options.json:
        done = {
            "type": "done",
            "kernels": len(known_kernels()),
            "compilations": len(watch.compilations),
            "loaded": loaded,
            "windows": windows,
            "seconds": round(seconds, 3),
            "kernels_from": os.environ.get("STETHOS_KERNELS"),
        }
        print(json.dumps(done))
    else:
        print(
            f"{len(watch.compilations)} compilations, {loaded} kernels loaded from the cache, "
            f"{windows} windows analysed, {seconds:.1f} s"
        )
    return EXIT_OK
