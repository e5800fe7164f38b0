"""What the tree needs of the system: Debian packages of the shared libraries that its own libraries load.

Duty: the Depends line. Read off the files (`ldd` for names, the files' own text for the C library's version),
not remembered.
"""

from __future__ import annotations

import re
from pathlib import Path

from tools.deb.tree import BuildError, run

_GLIBC = re.compile(rb"GLIBC_2\.(\d+)\b")
# Debian's Python with its whole standard library: ssl and sqlite3 are part of it.
_ALWAYS = ("python3.11", "python3 (>= 3.11)", "python3 (<< 3.12)")


def depends(tree: Path) -> str:
    """The value of Depends for all shared libraries below `tree`."""
    libraries = sorted(path for path in tree.rglob("*") if path.is_file() and ".so" in path.suffixes)
    newest = max(int(minor) for path in libraries for minor in _GLIBC.findall(path.read_bytes()))
    packages = {_package_of(path) for path in _loaded_from_outside(tree, libraries)} - {"libc6"}
    return ", ".join((*_ALWAYS, f"libc6 (>= 2.{newest})", *sorted(packages)))


def _loaded_from_outside(tree: Path, libraries: list[Path]) -> set[Path]:
    found = set()
    ours = {
        library.name for library in libraries
    }  # those that wheels bring find one another when loaded together
    for library in libraries:
        said = run("ldd", str(library))
        missing = [name for name in re.findall(r"(\S+) => not found", said) if name not in ours]
        if missing:
            raise BuildError(
                f"{library.relative_to(tree)} needs {', '.join(missing)}, which is not installed here"
            )
        found |= {
            Path(path) for path in re.findall(r"=> (/\S+)", said) if not Path(path).is_relative_to(tree)
        }
    return {path.resolve() for path in found}


def _package_of(library: Path) -> str:
    """The Debian package that a library of the system belongs to."""
    # dpkg knows files by the names that they were packed under: before /lib became a link to /usr/lib, maybe.
    for name in (str(library), str(library).removeprefix("/usr")):
        try:
            return run("dpkg", "-S", name).split(":")[0]
        except BuildError:
            continue
    raise BuildError(f"{library} belongs to no Debian package")
