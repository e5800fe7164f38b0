"""The false alarms that a machine may have in a year, and which part of them each rule may use: the table.

Duty: one row for each rule that can raise an alarm about a machine, and the shares' arithmetic. Where healthy
running can teach how often a rule alarms, its limit is settled so that it keeps its share; where it cannot,
the share is set aside, and the row says why nothing is estimated. Estimates nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass

FALSE_ALARMS_PER_YEAR = 1.0  # of one machine, over all its rules


@dataclass(frozen=True, slots=True)
class Share:
    """One rule's part. `learned`: its rate is estimated on the box, and its limit settled by it."""

    rule: str
    part: float  # of the machine's budget
    learned: bool
    why: str


SCORES = Share(
    "scores",
    0.50,
    True,
    "they see every change, so they have most to lose by a high limit: the largest share, and the soonest"
    " that can be vouched for (584 h of one channel). Tail of the level at which the sequential test would"
    " stand",
)
FAULT_LINES = Share(
    "fault lines",
    0.20,
    True,
    "a name is believed more than a score, so it must be wrong less often. Tail of the evidence that would"
    " be confirmed by 3 of 4 diagnoses (1,461 h of one channel)",
)
PROCESS_VALUES = Share(
    "process values",
    0.10,
    False,
    "not estimated: what a process does in a year (shifts, seasons, other products) is not in the hours"
    " that it was learned from",
)
SLOW_TAGS = Share(
    "slow tag",
    0.05,
    False,
    "not estimated: a value lasts minutes to hours, so a year holds too few that are independent",
)
ZONES = Share(
    "ISO zones",
    0.05,
    False,
    "not estimated: absolute limits by standard, or agreed for the machine; healthy running that lies in"
    " zone C is no false alarm, whatever was learned",
)
DRIFT = Share(
    "drift",
    0.05,
    False,
    "not estimated: compared once a week, a year gives 50 comparisons, too few for a tail",
)
SENSOR = Share(
    "check sensor",
    0.05,
    False,
    "not estimated: absolute signs of a broken sensor, that no sound one is known to show",
)

SHARES = (SCORES, FAULT_LINES, PROCESS_VALUES, SLOW_TAGS, ZONES, DRIFT, SENSOR)


def per_year(share: Share, sharers: int = 1, budget: float = FALSE_ALARMS_PER_YEAR) -> float:
    """What one of `sharers` (channels, as a rule) may raise falsely by this rule, per year of running."""
    return budget * share.part / max(1, sharers)


def set_aside(share: Share) -> str:
    """What can be said of a rule whose rate is not estimated, in words."""
    rules = f"{share.rule.removesuffix('s')}s"
    return (
        f"no rate of false alarms can be promised for {rules};"
        f" {share.part:g} a year of the machine's budget is set aside for them"
    )
