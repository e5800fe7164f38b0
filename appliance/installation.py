"""Where this code lies: in the Debian package's plain tree, or anywhere else.

Duty: the package's layout, the environment in which its kernels are found, and how a process starts another
module of ours. The tree has no virtual environment: `bin/stethos` runs the system's Python without its
site-packages and adds `lib`.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Fatal
from appliance.processor_level import ProcessorLevel, compiler_settings, cpu_flags, levels_of

LEVEL = "STETHOS_PROCESSOR_LEVEL"  # a lower level than the processor has, for whoever hunts a fault
KERNELS = "STETHOS_KERNELS"  # the folder of machine code, for appliance.kernel_cache
BUILDING = "STETHOS_KERNELS_BUILDING"  # set by the package's build alone: the folder is filled, not read-only
MODULE = "-m"  # the launcher's first argument when another module than the command line is meant
_TREE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Installation:
    """The package's tree: `lib` with all code, `kernels` with machine code per level, `bin/stethos`."""

    root: Path

    @property
    def launcher(self) -> Path:
        return self.root / "bin" / "stethos"

    @property
    def kernels(self) -> Path:
        return self.root / "kernels"


def installation() -> Installation | None:
    """The package that this code belongs to; None in a checkout or a virtual environment."""
    found = Installation(_TREE.parent)
    return found if _TREE.name == "lib" and found.kernels.is_dir() and found.launcher.is_file() else None


def module_command(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours as a program, with the Python and the code of this process."""
    installed = installation()
    if installed is None:
        return (sys.executable, "-m", module)
    return (sys.executable, "-I", "-S", str(installed.launcher), MODULE, module)


def files_remedy() -> str:
    """What to do where a library of the extra `files` is missing."""
    return "install the extra: stethos[files]" if installation() is None else "apt install stethos-files"


def vision_remedy() -> str:
    """What to do where OpenCV is missing, the extra `vision`."""
    return "install the extra: stethos[vision]" if installation() is None else "apt install stethos-vision"


def this_processor() -> tuple[ProcessorLevel, ...]:
    """The levels of the processor that runs this, the greatest last."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = ""
    return levels_of(platform.machine(), cpu_flags(cpuinfo))


def kernel_environment(
    installed: Installation, levels: tuple[ProcessorLevel, ...], environ: Mapping[str, str]
) -> dict[str, str]:
    """What numba must find in the environment to use the shipped machine code of the greatest level.

    Empty where none was shipped for this processor: numba then compiles for it, and keeps that where
    `NUMBA_CACHE_DIR` says. Raises Fatal for a wish (`STETHOS_PROCESSOR_LEVEL`) that cannot be fulfilled.
    """
    shipped = {level.name: level for level in levels if (installed.kernels / level.name).is_dir()}
    wished = environ.get(LEVEL, "")
    if wished and wished not in shipped:
        raise Fatal(f"{LEVEL} is {wished!r}; possible here: {', '.join(shipped) or 'none'}")
    if not shipped:
        return {}
    level = shipped[wished or next(reversed(shipped))]
    return kernel_settings(installed.kernels / level.name, level)


def kernel_settings(folder: Path, level: ProcessorLevel) -> dict[str, str]:
    """Environment for machine code of this level in this folder."""
    return {
        **compiler_settings(level),
        KERNELS: str(folder),
        # Named, not imported: numba is not loaded for commands that need none.
        "NUMBA_CACHE_LOCATOR_CLASSES": "appliance.kernel_cache.ShippedKernels,UserProvidedCacheLocator",
    }


def prepare() -> None:
    """Set the environment of this process, before anything imports numba. Raises Fatal."""
    installed = installation()
    if installed is not None:
        os.environ.update(kernel_environment(installed, this_processor(), os.environ))
