"""The demo's pull of the centre: stopped for a while, started again, and then held against the journal.

Duty: the order of it and what is told; the courier's own words come from the appliance's lines (`heard`).
Whether both sides agree is decided in `demo_agreement`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.commands.demo_story import INDENT
from appliance.demo_agreement import Agreement, compare, counted, journal_account, last_sequence
from appliance.demo_central import LocalInflux

TELL_EVERY_S = 10.0
LOOK_S = 0.2
DELIVERY_WAIT_S = 180.0
MOST_DIFFERENCES_TOLD = 10
Tell = Callable[[dict[str, Any], str], None]


@dataclass(slots=True)
class CourierWords:
    """What the appliance's courier last said of itself."""

    state: str = "starting"
    waiting: int = 0
    confirmed: int = 0
    said_s: float = 0.0  # monotonic

    def hear(self, line: dict[str, Any]) -> None:
        """Take a line of type `central`."""
        self.state, self.said_s = str(line["state"]), time.monotonic()
        self.waiting, self.confirmed = int(line["waiting"]), int(line["confirmed"])


class Outage:
    """One pull of the centre. `run` it once."""

    def __init__(self, centre: LocalInflux, journal_dir: Path, courier: CourierWords, tell: Tell) -> None:
        self._centre, self._journal_dir, self._courier, self._tell = centre, journal_dir, courier, tell

    async def run(self, seconds: float) -> Agreement | None:
        """Pull, wait, plug in, wait for the courier, compare; None where it could not come to that.

        Raises Fatal when the centre does not start again.
        """
        if seconds > 0.0:
            await self._pull(seconds)
        if not await self._delivered():
            return None
        return await self.compare()

    async def compare(self) -> Agreement | None:
        """Hold the centre against the journal, as far as the courier says it has delivered."""
        try:
            account = await asyncio.to_thread(journal_account, self._journal_dir, self._courier.confirmed)
            agreement = await asyncio.to_thread(compare, account, self._centre.ask)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._tell({"type": "agreement", "agrees": None, "reason": str(error)}, f"not compared: {error}")
            return None
        self._tell(line_of(agreement), words_of(agreement))
        for difference in agreement.differences[:MOST_DIFFERENCES_TOLD]:
            self._tell({"type": "difference", "text": difference}, f"  {difference}")
        return agreement

    async def _pull(self, seconds: float) -> None:
        self._tell(
            {"type": "outage_began", "seconds": seconds},
            f"now the centre is pulled for {seconds:.0f} s: influxd is stopped; the appliance goes on",
        )
        await self._centre.stop()
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            await asyncio.sleep(min(left_s, TELL_EVERY_S))
            self._tell(
                {"type": "backlog", "waiting": self._courier.waiting, "courier": self._courier.state},
                f"  centre {self._courier.state}: {self._courier.waiting:,} records wait in the journal",
            )
        await self._centre.start()
        self._tell(
            {"type": "outage_ended"},
            "the centre is back: influxd runs again; the courier tries again within a minute, by itself",
        )

    async def _delivered(self) -> bool:
        """Wait until the courier says that everything up to now is at the centre."""
        began_s = time.monotonic()
        try:
            upto = await asyncio.to_thread(last_sequence, self._journal_dir)
        except sqlite3.Error as error:
            self._tell({"type": "delivered", "all": False}, f"the journal cannot be read: {error}")
            return False
        while self._courier.confirmed < upto:
            took_s = time.monotonic() - began_s
            if took_s > DELIVERY_WAIT_S:
                words = f"not all is delivered after {took_s:.0f} s; {self._courier.waiting:,} records wait"
                self._tell({"type": "delivered", "all": False, "waiting": self._courier.waiting}, words)
                return False
            await asyncio.sleep(LOOK_S)
        took_s = time.monotonic() - began_s
        self._tell(
            {"type": "delivered", "all": True, "took_s": round(took_s, 1), "upto": upto},
            f"the courier says that all is delivered, {took_s:.0f} s later; now both sides are counted ...",
        )
        return True


def line_of(agreement: Agreement) -> dict[str, Any]:
    """The agreement for a script."""
    return {
        "type": "agreement",
        "agrees": agreement.agrees,
        "points": agreement.points,
        "series": agreement.series,
        "transitions": agreement.transitions,
        "counters": agreement.counters,
        "differences": list(agreement.differences),
    }


def words_of(agreement: Agreement) -> str:
    """The agreement for people."""
    transitions = "alarm transition" if agreement.transitions == 1 else "alarm transitions"
    compared = (
        f"{sum(agreement.points.values()):,} points, {agreement.transitions:,} {transitions}, "
        f"{agreement.counters:,} counters"
    )
    if not agreement.agrees:
        return f"NOT all agree: {len(agreement.differences):,} differences in {compared}"
    return f"all agree: {compared}\n{INDENT}(points: {counted(agreement.points)})"
