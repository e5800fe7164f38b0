"""What `bench_engine` measures in a process of its own: other processors' code, start-up, threads.

`python -m tests.benchmarks.engine_process TASK` prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any


def throughput() -> dict[str, Any]:
    """CPU time per window, after a look at the values: the code is another for each processor."""
    import numpy as np

    from dsp.lanes.engine import LaneEngine
    from tests.benchmarks.bench_engine import PARAMETERS, engine_jobs, loop_jobs
    from tests.benchmarks.turns import microseconds
    from tests.dsp.lanes.window_signals import bearing
    from tests.oracles import window_features as oracle

    windows = bearing(16).astype(np.float32)
    wanted = np.array([oracle.features(x, PARAMETERS) for x in windows])
    error = oracle.errors(LaneEngine(PARAMETERS).batch(windows), wanted, PARAMETERS.names).max()
    if not error <= 5e-6:
        raise AssertionError(f"on this processor the engine is {error:.2g} off the specification")
    jobs = engine_jobs(LaneEngine(PARAMETERS))
    kept = {name: job for name, job in jobs.items() if name.endswith(("windows, float32", "stream, int16"))}
    return microseconds(kept | {"loop": loop_jobs()["loop"]})


def start() -> dict[str, Any]:
    from dsp.lanes.engine import LaneEngine
    from dsp.window_parameters import WindowParameters

    faults = (("bpfo", 107.4), ("bpfi", 162.2), ("bsf", 141.2), ("ftf", 11.9))
    LaneEngine(WindowParameters(25_600.0, faults)).warm_up()
    return spent()


def interpreter() -> dict[str, Any]:
    import numpy  # noqa: F401
    import scipy.signal  # noqa: F401

    return spent()


def spent() -> dict[str, Any]:
    """CPU time since the process began, and the most memory it has held (of its own: not its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    most_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {"cpu_s": time.process_time(), "rss_mib": most_kib / 1024.0}


def threads() -> dict[str, Any]:
    """CPU and wall time per window of one thread, and of two at once, turn by turn."""
    import numpy as np

    from dsp.lanes.engine import LaneEngine
    from dsp.window_parameters import WINDOW_SAMPLES
    from tests.benchmarks.bench_engine import PARAMETERS
    from tests.benchmarks.turns import TURNS
    from tests.dsp.lanes.window_signals import bearing

    calls, n_windows = 8, 1024
    windows = np.tile(bearing(16).astype(np.float32), (n_windows // 16, 1))
    assert windows.shape == (n_windows, WINDOW_SAMPLES)
    engines = [LaneEngine(PARAMETERS) for _ in range(2)]
    for engine in engines:
        engine.batch(windows)
    cpu = [0.0, 0.0]

    def work(which: int) -> None:
        begin = time.thread_time()
        for _ in range(calls):
            engines[which].batch(windows)
        cpu[which] = time.thread_time() - begin

    told: dict[str, list[float]] = {"one_cpu": [], "one_wall": [], "two_cpu": [], "two_wall": []}
    for _ in range(TURNS):
        for name, which in (("one", (0,)), ("two", (0, 1))):
            workers = [threading.Thread(target=work, args=(i,)) for i in which]
            begin = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            per_window = 1e6 / (calls * n_windows * len(workers))
            told[f"{name}_wall"].append((time.perf_counter() - begin) * per_window)
            told[f"{name}_cpu"].append(sum(cpu[i] for i in which) * per_window)
    return told


if __name__ == "__main__":
    task = {"throughput": throughput, "start": start, "interpreter": interpreter, "threads": threads}
    print(json.dumps(task[sys.argv[1]]()))
