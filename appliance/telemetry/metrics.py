"""The health report and the counters as Prometheus text exposition format 0.0.4.

Duty: the table of all metrics (held equal to docs/metrics.md by a test) and pure rendering. Names carry base
units; labels are bounded by the configuration. What is not known has no sample: a temperature that nobody
measures is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.counters import Counter, CounterTotal
from appliance.telemetry.distribution import Distribution
from appliance.telemetry.health import HealthReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric: its type ("gauge", "counter", "histogram"), labels and meaning."""

    type: str
    labels: tuple[str, ...]
    meaning: str


_STAGE = ("stage", "instance")

METRICS: dict[str, MetricInfo] = {
    "stethos_build_info": MetricInfo("gauge", ("name", "version"), "1; the labels name the appliance"),
    "stethos_uptime_seconds": MetricInfo("gauge", (), "since the start of the service"),
    "stethos_stage_depth": MetricInfo("gauge", _STAGE, "what waits at a stage of the work"),
    "stethos_stage_capacity": MetricInfo("gauge", _STAGE, "how much can wait there; absent without a bound"),
    "stethos_stage_processed_total": MetricInfo("counter", _STAGE, "what a stage finished"),
    "stethos_stage_dropped_total": MetricInfo("counter", _STAGE, "what a stage gave up"),
    "stethos_stage_errors_total": MetricInfo("counter", _STAGE, "what failed there, retries included"),
    "stethos_stage_latency_seconds": MetricInfo("histogram", _STAGE, "how long a stage takes"),
    "stethos_stage_latency_week_ratio": MetricInfo(
        "gauge", _STAGE, "median of the last hour over that of the week before; absent while not judged"
    ),
    "stethos_anomaly_score": MetricInfo("histogram", ("asset",), "anomaly scores of windows; 1.0 = limit"),
    "stethos_scores_over_limit_total": MetricInfo("counter", ("asset",), "scores above 1.0"),
    "stethos_network_latency_seconds": MetricInfo(
        "histogram", ("slot",), "calls of a network, whoever answered within the deadline"
    ),
    "stethos_network_answers_total": MetricInfo(
        "counter", ("slot", "backend"), "windows that were asked of a network, by who answered"
    ),
    "stethos_network_process_starts_total": MetricInfo(
        "counter", ("slot", "backend"), "processes started to run a network"
    ),
    "stethos_network_fallbacks_total": MetricInfo(
        "counter", ("slot",), "times that answers had to come from farther down the chain than before"
    ),
    "stethos_network_first_choice": MetricInfo(
        "gauge", ("slot",), "1 while a network's first choice of runtime answers; absent while none is wanted"
    ),
    "stethos_shadow_windows_total": MetricInfo(
        "counter", ("slot",), "windows that a bundle in the shadow scored, too; from 0 for each shadow"
    ),
    "stethos_shadow_over_limit_total": MetricInfo(
        "counter", ("slot", "over"), "of these, beyond the limit of: both, only active, only shadow"
    ),
    "stethos_shadow_score_mean": MetricInfo(
        "gauge", ("slot", "of"), "mean score of these windows: active, shadow"
    ),
    "stethos_shadow_correlation": MetricInfo(
        "gauge", ("slot",), "of both scores; absent below three windows, and where one never changes"
    ),
    "stethos_shadow_unanswered_total": MetricInfo("counter", ("slot",), "windows that it gave no score"),
    "stethos_shadow_dropped_total": MetricInfo(
        "counter", ("slot",), "windows that came faster than it answered"
    ),
    "stethos_part_errors_total": MetricInfo("counter", ("part",), "errors that a part wrote into the log"),
    "stethos_part_restarts_total": MetricInfo("counter", ("part",), "how often a part was started again"),
    "stethos_process_cpu_seconds_total": MetricInfo("counter", (), "processor time used by the service"),
    "stethos_system_cpu_ratio": MetricInfo("gauge", (), "share of all cores that is used, by everybody"),
    "stethos_system_load1": MetricInfo("gauge", (), "load average over one minute"),
    "stethos_process_resident_memory_bytes": MetricInfo("gauge", (), "memory of the service"),
    "stethos_memory_available_bytes": MetricInfo("gauge", (), "memory that programs could still have"),
    "stethos_memory_total_bytes": MetricInfo("gauge", (), "memory of the box"),
    "stethos_temperature_celsius": MetricInfo(
        "gauge", ("sensor",), "temperatures of the box, where it has any"
    ),
    "stethos_disk_total_bytes": MetricInfo("gauge", (), "size of the file system that holds the journal"),
    "stethos_disk_free_bytes": MetricInfo("gauge", (), "room in it for the service"),
    "stethos_disk_used_ratio": MetricInfo("gauge", (), "share of it that is used, as df says it"),
    "stethos_journal_size_bytes": MetricInfo("gauge", (), "the journal's files"),
    "stethos_journal_written_bytes_total": MetricInfo(
        "counter", ("class",), "written for a class of records since the journal was made"
    ),
    "stethos_journal_written_bytes_per_day": MetricInfo("gauge", ("class",), "the same, on average per day"),
    "stethos_journal_durable": MetricInfo("gauge", (), "1 while the journal can be written"),
    "stethos_flash_written_bytes_total": MetricInfo(
        "counter", ("device",), "written to the device by everybody since the kernel's boot"
    ),
    "stethos_flash_life_used_ratio": MetricInfo(
        "gauge", ("device", "source"), "share of the flash's life that is used; absent where nobody knows"
    ),
    "stethos_flash_life_left_seconds": MetricInfo(
        "gauge", ("device",), "until the flash is worn, at the journal's rate; absent where nobody knows"
    ),
    "stethos_clock_trusted": MetricInfo("gauge", (), "1 while a time server keeps the clock"),
    "stethos_clock_untrusted_seconds": MetricInfo("gauge", (), "for how long it has not been trusted"),
    "stethos_clock_steps_total": MetricInfo("counter", (), "how often the clock was set"),
    "stethos_link_connected": MetricInfo("gauge", ("link", "kind"), "1 while a link stands"),
    "stethos_source_silence_seconds": MetricInfo("gauge", ("source",), "since a source's last block"),
    "stethos_machine_running_seconds_total": MetricInfo("counter", ("asset",), "running time of a machine"),
    "stethos_machine_starts_total": MetricInfo("counter", ("asset",), "starts of a machine"),
    "stethos_service_starts_total": MetricInfo("counter", ("subject",), "starts of this service"),
    "stethos_blocks_total": MetricInfo("counter", ("channel",), "blocks of samples analysed"),
    "stethos_samples_total": MetricInfo("counter", ("channel",), "samples analysed"),
    "stethos_windows_total": MetricInfo("counter", ("channel",), "windows whose features were computed"),
    "stethos_gaps_total": MetricInfo("counter", ("channel",), "intervals without data"),
    "stethos_missing_samples_total": MetricInfo("counter", ("channel",), "samples known to be missing"),
    "stethos_dropped_blocks_total": MetricInfo("counter", ("source",), "blocks that a full queue dropped"),
    "stethos_raw_bytes_total": MetricInfo(
        "counter", (), "samples that came in since the account of the way to the centre was begun"
    ),
    "stethos_central_sent_bytes_total": MetricInfo(
        "counter", ("class",), "bodies sent to the centre since then, packed, repeated ones, too"
    ),
    "stethos_central_day_bytes": MetricInfo("gauge", ("class",), "the same of today (UTC)"),
    "stethos_central_day_budget_bytes": MetricInfo(
        "gauge", ("class",), "what may be sent in a day; absent where there is no bound"
    ),
    "stethos_stayed_ratio": MetricInfo("gauge", (), "share of the raw bytes that did not go to the centre"),
    "stethos_audit_points": MetricInfo(
        "gauge", ("state",), "points sent within `audit_days`, by what is known of them at the centre"
    ),
    "stethos_audit_conflicts": MetricInfo("gauge", (), "hours of data that a person must look at"),
    "stethos_audit_rounds_total": MetricInfo("counter", (), "rounds of the arrival audit that were ended"),
    "stethos_audit_resent_records_total": MetricInfo("counter", (), "records that the audit sent again"),
    "stethos_audit_repaired_slots_total": MetricInfo("counter", (), "hours of a series that it repaired"),
    "stethos_audit_questions_total": MetricInfo("counter", (), "questions that it asked the centre"),
    "stethos_audit_answer_bytes_total": MetricInfo("counter", (), "bytes of the answers, unpacked"),
    "stethos_audit_last_round_timestamp_seconds": MetricInfo(
        "gauge", (), "Unix time of the end of its last round; absent before the first"
    ),
    "stethos_alarms_total": MetricInfo("counter", ("asset",), "alarms raised, raised again included"),
    "stethos_capture_memory_bytes": MetricInfo("gauge", (), "samples held in memory for captures"),
    "stethos_capture_waiting_parts": MetricInfo("gauge", (), "captured parts that wait for the disk"),
    "stethos_capture_failed_parts_total": MetricInfo("counter", (), "captured parts that the disk refused"),
    "stethos_object_store_sent_bytes_total": MetricInfo(
        "counter", (), "captured parts that the object store has; over restarts"
    ),
    "stethos_object_store_today_bytes": MetricInfo(
        "gauge", (), "sent to the object store today (UTC), failed attempts included"
    ),
    "stethos_object_store_refused_parts": MetricInfo("gauge", (), "captured parts that the store refused"),
    "stethos_captures_total": MetricInfo(
        "counter", ("asset",), "waveforms captured around alarms, by hand too"
    ),
    "stethos_captures_left_out_total": MetricInfo(
        "counter", ("asset",), "waveforms, or parts of them, left out for want of time or room"
    ),
    "stethos_captures_suppressed_total": MetricInfo("counter", ("asset",), "triggers beyond `most_per_hour`"),
    "stethos_parts_inspected_total": MetricInfo(
        "counter", ("camera",), "parts with a verdict, good or defect"
    ),
    "stethos_parts_defective_total": MetricInfo("counter", ("camera",), "parts whose verdict was defect"),
    "stethos_parts_no_verdict_total": MetricInfo(
        "counter", ("camera",), "parts that got no verdict: late, no usable picture, still learning"
    ),
    "stethos_defects_total": MetricInfo(
        "counter", ("defect",), "defects by camera and kind, as `CAMERA/KIND`; of models that know kinds"
    ),
    "stethos_verdicts_not_written_total": MetricInfo(
        "counter", ("camera",), "parts whose outcome did not reach the PLC's tags in time"
    ),
    "stethos_dropped_frames_total": MetricInfo(
        "counter", ("camera",), "pictures that a full queue dropped, or that were given up under overload"
    ),
}
"""Every metric, in the order of the page. The counters at the end outlive a restart; the others do not."""

