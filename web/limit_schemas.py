"""What the HTTP interface says and accepts of learned limits: as they stand, their versions, changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from web.schemas import LearningView, Schema

LimitActionName = Literal["lock", "unlock", "raise", "learn anew", "undo", "restore", "new first baseline"]
LimitKind = Literal["limit", "process", "drift"]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class LimitView(Schema):
    """The learned limit of one channel in one operating state, as it stands."""

    kind: LimitKind  # of vibration, of process values, or the first baseline that drift is compared with
    channel_id: str  # of process values: the group's or slow tag's
    channel_name: str
    operating_state: str
    present: bool  # the machine runs in this state now
    in_service: bool  # False: it is still being learned
    learned_h: float
    needed_h: float
    percent: float  # of what was learned; above 100: settled, or raised by a person
    locked: bool
    pinned: bool  # a person set the percentage
    provisional: bool
    rests_on_h: float  # running that it rests on: learned from, and run below it since
    windows: int
    text: str  # for which rate of false alarms it can vouch
    version: int  # 0: none yet
    action: str  # what made the version; "" without one
    actor: str
    reason: str
    changed_ms: float | None
    durable: bool


class LimitsView(Schema):
    """All limits of a machine. A change names the `revision` that was seen."""

    asset_id: str
    revision: int
    largest_percent: float
    learning: LearningView
    limits: list[LimitView]
    first_baselines: list[LimitView]  # what the drift of each channel is compared with


class LimitVersionView(Schema):
    """One version of one limit, as journalled."""

    sequence: int
    channel_id: str
    channel_name: str
    operating_state: str
    version: int
    newest: bool
    action: str
    actor: str
    reason: str
    time_ms: float
    time_trusted: bool
    percent: float
    locked: bool
    learned: bool  # False: from here on it was learned anew
    baseline: str
    rests_on_h: float
    provisional: bool
    of_version: int | None  # which one was undone or restored


class LimitChange(Schema):
    """What a person wants of one limit; of all of the machine where channel and state are null.

    Both must be given: who forgets them does not mean all.
    """

    action: LimitActionName
    channel_id: str | None = Field(min_length=1, max_length=200)
    operating_state: str | None = Field(min_length=1, max_length=200)
    percent: float | None = Field(default=None, ge=100, le=1000, allow_inf_nan=False)
    version: int | None = Field(default=None, ge=1, le=2**53)
    reason: Reason
    seen_revision: int = Field(ge=0, le=2**53)
