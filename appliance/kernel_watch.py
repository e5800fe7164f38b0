"""Sees every compilation of a kernel while the process runs.

Duty: count them, time them, and say when one comes after the start, where it holds up the analysis for
seconds. A packaged appliance has all its machine code with it and compiles nothing.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba.core import event
from numba.core.registry import CPUDispatcher

logger = logging.getLogger(__name__)
PACKAGES = ("dsp", "firmware_bridge", "models", "web", "appliance")


@dataclass(frozen=True, slots=True)
class Compilation:
    """One function compiled for one kind of arguments."""

    kernel: str  # module and name
    arguments: str  # numba's names of their types
    seconds: float  # functions that it calls, and that were compiled for it, included


class KernelWatch(event.Listener):
    """Listens to numba from `begin` on; `told` hears of each compilation when it is over."""

    def __init__(self, told: Callable[[Compilation], None] | None = None) -> None:
        self.compilations: list[Compilation] = []
        self._told = told
        self._settled = False
        self._started_s: list[float] = []  # numba compiles under a lock, inner functions within outer ones

    def begin(self) -> None:
        """Listen, until the process ends."""
        event.register("numba:compile", self)  # type: ignore[no-untyped-call]

    def settle(self) -> None:
        """The start is over: a compilation from here on is a warning in the log, and no longer told."""
        self._settled = True
        self._told = None

    def on_start(self, event: Any) -> None:
        """Called by numba before it compiles."""
        self._started_s.append(time.monotonic())

    def on_end(self, event: Any) -> None:
        """Called by numba after it has compiled, or failed to."""
        function = event.data["dispatcher"].py_func
        found = Compilation(
            f"{function.__module__}.{function.__qualname__}",
            ", ".join(str(kind) for kind in event.data["args"]),
            time.monotonic() - self._started_s.pop(),
        )
        self.compilations.append(found)
        if self._settled:
            logger.warning(
                "kernel compiled in the middle of the work kernel=%s arguments=%s seconds=%.2f",
                found.kernel,
                found.arguments,
                found.seconds,
            )
        if self._told is not None:
            self._told(found)


def now_and_then(say: Callable[[str], None], every_s: float = 2.0) -> Callable[[Compilation], None]:
    """What tells a person how far compiling is, no more often than that: a first start takes its time."""
    count, said_s = 0, -math.inf

    def told(found: Compilation) -> None:
        nonlocal count, said_s
        count += 1
        now_s = time.monotonic()
        if now_s - said_s >= every_s:
            said_s = now_s
            say(f"compiling for this processor, once: {count} functions so far")

    return told


def known_kernels() -> dict[str, Any]:
    """Every numba function of ours that is loaded and has machine code of its own, by module and name."""
    found = {}
    for module_name, module in sorted(sys.modules.items()):
        if module_name.partition(".")[0] not in PACKAGES:
            continue
        for value in vars(module).values():
            if not isinstance(value, CPUDispatcher) or value.py_func.__module__ != module_name:
                continue
            if value.targetoptions.get("inline") != "always":  # else it is a part of those that call it
                found[f"{module_name}.{value.py_func.__qualname__}"] = value
    return dict(sorted(found.items()))


def loaded_from_cache() -> int:
    """How many compiled functions came from a cache so far."""
    return sum(sum(kernel.stats.cache_hits.values()) for kernel in known_kernels().values())
