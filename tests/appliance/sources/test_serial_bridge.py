"""The serial bridge: blocks and gaps from events, and the whole way against the simulator on a real pty."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from appliance.sources.serial_blocks import AxisChannel, BlockAssembler
from appliance.sources.serial_bridge import SerialSource
from appliance.sources.source import LinkState, SourceLost
from dsp.samples import Channel, Gap, GapCause, Measurand, SampleBlock, SourceItem, TimeQuality
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    RestartSign,
    SamplesReceived,
    SequenceGap,
    TickJump,
)
from firmware_bridge.frames import Hello

RATE_HZ = 25_600.0
RANGE_MPS2 = 16 * 9.80665
BAUD = 3_000_000
PATIENCE_S = 60.0
HELLO = Hello(1, 1, 7, "ACC3", "SN-1", "1.0", 32768.0, RATE_HZ, 3, 128, 1_000_000)  # one count is 1 m/s2


def channel(name: str, rate_hz: float = RATE_HZ, full_scale: float = RANGE_MPS2) -> Channel:
    return Channel(f"m.{name}", "m", Measurand.ACCELERATION, "m/s2", rate_hz, full_scale)


AXES = tuple(AxisChannel(index, channel(name)) for index, name in enumerate("xyz"))


def frame(index: int, start_ns: int | None = None) -> SamplesReceived:
    """Frame number `index` of 128 samples; every sample of axis a is 10 x index + a."""
    samples = np.tile(np.array([0, 1, 2], np.int16) + 10 * index, (128, 1))
    at_ns = round(index * 128 * 1e9 / RATE_HZ) if start_ns is None else start_ns
    return SamplesReceived(index, index, at_ns, at_ns + 6_000_000, RATE_HZ, samples.astype(np.int16), None)


def identified() -> BlockAssembler:
    assembler = BlockAssembler(AXES)
    assert assembler.take(DeviceIdentified(HELLO)) == []
    return assembler


def test_frames_are_merged_to_a_tenth_of_a_second_per_axis() -> None:
    assembler = identified()
    items = [item for index in range(45) for item in assembler.take(frame(index))]
    blocks = [item for item in items if isinstance(item, SampleBlock)]
    assert len(items) == len(blocks) == 6  # 20 frames of 5 ms a block, 3 axes, the last 5 frames wait
    assert [block.channel_id for block in blocks[:3]] == ["m.x", "m.y", "m.z"]
    assert all(len(block.samples) == 2560 for block in blocks)
    assert [block.sequence for block in blocks] == [1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(blocks[1].samples[::128], np.arange(20) * 10.0 + 1.0)
    assert blocks[3].start_ns == blocks[0].end_ns
    assert blocks[0].time_quality is TimeQuality.PROVISIONAL


def test_sequence_gap_ends_a_block_and_is_told_on_every_axis() -> None:
    assembler = identified()
    items = assembler.take(frame(0))
    items += assembler.take(SequenceGap(1, 2, 256, 5_000_000, 15_000_000))
    items += assembler.take(frame(3))
    blocks = [item for item in items if isinstance(item, SampleBlock)]
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [len(block.samples) for block in blocks] == [128, 128, 128]
    assert [gap.channel_id for gap in gaps] == ["m.x", "m.y", "m.z"]
    assert {(gap.start_ns, gap.end_ns, gap.cause, gap.samples_missing) for gap in gaps} == {
        (5_000_000, 15_000_000, GapCause.SEQUENCE_GAP, 256)
    }
    assert assembler.samples_missing == 256


def test_tick_jump_is_a_gap_of_the_lost_samples() -> None:
    assembler = identified()
    assembler.take(frame(0))
    assembler.take(TickJump(1, 128, 512, 384))
    items = assembler.take(frame(1, start_ns=20_000_000))
    gap = next(item for item in items if isinstance(item, Gap))
    assert (gap.start_ns, gap.end_ns, gap.samples_missing) == (5_000_000, 20_000_000, 384)


def test_restart_of_the_device_is_serial_loss() -> None:
    assembler = identified()
    assembler.take(frame(0))
    assembler.take(DeviceRestarted(RestartSign.NOTICE, "power on"))
    assembler.take(DeviceIdentified(HELLO))
    assembler.take(SequenceGap(0, None, None, 5_000_000, 900_000_000))
    items = assembler.take(frame(0, start_ns=900_000_000))
    assert {item.cause for item in items if isinstance(item, Gap)} == {GapCause.SERIAL_LOSS}


def test_gap_between_two_connections_is_told_when_samples_return() -> None:
    assembler = identified()
    assembler.take(frame(0))
    left = assembler.connection_lost()
    assert [len(block.samples) for block in left if isinstance(block, SampleBlock)] == [128, 128, 128]
    assembler.take(DeviceIdentified(HELLO))
    items = assembler.take(frame(0, start_ns=3_000_000_000))
    gap = items[0]
    assert isinstance(gap, Gap)
    assert (gap.start_ns, gap.end_ns, gap.cause) == (5_000_000, 3_000_000_000, GapCause.SERIAL_LOSS)
    assert gap.samples_missing is None


def test_nothing_is_missing_before_the_first_sample() -> None:
    assembler = identified()
    assert assembler.connection_lost() == []
    assert assembler.take(SequenceGap(0, 3, 384, 0, 1)) == []
    assert not [item for item in assembler.take(frame(0)) if isinstance(item, Gap)]


class SensorProcess:
    """The simulator in its own process, on a real pty."""

    def __init__(self, process: asyncio.subprocess.Process, link: Path) -> None:
        self.process = process
        self.link = link

    async def tell(self, **command: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S))
        assert "error" not in answer, answer


@contextlib.asynccontextmanager
async def sensor(tmp_path: Path, *options: str) -> AsyncIterator[SensorProcess]:
    link = tmp_path / "sensor"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firmware_bridge.simulator", "--link", str(link), "--seed", "5"),
        *("--end-with-stdin", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert b"ready" in await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        yield SensorProcess(process, link)
    finally:
        process.kill()
        await process.wait()


def source_of(link: Path, **options: object) -> SerialSource:
    """A process that stands still for some seconds is no silent sensor here."""
    return SerialSource("sensor", str(link), AXES, baud=BAUD, silence_s=60.0, **options)  # type: ignore[arg-type]


class Reader:
    def __init__(self, source: SerialSource) -> None:
        self.source = source
        self.items: list[SourceItem] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with contextlib.aclosing(self.source.blocks()) as items:
            async for item in items:
                self.items.append(item)

    def blocks(self, channel_id: str) -> list[SampleBlock]:
        return [i for i in self.items if isinstance(i, SampleBlock) and i.channel_id == channel_id]

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.task.done():
                    await self.task
                await asyncio.sleep(0.02)

    async def lost(self) -> SourceLost:
        with pytest.raises(SourceLost) as caught:
            await asyncio.wait_for(self.task, PATIENCE_S)
        return caught.value

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_stream_of_a_simulated_sensor_arrives_in_si(tmp_path: Path) -> None:
    async with sensor(tmp_path, "--loss", "0") as device:
        reader = Reader(source_of(device.link, serial_number="SIM-0001"))
        await reader.until(
            lambda: (
                len(reader.blocks("m.x")) >= 20
                and (reader.source.report().counts or {})["frames received"] >= 400
            )
        )
        report = reader.source.report()
        await reader.stop()
    assert report.state is LinkState.CONNECTED
    assert report.counts is not None
    assert report.counts["frames received"] >= 400
    blocks = reader.blocks("m.x")
    samples = np.concatenate([block.samples for block in blocks])
    assert 0.3 < float(np.std(samples)) < 5.0  # m/s2, a healthy machine
    # A reader that was kept from running leaves a gap, which is told as one.
    course = [item for item in reader.items if item.channel_id == "m.x"]
    joints = [later.start_ns - earlier.end_ns for earlier, later in pairwise(course)]
    length_ns = blocks[0].end_ns - blocks[0].start_ns  # a lost or doubled block would be a joint of it
    assert max(abs(joint) for joint in joints) < length_ns / 2
    assert [block.sequence for block in blocks] == list(range(1, len(blocks) + 1))


async def test_sensor_is_told_to_stop_when_nobody_listens_any_more(tmp_path: Path) -> None:
    """The sensor's own account: nothing is sent and nothing overruns after an orderly end."""
    truth = tmp_path / "truth.jsonl"
    async with sensor(tmp_path, "--loss", "0", "--truth", str(truth)) as device:
        reader = Reader(source_of(device.link))
        await reader.until(lambda: len(reader.blocks("m.x")) >= 3)
        await reader.stop()
        written = truth.read_text().count("totals")
        async with asyncio.timeout(PATIENCE_S):
            while truth.read_text().count("totals") < written + 3:  # seconds with nobody at the port
                await asyncio.sleep(0.05)
    totals = [line["totals"] for line in map(json.loads, truth.read_text().splitlines()) if "totals" in line]
    assert totals[-1]["sent"] > 0
    assert totals[-1] == totals[-2]


