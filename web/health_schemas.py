"""What the HTTP interface says of the health of the appliance itself: page and telemetry.

The types that they are made of stand in appliance/telemetry/health.py.
"""

from __future__ import annotations

from typing import Literal

from web.schemas import Schema


class StageHealthView(Schema):
    """One stage of the appliance's work. Quantiles are over `ApplianceHealthView.period_s`; null: none."""

    stage: str  # "source queue", "analysis", ..., see appliance/telemetry/health.py
    instance: str  # which one, where there are several: "sensor > pump-2", a machine, a receiver
    depth: int | None
    capacity: int | None
    processed: int  # this and the next two: since the start of the service
    dropped: int
    errors: int
    p50_s: float | None
    p99_s: float | None


class ScoreHealthView(Schema):
    """Anomaly scores of one machine over the last period (1.0 = limit)."""

    asset_id: str
    n: int
    p50: float | None
    p90: float | None
    p99: float | None
    over_limit: int  # since the start
    bounds: list[float]  # upper bounds of the buckets
    counts: list[int]  # in the last period; one more than `bounds`: what lies above


class PartErrorsView(Schema):
    """A part that wrote errors into the log, or had to be started again, since the start."""

    part: str
    errors: int
    restarts: int


class LoadView(Schema):
    process_cpu_percent: float  # of one core
    system_cpu_percent: float  # of all cores
    n_cpus: int
    load_1min: float
    rss_bytes: int
    memory_available_bytes: int
    memory_total_bytes: int


class TemperatureView(Schema):
    sensor: str
    degc: float
    high_degc: float | None
    critical_degc: float | None


class DiskHealthView(Schema):
    """The file system of the journal."""

    path: str
    total_bytes: int
    free_bytes: int
    used_percent: float
    journal_bytes: int


class ClassWearView(Schema):
    record_class: str
    written_bytes: int
    written_bytes_per_day: float


class WearView(Schema):
    """How the flash wears; null where nothing is known."""

    device: str
    source: Literal["eMMC register", "declared endurance", "unknown"]
    life_used_percent: float | None
    device_written_bytes: int | None
    journal_bytes_per_day: float
    days_left: float | None
    classes: list[ClassWearView]


class ClockHealthView(Schema):
    trusted: bool
    source: str
    text: str
    untrusted_s: float
    steps: int
    last_step_s: float | None


class LinkHealthView(Schema):
    name: str
    kind: str
    state: str
    connected: bool
    reason: str
    silent_s: float | None  # sources: since the last item


class LatencyTrendView(Schema):
    """A stage's latency beside its own week; `factor` null: not judged yet, `text` says why."""

    stage: str
    instance: str
    now_p50_s: float | None
    week_p50_s: float | None
    factor: float | None
    doubled: bool
    text: str


class ApplianceHealthView(Schema):
    """How the appliance itself is; at most a second old."""

    time_ms: float
    uptime_s: float
    period_s: float  # what quantiles are over
    stages: list[StageHealthView]
    scores: list[ScoreHealthView]
    parts: list[PartErrorsView]
    load: LoadView
    temperatures: list[TemperatureView]  # empty where the box has no sensor
    disk: DiskHealthView
    wear: WearView
    clock: ClockHealthView
    links: list[LinkHealthView]
    trends: list[LatencyTrendView]
