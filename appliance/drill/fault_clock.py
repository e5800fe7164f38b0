"""The host's clock: at 1970 when the box boots, and set by an hour while it runs.

The appliance runs with a wall clock of the drill's (`host_clock`); influxd, plant and sensor keep the host's.
"""

from __future__ import annotations

import asyncio
import random
import time

from appliance.drill.fault import Fault, Inflict
from appliance.drill.rig import Rig

FAMILY = "clock"
HOUR_S = 3600.0


async def _boot_in_1970(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """Start without battery and time server; after a while a time server is found."""
    async with rig.held_down():
        rig.clock.write(-time.time(), disciplined=False)
    try:
        await rig.ready()
        await asyncio.sleep(hold_s)
    finally:
        rig.clock.write(0.0, disciplined=True)


def _step(ahead_s: float) -> Inflict:
    async def inflict(rig: Rig, hold_s: float, chance: random.Random) -> None:
        rig.clock.write(ahead_s, disciplined=True)
        try:
            await asyncio.sleep(hold_s)
        finally:
            rig.clock.write(0.0, disciplined=True)

    return inflict


FAULTS = (
    Fault("clock-1970", FAMILY, "the box boots without a clock and finds a time server later", _boot_in_1970),
    Fault("clock-forward", FAMILY, "the clock is set an hour forward, and back", _step(HOUR_S)),
    Fault("clock-back", FAMILY, "the clock is set an hour back, and forward", _step(-HOUR_S)),
    Fault(
        "clock-leap", FAMILY, "the clock is set a second back, as for a leap second, and forward", _step(-1.0)
    ),
)
