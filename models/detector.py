"""Feature vector to anomaly score: a robust baseline per channel and operating state, learned on the box.

Duty: when to learn, when to score, and what a score consists of. The arithmetic is `models.baseline`, which
the `numpy_reference` backend runs too. A baseline, once learned, is never changed: a machine that gets worse
slowly must not teach its detector that this is normal. Learning anew is a person's decision (`forget`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.samples import Float32Array, Float64Array
from models.baseline import Baseline, BaselineRules, FeatureScale, deviations, fit, rises, worst_mask
from models.errors import ArtefactError, ModelStateError
from models.feature_words import scale_of, words_of
from models.learning import ROBUST_BASELINE, LearnedState, as_package
from models.manifest import ModelManifest
from models.network_seat import NetworkSeat
from models.one_class_judge import MOST_ROWS, ROBUST, JudgeName

STATE_FORMAT = "robust-baseline-state-1"
SMOOTHED_WINDOWS = 5
_MIN_EXPLAINED_DB = 1.0
_MAX_LEARNING_ROWS = 3072  # over all states that are being learned; 0.5 MB as JSON


@dataclass(frozen=True, slots=True)
class AnomalyScore:
    """How far one window is from what was learned: 1.0 stands at the limit.

    `value` is the median of the last five windows' scores, for display and trends. `contributions` are this
    window's own: each feature's share, summing to the window's unsmoothed score, which alarms are made of.
    `rises` are the differences to the baseline, dB for levels, NaN where a feature is not scored.
    """

    channel_id: str
    start_ns: int
    value: float
    model_version: str
    backend: str
    contributions: Float32Array  # (n_features,), each feature's share, same order as the vector's names
    operating_state: str = ""
    rises: Float32Array | None = None  # (n_features,)
    fresh: float = 1.0  # share of the window's samples that no scored window of the channel had before

    @property
    def unsmoothed(self) -> float:
        """This window's own score, 1.0 = limit."""
        return float(self.contributions.sum(dtype=np.float64))


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """How much of the baseline of one channel and operating state is learned."""

    channel_id: str
    operating_state: str
    learned_s: float
    needed_s: float
    complete: bool
    provisional: bool  # the limit rests on too short a span for a stated false-alarm rate
    limit_text: str = ""  # for which rate the limit can vouch, in words


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How a baseline is learned; a profile (`demo`, `default`) chooses the figures."""

    learn_s: float  # healthy running per operating state before scores are given
    min_windows: int
    confirm_s: float = 7 * 86_400.0  # running at this limit before it is no longer provisional
    longest_step_s: float = 0.0  # a window stands for the time since the one before it, up to this


class Detector(Protocol):
    """Learns from healthy running, then scores. One interface for every detector, trained or statistical."""

    model_version: str

    def observe(self, features: FeatureVector) -> AnomalyScore | None:
        """Learn from this vector while its operating state is being learned (returns None), else score it."""
        ...

    def progress(self) -> list[LearningProgress]: ...

    def state(self) -> dict[str, Any]:
        """Everything learned, JSON-ready, for the journal's class `limit`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state from the journal. Raises ModelStateError if it does not fit."""
        ...


