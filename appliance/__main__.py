"""`stethos`: the command line of the appliance.

Duty: find the command, run it, turn what it cannot handle into an exit code. What a command does stands in
its file under `commands/`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import version

from appliance.commands import COMMANDS, EXIT_CONFIGURATION, EXIT_FAILED, SAME_EVERYWHERE
from appliance.errors import Fatal

# Each linear-algebra library that NumPy and SciPy may bring reads one of these when it is loaded.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def parser_for(name: str | None) -> argparse.ArgumentParser:
    """The command line; only the command `name` is loaded, the others are listed."""
    parser = argparse.ArgumentParser(
        prog="stethos", description="Predictive maintenance at the edge: from a sensor's byte to an alarm."
    )
    parser.add_argument("--version", action="version", version=f"stethos {version('stethos')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command, (module, summary) in COMMANDS.items():
        if command == name:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(command, help=summary, add_help=False)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except Fatal as error:
        print(f"stethos: {error}", file=sys.stderr)  # noqa: T201 - what a command line is for
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _run(given: list[str]) -> int:
    name = next((argument for argument in given if not argument.startswith("-")), None)
    if name in SAME_EVERYWHERE:
        # Several threads add in an order of their own: what is printed would depend on how many there are.
        os.environ.update(dict.fromkeys(_THREADS, "1"))
    from appliance.config_file import ConfigError  # loads NumPy; takes a while, in which Ctrl-C may come

    try:
        options = parser_for(name).parse_args(given)
        return int(options.run(options))
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_CONFIGURATION


if __name__ == "__main__":
    sys.exit(main())
