"""What a box takes over of an alarm that it told the centre once and does not have any more.

Duty: the steps from what a restored or salvaged journal says to what both sides can agree on. Pure. That the
box itself said it is known by its signature; whoever calls has looked at that.

Rules: what people did and how often the alarm became active holds as the centre has it. Whether the
condition stands is what the box says now: it measures. So an activation that this journal lacks is over
unless the alarm is active here; and what is active here, but was over there, becomes active anew: nobody has
seen that yet.
"""

from __future__ import annotations

from dataclasses import replace

from appliance.alarm_records import StoredTransition
from appliance.alarms.acts import Act, names_of
from appliance.alarms.lifecycle import (
    APPLIANCE,
    Alarm,
    AlarmState,
    AlarmTransition,
    Condition,
    raise_alarm,
)
from appliance.reconcile.alarm_merge import AlarmStanding, comment_of, knows, ordered_conflicts, state_of
from appliance.reconcile.central_alarms import CentralAlarm

CAUGHT_UP = "caught up"


def caught_up(
    newest: StoredTransition | None, told: CentralAlarm, now_ns: int, raised_ns: int
) -> list[AlarmTransition]:
    """The steps that bring the box's alarm (None: it has none) to what it told; none where nothing lacks.

    `now_ns` is monotonic, `raised_ns` the monotonic time at which the told activation was raised.
    """
    standing = told.standing
    known = newest is not None and newest.activation == standing.activation
    if newest is not None and not known and newest.raised_mark > standing.raised:
        return []  # the box is ahead: the centre gets that as usual
    here = None if newest is None else newest.transition.alarm
    active_here = here is not None and here.state.active
    if known and here is not None and not _lacks(here, standing):
        return []
    over = not standing.state.active
    acts, shelving, conflicts = standing.acknowledgements, standing.shelving, standing.conflicts
    if known and here is not None:
        acts = _union(here.acknowledgements, acts)
        shelvings = [one for one in (here.shelving, shelving) if one is not None]
        shelving = max(shelvings, key=lambda act: act.mark, default=None)
        conflicts = ordered_conflicts([*here.conflicts, *conflicts])
    state = state_of(active_here and not over, bool(acts))
    taken = replace(
        _blank(told, raised_ns) if here is None else here,
        state=state,
        activation=standing.activation.number,
        raised_ns=raised_ns,
        changed_ns=now_ns,
        acknowledgements=acts,
        acknowledged_by=names_of(acts),
        comment=comment_of(acts),
        shelving=None if state is AlarmState.NORMAL else shelving,
        conflicts=conflicts,
    )
    number = standing.activation.number
    reason = f"told to the centre of activation {number} before, and not in this journal"
    steps = [AlarmTransition(CAUGHT_UP, APPLIANCE, taken, None, reason)]
    if here is not None and active_here and over:
        steps.append(raise_alarm(taken, _condition(here), now_ns))
    return steps


def _lacks(here: Alarm, standing: AlarmStanding) -> bool:
    """Whether the centre knows more of the activation that both have."""
    told = [*standing.acknowledgements, *(one.act for one in standing.conflicts)]
    if any(not knows(here, act.mark) for act in told):
        return True
    before, there = here.shelving, standing.shelving
    if there is not None and (before is None or there.mark > before.mark):
        return here.state is not AlarmState.NORMAL
    return here.state.active and not standing.state.active


def _union(here: tuple[Act, ...], there: tuple[Act, ...]) -> tuple[Act, ...]:
    by_name = {act.mark.name: act for act in (*here, *there)}
    return tuple(sorted(by_name.values(), key=lambda act: act.mark))


def _blank(told: CentralAlarm, raised_ns: int) -> Alarm:
    return Alarm(
        alarm_id=told.standing.alarm_id,
        asset_id=told.asset_id,
        channel_id=told.channel_id,
        rule=told.rule,
        severity=told.severity,
        state=AlarmState.NORMAL,
        raised_ns=raised_ns,
        changed_ns=raised_ns,
        activation=0,
        score=0.0,
        fault=None,
        confidence=None,
        reason=f"{told.rule}: the centre has this alarm of an earlier journal",
        evidence={},
    )


def _condition(alarm: Alarm) -> Condition:
    return Condition(
        alarm.alarm_id,
        alarm.asset_id,
        alarm.channel_id,
        alarm.rule,
        alarm.severity,
        alarm.reason,
        alarm.score,
        alarm.fault,
        alarm.confidence,
        dict(alarm.evidence),
        alarm.rising_since_ns,
    )
