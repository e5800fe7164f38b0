"""The package beside the checkout it was built from: size, start to the first window, memory, compilations.

Both run `stethos run` with the demo's configuration on one simulated sensor, in turns. "Cold" means that the
files of the tree were dropped from the page cache (posix_fadvise, no root needed); the Python binary and the
C library are warm for both. The checkout starts with its kernels compiled, and with none compiled yet.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.demo_config import SERIAL_NUMBER, DemoPlaces, demo_config
from tests.end_to_end.rig import free_port
from tests.end_to_end.told_process import ToldProcess, end_all_marked, new_mark

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Start:
    """One start of the appliance, from the process to its first window."""

    ready_s: float
    window_s: float
    rss_mb: float
    compilations: int


def run() -> list[dict[str, Any]]:
    """Rows of the benchmark; none without a package."""
    packages = sorted((ROOT / "build").glob("stethos_*.deb"))
    if not packages:
        print("no package in build/: run `make deb` first; nothing was measured")
        return []
    with tempfile.TemporaryDirectory(prefix="stethos-bench-") as temporary:
        folder = Path(temporary)
        tree = folder / "tree"
        subprocess.run(["dpkg-deb", "-x", str(packages[-1]), str(tree)], check=True)
        with sensor_and_plant(folder) as places:
            return [*sizes(packages[-1], tree), *starts(folder, tree, places)]


def sizes(package: Path, tree: Path) -> list[dict[str, Any]]:
    """What is to be carried, and what lies on the disk afterwards."""
    venv = Path(sys.prefix)
    return [
        row("package", "MB", package.stat().st_size / 1e6),
        row(
            "installed", "MB", on_disk_mb(tree), on_disk_mb(venv), "virtual environment with tests and tools"
        ),
    ]


def starts(folder: Path, tree: Path, places: DemoPlaces) -> list[dict[str, Any]]:
    """Package and checkout in turns: cold files, warm files, kernels never compiled before."""
    launcher = ["/usr/bin/python3.11", "-I", "-S", str(tree / "opt/stethos/bin/stethos")]
    checkout = [sys.executable, "-m", "appliance"]
    kept = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    site = Path(sys.prefix) / "lib"
    start(checkout, folder / "state-first", places, kept)  # compiles what the later ones load
    measured: dict[str, list[Start]] = {}
    for turn in range(ROUNDS):
        fresh = {"NUMBA_CACHE_DIR": str(folder / f"kernels-{turn}")}
        for name, command, environment, files in (
            ("package, cold", launcher, {}, tree),
            ("checkout, cold", checkout, kept, site),
            ("package, warm", launcher, {}, None),
            ("checkout, warm", checkout, kept, None),
            ("checkout, not compiled", checkout, fresh, None),
        ):
            if files is not None:
                forget(files)
            state = folder / f"state-{turn}-{name.replace(', ', '-').replace(' ', '-')}"
            found = start(command, state, places, environment)
            measured.setdefault(name, []).append(found)
    rows = []
    for figure, ours, theirs in (
        ("cold files", "package, cold", "checkout, cold"),
        ("warm files", "package, warm", "checkout, warm"),
        ("first start ever", "package, warm", "checkout, not compiled"),
    ):
        mine, peer = measured[ours], measured[theirs]
        rows += [
            row(f"start to first window, {figure}", "s", *medians(mine, peer, "window_s"), theirs),
            row(f"start to ready, {figure}", "s", *medians(mine, peer, "ready_s"), theirs),
            row(f"compilations, {figure}", "1", *medians(mine, peer, "compilations"), theirs),
        ]
    mine, peer = measured["package, warm"], measured["checkout, warm"]
    return [
        *rows,
        row("RSS at the first window", "MB", *medians(mine, peer, "rss_mb"), "checkout, warm"),
    ]


def start(command: list[str], state: Path, places: DemoPlaces, environment: dict[str, str]) -> Start:
    """Start the appliance, wait for its first window, end it."""
    state.mkdir(mode=0o700)
    config = state / "stethos.toml"
    config.write_text(demo_config(places))
    started_s = time.monotonic()
    with (state / "log").open("wb") as log, subprocess.Popen(
        [*command, "run", "--config", str(config), "--json"],
        cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=log, text=True,
    ) as process:  # fmt: skip
        try:
            return followed(process, started_s)
        finally:
            process.terminate()


def followed(process: subprocess.Popen[str], started_s: float) -> Start:
    """The appliance's lines, to the first that tells of a learned window."""
    assert process.stdout is not None
    ready_s, compilations = 0.0, -1
    for text in process.stdout:
        line, now_s = json.loads(text), time.monotonic() - started_s
        if line["type"] == "ready":
            ready_s, compilations = now_s, line["compilations"]
        if line["type"] == "learning" and line["percent"] > 0.0:
            return Start(ready_s, now_s, rss_mb(process.pid), compilations)
        if now_s > PATIENCE_S:
            break
    raise RuntimeError("the appliance ended, or told of no window")


@contextmanager
def sensor_and_plant(folder: Path) -> Iterator[DemoPlaces]:
    """The simulated machine that all starts measure."""
    places, mark = DemoPlaces(str(folder / "sensor"), free_port(), free_port()), new_mark()
    now_ns = str(time.monotonic_ns())
    try:
        sensor = ToldProcess(
            "sensor", mark, folder / "sensor.log", "firmware_bridge.simulator",
            *("--link", places.device, "--seed", "7", "--serial-number", SERIAL_NUMBER),
            *("--start-monotonic-ns", now_ns, "--end-with-stdin"),
        )  # fmt: skip
        plant = ToldProcess(
            "plant", mark, folder / "plant.log", "appliance.demo_plant",
            *("--port", str(places.plant_port), "--seed", "7", "--start-ns", now_ns),
        )  # fmt: skip
        for process in (sensor, plant):
            process.wait_for(lambda line: line.get("ready"), "it is ready")
        yield places
        for process in (plant, sensor):
            process.end()
    finally:
        end_all_marked(mark)


def forget(folder: Path) -> None:
    """Drop the folder's files from the page cache, as far as nobody uses them."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rss_mb(pid: int) -> float:
    """Resident set size; a proportional one would favour the checkout, whose libraries others use as well."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the kernel tells no resident set size")


def on_disk_mb(folder: Path) -> float:
    """Space that the files take."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def medians(ours: list[Start], theirs: list[Start], name: str) -> tuple[float, float]:
    """The middle of both."""
    return (
        statistics.median(getattr(one, name) for one in ours),
        statistics.median(getattr(one, name) for one in theirs),
    )


def row(
    figure: str, unit: str, ours: float, peer: float | None = None, peer_name: str = ""
) -> dict[str, Any]:
    ratio = None if peer is None or peer == 0 else ours / peer
    return {
        "bench": "package", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": peer_name, "ratio": ratio,
    }  # fmt: skip
