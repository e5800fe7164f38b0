"""From every window's figures to what is stored: one averaged record per channel and period.

Duty: the arithmetic of averaging features, scores and process values over time. Pure: what is due is
returned. An average never spans a gap, a change of operating state or a change of the extractor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import orjson

from appliance.journal.features import features_record
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from dsp.extractor import FeatureVector
from dsp.hop_figures import FIRST_LINE, LINE_NAMES
from dsp.samples import Quality, SampleBlock
from models.detector import AnomalyScore

_TOUCHING_NS = 1_000_000  # windows that touch may be apart by the error of a fitted clock
_WORST = (Quality.BAD, Quality.UNCERTAIN, Quality.GOOD)


@dataclass(slots=True)
class _Mean:
    """A growing mean of single values."""

    first_ns: int
    total: float = 0.0
    count: int = 0
    greatest: float = float("-inf")

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1
        self.greatest = max(self.greatest, value)


class TelemetryAverager:
    """Collects windows, scores and tag values and hands out records when their period is full.

    `period_s` 0 hands out every one. Scores keep their greatest value: what passed a limit must be seen.
    """

    def __init__(self, period_s: float) -> None:
        self._period_ns = round(period_s * 1e9)
        self._windows: dict[str, list[FeatureVector]] = {}
        self._scores: dict[str, _Mean] = {}
        self._tags: dict[str, _Mean] = {}

    def features(self, vector: FeatureVector) -> list[NewRecord]:
        """Take one window's features."""
        channel_id = vector.channel_id
        records: list[NewRecord] = []
        waiting = self._windows.get(channel_id)
        if waiting and not (_alike(waiting[0], vector) and _follows(waiting[-1], vector)):
            records.extend(self.interrupt(channel_id))
        waiting = self._windows.setdefault(channel_id, [])
        waiting.append(vector)
        if vector.start_ns + vector.duration_s * 1e9 - waiting[0].start_ns >= self._period_ns:
            records.extend(self.interrupt(channel_id))
        return records

    def score(self, score: AnomalyScore) -> list[NewRecord]:
        """Take one window's score."""
        return self._value(self._scores, RecordKind.SCORE, score.channel_id, score.start_ns, score.value)

    def tag(self, block: SampleBlock) -> list[NewRecord]:
        """Take one process value."""
        value = float(block.samples[-1])
        return self._value(self._tags, RecordKind.TAG, block.channel_id, block.start_ns, value)

    def interrupt(self, channel_id: str) -> list[NewRecord]:
        """What is collected of this channel's windows or values, averaged: nothing that follows belongs to
        it."""
        waiting, tag = self._windows.pop(channel_id, []), self._tags.pop(channel_id, None)
        records = [features_record(_average(waiting))] if waiting else []
        return records if tag is None else [*records, _value_record(RecordKind.TAG, channel_id, tag)]

    def flush(self) -> list[NewRecord]:
        """All that is collected, at the end."""
        records = [record for channel_id in list(self._windows) for record in self.interrupt(channel_id)]
        for table, kind in ((self._scores, RecordKind.SCORE), (self._tags, RecordKind.TAG)):
            records.extend(_value_record(kind, channel_id, mean) for channel_id, mean in table.items())
            table.clear()
        return records

    def _value(
        self, table: dict[str, _Mean], kind: RecordKind, channel_id: str, time_ns: int, value: float
    ) -> list[NewRecord]:
        mean = table.setdefault(channel_id, _Mean(time_ns))
        mean.add(value)
        if time_ns - mean.first_ns < self._period_ns:
            return []
        return [_value_record(kind, channel_id, table.pop(channel_id))]


def _value_record(kind: RecordKind, channel_id: str, mean: _Mean) -> NewRecord:
    value = mean.greatest if kind is RecordKind.SCORE else mean.total / mean.count
    return NewRecord(
        RecordClass.TELEMETRY,
        kind,
        f"{kind}/{channel_id}/{mean.first_ns}",
        channel_id,
        mean.first_ns,
        orjson.dumps({"value": value}),
    )


def _alike(one: FeatureVector, other: FeatureVector) -> bool:
    return (
        one.names == other.names
        and one.operating_state == other.operating_state
        and one.extractor_version == other.extractor_version
    )


def _follows(one: FeatureVector, other: FeatureVector) -> bool:
    """Whether nothing is missing between two windows; those of an unbroken stream touch or overlap."""
    return other.start_ns <= one.start_ns + one.duration_s * 1e9 + _TOUCHING_NS


def _average(vectors: list[FeatureVector]) -> FeatureVector:
    """Mean of windows that belong together; a feature that some could not state is the mean of the others.

    Lines have ranks, and the first of two windows may be two lines: an average has those of the window whose
    first line is strongest.
    """
    first, last = vectors[0], vectors[-1]
    if len(vectors) == 1:
        return first
    values = np.stack([vector.values for vector in vectors]).astype(np.float64)
    stated = np.isfinite(values)
    counts = stated.sum(axis=0)
    means = np.where(counts > 0, np.where(stated, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    if FIRST_LINE in first.names:
        of_lines = [i for i, name in enumerate(first.names) if name in LINE_NAMES]
        strength = np.nan_to_num(values[:, first.names.index(FIRST_LINE)], nan=-1.0)
        means[of_lines] = values[int(np.argmax(strength)), of_lines]
    return FeatureVector(
        channel_id=first.channel_id,
        start_ns=first.start_ns,
        duration_s=(last.start_ns - first.start_ns) / 1e9 + last.duration_s,
        names=first.names,
        values=means.astype(np.float32),
        operating_state=first.operating_state,
        quality=_worst(vector.quality for vector in vectors),
        extractor_version=first.extractor_version,
    )


def _worst(qualities: Iterable[Quality]) -> Quality:
    return min(qualities, key=_WORST.index)
