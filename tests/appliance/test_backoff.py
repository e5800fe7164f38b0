"""Back-off: bounded, spread, never overflowing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.backoff import Backoff


@given(
    st.integers(min_value=0, max_value=10_000_000), st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
)
def test_delay_stays_between_floor_and_ceiling(failures: int, chance: float) -> None:
    backoff = Backoff(base_s=0.5, cap_s=30.0, floor_s=0.1)
    delay_s = backoff.delay_s(failures, chance)
    assert 0.1 <= delay_s <= 30.0
    assert delay_s <= backoff.ceiling_s(failures)


def test_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1.0, cap_s=10.0, floor_s=0.0)
    assert [backoff.ceiling_s(n) for n in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_jitter_uses_the_whole_span() -> None:
    backoff = Backoff(base_s=1.0, cap_s=64.0, floor_s=0.0)
    assert backoff.delay_s(3, 0.0) == 0.0
    assert backoff.delay_s(3, 0.5) == 4.0


def test_senseless_figures_are_refused() -> None:
    with pytest.raises(ValueError, match="floor_s <= base_s <= cap_s"):
        Backoff(base_s=5.0, cap_s=1.0)
