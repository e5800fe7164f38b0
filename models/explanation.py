"""Why a verdict: what was found for each fault, what calling it would need, and what stood in the way.

Duty: a `RecordingDiagnosis` taken apart into conditions, each with its figure and its limit. Judges nothing
anew: the limits are those of `models.fault_claims`, and the last word is the diagnosis' own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dsp.bearing import BearingFault
from dsp.fault_comb import FaultLine
from models.diagnosis import Verdict
from models.diagnosis_settings import DiagnosisSettings
from models.fault_claims import SERIES, needed_cage_db, race_leads
from models.recording_diagnosis import RecordingDiagnosis


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that calling a fault needs: a figure against its limit, or that nothing else explains it."""

    what: str  # "comb over the floor"
    found: float  # NaN where it is a matter of yes or no
    needed: float
    unit: str  # "dB", "x", ""
    met: bool

    @property
    def text(self) -> str:
        """In words: "comb over the floor 2.9 dB, 9.0 dB needed"."""
        if not math.isfinite(self.needed):
            return self.what
        gap = "" if self.unit in ("x", "") else " "
        return f"{self.what} {self.found:.1f}{gap}{self.unit}, {self.needed:.1f}{gap}{self.unit} needed"


@dataclass(frozen=True, slots=True)
class Sign:
    """One way in which a fault may show, all of whose conditions must be met."""

    name: str  # "comb of BPFO"
    conditions: tuple[Condition, ...]

    @property
    def met(self) -> bool:
        """Whether this sign alone would call the fault."""
        return all(condition.met for condition in self.conditions)

    @property
    def reached(self) -> float:
        """How near it is to being met: the least part of a limit that was reached, 1.0 = all are."""
        shares = [0.0 if not math.isfinite(c.found) else max(0.0, c.found / c.needed) for c in self.missing]
        return min(shares, default=1.0)

    @property
    def missing(self) -> tuple[Condition, ...]:
        """What stood in the way."""
        return tuple(condition for condition in self.conditions if not condition.met)


@dataclass(frozen=True, slots=True)
class ExplainedFault:
    """What one fault of the bearing showed."""

    fault: str
    evidence: float  # 1.0 = limit of calling it; NaN where its line cannot be resolved
    line: FaultLine
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the verdict is what it is."""

    reasons: tuple[str, ...]  # sentences, the decisive ones
    faults: tuple[ExplainedFault, ...]  # most evidence first


def explained(found: RecordingDiagnosis) -> Explanation:
    """The diagnosis of one recording, taken apart."""
    evidence = {one.fault: one.evidence for one in found.diagnosis.ranking}
    cage = next((line for line in found.lines if line.fault is BearingFault.CAGE), None)
    faults = [
        ExplainedFault(
            line.fault.value,
            evidence.get(line.fault.value, math.nan if not line.resolvable else 0.0),
            line,
            _signs(line, cage, found, evidence.get(line.fault.value, 0.0)),
        )
        for line in found.lines
    ]
    faults.sort(key=lambda one: -math.inf if math.isnan(one.evidence) else one.evidence, reverse=True)
    return Explanation((*_reasons(found, tuple(faults)), *_not_looked_for(found)), tuple(faults))


def _signs(
    line: FaultLine, cage: FaultLine | None, found: RecordingDiagnosis, evidence: float
) -> tuple[Sign, ...]:
    """All signs of a fault; impacts at cage rate are the rolling element's where the race turns past it."""
    if found.orders is None:
        return ()
    settings, rises = found.settings, found.rises
    signs = []
    if line.fault is not BearingFault.CAGE and line.resolvable:
        signs.append(_comb_sign(line, rises, settings))
    if line.fault is BearingFault.ROLLING_ELEMENT and line.resolvable:
        signs.append(_smeared_sign(line, rises, settings))
    if cage is not None and cage.resolvable:
        element = cage.sideband_db >= settings.turning_race_db
        if line.fault is (BearingFault.ROLLING_ELEMENT if element else BearingFault.CAGE):
            signs.append(_cage_sign(cage, found, found.orders.impulsiveness))
    if found.limit_factor == 1.0:
        return tuple(signs)
    settled = _settled(evidence, found.limit_factor)
    return tuple(Sign(sign.name, (*sign.conditions, settled)) for sign in signs)


def _settled(evidence: float, factor: float) -> Condition:
    """That evidence, in units of the settled limit, reaches it; told in parts of the usual one."""
    what = "evidence, of the usual limit, which healthy running settled higher"
    return Condition(what, 100.0 * factor * evidence, 100.0 * factor, "%", evidence >= 1.0)


def _comb_sign(line: FaultLine, rises: Mapping[str, float], settings: DiagnosisSettings) -> Sign:
    rise = rises.get(line.key)
    level = settings.call_db if rise is None else settings.rise_level_db
    conditions = [
        at_least("comb over the floor", line.level_db, level, "dB"),
        at_least("against the best decoy comb", line.decoy_margin, settings.call_margin, "x"),
        at_least("first harmonic over the floor", line.fundamental_db, settings.call_fundamental_db, "dB"),
    ]
    if rise is not None:
        conditions.append(at_least("rise over its baseline", rise, settings.rise_db, "dB"))
    if line.sideband_of is not None:
        conditions.append(
            _hindered(f"stands whole shaft orders from the stronger line of the {line.sideband_of.value}")
        )
    if line.overtone:
        conditions.append(_hindered("half its multiple carries as strong a comb: an overtone of something"))
    return Sign(f"comb of {line.label}", tuple(conditions))