COUNTERS: dict[str, tuple[str, float]] = {
    Counter.RUNNING_HOURS: ("stethos_machine_running_seconds_total", 3600.0),
    Counter.STARTS: ("stethos_machine_starts_total", 1.0),
    Counter.SERVICE_STARTS: ("stethos_service_starts_total", 1.0),
    Counter.BLOCKS: ("stethos_blocks_total", 1.0),
    Counter.SAMPLES: ("stethos_samples_total", 1.0),
    Counter.WINDOWS: ("stethos_windows_total", 1.0),
    Counter.GAPS: ("stethos_gaps_total", 1.0),
    Counter.MISSING_SAMPLES: ("stethos_missing_samples_total", 1.0),
    Counter.DROPPED_BLOCKS: ("stethos_dropped_blocks_total", 1.0),
    Counter.ALARMS: ("stethos_alarms_total", 1.0),
    Counter.CAPTURES: ("stethos_captures_total", 1.0),
    Counter.CAPTURES_LEFT_OUT: ("stethos_captures_left_out_total", 1.0),
    Counter.CAPTURES_SUPPRESSED: ("stethos_captures_suppressed_total", 1.0),
    Counter.PARTS_INSPECTED: ("stethos_parts_inspected_total", 1.0),
    Counter.PARTS_DEFECTIVE: ("stethos_parts_defective_total", 1.0),
    Counter.PARTS_NO_VERDICT: ("stethos_parts_no_verdict_total", 1.0),
    Counter.DEFECTS: ("stethos_defects_total", 1.0),
    Counter.VERDICTS_NOT_WRITTEN: ("stethos_verdicts_not_written_total", 1.0),
    Counter.DROPPED_FRAMES: ("stethos_dropped_frames_total", 1.0),
}
"""The metric of each counter, and what its value is multiplied by."""

