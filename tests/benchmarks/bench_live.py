"""The running appliance: memory, start, an alarm's latency, and frames lost while it is mistreated.

Everything real: a simulated sensor on a pty with a 4 KiB FIFO, an OPC UA server, `stethos run`. The sensor's
own account says what was dropped. Latencies are the appliance's log: from the last sample's time to the
durable commit, line and queue included. No program of this kind runs beside it: the peer columns stay empty.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.end_to_end.rig import AXES, SENSOR, Rig
from tests.end_to_end.stress import stress
from tests.end_to_end.told_process import until
from tests.end_to_end.truth_account import read_lives

GROWTH_S = 45.0
WATCH_S = 75.0
STRESS_S = 30.0
MIB = 1024.0 * 1024.0


def row(figure: str, unit: str, ours: float) -> dict[str, Any]:
    return {
        "bench": "live", "figure": figure, "unit": unit, "ours": ours, "peer": None, "peer_name": "",
        "ratio": None,
    }  # fmt: skip


def rss_mib(pid: int) -> tuple[float, float]:
    """Memory of the service, and of the processes that it started (the serial reader)."""
    service = psutil.Process(pid)
    children = sum(child.memory_info().rss for child in service.children(recursive=True))
    return service.memory_info().rss / MIB, children / MIB


def latencies_ms(log: Path) -> list[float]:
    """Sample to commit of each transition of the machine's alarm, from the appliance's log."""
    found = re.findall(
        r"alarm committed alarm=motor-1\.machine-condition what=(?:raised|updated) .*?latency_s=([\d.]+)",
        log.read_text(encoding="utf-8"),
    )
    return [1e3 * float(value) for value in found]


def restarted_to_first_window_s(rig: Rig) -> float:
    """Seconds from the start of the process to the first new window, the sensor sending already."""
    rig.appliance.end()
    began_s = time.monotonic()
    rig.start_appliance()
    known = rig.api.points_stored(AXES[0], "rms_mps2")
    until(lambda: rig.api.points_stored(AXES[0], "rms_mps2") > known, "a new window", every_s=0.05)
    return time.monotonic() - began_s


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark; takes some four minutes."""
    with tempfile.TemporaryDirectory(prefix="stethos-bench-") as folder:
        return _run(Path(folder))


def _run(folder: Path) -> list[dict[str, Any]]:
    rig = Rig(folder, "--loss", "0.0005")
    rows = []
    try:
        rig.start()
        rig.unplug()
        rig.wait_until_link_is_not(SENSOR, "connected")
        time.sleep(5.0)
        at_rest = rss_mib(rig.appliance.pid)
        rig.plug()
        rig.wait_for_link(SENSOR, "connected")
        start_s = restarted_to_first_window_s(rig)
        until(
            lambda: rig.api.get("/api/machines")[0]["learning"]["complete"], "the baseline is learned", 120.0
        )
        rig.sensor.tell(fault="outer race", growth_s=GROWTH_S)
        time.sleep(WATCH_S)
        in_demo = rss_mib(rig.appliance.pid)
        latencies = np.array(latencies_ms(rig.folder / "appliance.log"))
        before = sum(len(life.overrun) for life in read_lives(rig.truth_path))
        report = asyncio.run(stress(rig.api.url, rig.api.cookies, rig.appliance.pid, seconds=STRESS_S))
        lost = sum(len(life.overrun) for life in read_lives(rig.truth_path)) - before
        rows += [
            row("RSS at rest (sensor unplugged), service", "MiB", at_rest[0]),
            row("RSS in the demo, service", "MiB", in_demo[0]),
            row("RSS in the demo, serial reader", "MiB", in_demo[1]),
            row("start of the process to the first new window", "s", start_s),
            row(f"last sample to durable alarm, p50 of {len(latencies)}", "ms", float(np.median(latencies))),
            row(
                f"last sample to durable alarm, p99 of {len(latencies)}",
                "ms",
                float(np.percentile(latencies, 99)),
            ),
            row(
                f"frames overrun in {STRESS_S:.0f} s, {report.standstills} standstills of 0.2 s, 20 clients",
                "frames",
                float(lost),
            ),
            row("requests answered meanwhile", "1/s", report.requests / report.seconds),
        ]
    finally:
        left = rig.end()
    assert not left, f"processes were left: {left}"
    return rows
