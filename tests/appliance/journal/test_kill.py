"""kill -9 at random moments: what was acknowledged is there, telemetry loses at most its last second."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.clock import SystemClock
from appliance.journal.record import RecordKind
from tests.appliance.journal.builders import ALL_TIME
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.crash_child import PAUSE_S

ROUNDS = 10
MOST_ROUNDS = 5 * ROUNDS  # on a machine that hardly gets on
LONGEST_LOSS_S = 1.0
ROOT = Path(__file__).parents[3]


class Killer:
    """The process that starts services and kills them (see crash_child)."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.appliance.journal.crash_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def run_and_kill(self, folder: Path, name: str, alive_s: float) -> tuple[set[str], list[int], int, float]:
        """Returns acknowledged keys, monotonic times of the windows handed over, and of the kill.

        And how much longer than it should the worst of a bystander's flushes took.
        """
        assert self._child.stdin is not None and self._child.stdout is not None
        witness = folder.parent / f"{name}.witness"
        self._child.stdin.write(f"{folder} {name} {witness} {alive_s}\n".encode())
        self._child.stdin.flush()
        killed_ns = int(self._child.stdout.readline())
        whole = [line.split() for line in witness.read_text().splitlines() if len(line.split()) == 2]
        acks = {word for kind, word in whole if kind == "ack"}
        sent = [int(word) for kind, word in whole if kind == "sent"]
        disk_ns = [*sorted(int(word) for kind, word in whole if kind == "disk"), killed_ns]
        worst_s = max((later - earlier for earlier, later in pairwise(disk_ns)), default=0) / 1e9
        return acks, sent, killed_ns, max(0.0, worst_s - 3 * PAUSE_S)

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(60)
        self._child.stdout.close()


@pytest.fixture
def killer() -> Iterator[Killer]:
    one = Killer()
    yield one
    one.close()


async def test_nothing_acknowledged_is_lost_in_ten_kills(
    open_journal: OpenJournal, killer: Killer, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    rng = random.Random(20816)
    acknowledged: set[str] = set()
    kept_ns: set[int] = set()
    lives, number = 0, 0  # lives that brought telemetry to the disk
    while number < ROUNDS or (
        number < MOST_ROUNDS and (len(acknowledged) <= 10 * ROUNDS or lives <= ROUNDS // 2)
    ):
        number += 1
        acks, sent, killed_ns, stood_s = await asyncio.to_thread(
            killer.run_and_kill, folder, f"round-{number}", rng.uniform(0.05, 1.3)
        )
        acknowledged |= acks
        journal = await open_journal(folder=folder, clock=SystemClock())
        assert journal.damage_report is None
        stored: set[str] = set()
        windows: set[int] = set()
        sequence, sequences = 0, []
        while records := await journal.read(sequence, limit=10_000):
            stored |= {record.key for record in records}
            windows |= {r.monotonic_ns for r in records if r.kind is RecordKind.FEATURES}
            sequences += [record.sequence for record in records]
            sequence = records[-1].sequence
        assert acknowledged <= stored
        assert kept_ns <= windows  # a later kill takes nothing from an earlier life
        lives += kept_ns < windows
        kept_ns = windows
        assert len(sequences) == len(set(sequences))
        lost = [one for one in sent if one not in windows]
        if lost:
            # Its time in memory, a group commit and its flushes: these wait as long as a bystander's did.
            assert (killed_ns - min(lost)) / 1e9 <= LONGEST_LOSS_S + 3 * stood_s
        await journal.close()
    assert len(acknowledged) > 10 * ROUNDS
    journal = await open_journal(folder=folder, clock=SystemClock())
    gaps = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert {gap.cause for gap in gaps} == {"power off"}
    assert len(gaps) >= lives - 1 >= ROUNDS // 2  # one per stop that followed telemetry
