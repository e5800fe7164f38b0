"""The network between the appliance and the centre: gone, cut, slow, lying, or told to come later."""

from __future__ import annotations

import asyncio
import random

from appliance.drill.fault import Fault, Inflict
from appliance.drill.proxy import Line
from appliance.drill.rig import CENTRE_PATIENCE_S, Rig

FAMILY = "network"


def _line(line: Line) -> Inflict:
    async def inflict(rig: Rig, hold_s: float, chance: random.Random) -> None:
        rig.proxy.late_s = CENTRE_PATIENCE_S + 1.0
        rig.proxy.line = line
        try:
            await asyncio.sleep(hold_s)
        finally:
            rig.proxy.line = Line.OPEN

    return inflict


FAULTS = (
    Fault("black-hole", FAMILY, "requests are taken and never answered", _line(Line.BLACK_HOLE)),
    Fault("reset", FAMILY, "every connection is cut as soon as it is there", _line(Line.RESET)),
    Fault("slow", FAMILY, "a few kB/s", _line(Line.SLOW)),
    Fault(
        "late-answer", FAMILY, "delivered, but the answer comes after the patience is over", _line(Line.LATE)
    ),
    Fault("forget", FAMILY, "a proxy answers 204 and throws everything away", _line(Line.FORGET)),
    Fault("busy", FAMILY, "429 with Retry-After", _line(Line.BUSY)),
    Fault("unavailable", FAMILY, "503 with Retry-After", _line(Line.UNAVAILABLE)),
)
