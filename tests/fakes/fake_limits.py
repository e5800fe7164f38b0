"""Made-up limits for the fake station: the appliance's own rules of change, over versions in memory."""

from __future__ import annotations

from dataclasses import replace

from appliance.limit_versions import (
    FIRST_BASELINE,
    Act,
    LimitChangeError,
    LimitFacts,
    LimitKey,
    LimitVersion,
    by_learning,
    forgotten,
    is_first_baseline,
    locked,
    raised,
    replaced,
    restored,
    undone,
    unlocked,
)
from tests.fakes.fake_plant import FakeMachine
from web.limit_schemas import LimitChange, LimitsView, LimitVersionView, LimitView
from web.schemas import LearningView
from web.station_view import LimitRefusedError, UnknownIdError

STATES = ("1480 rpm, load 50-75 %", "1480 rpm, load 75-100 %", "1180 rpm, load 25-50 %")
NEEDED_S = 4 * 3600.0


class FakeLimits:
    """The limits of one machine; its last state is always half learned."""

    def __init__(self, machine: FakeMachine, now_ms: float) -> None:
        self._machine = machine
        self._versions: list[tuple[float, LimitVersion]] = []
        self._facts: dict[LimitKey, LimitFacts] = {}
        self._firsts = [
            _first(channel_id) for channel_id in machine.channel_ids if machine.learns_for_s == 0.0
        ]
        for channel_id in machine.channel_ids:
            for number, state in enumerate(STATES):
                learned = machine.learns_for_s == 0.0 and number < len(STATES) - 1
                key = LimitKey(channel_id, state)
                self._facts[key] = facts = LimitFacts(
                    key=key, baseline=f"robust-baseline-1/{number}" if learned else "", complete=learned,
                    factor=1.0, learned_s=NEEDED_S if learned else 5_400.0, needed_s=NEEDED_S,
                    rests_on_s=3.6e5 / (1 + number) if learned else 5_400.0, windows=19_000,
                    provisional=number > 0,
                    text="vouches for at most 1 false alarm in 12 years, from 100 h and 34 peaks"
                    if number == 0
                    else "too little healthy running to state a rate of false alarms; watched 50 of 877 h",
                )  # fmt: skip
                version = by_learning(machine.asset_id, facts, None, "fake")
                if version is not None:
                    self._versions.append((now_ms - 86_400_000.0, version))
        self._facts |= {facts.key: facts for facts in self._firsts}

    def view(self, learning: LearningView) -> LimitsView:
        return LimitsView(
            asset_id=self._machine.asset_id, revision=len(self._versions), largest_percent=300.0,
            learning=learning,
            limits=[self._limit(f) for f in self._facts.values() if not is_first_baseline(f.key)],
            first_baselines=[self._limit(f) for f in self._facts.values() if is_first_baseline(f.key)],
        )  # fmt: skip

    def history(self, limit: int) -> list[LimitVersionView]:
        views = [
            LimitVersionView(
                sequence=number + 1, channel_id=v.key.channel_id, channel_name=_name(v.key.channel_id),
                operating_state=v.key.operating_state, version=v.version,
                newest=self._newest(v.key) == v, action=v.action.value, actor=v.actor, reason=v.reason,
                time_ms=time_ms, time_trusted=True, percent=100.0 * v.factor, locked=v.locked,
                learned=bool(v.baseline), baseline=v.baseline, rests_on_h=v.rests_on_s / 3600.0,
                provisional=v.provisional, of_version=v.of_version,
            )
            for number, (time_ms, v) in enumerate(self._versions)
        ]  # fmt: skip
        return views[::-1][:limit]

    def change(self, change: LimitChange, user: str, now_ms: float) -> None:
        keys = [
            key
            for key in self._facts
            if change.channel_id in (None, key.channel_id)
            and change.operating_state in (None, key.operating_state)
            and (is_first_baseline(key) or change.action != "new first baseline")
            and (not is_first_baseline(key) or change.action in ("new first baseline", "undo", "restore"))
        ]
        if not keys:
            raise UnknownIdError(
                f"There is no limit of {change.channel_id!r}, {change.operating_state!r}.",
                [str(key) for key in self._facts],
            )
        if change.seen_revision != len(self._versions):
            raise LimitRefusedError("the limits were changed since", "Look at them as they are now.")
        if change.action == "undo" and change.channel_id is None and self._versions:
            last = self._versions[-1][1].change_id
            keys = [key for key in keys if (found := self._newest(key)) and found.change_id == last]
        try:
            act = Act(user, change.reason, f"c{now_ms}")
            made = [version for key in keys for version in self._made(key, change, act)]
        except LimitChangeError as error:
            raise LimitRefusedError(str(error), error.remedy) from error
        for version in made:
            self._versions.append((now_ms, version))
            facts = self._facts[version.key]
            if is_first_baseline(version.key):
                name = version.baseline or f"{facts.baseline}+"
                self._facts[version.key] = replace(facts, baseline=name, complete=bool(version.baseline))
            elif not version.baseline:
                self._facts[version.key] = replace(facts, baseline="", complete=False, learned_s=0.0)

    def _made(self, key: LimitKey, change: LimitChange, act: Act) -> list[LimitVersion]:
        asset_id, facts, present = self._machine.asset_id, self._facts[key], self._newest(key)
        past = [v for _, v in self._versions if v.key == key]
        match change.action:
            case "lock":
                return [locked(asset_id, facts, present, act)]
            case "unlock":
                return [unlocked(asset_id, facts, present, act)]
            case "raise":
                return [raised(asset_id, facts, present, act, (change.percent or 100.0) / 100.0)]
            case "learn anew":
                return [forgotten(asset_id, facts, present, act)]
            case "undo":
                return [undone(asset_id, facts, present, act, past)]
            case "restore":
                older = next((v for v in past if v.version == change.version), None)
                if older is None:
                    raise LimitRefusedError("there is no such version", "Pick one of the history.")
                return [restored(asset_id, facts, present, act, older)]
            case "new first baseline":
                return replaced(asset_id, facts, present, act)

    def _newest(self, key: LimitKey) -> LimitVersion | None:
        return next((v for _, v in reversed(self._versions) if v.key == key), None)

    def _limit(self, facts: LimitFacts) -> LimitView:
        found = self._newest(facts.key)
        time_ms = next((t for t, v in reversed(self._versions) if v is found), None)
        return LimitView(
            kind=facts.kind, channel_id=facts.key.channel_id, channel_name=_name(facts.key.channel_id),
            operating_state=facts.key.operating_state, present=facts.key.operating_state == STATES[0],
            in_service=facts.complete if facts.kind == "drift" else bool(found and found.baseline),
            learned_h=facts.learned_s / 3600.0, needed_h=facts.needed_s / 3600.0,
            percent=100.0 * (1.0 if found is None else found.factor),
            locked=found is not None and found.locked, pinned=found is not None and found.pinned,
            provisional=facts.provisional, rests_on_h=facts.rests_on_s / 3600.0, windows=facts.windows,
            text=facts.text, version=0 if found is None else found.version,
            action="" if found is None else found.action.value, actor="" if found is None else found.actor,
            reason="" if found is None else found.reason, changed_ms=time_ms, durable=True,
        )  # fmt: skip


def _first(channel_id: str) -> LimitFacts:
    """What this channel's drift has been compared with for two months."""
    return LimitFacts(
        key=LimitKey(channel_id, FIRST_BASELINE), baseline="first-1", complete=True, factor=1.0,
        learned_s=60 * 86_400.0, needed_s=14 * 86_400.0, rests_on_s=60 * 86_400.0, windows=0,
        provisional=False, text="", kind="drift",
    )  # fmt: skip


def _name(channel_id: str) -> str:
    return f"acceleration {channel_id.rsplit('.', 1)[-1]}"
