"""kill -9 in the middle of captures, at random: what was promised is there, and nothing points nowhere."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from appliance.captured_recording import captured_stretches
from appliance.clock import SystemClock
from tests.appliance.capture_child import PROMISES, TIMING
from tests.appliance.capture_rig import capture_rig

KILLS, MOST_KILLS = 10, 40
ROOT = Path(__file__).parents[2]


async def test_captures_survive_ten_kills(tmp_path: Path) -> None:
    chance = random.Random(20816)
    killer = subprocess.Popen(
        [sys.executable, "-m", "tests.appliance.capture_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert killer.stdin is not None
    assert killer.stdout is not None
    promised: set[tuple[str, int]] = set()
    cut_short = 0
    try:
        for number in range(MOST_KILLS):
            if number >= KILLS and cut_short > 0:
                break
            said = tmp_path / f"witness-{number}"
            killer.stdin.write(f"{tmp_path} {said} {chance.uniform(0.02, 0.4)}\n".encode())
            killer.stdin.flush()
            assert await asyncio.to_thread(killer.stdout.readline) == b"killed\n"
            lines = [line.split() for line in said.read_text().splitlines()]
            promised |= {(line[1], int(line[2])) for line in lines if len(line) == 3}
            async with capture_rig(tmp_path, TIMING, clock=SystemClock()) as rig:
                await rig.care.begin()
                captures = await rig.stored()
                known = {(one.capture_id, part.part) for one in captures for part in one.parts}
                assert promised <= known
                assert all(one.complete for one in captures)
                named = {part.file for one in captures for part in one.parts if part.file}
                there = {path.name for path in rig.files.folder.iterdir()}
                assert named == there  # nothing missing, nothing left over, no half file
                cut_short = sum(one.ended != "" for one in captures)
                for one in captures:
                    if one.size_bytes:
                        assert captured_stretches(rig.files, one)[0]
    finally:
        killer.stdin.close()
        killer.wait(10)
        killer.stdout.close()
    assert len(promised) >= KILLS * PROMISES
    assert cut_short > 0, "no kill has met a capture that was still growing"
