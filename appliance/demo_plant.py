"""The demo's plant: a real OPC UA server in its own process, of the machine that the sensor feels.

Duty: shaft speed (rpm), load (%) and bearing temperature (degC) of `SimulatedMachine` as OPC UA variables
on loopback. The values are pure functions of the time since `--start-ns`, which the sensor's simulator
shares, so both tell of one machine. Not a part of the appliance: started by `stethos demo` and by tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server

from firmware_bridge.simulated_machine import SimulatedMachine

NAMESPACE = "urn:stethos:demo-plant"
UPDATE_S = 0.5
SPEED_NODE, LOAD_NODE, TEMPERATURE_NODE = "Motor1.Speed", "Motor1.Load", "Motor1.BearingTemperature"


async def serve(port: int, machine: SimulatedMachine, start_ns: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set or the parent process is gone; prints one JSON line when ready."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_server_name("Stethos demo plant")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    folder = await server.nodes.objects.add_folder(index, "Motor1")
    nodes = {
        name: await folder.add_variable(
            ua.NodeId.from_string(f"ns={index};s={name}"), name, 0.0, ua.VariantType.Double
        )
        for name in (SPEED_NODE, LOAD_NODE, TEMPERATURE_NODE)
    }
    await _write(nodes, machine, start_ns)
    async with server:
        print(json.dumps({"ready": True, "namespace": index, "pid": os.getpid()}), flush=True)  # noqa: T201
        parent = os.getppid()
        while not stop.is_set() and os.getppid() == parent:
            await _write(nodes, machine, start_ns)
            try:
                async with asyncio.timeout(UPDATE_S):
                    await stop.wait()
            except TimeoutError:
                continue


async def _write(nodes: dict[str, Node], machine: SimulatedMachine, start_ns: int) -> None:
    t_s = (time.monotonic_ns() - start_ns) / 1e9
    now = cast(ua.DateTime, datetime.now(UTC))
    values = {
        SPEED_NODE: machine.speed_hz(t_s) * 60.0,
        LOAD_NODE: machine.load(t_s) * 100.0,
        TEMPERATURE_NODE: machine.temperature_degc(t_s),
    }
    for name, value in values.items():
        variant = ua.Variant(value, ua.VariantType.Double)
        await nodes[name].write_value(ua.DataValue(variant, SourceTimestamp=now))


def main(arguments: list[str] | None = None) -> int:
    """`python -m appliance.demo_plant --port N --seed N --start-ns N`"""
    parser = argparse.ArgumentParser(prog="demo_plant", description="OPC UA server of the demo's machine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start-ns", type=int, default=None, help="monotonic ns at which the machine's time is 0"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        start_ns = time.monotonic_ns() if options.start_ns is None else options.start_ns
        await serve(options.port, SimulatedMachine(options.seed), start_ns, stop)

    try:
        asyncio.run(run())
    except OSError as error:
        print(f"demo plant: port {options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
