"""The level of a processor: which of the shipped machine code it can run.

Duty: levels of the x86-64 psABI (https://gitlab.com/x86-psABIs/x86-64-ABI) by the flags that Linux shows, and
what the compiler of the kernels is told for each. Pure: reads neither /proc nor the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessorLevel:
    """One kind of shipped machine code: its name, LLVM's name of the processor, the flags that it needs."""

    name: str
    machine: str  # as uname(2) names it
    llvm_cpu: str
    flags: frozenset[str]  # as /proc/cpuinfo names them, beyond those of the level before


def _level(name: str, flags: str) -> ProcessorLevel:
    return ProcessorLevel(name, "x86_64", name, frozenset(flags.split()))


LEVELS: tuple[ProcessorLevel, ...] = (
    _level("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    _level("x86-64-v3", "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"),
    _level("x86-64-v4", "avx512bw avx512cd avx512dq avx512f avx512vl"),
    # Every 64-bit ARM processor runs the architecture's first version; later ones gain these kernels little.
    ProcessorLevel("aarch64", "aarch64", "generic", frozenset()),
)
"""From the least to the greatest of each machine; each needs the flags of all before it, too."""


def levels_of(machine: str, flags: frozenset[str]) -> tuple[ProcessorLevel, ...]:
    """The levels that a processor has, the greatest last; none if its machine is not known."""
    found: list[ProcessorLevel] = []
    for level in LEVELS:
        if level.machine != machine:
            continue
        if not level.flags <= flags:
            break
        found.append(level)
    return tuple(found)


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor in the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def compiler_settings(level: ProcessorLevel) -> Mapping[str, str]:
    """Environment that makes numba write code of exactly this level, on whatever processor it runs."""
    # Without features of its own numba would add those of the processor that it finds.
    return {"NUMBA_CPU_NAME": level.llvm_cpu, "NUMBA_CPU_FEATURES": ""}
