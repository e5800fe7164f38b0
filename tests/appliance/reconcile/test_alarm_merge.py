"""Two sides, one state: whatever the order, repetition, loss, clocks and restores between them.

The box here is the real one's core (register, lifecycle, `with_act`, record and payload); only the journal
and the way are lists. The centre is the rows that reached it, encoded and decoded as they are in the field.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarm_records import AlarmRecords, StoredTransition, acts_document, stored_transition
from appliance.alarms import lifecycle
from appliance.alarms.acts import Act, ActivationId, ActKind, EventMark, HybridStamp
from appliance.alarms.lifecycle import AlarmState, AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister
from appliance.clock import ReplayClock
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.reconcile.alarm_merge import CONFLICT, act_event, events_of, fold, knows, with_act
from appliance.reconcile.alarm_recovery import caught_up
from appliance.reconcile.central_alarms import (
    CentralAlarm,
    alarms_of_documents,
    events_of_rows,
    events_of_stored,
)
from tests.appliance.journal.builders import SECOND_NS, START_NS

ALARM = "pump-1.machine-condition"
CONDITION = Condition(ALARM, "pump-1", "pump-1.x", "machine condition", Severity.WATCH, "outer race")


def row_of(stored: StoredTransition) -> dict[str, object]:
    """What the centre has of a transition."""
    alarm = stored.transition.alarm
    return {
        "alarm_id": alarm.alarm_id,
        "activation": alarm.activation,
        "raised_time_ns": stored.raised_time_ns,
        "state": alarm.state.value,
        "acknowledged_by": alarm.acknowledged_by,
        "comment": alarm.comment,
        "acts": orjson.dumps(acts_document(stored)).decode(),
    }


def document_of(stored: StoredTransition) -> str:
    return orjson.dumps(acts_document(stored)).decode()


@dataclass
class Box:
    """One box: its clock may be wrong, its journal may be restored from a copy."""

    boot: int = 0
    skew_ns: int = 0
    journal: list[StoredTransition] = field(default_factory=list)
    seconds: int = 0
    _payloads: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new start of the service on what the journal holds."""
        self.boot += 1
        self.clock = ReplayClock(START_NS + self.skew_ns)
        self.records = AlarmRecords(self.clock, f"kernel.{self.boot}")
        self.register = AlarmRegister()
        newest = {one.transition.alarm.alarm_id: one for one in self.journal}
        kept = [record_of(self._payloads[one.key], one, n) for n, one in enumerate(newest.values(), 1)]
        self.register.restore([one.transition.alarm for one in self.records.restore(kept)])

    def now(self) -> int:
        self.seconds += 1
        self.clock.set(self.seconds * SECOND_NS)
        return self.clock.monotonic_ns()

    def commit(self, transition: AlarmTransition) -> StoredTransition:
        new = self.records.record(transition)
        self._payloads[new.key] = new.payload
        record = Record(
            len(self.journal) + 1, new.record_class, new.kind, new.key, new.subject, f"kernel.{self.boot}",
            new.monotonic_ns, self.clock.wall(new.monotonic_ns).time_ns, True, new.payload,
        )  # fmt: skip
        stored = stored_transition(record)
        self.journal.append(stored)
        return stored

    @property
    def newest(self) -> StoredTransition | None:
        return self.journal[-1] if self.journal else None

    def condition(self, stands: bool) -> None:
        now_ns = self.now()
        transition = self.register.state(CONDITION, now_ns) if stands else self.register.clear(ALARM, now_ns)
        if transition is not None:
            self.commit(transition)

    def acknowledge(self, actor: str) -> None:
        newest = self.newest
        if newest is None or "unacknowledged" not in newest.transition.alarm.state:
            return
        now_ns, mark = self.now(), self.records.mark()
        number = newest.activation.number
        self.commit(
            self.register.carry_out(
                ALARM, lambda alarm: lifecycle.acknowledge(alarm, number, actor, "seen", now_ns, mark=mark)
            )
        )

    def take(self, named: ActivationId, act: Act) -> None:
        """What `AlarmDesk.take_act` and `AlarmDesk.shelve` do."""
        newest = self.newest
        if newest is None or any(one.mark.name == act.mark.name for one in self.journal):
            return
        self.records.observe(act.mark.stamp)
        now_ns = self.now()
        self.commit(
            self.register.carry_out(ALARM, lambda one: with_act(one, newest.activation, named, act, now_ns))
        )

    def catch_up(self, told: CentralAlarm) -> None:
        """What `AlarmDesk.catch_up` does."""
        standing, now_ns = told.standing, self.now()
        steps = caught_up(self.newest, told, now_ns, now_ns)
        if steps:
            self.records.adopt(standing.alarm_id, standing.activation, standing.raised, None)
        for step in steps:
            self.register.take_over(step)
            self.commit(step)

    def restored(self, kept: int) -> Box:
        """A box whose disk was put back to an earlier copy; its clock stands a while back, too."""
        skew_ns = self.skew_ns - 30 * SECOND_NS - 1  # two clocks never agree to the nanosecond
        return Box(self.boot + 10, skew_ns, self.journal[:kept], self.seconds, dict(self._payloads))

    def step(self, step: str, dice: int) -> None:
        """One of STEPS that happens on the box."""
        if step in ("raise", "clear"):
            self.condition(step == "raise")
        elif step == "ack":
            self.acknowledge(f"box {dice % 3}")
        elif step in ("shelve", "unshelve"):
            self.shelve(f"box {dice % 3}", ActKind(step))
        elif step == "restart":
            self.start()

    def shelve(self, actor: str, kind: ActKind) -> None:
        newest = self.newest
        if newest is None or newest.transition.alarm.state is AlarmState.NORMAL:
            return
        self.now()
        self.take(newest.activation, Act(kind, self.records.mark(), actor, "", 1 << 62))


