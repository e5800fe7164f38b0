"""One slow process value in the running service: a temperature or level, judged over weeks.

Duty: which values teach and are judged, and what a restart or a person takes back. The judgement is
`models.slow_tag`'s, the same that `stethos evaluate` judges. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.alarms import budget
from appliance.alarms.process_rule import SLOW_TAG, ProcessFinding, ProcessRule
from appliance.analysis_process_group import fingerprint, own_name, shown_unit
from appliance.analysis_rows import LATE_S, RowFormer
from appliance.limit_versions import LimitFacts, LimitKey
from dsp.samples import Channel, SampleBlock
from models.errors import ModelStateError
from models.operating_state import OperatingState
from models.process_words import slow_words
from models.slow_tag import SlowTagDetector, SlowTagRules

Document = dict[str, Any]
FORMAT = "slow-tag-watch-1"
ALWAYS, RUNNING = "always", "running"
_NO_PROMISE = budget.set_aside(budget.SLOW_TAGS)


@dataclass(frozen=True, slots=True)
class SlowTag:
    """What is watched, in SI."""

    channel_id: str
    value_s: float
    learn_values: int
    only_running: bool = False
    rules: SlowTagRules = field(default_factory=SlowTagRules)
    late_s: float = LATE_S


class SlowTagWatch:
    """One slow tag of one machine."""

    def __init__(self, asset_id: str, tag: SlowTag, channels: Mapping[str, Channel]) -> None:
        """`channels` are the machine's, by id."""
        self.tag = tag
        self.subject = f"{asset_id}/slow/{tag.channel_id}"
        self.learn_s = tag.learn_values * tag.value_s
        self._name = own_name(tag.channel_id, asset_id)
        self.title = f"slow tag {self._name}"
        self.rule = ProcessRule(asset_id, SLOW_TAG, tag.channel_id, "slow tag")
        self._label = RUNNING if tag.only_running else ALWAYS
        self._shown = shown_unit(channels[tag.channel_id])
        self._former = RowFormer([tag.channel_id], tag.value_s, tag.late_s)
        self._factor = 1.0
        self._detector = self._new_detector()

    @property
    def learning(self) -> bool:
        """Whether it is still being learned."""
        return self._detector.lengths is None

    @property
    def stands(self) -> bool:
        """Whether its alarm stands."""
        return self._detector.alarm

    @property
    def states_learned(self) -> int:
        """1 once it is learned."""
        return int(not self.learning)

    def take(
        self, block: SampleBlock, state_at: Callable[[int], OperatingState], may_learn: Callable[[], bool]
    ) -> list[tuple[int, ProcessFinding]]:
        """What the values say that this block completes, with their times."""
        if block.channel_id != self.tag.channel_id:
            return []
        if self.tag.only_running and not state_at(block.start_ns).learnable:
            return []
        found = []
        for row in self._former.take(block):
            if self.learning and not may_learn():
                continue
            judged = self._detector.observe(float(row.values[0]))
            if judged is None:
                continue
            text = slow_words(self._name, self._detector, judged, self.tag.value_s, self._shown)
            evidence = {
                "deviation": round(judged.deviation, 2),
                "level": round(judged.level * self._shown.factor, 4),
                "shift": round(judged.shift * self._shown.factor, 4),
                "unit": self._shown.unit,
                "limit_percent": round(100.0 * self._factor, 1),
            }
            finding = ProcessFinding(judged.alarm, judged.deviation, self.tag.channel_id, text, evidence)
            found.append((row.end_ns, finding))
        return found

    def interrupt(self) -> None:
        """What comes next does not follow what came before: an interval that is open is void."""
        self._former.interrupt()

    def facts(self) -> list[LimitFacts]:
        """What is learned, or being learned."""
        return [self.unlearned(self._label)] if not self._detector.values_learned else [self._facts()]

    def unlearned(self, label: str) -> LimitFacts:
        """The same while nothing is learned."""
        return self._facts_of(label, self._new_detector())

    def order(self, label: str, factor: float | None) -> None:
        """The limit stands at this multiple of the learned one; None: as learned."""
        if label == self._label:
            self._factor = self._detector.limit_factor = 1.0 if factor is None else factor

    def document(self) -> Document:
        """All that was learned, for the journal."""
        return {"format": FORMAT, "states": {self._label: self._detector.state()}}

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over a document. Raises ModelStateError; nothing of it is then taken over."""
        try:
            if document["format"] != FORMAT:
                raise ModelStateError(f"a slow tag of format {document['format']!r}; {FORMAT!r} is known")
            state = document["states"].get(self._label)
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelStateError(f"what was learned cannot be read: {error}") from error
        if state is None:
            raise ModelStateError(f"it was not learned for {self._label!r}")
        self.recall(self._label, state)

    def content(self, label: str) -> Document:
        """What was learned."""
        return self._detector.state()

    def forget(self, label: str) -> None:
        """Learn it anew, because a person said so."""
        self._detector = self._new_detector()

    def recall(self, label: str, content: Mapping[str, Any]) -> None:
        """Take what was learned before into service again. Raises ModelStateError where it does not fit."""
        detector = self._new_detector()
        detector.restore(content)
        self._detector = detector

    def _new_detector(self) -> SlowTagDetector:
        detector = SlowTagDetector(self.tag.learn_values, self.tag.rules)
        detector.limit_factor = self._factor
        return detector

    def _facts(self) -> LimitFacts:
        return self._facts_of(self._label, self._detector)

    def _facts_of(self, label: str, detector: SlowTagDetector) -> LimitFacts:
        learned = None if detector.spread is None else [detector.spread, detector.correlation_values]
        seconds = detector.values_learned * self.tag.value_s
        return LimitFacts(
            key=LimitKey(self.subject, label),
            baseline="" if learned is None else f"slow/{fingerprint(learned)}",
            complete=learned is not None,
            factor=1.0,
            learned_s=seconds,
            needed_s=self.learn_s,
            rests_on_s=seconds,
            windows=detector.values_learned,
            provisional=True,
            text=_NO_PROMISE,
            kind="process",
        )
