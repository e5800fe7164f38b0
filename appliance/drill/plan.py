"""Which faults there are, and in which order they are inflicted: in turn, and in pairs. Pure.

Duty: the registry of families and the list of a drill. One more family: its `fault_*.py`, and its line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from appliance.drill import fault_clock, fault_disk, fault_network, fault_power, fault_process, fault_server
from appliance.drill.fault import Fault
from appliance.drill.power_line import LINES
from appliance.errors import Fatal

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for family in (fault_network, fault_server, fault_process, fault_disk, fault_clock)
    for fault in family.FAULTS
}
POWER = fault_power.NAME  # is inflicted on the stores alone, from a record of what they wrote
PAIRED = ("black-hole", "forget", "server-kill", "server-rollback", "process-kill", "disk-full", "wal-damage",
          "clock-1970", "clock-forward")  # fmt: skip
"""What is also inflicted two at a time: of every family those that take most."""

POWER_PAIRED = ("black-hole", "reset", "late-answer", "busy")
"""With what the power goes together: what the line does to the courier whose files are recorded."""

Combination = tuple[Fault, ...]


def course_of(
    combinations: Sequence[Combination], seeds: int, *, spread: bool = False
) -> list[tuple[int, Combination]]:
    """(seed, what it inflicts) in order: for every seed all of them, or one each in turn (`spread`)."""
    if spread:
        return [(seed, combinations[seed % len(combinations)]) for seed in range(seeds)]
    return [(seed, faults) for seed in range(seeds) for faults in combinations]


def power_of(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """(lines with which the power goes, "" for the power alone; the names that are left). Without names all.

    Raises Fatal for what the power cannot go together with.
    """
    if not wanted:
        return ["", *POWER_PAIRED], []
    lines: list[str] = []
    left: list[str] = []
    for text in wanted:
        names = text.split("+")
        if POWER not in names:
            left.append(text)
            continue
        names.remove(POWER)
        if len(names) > 1 or not set(names) <= set(LINES):
            raise Fatal(f"{text}: power goes alone, or with one of {', '.join(LINES)}")
        lines.append("".join(names))
    return lines, left


def combinations_of(wanted: Sequence[str]) -> list[Combination]:
    """The combinations that names ask for: `a`, `a+b`; without any, all in turn and then in pairs.

    Raises Fatal for a name that there is not, and for two faults of one family.
    """
    if not wanted:
        paired = [FAULTS[name] for name in PAIRED]
        pairs = [pair for pair in combinations(paired, 2) if pair[0].family != pair[1].family]
        return [*((fault,) for fault in FAULTS.values()), *pairs]
    found: list[Combination] = []
    for text in wanted:
        names = text.split("+")
        unknown = [name for name in names if name not in FAULTS]
        if unknown:
            raise Fatal(f"there is no fault {', '.join(unknown)}; there are: {', '.join([*FAULTS, POWER])}")
        faults = tuple(FAULTS[name] for name in names)
        if len({fault.family for fault in faults}) < len(faults):
            raise Fatal(
                f"{text}: two faults of one family would turn the same switch; choose from two families"
            )
        found.append(faults)
    return found
