"""The start of every process of the packaged appliance: `bin/stethos` calls `main`.

Duty: let numba find the shipped machine code, then run the command line, or (`-m MODULE ...`) another module
of ours as a program. Not used in a checkout or a virtual environment.
"""

from __future__ import annotations

import runpy
import sys

from appliance.commands import EXIT_FAILED
from appliance.errors import Fatal
from appliance.installation import MODULE, prepare


def main(arguments: list[str]) -> int:
    """Run what the arguments (without the program's name) say; returns the exit code."""
    try:
        prepare()
    except Fatal as error:
        print(f"stethos: {error}", file=sys.stderr)  # noqa: T201 - the command line's own word
        return EXIT_FAILED
    if arguments[:1] == [MODULE] and len(arguments) > 1:
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    from appliance.__main__ import main as command_line

    return command_line(arguments)
