"""The drill's plant, read by the appliance's own source: each value names itself, also to one that stalls."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.commands.child_process import ChildProcess
from appliance.commands.demo_ports import free_port
from appliance.demo_plant import LOAD_NODE, SPEED_NODE, TEMPERATURE_NODE
from appliance.drill.numbered_plant import number_of, read_numbers, read_subscriptions
from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag
from dsp.samples import Channel, Measurand, SampleBlock

COUNTING = Channel("m.t", "m", Measurand.TEMPERATURE, "degC", 0.0, math.inf)
OTHERS = {
    SPEED_NODE: Channel("m.s", "m", Measurand.SHAFT_SPEED, "Hz", 0.0, math.inf),
    LOAD_NODE: Channel("m.l", "m", Measurand.LOAD, "1", 0.0, math.inf),
}
STALL_S = 1.3  # longer than after what a value that stands is noted again


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    port, account = free_port(), tmp_path / "account"
    child = await ChildProcess.start(
        "plant",
        "appliance.drill.numbered_plant",
        *("--port", str(port), "--start-ns", str(time.monotonic_ns()), "--account", str(account)),
        log=tmp_path / "log",
    )
    await child.first_line(tmp_path / "log")
    yield f"opc.tcp://127.0.0.1:{port}/", account
    await child.stop()


@pytest.mark.parametrize("others", [0, 2])
async def test_a_reader_that_stalls_notes_no_value_twice_and_misses_none(
    plant: tuple[str, Path], others: int
) -> None:
    """What waits to be taken is newer than the last that was: that one is not what the plant shows now."""
    url, account = plant
    # After a stall all values of one tag come, then all of the next: the counting one is the last.
    before = [OpcUaTag(f"ns=2;s={name}", channel, 0.01) for name, channel in OTHERS.items()][:others]
    tag = OpcUaTag(f"ns=2;s={TEMPERATURE_NODE}", COUNTING, 1.0)
    source = OpcUaSource("plc", url, (*before, tag), publish_interval_ms=50, silence_s=60.0)
    got: list[int] = []

    async def read() -> None:
        async for item in source.blocks():
            assert isinstance(item, SampleBlock)
            if item.channel_id != COUNTING.channel_id:
                continue
            number = number_of(float(item.samples[0]))
            assert number is not None
            got.append(number)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(60):
        for wanted in (4, 12, 20):
            while len(got) < wanted:
                assert not reading.done()
                await asyncio.sleep(0.01)
            time.sleep(STALL_S)  # the whole loop stands still, as on a box that has too much to do
    reading.cancel()
    await asyncio.wait([reading])
    shown = read_numbers(account)
    assert len(read_subscriptions(account)) == 1
    stood = {one for one in shown if shown.get(one + 1, shown[one]) - shown[one] > 0.8}  # a busy machine
    assert [one for one in got if got.count(one) > 1 and one not in stood] == []
    assert sorted(set(got)) == list(range(got[0], got[-1] + 1))
    assert set(got) <= set(shown)
