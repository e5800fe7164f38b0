"""One line of the drill: some faults at once, then everything given back, then both sides held together.

Duty: the order of it, and which records belong to it. Rules of counting stand in `oracle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.demo_config import MACHINE_ID
from appliance.drill import centre, oracle
from appliance.drill.deeds import Actor, Deeds
from appliance.drill.fault import Fault
from appliance.drill.numbered_plant import EVERY_S, value_of
from appliance.drill.oracle import Step, ToldGap
from appliance.drill.outcome import Outcome, Report, Row
from appliance.drill.rig import COUNTING, SOURCE_LOST, Rig

HEALED_S = 2.5  # of life after the fault, before the phase ends
TRIED_LOOK_S = 1.0  # between looks whether every class has something to lose
SETTLED_S = 1.5  # in which the last records of a phase reach the journal
LOOK_EVERY_S = 1.0
ENOUGH_ROUNDS, LONGEST_PATIENCE = 4, 5.0  # of the audit; times the patience
STANDS_S = 0.8  # a value that stands so long may be noted again; the plant was kept from writing
AXES = tuple(f"{MACHINE_ID}.{axis}" for axis in "xyz")


@dataclass(frozen=True, slots=True)
class Window:
    """What belongs to a phase: what was made between two moments (monotonic s)."""

    begin_s: float
    healed_s: float
    end_s: float

    def has(self, at_s: float) -> bool:
        return self.begin_s <= at_s <= self.end_s


@dataclass(frozen=True, slots=True)
class Shown:
    """What the appliance shows at one moment."""

    counters: dict[tuple[str, str], float]
    alarms: dict[str, object]
    limits: Any
    gaps: list[ToldGap]  # of the counting channel


@dataclass(frozen=True, slots=True)
class Heard:
    """What witnesses had heard at one moment: copies, for they go on hearing."""

    confirmed_s: dict[tuple[str, str], float]
    seen_s: dict[Step, float]
    told_durable: set[Step]
    raised_anew: set[Step]
    shown: dict[tuple[str, str], float]

    @classmethod
    def by(cls, rig: Rig) -> Heard:
        return cls(
            dict(rig.proxy.confirmed_s),
            dict(rig.seen_s),
            set(rig.told_durable),
            set(rig.raised_anew),
            dict(rig.shown),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """How both sides stand at one moment."""

    outcomes: dict[str, Outcome]
    counters: list[str]  # sentences: what differs
    alarms: list[str]
    limits: list[str] | None  # None: not compared, for none were learned
    details: list[str] = field(default_factory=list)  # of what the outcomes count

    @property
    def well(self) -> bool:
        rows = (Row((), record_class, outcome) for record_class, outcome in self.outcomes.items())
        return all(row.holds for row in rows) and not (self.counters or self.alarms or self.limits)


async def phase(
    rig: Rig, faults: tuple[Fault, ...], *, hold_s: float, patience_s: float, seed: int
) -> Report:
    """Inflict the faults together, give everything back, wait until both sides agree, but no longer than
    `patience_s`; what is then still wrong stands in the report. Raises Fatal where the stage itself fails."""
    names = tuple(fault.name for fault in faults)
    chance = random.Random(f"{seed}/{names}")  # noqa: S311 - repeatable
    await rig.ready()
    actor = Actor(rig, f"drill {'+'.join(names) or 'peace'} {seed}", chance)
    begin_s = time.monotonic()
    known = set(rig.seen_s)
    doing = asyncio.create_task(actor.run())
    try:
        await _inflicted(rig, faults, hold_s, chance)
        healed_s = time.monotonic()
        await asyncio.sleep(HEALED_S)
        await _tried(rig, actor.deeds, patience_s)
    finally:
        doing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await doing
        await rig.plug_cable()
    await rig.ready()
    end_s = time.monotonic()
    await asyncio.sleep(SETTLED_S)
    await rig.pull_cable()  # no samples: counters stand still, and can be compared
    try:
        window = Window(begin_s, healed_s, end_s)
        mine = {step for step in rig.seen_s if step not in known}
        found = await _settle(rig, window, mine, actor.deeds, patience_s)
    finally:
        await rig.plug_cable()
    return _report(names, faults, found, patience_s)


async def _tried(rig: Rig, deeds: Deeds, patience_s: float) -> None:
    """Let people go on until every class has something to lose, but no longer than `patience_s`: on a full
    disk no change is confirmed, and a centre that was put back has lost what was ordered there."""
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        ordered: set[str] = set()
        with contextlib.suppress(OSError, ValueError):
            ordered = await asyncio.to_thread(centre.commands, rig.centre.ask)
        if any(one.command_id in ordered for one in deeds.commands) and (deeds.changes or not rig.learned):
            return
        await asyncio.sleep(TRIED_LOOK_S)


async def _inflicted(rig: Rig, faults: tuple[Fault, ...], hold_s: float, chance: random.Random) -> None:
    """All at once, until everything is given back. Raises what the first one raises."""
    tasks = [asyncio.create_task(fault.inflict(rig, hold_s, chance)) for fault in faults]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _settle(rig: Rig, window: Window, mine: set[Step], deeds: Deeds, patience_s: float) -> Found:
    """Look again and again until all is well, or the patience ends; that is not before the audit has gone
    round a few times, on a machine that is busy with other things."""
    begin_s, rounds = time.monotonic(), await asyncio.to_thread(rig.rounds)
    while True:
        found = await _look(rig, window, mine, deeds)
        waited_s = time.monotonic() - begin_s
        over = waited_s > patience_s and (
            waited_s > LONGEST_PATIENCE * patience_s
            or await asyncio.to_thread(rig.rounds) - rounds >= ENOUGH_ROUNDS
        )
        if (found is not None and found.well) or over:
            return found or Found({}, ["the appliance or the centre does not answer"], [], None)
        await asyncio.sleep(LOOK_EVERY_S)


async def _look(rig: Rig, window: Window, mine: set[Step], deeds: Deeds) -> Found | None:
    """Both sides now; None while one of them does not answer."""
    counters, alarms = await rig.page.counters(), await rig.page.alarm_states()
    limits, gaps = await rig.page.limits(MACHINE_ID), await rig.page.gaps(COUNTING)
    if counters is None or alarms is None or limits is None:
        return None
    await rig.look()
    shown = Shown(counters, alarms, limits, gaps)
    try:
        return await asyncio.to_thread(_held_together, rig, Heard.by(rig), window, mine, deeds, shown)
    except (OSError, ValueError):
        return None


def _held_together(  # noqa: PLR0917 - each a witness
    rig: Rig, heard: Heard, window: Window, mine: set[Step], deeds: Deeds, shown: Shown
) -> Found:
    """Blocking. Raises OSError, ValueError while the centre does not answer."""
    ask = rig.centre.ask
    numbers = rig.numbers()
    made = {number: at_s for number, at_s in numbers.items() if window.has(at_s)}
    there, gaps = centre.numbers(ask, COUNTING), [*centre.gaps(ask, COUNTING), *shown.gaps]
    again = _shown_again(numbers, rig.subscriptions())
    confirmed = heard.confirmed_s
    at_centre = centre.counters(ask)
    steps = centre.steps(ask)
    sequences = {int(what): at_s for (name, what), at_s in confirmed.items() if name == "alarm"}
    telemetry = oracle.of_numbers(
        made,
        there,
        gaps,
        {n: at_s for n in made if (at_s := confirmed.get((COUNTING, repr(value_of(n))))) is not None},
        window.healed_s,
        again,
        numbers,
    )
    told = {step: heard.seen_s[step] for step in mine}
    alarms = oracle.of_steps(told, steps, sequences, window.healed_s, mine - heard.told_durable)
    raised = {
        step
        for step in mine | {one.step for one in steps}  # one that was told and is lost is counted above
        if step.alarm_id == SOURCE_LOST and step.what.endswith("raised")
    }
    old = {step for step in heard.seen_s if step not in mine}
    sent = rig.samples_sent()
    box_limits: dict[str, object] = {
        f"{one['channel_id']} at {one['operating_state']}": (
            *(one["version"], one["locked"], one["action"], one["actor"], round(one["percent"], 1)),
        )
        for one in shown.limits["limits"]
        if one["version"]
    }
    centre_limits, centre_alarms = centre.limit_states(ask), centre.alarm_states(ask)
    limits_differ: list[str] | None = None
    if rig.learned or box_limits or centre_limits:
        limits_differ = [
            *oracle.nothing_compared("limit", box_limits, centre_limits),
            *oracle.differing_states("limit", box_limits, centre_limits),
        ]
    return Found(
        {
            "alarm": alarms
            + oracle.of_deeds(deeds.pulled, len(raised - old) + len(heard.raised_anew & mine)),
            "command": oracle.of_commands(
                {one.command_id: one.actor for one in deeds.commands},
                centre.commands(ask),
                centre.answers(ask),
                steps,
            ),
            "counter": oracle.of_counters(heard.shown, at_centre, {("samples", axis): sent for axis in AXES}),
            **(
                {"limit": oracle.of_changes(deeds.changes, centre.limit_changes(ask))}
                if rig.learned or deeds.changes
                else {}
            ),
            "telemetry": telemetry,
        },
        [
            *oracle.nothing_compared("counter", shown.counters, at_centre),
            *oracle.differing_counters(shown.counters, at_centre),
        ],
        [
            *oracle.nothing_compared("alarm", shown.alarms, centre_alarms),
            *oracle.differing_states("alarm", shown.alarms, centre_alarms),
        ],
        limits_differ,
        [
            *oracle.sentences_of_numbers(made, there, gaps, again, numbers),
            *oracle.sentences_of_steps(told, steps, mine - heard.told_durable),
        ],
    )


def _shown_again(made: Mapping[int, float], subscribed_s: Sequence[float]) -> set[int]:
    """Numbers that may rightly stand twice: present when somebody subscribed, or shown for so long that the
    appliance notes them again, as it does with a value that stands."""
    return {
        number
        for number, at_s in made.items()
        if (until_s := made.get(number + 1, at_s + EVERY_S)) - at_s > STANDS_S
        or any(at_s - EVERY_S < again_s < until_s + EVERY_S for again_s in subscribed_s)
    }


def _report(names: tuple[str, ...], faults: tuple[Fault, ...], found: Found, late_bound_s: float) -> Report:
    only_copy = any(fault.only_copy for fault in faults)
    after = f"after {' and '.join(names) or 'peace'}: "
    return Report(
        tuple(
            Row(names, record_class, outcome, only_copy, late_bound_s)
            for record_class, outcome in found.outcomes.items()
        ),
        not found.counters,
        not found.alarms,
        None if found.limits is None else not found.limits,
        differences=tuple(
            after + one
            for one in (
                *oracle.untried(found.outcomes),
                *found.counters,
                *found.alarms,
                *(found.limits or ()),
                *found.details,
            )
        ),
    )
