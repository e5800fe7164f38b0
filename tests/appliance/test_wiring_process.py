"""A whole appliance beside a real OPC UA server: process values are learned, a fault and a slow tag told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from asyncua import Server, ua

from appliance.config import ApplianceSettings
from appliance.config_file import load_settings
from appliance.service_notifier import service_notifier
from appliance.wiring import Appliance, build_supervisor
from tests.appliance.house import until
from tests.appliance.sources.test_opcua_client import free_port
from web.limit_schemas import LimitView
from web.schemas import AlarmView

CONFIG = """
[station]
state_dir = "state"
[web]
port = 0
[journal]
reserve_transitions = 1000
[[assets]]
id = "pump-2"
name = "Cooling pump 2"
process_groups = [{{ id = "water", channels = ["pump-2-flow", "pump-2-pressure"], limit_spreads = 6.0 }}]
slow_tags = [{{ channel = "pump-2-oil" }}]
[[sources]]
kind = "opcua"
id = "plc"
url = "{url}"
publish_interval_ms = 50
[[sources.tags]]
node = "ns=2;s=Flow"
channel = "pump-2-flow"
asset = "pump-2"
measurand = "process_value"
unit = "l/min"
[[sources.tags]]
node = "ns=2;s=Pressure"
channel = "pump-2-pressure"
asset = "pump-2"
measurand = "process_value"
unit = "bar"
[[sources.tags]]
node = "ns=2;s=Oil"
channel = "pump-2-oil"
asset = "pump-2"
measurand = "temperature"
unit = "degC"
"""
ROW_S, LEARN_ROWS = 0.1, 60  # a minute's show of what takes hours in a plant
VALUE_S, LEARN_VALUES = 0.06, 100


class WaterCircuit:
    """A server whose tags wander about their levels, a new value each 20 ms."""

    def __init__(self, port: int) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/"
        self.levels = {"Flow": 120.0, "Pressure": 2.0, "Oil": 55.0}
        self._noise = {"Flow": 0.8, "Pressure": 0.02, "Oil": 0.3}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("urn:water")
        nodes = {
            name: await server.nodes.objects.add_variable(ua.NodeId(name, 2), name, level)
            for name, level in self.levels.items()
        }
        rng = np.random.default_rng(1)

        async def wander() -> None:
            while True:
                for name, node in nodes.items():
                    value = self.levels[name] + self._noise[name] * float(rng.standard_normal())
                    await node.write_value(value, ua.VariantType.Double)
                await asyncio.sleep(0.02)

        async with server:
            wandering = asyncio.create_task(wander())
            try:
                yield
            finally:
                wandering.cancel()
                await asyncio.wait([wandering])


def in_a_hurry(settings: ApplianceSettings) -> ApplianceSettings:
    """The same settings with rows of a tenth of a second: less than a plant may have."""
    (asset,) = settings.assets
    assert asset.process_groups and asset.slow_tags
    hurried = asset.model_copy(
        update={
            "process_groups": [
                group.model_copy(update={"row_s": ROW_S, "learn_h": LEARN_ROWS * ROW_S / 3600.0})
                for group in asset.process_groups
            ],
            "slow_tags": [
                tag.model_copy(
                    update={"value_min": VALUE_S / 60.0, "learn_days": LEARN_VALUES * VALUE_S / 86_400.0}
                )
                for tag in asset.slow_tags
            ],
        }
    )
    return settings.model_copy(update={"assets": [hurried]})


@contextlib.asynccontextmanager
async def appliance_of(config: Path) -> AsyncIterator[Appliance]:
    appliance = await Appliance.build(in_a_hurry(load_settings(config)))
    notifier = service_notifier()
    supervisor = build_supervisor(notifier)
    running = asyncio.create_task(appliance.run(supervisor, notifier, lambda address: None))
    try:
        yield appliance
    finally:
        supervisor.stop()
        await running
        await appliance.close()


def limits(appliance: Appliance) -> dict[str, LimitView]:
    return {limit.channel_name: limit for limit in appliance.station.limits("pump-2").limits}


def values(appliance: Appliance) -> int:
    """Values that the source has taken."""
    counts = appliance.sources[0].report().counts
    assert counts is not None
    return counts["values"]


async def active(appliance: Appliance, rule: str) -> list[AlarmView]:
    return [a for a in await appliance.station.alarms(False, 50) if a.rule == rule and "active" in a.state]


async def until_active(appliance: Appliance, rule: str) -> AlarmView:
    async with asyncio.timeout(60.0):
        while not (found := await active(appliance, rule)):
            await asyncio.sleep(0.02)
    return found[0]


@pytest.mark.timeout(180)
async def test_learned_quiet_then_a_fault_and_a_slow_tag_are_told_and_stand_after_a_restart(
    tmp_path: Path,
) -> None:
    plant = WaterCircuit(free_port())
    config = tmp_path / "stethos.toml"
    config.write_text(CONFIG.format(url=plant.url))
    async with plant.running():
        async with appliance_of(config) as one:
            await until(lambda: set(limits(one)) == {"process values water", "slow tag oil"}, 60.0)
            assert not any(limit.in_service for limit in limits(one).values())
            await until(lambda: all(limit.in_service for limit in limits(one).values()), 60.0)
            water = limits(one)["process values water"]
            assert (water.kind, water.version, water.action) == ("process", 1, "learned")
            machine = one.station.machine("pump-2")
            assert {channel.name for channel in machine.channels} >= {
                "process value flow",
                "process value pressure",
            }
            learned = water.windows
            seen = values(one)
            await until(lambda: values(one) >= seen + 300)  # healthy running: nothing may come of it
            assert await active(one, "process values") == await active(one, "slow tag") == []

            plant.levels["Flow"] -= 30.0
            fault = await until_active(one, "process values")
            assert fault.text.startswith("process values water: flow ")
            assert "l/min, usually 1" in fault.text
            plant.levels["Oil"] += 20.0
            slow = await until_active(one, "slow tag")
            assert slow.text.startswith("slow tag: oil ")
            assert one.station.machines()[0].headline == fault.text
            await until(lambda: limits(one)["process values water"].windows == learned)
        async with appliance_of(config) as two:
            assert limits(two)["process values water"].in_service
            assert limits(two)["slow tag oil"].in_service
            assert [a.alarm_id for a in await active(two, "process values")] == [fault.alarm_id]
            plant.levels["Flow"] += 30.0
            async with asyncio.timeout(60.0):
                while await active(two, "process values"):
                    await asyncio.sleep(0.05)
            history = await two.station.alarm_history(fault.alarm_id)
            assert [step.what for step in history if step.what != "updated"] == ["raised", "cleared"]
