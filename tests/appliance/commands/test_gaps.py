"""`stethos gaps`: what it lists of a journal that is open, and how a gap's state ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.clock import ReplayClock
from appliance.journal.journal import Journal
from appliance.journal.record import GapState, RecordKind
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, QUICK, SECOND_NS, SMALL, START_NS

DAY_S = 86_400


def gap(channel: str, start_s: int, end_s: int, cause: GapCause, missing: int | None = None) -> Gap:
    return Gap(channel, start_s * SECOND_NS, end_s * SECOND_NS, cause, missing)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def states(journal: Journal) -> list[str]:
    return [str(one.state) for one in await journal.gaps("speed", *ALL_TIME)]


async def test_gaps_are_listed_with_channel_span_cause_and_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    journal.record_gap(gap("pump-1.de.x", 10, 12, GapCause.SERIAL_LOSS, 51_200))
    journal.record_gap(gap("speed", 5, 65, GapCause.OPCUA_DOWN))
    await until(lambda: journal.last_sequence == 2)
    (one,) = await journal.gaps("speed", *ALL_TIME)
    journal.resolve_gap(one.gap_id, GapState.BACKFILLED)
    clock.set_trusted(False)
    journal.record_gap(gap("speed", 100, 101, GapCause.OPCUA_DOWN))
    await until(lambda: journal.last_sequence == 4)

    def listed(*options: str) -> dict[str, list[dict[str, object]]]:
        assert main(["gaps", "--state", str(tmp_path), "--json", *options]) == 0
        answer: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
        return answer

    found = listed()
    assert [(row["channel"], row["cause"], row["state"], row["duration_s"]) for row in found["gaps"]] == [
        ("speed", "OPC UA server down", "backfilled", 60.0),
        ("pump-1.de.x", "serial loss", "lost", 2.0),
        ("speed", "OPC UA server down", "open", 1.0),
    ]
    assert [row["provisional"] for row in found["gaps"]] == [False, False, True]
    assert found["gaps"][1]["start"] == "2027-01-15T08:00:10.000Z"
    assert {(row["channel"], row["state"], row["gaps"]) for row in found["totals"]} == {
        ("speed", "backfilled", 1), ("speed", "open", 1), ("pump-1.de.x", "lost", 1),
    }  # fmt: skip
    assert [row["gap_id"] for row in listed("--only", "lost")["gaps"]] == [found["gaps"][1]["gap_id"]]
    assert len(listed("--channel", "speed", "--from", "2027-01-15T08:01:30")["gaps"]) == 1
    assert main(["gaps", "--state", str(tmp_path), "--limit", "1"]) == 0
    said = capsys.readouterr().out
    assert "open" in said.splitlines()[0] and "not trusted" in said.splitlines()[0]
    assert "2 older ones" in said
    assert "pump-1.de.x  1 lost, serial loss: 2.0 s" in said
    assert main(["gaps", "--state", str(tmp_path), "--from", "yesterday"]) == 2
    await journal.close()


async def test_an_open_gap_that_nobody_fills_is_lost_after_a_day(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    journal.record_gap(gap("speed", 5, 65, GapCause.OPCUA_DOWN))
    journal.record_gap(gap("speed", 80_000, 80_001, GapCause.OPCUA_DOWN))
    await until(lambda: journal.last_sequence == 2)
    await journal.close()
    clock.set((DAY_S + 60) * SECOND_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    await asyncio.sleep(0)
    assert await states(journal) == ["open", "open"]
    await journal.close()
    clock.set((DAY_S + 100) * SECOND_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    await until(lambda: journal.last_sequence == 3)
    assert await states(journal) == ["lost", "open"]
    told = await journal.read(0, {RecordKind.GAP})
    assert [json.loads(record.payload)["state"] for record in told] == ["open", "open", "lost"]
    assert told[-1].time_ns == START_NS + (DAY_S + 100) * SECOND_NS
    await journal.close()
