"""One group of process values in the running service: a detector per operating state, one alarm.

Duty: which row teaches, which is judged by which detector, and what a restart or a person takes back. The
judgement is `models.process_detector`'s, the same that `stethos evaluate` judges. Pure.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.alarms import budget
from appliance.alarms.process_rule import PROCESS_VALUES, ProcessFinding, ProcessRule
from appliance.analysis_rows import LATE_S, Row, RowFormer
from appliance.limit_versions import LimitFacts, LimitKey
from dsp.samples import Channel, Measurand, SampleBlock
from models.errors import ModelStateError
from models.operating_state import OperatingState
from models.process_detector import ProcessDetector, ProcessRules
from models.process_learning import LearnedTags
from models.process_words import ShownUnit, process_words

Document = dict[str, Any]
FORMAT = "process-group-1"
MOST_STATES = 16
MOST_KEPT_CELLS = 60_000  # of half-learned rows in a document: a journal's record has its bound
_LONG_AGO_NS = 1 << 60
_NO_PROMISE = budget.set_aside(budget.PROCESS_VALUES)
_BREAK_ROWS = 3  # missing in a row: what comes then does not follow


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """What is watched together, in SI."""

    group_id: str
    channel_ids: tuple[str, ...]
    row_s: float
    rules: ProcessRules = field(default_factory=ProcessRules)
    settle_s: float = 0.0  # after the operating state changed, in which rows say nothing
    late_s: float = LATE_S


def shown_unit(channel: Channel) -> ShownUnit:
    """How a person reads this channel's figures."""
    if channel.measurand is Measurand.SHAFT_SPEED:
        return ShownUnit("rpm", 60.0)
    if channel.measurand is Measurand.LOAD:
        return ShownUnit("%", 100.0)
    return ShownUnit("" if channel.unit == "1" else channel.unit)


def own_name(channel_id: str, asset_id: str) -> str:
    """A channel's name within its machine: "flow" of "pump-2-flow"."""
    return channel_id.removeprefix(asset_id).strip(".-_") or channel_id


def fingerprint(learned: object) -> str:
    """Name of what was learned, from its figures."""
    return hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()[:12]


