"""What must be at the centre, and what is wrong with what is there. Pure.

Duty: the rules of counting. Telemetry is judged by numbers that name themselves, alarms by the transitions
that receivers saw and by deeds that must have raised some, counters by what was shown, limits by changes that
were confirmed. Nothing here has seen the appliance's journal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from appliance.drill.outcome import Outcome
from dsp.samples import GapCause

# A lost value lies between two that the centre has, and a gap ends at these two: no edge is owed to that. But
# the plant notes a number before it stamps it, and the appliance moves the plant's clock onto its own: two
# moments of one value differ by what a scheduler puts between two lines. A quarter of the plant's pace, so
# that no value beside a gap ever counts as within it.
GAP_EDGE_NS = 50_000_000
COUNT_TOLERANCE = 1e-9
DONE = "done"
CARRIED_OUT = frozenset({DONE, "conflict"})  # answers to a command that was taken
REPEATED = frozenset({"updated", "conflict"})  # steps that an activation may take more than once
MISSING = frozenset({"open", "lost"})  # states of a gap whose values are not there
CAUSES = frozenset(cause.value for cause in GapCause)


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One step in an alarm's life, by which it is known on every side."""

    alarm_id: str
    activation: int
    what: str


@dataclass(frozen=True, slots=True)
class ToldGap:
    """A gap as the appliance told it, at the centre or on its page. Times: UTC ns."""

    start_ns: int
    end_ns: int
    cause: str
    state: str

    @property
    def excuses(self) -> bool:
        """Whether it says that something is missing, and why; one that was backfilled does not."""
        return self.state in MISSING and self.cause in CAUSES and self.end_ns >= self.start_ns


@dataclass(frozen=True, slots=True)
class FoundStep:
    """A step as the centre has it. `sequence` is the appliance's order."""

    step: Step
    sequence: int
    time_ns: int
    actor: str = ""


def of_numbers(  # noqa: PLR0917 - each a witness
    produced: Mapping[int, float],
    found: Sequence[tuple[int, int]],
    gaps: Sequence[ToldGap],
    confirmed_s: Mapping[int, float],
    healed_s: float,
    shown_again: Collection[int] = (),
    made_s: Mapping[int, float] | None = None,
) -> Outcome:
    """Telemetry: `produced` number -> monotonic s; `found` (UTC ns, number) at the centre; `gaps` as told.

    A lost number is declared if a gap that is open or lost, with its cause, covers the time that lies between
    its neighbours' in its place: so the appliance's clock may be wrong, and still be held to what it says.
    `shown_again`: numbers that the plant showed to a new subscriber, who notes them once more. `made_s`: when
    each number was shown, those before and after `produced` included; a busy machine makes them at uneven
    times.
    """
    times: dict[int, list[int]] = {}
    for time_ns, number in found:
        times.setdefault(number, []).append(time_ns)
    there = sorted(number for number in produced if number in times)
    lost = [number for number in produced if number not in times]
    place = _Places(times, {**(made_s or {}), **produced})
    in_order = [number for _, number in sorted(found) if number in produced and number not in shown_again]
    return Outcome(
        produced=len(produced),
        lost=len(lost),
        declared=sum(place.is_declared(number, gaps) for number in lost),
        doubled=sum(len(times[number]) - 1 for number in there if number not in shown_again),
        late_s=_late_s(((produced[n], confirmed_s.get(n)) for n in there), healed_s),
        out_of_order=sum(later < earlier for earlier, later in pairwise(in_order)),
    )


