"""A simulated sensor, a plant's OPC UA server and one appliance, each in a process of its own.

Duty: the same parts as `stethos demo`, with the demo's own configuration, but held one by one, so that a test
can pull a cable, kill a server or kill the appliance. The appliance is started by `stethos run`.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import time
from pathlib import Path
from typing import Any

from appliance.demo_config import MACHINE_ID, SERIAL_NUMBER, DemoPlaces, demo_config
from tests.end_to_end.api_client import ApiClient
from tests.end_to_end.told_process import PATIENCE_S, Line, ToldProcess, end_all_marked, new_mark, until

SENSOR, PLC = "drive-end-sensor", "line-plc"
WATCHED = "rms_mps2"  # a feature of every window, never twice the same
AXES = tuple(f"{MACHINE_ID}.{axis}" for axis in "xyz")
SEED = 7


def free_port() -> int:
    """A port of loopback that nobody has, below those that the kernel gives to clients: none of them takes it
    before its server does."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Rig:
    """The processes, and a client that is signed in. `start` it, and `end` it whatever happens."""

    def __init__(self, folder: Path, *simulator_options: str) -> None:
        self.folder = folder
        self.mark = new_mark()
        self.state_dir = folder / "state"
        self.state_dir.mkdir(mode=0o700)
        self.truth_path = folder / "truth.jsonl"
        self.places = DemoPlaces(str(folder / "sensor"), free_port(), free_port())
        self.config = self.state_dir / "stethos.toml"
        self.config.write_text(demo_config(self.places))
        self.api = ApiClient(f"http://127.0.0.1:{self.places.web_port}")
        self._start_ns = str(time.monotonic_ns())
        self._simulator_options = simulator_options
        self.sensor: ToldProcess
        self.plant: ToldProcess
        self.appliance: ToldProcess
        self._started: list[ToldProcess] = []

    @property
    def journal_dir(self) -> Path:
        return self.state_dir / "journal"

    def start(self) -> None:
        """Everything up, the first password replaced, samples flowing."""
        self.sensor = self._told(
            "simulated sensor",
            "firmware_bridge.simulator",
            *("--link", self.places.device, "--seed", str(SEED), "--serial-number", SERIAL_NUMBER),
            *("--start-monotonic-ns", self._start_ns, "--truth", str(self.truth_path), "--end-with-stdin"),
            *self._simulator_options,
        )
        self.start_plant()
        self.sensor.wait_for(lambda line: line.get("ready"), "the sensor is ready")
        ready = self.start_appliance()
        self.api.begin(ready["user"], ready["password"])
        self.wait_for_link(SENSOR, "connected")
        self.wait_for_link(PLC, "connected")

    def start_plant(self) -> None:
        """The OPC UA server, at the address that the appliance knows."""
        self.plant = self._told(
            "simulated plant",
            "appliance.demo_plant",
            *("--port", str(self.places.plant_port), "--seed", str(SEED), "--start-ns", self._start_ns),
        )
        self.plant.wait_for(lambda line: line.get("ready"), "the plant is ready")

    def start_appliance(self) -> Line:
        """`stethos run`; returns what it says when it is ready."""
        self.appliance = self._told("appliance", "appliance", "run", "--config", str(self.config), "--json")
        return self.appliance.wait_for(lambda line: line.get("type") == "ready", "the appliance is ready")

    def unplug(self) -> None:
        """Pull the sensor's cable."""
        self._control(unplug=True)

    def plug(self) -> None:
        """Plug it in again."""
        self._control(plug=True)

    def wait_for_link(self, source_id: str, state: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The link as the interface shows it, once it is in this state."""
        found: dict[str, Any] = until(
            lambda: (link := self.api.link(source_id))["state"] == state and link,
            f"link {source_id} is {state}",
            patience_s,
        )
        return found

    def wait_until_link_is_not(
        self, source_id: str, state: str, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The link once it has left this state."""
        found: dict[str, Any] = until(
            lambda: (link := self.api.link(source_id))["state"] != state and link,
            f"link {source_id} is no longer {state}",
            patience_s,
        )
        return found

    def wait_for_windows(self, more: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until so many more points of the trend of every axis are stored."""
        before = {axis: self.api.points_stored(axis, WATCHED) for axis in AXES}
        until(
            lambda: all(self.api.points_stored(axis, WATCHED) >= before[axis] + more for axis in AXES),
            f"{more} more windows are stored",
            patience_s,
            every_s=0.3,
        )

    def end(self) -> dict[int, str]:
        """End everything in order; returns the processes that were left and had to be killed: none, if all is
        well."""
        self.api.__exit__(None, None, None)
        for process in reversed(self._started):
            if process.code is None:
                process.send(signal.SIGCONT)  # a stopped process hears nothing
            process.end()
        return end_all_marked(self.mark)

    def _control(self, **wish: object) -> None:
        before = len(self.sensor.lines())
        self.sensor.tell(**wish)
        until(lambda: len(self.sensor.lines()) > before, f"the simulator answers {wish}")
        assert "done" in self.sensor.lines()[before]

    def _told(self, name: str, module: str, *arguments: str) -> ToldProcess:
        process = ToldProcess(name, self.mark, self.folder / f"{module}.log", module, *arguments)
        self._started.append(process)
        return process