class GroupWatch:
    """One group of one machine."""

    def __init__(self, asset_id: str, group: ProcessGroup, channels: Mapping[str, Channel]) -> None:
        """`channels` are the machine's, by id."""
        self.group = group
        self.subject = f"{asset_id}/values/{group.group_id}"
        self.title = f"process values {group.group_id}"
        self.learn_s = group.rules.learn_rows * group.row_s
        self.rule = ProcessRule(asset_id, PROCESS_VALUES, group.group_id, self.title)
        self._names = tuple(own_name(channel_id, asset_id) for channel_id in group.channel_ids)
        self._shown = [shown_unit(channels[channel_id]) for channel_id in group.channel_ids]
        self._former = RowFormer(group.channel_ids, group.row_s, group.late_s)
        self._detectors: dict[str, ProcessDetector] = {}  # by operating state
        self._factors: dict[str, float] = {}  # that a person ordered
        self._latest: tuple[str, int] | None = None  # operating state and interval of the latest row
        self._present: tuple[str, int] | None = None  # operating state, and since when
        self._alarmed = ""  # the operating state whose detector raised what stands
        self._elsewhere = 0  # rows without alarm in other states since
        self._named: dict[str, tuple[LearnedTags, str]] = {}  # names of what is learned

    @property
    def learning(self) -> bool:
        """Whether any operating state is half learned."""
        return any(detector.learned is None for detector in self._detectors.values())

    @property
    def stands(self) -> bool:
        """Whether its alarm stands."""
        return self._alarmed != ""

    @property
    def states_learned(self) -> int:
        """How many operating states are learned whole."""
        return sum(detector.learned is not None for detector in self._detectors.values())

    def take(
        self, block: SampleBlock, state_at: Callable[[int], OperatingState], may_learn: Callable[[], bool]
    ) -> list[tuple[int, ProcessFinding]]:
        """What the rows say that this block completes, with their times."""
        found = []
        for row in self._former.take(block):
            state = state_at(row.end_ns)
            if not (self._settled(row, state.label) and state.learnable):
                continue
            if (finding := self._judged(row, state.label, may_learn)) is not None:
                found.append((row.end_ns, finding))
        return found

    def interrupt(self) -> None:
        """What comes next does not follow what came before."""
        self._former.interrupt()
        self._latest = self._present = None
        for detector in self._detectors.values():
            detector.interrupt()

    def facts(self) -> list[LimitFacts]:
        """What is learned, or being learned, per operating state."""
        return [self._facts(label, detector) for label, detector in self._detectors.items()]

    def unlearned(self, label: str) -> LimitFacts:
        """An operating state of which nothing is learned."""
        return self._facts(label, self._new_detector(label))

    def order(self, label: str, factor: float | None) -> None:
        """The limit stands at this multiple of the learned one; None: as learned."""
        if factor is None:
            self._factors.pop(label, None)
        else:
            self._factors[label] = factor
        if label in self._detectors:
            self._detectors[label].limit_factor = self._factors.get(label, 1.0)

    def document(self) -> Document:
        """All that was learned, for the journal; where too much is half learned, the least learned goes."""
        kept, cells = {}, 0
        in_order = sorted(self._detectors.items(), key=lambda pair: -pair[1].rows_learned)
        for label, detector in in_order:
            if detector.learned is None:
                cells += detector.rows_learned * len(self._names)
                if cells > MOST_KEPT_CELLS:
                    continue
            kept[label] = detector.state()
        return {"format": FORMAT, "states": kept, "alarmed": self._alarmed}

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over a document. Raises ModelStateError; nothing of it is then taken over."""
        detectors = {}
        try:
            if document["format"] != FORMAT:
                raise ModelStateError(f"values of format {document['format']!r}; {FORMAT!r} is known")
            for label, state in list(document["states"].items())[:MOST_STATES]:
                detectors[str(label)] = self._new_detector(str(label))
                detectors[str(label)].restore(state)
            alarmed = str(document["alarmed"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelStateError(f"what was learned cannot be read: {error}") from error
        self._detectors, self._alarmed, self._latest = detectors, alarmed, None
        for detector in detectors.values():
            detector.interrupt()

    def content(self, label: str) -> Document:
        """What one operating state taught."""
        return self._detectors[label].state()

    def forget(self, label: str) -> None:
        """Learn this operating state anew, because a person said so."""
        self._detectors.pop(label, None)
        if self._alarmed == label:
            self._alarmed = ""

    def recall(self, label: str, content: Mapping[str, Any]) -> None:
        """Take what was learned before into service again. Raises ModelStateError where it does not fit."""
        detector = self._new_detector(label)
        detector.restore(content)
        detector.interrupt()
        self._detectors[label] = detector

    def _settled(self, row: Row, label: str) -> bool:
        """Whether the process had its time since the operating state changed; after a start nobody knows."""
        if self._present is None or self._present[0] != label:
            self._present = (label, row.end_ns if self._present is not None else row.end_ns - _LONG_AGO_NS)
        return row.end_ns - self._present[1] >= self.group.settle_s * 1e9

    def _judged(self, row: Row, label: str, may_learn: Callable[[], bool]) -> ProcessFinding | None:
        """What a row says; None while its operating state is learned, or may not even be learned."""
        detector = self._detectors.get(label)
        if detector is None:
            if len(self._detectors) >= MOST_STATES or not may_learn():
                return None
            detector = self._detectors[label] = self._new_detector(label)
        if detector.learned is None and not may_learn():
            return None
        latest, self._latest = self._latest, (label, row.index)
        if latest is None or latest[0] != label or row.index - latest[1] > _BREAK_ROWS:
            detector.interrupt()
        judged = detector.observe(row.values)
        if judged is None:
            return None
        if judged.alarm:
            self._alarmed, self._elsewhere = label, 0
        elif self._alarmed not in ("", label) and self._elsewhere + 1 < detector.rules.excursion.quiet_rows:
            self._elsewhere += 1
            return None
        else:
            self._alarmed = ""
        worst = self._names.index(judged.worst_tag) if judged.worst_tag else 0
        deviations = {
            name: round(value, 2)
            for name, value in zip(self._names, judged.deviations, strict=False)
            if math.isfinite(value)
        }
        return ProcessFinding(
            stands=judged.alarm,
            deviation=judged.deviation,
            worst=self.group.channel_ids[worst],
            text=process_words(detector, judged, self._shown),
            evidence={
                "group": self.group.group_id,
                "operating_state": label,
                "deviation": round(judged.deviation, 2) if math.isfinite(judged.deviation) else None,
                "tags": deviations,
                "mean_of_s": detector.rules.window_rows * self.group.row_s,
                "limit_percent": round(100.0 * detector.limit_factor, 1),
            },
        )

    def _new_detector(self, label: str) -> ProcessDetector:
        detector = ProcessDetector(self._names, self.group.rules)
        detector.limit_factor = self._factors.get(label, 1.0)
        return detector

    def _name_of(self, label: str, learned: LearnedTags) -> str:
        known = self._named.get(label)
        if known is None or known[0] is not learned:
            known = self._named[label] = (learned, f"process/{fingerprint(learned.to_json())}")
        return known[1]

    def _facts(self, label: str, detector: ProcessDetector) -> LimitFacts:
        learned = detector.learned
        seconds = detector.rows_learned * self.group.row_s
        return LimitFacts(
            key=LimitKey(self.subject, label),
            baseline="" if learned is None else self._name_of(label, learned),
            complete=learned is not None,
            factor=1.0,
            learned_s=seconds,
            needed_s=self.learn_s,
            rests_on_s=seconds,
            windows=detector.rows_learned,
            provisional=True,
            text=_words_of(learned.slow, self._names) if learned is not None else _NO_PROMISE,
            kind="process",
        )


def _words_of(slow: Sequence[bool], names: Sequence[str]) -> str:
    known = [name for name, is_slow in zip(names, slow, strict=True) if is_slow]
    return _NO_PROMISE + (f"; too slow to know their range yet: {', '.join(known)}" if known else "")
