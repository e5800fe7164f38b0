"""Wear of the flash, read from files as the kernel writes them, and never guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.telemetry.flash import (
    SECTOR_BYTES,
    FlashDevice,
    emmc_life_used_percent,
    flash_device,
    wear_health,
)
from appliance.telemetry.health import ClassWear, WearSource

CLASSES = (ClassWear("alarm", 10**9, 1e6), ClassWear("telemetry", 99 * 10**9, 999e6))


@pytest.mark.parametrize(
    ("life_time", "percent"),
    [
        ("0x01 0x01\n", 10.0),
        ("0x02 0x03\n", 30.0),
        ("0x0b 0x01\n", 100.0),
        ("0x00 0x00\n", None),  # the card does not say
        ("0x00 0x02\n", 20.0),
        ("0xff\n", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_emmc_register(tmp_path: Path, life_time: str, percent: float | None) -> None:
    (tmp_path / "life_time").write_text(life_time)
    assert emmc_life_used_percent(tmp_path) == percent


def test_what_is_no_emmc_says_nothing(tmp_path: Path) -> None:
    assert emmc_life_used_percent(tmp_path / "device") is None


@pytest.mark.parametrize("partition", [False, True])
def test_the_device_under_a_folder_is_found(tmp_path: Path, partition: bool) -> None:
    sys, folder = tmp_path / "sys", tmp_path / "journal"
    folder.mkdir()
    number = folder.stat().st_dev
    disk = sys / "devices" / "mmcblk0"
    place = disk / "mmcblk0p2" if partition else disk
    place.mkdir(parents=True)
    if partition:
        (place / "partition").write_text("2\n")
    (disk / "stat").write_text("  10 0 80 4 200 0 4096 9 0 1 2 0 0 0 0 0 0\n")
    (disk / "device").mkdir()
    (disk / "device" / "life_time").write_text("0x02 0x01\n")
    links = sys / "dev" / "block"
    links.mkdir(parents=True)
    (links / f"{os.major(number)}:{os.minor(number)}").symlink_to(place)
    assert flash_device(folder, sys) == FlashDevice("mmcblk0", 4096 * SECTOR_BYTES, 20.0)


def test_no_device_no_figures(tmp_path: Path) -> None:
    assert flash_device(tmp_path, tmp_path / "no-sys") == FlashDevice("", None, None)
    assert flash_device(tmp_path / "gone") == FlashDevice("", None, None)


def test_an_endurance_is_never_guessed() -> None:
    wear = wear_health(FlashDevice("sda", 5, None), CLASSES, endurance_tb=0.0)
    assert (wear.source, wear.life_used_percent, wear.days_left) == (WearSource.UNKNOWN, None, None)
    assert wear.journal_bytes_per_day == 1e9
    alone = wear_health(FlashDevice("mmcblk0", 5, 20.0), CLASSES, endurance_tb=0.0)
    assert (alone.source, alone.life_used_percent, alone.days_left) == (WearSource.EMMC, 20.0, None)


def test_a_declared_endurance_gives_days() -> None:
    wear = wear_health(FlashDevice("sda", None, None), CLASSES, endurance_tb=1.0)
    assert wear.source is WearSource.DECLARED
    assert wear.life_used_percent == pytest.approx(10.0)
    assert wear.days_left == pytest.approx(900.0)
    both = wear_health(FlashDevice("mmcblk0", None, 60.0), CLASSES, endurance_tb=1.0)
    assert (both.source, both.life_used_percent) == (WearSource.EMMC, 60.0)
    assert both.days_left == pytest.approx(400.0)
    worn = wear_health(FlashDevice("sda", None, None), CLASSES, endurance_tb=0.05)
    assert worn.days_left == 0.0
    idle = wear_health(FlashDevice("sda", None, None), (), endurance_tb=1.0)
    assert idle.days_left is None
