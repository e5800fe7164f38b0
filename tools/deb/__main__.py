"""`make deb`: stethos_*.deb and those of its extras in build/, the same to the byte for the same sources.

    python -m tools.deb [--out DIR]

Needs no root. The time of all files is SOURCE_DATE_EPOCH: of the environment, else of the newest commit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.deb.depends import depends
from tools.deb.tree import EXTRAS, HOME, ROOT, BuildError, fill, fill_extra, run

IMAGE = ROOT / "image"
DOCUMENTS = ("README.md", "CHANGELOG.md", "docs", "image/stethos.sample.toml", "image/README.md")
COMPRESSION = ("-Zzstd", "-z12")  # unpacks fast on a slow box; xz saves a fifth and takes five times as long


def main() -> int:
    """Build, and say what was built."""
    parser = argparse.ArgumentParser(prog="make deb", description="Builds the Debian package.")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder for the package")
    options = parser.parse_args()
    started_s = time.monotonic()
    try:
        for built in build(options.out):
            digest = hashlib.sha256(built.read_bytes()).hexdigest()
            print(f"deb: {built} {built.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    except BuildError as error:
        print(f"deb: {error}", file=sys.stderr)
        return 1
    print(f"deb: {time.monotonic() - started_s:.0f} s")
    return 0


def build(out: Path) -> Iterator[Path]:
    """All packages, one after the other, in the folder `out`. Raises BuildError."""
    if shutil.which("dpkg-deb") is None:
        raise BuildError("dpkg-deb is not here: Debian packages are built on Debian")
    os.umask(0o022)
    epoch = source_date()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    architecture = run("dpkg", "--print-architecture").strip()
    out.mkdir(parents=True, exist_ok=True)
    for package in ("stethos", *EXTRAS):
        with tempfile.TemporaryDirectory(prefix="deb-", dir=out) as temporary:
            tree = Path(temporary) / "tree"
            opt = tree / HOME.relative_to("/")
            if package == "stethos":
                fill(opt, epoch)
                add_system_files(tree)
            else:
                fill_extra(opt, package)
            add_control(tree, package, version, architecture)
            settle(tree, int(epoch))
            built = out / f"{package}_{version}_{architecture}.deb"
            run(
                *("dpkg-deb", "--root-owner-group", "--threads-max=1", *COMPRESSION),
                *("--build", str(tree), str(built)),
                SOURCE_DATE_EPOCH=epoch,
            )
        yield built


def source_date() -> str:
    """Seconds since 1970 that every file bears."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given:
        return given
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError("not a git checkout: set SOURCE_DATE_EPOCH to the time of the sources")
    return done.stdout.strip()


def add_system_files(tree: Path) -> None:
    """What lies outside /opt: the command, the unit, udev's rules, documents."""
    command = tree / "usr/bin/stethos"
    command.parent.mkdir(parents=True)
    command.symlink_to(HOME / "bin/stethos")
    _copy(IMAGE / "stethos.service", tree / "usr/lib/systemd/system")
    _copy(IMAGE / "60-stethos-serial.rules", tree / "usr/lib/udev/rules.d")
    documents = tree / "usr/share/doc/stethos"
    for name in DOCUMENTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, documents / name, ignore=shutil.ignore_patterns("images"))
        else:
            _copy(ROOT / name, documents / Path(name).parent)
    (documents / "stethos.sample.toml").symlink_to("image/stethos.sample.toml")
    shutil.copy(ROOT / "LICENSE", documents / "copyright")
    (tree / "etc/stethos").mkdir(parents=True)


def add_control(tree: Path, package: str, version: str, architecture: str) -> None:
    """Control file, maintainer scripts, checksums for `dpkg --verify`."""
    needed = depends(tree)
    print(f"deb: {package} depends on {needed}")
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    kilobytes = sum(-(-path.stat().st_size // 1024) for path in files)
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    )
    control = tree / "DEBIAN"
    shutil.copytree(IMAGE / "debian" / package, control)
    template = (control / "control").read_text(encoding="utf-8")
    fields = {"VERSION": version, "ARCHITECTURE": architecture, "SIZE": str(kilobytes), "DEPENDS": needed}
    for name, value in fields.items():
        template = template.replace(f"@{name}@", value)
    (control / "control").write_text(template, encoding="utf-8")
    (control / "md5sums").write_text(sums, encoding="utf-8")


def settle(tree: Path, epoch: int) -> None:
    """Modes and times of everything as they do not depend on who built it, and when."""
    scripts = tree / "DEBIAN"
    for path in (tree, *sorted(tree.rglob("*"))):
        if path.is_symlink():
            os.utime(path, (epoch, epoch), follow_symlinks=False)
            continue
        is_run = path.is_dir() or path == tree / HOME.relative_to("/") / "bin/stethos"
        is_run |= path.parent == scripts and path.name in ("postinst", "prerm", "postrm")
        path.chmod(0o755 if is_run else 0o644)
        os.utime(path, (epoch, epoch))


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / source.name)


if __name__ == "__main__":
    sys.exit(main())
