"""Keeps the networks of a running service as its store says, and says aloud where one does not answer.

Duty: look at every slot now and then, in a thread, so that the event loop never waits for a file or a
process; raise and clear the alarm of each; write the report for `stethos models`. Who answers a window is
decided elsewhere, within its deadline (`models.host`): this only follows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from appliance.alarms.network_rule import NetworkRule
from appliance.alarms.system import SystemCondition
from appliance.clock import Clock
from appliance.model_report import report_of, write_report
from appliance.model_slot import ModelSlot, SlotStanding
from appliance.system_watch import SystemWatch
from models.errors import BundleError
from models.store_slots import SlotsState, SlotStore

logger = logging.getLogger(__name__)

LOOK_S = 0.25
REPORT_S = 60.0
SHADOW_REPORT_S = 5.0
REMEDY = "Run `stethos models status` on this appliance."


class ModelDesk:
    """The slots of one appliance; none where no network is configured."""

    def __init__(
        self, slots: Sequence[ModelSlot], store: SlotStore, watch: SystemWatch, clock: Clock
    ) -> None:
        self._slots, self._store, self._watch, self._clock = slots, store, watch, clock
        self._rules = {slot.name: NetworkRule() for slot in slots}
        self._state = SlotsState()
        self._alarms: dict[str, str] = {}
        self._reported: tuple[float, object] = (float("-inf"), None)
        self.standings: list[SlotStanding] = []  # as they were at the last look

    async def run(self) -> None:
        """Follow the store and the runtimes, for ever; without slots only end what was said of others."""
        await self._watch.networks_are([slot.name for slot in self._slots])
        while self._slots:
            self.standings = await asyncio.to_thread(self._look)
            now = self._clock.wall(self._clock.monotonic_ns()).time_ns
            for standing in self.standings:
                await self._say(standing, now)
            await asyncio.to_thread(self._report, now)
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """End all processes; blocks for seconds at most."""
        for slot in self._slots:
            slot.close()

    def _look(self) -> list[SlotStanding]:
        trouble = ""
        try:
            self._state = self._store.read()
        except BundleError as error:  # what was read before, or the configuration, stays in force
            trouble = str(error)
        found = []
        for slot in self._slots:
            standing = slot.look(self._state.of(slot.name))
            if trouble:
                standing = standing.in_trouble(trouble)
            found.append(standing)
        return found

    async def _say(self, standing: SlotStanding, now_ns: int) -> None:
        reason = self._rules[standing.name].reason(standing.trouble, standing.runtimes, _text(now_ns))
        self._alarms[standing.name] = reason
        if reason or standing.settled:
            condition = SystemCondition.NETWORK_FALLBACK
            await self._watch.state(bool(reason), condition, standing.name, reason, REMEDY)

    def _report(self, now_ns: int) -> None:
        told = [
            (one.name, one.use, one.identity, one.answers, one.trouble, one.shadow_trouble, one.settled,
             None if one.shadow is None else one.shadow.identity, tuple(one.runtimes), *one.processes.items())
            for one in self.standings
        ]  # fmt: skip
        content = (self._state.revision, tuple(told))
        every_s = SHADOW_REPORT_S if any(one.shadow is not None for one in self.standings) else REPORT_S
        written_s, before = self._reported
        if content == before and time.monotonic() - written_s < every_s:
            return
        by_name = {slot.name: slot.meter for slot in self._slots}
        pairs = [(standing, by_name[standing.name]) for standing in self.standings]
        try:
            report = report_of(pairs, self._state.revision, now_ns, self._alarms)
            write_report(self._store.folder, report)
        except OSError as error:
            logger.warning("report on networks not written reason=%s", error)
        self._reported = (time.monotonic(), content)


def _text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
