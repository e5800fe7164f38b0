"""When a machine's windows and diagnoses are an alarm: the decisions, without I/O.

Duty: debounce and hysteresis, one alarm for one failure however many channels show it, and when a standing
alarm has changed enough to be told again. Scores, zones and diagnoses come in judged by the floors below, and
when scores are an alarm the sequential test of `models.cumulative_sum` says. When a sensor is an alarm is
`sensor_rule`'s to say.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.alarms.debounce import Debounce
from appliance.alarms.lifecycle import Alarm, AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of
from models.cumulative_sum import CumulativeSum, CumulativeSumRules
from models.diagnosis import Diagnosis, Verdict
from models.fault_confirmation import ConfirmationRules

MACHINE_CONDITION = "machine condition"
CHECK_SENSOR = "check sensor"
DRIFT = "drift"

_RATINGS = (Severity.STOP, Severity.WARN, Severity.WATCH)  # worst first
_CHALLENGE_RATIO = 1.5  # another fault, or channel, must be this much stronger to replace the one told


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """Figures of the rules; windows come about 1.5 a second, diagnoses one each 2 s."""

    score: CumulativeSumRules = field(default_factory=CumulativeSumRules)
    windows_needed: int = 5  # in an ISO 20816 zone
    windows_of: int = 6
    windows_off: int = 45
    confirmation: ConfirmationRules = field(default_factory=ConfirmationRules)  # of a named fault
    diagnoses_off: int = 8
    sensor_needed: int = 2
    sensor_of: int = 3
    sensor_off: int = 15
    update_db: float = 3.0  # a named fault that grew by this is told again
    update_interval_s: float = 10.0


@dataclass(frozen=True, slots=True)
class WindowJudgement:
    """What one window of one channel says of the machine."""

    channel_id: str
    time_ns: int
    rating: Severity  # good, watch (criterion II), warn or stop after ISO 20816; not rated outside it
    rating_reason: str = ""  # "3.10 mm/s is in zone C (2.8 to 4.5)"
    score: float | None = None  # 1.0 = limit, smoothed, to be told; None: no baseline
    explanation: str = ""  # the features behind the score
    provisional: bool = False
    velocity_mm_s: float | None = None
    limit_factor: float | None = None  # at which multiple of the learned limit a person set it
    unsmoothed: float = math.nan  # this window's own score, which decides; NaN: says nothing
    fresh: float = 1.0  # share of its samples that no window before had


@dataclass(slots=True)
class _Standing:
    """What stands on one channel."""

    score: CumulativeSum
    ratings: dict[Severity, Debounce]  # that velocity is rated so, or worse
    faults: dict[str, tuple[Debounce, Diagnosis]] = field(default_factory=dict)
    assumed: dict[str, Debounce] = field(default_factory=dict)  # faults of before a restart, not seen since
    latest: WindowJudgement | None = None
    diagnosed: tuple[Diagnosis, float] | None = None  # the latest, with the shaft speed
    multiplier: dict[str, float] = field(default_factory=dict)  # of each fault's line, x shaft

    def severity(self) -> Severity:
        """Worst of what stands; good or not rated where nothing does."""
        rating = self.rating()
        if rating is not None:
            return rating
        faults = [*self.assumed.values(), *(debounce for debounce, _ in self.faults.values())]
        if self.score.on or any(debounce.on for debounce in faults):
            return Severity.WATCH
        return (
            Severity.NOT_RATED if self.latest is None else min(self.latest.rating, Severity.GOOD, key=_rank)
        )

    def rating(self) -> Severity | None:
        """Worst rating of velocity that stands; None where none is worse than good."""
        return next((severity for severity in _RATINGS if self.ratings[severity].on), None)


class MachineConditionRule:
    """One machine's alarm "machine condition": changed, severe, or a fault named, on whichever channel."""

    def __init__(self, asset_id: str, settings: RuleSettings, unlooked: str = "") -> None:
        """`unlooked` says why no cause could be looked for as long as a channel has no diagnosis at all."""
        self._unlooked = unlooked
        self.alarm_id = alarm_id_of(asset_id, MACHINE_CONDITION)
        self._asset_id = asset_id
        self._settings = settings
        self._channels: dict[str, _Standing] = {}
        self._told_db: float | None = None

    def observe_window(self, judgement: WindowJudgement) -> None:
        """Take a window that was judged. Windows in run-up, at rest or of a bad sensor are not given."""
        standing = self._standing(judgement.channel_id)
        standing.latest = judgement
        standing.score.observe(judgement.unsmoothed, judgement.fresh)
        rank = judgement.rating.rank
        for severity, debounce in standing.ratings.items():
            debounce.observe(rank >= severity.rank, rank < severity.rank)

    def observe_diagnosis(self, diagnosis: Diagnosis, shaft_hz: float) -> None:
        """Take a diagnosis, made at this shaft speed. An abstention neither names a fault nor denies one."""
        standing = self._standing(diagnosis.channel_id)
        standing.diagnosed = (diagnosis, shaft_hz)
        faults = standing.faults
        named = diagnosis.fault if diagnosis.verdict is Verdict.FAULT else None
        denied = diagnosis.verdict is Verdict.HEALTHY
        if named is not None:
            fresh = standing.assumed.pop(named, None) or self._fault_debounce()
            faults[named] = (faults.get(named, (fresh, diagnosis))[0], diagnosis)
            standing.multiplier[named] = (diagnosis.frequency_hz or math.nan) / shaft_hz
        for fault, (debounce, _) in faults.items():
            debounce.observe(fault == named, denied or named not in (None, fault))
        for debounce in standing.assumed.values():
            debounce.observe(False, denied or named is not None)

    def forget_scores(self, channel_id: str) -> None:
        """A channel is learned anew: what its scores said holds no longer."""
        standing = self._channels.get(channel_id)
        if standing is not None:
            standing.score = CumulativeSum(self._settings.score)

    def confirm_latest(self) -> None:
        """The end of a recording: no further record will come to confirm the latest diagnosis."""
        for standing in self._channels.values():
            if standing.diagnosed is not None:
                self.observe_diagnosis(*standing.diagnosed)

    def severity(self, rated: bool) -> Severity:
        """Worst severity that stands on any channel; without any, good if `rated` and in zones A or B."""
        worst = self._standing_severity()
        return worst if rated or worst.rank > Severity.GOOD.rank else Severity.NOT_RATED

    def decide(self, register: AlarmRegister, time_ns: int) -> AlarmTransition | None:
        """The transition that what stands now makes of this machine's alarm; None where it tells nothing."""
        alarm = register.get(self.alarm_id)
        present = alarm if alarm is not None and alarm.state.active else None
        condition = self._condition(present)
        if condition is None:
            return register.clear(self.alarm_id, time_ns)
        if present is not None and not self._worth_telling(present, condition, time_ns):
            return None
        self._told_db = condition.evidence.get("over_baseline_db")
        return register.state(condition, time_ns)

    def restore(
        self, alarms: Iterable[Alarm], channels: Collection[str], scored: Collection[str], diagnosed: bool
    ) -> None:
        """After a restart: what an active alarm rests on stands until its channels have denied it as usual.

        `channels` are those that the machine has now, `scored` those with a learned baseline: no other's
        windows could ever deny a score. `diagnosed` says whether diagnoses come at all.
        """
        for alarm in alarms:
            if alarm.alarm_id != self.alarm_id or not alarm.state.active:
                continue
            self._told_db = alarm.evidence.get("over_baseline_db")
            stood = str(alarm.evidence.get("channels", alarm.channel_id)).split(", ")
            for channel_id in [known for known in channels if known in stood] or channels:
                standing = self._standing(channel_id)
                for severity, debounce in standing.ratings.items():
                    if severity.rank <= alarm.severity.rank:
                        debounce.assume_on()
                if channel_id in scored:
                    standing.score.assume_on()
            for channel_id in channels:
                if channel_id == alarm.channel_id and alarm.fault is not None and diagnosed:
                    assumed = self._standing(channel_id).assumed[alarm.fault] = self._fault_debounce()
                    assumed.assume_on()

    def _fault_debounce(self) -> Debounce:
        s = self._settings
        return Debounce(s.confirmation.needed, s.confirmation.of, s.diagnoses_off)

    def _standing_severity(self) -> Severity:
        return max((s.severity() for s in self._channels.values()), key=_rank, default=Severity.NOT_RATED)

    def _standing(self, channel_id: str) -> _Standing:
        if channel_id not in self._channels:
            s = self._settings
            ratings = {rating: Debounce(s.windows_needed, s.windows_of, s.windows_off) for rating in _RATINGS}
            self._channels[channel_id] = _Standing(CumulativeSum(s.score), ratings)
        return self._channels[channel_id]

    def _condition(self, present: Alarm | None) -> Condition | None:
        """What stands now, as the content of the alarm; None where nothing does."""
        severity = self._standing_severity()
        if severity.rank < Severity.WATCH.rank:
            return None
        window, channels = self._worst_window()
        evidence: dict[str, Any] = {"channels": ", ".join(channels)}
        if window is not None:
            evidence |= _window_evidence(window)
        condition = Condition(
            alarm_id=self.alarm_id,
            asset_id=self._asset_id,
            channel_id=window.channel_id if window is not None else None,
            rule=MACHINE_CONDITION,
            severity=severity,
            reason="",
            score=(window.score or 0.0) if window is not None else 0.0,
        )
        sentences = []
        diagnosis = self._strongest(present)
        if diagnosis is not None:
            sentences.append(diagnosis.text)
            evidence |= _diagnosis_evidence(diagnosis, self._multiplier(diagnosis))
            condition = replace(
                condition,
                channel_id=diagnosis.channel_id,
                fault=diagnosis.fault,
                confidence=diagnosis.confidence,
                rising_since_ns=diagnosis.rising_since_ns,
            )
        elif present is not None and present.fault is not None:
            # The name stays for this activation: a part does not heal because its line is masked for a while.
            sentences.append(present.reason.split("; velocity ")[0])
            evidence = {**present.evidence, **evidence}
            condition = replace(
                condition,
                channel_id=present.channel_id,
                fault=present.fault,
                confidence=present.confidence,
                rising_since_ns=present.rising_since_ns,
            )
        elif window is not None and (window.score or 0.0) >= self._settings.score.reference:
            sentences.append(
                f"vibration changed: {window.explanation} ({_score_words(window)}), "
                f"{self._cause_words(window)}"
            )
        sentences += self._rating_sentences()
        return replace(
            condition,
            reason="; ".join(sentences) or (present.reason if present else "vibration changed"),
            evidence=evidence,
        )

    def _cause_words(self, window: WindowJudgement) -> str:
        """That no cause was found, or why none could be looked for; by the channel's latest diagnosis."""
        diagnosed = self._standing(window.channel_id).diagnosed
        missing = self._unlooked if diagnosed is None else diagnosed[0].not_looked_for
        return f"cause could not be looked for: {missing}" if missing else "cause not identified"

    def _rating_sentences(self) -> list[str]:
        """What stands of the velocities' ratings, the worst one of all channels."""
        rated = [
            (standing.latest.rating.rank, standing.latest.rating_reason)
            for standing in self._channels.values()
            if standing.rating() is not None and standing.latest is not None
        ]
        rank, reason = max(rated, default=(0, ""))
        return [f"velocity {reason}"] if rank >= Severity.WATCH.rank and reason else []

    def _worst_window(self) -> tuple[WindowJudgement | None, list[str]]:
        """Latest window of the channel that shows most, and all channels on which something stands."""
        standing = {
            channel_id: s
            for channel_id, s in self._channels.items()
            if s.severity().rank >= Severity.WATCH.rank
        }
        windows = [s.latest for s in standing.values() if s.latest is not None]
        worst = max(windows, key=lambda w: (w.rating.rank, w.score or 0.0), default=None)
        return worst, list(standing)

    def _strongest(self, present: Alarm | None) -> Diagnosis | None:
        """The fault that stands with most evidence; what was told (fault, channel) unless clearly outdone."""
        best: dict[str, tuple[float, Diagnosis]] = {}
        for standing in self._channels.values():
            for fault, (debounce, diagnosis) in standing.faults.items():
                weight = next(
                    (r.evidence for r in diagnosis.ranking if r.fault == fault), diagnosis.confidence
                )
                if present is not None and present.fault == fault:
                    weight *= _CHALLENGE_RATIO
                    weight *= _CHALLENGE_RATIO if present.channel_id == diagnosis.channel_id else 1.0
                if debounce.on and weight > best.get(fault, (-1.0, diagnosis))[0]:
                    best[fault] = (weight, diagnosis)
        return max(best.values(), key=lambda pair: pair[0])[1] if best else None

    def _multiplier(self, diagnosis: Diagnosis) -> float | None:
        found = self._channels[diagnosis.channel_id].multiplier.get(diagnosis.fault or "", math.nan)
        return round(found, 3) if math.isfinite(found) else None

    def _worth_telling(self, alarm: Alarm, condition: Condition, time_ns: int) -> bool:
        """Sharper at once: a fault named, a higher severity. The rest at most every few seconds."""
        if condition.severity.rank > alarm.severity.rank or (condition.fault and not alarm.fault):
            return True
        if time_ns - alarm.changed_ns < self._settings.update_interval_s * 1e9:
            return False
        if condition.fault != alarm.fault or condition.severity != alarm.severity:
            return True
        level_db = condition.evidence.get("over_baseline_db")
        if level_db is None:
            return False
        return self._told_db is None or abs(level_db - self._told_db) >= self._settings.update_db


