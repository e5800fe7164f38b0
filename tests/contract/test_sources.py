"""What every Source promises, held against each of them with a real peer: a pty, an OPC UA server, a file."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from appliance.sources.recordings import Recording, Segment
from appliance.sources.replay import ReplaySource
from appliance.sources.source import LinkState, Source
from dsp.samples import Gap, Measurand, SampleBlock, SourceItem
from tests.appliance.sources.test_opcua_client import Plant, free_port
from tests.appliance.sources.test_opcua_client import source_of as opcua_source
from tests.appliance.sources.test_serial_bridge import sensor
from tests.appliance.sources.test_serial_bridge import source_of as serial_source

ENOUGH = 6
KINDS = ("serial", "opcua", "replay")


@contextlib.asynccontextmanager
async def source_with_its_peer(kind: str, folder: Path) -> AsyncIterator[Source]:
    if kind == "serial":
        async with sensor(folder, "--loss", "0") as device:
            yield serial_source(device.link)
    elif kind == "opcua":
        plant = Plant(free_port())
        await plant.start()
        try:
            yield opcua_source(plant.url)
        finally:
            await plant.stop()
    else:
        samples = np.random.default_rng(1).normal(size=(5000, 2)).astype(np.float32)
        recording = Recording(Path("a.npz"), ("x", "y"), "m/s2", 5000.0, (Segment(0.0, samples),), ())
        yield ReplaySource("replay", "m", recording, shaft_hz=30.0)


async def some_items(source: Source) -> list[SourceItem]:
    """The first items; then the iteration is closed, as by a cancelled task."""
    items: list[SourceItem] = []
    async with asyncio.timeout(60):
        async with contextlib.aclosing(source.blocks()) as stream:  # type: ignore[type-var]
            async for item in stream:
                items.append(item)
                if len(items) >= ENOUGH:
                    break
    return items


@pytest.mark.parametrize("kind", KINDS)
async def test_items_are_those_of_its_channels_in_order(kind: str, tmp_path: Path) -> None:
    async with source_with_its_peer(kind, tmp_path) as source:
        channels = {channel.channel_id: channel for channel in source.channels}
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", channel_id) for channel_id in channels)
        items = await some_items(source)
        assert len(items) == ENOUGH
        newest: dict[str, int] = {}
        for item in items:
            assert item.channel_id in channels
            if isinstance(item, Gap):
                assert item.end_ns >= item.start_ns
                continue
            vibration = channels[item.channel_id].measurand is Measurand.ACCELERATION
            assert (item.sample_rate_hz > 0) == vibration
            assert item.samples.ndim == 1
            assert item.samples.dtype == np.float32
            assert len(item.samples) >= 1 if vibration else len(item.samples) == 1
            assert item.start_ns >= newest.get(item.channel_id, item.start_ns)
            newest[item.channel_id] = item.start_ns


@pytest.mark.parametrize("kind", KINDS)
async def test_it_reports_itself_and_can_be_taken_up_again_after_its_close(kind: str, tmp_path: Path) -> None:
    async with source_with_its_peer(kind, tmp_path) as source:
        assert source.report().source_id == source.source_id
        assert source.report().kind == kind
        first = await some_items(source)
        again = await some_items(source)  # nothing of the first iteration holds the peer
        assert source.report().address
        assert source.report().state in (LinkState.CONNECTED, LinkState.CONNECTING, LinkState.FINISHED)
        for items in (first, again):
            assert any(isinstance(item, SampleBlock) for item in items)
