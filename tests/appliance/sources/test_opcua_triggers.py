"""Tags of a real OPC UA server that tell a camera when a part is there: a Boolean, a count that wraps."""

from __future__ import annotations

import asyncio
import math

from asyncua import ua

from appliance.sources.camera_trigger import TagTrigger
from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag
from dsp.samples import Channel, Measurand, SampleBlock
from tests.appliance.sources.test_opcua_client import PATIENCE_S, Plant, Reader, free_port


async def test_a_boolean_tag_and_a_count_tell_parts() -> None:
    plant = Plant(free_port())
    await plant.start()
    objects = plant.server.nodes.objects
    pulse = await objects.add_variable(ua.NodeId("Pulse", 2), "Pulse", False)
    parts = await objects.add_variable(ua.NodeId("Parts", 2), "Parts", 65_533, ua.VariantType.UInt16)
    there = Channel("m.pulse", "m", Measurand.PROCESS_VALUE, "1", 0.0, math.inf)
    count = Channel("m.parts", "m", Measurand.PROCESS_VALUE, "1", 0.0, math.inf)
    tags = (OpcUaTag("ns=2;s=Pulse", there, 1.0), OpcUaTag("ns=2;s=Parts", count, 1.0))
    reader = Reader(OpcUaSource("plc", plant.url, tags, publish_interval_ms=50, silence_s=PATIENCE_S))
    await reader.until(lambda: bool(reader.values(there)) and bool(reader.values(count)))
    assert (set(reader.values(there)), set(reader.values(count))) == ({0.0}, {65_533.0})
    for value, number in ((True, 65_534), (False, 65_535), (True, 0)):
        await pulse.write_value(value)
        await parts.write_value(number, ua.VariantType.UInt16)
        await reader.until(lambda value=value: reader.values(there)[-1] == float(value))
        await reader.until(lambda number=number: reader.values(count)[-1] == number)
    edge, counted = TagTrigger("m.pulse"), TagTrigger("m.parts", counts=True)
    for item in reader.items:
        if isinstance(item, SampleBlock):
            edge.hear(item)
            counted.hear(item)
    for trigger, missed in ((edge, 1), (counted, 2)):
        async with asyncio.timeout(PATIENCE_S):
            await trigger.wait()
        assert trigger.missed() == missed
    assert reader.source.report().counts["refused"] == 0
    await reader.stop()
    await plant.stop()
