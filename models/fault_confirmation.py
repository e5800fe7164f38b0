"""How often a fault's lines must speak before they are an alarm, and how near healthy running comes to that.

Duty: the confirmation's figures, the limit at which the alarm of one channel's fault lines would just stand,
and a diagnosis judged at a limit that was settled above the usual one. Takes no decision on alarms.

Records are averaged, so two neighbours say much the same: in the first two records of an operating state one
odd record decides both, from the third on the median over them leaves it out. What is confirmed by two can
therefore rest on one record; by three it cannot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from models.diagnosis import Diagnosis, RankedFault, Verdict


@dataclass(frozen=True, slots=True)
class ConfirmationRules:
    """A fault is an alarm once `needed` of the last `of` diagnoses call it."""

    needed: int = 3
    of: int = 4


class ConfirmedLevel:
    """The limit of evidence, in units of the one in service, at which a fault would just be confirmed.

    Were the limit f times as high, the alarm would stand where this level reaches f: what the sequential
    test's `AlarmLevel` is to scores.
    """

    def __init__(self, rules: ConfirmationRules) -> None:
        self._rules = rules
        self._recent: deque[tuple[str, float]] = deque(maxlen=rules.of)

    def observe(self, diagnosis: Diagnosis) -> float:
        """Take one diagnosis; returns the level, 0 to 1.0. Only its strongest cause could be called."""
        strongest = diagnosis.ranking[0] if diagnosis.ranking else RankedFault("", 0.0)
        self._recent.append((strongest.fault, strongest.evidence))
        confirmed = 0.0
        for fault in {fault for fault, _ in self._recent}:
            evidence = sorted((value for named, value in self._recent if named == fault), reverse=True)
            if len(evidence) >= self._rules.needed:
                confirmed = max(confirmed, evidence[self._rules.needed - 1])
        return min(confirmed, 1.0)

    def clear(self) -> None:
        """Begin anew: what comes next does not follow."""
        self._recent.clear()


def at_limit(diagnosis: Diagnosis, factor: float) -> Diagnosis:
    """A diagnosis by a limit at `factor` times the usual one: evidence in units of it, no call below it."""
    if factor == 1.0:
        return diagnosis
    ranking = tuple(RankedFault(one.fault, round(one.evidence / factor, 3)) for one in diagnosis.ranking)
    strongest = ranking[0].evidence if ranking else 0.0
    if diagnosis.verdict is not Verdict.FAULT:
        return replace(diagnosis, ranking=ranking)
    if strongest >= 1.0:
        confidence = round(0.75 + 0.2 * min(1.0, strongest - 1.0), 2)
        return replace(diagnosis, ranking=ranking, confidence=confidence)
    return replace(
        diagnosis,
        verdict=Verdict.ABSTAIN,
        fault=None,
        confidence=round(0.5 * strongest, 2),
        text=f"perhaps {diagnosis.text}; too weak to call by the limit that healthy running settled",
        ranking=ranking,
        line=None,
        rising_since_ns=None,
        rising_s=None,
    )
