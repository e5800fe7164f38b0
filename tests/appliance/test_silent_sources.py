"""Sources that never err and never deliver: a sensor that answers everything, a server without a value.

Neither raises SourceLost, so neither is a lost source; each must be an alarm all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

from asyncua import ua

from appliance.health_watch import HealthWatch
from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag
from appliance.sources.serial_blocks import AxisChannel
from appliance.sources.serial_bridge import SerialSource
from appliance.sources.source import Source
from appliance.telemetry.silence import SilenceWatch
from dsp.samples import Channel, Measurand
from firmware_bridge.device import Device
from firmware_bridge.frames import Hello
from firmware_bridge.simulator_pty import PtyLine
from tests.appliance.house import House, house, until
from tests.appliance.sources.test_opcua_client import Plant, free_port

S = 1_000_000_000
RATE_HZ = 25_600.0
HELLO = Hello(1, 1, 7, "ACC3", "SN-1", "1.0", 32768.0, RATE_HZ, 3, 128, 1_000_000)
SPEED = Channel("motor-1.tag-speed", "motor-1", Measurand.SHAFT_SPEED, "Hz", 0.0, math.inf)
LOAD = Channel("motor-1.tag-load", "motor-1", Measurand.LOAD, "1", 0.0, math.inf)


@contextlib.asynccontextmanager
async def mute_sensor(link: Path) -> AsyncIterator[Device]:
    """A sensor on a real pty that identifies itself, obeys START, and sends no sample."""
    line, device = PtyLine(link), Device(HELLO)

    async def answer() -> None:
        while True:
            device.receive_data(line.read())
            for reply in device.replies():
                line.write(reply, time.monotonic_ns())
            await asyncio.sleep(0.005)

    answering = asyncio.create_task(answer())
    try:
        yield device
    finally:
        answering.cancel()
        line.close()


@contextlib.asynccontextmanager
async def watched(one: House, source: Source) -> AsyncIterator[HealthWatch]:
    """A source that feeds the pipeline, and who watches it for silence."""
    one.pipeline.connect(source)
    names = [channel.channel_id for channel in source.channels]
    feeding = asyncio.create_task(one.pipeline.feed(source))
    try:
        yield HealthWatch(
            one.watch,
            one.telemetry.reporter.report,
            one.clock,
            silences=[SilenceWatch(source.source_id, names, 60.0)],
            heard_ns=one.meters.heard_ns,
            disk_limit_percent=99.9,
        )
        assert not feeding.done(), "it must not have said that it is lost"
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


def reason(one: House, source_id: str) -> str:
    """The sentence of the alarm that stands; empty if none does."""
    assert one.desk.get(f"appliance.source-lost.{source_id}") is None
    stored = one.desk.get(f"appliance.source-silent.{source_id}")
    active = stored is not None and stored.transition.alarm.state.active
    return stored.transition.alarm.reason if stored is not None and active else ""


async def test_a_sensor_that_answers_and_never_sends_a_sample_is_an_alarm(tmp_path: Path) -> None:
    axis = AxisChannel(
        0, Channel("motor-1.mute", "motor-1", Measurand.ACCELERATION, "m/s2", RATE_HZ, 32768.0)
    )
    link = tmp_path / "sensor"
    async with house(tmp_path) as one, mute_sensor(link):
        one.start()
        source = SerialSource("mute", str(link), (axis,), baud=3_000_000, silence_s=0.5)
        async with watched(one, source) as watch:
            await until(lambda: (source.report().counts or {})["connections"] >= 2)  # asked, answered, silent
            await watch.look()
            assert not reason(one, "mute")
            one.clock.advance(61 * S)
            await watch.look()
            assert "nothing has come from it for 60 s" in reason(one, "mute")


async def test_a_server_that_has_no_good_value_of_one_tag_is_an_alarm_that_names_it(tmp_path: Path) -> None:
    plant = Plant(free_port())
    await plant.start()
    bad = ua.DataValue(ua.Variant(1800.0), StatusCode=ua.StatusCode(ua.StatusCodes.BadNoCommunication))
    await plant.speed.write_value(bad)
    tags = (OpcUaTag("ns=2;s=Speed", SPEED, 1 / 60), OpcUaTag("ns=2;s=Load", LOAD, 0.01))
    source = OpcUaSource("plc", plant.url, tags, publish_interval_ms=50, silence_s=60.0, repeat_s=0.1)
    try:
        async with house(tmp_path) as one, watched(one, source) as watch:
            one.start()
            await until(lambda: LOAD.channel_id in one.meters.heard_ns)
            await watch.look()
            assert not reason(one, "plc")
            one.clock.advance(61 * S)
            before_ns = one.clock.monotonic_ns()
            await until(lambda: one.meters.heard_ns[LOAD.channel_id] >= before_ns)  # said again, unchanged
            await watch.look()
            assert f"nothing has come from {SPEED.channel_id} for 60 s" in reason(one, "plc")
            await plant.speed.write_value(1500.0)
            await until(lambda: SPEED.channel_id in one.meters.heard_ns)
            for _ in range(4):
                await watch.look()
                one.clock.advance(5 * S)
                now_ns = one.clock.monotonic_ns()
                await until(lambda now_ns=now_ns: min(one.meters.heard_ns.values()) >= now_ns)
            await watch.look()
            assert not reason(one, "plc")
    finally:
        await plant.stop()
