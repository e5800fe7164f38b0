"""`stethos drill`: takes away network, server, process, power, disk and clock, and counts what that costs.

Duty: arguments, the stage's life, progress and exit code. What is done stands in `appliance/drill/`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from rich.console import Console

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.demo_config import MACHINE_ID
from appliance.drill import fault_disk, fault_power, plan
from appliance.drill.outcome import Report, joined
from appliance.drill.phase import phase
from appliance.drill.power_trace import NotTraceable
from appliance.drill.rig import Rig
from appliance.drill.small_disk import SmallDisk
from appliance.drill.table import show
from appliance.errors import Fatal

HOLD_S, PATIENCE_S, LEARNING_WAIT_S = 8.0, 60.0, 240.0
WHERE = (
    "--influxd is the path of an influxd 1.x; a checkout gets one by `tools/influxd.sh`, "
    "Debian has it in the package influxdb"
)
MOST_DIFFERENCES_TOLD = 5
TABLE_WIDTH = 110
Tell = Callable[[str], None]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `drill` to the command line."""
    parser = subparsers.add_parser(
        "drill",
        help="break an appliance of its own in every way, and count what that costs",
        description="Runs an appliance on a simulated sensor against a real influxd, in a folder of its own; "
        "touches no other. Exit code 0: every promise was kept; 1: not every one, or it could not be run.",
    )
    parser.add_argument(
        "--influxd", type=Path, metavar="PROGRAM", help="influxd 1.x; not needed for power alone"
    )
    parser.add_argument(
        "--faults",
        type=_names,
        default=(),
        metavar="A,B+C",
        help="only these, `+` for two at once; --list names them",
    )
    parser.add_argument("--list", action="store_true", help="name the faults, and end")
    parser.add_argument(
        "--seeds", type=_count, default=1, metavar="N", help="the whole so often, each by another chance"
    )
    parser.add_argument(
        "--spread", action="store_true", help="each seed inflicts one of them, in turn, not all of them"
    )
    parser.add_argument(
        "--hold-s", type=float, default=HOLD_S, metavar="S", help=f"how long a fault lasts; {HOLD_S:g}"
    )
    parser.add_argument(
        "--cuts", type=_count, default=fault_power.LEAST_CUTS, metavar="N",
        help=f"points at which the power is cut; {fault_power.LEAST_CUTS}",
    )  # fmt: skip
    parser.add_argument(
        "--patience-s", type=float, default=PATIENCE_S, metavar="S",
        help="how long both sides may take to agree afterwards, and the latest that a record may come; "
        f"{PATIENCE_S:g}",
    )  # fmt: skip
    parser.add_argument(
        "--no-limits", action="store_true",
        help="do not wait until limits are learned (a minute or two); then they are not compared",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep everything here, logs included")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the drill and print its table."""
    console = Console(highlight=False)
    progress = Console(stderr=True, highlight=False)
    if options.list:
        for fault in plan.FAULTS.values():
            console.print(f"{fault.name:16} {fault.words}", soft_wrap=True)
        console.print(
            f"{plan.POWER:16} the power goes at many points of a record of all writes", soft_wrap=True
        )
        return EXIT_OK
    folder = options.folder.absolute() if options.folder else Path(tempfile.mkdtemp(prefix="stethos-drill-"))
    reports: list[Report] = []

    def tell(words: str) -> None:
        progress.print(words, markup=False, soft_wrap=True)

    try:
        asyncio.run(_drill(options, folder, tell, reports))
    except asyncio.CancelledError:  # SIGINT, SIGTERM: everything was ended; what was found is worth its table
        reports.append(Report((), None, None, None, differences=("the drill was ended before its end",)))
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    report = joined(reports)
    if options.json:
        print(json.dumps(report.line()))
    else:
        console.width = max(console.width, TABLE_WIDTH)
        show(report, console)
    return EXIT_OK if report.kept else EXIT_FAILED


async def _drill(options: argparse.Namespace, folder: Path, tell: Tell, reports: list[Report]) -> None:
    lines, names = plan.power_of(options.faults)
    wanted = plan.combinations_of(names) if names or not options.faults else []
    if wanted and options.influxd is None:
        raise Fatal(f"the drill needs a real InfluxDB to take away. {WHERE}")
    if wanted and not options.influxd.is_file():
        raise Fatal(f"there is no program {options.influxd}. {WHERE}")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
    stop, task = threading.Event(), asyncio.current_task()
    assert task is not None

    def end() -> None:
        stop.set()
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    cuts = functools.partial(power, folder / "power", options, tell, stop)
    for line in lines:
        reports.append(await asyncio.to_thread(cuts, line))  # noqa: PERF401 - what is found stays if it is ended
    if wanted:
        await _on_stage(options, folder, wanted, tell, reports)


def power(folder: Path, options: argparse.Namespace, tell: Tell, stop: threading.Event, line: str) -> Report:
    """The power drill's part of the table, alone or with a bad line; not all of it once `stop` is set.
    Blocking."""
    names = f"{plan.POWER} + {line}" if line else plan.POWER
    tell(f"{names}: recording what the stores write and flush ...")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        calls = fault_power.recorded(folder, line=line)
    except NotTraceable as error:
        return Report((), None, None, None, not_run=(f"{names}: {error}",))
    tell(f"{names}: {len(calls):,} calls; cutting ...")
    found = fault_power.cut_everywhere(calls, folder, options.seeds, options.cuts, line=line, stop=stop)
    tell(
        f"{names}: {found.cuts:,} disks of {found.points:,} cuts opened, "
        f"telemetry lost {found.telemetry_lost_s:.2f} s at most"
    )
    return Report(found.rows, None, None, None, differences=found.sentences)


async def _on_stage(
    options: argparse.Namespace,
    folder: Path,
    wanted: Sequence[plan.Combination],
    tell: Tell,
    reports: list[Report],
) -> None:
    """Every combination on one running stage."""
    disk, not_run = None, ""
    if any(fault.own_disk for faults in wanted for fault in faults):
        if missing := SmallDisk.missing():
            wanted = [faults for faults in wanted if not any(fault.own_disk for fault in faults)]
            not_run = f"disk-full, disk-read-only: {missing}"
        else:
            disk = SmallDisk(folder / "disk")
    reports.append(Report((), None, None, None, not_run=(not_run,) if not_run else ()))
    if not wanted:
        return
    async with _stage(folder, options.influxd.absolute(), disk, tell) as rig:
        if not options.no_limits:
            tell("waiting until limits are learned ...")
            await _learned(rig)
            rig.learned = True
        for seed, faults in plan.course_of(wanted, options.seeds, spread=options.spread):
            names = " + ".join(fault.name for fault in faults)
            tell(f"{names} (seed {seed}) ...")
            try:
                found = await phase(
                    rig, faults, hold_s=options.hold_s, patience_s=options.patience_s, seed=seed
                )
            except Exception as error:  # whatever it is, what was found before is still worth its table
                words = f"after {names}: the drill itself failed: {type(error).__name__}: {error}"
                tell(f"  {words}")
                reports.append(Report((), None, None, None, differences=(words,)))
                return
            _tell_broken(found, tell)
            reports.append(found)
            if not found.kept:  # else the next fault would be blamed for it
                await rig.send_again()


@contextlib.asynccontextmanager
async def _stage(folder: Path, influxd: Path, disk: SmallDisk | None, tell: Tell) -> AsyncIterator[Rig]:
    """Everything up, and down again whatever happens."""
    rig = Rig(folder, influxd, 1, None if disk is None else disk.folder / "state")
    try:
        if disk is not None:
            await asyncio.to_thread(disk.make)
            fault_disk.DISKS[disk.folder] = disk
        tell("starting a simulated sensor, a counting plant, a real InfluxDB, an appliance ...")
        await rig.start()
        yield rig
    finally:
        await rig.stop()
        if disk is not None:
            fault_disk.DISKS.pop(disk.folder, None)
            await asyncio.to_thread(disk.remove)


def _tell_broken(found: Report, tell: Tell) -> None:
    for row in found.rows:
        if not row.kept:
            tell(f"  BROKEN {row.line()}")
    for sentence in found.differences[:MOST_DIFFERENCES_TOLD]:
        tell(f"  {sentence}")


async def _learned(rig: Rig) -> None:
    """Wait until the machine's limits are in service. Raises Fatal."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEARNING_WAIT_S):
            while True:
                found = await rig.page.limits(MACHINE_ID)
                if (
                    found is not None
                    and found["limits"]
                    and all(one["in_service"] for one in found["limits"])
                ):
                    return
                await asyncio.sleep(1.0)
    raise Fatal(f"no limits were learned within {LEARNING_WAIT_S:.0f} s; --no-limits goes on without them")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (one.strip() for one in text.split(",")) if name)


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 100_000):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; 1 to 100000 is possible")
    return int(text)
