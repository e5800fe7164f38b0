"""A camera's verdicts on their way into the tags of the line's PLC, within the latency budget.

Duty: the motion of `inspection_tags` over `inspection_tag_session`: one connection after the other, counts,
the alarm. A verdict that was not confirmed in time is withdrawn, and counted as not written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from appliance.alarms.system import SystemCondition
from appliance.clock import Clock
from appliance.counters import Counter, Counters
from appliance.errors import Retryable
from appliance.inspection_line import Watch
from appliance.inspection_tag_session import PlcAddress, TagSession, VerdictNodes, WriteRefusedError
from appliance.inspection_tags import WITHDRAWN, TagOutbox
from appliance.inspection_verdict import Part, PartVerdict
from appliance.sources.source import LinkReport, LinkState

logger = logging.getLogger(__name__)

LOOK_S = 1.0  # so often the server is asked whether it is there, while no part comes
FAREWELL_S = 0.5
CHECK_LINK = "Check that the PLC's server runs, its address, and the network between."
CHECK_TAGS = "Check node ids, types and access rights of the camera's verdict_tags at the PLC."


class TagWriter:
    """Implements `inspection_line.LineListener`; `run` it under the supervisor."""

    def __init__(
        self,
        camera_id: str,
        plc: PlcAddress,
        nodes: VerdictNodes,
        budget_s: float,
        *,
        clock: Clock,
        counters: Counters,
        watch: Watch,
    ) -> None:
        """`budget_s`: from the picture to the confirmed write."""
        self.camera_id = camera_id
        self._plc, self._nodes = plc, nodes
        self._clock, self._counters, self._watch = clock, counters, watch
        self._outbox = TagOutbox(budget_s)
        self._something = asyncio.Event()
        self._state, self._reason, self._remedy = LinkState.CONNECTING, "", ""
        self._told: str | None = None  # what the alarm is about, empty: it does not stand; None: not told yet
        self._counts = dict.fromkeys(("connections", "verdicts written", "not written"), 0)

    # -- LineListener --

    def part_arrived(self, part: Part) -> None:
        """The verdict of the part before is withdrawn."""
        if self._state is LinkState.CONNECTED:
            self._outbox.arrived()
            self._something.set()

    def part_decided(self, verdict: PartVerdict) -> None:
        """The part's outcome is to be written."""
        if self._state is LinkState.CONNECTED:
            self._not_written(self._outbox.decided(verdict))
            self._something.set()
        else:
            self._not_written(1)

    def camera_lost(self, camera_id: str) -> None:
        """Nothing is known of any part."""
        if self._state is LinkState.CONNECTED:
            self._outbox.arrived()
            self._something.set()

    def report(self) -> LinkReport:
        """The link as a line of the appliance page."""
        return LinkReport(
            f"{self.camera_id}/tags", "verdict tags", self._plc.url, self._state, self._reason, self._remedy,
            dict(self._counts),
        )  # fmt: skip

    async def run(self) -> None:
        """One connection. Raises Retryable when it cannot be made or is lost; call it again then."""
        session = TagSession(self._plc, self._nodes)
        try:
            await session.open()
            await session.write(WITHDRAWN)
            self._state, self._reason, self._remedy = LinkState.CONNECTED, "", ""
            self._counts["connections"] += 1
            await self._tell()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._something.wait()
                if not self._something.is_set():
                    await session.look()
                self._something.clear()
                await self._work_off(session)
        except Retryable as error:
            was_connected = self._state is LinkState.CONNECTED
            self._state = LinkState.LOST if was_connected else LinkState.NOT_FOUND
            self._reason, self._remedy = str(error), CHECK_LINK
            if isinstance(error, WriteRefusedError):
                self._state, self._remedy = LinkState.REFUSED, CHECK_TAGS
            await self._tell()
            raise
        finally:
            if self._state is LinkState.CONNECTED:  # told to end: what stands there must not outlive us
                self._state = LinkState.CONNECTING
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(FAREWELL_S):
                        await session.write(WITHDRAWN)
            self._not_written(self._outbox.clear())
            await session.close()

    async def _work_off(self, session: TagSession) -> None:
        now_ns = self._clock.monotonic_ns
        while (wanted := self._outbox.take()) is not None:
            late = wanted.is_late(now_ns())
            try:
                await session.write(wanted.without_verdict() if late else wanted)
            except Retryable:
                self._not_written(int(wanted.is_outcome))
                raise
            if not wanted.is_outcome:
                continue
            if not late and wanted.is_late(now_ns()):  # confirmed too late: nobody may go by it
                late = True
                self._outbox.withdraw()
            if late:
                self._not_written(1)
            else:
                self._counts["verdicts written"] += 1
                self._outbox.outcome(True)
            await self._tell()

    def _not_written(self, n: int) -> None:
        for _ in range(n):
            self._outbox.outcome(False)
        if n:
            self._counts["not written"] += n
            self._counters.add(Counter.VERDICTS_NOT_WRITTEN, self.camera_id, n)

    async def _tell(self) -> None:
        """The alarm, where it begins or ends; it names the link before what was lost over it."""
        linked = self._state is LinkState.CONNECTED
        reason = self._outbox.trouble if linked else f"{self._plc.source_id}: {self._reason}"
        about = "lost parts" if linked and reason else reason
        if self._told == about:
            return
        self._told = about
        remedy = CHECK_LINK if linked else self._remedy
        await self._watch.state(
            bool(about), SystemCondition.VERDICT_NOT_WRITTEN, self.camera_id, reason, remedy
        )