def _smeared_sign(line: FaultLine, rises: Mapping[str, float], settings: DiagnosisSettings) -> Sign:
    conditions = [
        at_least("smeared line over the floor", line.spread_db, settings.spread_db, "dB"),
        at_least("against the same width elsewhere", line.spread_margin, settings.spread_margin, "x"),
    ]
    rise = rises.get(f"{line.label} spread")
    if rise is not None:
        conditions.append(at_least("rise over its baseline", rise, settings.rise_db, "dB"))
    if line.sideband_of is not None:
        conditions.append(
            _hindered(f"stands whole shaft orders from the stronger line of the {line.sideband_of.value}")
        )
    return Sign(f"{line.label} smeared by slip", tuple(conditions))


def _cage_sign(line: FaultLine, found: RecordingDiagnosis, impulsiveness: float) -> Sign:
    settings, rises = found.settings, found.rises
    element = line.sideband_db >= settings.turning_race_db
    needed_db = needed_cage_db(line, impulsiveness, settings)
    conditions = [
        at_least("comb over the floor", line.level_db, needed_db, "dB"),
        at_least("against the best decoy comb", line.decoy_margin, settings.cage_margin, "x"),
    ]
    rise = rises.get(line.key)
    if rise is not None:
        conditions.append(at_least("rise over its baseline", rise, settings.rise_db, "dB"))
    if element and race_leads(found.lines, settings):
        conditions.append(_hindered("a race's line stands out more, and races show impacts at cage rate too"))
    name = "impacts at cage rate, which a rolling element makes" if element else "comb of FTF, the cage's own"
    return Sign(name, tuple(conditions))


def at_least(what: str, found: float, needed: float, unit: str) -> Condition:
    """A condition that a figure reaches its limit; a figure that is no number does not."""
    return Condition(what, found, needed, unit, found >= needed)


def _hindered(why: str) -> Condition:
    return Condition(why, math.nan, math.nan, "", met=False)


def _reasons(found: RecordingDiagnosis, faults: tuple[ExplainedFault, ...]) -> tuple[str, ...]:
    diagnosis, settings = found.diagnosis, found.settings
    if found.orders is None:
        return (f"No record could be used: {diagnosis.text}.",)
    impacts = found.orders.impulsiveness >= settings.impulsive
    said = (
        f"The envelope's kurtosis excess is {found.orders.impulsiveness:.1f}: "
        f"{'impacts' if impacts else 'no impacts'} (from {settings.impulsive:.1f})."
    )
    top = faults[0] if faults else None
    if diagnosis.verdict is Verdict.FAULT:
        return (f"Called: {diagnosis.text}.", *_called(top, diagnosis.fault), said)
    if diagnosis.verdict is Verdict.HEALTHY:
        if found.rises:
            return ("No line rose over its baseline by what a fault needs.", said)
        races = [one.line for one in faults if one.line.fault is not BearingFault.CAGE]
        strongest = max((line.level_db for line in races if line.resolvable), default=math.nan)
        quiet = (
            f"The strongest comb stands {strongest:.1f} dB over the floor, below the {settings.quiet_db:.1f} "
            "dB from which a machine without a baseline is not called healthy."
        )
        return ("Healthy as far as a recording without a baseline can say: many faults show no line.",
                quiet, said)  # fmt: skip
    if diagnosis.not_looked_for is not None:
        return (f"Abstained: {diagnosis.text}.", "That is not to say that none was found.", said)
    return (f"Abstained: {diagnosis.text}.", *_in_the_way(top), said)


def _called(top: ExplainedFault | None, fault: str | None) -> tuple[str, ...]:
    if top is None or top.fault != fault:
        return ()
    names = [sign.name for sign in top.signs if sign.met]
    return (f"Every condition is met of: {', '.join(names)}.",) if names else ()


def _in_the_way(top: ExplainedFault | None) -> tuple[str, ...]:
    """What the nearest sign of the most likely fault lacks."""
    if top is None or not top.signs:
        return ()
    nearest = max(top.signs, key=lambda sign: sign.reached)
    missing = "; ".join(condition.text for condition in nearest.missing)
    return (f"Most speaks for {top.fault}; {nearest.name} lacks: {missing}.",) if missing else ()


def _not_looked_for(found: RecordingDiagnosis) -> tuple[str, ...]:
    """Which of the machine's other faults could not be looked for, and what that would take."""
    if found.evidence is None:
        return ()
    if not found.rises:
        return (
            "Unbalance, misalignment, looseness, a gear's and a motor's faults were not looked for: every "
            "machine shows their lines, and only a baseline says which have risen.",
        )
    said = []
    if SERIES not in found.rises:
        said.append(
            "Looseness could not be looked for: it takes records of some 16 revolutions, four or more of the "
            "shaft's higher harmonics and half orders within the channel, and a baseline that knows them."
        )
    if found.evidence.motor is not None:
        said += [f"Electrical: {remark}." for remark in found.evidence.motor.remarks]
    return tuple(said)
