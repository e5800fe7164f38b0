"""Counters of two sides made one: what this box holds, what the centre has of this device, and what to mend.

Duty: the rules. Both sides hold the same kind of knowledge: values by start of the service (each counted by
one process alone, so the larger of two copies holds) and the largest total ever told of a life. Merging takes
the larger of each, in any order, as often as it likes. Every total that anybody tells is the sum of what that
teller knows, so it is never more than what was counted, and whoever knows all starts tells the truth.

A life that somebody else counts under, too (a restored backup, a cloned box), is left: see `fork_reason`.
Nothing that was counted moves to another name: it may have arrived already. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from appliance.counter_records import CounterFork, CounterKey, LifeKey
from appliance.counters import life_totals, merged

MOST_STARTS = 100  # of the service in one life: then a new one begins, so that what is told daily is bounded
_NAMED = 3  # starts that a reason names


@dataclass(frozen=True, slots=True)
class CounterKnowledge:
    """What one side knows: values by start, and totals of lives as they were told."""

    starts: Mapping[CounterKey, float] = field(default_factory=dict)
    told: Mapping[LifeKey, float] = field(default_factory=dict)

    def lives(self) -> dict[LifeKey, float]:
        """The total of every life, as far as this side knows."""
        return life_totals(self.starts, self.told)


class Side(StrEnum):
    """Which copy was mended."""

    HERE = "here"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class CounterRepair:
    """One total of one life that one side had too low, and why. `old` 0.0: it did not know the life."""

    side: Side
    counter: str
    subject: str
    incarnation: str
    old: float
    new: float
    why: str

    @property
    def life(self) -> LifeKey:
        return LifeKey(self.counter, self.subject, self.incarnation)


@dataclass(frozen=True, slots=True)
class CounterOutcome:
    """What one reconciliation of counters found and did. `compared`: lives on both sides together;
    `centre_judged` False: values were still on their way, so nothing can be said of what the centre lacks.
    `stubborn`: what the centre lacks still, although it was told again and again."""

    compared: int
    repairs: tuple[CounterRepair, ...]
    fork: CounterFork | None
    centre_judged: bool
    stubborn: tuple[CounterRepair, ...] = ()


def merged_knowledge(*sides: CounterKnowledge) -> CounterKnowledge:
    """The least knowledge that contains all of these."""
    told: dict[LifeKey, float] = {}
    for side in sides:
        for life, total in side.told.items():
            told[life] = max(told.get(life, 0.0), total)
    return CounterKnowledge(merged(*(side.starts for side in sides)), told)


def fork_reason(
    here: Mapping[CounterKey, float], centre: Mapping[CounterKey, float], incarnation: str
) -> str | None:
    """Why this box must count on under a new life; None if the present one is its own alone.

    `here`: all that this store knows, before anything of the centre's was merged into it.
    """
    ours = {key.boot_id for key in here if key.incarnation == incarnation}
    theirs = {key for key in centre if key.incarnation == incarnation}
    unknown = sorted({key.boot_id for key in theirs} - ours)
    if unknown:
        return (
            f"the centre has counts of {_starts(unknown)} of this life that this store does not know:"
            " the store is older than what the centre has seen, or another box counts under the same name"
        )
    ahead = sorted({key.boot_id for key in theirs if centre[key] > here.get(key, 0.0)})
    if ahead:
        return (
            f"the centre has counts of {_starts(ahead)} that are further than this store's:"
            " the store is older than what the centre has seen, or another box counts under the same name"
        )
    if len(ours) >= MOST_STARTS:
        return f"this life has had {len(ours)} starts"
    return None


def repairs_here(before: Mapping[LifeKey, float], after: Mapping[LifeKey, float]) -> list[CounterRepair]:
    """Lives of which the box knows more than before."""
    return [
        CounterRepair(
            Side.HERE,
            *_name(life),
            before.get(life, 0.0),
            total,
            "this store did not know the life; the centre has it"
            if life not in before
            else "the centre had counts that this store lacked",
        )
        for life, total in sorted(after.items())
        if _more(total, before.get(life, 0.0))
    ]


def repairs_at_centre(
    told: Mapping[LifeKey, float], known: Mapping[LifeKey, float], acknowledged: Mapping[LifeKey, float]
) -> list[CounterRepair]:
    """Lives whose total at the centre is below what is known to both sides together.

    `acknowledged`: the totals here when nothing was on its way: the centre has accepted all of them.
    """
    found = []
    for life, total in sorted(known.items()):
        old = told.get(life, 0.0)
        if not _more(total, old):
            continue
        if not _more(acknowledged.get(life, 0.0), old):
            why = "two counted under one life: only the sum of both is the total"
        elif life in told:
            why = "the centre had accepted more and no longer has it"
        else:
            why = "the centre has nothing of this life any more"
        found.append(CounterRepair(Side.CENTRE, *_name(life), old, total, why))
    return found


def _more(total: float, than: float) -> bool:
    """Beyond the last digit: the same starts may have been summed in another order by an older release."""
    return total > than and not math.isclose(total, than, rel_tol=1e-12, abs_tol=1e-12)


def _name(life: LifeKey) -> tuple[str, str, str]:
    return life.counter, life.subject, life.incarnation


def _starts(boots: list[str]) -> str:
    named = ", ".join(boots[:_NAMED]) + (", ..." if len(boots) > _NAMED else "")
    return f"{len(boots)} start{'s' if len(boots) > 1 else ''} ({named})"
