"""What the HTTP interface says of one feature over time: its points, its gaps, its limits."""

from __future__ import annotations

from typing import Literal

from web.schemas import Schema

GapStateName = Literal["open", "backfilled", "lost"]


class GapView(Schema):
    """An interval that should have data and had none, why, and what became of it."""

    start_ms: float
    end_ms: float
    cause: str
    state: GapStateName
    samples_missing: int | None


class TrendLimit(Schema):
    """What was learned of a feature in one operating state, in the feature's unit."""

    operating_state: str
    present: bool  # the machine runs in this state now
    usual: float  # median of healthy running
    limit: float  # where this feature alone stands at the limit; an alarm needs the mean of the worst three
    provisional: bool
    locked: bool


class LimitMark(Schema):
    """A time at which a limit was changed: scores before and after count in different units."""

    time_ms: float
    operating_state: str
    text: str  # "raised to 130 % by admin"


class TrendView(Schema):
    """One feature over time. A gap is a null between its neighbours; never interpolated."""

    channel_id: str
    feature: str
    unit: str
    times_ms: list[float]
    values: list[float | None]
    limit: float | None
    limit_provisional: bool
    gaps: list[GapView]
    limits: list[TrendLimit]  # per operating state; none for the score, whose limit is `limit`
    limit_marks: list[LimitMark]
