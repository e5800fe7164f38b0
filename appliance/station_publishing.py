"""Tells a publisher how things stand: now and then, and at once when an alarm was committed.

Duty: the rate of it, which is bounded however fast things change. Knows neither values nor publishers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from appliance.alarm_records import StoredTransition
from appliance.publishers.publisher import PublishedValue, Publisher

SHORTEST_PAUSE_S = 0.1


class StationPublishing:
    """Takes values from the station and gives them to a publisher."""

    def __init__(
        self, values: Callable[[], Sequence[PublishedValue]], publisher: Publisher, period_s: float
    ) -> None:
        self._values = values
        self._publisher = publisher
        self._period_s = period_s
        self._alarm = asyncio.Event()

    def alarm_changed(self, stored: StoredTransition) -> None:
        """A listener of the desk of alarms."""
        self._alarm.set()

    async def run(self) -> None:
        """Publish, for ever."""
        while True:
            self._alarm.clear()
            self._publisher.publish(self._values())
            await asyncio.sleep(SHORTEST_PAUSE_S)
            try:
                async with asyncio.timeout(max(0.0, self._period_s - SHORTEST_PAUSE_S)):
                    await self._alarm.wait()
            except TimeoutError:
                continue
