"""The real InfluxDB as the drill's witness: what it has, and its folder put back to an earlier day.

Duty: reading back in InfluxQL, and the snapshot. Believes nothing of the appliance but the names of its
measurements, tags and fields (docs/influx-schema.md). Decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from appliance.demo_central import LocalInflux
from appliance.drill.numbered_plant import number_of
from appliance.drill.oracle import FoundStep, Step, ToldGap

STORES = ("meta", "data", "wal")
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]


class Snapshot:
    """A copy of the server's folder, made while it was down."""

    def __init__(self, folder: Path, into: Path) -> None:
        self._folder, self._into = folder, into

    async def take(self, server: LocalInflux) -> None:
        """Stop the server, copy, start it. Raises Fatal when it does not come back."""
        await server.stop()
        await asyncio.to_thread(self._copy, self._folder, self._into)
        await server.start()

    async def put_back(self) -> None:
        """Let the folder be as it was then; the server must be down."""
        await asyncio.to_thread(self._copy, self._into, self._folder)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        for name in STORES:
            shutil.rmtree(target / name, ignore_errors=True)
            if (source / name).exists():
                shutil.copytree(source / name, target / name)


def numbers(ask: Ask, channel: str) -> list[tuple[int, int]]:
    """(UTC ns, number) of every point of the counting tag; those that it never showed are left out."""
    rows = ask(f"SELECT value FROM process_value WHERE channel = '{channel}'")  # noqa: S608 - our own names
    found = ((int(row["time"]), number_of(float(row["value"]))) for row in rows)
    return [(time_ns, number) for time_ns, number in found if number is not None]


def gaps(ask: Ask, channel: str) -> list[ToldGap]:
    """Every gap of a channel; one that was told again counts as it was told last."""
    rows = ask(f"SELECT gap_id, start_ns, end_ns, cause, state FROM gap WHERE channel = '{channel}'")  # noqa: S608
    latest = {
        int(row["gap_id"]): ToldGap(
            int(row["start_ns"]), int(row["end_ns"]), str(row["cause"]), str(row["state"])
        )
        for row in rows
    }
    return list(latest.values())


def steps(ask: Ask) -> list[FoundStep]:
    """Every transition of every alarm."""
    rows = ask('SELECT alarm_id, activation, what, actor, "sequence" FROM alarm')
    return [
        FoundStep(
            Step(str(row["alarm_id"]), int(row["activation"]), str(row["what"])),
            int(row["sequence"] or 0),
            int(row["time"]),
            str(row["actor"]),
        )
        for row in rows
        if row["alarm_id"] is not None and row["activation"] is not None
    ]


def alarm_states(ask: Ask) -> dict[str, object]:
    """Each alarm as its newest transition (by the appliance's order) left it."""
    rows = ask('SELECT alarm_id, activation, state, acknowledged_by, "sequence" FROM alarm')
    newest: dict[str, Row] = {}
    for row in rows:
        known = newest.get(str(row["alarm_id"]))
        if known is None or int(row["sequence"] or 0) > int(known["sequence"] or 0):
            newest[str(row["alarm_id"])] = row
    return {
        alarm_id: (int(row["activation"]), str(row["state"]), row["acknowledged_by"] or None)
        for alarm_id, row in newest.items()
    }


def commands(ask: Ask) -> set[str]:
    """The ids of all commands that are there for the appliance to take."""
    return {str(json.loads(row["document"])["command_id"]) for row in ask("SELECT document FROM command")}


def answers(ask: Ask) -> list[tuple[str, str]]:
    """(command's id, outcome) of every answer."""
    rows = ask("SELECT command_id, outcome FROM command_result")
    return [(str(row["command_id"]), str(row["outcome"])) for row in rows]


def counters(ask: Ask) -> dict[tuple[str, str], float]:
    """(counter, subject) -> total: the sum over incarnations of each one's greatest total."""
    rows = ask('SELECT max("total") AS total FROM "counter" GROUP BY "asset", "counter", "incarnation"')
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        name = (unquote(row["counter"]), unquote(row["asset"]))
        found[name] = found.get(name, 0.0) + float(row["total"] or 0.0)
    return found


def limit_changes(ask: Ask) -> list[tuple[int, str]]:
    """(UTC ns, reason) of every act that changed a limit; one act on several limits counts once."""
    rows = ask("SELECT reason, change_id, action FROM limit_version")
    acts = {(str(row["change_id"]), str(row["reason"])): int(row["time"]) for row in rows if row["reason"]}
    return [(time_ns, reason) for (_, reason), time_ns in acts.items()]


def limit_states(ask: Ask) -> dict[str, object]:
    """Each limit as its newest version left it: version, locked, action, actor, per cent of the learned."""
    rows = ask(
        "SELECT operating_state, version, locked, action, actor, factor FROM limit_version GROUP BY channel"
    )
    newest: dict[str, tuple[int, bool, str, str, float]] = {}
    for row in rows:
        name = f"{unquote(row['channel'])} at {row['operating_state']}"
        told = (str(row["action"]), str(row["actor"]), round(100.0 * float(row["factor"] or 0.0), 1))
        version = (int(row["version"]), bool(row["locked"]), *told)
        if name not in newest or version[0] > newest[name][0]:
            newest[name] = version
    return dict(newest)
