"""From a health report to what the web floor shows.

Duty: translation alone. Holds no state.
"""

from __future__ import annotations

from appliance.telemetry.distribution import Distribution
from appliance.telemetry.health import HealthReport, ScoreHealth, StageHealth, WearHealth
from web.health_schemas import (
    ApplianceHealthView,
    ClassWearView,
    ClockHealthView,
    DiskHealthView,
    LatencyTrendView,
    LinkHealthView,
    LoadView,
    PartErrorsView,
    ScoreHealthView,
    StageHealthView,
    TemperatureView,
    WearView,
)


def health_view(report: HealthReport) -> ApplianceHealthView:
    """The report as the page gets it."""
    load, disk, clock = report.load, report.disk, report.clock
    return ApplianceHealthView(
        time_ms=report.time_ns / 1e6,
        uptime_s=report.uptime_s,
        period_s=report.period_s,
        stages=[_stage(stage) for stage in report.stages],
        scores=[_scores(scores) for scores in report.scores],
        parts=[
            PartErrorsView(part=part.part, errors=part.errors, restarts=part.restarts)
            for part in report.parts
        ],
        load=LoadView(
            process_cpu_percent=load.process_cpu_percent,
            system_cpu_percent=load.system_cpu_percent,
            n_cpus=load.n_cpus,
            load_1min=load.load_1min,
            rss_bytes=load.rss_bytes,
            memory_available_bytes=load.memory_available_bytes,
            memory_total_bytes=load.memory_total_bytes,
        ),
        temperatures=[
            TemperatureView(
                sensor=one.sensor,
                degc=one.degc,
                high_degc=one.high_degc,
                critical_degc=one.critical_degc,
            )
            for one in report.temperatures
        ],
        disk=DiskHealthView(
            path=disk.path,
            total_bytes=disk.total_bytes,
            free_bytes=disk.free_bytes,
            used_percent=disk.used_percent,
            journal_bytes=disk.journal_bytes,
        ),
        wear=_wear(report.wear),
        clock=ClockHealthView(
            trusted=clock.trusted,
            source=clock.source,
            text=clock.text,
            untrusted_s=clock.untrusted_s,
            steps=clock.steps,
            last_step_s=clock.last_step_s,
        ),
        links=[
            LinkHealthView(
                name=link.name,
                kind=link.kind,
                state=link.state,
                connected=link.connected,
                reason=link.reason,
                silent_s=link.silent_s,
            )
            for link in report.links
        ],
        trends=[
            LatencyTrendView(
                stage=trend.stage,
                instance=trend.instance,
                now_p50_s=trend.now_p50_s,
                week_p50_s=trend.week_p50_s,
                factor=trend.factor,
                doubled=trend.doubled,
                text=trend.text,
            )
            for trend in report.trends
        ],
    )


def _stage(stage: StageHealth) -> StageHealthView:
    return StageHealthView(
        stage=stage.stage,
        instance=stage.instance,
        depth=stage.depth,
        capacity=stage.capacity,
        processed=stage.processed,
        dropped=stage.dropped,
        errors=stage.errors,
        p50_s=stage.p50_s,
        p99_s=stage.p99_s,
    )


def _scores(health: ScoreHealth) -> ScoreHealthView:
    period: Distribution = health.period_scores
    return ScoreHealthView(
        asset_id=health.asset_id,
        n=period.n,
        p50=health.p50,
        p90=health.p90,
        p99=health.p99,
        over_limit=health.over_limit,
        bounds=list(period.bounds),
        counts=list(period.counts),
    )


def _wear(wear: WearHealth) -> WearView:
    return WearView(
        device=wear.device,
        source=wear.source.value,
        life_used_percent=wear.life_used_percent,
        device_written_bytes=wear.device_written_bytes,
        journal_bytes_per_day=wear.journal_bytes_per_day,
        days_left=wear.days_left,
        classes=[
            ClassWearView(
                record_class=one.record_class,
                written_bytes=one.written_bytes,
                written_bytes_per_day=one.written_bytes_per_day,
            )
            for one in wear.classes
        ],
    )
