"""Hop 9 for limits: what is learned, and what people order of it, as versions that the journal has.

Duty: note what learning made of each limit, carry out a person's change in the running analysis and in the
journal together, keep every limit's newest version, and read its history. What may follow what is decided by
`limit_versions`; a change is done whole or not at all.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.clock import Clock
from appliance.errors import Rejected
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordKind
from appliance.limit_owner import LimitOwner
from appliance.limit_records import StoredVersion, learned_record, stored_version, version_record
from appliance.limit_scope import LimitsOfAsset, in_scope, of_last_change
from appliance.limit_versions import (
    Act,
    LimitAction,
    LimitChangeError,
    LimitFacts,
    LimitVersion,
    by_learning,
    forgotten,
    replaced,
    restored,
    undone,
)
from appliance.limit_wish import LimitWish, ordered_version
from appliance.reconcile.limits_merge import MergePlan, merge_plan, recovery_plan
from models.errors import ModelStateError

__all__ = ["LimitDesk", "LimitOwner", "LimitWish", "StandingLimit"]

logger = logging.getLogger(__name__)

MOST_VERSIONS = 500  # of one limit that are looked through


@dataclass(frozen=True, slots=True)
class StandingLimit:
    """One limit as it stands: what the analysis knows of it, and its newest version."""

    facts: LimitFacts
    stored: StoredVersion | None


class LimitDesk:
    """All limits of this appliance, as the journal has them."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._assets: dict[str, LimitsOfAsset] = {}

    def add_owner(self, asset_id: str, owner: LimitOwner, lock: asyncio.Lock) -> None:
        """`owner` has the limits of this machine; `lock` keeps it from being used twice at once."""
        self._assets[asset_id] = LimitsOfAsset(owner, lock)

    def restore(self) -> None:
        """Take up every limit's newest version, after the analyses took up what they had learned."""
        for record in self._journal.latest(RecordKind.LIMIT_VERSION):
            for stored in _decoded([record]):
                asset = self._assets.get(stored.version.asset_id)
                if asset is not None:
                    asset.newest[stored.version.key] = _light(stored)
                    asset.owner.order(stored.version.key, stored.version.ordered)
        for asset in self._assets.values():
            asset.look()

    async def note(self, asset_id: str) -> None:
        """What learning brought into service since becomes a version. Call it under the machine's lock."""
        asset = self._assets[asset_id]
        self._take_late(asset)
        asset.look()
        change_id = str(uuid.uuid4())
        for facts in asset.facts.values():
            version = by_learning(asset_id, facts, asset.version(facts.key), change_id)
            if version is None:
                continue
            content = asset.owner.content(facts.key) if version.action is LimitAction.LEARNED else None
            record = version_record(version, self._clock.monotonic_ns(), content, version.baseline)
            try:
                await self._commit(asset, [version], [record])
            except Rejected as error:
                logger.error("version of a limit not stored limit=%s reason=%s", facts.key, error)

    def revision(self, asset_id: str) -> int:
        """What a change must have seen."""
        return self._assets[asset_id].revision

    def standing(self, asset_id: str) -> list[StandingLimit]:
        """Every limit of a machine that is learned, or being learned."""
        asset = self._assets[asset_id]
        return [StandingLimit(facts, asset.newest.get(key)) for key, facts in asset.facts.items()]

    def first_baselines(self, asset_id: str) -> list[StandingLimit]:
        """What the drift of each channel of a machine is compared with."""
        asset = self._assets[asset_id]
        return [StandingLimit(facts, asset.newest.get(key)) for key, facts in asset.firsts.items()]

    async def history(self, asset_id: str, limit: int) -> list[StoredVersion]:
        """The newest versions of all limits of a machine, the latest first. Raises Retryable."""
        asset = self._assets[asset_id]
        self._take_late(asset)
        found = [
            stored
            for key in list(asset.newest)  # a state may be learned whole while the journal is read
            for stored in _decoded(
                await self._journal.history(RecordKind.LIMIT_VERSION, key.subject, min(limit, MOST_VERSIONS))
            )
        ]
        held = [stored for stored in asset.newest.values() if stored.sequence == 0]
        return sorted([*found, *held], key=lambda s: (s.sequence == 0, s.sequence), reverse=True)[:limit]

    async def change(self, asset_id: str, wish: LimitWish, actor: str) -> None:
        """Carry out a person's wish; returns once it is durable (or held, on a broken disk) and in service.

        Raises LimitChangeError, and Retryable where the journal cannot be read.
        """
        asset = self._assets[asset_id]
        async with asset.lock:
            asset.look()
            if wish.seen_revision != asset.revision:
                raise LimitChangeError(
                    "the limits were changed since you looked at them",
                    "Look at them as they are now, and decide again.",
                )
            act = Act(actor, wish.reason, str(uuid.uuid4()))
            plan = await self._plan(asset_id, asset, wish, act)
            await self._carry_out(asset, plan)
            asset.look()
        _tell(asset_id, wish, actor, plan)

    async def merge(self, asset_id: str, wish: LimitWish, actor: str) -> MergePlan:
        """Carry out a wish of the centre, whose author may not have seen the newest versions: what was
        changed on both sides is merged by the rule of `reconcile.limits_merge`. Returns all versions that it
        made, and what to tell, once it is durable and in service.

        Raises LimitChangeError, KeyError for an unknown machine, Retryable where the journal cannot be read.
        """
        asset = self._assets[asset_id]
        async with asset.lock:
            asset.look()
            missed = asset.revision - wish.seen_revision
            act = Act(actor, wish.reason, str(uuid.uuid4()))
            merged: list[MergePlan] = []
            if missed < 0:
                raise LimitChangeError(
                    "the centre has seen versions of these limits that this box does not have",
                    "Its journal is a backup, or a new one: look at the limits as they are now.",
                )
            if missed == 0:
                plan = await self._plan(asset_id, asset, wish, act)
            else:
                merged = await self._merged(asset_id, asset, wish, act, missed)
                plan = [_Step(version) for one in merged for version in one.versions]
            if plan:
                await self._carry_out(asset, plan)
                asset.look()
        _tell(asset_id, wish, actor, plan)
        versions = tuple(step.version for step in plan)
        text = "; ".join(one.text for one in merged) or f"limits: {wish.action}"
        return MergePlan(versions, any(one.conflict for one in merged), text)

    async def catch_up(self, told: Sequence[LimitVersion]) -> MergePlan | None:
        """Take over what this box itself once told the centre of one limit and its journal lacks; None where
        it lacks nothing. Raises LimitChangeError, Retryable."""
        key, asset = told[0].key, self._assets.get(told[0].asset_id)
        if asset is None:
            return None  # of a machine that is not configured any more
        async with asset.lock:
            asset.look()
            past = _decoded(await self._journal.history(RecordKind.LIMIT_VERSION, key.subject, MOST_VERSIONS))
            if not past:
                return None  # it learns anew; the old limit belongs to what nobody has any more
            plan = recovery_plan([stored.version for stored in past], told)
            if plan is not None:
                await self._carry_out(asset, [_Step(version) for version in plan.versions])
                asset.look()
        return plan

    async def _merged(
        self, asset_id: str, asset: LimitsOfAsset, wish: LimitWish, act: Act, missed: int
    ) -> list[MergePlan]:
        """A wish held against the versions that its author had not seen. Raises LimitChangeError."""
        if wish.action not in ("lock", "unlock", "raise"):
            raise LimitChangeError(
                f"the limits were changed since they were seen at the centre; {wish.action!r} is not merged",
                "Look at them as they are now, and decide again.",
            )
        unseen = [stored.version for stored in await self.history(asset_id, missed)]
        plans = []
        for key in in_scope(asset, wish):
            facts, present = asset.facts[key], asset.version(key)
            since = sorted((one for one in unseen if one.key == key), key=lambda one: one.version)
            if not since or present is None:
                version = ordered_version(asset_id, facts, present, act, wish)
                plans.append(MergePlan((version,), False, f"{key}: {version.action}"))
                continue
            past = _decoded(await self._journal.history(RecordKind.LIMIT_VERSION, key.subject, MOST_VERSIONS))
            seen = since[0].version - 1
            base = next((s.version for s in past if s.version.version == seen), None)
            if base is None and seen > 0:
                raise LimitChangeError(
                    f"version {seen} of {key}, which the centre saw, is not in the journal any more",
                    "Look at the limit as it is now, and decide again.",
                )
            plans.append(merge_plan(present, since, ordered_version(asset_id, facts, base, act, wish)))
        if not plans:
            raise LimitChangeError(
                f"there is no limit here to {wish.action}", "Wait until a limit is learned, or pick another."
            )
        return plans

    async def _plan(self, asset_id: str, asset: LimitsOfAsset, wish: LimitWish, act: Act) -> list[_Step]:
        """The versions that a wish makes, nothing done yet. Raises LimitChangeError."""
        keys = in_scope(asset, wish)
        if wish.action == "new first baseline" and (reason := asset.owner.unsound()) is not None:
            raise LimitChangeError(
                f"no first baseline begins now: {reason}",
                "See to the machine first: what it shows now would count as sound.",
            )
        if wish.action == "undo" and (wish.channel_id is None or wish.operating_state is None):
            keys = of_last_change(asset, keys)
        steps: list[_Step] = []
        for key in keys:
            facts, present = asset.firsts.get(key) or asset.facts[key], asset.version(key)
            if wish.action == "new first baseline":
                *before, version = replaced(asset_id, facts, present, act)
                steps += [_Step(known) for known in before]
                steps.append(_Step(version, asset.owner.content(key), facts.baseline, forget=True))
            elif wish.action == "learn anew":
                version = forgotten(asset_id, facts, present, act)
                content = asset.owner.content(key) if facts.baseline else None
                steps.append(_Step(version, content, facts.baseline, forget=True))
            elif wish.action in ("undo", "restore"):
                steps.append(await self._step_back(asset_id, facts, present, act, wish))
            else:
                try:
                    steps.append(_Step(ordered_version(asset_id, facts, present, act, wish)))
                except LimitChangeError:
                    if len(keys) == 1:
                        raise
        if not steps and wish.action == "new first baseline":
            raise LimitChangeError(
                "there is no first baseline here to give up", "Wait until a limit is learned and scored."
            )
        if not steps:
            raise LimitChangeError(
                f"there is no limit here to {wish.action}", "Wait until a limit is learned, or pick another."
            )
        return steps

    async def _step_back(
        self, asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act, wish: LimitWish
    ) -> _Step:
        past = _decoded(
            await self._journal.history(RecordKind.LIMIT_VERSION, facts.key.subject, MOST_VERSIONS)
        )
        versions = [stored.version for stored in past]
        if wish.action == "undo":
            version = undone(asset_id, facts, present, act, versions)
        else:
            older = next((one for one in versions if one.version == wish.version), None)
            if older is None:
                raise LimitChangeError(
                    f"version {wish.version} of {facts.key} is not in the journal any more",
                    "Restore one of those that its history lists.",
                )
            version = restored(asset_id, facts, present, act, older)
        if version.baseline == facts.baseline:
            return _Step(version)
        content = next((s.content for s in reversed(past) if s.content_of == version.baseline), None)
        if content is None:
            raise LimitChangeError(
                f"what {facts.key} had learned then is not in the journal any more",
                "Have it learned anew, or restore a later version.",
            )
        return _Step(version, content, version.baseline)

    async def _carry_out(self, asset: LimitsOfAsset, steps: Sequence[_Step]) -> None:
        """All of it, in the analysis and in the journal; or nothing. Raises LimitChangeError."""
        learned = sorted({step.version.key.channel_id for step in steps if step.relearns})
        before = {channel_id: asset.owner.document(channel_id) for channel_id in learned}
        try:
            await asyncio.to_thread(_apply, asset.owner, steps)
            now_ns = self._clock.monotonic_ns()
            records = [version_record(s.version, now_ns, s.content, s.content_of) for s in steps]
            records += [
                learned_record(channel_id, asset.owner.document(channel_id), s.version.change_id, now_ns)
                for s in steps[:1]
                for channel_id in learned
            ]
            await self._commit(asset, [step.version for step in steps], records)
        except (ModelStateError, Rejected) as error:
            for channel_id, document in before.items():
                asset.owner.put_back(channel_id, document)
            raise LimitChangeError(
                f"nothing was changed: {error}", "Have it learned anew, or restore a later version."
            ) from error

    def _take_late(self, asset: LimitsOfAsset) -> None:
        """Versions that a broken disk took late are durable now."""
        held = {s.version.key.subject: s for s in asset.newest.values() if s.sequence == 0}
        if not held:
            return
        for record in self._journal.latest(RecordKind.LIMIT_VERSION):
            for stored in _decoded([record] if record.subject in held else []):
                if stored.version == held[record.subject].version:
                    asset.newest[stored.version.key] = _light(stored)

    async def _commit(
        self, asset: LimitsOfAsset, versions: Sequence[LimitVersion], records: Sequence[NewRecord]
    ) -> None:
        """Make versions durable, then let them hold. Raises Rejected."""
        result = await self._journal.commit(records)
        for version, record in zip(versions, result.records, strict=False):
            asset.newest[version.key] = _light(stored_version(record))
            asset.owner.order(version.key, version.ordered)


