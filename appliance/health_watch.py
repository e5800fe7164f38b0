"""Alarms that rest on the health report: a disk that fills, a source that is silent, latency that doubled.

Duty: asks the report now and then and tells the system watch. One alarm per condition (of silence one per
source), held by hysteresis, with a sentence that does not change while the condition stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from appliance.alarms.debounce import Debounce
from appliance.alarms.system import SystemCondition
from appliance.clock import Clock
from appliance.system_watch import SystemWatch
from appliance.telemetry.health import DiskHealth, HealthReport, LatencyTrend
from appliance.telemetry.latency_week import NO_LONGER, NOTICEABLE_S
from appliance.telemetry.silence import SilenceWatch

LOOK_S = 5.0
DISK_LOOKS = 3  # in a row above the limit: what is written and deleted at once is no alarm
DISK_CALM_LOOKS = 12
DISK_HYSTERESIS_PERCENT = 3.0


class HealthWatch:
    """Looks at the report every few seconds. `run` it."""

    def __init__(
        self,
        watch: SystemWatch,
        report: Callable[[], HealthReport],
        clock: Clock,
        *,
        silences: Sequence[SilenceWatch],
        heard_ns: Mapping[str, int],
        disk_limit_percent: float,
    ) -> None:
        self._watch = watch
        self._report = report
        self._clock = clock
        self._silences = silences
        self._heard_ns = heard_ns
        self._disk_limit = disk_limit_percent
        self._disk = Debounce(DISK_LOOKS, DISK_LOOKS, DISK_CALM_LOOKS)
        self._slow = ""  # the sentence of the latency alarm, as it was raised

    async def run(self) -> None:
        """Look, for ever."""
        await self._watch.silences_are([silence.source_id for silence in self._silences])
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """One look at everything."""
        report = self._report()
        await self._look_at_disk(report.disk)
        await self._look_at_latency(report.trends)
        await self._look_for_silence()

    async def _look_at_disk(self, disk: DiskHealth) -> None:
        low = self._disk_limit - DISK_HYSTERESIS_PERCENT
        fills = self._disk.observe(disk.used_percent > self._disk_limit, disk.used_percent < low)
        if fills or disk.used_percent < low:  # between the two, what was said before a restart still holds
            await self._watch.state(
                fills,
                SystemCondition.DISK_FILLING,
                "",
                f"more than {self._disk_limit:g} % of the file system that holds {disk.path} is used",
                "Make room.",
            )

    async def _look_at_latency(self, trends: Sequence[LatencyTrend]) -> None:
        slow = [trend for trend in trends if trend.doubled]
        if slow:
            worst = max(slow, key=lambda trend: trend.factor or 0.0)
            where = f"{worst.stage} of {worst.instance}" if worst.instance else str(worst.stage)
            self._slow = self._slow or f"{where} takes {worst.text}"
            await self._watch.state(
                True,
                SystemCondition.LATENCY_DOUBLED,
                "",
                self._slow,
                "See the appliance page for what is busy or waits.",
            )
        elif any(trend.factor is not None for trend in trends) and not any(map(_nearly_slow, trends)):
            self._slow = ""
            await self._watch.state(False, SystemCondition.LATENCY_DOUBLED, "", "")

    async def _look_for_silence(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for watch in self._silences:
            found = watch.look(self._heard_ns, now_ns, self._watch.is_lost(watch.source_id))
            if not found.judged:
                continue
            names = "it" if found.everything else ", ".join(found.channels)
            await self._watch.state(
                bool(found.channels),
                SystemCondition.SOURCE_SILENT,
                watch.source_id,
                f"nothing has come from {names} for {watch.limit_s:g} s",
                "See the reason of the link on the appliance page.",
            )


def _nearly_slow(trend: LatencyTrend) -> bool:
    """Whether an alarm of before a restart may still stand on this."""
    return (trend.factor or 0.0) >= NO_LONGER and (trend.now_p50_s or 0.0) >= NOTICEABLE_S[trend.stage]
