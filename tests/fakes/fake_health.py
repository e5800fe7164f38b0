"""A made-up health of an appliance that has some troubles, for the web floor's tests and for the page."""

from __future__ import annotations

import time
from collections.abc import Callable

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

BOUNDS = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0]


def stage(
    name: str, instance: str = "", depth: int | None = None, capacity: int | None = None, *,
    p50_s: float | None = 0.004, p99_s: float | None = 0.02, dropped: int = 0, errors: int = 0,
) -> StageHealthView:  # fmt: skip
    return StageHealthView(
        stage=name, instance=instance, depth=depth, capacity=capacity, processed=12_345, dropped=dropped,
        errors=errors, p50_s=p50_s, p99_s=p99_s,
    )  # fmt: skip


class FakeHealth:
    """Implements `web.station_view.HealthProvider`; `well` takes the troubles away."""

    def __init__(self, wall_s: Callable[[], float] = time.time, *, well: bool = False) -> None:
        self._wall_s = wall_s
        self.well = well
        self.rendered = 0

    def health(self) -> ApplianceHealthView:
        bad = not self.well
        return ApplianceHealthView(
            time_ms=1000.0 * self._wall_s(),
            uptime_s=3 * 86_400.0 + 4000.0,
            period_s=60.0,
            stages=[
                stage("source queue", "sensor-1 > pump-2", 3, 64, p50_s=0.012, p99_s=0.08),
                stage("source queue", "line-plc > pump-2", 0, 64),
                stage("analysis", "pump-2", p50_s=0.031, p99_s=0.055),
                stage("scoring", "pump-2", p50_s=0.0006, p99_s=0.0011),
                stage("alarm decision", "pump-2", p50_s=0.05, p99_s=0.09),
                stage("alarm commit", p50_s=0.004, p99_s=0.011),
                stage("journal commit", depth=12, p50_s=0.003, p99_s=0.4 if bad else 0.01),
                stage("central", depth=40 if bad else 0, p50_s=0.02, p99_s=0.03, errors=17 if bad else 0),
                stage("webhook", "maintenance", 1 if bad else 0, 2000, p50_s=None, p99_s=None,
                      errors=9 if bad else 0),
                stage("opcua server", depth=0, capacity=88, p50_s=0.0004, p99_s=0.001),
            ],
            scores=[
                ScoreHealthView(
                    asset_id="pump-2", n=120, p50=0.46, p90=0.8, p99=1.3 if bad else 0.9,
                    over_limit=5 if bad else 0, bounds=BOUNDS,
                    counts=[0, 3, 30, 52, 25, 6, 4 if bad else 0, 0, 0, 0],
                )
            ],
            parts=[PartErrorsView(part="appliance.sinks.webhook", errors=9, restarts=0),
                   PartErrorsView(part="source line-plc", errors=0, restarts=2)] if bad else [],
            load=LoadView(
                process_cpu_percent=41.5, system_cpu_percent=97.0 if bad else 22.0, n_cpus=4, load_1min=1.3,
                rss_bytes=412_000_000, memory_available_bytes=900_000_000, memory_total_bytes=3_900_000_000,
            ),
            temperatures=[
                TemperatureView(sensor="cpu_thermal/temp1", degc=83.0 if bad else 51.0, high_degc=80.0,
                                critical_degc=95.0)
            ],
            disk=DiskHealthView(
                path="/var/lib/stethos", total_bytes=31_000_000_000,
                free_bytes=2_100_000_000 if bad else 21_400_000_000, used_percent=93.2 if bad else 31.0,
                journal_bytes=4_200_000_000,
            ),
            wear=WearView(
                device="mmcblk0", source="eMMC register", life_used_percent=20.0,
                device_written_bytes=81_000_000_000, journal_bytes_per_day=310_000_000.0, days_left=2900.0,
                classes=[
                    ClassWearView(record_class="alarm", written_bytes=900_000,
                                  written_bytes_per_day=12_000.0),
                    ClassWearView(record_class="telemetry", written_bytes=9_100_000_000,
                                  written_bytes_per_day=309_000_000.0),
                ],
            ),
            clock=ClockHealthView(
                trusted=not bad, source="NTP", text="not trusted: no time server for 18 min" if bad else
                "trusted: NTP, within 3 ms", untrusted_s=1080.0 if bad else 0.0, steps=1, last_step_s=-0.4,
            ),
            links=[
                LinkHealthView(name="sensor-1", kind="serial", state="connected", connected=True, reason="",
                               silent_s=0.04),
                LinkHealthView(name="line-plc", kind="opcua", state="lost" if bad else "connected",
                               connected=not bad, reason="connection refused" if bad else "",
                               silent_s=75.0 if bad else 0.3),
                LinkHealthView(name="central", kind="central", state="not reachable" if bad else "connected",
                               connected=not bad, reason="no route to host" if bad else "", silent_s=None),
            ],
            trends=[
                LatencyTrendView(
                    stage="journal commit", instance="", now_p50_s=0.009 if bad else 0.003, week_p50_s=0.003,
                    factor=3.0 if bad else 1.0, doubled=bad, text="",
                )
            ],
        )  # fmt: skip

    def metrics(self) -> bytes:
        self.rendered += 1
        return f"# HELP stethos_pages_total made\nstethos_pages_total {self.rendered}\n".encode()