LATENCY_LE_S = (
    *(float(f"{digit}e{decade}") for decade in range(-4, 2) for digit in (1, 2, 5)),
    100.0,
)
SCORE_LE = (0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 4.0, 8.0, 20.0, 100.0)
"""Upper bounds of exposed buckets: some of the meters' own, so that a page stays small."""

Sample = tuple[str, tuple[str, ...], float | Distribution | None]


def render(report: HealthReport, counters: Iterable[CounterTotal] = (), more: Iterable[Sample] = ()) -> bytes:
    """The page. A metric without any sample is left out. `more`: samples of parts beside the report."""
    samples: dict[str, dict[tuple[str, ...], float | Distribution]] = {name: {} for name in METRICS}
    for name, labels, value in (*_box(report), *_work(report), *_counters(counters), *more):
        if value is not None:
            samples[name][labels] = value
    lines: list[str] = []
    for name, info in METRICS.items():
        if samples[name]:
            lines += (f"# HELP {name} {_help(info.meaning)}", f"# TYPE {name} {info.type}")
            for labels, value in samples[name].items():
                lines += _lines(name, dict(zip(info.labels, labels, strict=True)), value)
    return ("\n".join(lines) + "\n").encode()


def _box(report: HealthReport) -> Iterator[Sample]:
    load, disk, wear, clock = report.load, report.disk, report.wear, report.clock
    yield "stethos_build_info", (report.name, report.version), 1
    yield "stethos_uptime_seconds", (), report.uptime_s
    yield "stethos_process_cpu_seconds_total", (), load.process_cpu_s
    yield "stethos_system_cpu_ratio", (), load.system_cpu_percent / 100.0
    yield "stethos_system_load1", (), load.load_1min
    yield "stethos_process_resident_memory_bytes", (), load.rss_bytes
    yield "stethos_memory_available_bytes", (), load.memory_available_bytes
    yield "stethos_memory_total_bytes", (), load.memory_total_bytes
    for one in report.temperatures:
        yield "stethos_temperature_celsius", (one.sensor,), one.degc
    yield "stethos_disk_total_bytes", (), disk.total_bytes
    yield "stethos_disk_free_bytes", (), disk.free_bytes
    yield "stethos_disk_used_ratio", (), disk.used_percent / 100.0
    yield "stethos_journal_size_bytes", (), disk.journal_bytes
    for kept in wear.classes:
        yield "stethos_journal_written_bytes_total", (kept.record_class,), kept.written_bytes
        yield "stethos_journal_written_bytes_per_day", (kept.record_class,), kept.written_bytes_per_day
    yield "stethos_journal_durable", (), report.journal_durable
    yield "stethos_flash_written_bytes_total", (wear.device,), wear.device_written_bytes
    used, days = wear.life_used_percent, wear.days_left
    yield "stethos_flash_life_used_ratio", (wear.device, wear.source), None if used is None else used / 100.0
    yield "stethos_flash_life_left_seconds", (wear.device,), None if days is None else days * DAY_S
    yield "stethos_clock_trusted", (), clock.trusted
    yield "stethos_clock_untrusted_seconds", (), clock.untrusted_s
    yield "stethos_clock_steps_total", (), clock.steps


