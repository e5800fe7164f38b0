"""Jobs measured turn by turn in one thread, so that a noisy machine disturbs all alike; one core for all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Job = tuple[Callable[[], object], int]  # what is called, and how many channel-windows one call does

TURNS = 9
SECONDS_PER_TURN = 0.08


def microseconds(jobs: dict[str, Job], turns: int = TURNS) -> dict[str, list[float]]:
    """CPU time of the thread per channel-window of each job, turn by turn, after two unmeasured calls."""
    calls: dict[str, int] = {}
    for name, (call, _) in jobs.items():
        call()
        start = time.thread_time()
        call()
        calls[name] = max(1, int(SECONDS_PER_TURN / max(time.thread_time() - start, 1e-6)))
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(turns):
        for name, (call, n_windows) in jobs.items():
            start = time.thread_time()
            for _ in range(calls[name]):
                call()
            taken[name].append((time.thread_time() - start) * 1e6 / (calls[name] * n_windows))
    return taken


@contextmanager
def one_core() -> Iterator[None]:
    """This thread, and all threads and processes that it begins, on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
