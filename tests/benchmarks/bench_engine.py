"""Window features of 16 channels and of one 3-axis sensor: lanes beside SciPy and their own transforms.

All compute the features of `WindowParameters.names` from windows of 8192 samples at 25.6 kHz. The *SciPy
loop* is the specification in `tests/oracles`: float64, one window at a time, as one would write it; its
variant with a Butterworth band-pass run both ways stands beside it. *Vectorised* is `dsp.window_features`:
float64, 16 windows at once. The *bound* are the engine's own transforms with nothing between them. Turn by
turn in one thread; CPU time of the thread; medians over turns of the ratio within a turn. Other instruction
sets, start-up and threads are measured in processes of their own (`engine_process.py`), each against the same
loop in the same process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from dsp.lanes import plain_transforms
from dsp.lanes.engine import LaneEngine
from dsp.lanes.fft import Plan, aligned
from dsp.lanes.vector import LANES
from dsp.window_features import window_features
from dsp.window_parameters import HOP_SAMPLES, WINDOW_SAMPLES
from tests.benchmarks.turns import Job, microseconds
from tests.dsp.lanes.window_signals import bearing, parameters_at
from tests.oracles import window_features as oracle

ROOT = Path(__file__).resolve().parents[2]

PARAMETERS = parameters_at()
_PLANS = {
    1024: Plan((8, 4), (8, 4)),
    1280: Plan((4, 5), (8, 8)),
    2048: Plan((8, 4), (8, 8)),
    2560: Plan((8, 5), (8, 8)),
    4096: Plan((8, 8), (8, 8)),
}


def run() -> list[dict[str, Any]]:
    """Rows of throughput, of the bound, of other instruction sets, of start-up and of two threads."""
    throughput = throughput_rows()
    return [
        *throughput,
        *peer_rows(float(throughput[0]["ratio"])),
        *instruction_set_rows(),
        *start_rows(),
        *thread_rows(),
    ]


def ratio(peer: list[float], ours: list[float]) -> float:
    return median(p / o for p, o in zip(peer, ours, strict=True))


def engine_jobs(engine: LaneEngine) -> dict[str, Job]:
    """Batches and streams of 16 channels, and one 3-axis sensor alone with 1, 3 and 5 hops a call."""
    n = 16
    signal = bearing(n, 6 * HOP_SAMPLES)
    floats = signal.astype(np.float32)
    counts = (signal * 8000).astype(np.int16)
    windows = np.ascontiguousarray(floats[:, :WINDOW_SAMPLES])
    window_counts = np.ascontiguousarray(counts[:, :WINDOW_SAMPLES])
    float_stream, count_stream = engine.stream(n), engine.stream(n)
    jobs: dict[str, Job] = {
        "16 channels, independent windows, float32": (lambda: engine.batch(windows), n),
        "16 channels, independent windows, int16": (lambda: engine.batch(window_counts, 1 / 8000), n),
        "16 channels, stream, float32": (lambda: float_stream.push(floats), 6 * n),
        "16 channels, stream, int16": (lambda: count_stream.push(counts, 1 / 8000), 6 * n),
    }
    for hops in (1, 3, 5):
        stream = engine.stream(3)
        axes = np.ascontiguousarray(counts[:3, : hops * HOP_SAMPLES])
        stream.push(axes, 1 / 8000)
        name = f"one 3-axis sensor, int16, {hops} hops a call ({hops * 0.16:.2f} s)"
        jobs[name] = (lambda stream=stream, axes=axes: stream.push(axes, 1 / 8000), 3 * hops)  # type: ignore[misc]
    return jobs


def loop_jobs() -> dict[str, Job]:
    """The specification, ideal band and filtered, on two windows a call."""
    windows = bearing(2)
    return {
        "loop": (lambda: [oracle.features(x, PARAMETERS) for x in windows], 2),
        "filtered loop": (lambda: [oracle.features(x, PARAMETERS, with_filter=True) for x in windows], 2),
    }


def transform_job(sizes: tuple[int, ...]) -> Job:
    """The transforms of one group of lanes, one after the other, and nothing else."""
    plans = [_PLANS[size] for size in sizes]
    # one source and one work array for all, as in the engine, so that a group stays within the cache
    source = aligned(2 * LANES * max(sizes))
    source[:] = np.random.default_rng(1).standard_normal(source.size)
    work = aligned(max(plan.work_floats for plan in plans))
    small = aligned(max(plan.scratch_floats for plan in plans))
    tables = {size: _PLANS[size].twiddle_table() for size in sizes}
    made = [(getattr(plain_transforms, f"transform_{size}"), tables[size]) for size in sizes]

    def call() -> None:
        for function, table in made:
            function(source, work, small, table)

    return call, LANES


def throughput_rows() -> list[dict[str, Any]]:
    engine = LaneEngine(PARAMETERS)
    ours = engine_jobs(engine)
    sixteen = bearing(16)
    bounds = {
        "independent windows, float32": transform_job((2048, 2048, 2048, 1024, 4096, 2560, 1280)),
        "stream, int16": transform_job((2048, 2048, 4096, 2560, 1280)),
    }
    vectorised = {"vectorised": (lambda: window_features(sixteen, PARAMETERS), 16)}
    taken = microseconds(ours | loop_jobs() | vectorised | {f"bound {k}": v for k, v in bounds.items()})
    rows = []
    for name in ours:
        for peer, label in (
            ("loop", "SciPy loop, same definition"),
            ("filtered loop", "SciPy loop, sosfiltfilt"),
            ("vectorised", "vectorised SciPy, float64"),
        ):
            if peer == "loop" or name.endswith(("windows, float32", "stream, int16")):
                rows.append(row(name, "us/window", taken[name], taken[peer], label))
    for name in bounds:
        ours_of = taken[f"16 channels, {name}"]
        rows.append(
            row(
                f"16 channels, {name}: share of bound",
                "us/window",
                ours_of,
                taken[f"bound {name}"],
                "own transforms alone",
            )
        )
    rows.append(
        row(
            "vectorised SciPy, float64",
            "us/window",
            taken["vectorised"],
            taken["loop"],
            "SciPy loop, same definition",
        )
    )
    return rows


def row(figure: str, unit: str, ours: list[float], peer: list[float], peer_name: str) -> dict[str, Any]:
    return {
        "bench": "engine", "figure": figure, "unit": unit, "ours": median(ours), "peer": median(peer),
        "peer_name": peer_name, "ratio": ratio(peer, ours),
    }  # fmt: skip


def child(
    *task: str, module: str = "engine_process", python: str = sys.executable, **environment: str
) -> dict[str, Any]:
    """What a module of this folder prints when it is run with `task`."""
    told = subprocess.run(
        [python, "-m", f"tests.benchmarks.{module}", *task],
        cwd=ROOT, env=os.environ | environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def peer_rows(loops_per_window: float) -> list[dict[str, Any]]:
    """Libraries of others, where `STETHOS_PEERS` names an interpreter that has them (`engine_peers.py`).

    They cannot run in our process: ours is what the loop takes beside them, by the ratio measured here. They
    compute the few features that they share with us, we compute all.
    """
    python = os.environ.get("STETHOS_PEERS")
    if python is None:
        empty = {"bench": "engine", "unit": "us/window", "ours": None, "peer": None, "ratio": None}
        return [
            empty | {"figure": f"beside {name}", "peer_name": "not measured: STETHOS_PEERS is not set"}
            for name in ("tsfel", "tsfresh", "librosa")
        ]
    told = child(module="engine_peers", python=python)
    ours = [loop / loops_per_window for loop in told.pop("loop")]
    return [
        row("16 channels, independent windows, float32", "us/window", ours, taken, name)
        for name, taken in told.items()
    ]


def instruction_set_rows() -> list[dict[str, Any]]:
    """The same code made for older processors, run on this one."""
    rows = []
    for name, processor in (("AVX2", "haswell"), ("SSE2", "x86-64")):
        told = child("throughput", NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="")
        rows += [
            row(f"{name}: {figure}", "us/window", told[figure], told["loop"], "SciPy loop, same definition")
            for figure in ("16 channels, independent windows, float32", "16 channels, stream, int16")
        ]
    return rows


def start_rows() -> list[dict[str, Any]]:
    """CPU time from the start of the process to all kernels ready; cold has an empty cache."""
    with tempfile.TemporaryDirectory() as empty:
        cold = child("start", NUMBA_CACHE_DIR=empty)
        warm = [child("start", NUMBA_CACHE_DIR=empty) for _ in range(5)]
    bare = [child("interpreter") for _ in range(5)]
    cpu_s, mebibytes = (median(w[key] for w in warm) for key in ("cpu_s", "rss_mib"))

    def plain(figure: str, unit: str, ours: float, peer: float, peer_name: str) -> dict[str, Any]:
        return row(figure, unit, [ours], [peer], peer_name)

    return [
        plain("start, warm cache", "CPU s", cpu_s, cold["cpu_s"], "empty cache (compiles)"),
        plain(
            "start, warm cache",
            "CPU s",
            cpu_s,
            median(b["cpu_s"] for b in bare),
            "import of numpy and scipy.signal",
        ),
        plain(
            "memory after start",
            "MiB",
            mebibytes,
            median(b["rss_mib"] for b in bare),
            "numpy and scipy.signal",
        ),
        plain("memory after start", "MiB", mebibytes, cold["rss_mib"], "empty cache (compiles)"),
    ]


def thread_rows() -> list[dict[str, Any]]:
    """Two threads beside one, calls of more than 10 ms."""
    told = child("threads")
    return [
        row("two threads: CPU per window", "us/window", told["two_cpu"], told["one_cpu"], "one thread"),
        row("two threads: wall per window", "us/window", told["two_wall"], told["one_wall"], "one thread"),
    ]
