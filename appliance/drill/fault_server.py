"""The central server: killed, and put back to an earlier day."""

from __future__ import annotations

import asyncio
import random
import time

from appliance.drill.centre import Snapshot
from appliance.drill.fault import Fault
from appliance.drill.rig import Rig

FAMILY = "server"


async def _kill(rig: Rig, hold_s: float, chance: random.Random) -> None:
    await asyncio.sleep(hold_s * chance.uniform(0.05, 0.3))
    await rig.centre.kill()
    await asyncio.sleep(hold_s * 0.6)
    await rig.centre.start()


async def _roll_back(rig: Rig, hold_s: float, chance: random.Random) -> None:
    snapshot = Snapshot(rig.centre_dir, rig.folder / "backup")
    taken_s = time.monotonic()
    await snapshot.take(rig.centre)
    await asyncio.sleep(hold_s * chance.uniform(0.6, 0.9))
    await rig.centre.kill()
    await snapshot.put_back()
    await rig.centre.start()
    rig.proxy.unconfirm_after(taken_s)


FAULTS = (
    Fault("server-kill", FAMILY, "influxd gets kill -9, and comes back", _kill),
    Fault(
        "server-rollback",
        FAMILY,
        "influxd is killed and its data folder is put back to a backup of before",
        _roll_back,
        undoes_centre=True,
    ),
)
