"""Learned limits as a person sees and changes them: between the desk of limits and the web floor.

Duty: translation of limits, versions and changes, and of the desk's refusals. Decides nothing about limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.errors import Retryable
from appliance.limit_desk import LimitDesk, StandingLimit
from appliance.limit_records import StoredVersion
from appliance.limit_versions import LARGEST_FACTOR, LimitAction, LimitChangeError, LimitKey
from appliance.limit_wish import LimitWish
from appliance.machine_status import MachineStatus
from appliance.station_views import channel_name
from models.baseline import FeatureScale
from models.detector import LearningProgress
from web.limit_schemas import LimitChange, LimitsView, LimitVersionView, LimitView
from web.schemas import LearningView
from web.station_view import LimitRefusedError, NotPossibleError, UnknownIdError
from web.trend_schemas import LimitMark, TrendLimit

HOUR_S = 3600.0
MOST_MARKS = 20


class StationLimits:
    """The limits of all machines, for their pages."""

    def __init__(self, desk: LimitDesk) -> None:
        self._desk = desk
        self._marks: dict[str, tuple[int, list[StoredVersion]]] = {}  # asset: (revision, newest versions)

    def view(self, status: MachineStatus, learning: LearningView) -> LimitsView:
        """All limits of a machine as they stand."""
        asset_id = status.machine.asset_id
        return LimitsView(
            asset_id=asset_id,
            revision=self._desk.revision(asset_id),
            largest_percent=100.0 * LARGEST_FACTOR,
            learning=learning,
            limits=[_limit_view(one, status) for one in self._desk.standing(asset_id)],
            first_baselines=[_limit_view(one, status) for one in self._desk.first_baselines(asset_id)],
        )

    async def history(self, status: MachineStatus, limit: int) -> list[LimitVersionView]:
        """Versions of all limits of a machine, the latest first. Raises NotPossibleError."""
        try:
            stored = await self._desk.history(status.machine.asset_id, limit)
        except Retryable as error:
            raise NotPossibleError(str(error)) from error
        asset_id = status.machine.asset_id
        newest = {
            (one.facts.key, one.stored.version.version)
            for one in (*self._desk.standing(asset_id), *self._desk.first_baselines(asset_id))
            if one.stored is not None
        }
        return [
            _version_view(one, status, (one.version.key, one.version.version) in newest) for one in stored
        ]

    async def change(self, status: MachineStatus, change: LimitChange, user: str) -> None:
        """Carry out what a person wants. Raises UnknownIdError, LimitRefusedError, NotPossibleError."""
        asset_id = status.machine.asset_id
        known = (*self._desk.standing(asset_id), *self._desk.first_baselines(asset_id))
        _check_scope(change, [one.facts.key for one in known])
        wish = LimitWish(
            action=change.action,
            reason=change.reason,
            seen_revision=change.seen_revision,
            channel_id=change.channel_id,
            operating_state=change.operating_state,
            factor=None if change.percent is None else change.percent / 100.0,
            version=change.version,
        )
        try:
            await self._desk.change(asset_id, wish, user)
            status.restore_learning([_progress(one) for one in _told(self._desk.standing(asset_id), status)])
        except LimitChangeError as refused:
            raise LimitRefusedError(str(refused), refused.remedy) from refused
        except Retryable as error:
            raise NotPossibleError(str(error)) from error

    def unlearned(self, status: MachineStatus) -> list[LearningProgress]:
        """Limits that were forgotten, and whose operating state has not been met since."""
        told = _told(self._desk.standing(status.machine.asset_id), status)
        return [_progress(one) for one in told if one.facts.windows == 0]

    def levels(self, status: MachineStatus, channel_id: str, feature: str) -> list[TrendLimit]:
        """What was learned of a feature of a channel, per operating state."""
        found = []
        for one in self._desk.standing(status.machine.asset_id):
            model = one.facts.model
            if one.facts.key.channel_id != channel_id or model is None or feature not in model.feature_names:
                continue
            at = model.feature_names.index(feature)
            scale = model.scales[at]
            if scale is FeatureScale.UNUSED or not math.isfinite(model.centre[at]):
                continue
            centre = float(model.centre[at])
            top = centre + _factor(one) * model.limit * float(model.spread[at])
            if scale is FeatureScale.LEVEL:
                centre, top = 10.0 ** (centre / 20.0), 10.0 ** (top / 20.0)
            found.append(
                TrendLimit(
                    operating_state=one.facts.key.operating_state,
                    present=one.facts.key.operating_state == status.operating_state,
                    usual=centre,
                    limit=top,
                    provisional=one.facts.provisional,
                    locked=one.stored is not None and one.stored.version.locked,
                )
            )
        return found

    async def marks(self, status: MachineStatus, channel_id: str) -> list[LimitMark]:
        """When limits of a channel were changed; the newest ones, oldest first. Raises Retryable."""
        asset_id = status.machine.asset_id
        revision = self._desk.revision(asset_id)
        known = self._marks.get(asset_id)
        if known is None or known[0] != revision:
            known = (revision, await self._desk.history(asset_id, 20 * MOST_MARKS))
            self._marks[asset_id] = known
        own = [stored for stored in known[1] if stored.version.key.channel_id == channel_id]
        return [
            LimitMark(
                time_ms=stored.time_ns / 1e6,
                operating_state=stored.version.key.operating_state,
                text=words_of(stored),
            )
            for stored in reversed(own[:MOST_MARKS])
        ]


def words_of(stored: StoredVersion) -> str:
    """A version in a few words: "raised to 130 % by admin"."""
    version = stored.version
    if version.action is LimitAction.LEARNED:
        return "limit learned"
    said = {
        LimitAction.RAISED: f"limit raised to {100.0 * version.factor:.0f} %",
        LimitAction.SETTLED: f"limit settled at {100.0 * version.factor:.0f} %",
        LimitAction.LOCKED: "limit locked",
        LimitAction.UNLOCKED: "limit unlocked",
        LimitAction.FORGOTTEN: "learned anew from here",
        LimitAction.UNDONE: f"version {version.of_version} undone",
        LimitAction.RESTORED: f"version {version.of_version} restored",
        LimitAction.REPLACED: "first baseline of drift given up",
    }[version.action]
    return f"{said} by {version.actor}" if version.by_person else said


def _check_scope(change: LimitChange, known: Sequence[LimitKey]) -> None:
    channels = sorted({key.channel_id for key in known})
    states = sorted({key.operating_state for key in known})
    if change.channel_id is not None and change.channel_id not in channels:
        raise UnknownIdError(f"There is no limit of channel {change.channel_id!r}.", channels)
    if change.operating_state is not None and change.operating_state not in states:
        raise UnknownIdError(f"No limit is of operating state {change.operating_state!r}.", states)
    if change.action in ("raise", "restore") and None in (change.channel_id, change.operating_state):
        raise LimitRefusedError(
            f"to {change.action} is done to one limit at a time", "Name its channel and operating state."
        )
    if change.action == "restore" and change.version is None:
        raise LimitRefusedError("nothing says which version is to be restored", "Name a version.")


def _told(standing: Sequence[StandingLimit], status: MachineStatus) -> list[StandingLimit]:
    """Limits whose learning is the machine's: of vibration, where it has any."""
    return [one for one in standing if one.facts.kind == "limit" or not status.vibrates]