def _rank(severity: Severity) -> int:
    return severity.rank


def _score_words(window: WindowJudgement) -> str:
    """The score in units of its limit. Below it, only what lasts or comes back is an alarm."""
    score = window.score or 0.0
    if score < 1.0:
        return f"{score:.2f} x {_limit_words(window)}, again and again"
    return f"{score:.1f} x {_limit_words(window)}"


def _limit_words(window: WindowJudgement) -> str:
    if window.limit_factor is not None:
        return f"the limit that a person set at {100.0 * window.limit_factor:.0f} %"
    return f"the {'provisional' if window.provisional else 'learned'} limit"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)


def _window_evidence(window: WindowJudgement) -> dict[str, Any]:
    found: dict[str, Any] = {"features": window.explanation}
    if window.score is not None:
        found |= {"score": round(window.score, 3), "provisional": window.provisional}
    if window.velocity_mm_s is not None:
        found["velocity_mm_s"] = round(window.velocity_mm_s, 3)
    return found


def _diagnosis_evidence(diagnosis: Diagnosis, multiplier: float | None) -> dict[str, Any]:
    return {
        "line": diagnosis.line,
        "multiplier": multiplier,
        "frequency_hz": _rounded(diagnosis.frequency_hz),
        "over_baseline_db": _rounded(diagnosis.over_baseline_db),
        "rising_s": _rounded(diagnosis.rising_s),
        "baseline": diagnosis.over_baseline_db is not None,
    }
