"""The learned limits of one machine's analysis: what they are, and what a person ordered of them.

Duty: facts of every limit, the factor that a person set, and taking one operating state out of what a channel
learned, or putting it back. Pure; who may do what is `limit_versions`', what is stored `limit_desk`'s.

Works on the documents that the analysis gives to the journal (`ChannelAnalysis.limits`): what a restart can
take over is what a person can take back, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from appliance.analysis_channel import ChannelAnalysis
from appliance.limit_versions import FIRST_BASELINE, LimitFacts, LimitKey, is_first_baseline
from models.detector import AnomalyScore
from models.errors import ModelStateError
from models.operating_state import UNKNOWN_STATES

Document = dict[str, Any]


class AssetLimits:
    """All limits of one machine. Not while its analysis processes: the caller holds the machine's lock."""

    def __init__(
        self,
        channels: Mapping[str, ChannelAnalysis],
        feature_names: Callable[[str], tuple[str, ...]],
        document_of: Callable[[str], Document],
        on_forgotten: Callable[[str], None],
        *,
        needed_s: float,
    ) -> None:
        """`feature_names` are those of a channel; `document_of` its LEARNED_LIMIT; `on_forgotten` is told of
        a channel whose scores mean nothing any more; `needed_s` of running teach an operating state."""
        self._needed_s = needed_s
        self._channels = channels
        self._feature_names = feature_names
        self._document_of = document_of
        self._on_forgotten = on_forgotten
        self._ordered: dict[str, dict[str, float]] = {}  # channel: operating state: factor

    def facts(self) -> list[LimitFacts]:
        """Every limit that is learned, or being learned."""
        found = []
        for channel_id, channel in self._channels.items():
            factor = channel.watch.statement.factor
            for progress in channel.progress():
                learned = channel.learned(progress.operating_state)
                if learned is None:
                    continue
                found.append(
                    LimitFacts(
                        key=LimitKey(channel_id, progress.operating_state),
                        baseline=learned.version,
                        complete=progress.complete,
                        factor=factor,
                        learned_s=learned.learned_s,
                        needed_s=progress.needed_s,
                        rests_on_s=learned.learned_s + learned.confirmed_s,
                        windows=learned.windows,
                        provisional=progress.provisional,
                        text=progress.limit_text,
                        model=learned.baseline,
                    )
                )
        return found

    def unlearned(self, key: LimitKey) -> LimitFacts | None:
        """A limit of which nothing is learned; None where the machine has no such channel (any more)."""
        if key.channel_id not in self._channels:
            return None
        first = is_first_baseline(key)
        needed_s = self._channels[key.channel_id].watch.first_needed_s if first else self._needed_s
        return LimitFacts(
            key=key, baseline="", complete=False, factor=1.0, learned_s=0.0, needed_s=needed_s,
            rests_on_s=0.0, windows=0, provisional=True, text="", kind="drift" if first else "limit",
        )  # fmt: skip

    def order(self, key: LimitKey, factor: float | None) -> None:
        """The limit stands at this multiple of the learned one; None: at what learning gives.

        While a person holds any limit of a channel, its fault lines' limit is not settled either.
        """
        of_channel = self._ordered.setdefault(key.channel_id, {})
        if factor is None:
            of_channel.pop(key.operating_state, None)
        else:
            of_channel[key.operating_state] = factor
        channel = self._channels.get(key.channel_id)
        if channel is not None:
            channel.limit_held = bool(of_channel)

    def ordered(self, channel_id: str, operating_state: str) -> float | None:
        """The factor that a person ordered; None where nobody did.

        Where the operating state is not known, the score is the lowest over all of them, and the highest of
        the channel's orders holds.
        """
        of_channel = self._ordered.get(channel_id)
        if not of_channel:
            return None
        factor = of_channel.get(operating_state)
        return max(of_channel.values()) if factor is None and operating_state in UNKNOWN_STATES else factor

    def in_service(self, score: AnomalyScore) -> AnomalyScore:
        """A score in units of the limit that a person ordered: 1.0 stays the limit."""
        factor = self.ordered(score.channel_id, score.operating_state)
        if factor is None:
            return score
        ratio = self._channels[score.channel_id].watch.statement.factor / factor
        shares = (score.contributions * ratio).astype(np.float32)
        return replace(score, value=score.value * ratio, contributions=shares)

    def document(self, channel_id: str) -> Document:
        """All that a channel has learned, for the journal."""
        return self._document_of(channel_id)

    def content(self, key: LimitKey) -> Document:
        """What a channel learned in one operating state."""
        return content_of(self._channels[key.channel_id].limits(), key.operating_state)

    def forget(self, key: LimitKey) -> None:
        """Learn this operating state anew, because a person said so (after a repair)."""
        self._replace(key.channel_id, without(self._channels[key.channel_id].limits(), key.operating_state))
        self._on_forgotten(key.channel_id)

    def recall(self, key: LimitKey, content: Mapping[str, Any]) -> None:
        """Take what was learned before into service again. Raises ModelStateError where it does not fit."""
        document = without(self._channels[key.channel_id].limits(), key.operating_state)
        self._replace(key.channel_id, with_content(document, key, content))

    def first_baselines(self) -> list[LimitFacts]:
        """What the drift of each channel is compared with, where there is something yet."""
        found = []
        for channel_id, channel in self._channels.items():
            first = channel.watch.first_baseline
            if first is not None:
                found.append(
                    LimitFacts(
                        key=LimitKey(channel_id, FIRST_BASELINE),
                        baseline=first.name,
                        complete=first.learned,
                        factor=1.0,
                        learned_s=first.learned_s,
                        needed_s=first.needed_s,
                        rests_on_s=first.learned_s,
                        windows=0,
                        provisional=not first.learned,
                        text="",
                        kind="drift",
                    )
                )
        return found

    def first_baseline(self, channel_id: str) -> Document:
        """What a channel's drift is compared with, to be restored later."""
        return self._channels[channel_id].watch.first_state()

    def give_up_first_baseline(self, channel_id: str) -> None:
        """What the channel shows from now on is its first baseline, because a person said so."""
        self._channels[channel_id].watch.give_up_first()

    def recall_first_baseline(self, channel_id: str, content: Mapping[str, Any]) -> None:
        """Compare with an earlier first baseline again. Raises ModelStateError where it does not fit."""
        self._channels[channel_id].watch.restore_first(content)

    def put_back(self, channel_id: str, document: Document) -> None:
        """A channel as it was, after a change that could not be done whole."""
        self._channels[channel_id].restore(document, self._feature_names(channel_id))

    def _replace(self, channel_id: str, document: Document) -> None:
        """Let a channel take over a document; on ModelStateError it has what it had before."""
        channel, names = self._channels[channel_id], self._feature_names(channel_id)
        before = channel.limits()
        try:
            channel.restore(document, names)
        except ModelStateError:
            channel.restore(before, names)
            raise


