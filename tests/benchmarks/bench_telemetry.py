"""What the appliance's own telemetry costs: a measurement, a page for a scraper, its records in the journal.

The alternative is Prometheus' own Python client, with the buckets that our page shows and the same labels.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from appliance.telemetry.box import Box
from appliance.telemetry.health import HealthReport, Stage, StageHealth
from appliance.telemetry.metrics import LATENCY_LE_S, render
from appliance.telemetry.record import health_records
from appliance.telemetry.stage_meter import StageMeter
from tests.appliance.telemetry_reports import full_report
from tests.benchmarks import journalled_health

ROUNDS = 7
N_ADDED = 50_000
N_STAGES = 20


def row(figure: str, unit: str, ours: float, peer: float | None = None) -> dict[str, Any]:
    return {
        "bench": "telemetry", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": "prometheus-client" if peer is not None else "",
        "ratio": None if peer is None else ours / peer,
    }  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def interleaved(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, measured in turn."""
    taken = [(seconds(ours), seconds(peer)) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in taken), statistics.median(b for _, b in taken)


def run() -> list[dict[str, Any]]:
    """All rows."""
    chance = random.Random(1)
    values = [chance.lognormvariate(-6.0, 1.5) for _ in range(N_ADDED)]
    meters = [StageMeter() for _ in range(N_STAGES)]
    registry = CollectorRegistry()
    histogram = Histogram(
        "peer_latency_seconds", "as ours", ["stage", "instance"], buckets=LATENCY_LE_S, registry=registry
    )
    children = [histogram.labels("analysis", f"motor-{number}") for number in range(N_STAGES)]

    def add() -> None:
        for number, value in enumerate(values):
            meters[number % N_STAGES].done(value)

    def observe() -> None:
        for number, value in enumerate(values):
            children[number % N_STAGES].observe(value)

    added_s, observed_s = interleaved(add, observe)
    stages = tuple(
        StageHealth(Stage.ANALYSIS, f"motor-{number}", 0, 10, 1, 0, 0, 0.1, 0.2, meter.latency.distribution())
        for number, meter in enumerate(meters)
    )
    base = full_report()
    report = HealthReport(
        **{name: getattr(base, name) for name in HealthReport.__slots__ if name != "stages"}, stages=stages
    )
    rendered_s, generated_s = interleaved(lambda: render(report), lambda: generate_latest(registry))
    recorded_s = statistics.median(seconds(lambda: health_records(report)) for _ in range(ROUNDS))
    with tempfile.TemporaryDirectory() as folder:
        box = Box(Path(folder))
        looked_s = statistics.median(seconds(box.look) for _ in range(ROUNDS))
    return [
        row("one measurement", "us", 1e6 * added_s / N_ADDED, 1e6 * observed_s / N_ADDED),
        row(
            f"page of {N_STAGES} stages (ours: with all the rest)", "ms", 1e3 * rendered_s, 1e3 * generated_s
        ),
        row("page, size", "kB", len(render(report)) / 1e3, len(generate_latest(registry)) / 1e3),
        row("records of a report", "ms", 1e3 * recorded_s),
        row("look at the box (in a thread)", "ms", 1e3 * looked_s),
        *journalled_health.rows(),
    ]
