"""What people and things do while the drill takes something away: so that there is something to lose.

Duty: the sensor's cable is pulled and plugged, alarms are acknowledged here and shelved from the centre,
limits are locked and unlocked; each deed is noted with what was confirmed to whoever did it. Judges nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from appliance.demo_config import MACHINE_ID
from appliance.drill.central_operator import Given
from appliance.drill.rig import SOURCE_LOST, Rig

CERTAIN_S = 2.5  # an appliance that was up all this time has noticed a pulled cable
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Deeds:
    """What was done in one phase, and confirmed."""

    pulled: int = 0  # cables, in front of an appliance that was up all the time
    acknowledged: int = 0
    changes: list[str] = field(default_factory=list)  # of limits, by their reason
    commands: list[Given] = field(default_factory=list)  # by a person at the centre


class Actor:
    """Does deeds until it is cancelled."""

    def __init__(self, rig: Rig, name: str, chance: random.Random) -> None:
        """`name` makes reasons one of a kind."""
        self._rig, self._name, self._chance = rig, name, chance
        self.deeds = Deeds()
        self._locked = False

    async def run(self) -> None:
        """Everything at once, for ever."""
        await asyncio.gather(
            self._pull(), self._acknowledge(), self._change_limits(), self._command(), self._look()
        )

    async def _pull(self) -> None:
        rig = self._rig
        while True:
            await asyncio.sleep(self._chance.uniform(0.3, 1.0))
            await rig.up.wait()
            starts, heard = rig.starts, rig.hears_sensor
            await rig.pull_cable()
            try:
                await asyncio.sleep(CERTAIN_S)
                self.deeds.pulled += heard and rig.up.is_set() and rig.starts == starts
            finally:
                await rig.plug_cable()
            await asyncio.sleep(CERTAIN_S)

    async def _acknowledge(self) -> None:
        rig = self._rig
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5))
            alarms = await rig.page.get("/api/alarms?include_closed=true&limit=50") or []
            for alarm in alarms:
                if alarm["alarm_id"] != SOURCE_LOST or alarm["acknowledged_by"]:
                    continue
                said = {"activation": alarm["activation"], "comment": self._name[:80]}
                done = await rig.page.post(f"/api/alarms/{SOURCE_LOST}/acknowledge", said)
                if done is not None and done.get("durable", True):
                    self.deeds.acknowledged += 1
                    rig.saw(SOURCE_LOST, alarm["activation"], "acknowledged")

    async def _change_limits(self) -> None:
        rig = self._rig
        while True:
            await asyncio.sleep(self._chance.uniform(1.0, 2.0))
            seen = await rig.page.limits(MACHINE_ID)
            if seen is None or not any(limit["in_service"] for limit in seen["limits"]):
                continue
            locked = all(limit["locked"] for limit in seen["limits"])
            reason = f"{self._name}, change {len(self.deeds.changes) + 1} at {time.monotonic_ns()}"
            wish = {
                "action": "unlock" if locked else "lock",
                "channel_id": None,
                "operating_state": None,
                "reason": reason,
                "seen_revision": seen["revision"],
            }
            done = await rig.page.post(f"/api/machines/{MACHINE_ID}/limits", wish)
            if done is not None and all(limit["durable"] for limit in done["limits"]):
                self.deeds.changes.append(reason)

    async def _command(self) -> None:
        rig = self._rig
        while True:
            await asyncio.sleep(self._chance.uniform(0.3, 1.0))
            actor = f"centre {time.monotonic_ns()}"
            given = await asyncio.to_thread(rig.operator.shelve, rig.centre, SOURCE_LOST, actor)
            if given is not None:
                self.deeds.commands.append(given)

    async def _look(self) -> None:
        while True:
            await self._rig.look()
            await asyncio.sleep(LOOK_EVERY_S)