def record_of(payload: bytes, one: StoredTransition, number: int) -> Record:
    return Record(
        number, RecordClass.ALARM, RecordKind.ALARM_TRANSITION, one.key, ALARM, "earlier", 0, one.time_ns,
        True, payload,
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["raise", "raise", "clear", "clear", "ack", "shelve", "unshelve", "centre ack", "centre ack",
             "centre shelve", "centre unshelve", "exchange", "restart"]
        ),
        st.integers(0, 10**6),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(-7200, 7200), st.integers(-7200, 7200), st.randoms(use_true_random=False))
def test_two_sides_that_changed_an_alarm_in_an_outage_fold_to_one_state(
    steps: list[tuple[str, int]], box_skew_s: int, centre_skew_s: int, chance: random.Random
) -> None:
    """Anything on the box, anything at the centre, deliveries lost and doubled, clocks two hours off."""
    box = Box(skew_ns=box_skew_s * SECOND_NS)
    rows: list[dict[str, object]] = []
    commands: list[tuple[ActivationId, Act]] = []
    for number, (step, dice) in enumerate(steps):
        if not step.startswith("centre") and step != "exchange":
            box.step(step, dice)
        elif step == "exchange":  # some of it: the rest comes later, some of it again
            rows += [row_of(one) for one in box.journal if chance.random() < 0.6]
            for named, act in commands:
                if chance.random() < 0.6:
                    box.take(named, act)
        elif rows:
            seen = chance.choice(rows)  # what the centre saw, however old
            stamp = HybridStamp(START_NS + (centre_skew_s + number) * SECOND_NS, 0)
            act = Act(
                ActKind({"centre ack": "acknowledge"}.get(step, step.removeprefix("centre "))),
                EventMark(stamp, "centre/k", number), f"centre {dice % 3}", "", 1 << 62,
            )  # fmt: skip
            named = ActivationId(int(str(seen["activation"])), int(str(seen["raised_time_ns"])))
            commands.append((named, act))
    # The way is open again: each side gets all, in whatever order, some of it twice.
    for named, act in chance.sample(commands, len(commands)):
        box.take(named, act)
        box.take(named, act)
    told = [row_of(one) for one in box.journal] + rows
    chance.shuffle(told)
    of_box = fold(events_of_stored(box.journal))
    of_centre = fold([*events_of_rows(told), *(act_event(ALARM, named, act) for named, act in commands)])
    assert of_box == of_centre
    if box.newest is not None:
        alarm, standing = box.newest.transition.alarm, of_box[ALARM]
        assert standing.activation == box.newest.activation
        assert standing.state == alarm.state
        assert standing.acknowledgements == alarm.acknowledgements
        assert standing.acknowledged_by == alarm.acknowledged_by
        assert standing.shelving == alarm.shelving
        assert standing.conflicts == alarm.conflicts
        assert fold(events_of_stored(box.journal[-1:])) == of_box, "the newest record alone must tell it all"


