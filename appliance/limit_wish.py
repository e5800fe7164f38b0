"""What a person wants of limits: lock, raise, undo and so on, of one limit or of all of a machine.

Duty: the wish, and the version that it makes of one limit (`limit_scope` says of which). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.limit_versions import (
    Act,
    LimitChangeError,
    LimitFacts,
    LimitVersion,
    locked,
    raised,
    unlocked,
)


@dataclass(frozen=True, slots=True)
class LimitWish:
    """What a person wants. Without channel or operating state: of all there are."""

    action: Literal["lock", "unlock", "raise", "learn anew", "undo", "restore", "new first baseline"]
    reason: str
    seen_revision: int  # of the machine's limits, as the person saw them
    channel_id: str | None = None
    operating_state: str | None = None
    factor: float | None = None  # of "raise"
    version: int | None = None  # of "restore"


def ordered_version(
    asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act, wish: LimitWish
) -> LimitVersion:
    """The next version by a lock, an unlock or a raise. Raises LimitChangeError."""
    if wish.action == "lock":
        return locked(asset_id, facts, present, act)
    if wish.action == "unlock":
        return unlocked(asset_id, facts, present, act)
    if wish.factor is None:
        raise LimitChangeError("nothing says how high the limit is to be", "Give a percentage.")
    return raised(asset_id, facts, present, act, wish.factor)
