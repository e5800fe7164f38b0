"""What the centre gets of the appliance's own health.

Duty: the measurements of health records, and the pure step from one record to tags and fields. A record names
its measurement, tags and fields itself; what the schema does not know is left out, and what it knows gets the
schema's type (a field keeps the type of its first value for ever).
"""

from __future__ import annotations

from typing import Any

from appliance.journal.record import RecordKind
from appliance.sinks.line_protocol import FieldValue
from appliance.sinks.measurement import TIME_MARKS, FieldInfo, MeasurementInfo


def _info(tags: tuple[str, ...], meaning: str, **fields: tuple[str, str, str]) -> MeasurementInfo:
    told = {name: FieldInfo(*about) for name, about in fields.items()}
    return MeasurementInfo(RecordKind.HEALTH, ("device_id", *tags), {**told, **TIME_MARKS}, meaning)


HEALTH_SCHEMA: dict[str, MeasurementInfo] = {
    "health": _info(
        (),
        "the appliance itself: load, memory, disk, flash, clock",
        uptime_s=("float", "s", "since the start of the service"),
        process_cpu_percent=("float", "%", "of one core, used by the service"),
        system_cpu_percent=("float", "%", "of all cores, used by everybody"),
        rss_bytes=("integer", "byte", "memory of the service"),
        memory_available_bytes=("integer", "byte", "memory that programs could still have"),
        disk_used_percent=("float", "%", "of the file system that holds the journal"),
        disk_free_bytes=("integer", "byte", "of the same"),
        journal_bytes=("integer", "byte", "the journal's files"),
        journal_bytes_per_day=("float", "byte", "written by the journal, per day"),
        flash_life_used_percent=("float", "%", "of the flash; absent where nobody knows"),
        flash_days_left=("float", "d", "until the flash is worn, at this rate; absent where nobody knows"),
        clock_trusted=("boolean", "", "whether a time server keeps the clock"),
        clock_source=("string", "", "what the clock rests on"),
        clock_untrusted_s=("float", "s", "for how long it has not been trusted"),
        clock_steps=("integer", "1", "how often the clock was set since the start"),
    ),
    "health_stage": _info(
        ("part", "instance"),
        "one stage of the work, `part`; `instance`: which of several (queue, machine, receiver)",
        depth=("integer", "1", "what waits there"),
        capacity=("integer", "1", "how much can wait; absent where bytes or a disk are the bound"),
        processed=("integer", "1", "since the start of the service"),
        dropped=("integer", "1", "since the start of the service"),
        errors=("integer", "1", "since the start of the service"),
        p50_s=("float", "s", "median latency of the period; absent where nothing happened"),
        p99_s=("float", "s", "99 % were quicker"),
    ),
    "health_score": _info(
        ("asset",),
        "anomaly scores of one machine in the period",
        n=("integer", "1", "windows that were scored"),
        p50=("float", "1", "median; 1.0 = limit"),
        p90=("float", "1", "90 % were lower"),
        p99=("float", "1", "99 % were lower"),
        over_limit=("integer", "1", "scores above 1.0 since the start of the service"),
    ),
    "health_link": _info(
        ("part", "instance"),
        "a link, `instance`, of the kind `part`",
        connected=("boolean", "", "whether it stands"),
        state=("string", "", "the state in words"),
        silent_s=("float", "s", "sources: since the last block; absent before the first"),
    ),
    "health_temperature": _info(
        ("instance",),
        "one temperature sensor of the box",
        degc=("float", "degC", "temperature"),
    ),
    "health_wear": _info(
        ("part",),
        "what one class of records, `part`, writes to the flash",
        written_bytes=("integer", "byte", "since the journal was made"),
        written_bytes_per_day=("float", "byte", "on average, per day"),
    ),
    "health_part": _info(
        ("part",),
        "one part of the software; only those that had troubles",
        errors=("integer", "1", "errors in its log since the start of the service"),
        restarts=("integer", "1", "how often it was started again"),
    ),
}


def health_fields(payload: Any) -> tuple[str, dict[str, str], dict[str, FieldValue | None]]:
    """Measurement, tags (without the device's) and fields of a health record.

    Raises KeyError, TypeError or ValueError for a payload that is none.
    """
    measurement = payload["measurement"]
    info = HEALTH_SCHEMA[measurement]
    tags = {name: str(value) for name, value in payload["tags"].items() if name in info.tags}
    fields = {
        name: _typed(info.fields[name].type, value)
        for name, value in payload["fields"].items()
        if name in info.fields
    }
    return measurement, tags, fields


def _typed(wanted: str, value: Any) -> FieldValue | None:
    if value is None:
        return None
    if wanted == "boolean":
        return bool(value)
    if wanted == "integer":
        return int(value)
    return float(value) if wanted == "float" else str(value)