def content_of(document: Mapping[str, Any], operating_state: str) -> Document:
    """What one operating state taught, out of a channel's document."""
    detector = [e for e in document["detector"]["learned"] if e["operating_state"] == operating_state]
    settled = document.get("watch", {}).get("fault_limit", {})
    return {
        "detector": [{k: v for k, v in entry.items() if k != "channel_id"} for entry in detector],
        "lines": document["diagnoser"]["baselines"].get(operating_state),
        "records_learned": document["records_learned"].get(operating_state),
        "sensor": document["sensor"].get(operating_state),
        # told, not restored: it is of the whole channel
        "fault_limit": {
            name: settled[name] for name in ("factor", "settled", "settled_h") if name in settled
        },
    }


def without(document: Mapping[str, Any], operating_state: str) -> Document:
    """A channel's document without one operating state."""

    def others(by_state: Mapping[str, Any]) -> Document:
        return {label: value for label, value in by_state.items() if label != operating_state}

    kept = [e for e in document["detector"]["learned"] if e["operating_state"] != operating_state]
    changed = {
        **document,
        "detector": {**document["detector"], "learned": kept},
        "diagnoser": {**document["diagnoser"], "baselines": others(document["diagnoser"]["baselines"])},
        "records_learned": others(document["records_learned"]),
        "sensor": others(document["sensor"]),
    }
    if "watch" in document:
        # the next baseline that differs from the first begins the watch of the limit anew
        changed["watch"] = {**document["watch"], "rebaselined": False}
    return changed


def with_content(document: Document, key: LimitKey, content: Mapping[str, Any]) -> Document:
    """A channel's document with what one operating state taught."""
    label = key.operating_state
    try:
        entries = [{"channel_id": key.channel_id, **entry} for entry in content["detector"]]
        lines, records, sensor = content["lines"], content["records_learned"], content["sensor"]
    except (KeyError, TypeError) as error:
        raise ModelStateError(f"what was learned in {label!r} cannot be read: {error}") from error
    learned = [*document["detector"]["learned"], *entries]
    changed = {**document, "detector": {**document["detector"], "learned": learned}}
    if lines is not None:
        baselines = {**document["diagnoser"]["baselines"], label: lines}
        changed["diagnoser"] = {**document["diagnoser"], "baselines": baselines}
    if records is not None:
        changed["records_learned"] = {**document["records_learned"], label: records}
    if sensor is not None:
        changed["sensor"] = {**document["sensor"], label: sensor}
    return changed
