"""The box as the operating system tells it; without sensors it has no temperature."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from psutil._ntuples import shwtemp

from appliance.telemetry.box import MOST_SENSORS, Box


def test_figures_are_those_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(5000))
    found = Box(tmp_path).look()
    usage = shutil.disk_usage(tmp_path)
    assert found.disk.total_bytes == usage.total
    assert found.disk.free_bytes == pytest.approx(usage.free, rel=0.05)
    assert found.disk.used_percent == pytest.approx(100 * usage.used / (usage.used + usage.free), abs=2.0)
    assert found.disk.journal_bytes == 5000
    assert found.load.rss_bytes > 1_000_000
    assert 0 < found.load.memory_available_bytes < found.load.memory_total_bytes
    assert found.load.process_cpu_s > 0.0
    assert 0.0 <= found.load.system_cpu_percent <= 100.0


def test_temperatures_of_a_box_that_has_some(tmp_path: Path) -> None:
    chips: dict[str, list[Any]] = {
        "coretemp": [shwtemp("Package", 51.0, 80.0, 100.0), shwtemp("", 49.0, None, None)],
        "acpitz": [shwtemp("", -273.0, None, None), shwtemp("", 255.0, None, None)],  # not wired
    }
    found = Box(tmp_path, lambda: chips).look().temperatures
    assert [(one.sensor, one.degc) for one in found] == [("coretemp/Package", 51.0), ("coretemp/1", 49.0)]
    assert (found[0].high_degc, found[0].critical_degc) == (80.0, 100.0)


def test_a_box_without_sensors_has_no_temperature(tmp_path: Path) -> None:
    def broken() -> dict[str, list[Any]]:
        raise OSError("driver")

    assert Box(tmp_path, dict).look().temperatures == ()
    assert Box(tmp_path, broken).look().temperatures == ()


def test_the_number_of_sensors_is_bounded(tmp_path: Path) -> None:
    many: dict[str, list[Any]] = {"chip": [shwtemp("", 40.0, None, None)] * 200}
    assert len(Box(tmp_path, lambda: many).look().temperatures) == MOST_SENSORS