@dataclass(frozen=True, slots=True)
class _Step:
    """One limit's next version, and what has to be done for it."""

    version: LimitVersion
    content: Mapping[str, Any] | None = None
    content_of: str = ""
    forget: bool = False

    @property
    def relearns(self) -> bool:
        return self.forget or self.content is not None


def _apply(owner: LimitOwner, steps: Sequence[_Step]) -> None:
    for step in steps:
        if step.forget:
            owner.forget(step.version.key)
        elif step.content is not None:
            owner.recall(step.version.key, step.content)


def _tell(asset_id: str, wish: LimitWish, actor: str, plan: Sequence[_Step]) -> None:
    logger.info(
        "limits changed asset=%s action=%s actor=%s limits=%s reason=%s",
        asset_id,
        wish.action,
        actor,
        "; ".join(str(step.version.key) for step in plan),
        wish.reason,
    )


def _light(stored: StoredVersion) -> StoredVersion:
    """Without what was learned: the journal has it."""
    return replace(stored, content=None)


def _decoded(records: Iterable[Any]) -> list[StoredVersion]:
    """Versions of records; one that cannot be read is told in the log and left out."""
    decoded = []
    for record in records:
        try:
            decoded.append(stored_version(record))
        except Rejected as error:
            logger.error("version of a limit unreadable sequence=%s reason=%s", record.sequence, error)
    return decoded
