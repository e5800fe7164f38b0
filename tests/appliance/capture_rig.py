"""A desk of captures over a real journal, with a sensor that a test lets deliver."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, Severity
from appliance.capture_care import CaptureCare, stored_captures
from appliance.capture_desk import CaptureDesk
from appliance.capture_group import CaptureTiming
from appliance.clock import Clock, ReplayClock
from appliance.counters import Counters
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import Capture
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from appliance.system_watch import SystemWatch
from dsp.samples import Channel, Measurand, Quality, SampleBlock, TimeQuality
from tests.appliance.journal.builders import PATIENT, SECOND_NS, SMALL, START_NS

RATE_HZ = 1_000.0
BLOCK_S = 0.1
ASSET = "motor-1"
CHANNELS = [
    Channel(f"motor-1.{axis}", ASSET, Measurand.ACCELERATION, "m/s2", RATE_HZ, 80.0, "sensor")
    for axis in "xyz"
]
TIMING = CaptureTiming(before_s=2.0, after_s=1.0)


def blocks(first: int, count: int, channels: list[Channel] = CHANNELS) -> list[SampleBlock]:
    """`count` tenths of a second of all channels; each sample says when it was taken, in ms."""
    n = round(RATE_HZ * BLOCK_S)
    return [
        SampleBlock(
            channel.channel_id,
            number,
            number * SECOND_NS // 10,
            TimeQuality.FITTED,
            RATE_HZ,
            (number * n + np.arange(n)).astype(np.float32) + np.float32(axis / 10),
            Quality.GOOD,
        )
        for number in range(first, first + count)
        for axis, channel in enumerate(channels)
    ]


def raised(at_s: float, alarm_id: str = "motor-1.machine-condition", what: str = "raised") -> AlarmTransition:
    at_ns = round(at_s * SECOND_NS)
    alarm = Alarm(
        alarm_id, ASSET, "motor-1.x", "machine condition", Severity.WARN, AlarmState.ACTIVE_UNACKNOWLEDGED,
        at_ns, at_ns, 1, 2.5, "outer race", 0.9, "outer race, 14 dB", {},
    )  # fmt: skip
    return AlarmTransition(what, "appliance", alarm)


class CaptureRig:
    """The parts, as wiring puts them together."""

    def __init__(self, journal: Journal, clock: Clock, timing: CaptureTiming) -> None:
        self.journal, self.clock = journal, clock
        self.counters = Counters(journal.incarnation, journal.boot_id)
        self.alarms = AlarmDesk(journal, clock)
        self.watch = SystemWatch(self.alarms, journal, clock)
        self.files = CaptureFiles(journal.folder)
        self.care = CaptureCare(journal, self.files, clock, self.watch)
        self.fill = 0.0
        self.desk = CaptureDesk(
            CHANNELS,
            timing,
            journal=journal,
            clock=clock,
            counters=self.counters,
            queue_fill=lambda _asset_id: self.fill,
            left_out=self.care.left_out,
        )
        self._told = 0

    def deliver(self, until_s: float, *transitions: AlarmTransition) -> None:
        """Samples up to a time, and what the analysis made of them."""
        last = round(until_s / BLOCK_S)
        if isinstance(self.clock, ReplayClock):
            self.clock.set(last * SECOND_NS // 10)
        self.desk.take(ASSET, blocks(self._told, last - self._told), transitions)
        self._told = last

    async def stored(self) -> list[Capture]:
        """All that the journal knows, once what waits is on the disk."""
        worker = asyncio.create_task(self.desk.run())
        async with asyncio.timeout(60):
            while self.desk.waiting:
                await asyncio.sleep(0.005)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return await stored_captures(self.journal)

    def condition(self, alarm_id: str) -> str:
        """The sentence of one of the appliance's own alarms while it stands; else empty."""
        stored = self.alarms.get(alarm_id)
        alarm = None if stored is None else stored.transition.alarm
        return alarm.reason if alarm is not None and alarm.state.active else ""


@contextlib.asynccontextmanager
async def capture_rig(
    folder: Path,
    timing: CaptureTiming = TIMING,
    budgets: Budgets = SMALL,
    clock: Clock | None = None,
) -> AsyncIterator[CaptureRig]:
    """The rig over a journal in this folder, closed whatever happens."""
    own = clock or ReplayClock(START_NS)
    journal = await Journal.open(folder / "journal", budgets, own, PATIENT)
    try:
        yield CaptureRig(journal, own, timing)
    finally:
        await journal.close()
