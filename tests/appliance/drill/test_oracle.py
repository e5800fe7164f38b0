"""The drill's judge: each rule sees the fault that it is there for, and nothing else."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from appliance.drill import oracle
from appliance.drill.numbered_plant import EVERY_S, STEPS_PER_DEGREE, number_of, value_of
from appliance.drill.oracle import FoundStep, Step, ToldGap
from appliance.drill.outcome import Outcome, Report, Row, joined
from appliance.drill.table import show

S = 1_000_000_000
MADE = {number: float(number) for number in range(10)}  # one a second
THERE = [(number * S, number) for number in MADE]
SURE = {number: number + 0.5 for number in MADE}


def gap(start_ns: int, end_ns: int, cause: str = "power off", state: str = "lost") -> ToldGap:
    return ToldGap(start_ns, end_ns, cause, state)


def test_all_there_once_and_in_order_is_well() -> None:
    assert oracle.of_numbers(MADE, THERE, [], SURE, 0.0) == Outcome(produced=10, late_s=0.5)


def test_what_is_missing_is_lost_and_declared_only_by_a_gap_in_its_place() -> None:
    there = [point for point in THERE if point[1] not in (4, 5)]
    for start, end, declared in ((3, 6, 2), (3, 4, 1), (7, 9, 0)):
        found = oracle.of_numbers(MADE, there, [gap(start * S, end * S)], SURE, 0.0)
        assert (found.lost, found.declared) == (2, declared), (start, end)
    assert oracle.of_numbers(MADE, there, [], SURE, 0.0).declared == 0


def test_a_gap_excuses_only_while_it_says_that_something_is_missing_and_why() -> None:
    there = [point for point in THERE if point[1] not in (4, 5)]
    for cause, state, declared in (
        *(("OPC UA server down", "open", 2), ("disk full", "lost", 2)),
        *(("power off", "backfilled", 0), ("", "lost", 0), ("bad luck", "lost", 0), ("power off", "", 0)),
    ):
        told = [gap(3 * S, 6 * S, cause, state)]
        assert oracle.of_numbers(MADE, there, told, SURE, 0.0).declared == declared, (cause, state)
        assert len(oracle.sentences_of_numbers(MADE, there, told, (), MADE)) == 2 - declared
    assert not gap(6 * S, 3 * S).excuses


def test_the_edge_of_a_gap_excuses_no_value_beside_it() -> None:
    """The plant shows a value each 0.2 s: what was lost one value before or after a gap was not declared."""
    made = {number: number * EVERY_S for number in range(20)}
    there = [(round(at_s * S), number) for number, at_s in made.items() if not 8 <= number <= 12]
    told = [gap(round(made[9] * S), round(made[11] * S))]
    found = oracle.of_numbers(made, there, told, {}, 0.0)
    assert (found.lost, found.declared) == (5, 3)
    late = [gap(start.start_ns + oracle.GAP_EDGE_NS, start.end_ns - oracle.GAP_EDGE_NS) for start in told]
    assert oracle.of_numbers(made, there, late, {}, 0.0).declared == 3  # the same moments, by two lines


def test_a_gap_on_a_wrong_clock_counts_where_its_neighbours_are() -> None:
    hour = 3600 * S
    there = [(time_ns + hour, number) for time_ns, number in THERE if number not in (4, 5)]
    assert oracle.of_numbers(MADE, there, [gap(3 * S + hour, 6 * S + hour)], SURE, 0.0).declared == 2
    assert oracle.of_numbers(MADE, there, [gap(3 * S, 6 * S)], SURE, 0.0).declared == 0


def test_what_was_shown_at_uneven_times_is_looked_for_where_it_was() -> None:
    made = {1: 1.0, 2: 2.0, 3: 2.1, 4: 9.0}
    there = [(round(made[n] * S), n) for n in (1, 4)]
    told_gap = [gap(round(1.5 * S), round(2.3 * S))]
    assert oracle.of_numbers(made, there, told_gap, {}, 0.0).declared == 2
    assert oracle.of_numbers({2: 2.0, 3: 2.1}, there, told_gap, {}, 0.0, (), made).declared == 2
    assert oracle.sentences_of_numbers(made, there, told_gap, (), made) == []
    told = oracle.sentences_of_numbers(made, [*there, (8 * S, 1)], [], (), made)
    assert [sentence.split()[1] for sentence in told] == ["1", "2", "3"]


def test_what_is_lost_at_the_end_is_never_declared() -> None:
    found = oracle.of_numbers(MADE, THERE[:8], [gap(7 * S, 100 * S)], SURE, 0.0)
    assert (found.lost, found.declared) == (2, 0)


def test_doubles_and_disorder_are_seen() -> None:
    doubled = oracle.of_numbers(MADE, [*THERE, (20 * S, 3)], [], SURE, 0.0)
    assert (doubled.doubled, doubled.out_of_order) == (1, 1)
    assert oracle.of_numbers(MADE, [*THERE, (3 * S + 1, 3)], [], SURE, 0.0, {3}) == Outcome(10, late_s=0.5)
    swapped = [(2 * S, 3) if n == 3 else (3 * S, 2) if n == 2 else (t, n) for t, n in THERE]
    assert oracle.of_numbers(MADE, swapped, [], SURE, 0.0).out_of_order == 1


def test_lateness_counts_from_the_making_or_the_healing() -> None:
    sure = {**SURE, 2: 30.0}
    assert oracle.of_numbers(MADE, THERE, [], sure, 0.0).late_s == 28.0
    assert oracle.of_numbers(MADE, THERE, [], sure, 25.0).late_s == 5.0


def step(number: int, what: str = "raised") -> Step:
    return Step("a", number, what)


def test_alarms_lost_doubled_and_in_disorder() -> None:
    seen = {step(1): 1.0, step(1, "cleared"): 2.0, step(2): 3.0}
    there = [FoundStep(one, 10 + i, i * S) for i, one in enumerate(seen)]
    sure = {10: 1.5, 11: 2.5, 12: 7.0}
    assert oracle.of_steps(seen, there, sure, 0.0) == Outcome(produced=3, late_s=4.0)
    assert oracle.of_steps(seen, there[:2], sure, 0.0).lost == 1
    assert oracle.of_steps(seen, [*there, FoundStep(step(2), 99, 9 * S)], sure, 0.0).doubled == 1
    turned = [FoundStep(one.step, one.sequence, -one.time_ns) for one in there]
    assert oracle.of_steps(seen, turned, sure, 0.0).out_of_order == 2


def test_the_sentences_name_what_is_lost_or_doubled() -> None:
    seen = {step(1): 1.0, step(2): 2.0, step(3): 3.0}
    there = [FoundStep(step(1), 10, 1), FoundStep(step(1), 11, 2)]
    told = oracle.sentences_of_steps(seen, there, {step(3)})
    assert len(told) == 2 and "lost" in told[0] and "2 times" in told[1]
    assert oracle.sentences_of_steps({step(1): 1.0}, there[:1]) == []


def test_what_was_marked_as_not_durable_and_is_lost_was_declared() -> None:
    seen = {step(1): 1.0, step(2): 2.0}
    found = oracle.of_steps(seen, [], {}, 0.0, {step(2)})
    assert (found.lost, found.declared) == (2, 1)
    there = [FoundStep(step(2), 10, 1)]
    assert oracle.of_steps({step(2): 2.0}, there, {}, 0.0, {step(2)}) == Outcome(produced=1)


def test_a_deed_that_raised_nothing_is_a_lost_alarm() -> None:
    assert oracle.of_deeds(3, 3) == oracle.of_deeds(0, 2) == Outcome()
    assert oracle.of_deeds(3, 1) == Outcome(produced=2, lost=2)


def test_a_command_is_carried_out_once() -> None:
    given, shelved = {"a": "eva", "b": "ben"}, step(1, "shelved")
    answered, acts = [("a", "done"), ("b", "conflict")], [FoundStep(shelved, 1, S, "eva")]
    assert oracle.of_commands(given, {"a", "b"}, answered, acts) == Outcome(produced=2)
    assert oracle.of_commands(given, {"a"}, answered[:1], acts) == Outcome(produced=1)  # the centre lost it
    assert oracle.of_commands(given, {"a", "b"}, [("a", "refused"), ("b", "conflict")], acts).lost == 1
    assert oracle.of_commands(given, {"a", "b"}, answered, []).lost == 1  # said to be done, and nobody saw it
    assert oracle.of_commands(given, {"a", "b"}, [*answered, ("a", "done")], acts).doubled == 1
    twice = [*acts, FoundStep(step(2, "shelved"), 2, S, "eva")]
    assert oracle.of_commands(given, {"a", "b"}, answered, twice).doubled == 1


def test_counters_that_went_back_or_beyond_the_truth() -> None:
    shown, truth = {("starts", "m"): 5.0, ("samples", "x"): 128.0}, {("samples", "x"): 256.0}
    assert oracle.of_counters(shown, {**shown}, truth) == Outcome(produced=2)
    assert oracle.of_counters(shown, {("samples", "x"): 128.0}, truth).lost == 1
    assert oracle.of_counters(shown, {**shown, ("samples", "x"): 257.0}, truth).doubled == 1
    assert oracle.differing_counters(shown, {**shown}) == []
    assert len(oracle.differing_counters(shown, {("starts", "m"): 6.0})) == 2
    assert oracle.differing_counters({("starts", "m"): 0.0}, {}) == []
    told = oracle.differing_counters(shown, {**shown, ("alarms", "m"): 3.0})
    assert told == ["counter alarms of m: 0.0 on the box, 3.0 there"]  # nobody here knows of it


def test_two_empty_sides_do_not_agree() -> None:
    assert oracle.nothing_compared("limit", {"x": 1}, {"x": 1}) == []
    assert oracle.nothing_compared("limit", {}, {}) == [
        "no limit at all on the box and the centre: nothing was compared"
    ]
    assert oracle.nothing_compared("limit", {"x": 1}, {}) == [
        "no limit at all on the centre: nothing was compared"
    ]


def test_a_class_of_which_nothing_was_made_is_named() -> None:
    told = oracle.untried({"alarm": Outcome(1), "limit": Outcome()})
    assert told == ["no limit was produced, so nothing is shown of this class"]


def test_changes_of_limits() -> None:
    assert oracle.of_changes(["a", "b"], [(1, "a"), (2, "b"), (3, "else")]) == Outcome(produced=2)
    assert oracle.of_changes(["a", "b"], [(1, "b"), (2, "a")]).out_of_order == 1
    assert oracle.of_changes(["a", "b"], [(1, "b"), (2, "b")]) == Outcome(produced=2, lost=1, doubled=1)
    assert oracle.differing_states("limit", {"x": 1}, {"x": 2, "y": 1}) == [
        "limit x: 1 on the box, 2 at the centre",
        "limit y: None on the box, 1 at the centre",
    ]


@pytest.mark.parametrize("number", [0, 1, 1023, 900_000])
def test_a_number_survives_its_value(number: int) -> None:
    import numpy as np

    assert number_of(float(np.float32(value_of(number)))) == number
    assert number_of(value_of(number) + 0.3 / STEPS_PER_DEGREE) is None


def test_rows_of_several_seeds_are_added_up() -> None:
    one = Report(
        (Row(("a",), "alarm", Outcome(2, late_s=1.0)), Row(("b",), "alarm", Outcome(1))), None, None, None
    )
    other = Report((Row(("a",), "alarm", Outcome(3, doubled=1, late_s=0.5)),), None, None, None)
    rows = joined([one, other]).rows
    assert [(row.faults, row.outcome) for row in rows] == [
        (("a",), Outcome(5, doubled=1, late_s=1.0)),
        (("b",), Outcome(1)),
    ]
    assert not rows[0].kept


def test_zeros_of_nothing_are_no_promise_that_was_kept() -> None:
    empty = Row(("reset",), "command", Outcome())
    assert empty.holds and not empty.tried and not empty.kept
    assert not Report((Row((), "alarm", Outcome(1)), empty), True, True, True).kept
    assert not Report((), None, None, None, not_run=("power: no strace",)).kept


def test_what_comes_later_than_the_bound_breaks_the_promise() -> None:
    late = Outcome(5, late_s=60.5)
    assert Row((), "alarm", late).kept and Row((), "alarm", late, late_bound_s=61.0).kept
    assert not Row((), "alarm", late, late_bound_s=60.0).kept
    assert not Row((), "alarm", Outcome(5) + late, late_bound_s=60.0).kept  # one seed of two


def test_the_table_says_why_a_row_is_not_kept() -> None:
    rows = (
        Row(("reset",), "telemetry", Outcome(9), late_bound_s=60.0),
        Row(("reset",), "command", Outcome(), late_bound_s=60.0),
        Row(("reset",), "alarm", Outcome(9, late_s=61.0), late_bound_s=60.0),
        Row(("reset",), "counter", Outcome(9, doubled=1), late_bound_s=60.0),
    )
    console = Console(width=140, file=io.StringIO(), record=True)
    show(Report(rows, True, True, None), console)
    text = console.export_text()
    for words in ("NOT TRIED", "LATE, over 60 s", "BROKEN", "limits: not compared", "NOT every promise"):
        assert words in text, words


def test_a_promise_is_kept_only_without_excuses() -> None:
    assert Row((), "telemetry", Outcome(10, lost=2, declared=2)).kept
    assert not Row((), "telemetry", Outcome(10, lost=2, declared=1)).kept
    assert not Row((), "alarm", Outcome(10, lost=2, declared=2)).kept
    assert Row((), "alarm", Outcome(10, lost=2, declared=2), only_copy=True).kept
    assert not Row((), "counter", Outcome(10, doubled=1)).kept
    assert not Row((), "counter", Outcome(10, out_of_order=1)).kept
    good = Report((Row((), "alarm", Outcome(1)),), True, None, None)
    assert good.kept and joined([good, good]).counters_equal
    assert not joined([good, Report((), False, None, None)]).kept
    assert not Report((), True, True, True, differences=("x",)).kept
    assert set(good.line()) >= {"rows", "counters_equal", "alarms_equal", "limits_equal"}
    assert good.line()["rows"] == [
        {"faults": [], "class": "alarm", "produced": 1, "lost": 0, "declared": 0, "doubled": 0, "late_s": 0.0,
         "out_of_order": 0, "late_bound_s": None, "kept": True}
    ]  # fmt: skip
