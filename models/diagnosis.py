"""From evidence to a technician's sentence: which part, how sure, how strong, since when; or abstain.

Duty: one channel's evidence, record after record, to a diagnosis. Pure and sequential: time is that of the
records, what was learned goes out as `state` and comes back as `restore`. Takes no samples.

With a baseline a fault is called when its line rose over the baseline and passes the decoy guard; without
one by absolute evidence alone, which is stricter, since healthy bearings show faint lines too. Unbalance,
misalignment, looseness, gear wear and a motor's electrical faults are never called without a baseline: every
machine has those lines.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dsp.bearing import BearingFault
from dsp.envelope import FaultEvidence
from dsp.envelope_orders import OrderSpectrum, mean_order_spectrum
from dsp.fault_comb import HARMONICS, FaultLine, fault_lines
from dsp.motors import MotorLines, median_motor_lines
from dsp.shaft_lines import ShaftLines, median_shaft_lines
from models.diagnosis_settings import DiagnosisSettings
from models.errors import ModelStateError
from models.fault_claims import (
    SERIES,
    Claim,
    bearing_claims,
    electric_claims,
    line_levels,
    series_rise,
    shaft_claims,
)
from models.line_baseline import LineBaselines, RisingSince
from models.machine import Machine

__all__ = ["Diagnoser", "Diagnosis", "DiagnosisSettings", "RankedFault", "Verdict"]


_RISING_FOR = re.compile(r", rising for \d+ (?:s|min|h|days)\b(?! when)")


class Verdict(StrEnum):
    """What a diagnosis can say."""

    HEALTHY = "healthy"
    FAULT = "fault"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class RankedFault:
    """One possible cause and how much speaks for it."""

    fault: str  # "outer race", "inner race", "rolling element", "cage", "unbalance", "looseness", ...
    evidence: float  # 1.0 = limit of calling it


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The most likely cause of what one machine shows, or the statement that it cannot be told."""

    asset_id: str
    channel_id: str
    start_ns: int
    verdict: Verdict
    fault: str | None
    confidence: float  # 0..1
    text: str  # "outer race, BPFO at 3.58 x shaft speed, 14 dB over baseline, rising for 90 s"
    ranking: tuple[RankedFault, ...]  # strongest first
    over_baseline_db: float | None  # None: no baseline
    frequency_hz: float | None
    line: str | None = None  # whose level a fault is called by: "BPFO", "1x"; None where none is called
    rising_since_ns: int | None = None  # that line, without a break; None: not risen, or no baseline
    rising_s: float | None = None  # the same, until the end of the record
    not_looked_for: str | None = None  # why no bearing fault could be looked for, and what would be needed


