"""Which starts of the service the centre is asked about, and in which time."""

from __future__ import annotations

import pytest

from appliance.reconcile.central import SeriesAnswer
from appliance.reconcile.counter_questions import (
    MOST_ASKED,
    MOST_LIVES,
    start_question,
    starts_begun,
    starts_to_ask,
    told_starts,
    told_totals,
    totals_question,
)
from appliance.reconcile.errors import AnswerTooLarge

DAY_NS = 86_400_000_000_000
TAGS = {"asset": "pump%0A1", "counter": "starts", "incarnation": "life"}


def names(begun: dict[tuple[str, str], int], known: set[tuple[str, str]], *, far: bool) -> list[str]:
    return [one.boot_id for one in starts_to_ask(begun, known, "life", far=far)]


def test_unknown_starts_and_the_latest_are_asked_about_always_all_others_seldom() -> None:
    begun = {("life", f"b{day:02}"): day * DAY_NS for day in range(20)}
    begun |= {("life", "now"): 20 * DAY_NS, ("another's", "x"): 3 * DAY_NS, ("old", "o1"): DAY_NS // 2}
    own = {*begun} - {("another's", "x"), ("life", "b07")}
    assert names(begun, own, far=False) == ["b07", "b16", "b17", "b18", "b19", "now"]
    assert names(begun, own, far=True) == [*(f"b{day:02}" for day in range(20)), "now"]
    assert names(begun, own - {("old", "o1")}, far=False)[0] != "o1", "of a life that was never counted in"


def test_a_start_is_asked_about_in_its_own_time_as_long_as_nothing_may_go_on_counting() -> None:
    begun = {("life", f"b{day:02}"): day * DAY_NS for day in range(8)}
    first, *_, last = starts_to_ask(begun, {*begun}, "life", far=True)
    assert (first.since_ns, first.until_ns) == (-DAY_NS, 2 * DAY_NS)
    assert (last.since_ns, last.until_ns) == (6 * DAY_NS, None)
    assert "AND time < " in start_question("d", first)
    assert "AND time < " not in start_question("d", last)


def test_names_are_quoted() -> None:
    assert totals_question("it's", None).startswith(
        'SELECT max("total") AS "total" FROM "counter" WHERE "device_id" = \'it\\\'s\' GROUP BY'
    )
    assert "time >= 7" in totals_question("d", 7)


def test_answers_are_read_with_what_cannot_be_a_count_left_out() -> None:
    rows = ((1, 3), (2, None), (3, -1), (4, True), (5, 2.5), (6, 1e300))
    (total,) = told_totals([SeriesAnswer("counter", TAGS, ("time", "total"), rows)]).items()
    assert (total[0].subject, total[1]) == ("pump\n1", 3.0)
    roll = ((9, "b", 1.0), (5, "b", 1.0), (7, "", 1.0), (8, "c", None))
    answers = [SeriesAnswer("counter", TAGS, ("time", "boot_id", "value"), roll)]
    assert starts_begun(answers) == {("life", "b"): 5}
    (start,) = told_starts([SeriesAnswer("counter", TAGS, ("time", "value"), ((0, 4),))], "b").items()
    assert (start[0].boot_id, start[1]) == ("b", 4.0)


def test_a_flood_of_lives_or_starts_is_bounded() -> None:
    flood = [
        SeriesAnswer("counter", {**TAGS, "incarnation": f"x{n}"}, ("time", "total"), ((1, 1.0),))
        for n in range(MOST_LIVES + 1)
    ]
    with pytest.raises(AnswerTooLarge, match="lives"):
        told_totals(flood)
    begun = {("life", f"b{number:05}"): number for number in range(10 * MOST_ASKED)}
    asked = names(begun, set(), far=True)
    assert len(asked) == MOST_ASKED
    assert asked[-1] == f"b{10 * MOST_ASKED - 1:05}"
