"""Whether a stage takes twice as long as in its own week.

Duty: keep the history of one median per period as one median per hour, and compare the last hour with the
week before it. Pure: times are arguments, and the history comes from the journal after a restart.

The hour is what makes a burst harmless, the medians what makes an outlier harmless. A change that stays
becomes the new normal after half a week: by then it has been an alarm for days. A stage that then has nothing
to do (a receiver in a quiet plant) is slow for a day more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from appliance.telemetry.health import LatencyTrend, Stage

HOUR_NS = 3_600_000_000_000
WEEK_HOURS = 7 * 24
NEEDED_HOURS = 24  # of history, so that a day's rhythm is in it
NEEDED_PERIODS = (
    15  # in the last hour: a service that just started, or a stage that seldom works, is not judged
)
MOST_PER_HOUR = 3_600
FORGET_NS = 24 * HOUR_NS  # what has had too little to do for so long is not slow any more
DOUBLED = 2.0
NO_LONGER = 1.5

NOTICEABLE_S: dict[Stage, float] = {
    Stage.SOURCE_QUEUE: 0.25,
    Stage.ANALYSIS: 0.1,
    Stage.SCORING: 0.01,
    Stage.ALARM_DECISION: 0.5,
    Stage.ALARM_COMMIT: 0.1,
    Stage.JOURNAL_COMMIT: 0.1,
    Stage.CENTRAL: 2.0,
    Stage.WEBHOOK: 2.0,
    Stage.OPCUA_SERVER: 0.5,
    Stage.INSPECTION: 0.05,
}
"""Below this latency nobody minds a doubling: 50 us instead of 20 us is no news."""


@dataclass(slots=True)
class _Hour:
    number: int  # of UTC hours since 1970
    values_s: list[float]


class LatencyWeek:
    """The history of one stage. `add` what is measured, oldest first; `trend` judges."""

    def __init__(self, stage: Stage, instance: str) -> None:
        self.stage = stage
        self.instance = instance
        self._hours: deque[tuple[int, float]] = deque(maxlen=WEEK_HOURS)  # (hour, its median), finished ones
        self._present: _Hour | None = None
        self._recent: deque[tuple[int, float]] = deque(
            maxlen=MOST_PER_HOUR
        )  # (UTC ns, median) of the last hour
        self._doubled = False
        self._judged_ns = 0  # UTC ns

    def add(self, time_ns: int, p50_s: float) -> None:
        """The median latency of one period that ended at this time (UTC ns)."""
        hour = time_ns // HOUR_NS
        if self._present is not None and hour < self._present.number:
            self._forget_from(hour)  # the clock was set back: what it said before is not the future
        if self._present is None or hour != self._present.number:
            self._finish_hour()
            self._present = _Hour(hour, [])
        if len(self._present.values_s) < MOST_PER_HOUR:
            self._present.values_s.append(p50_s)
        self._recent.append((time_ns, p50_s))

    def trend(self, now_ns: int) -> LatencyTrend:
        """The last hour beside the week before it (UTC ns)."""
        recent = [value for time_ns, value in self._recent if now_ns - HOUR_NS < time_ns <= now_ns]
        newest = now_ns // HOUR_NS
        past = [value for hour, value in self._hours if newest - 1 - WEEK_HOURS <= hour < newest - 1]
        now_s = median(recent) if recent else None
        week_s = median(past) if past else None
        if len(past) < NEEDED_HOURS:
            return self._unjudged(now_ns, now_s, week_s, f"{len(past)} of {NEEDED_HOURS} hours of history")
        if now_s is None or week_s is None or len(recent) < NEEDED_PERIODS:
            return self._unjudged(now_ns, now_s, week_s, "too little happened in the last hour")
        self._judged_ns = now_ns
        factor = now_s / week_s if week_s > 0.0 else 1.0
        if factor >= DOUBLED and now_s >= NOTICEABLE_S[self.stage]:
            self._doubled = True
        elif factor < NO_LONGER or now_s < NOTICEABLE_S[self.stage]:
            self._doubled = False
        text = f"{now_s:.3g} s in the last hour, {week_s:.3g} s in the week before"
        return LatencyTrend(self.stage, self.instance, now_s, week_s, factor, self._doubled, text)

    def _unjudged(self, now_ns: int, now_s: float | None, week_s: float | None, why: str) -> LatencyTrend:
        if now_ns - self._judged_ns >= FORGET_NS:
            self._doubled = False
        text = f"not judged yet: {why}"
        return LatencyTrend(self.stage, self.instance, now_s, week_s, None, self._doubled, text)

    def _finish_hour(self) -> None:
        if self._present is not None and self._present.values_s:
            self._hours.append((self._present.number, median(self._present.values_s)))

    def _forget_from(self, hour: int) -> None:
        self._hours = deque((one for one in self._hours if one[0] < hour), maxlen=WEEK_HOURS)
        self._recent.clear()
        self._present = None
