"""`stethos demo`: one appliance beside a simulated machine, all real parts, and the story as it happens.

Starts three processes: the simulated sensor on a pty, the plant's OPC UA server, and the appliance (`stethos
run`) with a configuration written into the state folder. An appliance that dies is started again, as systemd
would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.commands.child_process import ChildProcess
from appliance.commands.demo_story import FAULT, GROWTH_S, DemoStory
from appliance.demo_central import DATABASE, LocalInflux
from appliance.demo_config import SERIAL_NUMBER, DemoPlaces, demo_config
from appliance.demo_receiver import DemoReceiver
from appliance.errors import Fatal

DEFAULT_PORT = 8080
RESTART_DELAY_S = 1.0
QUICK_DEATH_S = 5.0
ARRIVAL_WAIT_S = 10.0
ALARM_QUERY = "SELECT alarm_id, what, severity, fault, reason FROM alarm"
MOST_QUICK_DEATHS = 5


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="run an appliance beside a simulated machine and tell its story",
        description="A baseline is learned, a bearing fault grows, an alarm names it. Ends with Ctrl-C.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="keep everything here, and go on from it"
    )
    where.add_argument("--keep", action="store_true", help="the same as --state-dir .demo")
    parser.add_argument("--port", type=_port, help=f"of the page; default {DEFAULT_PORT}, or a free one")
    parser.add_argument(
        "--central",
        type=Path,
        metavar="INFLUXD",
        help="also run this influxd 1.x as the central database, and a receiver of webhooks",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the simulated machine")
    parser.add_argument("--no-restart", action="store_true", help="do not start an appliance again that died")
    parser.add_argument("--json", action="store_true", help="tell the story as JSON lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the story until Ctrl-C."""
    kept = Path(".demo") if options.keep else options.state_dir
    folder = Path(tempfile.mkdtemp(prefix="stethos-demo-")) if kept is None else kept.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Fatal(
            f"the folder {folder} cannot be used: {error.strerror}; choose another with --state-dir"
        ) from error
    try:
        return asyncio.run(Demo(options, folder).run())
    except OSError as error:
        raise Fatal(f"the demo cannot use {folder}: {error}") from error
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """The demo's processes, and what it tells."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._log = folder / "demo.log"
        self._console = Console(highlight=False)
        self._story = DemoStory("")
        self._started_s = time.monotonic()
        self._stop = asyncio.Event()
        self._sensor: ChildProcess | None = None
        self._centre: LocalInflux | None = None
        self._receiver: DemoReceiver | None = None

    async def run(self) -> int:
        """Start everything, tell the story, end everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        children: list[ChildProcess] = []
        try:
            config = await self._start_machine(children)
            story = asyncio.create_task(self._keep_appliance(config, children))
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait([story, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if story.done():
                return story.result()
            story.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await story
            return EXIT_OK
        finally:
            self._tell({"type": "ending"}, "ending the demo ...")
            for child in reversed(children):
                await child.stop()
            if self._centre is not None:
                await self._centre.stop()
            if self._receiver is not None:
                await self._receiver.stop()
            self._tell({"type": "ended"}, "")

    async def _start_machine(self, children: list[ChildProcess]) -> Path:
        """Sensor and plant, which share one machine's time; returns the appliance's configuration."""
        self._tell(
            {"type": "starting"}, "starting a simulated sensor, a plant's OPC UA server, an appliance ..."
        )
        seed, start_ns = str(self._options.seed), str(time.monotonic_ns())
        web_port = _web_port(self._options.port)
        central_url = await self._start_centre()
        webhook = await self._start_receiver()
        places = DemoPlaces(str(self._folder / "sensor"), _free_port(0), web_port, central_url, *webhook)
        self._sensor = await ChildProcess.start(
            "simulated sensor",
            "firmware_bridge.simulator",
            *("--link", places.device, "--seed", seed, "--serial-number", SERIAL_NUMBER),
            *("--start-monotonic-ns", start_ns, "--end-with-stdin"),
            *("--truth", str(self._folder / "sensor-truth.jsonl")),
            log=self._log,
        )
        children.append(self._sensor)
        plant = await ChildProcess.start(
            "simulated plant",
            "appliance.demo_plant",
            *("--port", str(places.plant_port), "--seed", seed, "--start-ns", start_ns),
            log=self._log,
        )
        children.append(plant)
        for child in (self._sensor, plant):
            ready = await child.first_line(self._log)
            self._tell({"type": "part", "name": child.name, **ready, "pid": child.pid}, "")
        config = self._folder / "stethos.toml"
        config.write_text(demo_config(places))
        return config

    async def _start_centre(self) -> str:
        """A real InfluxDB where one is asked for; returns its address, or nothing."""
        if self._options.central is None:
            return ""
        self._centre = LocalInflux(self._options.central.absolute(), self._folder / "centre", _free_port(0))
        await self._centre.start()
        self._tell(
            {"type": "central", "url": self._centre.url, "database": DATABASE, "query": ALARM_QUERY},
            f"central InfluxDB at {self._centre.url}; see the alarms there with\n"
            f"  curl -sG {self._centre.url}/query --data-urlencode db={DATABASE} "
            f"--data-urlencode 'q={ALARM_QUERY}'",
        )
        return self._centre.url

    async def _start_receiver(self) -> tuple[str, str]:
        """A receiver of webhooks where there is a centre; its address and its secret's file, or nothing."""
        if self._options.central is None:
            return "", ""
        self._receiver = DemoReceiver(self._folder / "receiver", self._tell_webhook)
        await self._receiver.start()
        self._tell(
            {"type": "receiver", "url": self._receiver.url},
            f"a receiver of webhooks listens at {self._receiver.url}",
        )
        return self._receiver.url, str(self._receiver.secret_file)

    def _tell_webhook(self, message: dict[str, Any]) -> None:
        """A message whose signature the receiver has verified."""
        said = message["data"]
        self._tell(
            {"type": "webhook", "message": message},
            f"a webhook arrived, rightly signed: {message['type']}, {said.get('reason', '')}",
        )

    async def _keep_appliance(self, config: Path, children: list[ChildProcess]) -> int:
        """Run the appliance, again and again; returns an exit code when it may not, or cannot, go on."""
        quick_deaths = 0
        while True:
            began_s = time.monotonic()
            appliance = await ChildProcess.start(
                "appliance",
                "appliance",
                *("run", "--config", str(config), "--json"),
                log=self._log,
            )
            children.append(appliance)
            async for line in appliance.lines():
                await self._follow(line, appliance.pid)
            code = await appliance.process.wait()
            children.remove(appliance)
            lived_s = time.monotonic() - began_s
            quick_deaths = quick_deaths + 1 if lived_s < QUICK_DEATH_S else 0
            self._tell(
                {"type": "died", "pid": appliance.pid, "code": code},
                f"the appliance (process {appliance.pid}) ended with code {code}",
            )
            if self._options.no_restart or quick_deaths >= MOST_QUICK_DEATHS:
                self._tell({"type": "given_up", "log": str(self._log)}, f"not started again; see {self._log}")
                self._console.print(_tail(self._log), style="dim")
                return EXIT_FAILED
            await asyncio.sleep(RESTART_DELAY_S)

    async def _follow(self, line: dict[str, Any], pid: int) -> None:
        if line.get("type") == "ready":
            self._tell_ready(line, pid)
            return
        for step in self._story.follow(line, pid):
            self._tell(step.line, step.words)
            if step.line.get("type") == "hint" and self._centre is not None:
                await self._tell_arrival(self._centre)
            if step.begin_fault and self._sensor is not None:
                await self._sensor.tell({"fault": FAULT, "growth_s": GROWTH_S})

    async def _tell_arrival(self, centre: LocalInflux) -> None:
        """The named alarm as the centre has it."""
        give_up_s = time.monotonic() + ARRIVAL_WAIT_S
        while time.monotonic() < give_up_s:
            with contextlib.suppress(OSError, ValueError):
                rows = await asyncio.to_thread(centre.ask, ALARM_QUERY)
                named = [row for row in rows if row["fault"]]
                if named:
                    words = f"the centre has it too: {named[-1]['alarm_id']}, {named[-1]['reason']}"
                    self._tell({"type": "central_alarm", "rows": named}, words)
                    return
            await asyncio.sleep(0.2)
        self._tell({"type": "central_alarm", "rows": []}, "the centre has not got the alarm yet")

    def _tell_ready(self, line: dict[str, Any], pid: int) -> None:
        self._story.url = line["url"]
        told = {**line, "pid": pid, "state_dir": str(self._folder)}
        if self._options.json:
            self._tell(told, "")
            return
        password = line["password"]
        words = f"[bold]{line['url']}[/bold]\n\nuser      [bold]{line['user']}[/bold]\npassword  "
        words += "as before" if password is None else f"[bold]{password}[/bold]  (to be changed at once)"
        words += f"\n\nappliance process {pid}, everything in {self._folder}"
        self._console.print(Panel.fit(words, title="Stethos", padding=(1, 3)))

    def _tell(self, line: dict[str, Any], words: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        if self._options.json:
            print(json.dumps({"at_s": round(elapsed_s, 2), **line}), flush=True)
        elif words:
            style = "bold red" if words.startswith("ALARM") else ""
            self._console.print(f"{elapsed_s:6.1f} s  {words}", style=style, markup=False, soft_wrap=True)


def _port(text: str) -> int:
    """A TCP port, for argparse."""
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 (any that is free) to 65535 is possible")
    return int(text)


def _web_port(wanted: int | None) -> int:
    """The wanted port; without a wish the usual one, or any that is free. Raises Fatal."""
    if wanted is not None:
        return _free_port(wanted)
    try:
        return _free_port(DEFAULT_PORT)
    except Fatal:
        return _free_port(0)


def _free_port(port: int) -> int:
    """This port of loopback if nobody has it; 0 takes any. Raises Fatal."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Fatal(
                f"port {port} cannot be used: {error.strerror}; choose another with --port"
            ) from error
        return int(probe.getsockname()[1])


def _tail(path: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