async def test_unplugged_sensor_is_lost_and_found_again(tmp_path: Path) -> None:
    async with sensor(tmp_path, "--loss", "0") as device:
        source = source_of(device.link)
        reader = Reader(source)
        # Times are provisional at first: the fit moves them by the arrivals' jitter.
        await reader.until(lambda: any(b.time_quality is TimeQuality.FITTED for b in reader.blocks("m.z")))
        await device.tell(unplug=True)
        assert (await reader.lost()).state is LinkState.LOST
        assert source.report().remedy
        gone = Reader(source)
        assert (await gone.lost()).state in (LinkState.NOT_FOUND, LinkState.LOST)
        await device.tell(plug=True)
        again = Reader(source)
        await again.until(lambda: len(again.blocks("m.z")) >= 2)
        assert source.report().state is LinkState.CONNECTED
        assert isinstance(again.items[0], Gap)
        assert again.items[0].cause is GapCause.SERIAL_LOSS
        assert abs(again.items[0].start_ns - reader.blocks("m.x")[-1].end_ns) < 5_000_000
        counts = source.report().counts
        assert counts is not None
        assert counts["connections"] == 2
        await again.stop()


async def test_lost_frames_are_gaps_with_their_count(tmp_path: Path) -> None:
    async with sensor(tmp_path, "--loss", "0.05") as device:
        reader = Reader(source_of(device.link))
        await reader.until(lambda: sum(isinstance(item, Gap) for item in reader.items) >= 6)
        report = reader.source.report()
        await reader.stop()
    gaps = [item for item in reader.items if isinstance(item, Gap)]
    assert {gap.cause for gap in gaps} == {GapCause.SEQUENCE_GAP}
    assert all(gap.samples_missing is not None and gap.samples_missing % 128 == 0 for gap in gaps)
    assert report.counts is not None
    assert report.counts["frames missing"] >= 2