def _progress(one: StandingLimit) -> LearningProgress:
    facts = one.facts
    return LearningProgress(
        channel_id=facts.key.channel_id,
        operating_state=facts.key.operating_state,
        learned_s=facts.learned_s,
        needed_s=facts.needed_s,
        complete=facts.complete,
        provisional=facts.provisional,
        limit_text=facts.text,
    )


def _factor(one: StandingLimit) -> float:
    ordered = None if one.stored is None else one.stored.version.ordered
    return one.facts.factor if ordered is None else ordered


def _limit_view(one: StandingLimit, status: MachineStatus) -> LimitView:
    facts, stored = one.facts, one.stored
    version = None if stored is None else stored.version
    in_service = bool(version is not None and version.baseline and facts.baseline)
    return LimitView(
        kind=facts.kind,
        channel_id=facts.key.channel_id,
        channel_name=_name(facts.key.channel_id, status),
        operating_state=facts.key.operating_state,
        present=facts.key.operating_state == status.operating_state,
        in_service=facts.complete if facts.kind == "drift" else in_service,
        learned_h=min(facts.learned_s, facts.needed_s) / HOUR_S,
        needed_h=facts.needed_s / HOUR_S,
        percent=100.0 * _factor(one),
        locked=version is not None and version.locked,
        pinned=version is not None and version.pinned,
        provisional=facts.provisional,
        rests_on_h=facts.rests_on_s / HOUR_S,
        windows=facts.windows,
        text=facts.text,
        version=0 if version is None else version.version,
        action="" if version is None else version.action.value,
        actor="" if version is None else version.actor,
        reason="" if version is None else version.reason,
        changed_ms=None if stored is None else stored.time_ns / 1e6,
        durable=stored is None or stored.sequence > 0,
    )


def _version_view(stored: StoredVersion, status: MachineStatus, newest: bool) -> LimitVersionView:
    version = stored.version
    return LimitVersionView(
        sequence=stored.sequence,
        channel_id=version.key.channel_id,
        channel_name=_name(version.key.channel_id, status),
        operating_state=version.key.operating_state,
        version=version.version,
        newest=newest,
        action=version.action.value,
        actor=version.actor,
        reason=version.reason,
        time_ms=stored.time_ns / 1e6,
        time_trusted=stored.time_trusted,
        percent=100.0 * version.factor,
        locked=version.locked,
        learned=bool(version.baseline),
        baseline=version.baseline,
        rests_on_h=version.rests_on_s / HOUR_S,
        provisional=version.provisional,
        of_version=version.of_version,
    )


def _name(channel_id: str, status: MachineStatus) -> str:
    known = status.channels.get(channel_id)
    if known is None:
        return _process_name(channel_id, status.machine.asset_id)
    return channel_name(channel_id, status.machine.asset_id, known.channel.measurand)


def _process_name(subject: str, asset_id: str) -> str:
    """A group of process values, or a slow tag, in words."""
    for part, words in (("values", "process values"), ("slow", "slow tag")):
        begin = f"{asset_id}/{part}/"
        if subject.startswith(begin):
            own = subject.removeprefix(begin)
            return f"{words} {own.removeprefix(asset_id).strip('.-_') or own}"
    return subject
