"""The queue: in order per alarm whatever fails, nobody waits for another alarm, times as promised."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.backoff import Backoff
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_queue import Fate, Outcome, Schedule, WebhookQueue

SECOND_NS = 1_000_000_000
OK = Outcome(True, "accepted", 200)
FAILED = Outcome(False, "status 500", 500)
SCHEDULE = Schedule(Backoff(2.0, 600.0, 0.5), give_up_s=3600.0)


def message(sequence: int, alarm_id: str = "a") -> Message:
    return Message(f"msg_{sequence}", alarm_id, sequence, "raised", b"{}")


def busy(status: int, retry_after_s: float) -> Outcome:
    return Outcome(False, f"status {status}", status, retry_after_s)


def test_an_alarm_goes_in_order_and_waits_for_its_own_failure() -> None:
    queue = WebhookQueue(SCHEDULE)
    for sequence in (1, 2):
        queue.add(message(sequence), 0)
    assert queue.due(0) == [message(1)]
    assert queue.due(0) == []  # one of an alarm at a time
    assert queue.settle(message(1), FAILED, 0, 0.5).fate is Fate.WAITING
    assert queue.due(0) == []  # the second must not overtake
    assert queue.due(3 * SECOND_NS) == [message(1)]
    assert queue.settle(message(1), OK, 3 * SECOND_NS, 0.5).fate is Fate.DELIVERED
    assert queue.due(3 * SECOND_NS) == [message(2)]


def test_a_failing_alarm_delays_no_other() -> None:
    queue = WebhookQueue(SCHEDULE)
    queue.add(message(1, "poison"), 0)
    queue.add(message(2, "other"), 0)
    assert queue.due(0) == [message(1, "poison"), message(2, "other")]
    queue.settle(message(1, "poison"), FAILED, 0, 0.9)
    queue.settle(message(2, "other"), OK, 0, 0.9)
    queue.add(message(3, "other"), 1)
    assert queue.due(1) == [message(3, "other")]


def test_waits_grow_with_jitter_up_to_the_cap() -> None:
    for chance, expected_s in ((0.0, [0.5] * 12), (1.0, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])):
        queue, now_ns, waits_s = WebhookQueue(Schedule(SCHEDULE.backoff, 1e9)), 0, []
        queue.add(message(1), 0)
        for _ in range(12):
            queue.due(now_ns)
            waits_s.append(queue.settle(message(1), FAILED, now_ns, chance).wait_s)
            assert queue.wait_s(now_ns) == waits_s[-1]
            now_ns += round(waits_s[-1] * SECOND_NS)
        assert waits_s == expected_s


def test_retry_after_holds_the_whole_receiver() -> None:
    for status in (429, 503):
        queue = WebhookQueue(SCHEDULE)
        queue.add(message(1, "a"), 0)
        queue.due(0)
        assert queue.settle(message(1, "a"), busy(status, 60.0), 0, 0.0).wait_s == 60.0
        queue.add(message(2, "b"), SECOND_NS)
        assert queue.due(59 * SECOND_NS) == []
        assert queue.wait_s(59 * SECOND_NS) == 1.0
        assert queue.due(60 * SECOND_NS) == [message(2, "b"), message(1, "a")]


def test_retry_after_of_a_single_refusal_holds_its_alarm_alone() -> None:
    queue = WebhookQueue(SCHEDULE)
    queue.add(message(1, "a"), 0)
    queue.add(message(2, "b"), 0)
    queue.due(0)
    queue.settle(message(1, "a"), busy(500, 60.0), 0, 0.0)
    queue.settle(message(2, "b"), FAILED, 0, 0.0)
    assert queue.due(SECOND_NS) == [message(2, "b")]
    assert queue.due(60 * SECOND_NS) == [message(1, "a")]


def test_a_receiver_cannot_ask_for_a_year() -> None:
    queue = WebhookQueue(SCHEDULE)
    queue.add(message(1), 0)
    queue.due(0)
    assert queue.settle(message(1), busy(429, 3.2e7), 0, 0.0).wait_s == 86_400.0


def test_after_the_schedule_a_message_is_dead_and_the_next_is_tried_at_least_once() -> None:
    queue = WebhookQueue(SCHEDULE)
    queue.add(message(1), 0)
    queue.add(message(2), 0)
    late_ns = 3600 * SECOND_NS
    queue.due(0)
    assert queue.settle(message(1), FAILED, late_ns - 1, 0.0).fate is Fate.WAITING
    queue.due(late_ns + SECOND_NS)
    assert queue.settle(message(1), FAILED, late_ns + SECOND_NS, 0.0).fate is Fate.DEAD
    assert queue.due(late_ns + SECOND_NS) == [message(2)]
    dead = queue.settle(message(2), FAILED, late_ns + SECOND_NS, 0.0)
    assert (dead.fate, dead.attempts) == (Fate.DEAD, 1)
    assert len(queue) == 0
    assert queue.wait_s(late_ns) is None


def test_age_and_attempts_of_before_a_restart_count() -> None:
    queue = WebhookQueue(SCHEDULE)
    queue.add(message(1), 0, attempts=9, age_s=3599.0, wait_s=30.0)
    assert queue.due(29 * SECOND_NS) == []
    assert queue.due(30 * SECOND_NS) == [message(1)]
    assert queue.settle(message(1), FAILED, 30 * SECOND_NS, 0.0).fate is Fate.DEAD


def test_at_most_so_many_are_in_flight_and_the_same_is_added_once() -> None:
    queue = WebhookQueue(SCHEDULE, in_flight=2)
    for sequence in range(5):
        queue.add(message(sequence, str(sequence)), 0)
        queue.add(message(sequence, str(sequence)), 0)
    assert len(queue) == 5
    first = queue.due(0)
    assert len(first) == 2
    assert queue.wait_s(0) is None
    queue.settle(first[0], OK, 0, 0.0)
    assert len(queue.due(0)) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc")),
        st.tuples(st.just("settle"), st.sampled_from(["ok", "fail", "busy", "lost"])),
        st.tuples(st.just("wait"), st.sampled_from(["1", "30", "2000"])),
        st.tuples(st.just("restart"), st.just("")),
    ),
    max_size=80,
)


@given(STEPS, st.floats(0.0, 0.999))
@settings(max_examples=300)
def test_each_alarm_is_delivered_in_order_and_nothing_is_lost(
    steps: list[tuple[str, str]], chance: float
) -> None:
    """A model of sink, file and receiver: `lost` is an answer that never came to a message that did."""
    queue, now_ns, sequence = WebhookQueue(SCHEDULE, in_flight=2), 0, 0
    stored: dict[int, Message] = {}
    flying: list[Message] = []
    received: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    dead: set[int] = set()

    def settle(how: str) -> None:
        one = flying.pop(0)
        if how in ("ok", "lost"):
            received[one.alarm_id].append(one.sequence)
        outcome = {"ok": OK, "busy": busy(429, 5.0)}.get(how, FAILED)
        fate = queue.settle(one, outcome, now_ns, chance).fate
        if fate is not Fate.WAITING:
            del stored[one.sequence]
        if fate is Fate.DEAD:
            dead.add(one.sequence)

    for step, what in steps:
        if step == "add":
            sequence += 1
            stored[sequence] = message(sequence, what)
            queue.add(stored[sequence], now_ns)
        elif step == "settle" and flying:
            settle(what)
        elif step == "wait":
            now_ns += int(what) * SECOND_NS
        elif step == "restart":  # killed: what is stored comes back
            queue, flying = WebhookQueue(SCHEDULE, in_flight=2), []
            for one in stored.values():
                queue.add(one, now_ns)
        flying += queue.due(now_ns)
        assert len(flying) <= 2
        assert len({one.alarm_id for one in flying}) == len(flying)
    for _ in range(10 * sequence + 10):  # the receiver is well again: everything drains
        while flying:
            settle("ok")
        now_ns += 3600 * SECOND_NS
        flying += queue.due(now_ns)
    assert not stored
    assert len(queue) == 0
    for arrived in received.values():
        assert arrived == sorted(arrived)  # repeats allowed, overtaking not
    assert {one for arrived in received.values() for one in arrived} | dead == set(range(1, sequence + 1))
