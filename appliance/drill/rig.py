"""The drill's stage: simulated sensor, counting plant, appliance, proxy, real InfluxDB, receiver.

Duty: their processes, and what they were heard to say. An appliance that dies is started a second later, as
systemd would, but while it is held down. Takes nothing away by itself: that is the faults' work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from appliance.commands.child_process import ChildProcess
from appliance.commands.demo_ports import free_port
from appliance.demo_central import LocalInflux
from appliance.demo_config import MACHINE_ID, SERIAL_NUMBER, DemoPlaces, demo_config
from appliance.demo_page import make_accounts
from appliance.demo_receiver import DemoReceiver
from appliance.drill.central_operator import CentralOperator
from appliance.drill.host_clock import HostClock
from appliance.drill.numbered_plant import read_numbers, read_subscriptions
from appliance.drill.oracle import Step
from appliance.drill.page_client import PageClient
from appliance.drill.proxy import Proxy
from appliance.errors import Fatal
from appliance.installation import module_command
from appliance.reconcile.audit import KIND_CLASS
from appliance.reconcile.audit_book import DONE, FAILED, ask_for_resend, read_request
from appliance.reconcile.slot_store import FILE_NAME as AUDIT_FILE
from firmware_bridge.simulator_truth import read_truth

COUNTING = f"{MACHINE_ID}.temperature"  # the channel whose values name themselves
SENSOR, PLANT = "drive-end-sensor", "line-plc"
SOURCE_LOST = f"appliance.source-lost.{SENSOR}"
RESTART_S = 1.0
READY_WAIT_S = 300.0  # the very first start may compile
CENTRE_PATIENCE_S = 3  # of the appliance, for an answer
SAMPLES_PER_FRAME = 128
RESEND_WAIT_S = 30.0


class Rig:
    """Everything that the drill needs, in one folder. `start`, and `stop` whatever happens."""

    def __init__(self, folder: Path, influxd: Path, seed: int, state_dir: Path | None = None) -> None:
        """`state_dir` is the appliance's; it may be a disk of its own."""
        self.folder, self.seed = folder, seed
        self.state_dir = state_dir or folder / "state"
        self.centre = LocalInflux(influxd, folder / "centre", free_port())
        self.proxy = Proxy(self.centre.url)
        self.clock = HostClock(folder / "clock.json")
        self.operator = CentralOperator(folder)
        self.receiver = DemoReceiver(folder / "receiver", self._took_message)
        self.page: PageClient
        self.seen_s: dict[Step, float] = {}  # what receivers were told, monotonic s of the first time
        self.told_durable: set[Step] = set()  # of them, those that were told without a mark
        self.raised_anew: set[Step] = set()  # told twice: a start lost what it held in memory, and counted on
        self._held: dict[Step, int] = {}  # raisings that were told as not on the disk: by which start
        self.shown: dict[tuple[str, str], float] = {}  # counters: the greatest that was shown
        self.learned = False  # whether limits are in service, and can be changed
        self.starts = 0
        self._sensor_heard_s = self._plugged_s = (
            0.0  # when the appliance said so, when the cable was last plugged
        )
        self.up = asyncio.Event()
        self.may_run = asyncio.Event()
        self._log, self._memory = folder / "drill.log", folder / "run"  # as systemd keeps it over restarts
        self._truth, self._account = folder / "sensor-truth.jsonl", folder / "plant-account"
        self._sensor: ChildProcess | None = None
        self._plant: ChildProcess | None = None
        self._appliance: ChildProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._config = folder / "stethos.toml"

    @property
    def centre_dir(self) -> Path:
        """Where the server keeps its data."""
        return self.folder / "centre"

    async def start(self) -> None:
        """Everything up and samples flowing. Raises Fatal."""
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._memory.mkdir(exist_ok=True, mode=0o700)
        self.clock.write(0.0, disciplined=True)
        await self.centre.start()
        await self.proxy.start()
        await self.receiver.start()
        places = DemoPlaces(
            str(self.folder / "sensor"),
            free_port(),
            free_port(),
            central_url=self.proxy.url,
            webhook_url=self.receiver.url,
            webhook_secret=str(self.receiver.secret_file),
        )
        self.operator.introduce()
        text = _config_text(places, self.state_dir, self.operator.keys_file)
        self._config.write_text(text, encoding="utf-8")
        _, password = await asyncio.to_thread(make_accounts, self.state_dir / "accounts.json")
        self.page = PageClient(f"http://127.0.0.1:{places.web_port}", password)
        start_ns, seed = str(time.monotonic_ns()), str(self.seed)
        self._sensor = await ChildProcess.start(
            "simulated sensor",
            "firmware_bridge.simulator",
            *("--link", places.device, "--seed", seed, "--serial-number", SERIAL_NUMBER, "--loss", "0"),
            *("--start-monotonic-ns", start_ns, "--truth", str(self._truth), "--end-with-stdin"),
            log=self._log,
        )
        self._plant = await ChildProcess.start(
            "counting plant",
            "appliance.drill.numbered_plant",
            *("--port", str(places.plant_port), "--seed", seed, "--start-ns", start_ns),
            *("--account", str(self._account)),
            log=self._log,
        )
        for child in (self._sensor, self._plant):
            await child.first_line(self._log)
        self.may_run.set()
        self._keeper = asyncio.create_task(self._keep_appliance())
        await self.ready()

    async def stop(self) -> None:
        """End everything, the appliance first."""
        self.may_run.clear()
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError, Fatal):
                await self._keeper
        for child in (self._appliance, self._plant, self._sensor):
            if child is not None:
                await child.stop()
        if hasattr(self, "page"):
            await self.page.close()
        await self.proxy.stop()
        await self.receiver.stop()
        await self.centre.kill()

    async def ready(self) -> None:
        """Wait until the appliance answers and hears the plant. Raises Fatal."""
        try:
            async with asyncio.timeout(READY_WAIT_S):
                await self.up.wait()
        except TimeoutError:
            raise Fatal(f"the appliance is not ready after {READY_WAIT_S:.0f} s; see {self._log}") from None

    # ---- what the drill does to it ----

    def kill(self) -> None:
        """kill -9 the appliance; it is started again unless held down."""
        if self._appliance is not None:
            self.up.clear()
            with contextlib.suppress(ProcessLookupError):
                self._appliance.process.send_signal(signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def held_down(self) -> AsyncIterator[None]:
        """Killed, and not started before the block ends."""
        self.may_run.clear()
        self.kill()
        if self._appliance is not None:
            await self._appliance.process.wait()
        try:
            yield
        finally:
            self.may_run.set()

    async def pull_cable(self) -> None:
        """The sensor is unplugged."""
        assert self._sensor is not None
        await self._sensor.tell({"unplug": True})

    @property
    def hears_sensor(self) -> bool:
        """Whether the appliance has said, since the cable was plugged, that it hears the sensor."""
        return self._sensor_heard_s > self._plugged_s

    async def plug_cable(self) -> None:
        """The sensor is plugged in again."""
        self._plugged_s = time.monotonic()
        assert self._sensor is not None
        await self._sensor.tell({"plug": True})

    async def send_again(self, hours: float = 2.0) -> None:
        """As an operator does after *central differs*: have the last hours sent once more; the audit begins
        its count of repairs anew."""
        path, around_ns = self.state_dir / "central" / AUDIT_FILE, round(hours * 3600e9)
        now_ns = time.time_ns()
        with contextlib.suppress(TimeoutError, Fatal):
            number = await asyncio.to_thread(
                ask_for_resend, path, now_ns - around_ns, now_ns + around_ns, set(KIND_CLASS.values())
            )
            async with asyncio.timeout(RESEND_WAIT_S):
                while (asked := await asyncio.to_thread(read_request, path, number)) is not None:
                    if asked.state in (DONE, FAILED):
                        return
                    await asyncio.sleep(0.5)

    # ---- what the witnesses say ----

    def numbers(self) -> dict[int, float]:
        """Every number that the plant has shown: monotonic s."""
        return read_numbers(self._account)

    def subscriptions(self) -> list[float]:
        """When somebody subscribed at the plant, monotonic s."""
        return read_subscriptions(self._account)

    def rounds(self) -> int:
        """Rounds of the audit that the appliance has finished, by its own log. Blocking."""
        with contextlib.suppress(FileNotFoundError):
            return sum(b" reconciled cause=" in line for line in self._log.read_bytes().splitlines())
        return 0

    def samples_sent(self) -> float:
        """Samples of each axis that the sensor has put on the line, by its own account."""
        return float(read_truth(self._truth).totals.sent * SAMPLES_PER_FRAME)

    async def look(self) -> None:
        """Take down what the page shows now."""
        for name, value in (await self.page.counters() or {}).items():
            self.shown[name] = max(self.shown.get(name, 0.0), value)

    def saw(self, alarm_id: str, activation: int, what: str, *, durable: bool = True) -> None:
        """Somebody outside was told of a step; `durable` False: marked as not on the disk."""
        step = Step(alarm_id, activation, what)
        self.seen_s.setdefault(step, time.monotonic())
        if durable:
            self.told_durable.add(step)

    def _note_raising(self, step: Step, durable: bool) -> None:
        """A start that was killed before the disk took an activation leaves its number to the next one."""
        if not step.what.endswith("raised") or step in self.told_durable:
            return
        if self._held.get(step, self.starts) < self.starts:
            self.raised_anew.add(step)
        if not durable:
            self._held.setdefault(step, self.starts)

    def _took_message(self, message: dict[str, Any]) -> None:
        said = message["data"]
        if "what" in said:
            self.saw(said["alarm_id"], int(said["activation"]), said["what"], durable=said["durable"])

    def _hear(self, line: dict[str, Any]) -> None:
        kind = line.get("type")
        if kind == "alarm":
            self._note_raising(Step(line["alarm_id"], int(line["activation"]), line["what"]), line["durable"])
            self.saw(line["alarm_id"], int(line["activation"]), line["what"], durable=line["durable"])
        elif kind == "link" and line["state"] == "connected":
            if line["source_id"] == PLANT:
                self.up.set()
            elif line["source_id"] == SENSOR:
                self._sensor_heard_s = time.monotonic()

    async def _keep_appliance(self) -> None:
        while True:
            await self.may_run.wait()
            self._appliance = await ChildProcess.run(
                "appliance",
                *module_command("appliance.commands.drill_service"),
                *(str(self.clock.path), "run", "--config", str(self._config), "--json"),
                log=self._log,
                environment={**os.environ, "RUNTIME_DIRECTORY": str(self._memory)},
            )
            self.starts += 1
            async for line in self._appliance.lines():
                self._hear(line)
            await self._appliance.process.wait()
            self.up.clear()
            await asyncio.sleep(RESTART_S)


def _config_text(places: DemoPlaces, state_dir: Path, keys_file: Path) -> str:
    """The demo's configuration, on a trusted clock, with less patience for the centre."""
    text = demo_config(places)
    changes = {
        'state_dir = "."': f'state_dir = "{state_dir}"',
        "counter_period_s = 2.0": "counter_period_s = 1.0",
        'provisional_times = "send"': f"timeout_s = {CENTRE_PATIENCE_S}\n"
        f'command_keys_file = "{keys_file}"\ncommand_poll_s = 1.0',
    }
    for before, after in changes.items():
        if before not in text:
            raise Fatal(f"the demo's configuration has no line {before!r} any more")
        text = text.replace(before, after)
    return text
