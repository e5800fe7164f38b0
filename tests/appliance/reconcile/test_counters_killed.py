"""Boxes killed while they count, whose disks are copied and put back; the witness is what they said."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections import Counter as Tally
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.demo_central import LocalInflux

MODULE = "tests.appliance.reconcile.counting_child"


@dataclass
class Witness:
    """What was counted for certain, and at most (a kill between a commit and its word leaves it open)."""

    least: Tally[str] = field(default_factory=Tally)
    most: Tally[str] = field(default_factory=Tally)

    def agrees(self, totals: Mapping[str, float]) -> bool:
        return all(self.least[name] <= totals[name] <= self.most[name] for name in ("hall", "hours"))


class Child:
    """One running box."""

    def __init__(self, process: asyncio.subprocess.Process, witness: Witness) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._witness = process, witness
        self._in, self._out = process.stdin, process.stdout

    async def _line(self) -> list[str]:
        async with asyncio.timeout(120):
            return (await self._out.readline()).decode().split()

    def _note(self, said: list[str]) -> None:
        if said and said[0] in ("will", "did"):
            sums = self._witness.most if said[0] == "will" else self._witness.least
            sums[said[1]] += int(said[2])

    async def counted(self, least: int) -> None:
        """Until so much was counted, and noted."""
        for _ in range(2 * least):
            self._note(await self._line())

    async def kill(self) -> None:
        """In the midst of counting; what it still said is noted."""
        self._process.kill()
        while said := await self._line():
            self._note(said)
        await self._process.wait()

    async def reconciled(self) -> dict[str, float]:
        """Its totals after it stopped counting, and one round."""
        self._in.write(b"reconcile\n")
        await self._in.drain()
        while said := await self._line():
            if said[0] == "total":
                return {"hall": float(said[1]), "hours": float(said[2])}
            self._note(said)
        raise AssertionError("it ended without an answer")


@contextlib.asynccontextmanager
async def child(folder: Path, server: LocalInflux, witness: Witness) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, str(folder), server.url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Child(process, witness)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def there(server: LocalInflux) -> dict[str, float]:
    rows = await asyncio.to_thread(
        server.ask, 'SELECT max("total") AS t FROM "counter" GROUP BY "counter", "incarnation"'
    )
    totals: Tally[str] = Tally()
    for row in rows:
        totals[{"service starts": "hall", "running hours": "hours"}[row["counter"]]] += row["t"]
    return dict(totals)


@pytest.mark.timeout(300)
async def test_killed_copied_put_back_and_cloned_both_sides_equal_the_witness(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    witness = Witness()
    state = tmp_path / "state"
    async with child(state, influxd, witness) as box:
        await box.counted(20)
        await box.kill()
    shutil.copytree(state, tmp_path / "backup")
    async with child(state, influxd, witness) as box:
        await box.counted(30)
        assert witness.agrees(await box.reconciled())
        await box.kill()
    shutil.rmtree(state)  # the disk dies; a copy from before takes its place, and another one a second box
    shutil.copytree(tmp_path / "backup", state)
    shutil.copytree(tmp_path / "backup", tmp_path / "twin")
    async with child(state, influxd, witness) as box, child(tmp_path / "twin", influxd, witness) as twin:
        await asyncio.gather(box.counted(10), twin.counted(12))
        await twin.reconciled()
        await twin.kill()
        await influxd.kill()
        await influxd.start()
        await box.reconciled()
        shown = await box.reconciled()
        assert witness.agrees(shown)
        assert shown == await there(influxd)
    async with child(tmp_path / "twin", influxd, witness) as twin:
        await twin.counted(5)
        await twin.kill()
    async with child(tmp_path / "twin", influxd, witness) as twin:
        await twin.counted(2)
        shown = await twin.reconciled()
        assert witness.agrees(shown)
        assert shown == await there(influxd)
    assert sum(witness.most.values()) - sum(witness.least.values()) <= 2 * 3
