"""The page for Prometheus, read by somebody else's parser."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter as TallyOf

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from appliance.counters import Counter, CounterTotal
from appliance.journal.record import RecordClass
from appliance.model_shadow import ShadowReport
from appliance.reconcile.audit_book import AuditTally
from appliance.reconcile.reconciler import AuditStatus
from appliance.sinks.capture_courier import CaptureReport
from appliance.sinks.courier_report import CourierState
from appliance.sinks.uplink import Uplink
from appliance.telemetry.audit_samples import audit_samples
from appliance.telemetry.capture_samples import capture_samples
from appliance.telemetry.distribution import LATENCY_BOUNDS_S, SCORE_BOUNDS, Meter
from appliance.telemetry.metrics import COUNTERS, LATENCY_LE_S, METRICS, SCORE_LE, render
from appliance.telemetry.model_samples import model_samples, shadow_samples
from appliance.telemetry.uplink_samples import uplink_samples
from tests.appliance.journal.builders import SECOND_NS
from tests.appliance.telemetry_reports import NASTY, full_report

TOTALS = [CounterTotal(counter, "motor-1", 2.5) for counter in Counter]


def families(page: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(page.decode())}


def samples(page: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(page).values()
        for sample in family.samples
    }


def test_every_metric_arrives_with_type_help_and_its_labels() -> None:
    status = AuditStatus(AuditTally(10, 7, 1), ended_ns=SECOND_NS)
    uplink = Uplink({RecordClass.TELEMETRY: 1000}, lambda: "2027-01-15")
    uplink.sent(RecordClass.TELEMETRY, 10)
    uplink.samples_are(0)
    uplink.samples_are(1000)
    more = [*audit_samples(status, 3, 400), *uplink_samples(uplink.report())]
    way = CaptureReport("here", CourierState.CONNECTED, 3, 400, 500, 10**6, 0, 1, 0, "", False)
    more += capture_samples(1000, 2, 0, way)
    calls = Meter()
    calls.add(0.001)
    answers, starts = TallyOf({"onnxruntime": 7, "statistical": 1}), TallyOf({"onnxruntime": 2})
    more += model_samples(
        "pumps",
        latency=calls.distribution(),
        answers=answers,
        starts=starts,
        fallbacks=1,
        first_choice=True,
    )
    more += shadow_samples("pumps", shadow_report())
    read = families(render(full_report(), TOTALS, more))
    assert set(read) == {name.removesuffix("_total") for name in METRICS}
    for name, info in METRICS.items():
        family = read[name.removesuffix("_total")]
        assert family.type == info.type
        assert family.documentation == info.meaning
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(info.labels)


def shadow_report(windows: int = 40, correlation: float | None = 0.9) -> ShadowReport:
    return ShadowReport(
        "1a2b", "pump-autoencoder 2", windows, correlation,
        both_over=1, only_active_over=2, only_shadow_over=3, mean_active=0.5, mean_shadow=0.6,
        latency_p50_s=None, latency_p99_s=None, unanswered=4, dropped=5, why_unanswered="unplugged",
    )  # fmt: skip


def test_a_shadow_says_how_far_it_disagrees_and_not_which_bundle_it_is() -> None:
    read = samples(render(full_report(), TOTALS, shadow_samples("pumps", shadow_report())))
    found = {
        (name, *(value for key, value in sorted(labels) if key != "slot")): read[name, labels]
        for name, labels in read
        if name.startswith("stethos_shadow")
    }
    assert found == {
        ("stethos_shadow_windows_total",): 40,
        ("stethos_shadow_over_limit_total", "both"): 1,
        ("stethos_shadow_over_limit_total", "only active"): 2,
        ("stethos_shadow_over_limit_total", "only shadow"): 3,
        ("stethos_shadow_score_mean", "active"): 0.5,
        ("stethos_shadow_score_mean", "shadow"): 0.6,
        ("stethos_shadow_correlation",): 0.9,
        ("stethos_shadow_unanswered_total",): 4,
        ("stethos_shadow_dropped_total",): 5,
    }
    nothing = samples(render(full_report(), TOTALS, shadow_samples("pumps", shadow_report(0, None))))
    absent = {"stethos_shadow_score_mean", "stethos_shadow_correlation"}
    assert not absent & {name for name, _ in nothing}


def test_values_arrive_as_they_are() -> None:
    report = full_report()
    read = samples(render(report, TOTALS))

    def value(name: str, **labels: str) -> float:
        return read[name, frozenset(labels.items())]

    assert value("stethos_uptime_seconds") == 60.0
    assert value("stethos_stage_depth", stage="source queue", instance="sensor > motor-1") == 3
    assert value("stethos_stage_dropped_total", stage="source queue", instance="sensor > motor-1") == 2
    assert value("stethos_system_cpu_ratio") == 0.4
    assert value("stethos_disk_used_ratio") == 0.75
    assert value("stethos_flash_life_left_seconds", device="mmcblk0") == 800 * 86_400
    assert value("stethos_clock_trusted") == 0
    assert value("stethos_link_connected", link="central", kind="central") == 0
    assert value("stethos_machine_running_seconds_total", asset="motor-1") == 9_000
    assert value("stethos_dropped_blocks_total", source="motor-1") == 2.5


def test_names_from_outside_come_back_unchanged() -> None:
    read = samples(render(full_report()))
    assert read["stethos_stage_depth", frozenset({("stage", "webhook"), ("instance", NASTY)})] == 0


def test_buckets_are_cumulative_and_lose_nothing() -> None:
    report = full_report()
    stage = report.stages[0]
    read = samples(render(report))
    labels = {("stage", str(stage.stage)), ("instance", stage.instance)}
    counts = [
        read["stethos_stage_latency_seconds_bucket", frozenset(labels | {("le", repr(bound))})]
        for bound in LATENCY_LE_S
    ]
    assert counts == sorted(counts)
    assert dict(zip(LATENCY_LE_S, counts, strict=True))[0.002] == 2  # of 1, 2, 3 and 500 ms
    assert read["stethos_stage_latency_seconds_bucket", frozenset(labels | {("le", "+Inf")})] == 4
    assert read["stethos_stage_latency_seconds_count", frozenset(labels)] == 4
    assert math.isclose(read["stethos_stage_latency_seconds_sum", frozenset(labels)], 0.506)


def test_exposed_bounds_are_bounds_of_the_meters() -> None:
    assert set(LATENCY_LE_S) <= set(LATENCY_BOUNDS_S)
    assert set(SCORE_LE) <= set(SCORE_BOUNDS)


def test_what_is_not_known_has_no_sample() -> None:
    report = full_report()
    wear = dataclasses.replace(report.wear, life_used_percent=None, days_left=None)
    page = render(dataclasses.replace(report, wear=wear, temperatures=(), scores=()))
    read = families(page)
    for name in ("flash_life_used_ratio", "flash_life_left_seconds", "temperature_celsius", "anomaly_score"):
        assert f"stethos_{name}" not in read
    assert page.endswith(b"\n")
    assert b"\n\n" not in page


def test_every_counter_has_its_metric_and_names_follow_the_conventions() -> None:
    assert set(COUNTERS) == set(Counter)
    assert {name for name, _ in COUNTERS.values()} <= set(METRICS)
    for name, info in METRICS.items():
        assert re.fullmatch(r"stethos_[a-z0-9]+(_[a-z0-9]+)*", name)
        assert name.endswith("_total") is (info.type == "counter"), name
        assert not {"_ms", "_percent", "_hours", "_mb"} & set(re.findall(r"_[a-z]+$", name))
