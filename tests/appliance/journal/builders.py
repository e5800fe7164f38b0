"""Records for the journal's tests, and the small budgets they are kept in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson

from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.retention import MIB, Budgets, ClassBudget, Timing
from dsp.extractor import FeatureVector
from dsp.samples import Quality

SECOND_NS = 1_000_000_000
START_NS = 1_800_000_000 * SECOND_NS
ALL_TIME = (0, 1 << 62)
NAMES = ("rms_mps2", "peak_mps2", "kurtosis")
SMALL = Budgets(reserve_transitions=500)
QUICK = Timing(group_s=0.05, commit_limit_s=1.0, retry_s=0.05, space_check_s=0.1)
PATIENT = replace(QUICK, commit_limit_s=60.0)  # for tests that are not about a disk that takes its time
EVIDENCE = {
    "severity": "warn",
    "text": "outer race, BPFO at 3.58 x shaft speed, 14 dB over baseline, rising for 90 s",
    "evidence": {f"line_{order}": {"frequency_hz": 104.6 * order, "over_dB": 14.2} for order in range(20)},
}


def alarm(number: int, alarm_id: str = "pump-1.machine-condition", payload: bytes | None = None) -> NewRecord:
    """An alarm transition; each number is another one."""
    return NewRecord(
        RecordClass.ALARM,
        RecordKind.ALARM_TRANSITION,
        f"alarm/{alarm_id}/{number}",
        alarm_id,
        number * SECOND_NS,
        orjson.dumps({"number": number, **EVIDENCE}) if payload is None else payload,
    )


def counter(value: int) -> NewRecord:
    return NewRecord(
        RecordClass.COUNTER,
        RecordKind.COUNTER_VALUE,
        f"counter/starts={value}",
        "starts/pump-1",
        value,
        orjson.dumps({"value": value}),
    )


def vector(
    start_ns: int,
    *values: float,
    channel_id: str = "pump-1.de.x",
    names: tuple[str, ...] = NAMES,
    version: str = "trend-1",
    duration_s: float = 1.25,
) -> FeatureVector:
    given = values or tuple(range(len(names)))
    return FeatureVector(
        channel_id=channel_id,
        start_ns=start_ns,
        duration_s=duration_s,
        names=names,
        values=np.array(given, dtype=np.float32),
        operating_state="speed-25/load-50",
        quality=Quality.GOOD,
        extractor_version=version,
    )


def budgets(**sizes_bytes: int) -> Budgets:
    """Small budgets, some of them set: `budgets(telemetry=100_000)`."""
    given = {
        name: ClassBudget(size, None, name in {"alarm", "counter", "limit"})
        for name, size in sizes_bytes.items()
    }
    return Budgets(reserve_transitions=500, pending_telemetry_bytes=4 * MIB, **given)
