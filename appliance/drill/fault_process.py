"""The appliance's own process: kill -9 at random points, started again as systemd would."""

from __future__ import annotations

import asyncio
import random
import time

from appliance.drill.fault import Fault
from appliance.drill.rig import Rig

FAMILY = "process"
MOST_KILLS = 4


async def _kill(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """Kill it a few times: at work, and now and then while it starts."""
    end_s = time.monotonic() + hold_s
    for number in range(MOST_KILLS):
        await asyncio.sleep(chance.uniform(0.2, 1.0) * hold_s / 3)
        if number and time.monotonic() > end_s:
            break
        rig.kill()
        if chance.random() < 0.7:  # else it may be hit again while it starts
            await rig.ready()
    await rig.ready()


FAULTS = (Fault("process-kill", FAMILY, "the appliance gets kill -9 at random points", _kill),)
