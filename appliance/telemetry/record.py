"""A health report as records for the journal: one per stage, machine, link, sensor, class and part.

Duty: the payloads of HEALTH records, and reading latencies back out of them. Each record names the
measurement at the centre that it becomes, its tags and its fields (docs/influx-schema.md). How many there are
is bounded by the configuration: nothing that arrives from outside makes one more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import orjson

from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.telemetry.health import HealthReport, Stage

Field = float | int | bool | str | None
STAGE = "health_stage"


def stage_subject(stage: Stage, instance: str) -> str:
    """The subject of a stage's records: what its history is asked for by."""
    return f"{STAGE}/{stage}/{instance}"


def health_records(report: HealthReport) -> list[NewRecord]:
    """All of a report that is worth a history. Texts, totals by bucket and trends stay on the box."""
    records = [_record(report, "health", {}, _box(report))]
    for stage in report.stages:
        fields: dict[str, Field] = {
            "depth": stage.depth,
            "capacity": stage.capacity,
            "processed": stage.processed,
            "dropped": stage.dropped,
            "errors": stage.errors,
            "p50_s": stage.p50_s,
            "p99_s": stage.p99_s,
        }
        records.append(_record(report, STAGE, {"part": stage.stage, "instance": stage.instance}, fields))
    for scores in report.scores:
        fields = {
            "n": scores.period_scores.n,
            "p50": scores.p50,
            "p90": scores.p90,
            "p99": scores.p99,
            "over_limit": scores.over_limit,
        }
        records.append(_record(report, "health_score", {"asset": scores.asset_id}, fields))
    for link in report.links:
        fields = {"connected": link.connected, "state": link.state, "silent_s": link.silent_s}
        records.append(_record(report, "health_link", {"part": link.kind, "instance": link.name}, fields))
    records += [
        _record(report, "health_temperature", {"instance": one.sensor}, {"degc": one.degc})
        for one in report.temperatures
    ]
    for wear in report.wear.classes:
        fields = {
            "written_bytes": wear.written_bytes,
            "written_bytes_per_day": wear.written_bytes_per_day,
        }
        records.append(_record(report, "health_wear", {"part": wear.record_class}, fields))
    for part in report.parts:
        fields = {"errors": part.errors, "restarts": part.restarts}
        records.append(_record(report, "health_part", {"part": part.part}, fields))
    return records


def latency_of(record: Record) -> float | None:
    """The median latency that a stage's record tells, s; None where nothing happened or it cannot be read."""
    try:
        value = orjson.loads(record.payload)["fields"]["p50_s"]
    except (ValueError, KeyError, TypeError):
        return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _box(report: HealthReport) -> dict[str, Field]:
    load, disk, wear, clock = report.load, report.disk, report.wear, report.clock
    return {
        "uptime_s": report.uptime_s,
        "process_cpu_percent": load.process_cpu_percent,
        "system_cpu_percent": load.system_cpu_percent,
        "rss_bytes": load.rss_bytes,
        "memory_available_bytes": load.memory_available_bytes,
        "disk_used_percent": disk.used_percent,
        "disk_free_bytes": disk.free_bytes,
        "journal_bytes": disk.journal_bytes,
        "journal_bytes_per_day": wear.journal_bytes_per_day,
        "flash_life_used_percent": wear.life_used_percent,
        "flash_days_left": wear.days_left,
        "clock_trusted": clock.trusted,
        "clock_source": clock.source,
        "clock_untrusted_s": clock.untrusted_s,
        "clock_steps": clock.steps,
    }


def _record(
    report: HealthReport, measurement: str, tags: Mapping[str, str], fields: Mapping[str, Field]
) -> NewRecord:
    subject = "/".join((measurement, *map(str, tags.values())))
    return NewRecord(
        record_class=RecordClass.TELEMETRY,
        kind=RecordKind.HEALTH,
        key=f"{subject}/{report.monotonic_ns}",
        subject=subject,
        monotonic_ns=report.monotonic_ns,
        payload=orjson.dumps({"measurement": measurement, "tags": dict(tags), "fields": dict(fields)}),
    )
