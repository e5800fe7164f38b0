"""The box that the appliance runs on: processor, memory, temperatures, disk.

Duty: asks the operating system. Blocking, for a thread: a disk that hangs does not answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from appliance.telemetry.flash import FlashDevice, flash_device
from appliance.telemetry.health import DiskHealth, LoadHealth, Temperature

MOST_SENSORS = 32  # temperatures told at most: a server board may have a hundred
_PLAUSIBLE_DEGC = (-60.0, 150.0)  # a sensor that is not wired says -128 or 255


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """One look at the box."""

    load: LoadHealth
    temperatures: tuple[Temperature, ...]
    disk: DiskHealth
    flash: FlashDevice


class Box:
    """Looks at the box. One thread at a time."""

    def __init__(
        self,
        folder: Path,
        sensors: Callable[[], dict[str, list[Any]]] | None = None,
    ) -> None:
        """`folder` is the journal's; `sensors` reads hwmon (replaceable for a box without any)."""
        self._folder = folder
        self._sensors = sensors
        self._process = psutil.Process()
        self._process.cpu_percent(None)  # the first call only begins to measure
        psutil.cpu_percent(None)

    def look(self) -> BoxFigures:
        """Everything, now. CPU shares are since the look before. Raises OSError for a disk that is gone."""
        return BoxFigures(self._load(), self._temperatures(), self._disk(), flash_device(self._folder))

    def _load(self) -> LoadHealth:
        with self._process.oneshot():
            times = self._process.cpu_times()
            rss_bytes, percent = self._process.memory_info().rss, self._process.cpu_percent(None)
        memory = psutil.virtual_memory()
        return LoadHealth(
            process_cpu_percent=percent,
            process_cpu_s=times.user + times.system,
            system_cpu_percent=psutil.cpu_percent(None),
            n_cpus=os.cpu_count() or 1,
            load_1min=os.getloadavg()[0],
            rss_bytes=rss_bytes,
            memory_available_bytes=memory.available,
            memory_total_bytes=memory.total,
        )

    def _temperatures(self) -> tuple[Temperature, ...]:
        read: Callable[[], dict[str, list[Any]]] = self._sensors or psutil.sensors_temperatures
        try:
            chips = read()
        except (OSError, ValueError):  # a driver that misbehaves is no reason to know nothing else
            return ()
        found = []
        for chip, entries in sorted(chips.items()):
            for number, entry in enumerate(entries):
                if entry.current is None or not _PLAUSIBLE_DEGC[0] < entry.current < _PLAUSIBLE_DEGC[1]:
                    continue
                name = f"{chip}/{entry.label or number}"
                found.append(Temperature(name, float(entry.current), entry.high, entry.critical))
        distinct = {one.sensor: one for one in found}  # two chips of one name: the last one speaks
        return tuple(distinct.values())[:MOST_SENSORS]

    def _disk(self) -> DiskHealth:
        stat = os.statvfs(self._folder)
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        free = stat.f_bavail * stat.f_frsize
        return DiskHealth(
            path=str(self._folder),
            total_bytes=stat.f_blocks * stat.f_frsize,
            free_bytes=free,
            used_percent=100.0 * used / (used + free) if used + free else 100.0,
            journal_bytes=folder_bytes(self._folder),
        )


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder, and in those below it."""
    total = 0
    for entry in folder.rglob("*"):
        try:
            total += entry.stat().st_size if entry.is_file() else 0
        except OSError:  # a file of the store may vanish between the two
            continue
    return total
