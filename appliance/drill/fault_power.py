"""The power goes: a box's stores under load, cut at many points, every disk that this may leave opened anew.

Duty: one recorded run of the load, the choice of cuts by seed, the sum over all of them. The load is written
by the product's own stores (`power_load`); what a cut leaves is decided in `power_disk`, what is lost in
`power_after`.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.drill.outcome import Outcome, Row
from appliance.drill.power_after import FILES, AfterCut, Promised, after_cut
from appliance.drill.power_disk import Disk, Loss
from appliance.drill.power_trace import Call, Said, traced
from appliance.errors import StethosError
from appliance.installation import module_command

NAME = "power"
COMMITS = 200  # enough for the log to be brought into the file on the way
LEAST_CUTS = 200
MEMORY = Path("/dev/shm")  # noqa: S108 - where there is one, disks are rebuilt in it
LONGEST_LOSS_S = 1.0


@dataclass(slots=True)
class PowerReport:
    """The sum over all cuts."""

    points: int = 0  # in the record
    cuts: int = 0  # each point with every sort of loss
    outcomes: dict[str, Outcome] = field(default_factory=lambda: defaultdict(Outcome))
    telemetry_lost_s: float = 0.0  # the most that one cut cost
    damaged: list[str] = field(default_factory=list)  # a cut must never leave a damaged file
    line: str = ""  # of power_line's, which was bad meanwhile

    def add(self, one: AfterCut) -> None:
        self.cuts += 1
        for record_class, outcome in one.outcomes.items():
            self.outcomes[record_class] += outcome
        self.telemetry_lost_s = max(self.telemetry_lost_s, one.telemetry_lost_s)
        self.damaged += one.damaged

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the drill's table."""
        return tuple(
            Row(self._faults, record_class, outcome) for record_class, outcome in self.outcomes.items()
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is wrong beyond the rows."""
        after = f"after {' and '.join(self._faults)}"
        long = (
            (f"{after}: a cut cost {self.telemetry_lost_s:.2f} s of telemetry, not {LONGEST_LOSS_S:g} s",)
            if self.telemetry_lost_s > LONGEST_LOSS_S
            else ()
        )
        return (*long, *(f"{after}: {one}" for one in self.damaged))

    @property
    def _faults(self) -> tuple[str, ...]:
        return (NAME, self.line) if self.line else (NAME,)


def recorded(
    folder: Path, commits: int = COMMITS, module: str = "appliance.drill.power_load", *, line: str = ""
) -> list[Call]:
    """The calls of one run of the load, `line` being the way out. Blocking, seconds.

    Raises NotTraceable, Fatal.
    """
    shutil.rmtree(folder / "stores", ignore_errors=True)  # what was there before would not be in the record
    command = (*module_command(module), str(folder / "stores"), str(commits), *([line] if line else []))
    return traced(command, folder / "strace.log")


def cut_everywhere(
    calls: Sequence[Call],
    folder: Path,
    seeds: int,
    cuts: int = LEAST_CUTS,
    *,
    every_loss: bool = True,
    line: str = "",
    stop: threading.Event | None = None,
) -> PowerReport:
    """Cut at random points, at least `cuts` in all and some for every seed, with every sort of loss or
    with one each in turn, until `stop` is set.

    Blocking. What a cut leaves lies in memory while it is looked at: this is about its content.
    """
    report = PowerReport(line=line)
    disk, promised = Disk(FILES), Promised(delivers=bool(line))
    places = deque(chosen(calls, seeds, cuts))
    with tempfile.TemporaryDirectory(
        dir=MEMORY if MEMORY.is_dir() else folder, prefix="stethos-cut-"
    ) as after:
        for number, call in enumerate(calls):
            if stop is not None and stop.is_set():
                break
            disk.take(call)
            if isinstance(call, Said):
                promised.hear(call)
            while places and places[0].after_call == number:
                place = places.popleft()
                report.points += 1
                chance = random.Random(f"{place.seed}/{number}")  # noqa: S311 - repeatable
                turn = list(Loss)[report.points % len(Loss)]
                for loss in Loss if every_loss else [turn]:
                    try:
                        report.add(_looked_at(Path(after), disk.leaves(loss, chance), promised))
                    except (sqlite3.Error, StethosError, TimeoutError) as error:
                        report.damaged.append(f"{loss} after call {number}: {error}")
    return report


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where one seed cuts."""

    after_call: int
    seed: int


def chosen(calls: Sequence[Call], seeds: int, cuts: int) -> list[Place]:
    """Points of the record, in order: by chance once every store has something, half of them after an ack."""
    said = [(i, call.words[0]) for i, call in enumerate(calls) if isinstance(call, Said)]
    first = next(i for i, word in said if word == "steady")
    acks = [i for i, word in said if word == "ack" and i >= first]
    each = max(2, -(-cuts // seeds))
    places: list[Place] = []
    for seed in range(seeds):
        chance = random.Random(seed)  # noqa: S311 - repeatable
        after = [chance.randrange(first, len(calls)) for _ in range(each - each // 2)]
        after += [chance.choice(acks) for _ in range(each // 2)]
        places += [Place(number, seed) for number in after]
    return sorted(places)


def _looked_at(folder: Path, files: Mapping[str, bytes], promised: Promised) -> AfterCut:
    """Write a disk's files, and let them be opened."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return asyncio.run(after_cut(folder, promised))
