"""Which limits of a machine a person's wish means, out of all that it has.

Duty: what the desk keeps of one machine's limits and first baselines of drift, whose they are, and the scope
of a wish. Decides not what may follow what (`limit_versions` does) and stores nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.limit_owner import LimitOwner
from appliance.limit_records import StoredVersion
from appliance.limit_versions import (
    LimitChangeError,
    LimitFacts,
    LimitKey,
    LimitVersion,
    is_first_baseline,
)
from appliance.limit_wish import LimitWish


class LimitsOfAsset:
    """What the desk keeps of one machine."""

    def __init__(self, owner: LimitOwner, lock: asyncio.Lock) -> None:
        self.owner, self.lock = owner, lock
        self.facts: dict[LimitKey, LimitFacts] = {}
        self.firsts: dict[LimitKey, LimitFacts] = {}  # first baselines of drift, one per channel
        self.newest: dict[LimitKey, StoredVersion] = {}

    def look(self) -> None:
        """Take the owner's facts; a limit that was forgotten, and has not been met since, is one too."""
        self.facts = {facts.key: facts for facts in self.owner.facts()}
        self.firsts = {facts.key: facts for facts in self.owner.first_baselines()}
        for key in self.newest:
            known = self.firsts if is_first_baseline(key) else self.facts
            if key not in known and (unlearned := self.owner.unlearned(key)) is not None:
                known[key] = unlearned

    @property
    def revision(self) -> int:
        """Grows with every version of any limit."""
        return sum(stored.version.version for stored in self.newest.values())

    def version(self, key: LimitKey) -> LimitVersion | None:
        stored = self.newest.get(key)
        return None if stored is None else stored.version


def in_scope(asset: LimitsOfAsset, wish: LimitWish) -> list[LimitKey]:
    """The limits that a wish means; first baselines of drift only where it can mean them."""
    among: list[LimitKey] = [] if wish.action == "new first baseline" else list(asset.facts)
    if wish.action in ("new first baseline", "undo", "restore"):
        among += asset.firsts
    return [
        key
        for key in among
        if wish.channel_id in (None, key.channel_id) and wish.operating_state in (None, key.operating_state)
    ]


def of_last_change(asset: LimitsOfAsset, keys: Sequence[LimitKey]) -> list[LimitKey]:
    """The limits that a person's latest change made, where nothing happened to them since."""
    mine = [asset.newest[key] for key in keys if key in asset.newest and asset.newest[key].version.by_person]
    if not mine:
        raise LimitChangeError(
            "no change by a person is the newest version of any limit here", "Nothing to undo."
        )
    latest = max(mine, key=lambda stored: (stored.sequence == 0, stored.sequence)).version.change_id
    return [stored.version.key for stored in mine if stored.version.change_id == latest]
