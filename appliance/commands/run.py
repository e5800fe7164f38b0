"""`stethos run`: the appliance as a service, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import time
from functools import partial
from pathlib import Path

from appliance.alarm_records import StoredTransition
from appliance.commands import EXIT_OK
from appliance.commands.change_lines import committed_line, tell_central, tell_changes
from appliance.config import ApplianceSettings
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.kernel_watch import KernelWatch, now_and_then
from appliance.service_notifier import service_notifier
from appliance.wiring import Appliance, build_supervisor
from appliance.wiring_web import Address

QUIET_LOGGERS = {
    "asyncua": logging.CRITICAL,  # what it says is translated into link states
    "uvicorn": logging.WARNING,
    "numba": logging.WARNING,
}

START_STEP_S = 120.0  # a step of the start may take so long before systemd gives it up


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run the appliance with a configuration file",
        description="Runs until SIGTERM or Ctrl-C. Exit code 0: stopped as told; 1: could not go on; "
        "2: the configuration cannot be used.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--json", action="store_true", help="print what is told on standard output as JSON lines"
    )
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the appliance of `options.config`."""
    settings = load_settings(options.config)
    set_up_logging(options.log_level)
    asyncio.run(_run(settings, as_json=options.json))
    return EXIT_OK


def set_up_logging(level: str) -> None:
    """One line per event on standard error, where systemd's journal takes it."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    for name, quiet in QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(quiet)


async def _run(settings: ApplianceSettings, *, as_json: bool) -> None:
    notifier = service_notifier()

    def told(text: str, compiling: bool = False) -> None:
        notifier.starting(text, START_STEP_S)
        line: dict[str, object] = {"type": "starting", "text": text, "compiling": compiling}
        _tell(line, f"stethos: {text} ...", as_json)

    watch = KernelWatch(now_and_then(partial(told, compiling=True)))
    watch.begin()

    def announce(address: Address) -> None:
        watch.settle()
        line: dict[str, object] = {
            "type": "ready",
            "url": address.url,
            "user": address.user,
            "password": address.first_password,
            "fingerprint": address.fingerprint,
            "compilations": len(watch.compilations),
        }
        text = f"stethos: ready at {address.url}"
        if address.first_password is not None:
            text += f"\n  user {address.user}, first password {address.first_password} (shown this once)"
        if address.fingerprint is not None:
            text += f"\n  certificate SHA-256 {address.fingerprint}"
        _tell(line, text, as_json)

    told("opening the journal")
    appliance = await Appliance.build(settings, told)
    try:
        await asyncio.to_thread(appliance.warm_up, told)
        supervisor = build_supervisor(notifier)
        if as_json:
            supervisor.add("lines", lambda: tell_changes(appliance.station, _print_line))
            appliance.desk.listen(_print_commit)
            central = appliance.central
            if central is not None:
                supervisor.add("central lines", lambda: tell_central(central, _print_line))
        await appliance.run(supervisor, notifier, announce)
    finally:
        notifier.stopping()
        await appliance.close()


def _tell(line: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        _print_line(line)
    else:
        print(text, flush=True)


def _print_commit(stored: StoredTransition) -> None:
    if stored.sequence:  # 0: the disk has not taken it
        with contextlib.suppress(Fatal):  # the desk goes on where nobody reads; the other lines tell it
            _print_line(committed_line(stored, time.monotonic_ns()))


def _print_line(line: dict[str, object]) -> None:
    try:
        print(json.dumps(line), flush=True)
    except BrokenPipeError:
        raise Fatal("nobody reads standard output any more") from None