@pytest.mark.parametrize(
    ("options", "axes", "serial", "reason", "remedy"),
    [
        ((), AXES, "SN-77", "SN-77 is configured", "configured serial number"),
        (("--rate", "12800"), AXES, "", "samples at 12800 Hz, 25600 Hz", "sample_rate_hz = 12800"),
        ((), (AxisChannel(3, channel("w")),), "", "has 3 axes, 4 are configured", "Remove the axes"),
        ((), (AxisChannel(0, channel("x", full_scale=78.45)),), "", "range of 16 g", "range_g = 16"),
    ],
)
async def test_wrong_device_is_told(
    tmp_path: Path,
    options: tuple[str, ...],
    axes: tuple[AxisChannel, ...],
    serial: str,
    reason: str,
    remedy: str,
) -> None:
    async with sensor(tmp_path, *options) as device:
        source = SerialSource("sensor", str(device.link), axes, baud=BAUD, serial_number=serial)
        lost = await Reader(source).lost()
    assert lost.state is LinkState.WRONG_DEVICE
    assert reason in lost.reason
    assert remedy in lost.remedy
    assert source.report().state is LinkState.WRONG_DEVICE


async def test_port_that_is_not_there(tmp_path: Path) -> None:
    lost = await Reader(source_of(tmp_path / "nothing")).lost()
    assert lost.state is LinkState.NOT_FOUND
    assert "by-id" in lost.remedy


async def test_path_that_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no port")
    lost = await Reader(source_of(tmp_path / "file")).lost()
    assert lost.state is LinkState.WRONG_DEVICE


async def test_port_that_another_reader_holds(tmp_path: Path) -> None:
    async with sensor(tmp_path) as device:
        first = Reader(source_of(device.link))
        await first.until(lambda: bool(first.blocks("m.x")))
        second = source_of(device.link)
        lost = await Reader(second).lost()
        assert lost.state is LinkState.BUSY
        assert "stop the other program" in lost.remedy
        held = len(first.blocks("m.x"))
        await first.until(lambda: len(first.blocks("m.x")) > held)  # undisturbed
        await first.stop()
