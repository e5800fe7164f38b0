"""One operating state taken out of what a channel learned, and put back; which order holds in which state."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.analysis_limits import AssetLimits, content_of, with_content, without
from appliance.limit_versions import LimitKey
from models.errors import ModelStateError
from models.operating_state import TAGS_STALE

HIGH, LOW = "1480 rpm, load 75-100 %", "1480 rpm, load 25-50 %"


def document() -> dict[str, Any]:
    def entry(state: str) -> dict[str, Any]:
        return {"channel_id": "p.x", "operating_state": state, "windows": 9, "baseline": "b"}

    return {
        "format": "channel-limits-1",
        "detector": {"format": "f", "learned": [entry(HIGH), entry(LOW)]},
        "diagnoser": {"version": 1, "baselines": {HIGH: {"BPFO": [8, 1.0, 2.0]}}},
        "records_learned": {HIGH: 8},
        "sensor": {HIGH: [[0.0, 1.0, 2.0, 3.0]], LOW: []},
        "watch": {"rebaselined": True, "first": {HIGH: {}}},
        "operating_bins": [0, 3],
    }


@pytest.mark.parametrize("state", [HIGH, LOW])
def test_what_is_taken_out_and_put_back_is_all_of_it(state: str) -> None:
    key, before = LimitKey("p.x", state), document()
    rest = without(before, state)
    assert state not in str(rest["detector"]) + str(rest["diagnoser"]) + str(rest["sensor"])
    assert rest["operating_bins"] == before["operating_bins"]
    again = with_content(rest, key, content_of(before, state))
    by_state = {e["operating_state"]: e for e in again["detector"]["learned"]}
    assert by_state == {e["operating_state"]: e for e in before["detector"]["learned"]}
    for part in ("diagnoser", "records_learned", "sensor"):
        assert again[part] == before[part]
    assert before == document(), "nothing was changed in place"


def test_the_first_baseline_stays_and_the_watch_of_the_limit_begins_anew() -> None:
    watch = without(document(), HIGH)["watch"]
    assert watch == {"rebaselined": False, "first": {HIGH: {}}}


@pytest.mark.parametrize("damage", [{}, {"detector": None}, {"detector": [1], "lines": 0}])
def test_content_that_cannot_be_read_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ModelStateError, match="cannot be read"):
        with_content(without(document(), HIGH), LimitKey("p.x", HIGH), damage)


def test_where_the_state_is_unknown_the_highest_order_holds() -> None:
    limits = AssetLimits({}, lambda _: (), lambda _: {}, lambda _: None, needed_s=1.0)
    assert limits.ordered("p.x", HIGH) is None
    limits.order(LimitKey("p.x", HIGH), 1.5)
    limits.order(LimitKey("p.x", LOW), 1.2)
    assert (limits.ordered("p.x", HIGH), limits.ordered("p.x", LOW)) == (1.5, 1.2)
    assert limits.ordered("p.x", TAGS_STALE) == 1.5
    assert limits.ordered("p.x", "another state") is None
    limits.order(LimitKey("p.x", HIGH), None)
    assert limits.ordered("p.x", TAGS_STALE) == 1.2
    assert limits.unlearned(LimitKey("gone.x", HIGH)) is None