def _work(report: HealthReport) -> Iterator[Sample]:
    for stage in report.stages:
        labels = (str(stage.stage), stage.instance)
        yield "stethos_stage_depth", labels, stage.depth
        yield "stethos_stage_capacity", labels, stage.capacity
        yield "stethos_stage_processed_total", labels, stage.processed
        yield "stethos_stage_dropped_total", labels, stage.dropped
        yield "stethos_stage_errors_total", labels, stage.errors
        yield "stethos_stage_latency_seconds", labels, stage.latency
    for trend in report.trends:
        yield "stethos_stage_latency_week_ratio", (str(trend.stage), trend.instance), trend.factor
    for scores in report.scores:
        yield "stethos_anomaly_score", (scores.asset_id,), scores.scores
        yield "stethos_scores_over_limit_total", (scores.asset_id,), scores.over_limit
    for part in report.parts:
        yield "stethos_part_errors_total", (part.part,), part.errors
        yield "stethos_part_restarts_total", (part.part,), part.restarts
    for link in report.links:
        yield "stethos_link_connected", (link.name, link.kind), link.connected
        yield "stethos_source_silence_seconds", (link.name,), link.silent_s


def _counters(counters: Iterable[CounterTotal]) -> Iterator[Sample]:
    for one in counters:
        if one.counter in COUNTERS:  # the journal may hold counters of another release
            name, factor = COUNTERS[one.counter]
            yield name, (one.subject,), one.value * factor


def _lines(name: str, labels: Mapping[str, str], value: float | Distribution) -> Iterator[str]:
    if not isinstance(value, Distribution):
        yield f"{name}{_labels(labels)} {_number(value)}"
        return
    bounds = SCORE_LE if name == "stethos_anomaly_score" else LATENCY_LE_S
    for bound, count in zip(bounds, _cumulative(value, bounds), strict=True):
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {count}"
    yield f"{name}_bucket{_labels({**labels, 'le': '+Inf'})} {value.n}"
    yield f"{name}_sum{_labels(labels)} {_number(value.total)}"
    yield f"{name}_count{_labels(labels)} {value.n}"


def _cumulative(values: Distribution, bounds: Sequence[float]) -> list[int]:
    """How many values lie at or below each of these bounds, which are bounds of the distribution."""
    found, below, at = [], 0, 0
    for bound in bounds:
        end = values.bounds.index(bound) + 1
        below += sum(values.counts[at:end])
        at = end
        found.append(below)
    return found


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_label(value)}"' for name, value in labels.items()) + "}"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))
