"""What a score by a network costs: through the model host, by our backend alone, by the bare runtime.

The network is `tests/fakes/small_network.py` (128 features, 27,168 parameters). Bare is the runtime called
directly on inputs that are ready, in this process: what is above it is features to inputs, outputs to scores,
and for the host the way to a child process and back. The floor of that way is `bare_way`, in turns with the
rest: 16 bytes to another process and back, one call after the other, and paced, when both processes have
slept. p50, p99 and fastest are wall time of each job's least disturbed turn, because other load can only add;
what ours adds is also counted in CPU time of both processes. The fallback rows are the slowest of several
calls in which the first choice dies or hangs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from dsp.samples import Float32Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.fallback_chain import ChainRules, TierState
from models.host import ModelHost
from models.host_process import Worker
from models.manifest_entries import Precision
from models.network_score import prepare
from tests.benchmarks.bare_way import BareWay
from tests.fakes import small_network as small

FLOAT, INT8 = Precision.FLOAT32, Precision.INT8
RUNS = (
    ("onnxruntime", FLOAT),
    ("onnxruntime", INT8),
    ("openvino", FLOAT),
    ("openvino", INT8),
    ("litert", INT8),
)
TURNS, CALLS = 5, 100
PACED_CALLS, PACE_S = 20, 0.02
FALLBACKS, MEMORY_CALLS, PERIODS = 8, 20, 100
GOAL_US = {1: 60.0, 16: 10.0}  # per call; per item
NOTHING = small.rows(0, 3)
CHANNELS, PERIOD_S = 64 * 3, 0.160


def run() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for runtime, precision in RUNS:
        rows += _latency(runtime, precision)
    rows += _threads()
    rows += [_memory(runtime) for runtime in ("numpy_reference", "onnxruntime", "openvino", "litert")]
    rows += _fallback()
    rows += [_utilisation(runtime) for runtime in ("onnxruntime", "openvino", "litert")]
    return rows


def row(figure: str, unit: str, ours: float, peer: float, peer_name: str) -> dict[str, Any]:
    return {
        "bench": "inference", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": peer_name, "ratio": ours / peer if peer else None,
    }  # fmt: skip


def _latency(runtime: str, precision: Precision) -> Iterator[dict[str, Any]]:
    manifest, artefact = small.package(runtime, precision)
    alone = backend_named(runtime, BackendOptions())
    alone.load(manifest, artefact)
    worker = Worker(runtime, manifest, artefact, max_items=64)
    with serving(worker) as host, BareWay() as way:
        for n in (1, 16):
            batch = small.rows(n, 3)
            bare = _bare(alone, prepare(small.SPEC, batch).inputs)
            jobs = {
                "host": lambda batch=batch: host.infer(batch),
                "backend": lambda batch=batch: alone.infer(batch),
                "bare": bare,
                "empty": lambda: host.infer(NOTHING),  # the way there and back, without network or arithmetic
                "floor": way,
            }
            pid = host.report()[0].pid
            assert pid is not None
            found = _measured(jobs, pid, way.pid)
            host_, backend_, bare_, floor_ = (found[job] for job in ("host", "backend", "bare", "floor"))
            each = ("call", "item")[n > 1]
            name, unit = f"{runtime} {precision}, batch of {n}", f"us of CPU per {each}"
            yield row(f"{name}, p50", "us", host_.p50, bare_.p50, "bare runtime")
            yield row(f"{name}, p99", "us", host_.p99, bare_.p99, "bare runtime")
            yield row(f"{name}, fastest", "us", host_.fastest, bare_.fastest, "bare runtime")
            if n == 1:
                yield from _ways(name, found["empty"], floor_)
            above = ("p50", host_.p50 - bare_.p50), ("fastest", host_.fastest - bare_.fastest)
            for which, more in above:
                yield row(
                    f"{name}, above bare, {which}", f"us per {each}", more / n, GOAL_US[n], "goal of all"
                )
            yield row(f"{name}, arithmetic", unit, (backend_.cpu - bare_.cpu) / n, GOAL_US[n], "goal of all")
            more = host_.cpu - backend_.cpu
            yield row(f"{name}, the child's way", unit, more / n, floor_.cpu / n, "two bare processes")
        yield from _paced(f"{runtime} {precision}", host, way)
    alone.close()


def _ways(name: str, empty: Cost, floor: Cost) -> Iterator[dict[str, Any]]:
    """An empty batch to the child and back, beside 16 bytes between two bare processes."""
    for figure in ("p50", "p99", "fastest"):
        pair = getattr(empty, figure), getattr(floor, figure)
        yield row(f"{name}, way of an empty batch, {figure}", "us", *pair, "two bare processes")
    yield row(f"{name}, way of an empty batch, CPU", "us", empty.cpu, floor.cpu, "two bare processes")


def _paced(name: str, host: ModelHost, way: BareWay) -> Iterator[dict[str, Any]]:
    """One batch of 16 now and then, as a box asks: both processes slept, and their core perhaps, too."""
    batch, pid = small.rows(16, 3), host.report()[0].pid
    jobs = {"host": lambda: host.infer(batch), "floor": way}
    found = _measured(jobs, pid, way.pid, PACED_CALLS, PACE_S)
    for figure in ("p50", "p99", "fastest"):
        pair = getattr(found["host"], figure), getattr(found["floor"], figure)
        figure_of = f"{name}, batch of 16 each {PACE_S * 1e3:.0f} ms, {figure}"
        yield row(figure_of, "us", *pair, "two bare processes")


def _bare(backend: InferenceBackend, inputs: Float32Array) -> Callable[[], object]:
    """The runtime below a loaded backend, called as its own documentation shows, on inputs that are ready."""
    network = backend._loaded.network  # type: ignore[attr-defined]
    if backend.name == "onnxruntime":
        session, feed, outputs = network._session, {network._input: inputs}, network._outputs
        return lambda: session.run(outputs, feed)
    if backend.name == "openvino":
        network.run(inputs)  # sets the tensor
        return network._calls[len(inputs)].request.infer  # type: ignore[no-any-return]
    interpreter, first, last = network._interpreter, network._in.index, network._out.index
    items = [network._in.stored(inputs[i : i + 1]) for i in range(len(inputs))]

    def litert() -> None:
        for item in items:
            interpreter.set_tensor(first, item)
            interpreter.invoke()
            interpreter.get_tensor(last)

    return litert


@dataclass(frozen=True)
class Cost:
    """Of one call, us: wall time of the turn with the lowest median, CPU time of the cheapest turn."""

    p50: float
    p99: float
    fastest: float
    cpu: float


def _measured(
    jobs: Mapping[str, Callable[[], object]],
    child: int | None = None,
    other: int | None = None,
    calls: int = 0,
    pause_s: float = 0.0,
) -> dict[str, Cost]:
    """What a call of each job costs, turn by turn; CPU time is this thread's and the child's.

    `other`: the child of the floor. `calls` a turn (0: CALLS), with a pause before each.
    """
    calls = calls or CALLS
    walls: dict[str, list[Any]] = {name: [] for name in jobs}
    cpus: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(TURNS):
        for name, call in jobs.items():
            for _ in range(3):
                call()
            times = np.empty(calls)
            theirs = other if name == "floor" else child
            before = _cpu_ns(theirs)
            for i in range(calls):
                if pause_s:
                    time.sleep(pause_s)
                start = time.perf_counter_ns()
                call()
                times[i] = (time.perf_counter_ns() - start) / 1e3
            cpus[name].append((_cpu_ns(theirs) - before) / 1e3 / calls)
            walls[name].append(np.percentile(times, (50, 99, 0)).tolist())
    return {name: Cost(*min(walls[name]), min(cpus[name])) for name in jobs}


def _cpu_ns(child: int | None) -> int:
    used = time.thread_time_ns()
    if child is not None:
        used += time.clock_gettime_ns(
            ((~child) << 3) | 2
        )  # the CPU clock of another process, as clock_getcpuclockid
    return used


def _threads() -> Iterator[dict[str, Any]]:
    """A batch of 256 on two threads beside one."""
    batch = small.rows(256, 3)
    for runtime in ("onnxruntime", "openvino"):
        manifest, artefact = small.package(runtime, FLOAT)
        jobs: dict[str, Callable[[], object]] = {}
        for threads in (1, 2):
            backend = backend_named(runtime, BackendOptions(threads=threads))
            backend.load(manifest, artefact)
            jobs[str(threads)] = lambda backend=backend: backend.infer(batch)  # type: ignore[misc]
        found = _measured(jobs)
        fastest = found["2"].fastest, found["1"].fastest
        yield row(f"{runtime} float32, batch of 256, 2 threads, fastest", "us", *fastest, "1 thread")


def _memory(runtime: str) -> dict[str, Any]:
    manifest, artefact = small.package(runtime, INT8)
    with serving(Worker(runtime, manifest, artefact)) as host:
        for _ in range(MEMORY_CALLS):
            host.infer(small.rows(16, 3))
        used = host.report()[0].resident_bytes / 2**20
    here = psutil.Process().memory_info().rss / 2**20
    return row(f"child with {runtime}, resident", "MiB", used, here, "this process, all runtimes loaded")


def _fallback() -> Iterator[dict[str, Any]]:
    """The slowest answer in whose course the first choice died, and in whose course it hung."""
    workers = [Worker(runtime, *small.package(runtime)) for runtime in ("litert", "onnxruntime")]
    rules = ChainRules(backoff_ns=10_000_000, stable_ns=0)
    batch, deadline_ms = small.rows(16, 3), rules.deadline_ns / 1e6
    for how, sent in (("died", signal.SIGKILL), ("hung", signal.SIGSTOP)):
        slowest, missed = 0.0, 0
        with serving(*workers, rules=rules) as host:
            for _ in range(FALLBACKS):
                pid = host.report()[0].pid
                assert pid is not None
                os.kill(pid, sent)
                start = time.perf_counter()
                answer = host.infer(batch)
                slowest = max(slowest, (time.perf_counter() - start) * 1e3)
                missed += np.isnan(answer.scores).any()
                if sent == signal.SIGSTOP:
                    os.kill(pid, signal.SIGCONT)
                _until_serving(host)
        yield row(
            f"answer when the first choice {how}, slowest of {FALLBACKS}",
            "ms",
            slowest,
            deadline_ms,
            "deadline",
        )
        assert not missed


def _utilisation(runtime: str) -> dict[str, Any]:
    """CPU time of both processes for all channels' windows of one period."""
    manifest, artefact = small.package(runtime, INT8)
    batch, calls = small.rows(CHANNELS, 3), PERIODS
    with serving(Worker(runtime, manifest, artefact, max_items=CHANNELS + 1)) as host:
        pid = host.report()[0].pid
        before = _cpu_ns(pid)
        for _ in range(calls):
            answer = host.infer(batch)
            assert answer.first_choice, answer.reason
        used_ns = _cpu_ns(pid) - before
    share = 100 * used_ns / 1e9 / calls / PERIOD_S
    figure = f"{runtime} int8, {CHANNELS} windows each {PERIOD_S * 1e3:.0f} ms, through the host"
    return row(figure, "% of a core", share, 100.0, "one core")


@contextmanager
def serving(*workers: Worker, rules: ChainRules | None = None) -> Iterator[ModelHost]:
    """A model host whose tiers all serve; its deadline is wide unless `rules` say otherwise."""
    wide = ChainRules(deadline_ns=10_000_000_000)
    with ModelHost(workers, lambda batch: np.zeros(len(batch), np.float32), rules or wide) as host:
        _until_serving(host)
        yield host


def _until_serving(host: ModelHost) -> None:
    until = time.monotonic() + 60
    while any(tier.state is not TierState.SERVING for tier in host.report()):
        assert time.monotonic() < until, host.report()
        time.sleep(0.02)