class Diagnoser:
    """Diagnoses one channel from consecutive evidence: `observe` each record in order of time."""

    def __init__(self, machine: Machine, channel_id: str, settings: DiagnosisSettings | None = None) -> None:
        self.machine = machine
        self.channel_id = channel_id
        self.settings = settings or DiagnosisSettings()
        self._recent: deque[OrderSpectrum] = deque(maxlen=self.settings.averaged_records)
        self._recent_motor: deque[MotorLines | None] = deque(maxlen=self.settings.averaged_records)
        self._recent_shaft: deque[ShaftLines] = deque(maxlen=self.settings.averaged_records)
        self._recent_state = ""
        self.orders: OrderSpectrum | None = None  # averaged, behind the latest diagnosis
        self.lines: tuple[FaultLine, ...] = ()  # found in it
        self.rises: dict[str, float] = {}  # dB over the baseline, by line; empty where there is none
        self._baselines = LineBaselines(self.settings.baseline_records)
        self._rising = RisingSince()

    def observe(self, evidence: FaultEvidence, operating_state: str, learning: bool) -> Diagnosis:
        """The diagnosis after this record.

        `learning` says that the machine is taken as healthy: the record's levels go into the baseline of
        `operating_state`, unless they call a fault by absolute evidence.
        """
        if operating_state != self._recent_state:
            self._recent.clear()
            self._recent_shaft.clear()
            self._recent_motor.clear()
            self._recent_state = operating_state
        # The short rest at the end of a recording would blur what full records resolve.
        if all(evidence.orders.resolution_orders < 1.5 * known.resolution_orders for known in self._recent):
            self._recent.append(evidence.orders)
            self._recent_shaft.append(evidence.shaft)
            self._recent_motor.append(evidence.motor)
        mean = mean_order_spectrum(list(self._recent))
        shaft = median_shaft_lines(list(self._recent_shaft))
        motors = [motor for motor in self._recent_motor if motor is not None]
        motor = median_motor_lines(motors) if motors else None
        lines = fault_lines(mean, evidence.multipliers, evidence.tolerance)
        self.orders, self.lines = mean, lines
        levels = line_levels(lines, shaft, motor)
        end_ns = evidence.start_ns + round(evidence.duration_s * 1e9)
        if evidence.cage is not None:
            levels[evidence.cage.key] = evidence.cage.level_db
        self.rises = rises = self._baselines.rises(operating_state, levels)
        series = series_rise(shaft, rises, self.machine.gear_teeth, self.settings)
        if series is not None:
            rises[SERIES] = series[0]
        # A cage that slips irregularly smears in joined records: both count, guarded each on its own. Where
        # other lines have a baseline and the joined one has none yet, it does not.
        if evidence.cage is not None and (not rises or evidence.cage.key in rises):
            self.lines = (*lines[:-1], stronger_line(lines[-1], evidence.cage))
            lines = (*lines, evidence.cage)
        risen = {key for key, rise in rises.items() if rise >= self.settings.rising_db}
        self._rising.update(risen, end_ns)
        claims = bearing_claims(lines, rises, mean.impulsiveness, self.settings)
        bearing = any(claim.evidence >= 1.0 for claim in claims)
        teeth = self.machine.gear_teeth
        claims += shaft_claims(shaft, rises, teeth, self.settings, motor=motor, bearing=bearing)
        claims += electric_claims(motor, shaft, lines, rises, self.settings)
        claims.sort(key=lambda claim: claim.evidence, reverse=True)
        verdict = self._verdict(claims, lines, mean.impulsiveness, bool(rises))
        if learning and verdict is not Verdict.FAULT:
            self._baselines.learn(operating_state, levels)
        return self._diagnosis(evidence, claims, verdict, rises, end_ns)

    def state(self) -> dict[str, Any]:
        """Learned baselines, JSON-ready. What is rising is not learned: see `resume_rise`."""
        return {"version": 1, "baselines": self._baselines.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over learned baselines. Raises ModelStateError if they are not what `state` gives."""
        if state.get("version") != 1:
            raise ModelStateError(f"diagnosis state of version {state.get('version')!r}; version 1 is known")
        self._baselines.restore(state.get("baselines"))

    def resume_rise(self, line: str, since_ns: int) -> None:
        """After a restart: this line (see `Diagnosis.line`) has been rising since then."""
        self._rising.resume(line, since_ns)

    def _verdict(
        self, claims: list[Claim], lines: tuple[FaultLine, ...], impulsiveness: float, baseline: bool
    ) -> Verdict:
        if claims and claims[0].evidence >= 1.0:
            return Verdict.FAULT
        races = [line for line in lines if line.fault is not BearingFault.CAGE]
        if not any(line.resolvable for line in races):
            return Verdict.ABSTAIN
        if baseline:
            quiet = not claims or claims[0].evidence < 0.7
        else:
            quiet = impulsiveness < self.settings.impulsive and all(
                line.level_db < self.settings.quiet_db for line in races if line.resolvable
            )
        return Verdict.HEALTHY if quiet else Verdict.ABSTAIN

    def _diagnosis(
        self,
        evidence: FaultEvidence,
        claims: list[Claim],
        verdict: Verdict,
        rises: dict[str, float],
        end_ns: int,
    ) -> Diagnosis:
        top = claims[0] if claims else None
        over_baseline_db = rises.get(top.key) if top is not None else None
        called = top if verdict is Verdict.FAULT else None
        rising_ns = self._rising.since_ns(called.key) if called is not None else None
        rising_s = None if rising_ns is None else max(0.0, (end_ns - rising_ns) / 1e9)
        if called is not None:
            text = fault_text(called, over_baseline_db, rising_s)
        elif verdict is Verdict.HEALTHY:
            text = "no fault line stands out" + _blind_words(evidence) + ("" if rises else ", no baseline")
        else:
            text = _unsure_text(top, evidence) + ("" if rises else ", no baseline")
        return Diagnosis(
            asset_id=self.machine.asset_id,
            channel_id=self.channel_id,
            start_ns=evidence.start_ns,
            verdict=verdict,
            fault=called.fault if called is not None else None,
            confidence=_confidence(verdict, claims, bool(rises)),
            text=text,
            ranking=tuple(RankedFault(claim.fault, round(claim.evidence, 3)) for claim in claims),
            over_baseline_db=over_baseline_db,
            frequency_hz=top.multiplier * evidence.shaft_hz if top is not None else None,
            line=called.key if called is not None else None,
            rising_since_ns=rising_ns,
            rising_s=rising_s,
            not_looked_for=too_short_text(evidence),
        )


def stronger_line(short: FaultLine, joined: FaultLine) -> FaultLine:
    """The line of usual or of joined records, whichever says more."""
    return short if short.resolvable and short.level_db >= joined.level_db else joined


def fault_text(claim: Claim, over_baseline_db: float | None, rising_s: float | None) -> str:
    """A called fault as a technician's sentence; levels in dB, `rising_s` None where it does not rise."""
    where = f"{claim.fault}, {claim.sign}"
    if claim.sited:
        where += f" at {claim.multiplier:.2f} x shaft speed"
    if over_baseline_db is None:
        return f"{where}, {claim.level_db:.0f} dB above the noise floor, no baseline"
    text = f"{where}, {over_baseline_db:.0f} dB over baseline"
    return text if rising_s is None or rising_s < 1.0 else f"{text}, rising for {_time_words(rising_s)}"


def that_lasts(text: str, since: str | None) -> str:
    """A called fault's sentence for something that stands for long: "rising for 90 s" would not stay true.

    `since` is the moment in words, None where no clock can be trusted to tell it.
    """
    lasting = r"\g<0> when this was told" if since is None else f", rising since {since}"
    return _RISING_FOR.sub(lasting, text)


def _time_words(seconds: float) -> str:
    """A time as a technician says it: "90 s", "25 min", "18 h", "3 days"."""
    for size_s, unit in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= max(2.0 * size_s, 600.0):
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _unsure_text(top: Claim | None, evidence: FaultEvidence) -> str:
    too_short = too_short_text(evidence)
    if too_short is not None:
        return f"the cause could not be looked for: {too_short}"
    if top is None or top.evidence < 0.3:
        said = "impacts without a fault line" if evidence.orders.impulsiveness > 0.0 else "not clear"
        return said + _blind_words(evidence)
    where = f" at {top.multiplier:.2f} x shaft speed" if top.sited else ""
    return f"perhaps {top.fault}, {top.sign}{where}, too weak to call{_blind_words(evidence)}"


def _blind_words(evidence: FaultEvidence) -> str:
    """The races and elements whose lines these records cannot resolve, where they can resolve others."""
    blind = [line for line in evidence.lines if not line.resolvable and line.fault is not BearingFault.CAGE]
    return f"; {', '.join(line.fault.value for line in blind)} could not be looked for" if blind else ""


def too_short_text(evidence: FaultEvidence) -> str | None:
    """Why no race's or element's line can be resolved, and what would do; None where one can."""
    lines = [line for line in evidence.lines if line.fault is not BearingFault.CAGE]
    if any(line.resolvable for line in lines):
        return None
    lowest = min(lines, key=lambda line: line.multiplier)
    if evidence.orders.max_order < 2.0 * lowest.multiplier:
        return "the channel is sampled too slowly for the bearing's lines at this speed"
    harmonics = min(HARMONICS, int(evidence.orders.max_order / lowest.multiplier))
    needed_s = min(line.needed_s for line in lines) / harmonics
    needed_s = max(needed_s, 1.01 * evidence.duration_s)
    rpm = 60.0 * evidence.shaft_hz
    faster_rpm = 10.0 * math.ceil(0.1 * rpm * needed_s / evidence.duration_s)
    return (
        f"records of {evidence.duration_s:.1f} s are too short for the bearing's lines at {rpm:.0f} r/min; "
        f"{0.1 * math.ceil(10.0 * needed_s):.1f} s would do, or {faster_rpm:.0f} r/min"
    )


def _confidence(verdict: Verdict, claims: list[Claim], baseline: bool) -> float:
    """How sure the verdict is, 0..1.

    A call starts at 0.75 on its limit and never passes 0.95: no wrong call in some 50 leaves up to 6 % wrong
    at 95 %. "Healthy" without a baseline is no better than even, since many faults show no line.
    """
    strongest = claims[0].evidence if claims else 0.0
    if verdict is Verdict.FAULT:
        return round(0.75 + 0.2 * min(1.0, strongest - 1.0), 2)
    if verdict is Verdict.HEALTHY:
        return 0.9 if baseline else 0.5
    return round(0.5 * min(1.0, strongest), 2)
