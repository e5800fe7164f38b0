"""The plain tree of the package under /opt/stethos: code, byte code, machine code.

Duty: fill a folder. What is in it depends on the sources, the lock and the Python alone: neither on the
folder's place, the time, the processor nor the order of files on the disk.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from appliance.processor_level import LEVELS

ROOT = Path(__file__).resolve().parents[2]
HOME = Path("/opt/stethos")
RUNTIME_LOCK = ROOT / "requirements" / "runtime.lock"
# Packages beside the first: the folder that the launcher looks into as well, and the lock that holds what the
# runtime's does and what the extra adds.
EXTRAS = {
    "stethos-files": ("files", ROOT / "requirements" / "files.lock"),
    "stethos-vision": ("vision", ROOT / "requirements" / "vision.lock"),
}
PACKAGES = ("dsp", "firmware_bridge", "models", "web", "appliance")
# No wheel for Linux. Its C part is left out (CC=false): it would differ from compiler to compiler, and what
# it saves is 0.3 % of a core per sensor.
WITHOUT_WHEEL = ("cobs",)
# Parts of wheels that nothing loads at run time: tests, stubs, what is there to compile against.
UNUSED_FOLDERS = ("tests", "include")
UNUSED_SUFFIXES = (".pyi", ".pxd", ".pyx", ".a", ".h", ".hpp")
# Numba's threads by libraries that are not ours to ask for; its own work queue stays.
UNUSED_FILES = ("tbbpool.", "omppool.")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
# The order of a set must not depend on chance. (python -I would ignore it: hence -s and -P.)
STEADY = {"PYTHONHASHSEED": "0", "PYTHONPATH": ""}
# Written by the installer; dpkg knows better, and direct_url.json holds a path of this machine.
INSTALLERS_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


class BuildError(Exception):
    """The package cannot be built; says what to do."""


def run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Standard output of a command. Raises BuildError with what it said."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:4])} ...: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def target_python() -> str:
    """Debian's Python, which will run the package; else the one that runs this."""
    debian = Path("/usr/bin/python3.11")
    return str(debian) if debian.exists() else str(Path(sys.executable).resolve())


def fill(opt: Path, epoch: str) -> None:
    """Everything below /opt/stethos."""
    lib = opt / "lib"
    _say("installing the locked wheels")
    _install(RUNTIME_LOCK.read_text(encoding="utf-8"), lib)
    _say("our own packages and the page")
    _add_own_wheel(lib, epoch)
    _prune(lib)
    (opt / "bin").mkdir()
    shutil.copy(ROOT / "image" / "stethos", opt / "bin" / "stethos")
    _compile(lib)
    _add_kernels(opt)


def fill_extra(opt: Path, package: str) -> None:
    """What an extra adds, in a folder of its own."""
    folder, lock = EXTRAS[package]
    lib = opt / folder
    service = dict(_entries(RUNTIME_LOCK.read_text(encoding="utf-8")))
    more = {
        name: entry
        for name, entry in _entries(lock.read_text(encoding="utf-8"))
        if name.split("==")[0] not in {one.split("==")[0] for one in service}
    }
    _say(f"installing the locked wheels of {package}")
    _install("".join(more.values()), lib)
    _prune(lib)
    _compile(lib)


def _entries(lock: str) -> list[tuple[str, str]]:
    """Each `name==version` of a lock, with all its lines: marker and hashes."""
    found = re.findall(r"^(\S+==\S+)(.*\n(?:[ #].*\n)*)", lock, flags=re.MULTILINE)
    return [(name, name + rest) for name, rest in found]


def _install(lock: str, lib: Path) -> None:
    """The wheels of a lock's text, unpacked into `lib`."""
    lib.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        requirements = Path(temporary) / "requirements.txt"
        requirements.write_text(lock, encoding="utf-8")
        run(
            *(*PIP, "install", "--no-deps", "--no-compile", "--no-build-isolation", "--require-hashes"),
            *("--only-binary", ":all:", "--no-binary", ",".join(WITHOUT_WHEEL)),
            *("--target", str(lib), "-r", str(requirements)),
            CC="false",
        )


def _compile(lib: Path) -> None:
    """Byte code that is never checked against the sources: nothing tries to write a better one."""
    _say("byte code")
    run(
        *(target_python(), "-s", "-P", "-m", "compileall", "-qq", "-j", "0"),
        *("--invalidation-mode", "unchecked-hash", "-s", str(lib), "-p", str(HOME / lib.name), str(lib)),
        **STEADY,
    )


def _add_own_wheel(lib: Path, epoch: str) -> None:
    """Our packages as setuptools packs them, from a copy without leftovers of earlier builds."""
    if not (ROOT / "web" / "static" / "index.html").is_file():
        raise BuildError("web/static/index.html is missing: `make setup` builds the page")
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary) / "source", Path(temporary) / "wheel"
        for package in PACKAGES:
            shutil.copytree(
                ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", "ui", "stamp")
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source / name)
        run(
            *(
                *PIP,
                "wheel",
                "--no-deps",
                "--no-build-isolation",
                "--no-index",
                "--wheel-dir",
                str(out),
                str(source),
            ),
            SOURCE_DATE_EPOCH=epoch,
        )
        (wheel,) = out.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(lib)


def _prune(lib: Path) -> None:
    shutil.rmtree(lib / "bin", ignore_errors=True)
    for folder in sorted(lib.rglob("*")):
        if folder.is_dir() and (folder.name in UNUSED_FOLDERS or folder.name == "__pycache__"):
            shutil.rmtree(folder)
    for path in lib.rglob("*"):
        in_notes = path.parent.suffix == ".dist-info" and path.name in INSTALLERS_NOTES
        is_unused = path.suffix in UNUSED_SUFFIXES or path.name.startswith(UNUSED_FILES)
        if path.is_file() and (is_unused or in_notes):
            path.unlink()


def _add_kernels(opt: Path) -> None:
    """Machine code for every level of this machine's processors."""
    script = Path(__file__).with_name("kernels.py")
    command = (target_python(), "-s", "-S", "-P", "-B", str(script), str(opt / "lib"))
    with tempfile.TemporaryDirectory() as temporary:
        plan = str(Path(temporary) / "plan")
        run(*command, "plan", plan, **STEADY)
        for level in LEVELS:
            if level.machine == platform.machine():
                folder = str(opt / "kernels" / level.name)
                _say(run(*command, "compile", plan, level.name, folder, **STEADY).strip())
    place = str(opt).encode()
    for path in sorted(opt.joinpath("kernels").rglob("*")):
        if path.is_file() and place in path.read_bytes():
            raise BuildError(f"{path.name} holds the path of this build: {opt}")


def _say(text: str) -> None:
    print(f"deb: {text}", flush=True)
