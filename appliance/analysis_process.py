"""The process values of one machine that are judged: its groups and its slow tags, in the running service.

Duty: hand blocks to the watches, make alarms of what they find, say when what was learned belongs into the
journal, and let a person take it back. Pure; off where nothing is configured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.alarms.lifecycle import AlarmTransition
from appliance.alarms.register import AlarmRegister
from appliance.analysis_process_group import GroupWatch, ProcessGroup
from appliance.analysis_slow_tag import SlowTag, SlowTagWatch
from appliance.limit_versions import LimitFacts, LimitKey
from dsp.samples import Channel, SampleBlock, SourceItem
from models.detector import LearningProgress
from models.errors import ModelStateError
from models.operating_state import OperatingState

Document = dict[str, Any]
_PARTS = 24  # how often what is half learned goes to the journal, over its learning
_SELDOM = 36  # times the period: how seldom it does once it is whole


@dataclass(frozen=True, slots=True)
class ProcessWatches:
    """What is configured for one machine."""

    groups: tuple[ProcessGroup, ...] = ()
    slow_tags: tuple[SlowTag, ...] = ()


@dataclass(slots=True)
class ProcessFindings:
    """What some items said."""

    transitions: list[AlarmTransition] = field(default_factory=list)
    limits: dict[str, Document] = field(default_factory=dict)  # by subject, for the journal
    newest_ns: int | None = None  # of the tags among them


class AssetProcess:
    """All watches of one machine. Also the owner of what they learned, for the desk of limits."""

    def __init__(
        self, asset_id: str, channels: Sequence[Channel], watches: ProcessWatches, limits_period_s: float
    ) -> None:
        by_id = {channel.channel_id: channel for channel in channels}
        made: list[GroupWatch | SlowTagWatch] = [
            GroupWatch(asset_id, group, by_id) for group in watches.groups
        ]
        made += [SlowTagWatch(asset_id, tag, by_id) for tag in watches.slow_tags]
        self.watches = {watch.subject: watch for watch in made}
        self._period_s = limits_period_s
        self._given: dict[str, tuple[int, int, bool]] = {}  # by subject: time, states learned, alarm

    @property
    def alarm_ids(self) -> set[str]:
        """Alarms that these watches raise."""
        return {watch.rule.alarm_id for watch in self.watches.values()}

    def take(
        self,
        items: Iterable[SourceItem],
        register: AlarmRegister,
        state_at: Callable[[int], OperatingState],
        may_learn: Callable[[], bool],
    ) -> ProcessFindings:
        """Judge the tags among these items; `may_learn` says whether the machine is known to be sound."""
        found = ProcessFindings()

        def sound() -> bool:
            return may_learn() and not any(register.active(alarm_id) for alarm_id in self.alarm_ids)

        for item in items:
            if not isinstance(item, SampleBlock) or item.sample_rate_hz > 0.0:
                continue
            found.newest_ns = max(item.start_ns, found.newest_ns or item.start_ns)
            for watch in self.watches.values():
                for time_ns, finding in watch.take(item, state_at, sound):
                    transition = watch.rule.decide(register, time_ns, finding)
                    if transition is not None:
                        found.transitions.append(transition)
            self._clear(item.start_ns, register, found)
            self._give(item.start_ns, register, found)
        return found

    def interrupt(self) -> None:
        """What comes next does not follow what came before."""
        for watch in self.watches.values():
            watch.interrupt()

    def progress(self) -> list[LearningProgress]:
        """How much is learned, per group and operating state."""
        return [
            LearningProgress(
                channel_id=facts.key.channel_id,
                operating_state=facts.key.operating_state,
                learned_s=facts.learned_s,
                needed_s=facts.needed_s,
                complete=facts.complete,
                provisional=facts.provisional,
                limit_text=facts.text,
            )
            for facts in self.facts()
        ]

    def documents(self) -> dict[str, Document]:
        """All that was learned, by subject."""
        return {subject: watch.document() for subject, watch in self.watches.items()}

    def restore(self, documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Take over what the journal holds; a sentence for each watch that learns anew."""
        refused = []
        for subject, watch in self.watches.items():
            if subject in documents:
                try:
                    watch.restore(documents[subject])
                except ModelStateError as error:
                    refused.append(f"{watch.title} learns anew: {error}")
        return refused

    # -- owner of limits --

    def facts(self) -> list[LimitFacts]:
        """Every group and operating state that is learned, or being learned."""
        return [facts for watch in self.watches.values() for facts in watch.facts()]

    def unlearned(self, key: LimitKey) -> LimitFacts | None:
        """One of which nothing is learned; None where it is not configured (any more)."""
        watch = self.watches.get(key.channel_id)
        return None if watch is None else watch.unlearned(key.operating_state)

    def order(self, key: LimitKey, factor: float | None) -> None:
        """The limit stands at this multiple of the learned one."""
        if key.channel_id in self.watches:
            self.watches[key.channel_id].order(key.operating_state, factor)

    def document(self, subject: str) -> Document:
        """All that a watch has learned, for the journal."""
        return self.watches[subject].document()

    def content(self, key: LimitKey) -> Document:
        """What was learned in one operating state."""
        return self.watches[key.channel_id].content(key.operating_state)

    def forget(self, key: LimitKey) -> None:
        """Learn it anew, because a person said so."""
        self.watches[key.channel_id].forget(key.operating_state)

    def recall(self, key: LimitKey, content: Mapping[str, Any]) -> None:
        """Take what was learned before into service again. Raises ModelStateError where it does not fit."""
        self.watches[key.channel_id].recall(key.operating_state, content)

    def put_back(self, subject: str, document: Document) -> None:
        """A watch as it was, after a change that could not be done whole."""
        self.watches[subject].restore(document)

    def _clear(self, now_ns: int, register: AlarmRegister, found: ProcessFindings) -> None:
        """Alarms that nothing holds up any more: what raised them was learned anew, or lost."""
        for watch in self.watches.values():
            if not watch.stands and (gone := register.clear(watch.rule.alarm_id, now_ns)) is not None:
                found.transitions.append(gone)

    def _give(self, now_ns: int, register: AlarmRegister, found: ProcessFindings) -> None:
        """Documents for the journal: after a state was learned or an alarm changed, and now and then."""
        for subject, watch in self.watches.items():
            mark = (watch.states_learned, register.active(watch.rule.alarm_id))
            before = self._given.setdefault(subject, (now_ns, *mark))
            period_s = max(self._period_s, watch.learn_s / _PARTS)
            if not watch.learning:
                period_s = _SELDOM * self._period_s
            if mark != before[1:] or now_ns - before[0] >= period_s * 1e9:
                found.limits[subject] = watch.document()
                self._given[subject] = (now_ns, *mark)
