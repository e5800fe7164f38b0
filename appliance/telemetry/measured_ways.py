"""Ways out of the box, measured: the sink of the centre and the posts to receivers.

Duty: time each delivery and count what was taken, refused or failed, around whatever delivers. Changes
nothing of what is delivered, returned or raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.journal.record import RecordKind
from appliance.sinks.sink import OutboxBatch, Receipt, Sink
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_post import Endpoint, WebhookPost
from appliance.sinks.webhook_queue import Outcome
from appliance.telemetry.stage_meter import StageMeter

Clock = Callable[[], float]


class MeasuredSink:
    """Implements `sink.Sink` around another one."""

    def __init__(self, sink: Sink, meter: StageMeter, monotonic_s: Clock = time.monotonic) -> None:
        self.wants: frozenset[RecordKind] = sink.wants
        self._sink = sink
        self._meter = meter
        self._monotonic_s = monotonic_s

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        """As the other one; only what was answered counts as a latency."""
        begin_s = self._monotonic_s()
        try:
            receipt = await self._sink.deliver(batch)
        except Exception:
            self._meter.fail()
            raise
        self._meter.done(self._monotonic_s() - begin_s, receipt.accepted)
        self._meter.drop(len(receipt.rejected))
        return receipt


class MeasuredPost(WebhookPost):
    """Posts to one receiver, measured."""

    def __init__(self, endpoint: Endpoint, meter: StageMeter, monotonic_s: Clock = time.monotonic) -> None:
        super().__init__(endpoint)
        self._meter = meter
        self._monotonic_s = monotonic_s

    async def attempt(self, message: Message, time_s: int) -> Outcome:
        """As any post; only what was taken counts as a latency."""
        begin_s = self._monotonic_s()
        outcome = await super().attempt(message, time_s)
        if outcome.delivered:
            self._meter.done(self._monotonic_s() - begin_s)
        else:
            self._meter.fail()
        return outcome
