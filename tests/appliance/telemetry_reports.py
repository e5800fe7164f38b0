"""A health report with something in every field, for tests of what is made of it."""

from __future__ import annotations

from appliance.telemetry.distribution import SCORE_BOUNDS, Meter
from appliance.telemetry.health import (
    ClassWear,
    ClockHealth,
    DiskHealth,
    HealthReport,
    LatencyTrend,
    LinkHealth,
    LoadHealth,
    PartErrors,
    ScoreHealth,
    Stage,
    StageHealth,
    Temperature,
    WearHealth,
    WearSource,
)
from tests.appliance.journal.builders import START_NS

NASTY = 'line "2"\\\nwest'


def full_report(monotonic_ns: int = 60_000_000_000) -> HealthReport:
    """Every part of a report, names from outside among them."""
    latency, scores = Meter(), Meter(SCORE_BOUNDS)
    for value in (0.001, 0.002, 0.003, 0.5):
        latency.add(value)
        scores.add(value)
    took, scored = latency.distribution(), scores.distribution()
    return HealthReport(
        monotonic_ns=monotonic_ns,
        time_ns=START_NS + monotonic_ns,
        time_trusted=True,
        uptime_s=60.0,
        period_s=60.0,
        name="hall-3",
        version="0.1.0",
        stages=(
            StageHealth(Stage.SOURCE_QUEUE, "sensor > motor-1", 3, 1200, 4, 2, 0, 0.002, 0.5, took),
            StageHealth(Stage.ANALYSIS, "motor-1", None, None, 4, 0, 1, 0.002, 0.5, took),
            StageHealth(Stage.WEBHOOK, NASTY, 0, None, 0, 0, 0, None, None, Meter().distribution()),
        ),
        scores=(ScoreHealth("motor-1", 0.002, 0.5, 0.5, 0, scored, scored),),
        parts=(PartErrors("sinks.courier", 2, 1),),
        load=LoadHealth(12.5, 3.25, 40.0, 4, 0.7, 150_000_000, 2_000_000_000, 4_000_000_000),
        temperatures=(Temperature("coretemp/Package id 0", 51.0, 80.0, 100.0),),
        disk=DiskHealth("/var/lib/stethos/journal", 8_000, 2_000, 75.0, 500),
        wear=WearHealth(
            "mmcblk0",
            WearSource.EMMC,
            20.0,
            123_456,
            1e9,
            800.0,
            (ClassWear("alarm", 1_000, 2e3), ClassWear("telemetry", 5_000_000, 1e9)),
        ),
        clock=ClockHealth(False, "system clock, undisciplined", "no time server", 30.0, 1, -0.75),
        links=(
            LinkHealth("sensor", "serial", "connected", True, "", 0.1),
            LinkHealth("central", "central", "not reachable", False, "refused", None),
        ),
        trends=(
            LatencyTrend(Stage.ANALYSIS, "motor-1", 0.3, 0.1, 3.0, True, "0.3 s, 0.1 s"),
            LatencyTrend(Stage.CENTRAL, "", None, None, None, False, "not judged yet"),
        ),
        journal_durable=True,
    )
