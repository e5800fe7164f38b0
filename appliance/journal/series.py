"""Scores and process values as telemetry records.

Duty: the payloads of SCORE and TAG records; both are JSON objects whose field `value` is what a trend shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import orjson

from appliance.journal.record import NewRecord, RecordClass, RecordKind
from dsp.samples import Quality
from models.detector import AnomalyScore

TOP_CONTRIBUTIONS = 5


def score_record(score: AnomalyScore, names: Sequence[str] = ()) -> NewRecord:
    """A score with its model's version and the features that weigh most in it.

    `names` are those of the scored vector, in the order of `score.contributions`.
    """
    top: list[list[object]] = []
    if len(names) == len(score.contributions):
        order = np.argsort(-np.nan_to_num(np.abs(score.contributions)), kind="stable")[:TOP_CONTRIBUTIONS]
        top = [[names[index], _finite(float(score.contributions[index]))] for index in order]
    payload = {
        "value": _finite(score.value),
        "model_version": score.model_version,
        "backend": score.backend,
        "top": top,
    }
    return NewRecord(
        record_class=RecordClass.TELEMETRY,
        kind=RecordKind.SCORE,
        key=f"score/{score.channel_id}/{score.start_ns}",
        subject=score.channel_id,
        monotonic_ns=score.start_ns,
        payload=orjson.dumps(payload),
    )


def tag_record(
    channel_id: str, monotonic_ns: int, value: float, unit: str, quality: Quality = Quality.GOOD
) -> NewRecord:
    """One process value (shaft speed in Hz, load, temperature) at its time."""
    return NewRecord(
        record_class=RecordClass.TELEMETRY,
        kind=RecordKind.TAG,
        key=f"tag/{channel_id}/{monotonic_ns}",
        subject=channel_id,
        monotonic_ns=monotonic_ns,
        payload=orjson.dumps({"value": _finite(value), "unit": unit, "quality": quality.value}),
    )


def _finite(value: float) -> float | None:
    """JSON knows no NaN: a value that is none is null, and NaN again when it is read."""
    return value if math.isfinite(value) else None