def sentences_of_numbers(
    produced: Mapping[int, float],
    found: Sequence[tuple[int, int]],
    gaps: Sequence[ToldGap],
    shown_again: Collection[int],
    made_s: Mapping[int, float],
) -> list[str]:
    """What is wrong with single numbers, for whoever looks for the cause."""
    times: dict[int, list[int]] = {}
    for time_ns, number in found:
        times.setdefault(number, []).append(time_ns)
    place = _Places(times, made_s)
    told: list[str] = []
    for number in produced:
        stands = times.get(number, [])
        if not stands and not place.is_declared(number, gaps):
            nearest = min(
                gaps, key=lambda gap: abs(gap.start_ns - (place.time_ns(number) or 0)), default=None
            )
            told.append(f"number {number} is lost at {place.time_ns(number)}; the nearest gap is {nearest}")
        elif len(stands) > 1 and number not in shown_again:
            told.append(f"number {number} stands at {', '.join(map(str, sorted(stands)))}")
    return told


def of_steps(
    seen_s: Mapping[Step, float],
    found: Sequence[FoundStep],
    confirmed_s: Mapping[int, float],
    healed_s: float,
    marked: Collection[Step] = (),
) -> Outcome:
    """Alarms: `seen_s` is when a receiver was told of a step (monotonic s); `confirmed_s` by sequence.

    `marked` were told as not durable, and never otherwise: if they are lost, that was declared.
    """
    here = [one for one in found if one.step in seen_s]
    times = Counter(one.step for one in here if one.step.what not in REPEATED)
    place = {one.step: one for one in here}
    in_order = [one.sequence for one in sorted(here, key=lambda one: one.time_ns)]
    moments = ((seen_s[step], confirmed_s.get(one.sequence)) for step, one in place.items())
    return Outcome(
        produced=len(seen_s),
        lost=len(seen_s.keys() - place.keys()),
        declared=len((seen_s.keys() - place.keys()) & set(marked)),
        doubled=sum(number - 1 for number in times.values()),
        late_s=_late_s(moments, healed_s),
        out_of_order=sum(later < earlier for earlier, later in pairwise(in_order)),
    )


def sentences_of_steps(
    seen_s: Mapping[Step, float], found: Sequence[FoundStep], marked: Collection[Step] = ()
) -> list[str]:
    """Which transitions are lost or doubled, for whoever looks for the cause."""
    times = Counter(one.step for one in found)
    told = [f"{step} is lost" for step in seen_s if step not in times and step not in marked]
    told += [
        f"{step} stands {times[step]} times"
        for step in seen_s
        if times[step] > 1 and step.what not in REPEATED
    ]
    return told


def of_deeds(deeds: int, raised: int) -> Outcome:
    """Alarms that nobody told: so many deeds must have raised one each, so many were `raised`."""
    missing = max(0, deeds - raised)
    return Outcome(produced=missing, lost=missing)


def of_commands(
    given: Mapping[str, str],
    there: Collection[str],
    answers: Sequence[tuple[str, str]],
    steps: Sequence[FoundStep],
) -> Outcome:
    """Commands of the centre: `given` id -> actor, one of a kind; those that the centre itself has lost again
    are nobody's fault. Each must be carried out once: answered once, and with one step in an alarm's life
    where it was done. One that came too late is a conflict, and that is its answer."""
    mine = {command_id: actor for command_id, actor in given.items() if command_id in there}
    times = Counter(command_id for command_id, outcome in answers if outcome in CARRIED_OUT)
    acts = Counter(one.actor for one in steps)
    done = {command_id for command_id, outcome in answers if outcome == DONE}
    return Outcome(
        produced=len(mine),
        lost=sum(one not in times or (one in done and not acts[actor]) for one, actor in mine.items()),
        doubled=sum(max(0, times[one] - 1, acts[actor] - 1) for one, actor in mine.items()),
    )


def of_counters(
    shown: Mapping[tuple[str, str], float],
    centre: Mapping[tuple[str, str], float],
    truth: Mapping[tuple[str, str], float],
) -> Outcome:
    """Counters: the greatest value `shown` to a person, the `centre`'s totals, the most that can be true."""
    lost = [name for name, value in shown.items() if centre.get(name, 0.0) < value - _slack(value)]
    beyond = [name for name, most in truth.items() if centre.get(name, 0.0) > most + _slack(most)]
    return Outcome(produced=len(shown), lost=len(lost), doubled=len(beyond))