@settings(max_examples=200, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_the_fold_is_of_the_set_alone(steps: list[tuple[str, int]], chance: random.Random) -> None:
    """Commutative, associative, idempotent; and losing a part changes nothing once it came again."""
    box = Box()
    for step, dice in steps:
        box.step(step, dice)
    events = events_of_stored(box.journal)
    wanted = fold(events)
    cut = chance.randint(0, len(events))
    again = [*events[cut:], *events, *events[:cut]]
    chance.shuffle(again)
    assert fold(again) == wanted
    assert fold([*events[:cut], *events[cut:]]) == wanted


@settings(max_examples=200, deadline=None)
@given(STEPS, STEPS, st.integers(0, 40), st.integers(0, 40))
def test_a_restored_backup_catches_up_with_what_it_told_the_centre(
    lived: list[tuple[str, int]], since: list[tuple[str, int]], kept: int, looks: int
) -> None:
    """And what stands on the box is not silenced by what was once closed."""
    box = Box()
    for step, dice in lived:
        box.step(step, dice)
    told = [document_of(one) for one in box.journal]
    copy = box.restored(kept % (len(box.journal) + 1))
    for step, dice in since[:looks]:
        copy.step(step, dice)
    told += [document_of(one) for one in copy.journal]
    active = copy.newest is not None and copy.newest.transition.alarm.state.active
    for alarm in alarms_of_documents(told):
        copy.catch_up(alarm)
    assert active == (copy.newest is not None and copy.newest.transition.alarm.state.active)
    for alarm in alarms_of_documents([*told, *map(document_of, copy.journal)]):
        copy.catch_up(alarm)  # nothing any more
    for step, dice in since[looks:]:
        copy.step(step, dice)
    told += [document_of(one) for one in copy.journal]
    there = {alarm.standing.alarm_id: alarm.standing for alarm in alarms_of_documents(told)}
    assert there == fold(events_of_stored(copy.journal[-1:]))


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(1, 5))
def test_an_acknowledgement_never_acknowledges_another_activation(flaps: int, late: int) -> None:
    box = Box()
    box.condition(True)
    first = box.journal[-1].activation
    for _ in range(flaps):
        box.condition(False)
        box.condition(True)
    act = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS + late), "centre/k", 1), "eva")
    box.take(first, act)
    alarm = box.journal[-1].transition.alarm
    if flaps == 0:
        assert alarm.state is AlarmState.ACTIVE_ACKNOWLEDGED
    else:
        assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACTIVE_UNACKNOWLEDGED, None)
        assert "eva at the centre acknowledged activation 1" in alarm.conflicts[0].text


def test_a_journal_that_was_lost_counts_anew_and_an_old_acknowledgement_finds_nothing() -> None:
    """The number of the activation is the same, the activation is not."""
    old = Box()
    old.condition(True)
    new = Box(boot=7, seconds=500)
    new.condition(True)
    assert old.journal[-1].activation.number == new.journal[-1].activation.number == 1
    act = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva")
    new.take(old.journal[-1].activation, act)
    assert new.journal[-1].transition.what == CONFLICT
    assert new.journal[-1].transition.alarm.state is AlarmState.ACTIVE_UNACKNOWLEDGED
    both = fold([*events_of_stored(old.journal), *events_of_stored(new.journal)])
    assert both[ALARM].activation == new.journal[-1].activation


def test_both_names_stay_in_the_order_of_the_stamps() -> None:
    box = Box()
    box.condition(True)
    seen = box.journal[-1].activation
    box.acknowledge("anna")
    early = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva", "spare ordered")
    box.take(seen, early)
    alarm = box.journal[-1].transition.alarm
    assert alarm.acknowledged_by == "eva, anna"
    assert box.journal[-1].transition.what == "acknowledged"
    assert box.journal[-1].transition.actor == "eva"
    assert alarm.state is AlarmState.ACTIVE_ACKNOWLEDGED
    assert [act.mark.at_centre for act in alarm.acknowledgements] == [True, False]


@pytest.mark.parametrize("acknowledged", [False, True])
def test_shelved_there_and_closed_here_stays_closed_and_is_told(acknowledged: bool) -> None:
    box = Box()
    box.condition(True)
    seen = box.journal[-1].activation
    if acknowledged:
        box.acknowledge("anna")
    box.condition(False)
    act = Act(ActKind.SHELVE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva", "", 1 << 62)
    box.take(seen, act)
    alarm = box.journal[-1].transition.alarm
    if acknowledged:
        assert (alarm.state, alarm.shelving) == (AlarmState.NORMAL, None)
        assert "eva at the centre shelved an activation that was closed" in alarm.conflicts[0].text
    else:  # somebody must still see it: it can be shelved
        assert alarm.shelved(START_NS)
        box.acknowledge("anna")
        assert box.journal[-1].transition.alarm.shelving is None


def test_the_later_of_shelve_and_unshelve_holds_and_the_other_is_told() -> None:
    box = Box()
    box.condition(True)
    seen = box.journal[-1].activation
    box.shelve("anna", ActKind.UNSHELVE)
    act = Act(ActKind.SHELVE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva", "", 1 << 62)
    box.take(seen, act)
    alarm = box.journal[-1].transition.alarm
    assert not alarm.shelved(START_NS)
    assert "the later holds" in alarm.conflicts[0].text
    assert knows(alarm, act.mark)
    box.condition(False)
    box.condition(True)
    assert box.journal[-1].transition.alarm.conflicts == (), "a new activation begins without them"


def test_acts_on_what_nobody_raised_yet_wait_for_it() -> None:
    named = ActivationId(3, START_NS)
    act = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS), "centre/k", 1), "eva")
    early = [act_event(ALARM, named, act)]
    assert fold(early) == {}
    raised = lifecycle.raise_alarm(None, CONDITION, 0).alarm
    later = events_of(raised, named, EventMark(HybridStamp(START_NS + 5), "box/1", 1))
    assert fold([*early, *later])[ALARM].state is AlarmState.ACTIVE_ACKNOWLEDGED