class BaselineDetector:
    """Robust statistical baseline; implements Detector. One instance may serve any number of channels.

    A window in an operating state that can never be learned (`unlearnable`: tags are stale) is scored
    against every learned state of its channel and gets the lowest score: it is an anomaly only where it is
    one in whatever state the machine may be in.
    """

    model_version = ROBUST_BASELINE

    def __init__(
        self,
        settings: LearningSettings,
        rules: BaselineRules | None = None,
        unlearnable: frozenset[str] = frozenset(),
        judged_by: JudgeName = ROBUST,
        network: NetworkSeat | None = None,
    ) -> None:
        """`judged_by`: the baseline's own statistic, or a one-class detector in its place; whoever has the
        seat of a `network` is asked before either."""
        self._settings = settings
        self._judged_by = judged_by
        self._network = network
        self._rules = rules or BaselineRules()
        self._unlearnable = unlearnable
        self._learned: dict[tuple[str, str], LearnedState] = {}
        self._recent: dict[str, deque[float]] = {}
        self._scored_until_ns: dict[str, int] = {}
        self.learning = True  # False after `end_learning`

    def observe(self, features: FeatureVector) -> AnomalyScore | None:
        """Learn from this vector while its operating state is being learned (returns None), else score it.

        None also for a vector that states no scored feature. Raises ModelStateError when features of
        another extractor arrive than the baseline was learned from.
        """
        state = features.operating_state
        if state in self._unlearnable:
            candidates = self._candidates(features)
            for learned in candidates:
                self._check_fit(learned, features)
            return self._lowest(features, candidates)
        key = (features.channel_id, state)
        learned = self._learned.get(key) or LearnedState(features.names, features.extractor_version)
        self._check_fit(learned, features)
        if learned.baseline is not None:
            score = self._lowest(features, [learned])
            if score is not None and score.value < 1.0:
                learned.confirmed_s += learned.running_s(features, self._settings.longest_step_s)
            return score
        if not self.learning or not np.isfinite(features.values).any():
            return None
        self._learned[key] = learned
        learned.learned_s += learned.running_s(features, self._settings.longest_step_s)
        learned.keep(features.values)
        self._bound_rows()
        if learned.learned_s >= self._settings.learn_s and learned.windows >= self._settings.min_windows:
            self._take_into_service(learned)
        return None

    def baselines_for(self, features: FeatureVector) -> list[Baseline]:
        """What this vector would be scored against now; none while its operating state is learned."""
        learned = self._candidates(features)
        return [one.baseline for one in learned if one.baseline is not None and one.names == features.names]

    def _candidates(self, features: FeatureVector) -> list[LearnedState]:
        channel_id, state = features.channel_id, features.operating_state
        anywhere = state in self._unlearnable
        return [
            learned
            for (channel, label), learned in self._learned.items()
            if channel == channel_id and (anywhere or label == state) and learned.baseline is not None
        ]

    def end_learning(self) -> None:
        """What was learned so far is the baseline (states with too few windows are dropped); learn no more.

        For recordings: the healthy ones are learned whole, then the others are judged.
        """
        enough = {
            key: learned
            for key, learned in self._learned.items()
            if learned.baseline is not None or learned.windows >= self._settings.min_windows
        }
        for learned in enough.values():
            if learned.baseline is None:
                self._take_into_service(learned)
        self._learned = enough
        self.learning = False

    def is_learned(self, channel_id: str, operating_state: str) -> bool:
        """Whether windows of this channel in this operating state are scored."""
        learned = self._learned.get((channel_id, operating_state))
        return learned is not None and learned.baseline is not None

    def baseline_of(self, channel_id: str, operating_state: str) -> Baseline | None:
        """What was learned there; None while it is being learned."""
        learned = self._learned.get((channel_id, operating_state))
        return None if learned is None else learned.baseline

    def learned_of(self, channel_id: str, operating_state: str) -> LearnedState | None:
        """What is learned there, or half learned."""
        return self._learned.get((channel_id, operating_state))

    def package_of(self, channel_id: str, operating_state: str) -> tuple[bytes, ModelManifest] | None:
        """The baseline as artefact and manifest, which every backend for baselines runs to equal scores."""
        learned = self._learned.get((channel_id, operating_state))
        if learned is None or learned.baseline is None:
            return None
        return as_package(learned.baseline, learned.extractor_version)

    def forget(self, channel_id: str) -> None:
        """Drop all that was learned of a channel, because a person said so (after a repair): learn anew."""
        self._learned = {key: value for key, value in self._learned.items() if key[0] != channel_id}
        self._recent.pop(channel_id, None)

    def progress(self) -> list[LearningProgress]:
        """One entry per channel and operating state that was seen, in the order they were first seen."""
        return [
            LearningProgress(
                channel_id=channel_id,
                operating_state=operating_state,
                learned_s=learned.learned_s,
                needed_s=self._settings.learn_s,
                complete=learned.baseline is not None,
                provisional=learned.learned_s + learned.confirmed_s < self._settings.confirm_s,
            )
            for (channel_id, operating_state), learned in self._learned.items()
        ]

    def state(self) -> dict[str, Any]:
        """Everything learned, JSON-ready, and what is half learned: a restart does not begin anew."""
        return {
            "format": STATE_FORMAT,
            "learned": [
                {"channel_id": channel_id, "operating_state": operating_state, **learned.to_json()}
                for (channel_id, operating_state), learned in self._learned.items()
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state from the journal, in place of all that was learned here.

        Raises ModelStateError if it does not fit; this detector is then unchanged.
        """
        if state.get("format") != STATE_FORMAT:
            raise ModelStateError(
                f"learned state has format {state.get('format')!r}; expected {STATE_FORMAT!r}"
            )
        try:
            learned = {
                (str(entry["channel_id"]), str(entry["operating_state"])): LearnedState.from_json(entry)
                for entry in state["learned"]
            }
        except (KeyError, TypeError, ValueError, AttributeError, ArtefactError) as error:
            raise ModelStateError(f"learned state cannot be read: {type(error).__name__} {error}") from error
        for one in learned.values():
            if one.baseline is not None:
                self._choose_judge(one, self._judged_by)
        self._learned = learned
        self._recent = {}

    def require(self, feature_names: tuple[str, ...]) -> None:
        """Raises ModelStateError where anything was learned from other features than these."""
        for (channel_id, operating_state), learned in self._learned.items():
            if learned.names != feature_names or learned.extractor_version != EXTRACTOR_VERSION:
                raise ModelStateError(
                    f"{channel_id!r} in state {operating_state!r} was learned from {len(learned.names)}"
                    f" features of extractor {learned.extractor_version!r}; those of"
                    f" {EXTRACTOR_VERSION!r} are {len(feature_names)}, or have other names"
                )

    def _bound_rows(self) -> None:
        """A machine of many speeds learns many states at once: memory and journal hold so many rows."""
        being_learned = [learned for learned in self._learned.values() if learned.baseline is None]
        if sum(len(learned.rows) for learned in being_learned) > _MAX_LEARNING_ROWS:
            max(being_learned, key=lambda learned: len(learned.rows)).thin()

    def _take_into_service(self, learned: LearnedState) -> None:
        scales = [scale_of(name) for name in learned.names]
        learned.load(fit(np.array(learned.rows), learned.names, scales, self._rules))
        while len(learned.rows) > MOST_ROWS:
            learned.thin()
        kept = sum(len(one.rows) for one in self._learned.values() if one.baseline is not None)
        # What is kept for a detector in the baseline's place is bounded; states beyond that do without it.
        self._choose_judge(learned, self._judged_by if kept <= _MAX_LEARNING_ROWS else ROBUST)

    def _choose_judge(self, learned: LearnedState, judged_by: JudgeName) -> None:
        learned.judged_by(judged_by)
        learned.seat = self._network

    def _check_fit(self, learned: LearnedState, features: FeatureVector) -> None:
        if learned.extractor_version != features.extractor_version or learned.names != features.names:
            raise ModelStateError(
                f"channel {features.channel_id!r} was learned from {len(learned.names)} features of extractor"
                f" {learned.extractor_version!r}, but {len(features.names)} features of extractor"
                f" {features.extractor_version!r} arrive; learn it anew"
            )

    def _lowest(self, features: FeatureVector, candidates: Sequence[LearnedState]) -> AnomalyScore | None:
        """The score against that one of the candidates which explains the window best."""
        batch = features.values[np.newaxis, :]
        raw = [(learned.score(features), i) for i, learned in enumerate(candidates)]
        raw = [(found, i) for found, i in raw if math.isfinite(found.value)]
        if not raw:
            return None
        found, best = min(raw, key=lambda one: (one[0].value, one[1]))
        learned, value = candidates[best], found.value
        learned.tell(features, value)
        assert learned.baseline is not None
        recent = self._recent.setdefault(features.channel_id, deque(maxlen=SMOOTHED_WINDOWS))
        recent.append(value)
        z = deviations(learned.baseline, batch)
        shares = worst_mask(z, learned.baseline.worst) * np.nan_to_num(np.maximum(z, 0.0))
        shares /= learned.baseline.limit
        version = learned.version
        if found.judge:  # the features that stand out most explain its score, too
            shares, version = _sharing(value, shares, z), f"{found.judge} on {learned.version}"
        return AnomalyScore(
            channel_id=features.channel_id,
            start_ns=features.start_ns,
            value=float(np.median(recent)),
            model_version=version,
            backend=found.backend,
            contributions=shares[0].astype(np.float32),
            operating_state=features.operating_state,
            rises=rises(learned.baseline, batch)[0].astype(np.float32),
            fresh=self._fresh(features),
        )

    def _fresh(self, features: FeatureVector) -> float:
        """Share of this window's samples that lie behind the last scored one of its channel."""
        duration_ns = max(1, round(features.duration_s * 1e9))
        end_ns = features.start_ns + duration_ns
        until_ns = self._scored_until_ns.get(features.channel_id)
        self._scored_until_ns[features.channel_id] = end_ns
        if until_ns is None or not features.start_ns < until_ns < end_ns:
            return 1.0
        return (end_ns - until_ns) / duration_ns


def _sharing(value: float, shares: Float64Array, z: Float64Array) -> Float64Array:
    """`(1, n_features)` shares that sum to `value`: as given, or all to what deviates most where none is."""
    total = float(shares.sum())
    if total > 0.0:
        result: Float64Array = shares * (value / total)
        return result
    alone = np.zeros_like(shares)
    alone[0, int(np.argmax(np.nan_to_num(np.abs(z[0]))))] = value
    return alone


def explain(score: AnomalyScore, names: Sequence[str]) -> str:
    """Which features made the score, strongest first: "band 2-2.5 kHz +11 dB, overall level +6 dB"."""
    order = [int(i) for i in np.argsort(-score.contributions, kind="stable") if score.contributions[i] > 0.0]
    parts: list[str] = []
    for i in order:
        rise = float("nan") if score.rises is None else float(score.rises[i])
        if math.isfinite(rise) and rise < _MIN_EXPLAINED_DB:
            continue
        unit = " dB" if scale_of(names[i]) in (FeatureScale.LEVEL, FeatureScale.DECIBEL) else ""
        parts.append(words_of(names[i]) + (f" {rise:+.0f}{unit}" if math.isfinite(rise) else ""))
    return ", ".join(parts) if parts else "no single feature stands out"
