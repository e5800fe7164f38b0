"""The flash under the journal: which device it is, how much was written to it, how worn it says it is.

Duty: reads /sys, and the arithmetic of a projected end of life. Never guesses an endurance: where neither the
card nor the configuration states one, the answer is that it is not known.

An eMMC since 5.0 states its wear in steps of 10 % (JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A and _B:
0x01 is 0 to 10 %, 0x0B beyond the end); Linux shows both as `life_time` in the card's folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.telemetry.health import ClassWear, WearHealth, WearSource

SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the device's own sectors are
TERABYTE = 1e12
_WORN_OUT = 0x0B


@dataclass(frozen=True, slots=True)
class FlashDevice:
    """What /sys says of the device under a folder. None where it says nothing."""

    name: str  # "" where the folder lies on no block device
    written_bytes: int | None  # since the kernel's boot, by everybody
    life_used_percent: float | None  # eMMC: upper end of its step


def flash_device(folder: Path, sys: Path = Path("/sys")) -> FlashDevice:
    """The device that holds `folder`. Never raises: what cannot be read is not known. Blocking."""
    try:
        number = folder.stat().st_dev
        place = (sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    except OSError:
        return FlashDevice("", None, None)
    whole = place.parent if (place / "partition").exists() else place
    return FlashDevice(whole.name, _written_bytes(whole), emmc_life_used_percent(whole / "device"))


def emmc_life_used_percent(card: Path) -> float | None:
    """The card's own estimate, %: the worse of its two kinds of cells; None for what is no eMMC."""
    try:
        steps = [int(word, 16) for word in (card / "life_time").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return None
    known = [step for step in steps if 1 <= step <= _WORN_OUT]
    return min(100.0, 10.0 * max(known)) if known else None


def wear_health(device: FlashDevice, classes: Sequence[ClassWear], endurance_tb: float) -> WearHealth:
    """Wear as an operator reads it.

    `endurance_tb` is declared (0: not): what the maker calls TBW, bytes that may be written. What of it is
    used comes from the card where it says so, else from the journal's own bytes, so that a disk to which
    others write ends sooner. Days are left at the journal's present rate; without a declared endurance a card
    that states its wear in steps of 10 % gives no date.
    """
    per_day = sum(one.written_bytes_per_day for one in classes)
    written = sum(one.written_bytes for one in classes)
    endurance = endurance_tb * TERABYTE
    source, used, days = WearSource.UNKNOWN, None, None
    if device.life_used_percent is not None:
        source, used = WearSource.EMMC, device.life_used_percent
    elif endurance > 0.0:
        source, used = WearSource.DECLARED, 100.0 * written / endurance
    if used is not None and endurance > 0.0 and per_day > 0.0:
        days = max(0.0, 1.0 - used / 100.0) * endurance / per_day
    return WearHealth(device.name, source, used, device.written_bytes, per_day, days, tuple(classes))


def _written_bytes(device: Path) -> int | None:
    try:
        return int((device / "stat").read_text(encoding="ascii").split()[6]) * SECTOR_BYTES
    except (OSError, ValueError, IndexError):
        return None
