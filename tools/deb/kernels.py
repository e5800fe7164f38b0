"""Machine code of the kernels for one level of processors, written by numba into the package's tree.

Runs with the Python and the code of the tree that is being built, not with the checkout's:

    kernels.py LIB plan PLAN                which kernels an exercise calls, and with what arguments
    kernels.py LIB compile PLAN LEVEL DIR   compile those for LEVEL into DIR; nothing is run

So this machine need not have the processor that it compiles for, and every machine writes the same bytes.
PLAN is a pickle between these two steps of one build.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

LANES = "dsp.lanes."


def plan(out: Path) -> None:
    """Write name and argument types of everything that was compiled during an exercise of all profiles."""
    with tempfile.TemporaryDirectory() as nothing_yet:  # what comes from a cache names no inner functions
        os.environ["NUMBA_CACHE_DIR"] = nothing_yet
        from appliance.kernel_exercise import exercise_all
        from appliance.kernel_watch import known_kernels

        exercise_all()
    kernels = known_kernels()
    # Parts of the engines of lanes: each engine uses some, and they are compiled into what is called.
    never = [name for name, kernel in kernels.items() if not kernel.signatures and not name.startswith(LANES)]
    if never:
        raise SystemExit(
            f"appliance/kernel_exercise.py never calls {', '.join(never)}: "
            "let it, or give the module of those kernels a warm_up() that does"
        )
    planned = [(name, [s for s in kernel.signatures if not _of_lanes(s)]) for name, kernel in kernels.items()]
    out.write_bytes(pickle.dumps([entry for entry in planned if entry[1]]))


def _of_lanes(signature: tuple[object, ...]) -> bool:
    """Whether a function takes values of lanes: only functions that are compiled too can call it.

    Their number differs from level to level, so that this processor's would be wrong for another.
    """
    return any(str(kind).startswith(("float32x", "complex64x")) for kind in signature)


def compile_level(planned: Path, level_name: str, folder: Path) -> None:
    """Compile the plan's kernels for a level; prints how many, and how long it took."""
    from appliance.installation import BUILDING, kernel_settings
    from appliance.processor_level import LEVELS

    (level,) = [level for level in LEVELS if level.name == level_name]
    if "numba.core.config" in sys.modules:
        raise SystemExit("numba was imported before its settings were made")
    os.environ.update(kernel_settings(folder, level) | {BUILDING: "1"})
    started_s = time.monotonic()
    count = 0
    for name, signatures in pickle.loads(planned.read_bytes()):
        module, _, function = name.rpartition(".")
        kernel = getattr(importlib.import_module(module), function)
        for signature in signatures:
            kernel.compile(signature)
            count += 1
    files = strip_annotations(folder)
    print(f"{level_name}: {count} kernels, {files} files, {time.monotonic() - started_s:.1f} s")


def strip_annotations(folder: Path) -> int:
    """Take the one thing out of numba's files that differs from build to build: a listing for people.

    The seventh entry of a reduced CompileResult is the text of the annotated types, with paths and addresses
    of the building process; nothing reads it but `inspect_types`.
    """
    from numba.core.serialize import dumps

    files = sorted(folder.rglob("*.nbc"))
    for path in files:
        parts = pickle.loads(path.read_bytes())
        if len(parts) != 9 or not isinstance(parts[6], str):
            raise SystemExit(f"{path.name}: numba's format has changed; look at CompileResult._reduce")
        path.write_bytes(dumps((*parts[:6], "", *parts[7:])))
    return len(files)


def main(arguments: list[str]) -> None:
    """Dispatch; see the module's docstring."""
    tree, step, planned, *rest = arguments
    sys.path.append(tree)
    if step == "plan":
        plan(Path(planned))
    else:
        compile_level(Path(planned), rest[0], Path(rest[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
