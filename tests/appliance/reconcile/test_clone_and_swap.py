"""Alarms and limits of a box that was cloned, or swapped for another; limits under clocks that are wrong.

A clone has the key, the journal and the name of the first box, and both run. A swapped box has the name, the
machine and an empty journal, and a key of its own. The boxes are the real ones' cores; journal and way are
lists. A signature here is the key's name: that a forged one is refused the reconcilers' own tests show.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from appliance.alarms.acts import Act, ActivationId, ActKind, EventMark, HybridStamp
from appliance.limit_records import version_record
from appliance.limit_versions import APPLIANCE, LimitVersion, same_limit
from appliance.limit_versions import Act as LimitAct
from appliance.reconcile.alarm_merge import fold
from appliance.reconcile.central import text_of
from appliance.reconcile.central_alarms import alarms_of_documents, events_of_stored
from appliance.reconcile.limit_reconciler import LimitReconciler
from appliance.reconcile.limits_merge import MergePlan, recovery_plan
from appliance.reconcile.report import ReportDraft
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.test_alarm_merge import ALARM, Box, document_of
from tests.appliance.reconcile.test_limits_merge import ANNA, FIRST, applied

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "raise", "clear", "clear", "ack", "shelve", "unshelve", "restart"]),
        st.integers(0, 10**6),
    ),
    max_size=15,
)
SKEWS_S = st.integers(-7200, 7200)


def lived(box: Box, steps: Sequence[tuple[str, int]]) -> None:
    for step, dice in steps:
        box.step(step, dice)


def clone_of(box: Box, skew_s: int) -> Box:
    """Another box with the same journal, started beside the first; its clock is its own."""
    skew_ns = skew_s * SECOND_NS - 1  # two clocks never agree to the nanosecond
    return Box(box.boot + 1_000, skew_ns, list(box.journal), box.seconds, dict(box._payloads))


def swapped_for(skew_s: int) -> Box:
    return Box(boot=5_000, skew_ns=skew_s * SECOND_NS - 1)


def looked(box: Box, told: Sequence[str]) -> bool:
    """The first round after a start: the box takes over what it lacks; whether there was anything."""
    before = len(box.journal)
    for alarm in alarms_of_documents(told):
        box.catch_up(alarm)
    return len(box.journal) > before


def is_active(box: Box) -> bool:
    return box.newest is not None and box.newest.transition.alarm.state.active


# ---- alarms ----


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS, HAPPENINGS, HAPPENINGS, SKEWS_S, st.booleans(), st.randoms(use_true_random=False))
def test_two_clones_that_see_the_same_machine_come_to_one_state_with_all_names(
    before: list[tuple[str, int]],
    here: list[tuple[str, int]],
    there: list[tuple[str, int]],
    skew_s: int,
    stands: bool,
    chance: random.Random,
) -> None:
    box = Box()
    lived(box, before)
    twin = clone_of(box, skew_s)
    lived(box, here)
    lived(twin, there)
    for one in (box, twin):
        one.condition(stands)

    def told() -> list[str]:
        found = [document_of(one) for one in (*box.journal, *twin.journal)]
        chance.shuffle(found)
        return found

    for _ in range(3):
        box.start()
        looked(box, told())
        twin.start()
        looked(twin, told())
    assert not looked(box, told()) and not looked(twin, told()), "it settles"
    assert is_active(box) == is_active(twin) == (stands and box.newest is not None)
    at_centre = {one.standing.alarm_id: one.standing for one in alarms_of_documents(told())}
    assert fold(events_of_stored(box.journal[-1:])) == at_centre
    assert fold(events_of_stored(twin.journal[-1:])) == at_centre


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS, HAPPENINGS, HAPPENINGS, SKEWS_S)
def test_a_clone_silences_nothing_that_the_other_measures(
    before: list[tuple[str, int]], here: list[tuple[str, int]], there: list[tuple[str, int]], skew_s: int
) -> None:
    """Whatever a twin has told: what stands here stands after the look, what does not stand is not raised."""
    box = Box()
    lived(box, before)
    twin = clone_of(box, skew_s)
    lived(box, here)
    lived(twin, there)
    for one in (box, twin):
        active = is_active(one)
        looked(one, [document_of(step) for other in (box, twin) for step in other.journal])
        assert is_active(one) == active


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS, HAPPENINGS, HAPPENINGS, SKEWS_S, st.data())
def test_an_order_of_the_centre_acts_on_the_activation_that_it_names_on_whichever_clone(
    before: list[tuple[str, int]],
    here: list[tuple[str, int]],
    there: list[tuple[str, int]],
    skew_s: int,
    data: st.DataObject,
) -> None:
    """Both clones read the same orders; activations of one number are two where the clones parted before."""
    box = Box()
    lived(box, [("raise", 0), *before])
    twin = clone_of(box, skew_s)
    lived(box, here)
    lived(twin, there)
    known = sorted({one.activation for other in (box, twin) for one in other.journal})
    orders: dict[tuple[str, int], ActivationId] = {}
    for number in range(data.draw(st.integers(1, 4))):
        named = data.draw(st.sampled_from(known))
        mark = EventMark(HybridStamp(START_NS + number, 0), "centre/k", number)
        orders[mark.name] = named
        for one in (box, twin):
            one.take(named, Act(ActKind.ACKNOWLEDGE, mark, f"centre {number}"))
    for one in (box, twin):
        assert one.newest is not None
        alarm, present = one.newest.transition.alarm, one.newest.activation
        done = {act.mark.name for act in alarm.acknowledgements if act.mark.at_centre}
        refused = {conflict.act.mark.name for conflict in alarm.conflicts}
        assert done == {name for name, named in orders.items() if named == present}
        assert refused >= orders.keys() - done, "what meant another is shown"


@settings(max_examples=60, deadline=None)
@given(HAPPENINGS, HAPPENINGS, SKEWS_S, st.integers(0, 5))
def test_a_swapped_box_counts_for_itself_and_hears_nothing_that_was_meant_for_the_old_one(
    old_steps: list[tuple[str, int]], new_steps: list[tuple[str, int]], skew_s: int, dice: int
) -> None:
    old, new = Box(), swapped_for(skew_s)
    lived(old, old_steps)
    lived(new, new_steps)
    of_old, of_new = fold(events_of_stored(old.journal)), fold(events_of_stored(new.journal))
    own = [document_of(one) for one in new.journal]  # the only rows that carry its signature
    assert not looked(new, own)
    if old.newest is None or new.newest is None:
        return
    act = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva")
    state = new.newest.transition.alarm.state
    new.take(old.journal[dice % len(old.journal)].activation, act)
    alarm = new.newest.transition.alarm
    assert alarm.state is state and "eva" not in (alarm.acknowledged_by or "")
    assert any(one.act.mark == act.mark for one in alarm.conflicts), "and it is shown"
    both = fold([*events_of_stored(old.journal), *events_of_stored(new.journal)])
    of_new = fold(events_of_stored(new.journal))
    assert both[ALARM] in (of_old[ALARM], of_new[ALARM]), "never a mixture of both boxes"


# ---- limits ----

LIMIT_ACTS = st.lists(
    st.tuples(st.sampled_from(["lock", "unlock", "raise", "settle"]), st.sampled_from([1.2, 1.5, 2.0])),
    max_size=4,
)
TIMES_NS = st.integers(0, START_NS + 10**18)


@dataclass
class Centre:
    """Rows of `limit_version`, in memory."""

    rows_of: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(
        self, device: str, signed_by: str, versions: Sequence[LimitVersion], times: Sequence[int]
    ) -> None:
        found = [
            {
                "time": time_ns,
                "document": version_record(one, 0, None, "").payload.decode(),
                "document_signature": signed_by,
            }
            for one, time_ns in zip(versions, times, strict=True)
        ]
        self.rows_of.setdefault(device, []).extend(found)

    async def rows(self, question: str) -> Sequence[Mapping[str, Any]]:
        (asked,) = [rows for device, rows in self.rows_of.items() if text_of(device) in question] or [[]]
        return sorted(asked, key=lambda row: -row["time"])


@dataclass
class LimitBox:
    """The versions of one limit, as the journal has them, oldest first."""

    device: str
    history: list[LimitVersion]

    def live(self, story: Sequence[tuple[str, float]], name: str) -> None:
        for number, (what, factor) in enumerate(story):
            act = LimitAct(ANNA.actor, ANNA.reason, f"{name}{number}")
            made = applied(self.history[-1], what, factor, act)
            if made is not None:
                self.history.append(made)

    async def catch_up(self, told: Sequence[LimitVersion]) -> MergePlan | None:
        """What `LimitDesk.catch_up` does."""
        plan = recovery_plan(self.history, told)
        if plan is not None:
            self.history += plan.versions
        return plan

    def look(self, centre: Centre) -> ReportDraft:
        """The first round after a start."""
        draft = ReportDraft("r", "start", 0)
        part = LimitReconciler(
            self, centre, device_id=self.device, is_own=lambda _, signature: signature == self.device
        )
        with contextlib.suppress(StopIteration):
            part.reconcile(draft).send(None)  # nothing in it waits
        return draft


@settings(max_examples=60, deadline=None)
@given(LIMIT_ACTS, LIMIT_ACTS, LIMIT_ACTS, st.data())
def test_what_a_restored_box_takes_over_does_not_depend_on_any_clock(
    before: list[tuple[str, float]],
    after: list[tuple[str, float]],
    own: list[tuple[str, float]],
    data: st.DataObject,
) -> None:
    """The versions were told by a clock at 1970, hours off, running backwards: their numbers order them."""
    found = []
    for skewed in (False, True):
        box = LimitBox("d1", [FIRST])
        box.live(before, "before")
        backup = LimitBox("d1", list(box.history))
        box.live(after, "after")
        count = len(box.history)
        times = [START_NS + number for number in range(count)]
        if skewed:
            times = data.draw(st.lists(TIMES_NS, min_size=count, max_size=count, unique=True))
        centre = Centre()
        centre.take("d1", "d1", box.history, times)
        backup.live(own, "own")
        draft = backup.look(centre)
        found.append((backup.history, draft.figures))
    assert found[0] == found[1]


@settings(max_examples=60, deadline=None)
@given(LIMIT_ACTS, LIMIT_ACTS, LIMIT_ACTS, st.randoms(use_true_random=False))
def test_two_clones_come_to_one_limit_and_learning_never_wins_over_a_person(
    before: list[tuple[str, float]],
    here: list[tuple[str, float]],
    there: list[tuple[str, float]],
    chance: random.Random,
) -> None:
    assume(
        not any(action == "unlock" for action, _ in [*here, *there])
    )  # see "Not built yet" of the guarantees
    box = LimitBox("d1", [FIRST])
    box.live(before, "before")
    twin = LimitBox("d1", list(box.history))
    parted = len(box.history)
    box.live(here, "here")
    twin.live(there, "there")
    made = [one.history[-1] for one in (box, twin) if len(one.history) > parted]
    persons = [one for one in made if one.by_person and one.pinned]

    def centre() -> Centre:
        told = [*box.history, *twin.history]
        chance.shuffle(told)
        known = Centre()
        known.take("d1", "d1", told, [START_NS + chance.randrange(10**15) for _ in told])
        return known

    for _ in range(3):
        box.look(centre())
        twin.look(centre())
    for one in (box, twin):
        held = len(one.history)
        one.look(centre())
        assert len(one.history) == held, "it settles"
        numbers = [version.version for version in one.history]
        assert numbers == sorted(set(numbers)), "no number twice"
    assert same_limit(box.history[-1], twin.history[-1])
    if persons:
        assert box.history[-1].actor != APPLIANCE, "learning won over a person"
    if len(persons) == 2:
        assert box.history[-1].factor == min(one.factor for one in persons)


@settings(max_examples=50, deadline=None)
@given(LIMIT_ACTS, LIMIT_ACTS)
def test_a_swapped_box_takes_over_no_limit_that_another_key_told(
    of_old: list[tuple[str, float]], of_new: list[tuple[str, float]]
) -> None:
    """A limit is learned from what a box's own sensor measured: another sensor's is a person's to set."""
    old, new = LimitBox("d1", [FIRST]), LimitBox("d2", [FIRST])
    old.live([*of_old, ("raise", 3.0)], "old")
    new.live(of_new, "new")
    held, centre = list(new.history), Centre()
    centre.take("d1", "d1", old.history, range(len(old.history)))
    assert new.look(centre).figures == ReportDraft("r", "start", 0).figures
    assert new.history == held
    centre.take("d2", "d1", old.history, range(len(old.history)))  # put under its name by somebody
    draft = new.look(centre)
    assert new.history == held
    assert draft.figures["conflicts"] == 1
    assert "no signature of this device" in draft.lines[0].text
