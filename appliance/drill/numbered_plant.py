"""The drill's plant: `python -m appliance.drill.numbered_plant`, an OPC UA server with one tag that counts.

Duty: each value of the tag is another number, noted in a file before it is written to the server. So each
value names itself, wherever it turns up and whatever time it bears: what is lost, doubled or out of order at
the centre is found without believing the appliance. Speed and load are those of the simulated machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from asyncua import ua
from asyncua.common.callback import CallbackType
from asyncua.server.server import Server

from appliance.demo_plant import LOAD_NODE, NAMESPACE, SPEED_NODE, TEMPERATURE_NODE
from firmware_bridge.simulated_machine import SimulatedMachine

EVERY_S = 0.2
SUBSCRIBED = "subscribed"  # how a line begins that tells of a new subscription
STEPS_PER_DEGREE = 1024  # a number divided by it is the same number as float32 and as a temperature, degC


def value_of(number: int) -> float:
    """What the tag shows for a number, degC."""
    return number / STEPS_PER_DEGREE


def number_of(value: float) -> int | None:
    """The number behind a value of the tag; None for one that the plant never showed."""
    number = value * STEPS_PER_DEGREE
    return round(number) if abs(number - round(number)) < 1e-6 else None


def read_numbers(path: Path) -> dict[int, float]:
    """What the plant has written: number -> monotonic s. A line that a kill cut short is left out."""
    numbers: dict[int, float] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="ascii").splitlines():
            number, _, at_ns = line.partition(" ")
            if number.isdigit() and at_ns.isdigit():
                numbers[int(number)] = int(at_ns) / 1e9
    return numbers


def read_subscriptions(path: Path) -> list[float]:
    """When somebody subscribed to something, monotonic s."""
    with contextlib.suppress(FileNotFoundError):
        lines = (line.partition(" ") for line in path.read_text(encoding="ascii").splitlines())
        return [int(at) / 1e9 for word, _, at in lines if word == SUBSCRIBED and at.isdigit()]
    return []


async def serve(port: int, machine: SimulatedMachine, start_ns: int, told: int) -> None:
    """Serve until cancelled; `told` is the open file of the account."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    folder = await server.nodes.objects.add_folder(index, "Motor1")
    names = (SPEED_NODE, LOAD_NODE, TEMPERATURE_NODE)
    nodes = [
        await folder.add_variable(
            ua.NodeId.from_string(f"ns={index};s={name}"), name, 0.0, ua.VariantType.Double
        )
        for name in names
    ]

    def subscribed(*_: object) -> None:
        os.write(told, f"{SUBSCRIBED} {time.monotonic_ns()}\n".encode())

    server.subscribe_server_callback(CallbackType.ItemSubscriptionCreated, subscribed)
    async with server:
        print(json.dumps({"ready": True, "namespace": index, "pid": os.getpid()}), flush=True)  # noqa: T201
        number = 0
        while True:
            number += 1
            due_s = time.monotonic() + EVERY_S
            t_s = (time.monotonic_ns() - start_ns) / 1e9
            os.write(told, f"{number} {time.monotonic_ns()}\n".encode())
            values = (machine.speed_hz(t_s) * 60.0, machine.load(t_s) * 100.0, value_of(number))
            now = cast(ua.DateTime, datetime.now(UTC))
            for node, value in zip(nodes, values, strict=True):
                variant = ua.Variant(value, ua.VariantType.Double)
                await node.write_value(ua.DataValue(variant, SourceTimestamp=now))
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def main(arguments: list[str] | None = None) -> int:
    """Entry point; see `--help`."""
    parser = argparse.ArgumentParser(prog="numbered_plant", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the machine")
    parser.add_argument("--start-ns", type=int, required=True, help="monotonic ns of the machine's time 0")
    parser.add_argument(
        "--account", type=Path, required=True, help="file for `NUMBER MONOTONIC_NS` of each value, and others"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    told = os.open(options.account, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    async def run() -> None:
        serving = asyncio.create_task(
            serve(options.port, SimulatedMachine(options.seed), options.start_ns, told)
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    try:
        asyncio.run(run())
    except OSError as error:
        print(f"numbered plant: port {options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
