"""`stethos demo`: one appliance beside a simulated machine, all real parts, and the story as it happens.

Starts three processes: the simulated sensor on a pty, the plant's OPC UA server, and the appliance (`stethos
run`) with a configuration written into the state folder. An appliance that dies is started again, as systemd
would. With `--central` its peers join (`demo_peers`): SCADA, a receiver of webhooks, a central InfluxDB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.commands.child_process import ChildProcess
from appliance.commands.demo_peers import Peers
from appliance.commands.demo_ports import DEFAULT_PORT, free_port, port_argument, web_port
from appliance.commands.demo_story import FAULT, GROWTH_S, DemoStory, Step
from appliance.demo_config import SERIAL_NUMBER, DemoPlaces, demo_backends, demo_config
from appliance.demo_scada import USER as SCADA_USER
from appliance.demo_scada import OpcUaAccess
from appliance.errors import Fatal
from appliance.wiring_opcua_server import FOLDER, USERS_FILE

RESTART_DELAY_S = 1.0
QUICK_DEATH_S = 5.0
WATCH_EVERY_S = 1.0
OUTAGE_S = 60.0
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
    parser.add_argument(
        "--port", type=port_argument, help=f"of the page; default {DEFAULT_PORT}, or a free one"
    )
    parser.add_argument(
        "--central",
        type=Path,
        metavar="INFLUXD",
        help="also run this influxd 1.x as the central database, a receiver of webhooks, and SCADA",
    )
    parser.add_argument(
        "--scada",
        metavar="PROGRAM",
        type=_program,
        help="the OPC UA client that plays SCADA with --central (tools/scada.sh); without it, asyncua's",
    )
    outage = parser.add_mutually_exclusive_group()
    outage.add_argument(
        "--outage-s",
        type=_seconds,
        default=OUTAGE_S,
        metavar="S",
        help=f"how long the centre is pulled after the alarm; default {OUTAGE_S:.0f}",
    )
    outage.add_argument(
        "--no-outage", dest="outage_s", action="store_const", const=0.0, help="do not pull the centre"
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
        with (folder / "demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return asyncio.run(Demo(options, folder).run())
    except Fatal:
        kept = folder  # its logs say more
        raise
    except BlockingIOError:
        raise Fatal(f"another demo runs in {folder}; end it, or choose another with --state-dir") from None
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
        self._early: list[dict[str, Any]] | None = None  # lines that wait until the appliance is ready
        self._met = False  # whether the appliance has answered yet
        self._access: OpcUaAccess | None = None
        self._peers: Peers | None = None

    async def run(self) -> int:
        """Start everything, tell the story, end everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        children: list[ChildProcess] = []
        try:
            config = await self._start_machine(children)
            story = asyncio.create_task(self._keep_appliance(config, children))
            watch = asyncio.create_task(self._watch(list(children)))
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait([story, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            watch.cancel()
            if story.done():
                return story.result()
            story.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await story
            return EXIT_OK
        finally:
            self._tell({"type": "ending"}, "ending the demo ...")
            if self._peers is not None:
                await self._peers.leave()
            for child in reversed(children):
                await child.stop()
            if self._peers is not None:
                await self._peers.stop()
            self._tell({"type": "ended"}, "")

    async def _start_machine(self, children: list[ChildProcess]) -> Path:
        """Sensor and plant, which share one machine's time; returns the appliance's configuration."""
        self._tell(
            {"type": "starting"}, "starting a simulated sensor, a plant's OPC UA server, an appliance ..."
        )
        seed, start_ns = str(self._options.seed), str(time.monotonic_ns())
        places = DemoPlaces(
            str(self._folder / "sensor"),
            free_port(),
            web_port(self._options.port),
            opcua_port=free_port(),
            backends=demo_backends(),
        )
        if self._options.central is not None:
            peers = await self._start_peers()
            places = replace(
                places,
                central_url=peers.centre.url,
                webhook_url=peers.receiver.url,
                webhook_secret=str(peers.receiver.secret_file),
            )
        users_file = self._folder / FOLDER / USERS_FILE
        try:
            self._access = await asyncio.to_thread(OpcUaAccess.make, users_file, places.opcua_port)
        except ValueError as error:
            raise Fatal(f"{error}; remove it to begin anew") from error
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
        if places.backends:
            self._story.switches = _switches(config)
        return config

    async def _start_peers(self) -> Peers:
        options = self._options
        self._peers = Peers(
            self._folder,
            self._log,
            self._tell,
            influxd=options.central,
            scada=options.scada,
            outage_s=options.outage_s,
        )
        await self._peers.start()
        return self._peers

    async def _watch(self, parts: list[ChildProcess]) -> None:
        """Tell, once, that a part of the machine has ended by itself."""
        while parts:
            for part in [one for one in parts if one.process.returncode is not None]:
                parts.remove(part)
                code = part.process.returncode
                self._tell(
                    {"type": "failed", "part": part.name, "code": code},
                    f"the {part.name} ended with code {code}; see {self._log}, and start the demo again",
                )
            await asyncio.sleep(WATCH_EVERY_S)

    async def _keep_appliance(self, config: Path, children: list[ChildProcess]) -> int:
        """Run the appliance, again and again; returns an exit code when it may not, or cannot, go on."""
        quick_deaths = 0
        while True:
            began_s = time.monotonic()
            self._early = []
            appliance = await ChildProcess.start(
                "appliance",
                "appliance",
                *("run", "--config", str(config), "--json"),
                log=self._log,
            )
            children.append(appliance)
            async for line in appliance.lines():
                await self._follow(line, appliance.pid)
            await self._follow_early(appliance.pid)
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
        """What it says before it is ready is told afterwards: first of all comes how to get in."""
        if self._peers is not None:
            self._peers.hear(line)
        if line.get("type") == "ready":
            self._tell_ready(line, pid)
            await self._follow_early(pid)
        elif self._early is not None and line.get("type") != "starting":
            self._early.append(line)
        else:
            await self._follow_story(line, pid)

    async def _follow_early(self, pid: int) -> None:
        early, self._early = self._early or [], None
        for line in early:
            await self._follow_story(line, pid)

    async def _follow_story(self, line: dict[str, Any], pid: int) -> None:
        for step in self._story.follow(line, pid):
            if step.line.get("type") == "hint" and self._peers is not None:
                self._peers.alarm_named(line, partial(self._tell_step, step))
            else:
                self._tell_step(step)
            if step.begin_fault and self._sensor is not None:
                await self._sensor.tell({"fault": FAULT, "growth_s": GROWTH_S})

    def _tell_step(self, step: Step) -> None:
        self._tell(step.line, step.words)

    def _tell_ready(self, line: dict[str, Any], pid: int) -> None:
        assert self._access is not None
        first, self._met = not self._met, True
        self._story.url = line["url"]
        password = line["password"]
        if first and self._peers is not None:
            password = password or self._peers.first_password
            self._peers.meet(line["url"], self._access)
        scada = {"url": self._access.url, "user": SCADA_USER, "password": self._access.password}
        told = {**line, "password": password, "pid": pid, "state_dir": str(self._folder), "scada": scada}
        if self._options.json:
            self._tell(told, "")
            return
        page = "as before" if password is None else f"[bold]{password}[/bold]  (to be changed at once)"
        words = f"[bold]{line['url']}[/bold]\n\nuser      [bold]{line['user']}[/bold]\npassword  {page}"
        if first:
            words += (
                f"\n\nSCADA     [bold]{scada['url']}[/bold]\n          Basic256Sha256, SignAndEncrypt"
                f"\nuser      [bold]{SCADA_USER}[/bold]\npassword  [bold]{scada['password']}[/bold]"
                "\n          the first attempt is refused: then move its certificate"
                "\n          from opcua/rejected to opcua/trusted (folder below)"
            )
        words += f"\n\nappliance process {pid}, everything in {self._folder}"
        self._console.print(Panel.fit(words, title="Stethos", padding=(1, 3)))

    def _tell(self, line: dict[str, Any], words: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        if self._options.json:
            print(json.dumps({"at_s": round(elapsed_s, 2), **line}), flush=True)
        elif words:
            style = "bold red" if words.startswith("ALARM") else ""
            self._console.print(f"{elapsed_s:6.1f} s  {words}", style=style, markup=False, soft_wrap=True)


def _switches(config: Path) -> tuple[str, ...]:
    """Commands with which a person says, and switches, who scores; this program by the name it was given."""
    called = Path(sys.argv[0])
    program = shlex.quote(sys.argv[0]) if called.name == "stethos" else "stethos"
    where = shlex.quote(str(config))
    wanted = ("status", "use statistical", "use network")
    return tuple(f"{program} models {what} --config {where}" for what in wanted)


def _program(text: str) -> Path | None:
    """A program's path, for argparse; an empty one is none."""
    return Path(text).absolute() if text else None


def _seconds(text: str) -> float:
    """How long the centre is pulled, for argparse."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1.0 <= seconds <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; 1 to 86400 (seconds) is possible")
    return seconds


def _tail(path: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