def of_changes(confirmed: Collection[str], found: Sequence[tuple[int, str]]) -> Outcome:
    """Limits: `confirmed` changes by their reason, one of a kind; `found` (UTC ns, reason) at the centre."""
    times = Counter(reason for _, reason in found)
    order = {reason: number for number, reason in enumerate(confirmed)}
    in_order = [order[reason] for _, reason in sorted(found) if reason in order]
    return Outcome(
        produced=len(order),
        lost=sum(reason not in times for reason in order),
        doubled=sum(times[reason] - 1 for reason in order if reason in times),
        out_of_order=sum(later < earlier for earlier, later in pairwise(in_order)),
    )


def differing_counters(
    box: Mapping[tuple[str, str], float], centre: Mapping[tuple[str, str], float]
) -> list[str]:
    """Sentences: which counters are not the same on both sides. One that was never counted is 0."""
    return [
        f"counter {counter} of {subject}: {value} on the box, {centre.get((counter, subject))} there"
        for (counter, subject) in sorted({*box, *centre})
        if abs(centre.get((counter, subject), 0.0) - (value := box.get((counter, subject), 0.0)))
        > _slack(value)
    ]


def differing_states(what: str, box: Mapping[str, object], centre: Mapping[str, object]) -> list[str]:
    """Sentences: whose state is not the same on both sides."""
    return [
        f"{what} {name}: {box.get(name)} on the box, {centre.get(name)} at the centre"
        for name in sorted({*box, *centre})
        if box.get(name) != centre.get(name)
    ]


def nothing_compared(what: str, box: Mapping[Any, object], centre: Mapping[Any, object]) -> list[str]:
    """A sentence where a side has nothing at all: two empty sides are no proof that they agree."""
    empty = [name for name, side in (("the box", box), ("the centre", centre)) if not side]
    return [f"no {what} at all on {' and '.join(empty)}: nothing was compared"] if empty else []


def untried(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Sentences: of which classes there was nothing to lose."""
    return [
        f"no {record_class} was produced, so nothing is shown of this class"
        for record_class, outcome in outcomes.items()
        if not outcome.produced
    ]


class _Places:
    """Where, in the centre's time, a number that it does not have would lie."""

    def __init__(self, times: Mapping[int, Sequence[int]], made_s: Mapping[int, float]) -> None:
        """`times`: UTC ns at which the centre has a number; `made_s`: when the plant showed it."""
        self._times, self._made_s = times, made_s
        self._known = sorted(number for number in times if number in made_s)

    def time_ns(self, number: int) -> float | None:
        """UTC ns; None without a neighbour on each side."""
        index = bisect_left(self._known, number)
        if not 0 < index < len(self._known):
            return None
        before, after = self._known[index - 1], self._known[index]
        from_ns, to_ns = max(self._times[before]), min(self._times[after])
        from_s, to_s = self._made_s[before], self._made_s[after]
        return from_ns + (to_ns - from_ns) * (self._made_s[number] - from_s) / max(1e-9, to_s - from_s)

    def is_declared(self, number: int, gaps: Sequence[ToldGap]) -> bool:
        """Whether a gap covers it."""
        time_ns = self.time_ns(number)
        return time_ns is not None and any(
            gap.excuses and gap.start_ns - GAP_EDGE_NS <= time_ns <= gap.end_ns + GAP_EDGE_NS for gap in gaps
        )


def _late_s(moments: Iterable[tuple[float, float | None]], healed_s: float) -> float:
    """The longest time from a record's making, or the end of the fault, to the centre's confirmation."""
    waits = (at_s - max(made_s, healed_s) for made_s, at_s in moments if at_s is not None)
    return max(0.0, *waits, 0.0)


def _slack(value: float) -> float:
    return COUNT_TOLERANCE * max(1.0, abs(value))
