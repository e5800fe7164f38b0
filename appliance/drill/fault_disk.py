"""The disk: full, read-only after an error, and a write-ahead log that is damaged while the box is down.

Full and read-only need a disk of the drill's own (`small_disk`); it stands in `DISKS` while a rig lies on it.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from appliance.drill.fault import Fault
from appliance.drill.rig import Rig
from appliance.drill.small_disk import SmallDisk
from appliance.errors import Fatal
from appliance.journal.store import FILE_NAME
from appliance.sinks.webhook_store import FILE_NAME as WEBHOOKS_FILE

FAMILY = "disk"
DISKS: dict[Path, SmallDisk] = {}  # by the state folder that lies on it


async def _fill(rig: Rig, hold_s: float, chance: random.Random) -> None:
    disk = _disk_of(rig)
    await asyncio.to_thread(disk.fill)
    try:
        await asyncio.sleep(hold_s)
    finally:
        await asyncio.to_thread(disk.empty)


async def _read_only(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """The kernel finds an error; later an operator repairs and starts the box anew."""
    disk = _disk_of(rig)
    reason = await asyncio.to_thread(disk.break_down)
    if reason:
        raise Fatal(f"the disk cannot be made read-only: {reason}")
    await asyncio.sleep(hold_s)
    async with rig.held_down():
        await asyncio.to_thread(disk.repair)
    await rig.ready()


async def _damage_log(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """Killed; a sector of the write-ahead log turns into noise; started again."""
    await asyncio.sleep(hold_s * chance.uniform(0.3, 0.9))
    async with rig.held_down():
        damage(rig.state_dir / "journal" / (FILE_NAME + "-wal"), chance)
    await rig.ready()


async def _damage_file(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """The same with pages of the database itself."""
    await asyncio.sleep(hold_s * chance.uniform(0.3, 0.9))
    async with rig.held_down():
        for _ in range(4):
            damage(rig.state_dir / "journal" / FILE_NAME, chance, 4096)
    await rig.ready()


async def _damage_others(rig: Rig, hold_s: float, chance: random.Random) -> None:
    """The same with what the ways out remember: cursors, the audit's slots, the webhooks' messages."""
    await asyncio.sleep(hold_s * chance.uniform(0.3, 0.9))
    async with rig.held_down():
        others = [*(rig.state_dir / "central").glob("*.sqlite"), rig.state_dir / "journal" / WEBHOOKS_FILE]
        for path in sorted(others):
            damage(path, chance, 4096)
            damage(path.with_name(path.name + "-wal"), chance)
    await rig.ready()


def damage(path: Path, chance: random.Random, size_bytes: int = 512) -> None:
    """Turn so many bytes somewhere in a file into noise."""
    length = path.stat().st_size if path.exists() else 0
    if length <= size_bytes:
        return
    with path.open("r+b") as file:
        file.seek(chance.randrange(0, length - size_bytes) // size_bytes * size_bytes)
        file.write(chance.randbytes(size_bytes))


def _disk_of(rig: Rig) -> SmallDisk:
    return next(disk for folder, disk in DISKS.items() if folder in (rig.state_dir, *rig.state_dir.parents))


FAULTS = (
    Fault("disk-full", FAMILY, "not a byte is left on the disk", _fill, own_disk=True),
    Fault(
        "disk-read-only",
        FAMILY,
        "the kernel makes the disk read-only after an error",
        _read_only,
        own_disk=True,
    ),
    Fault("wal-damage", FAMILY, "noise in the journal's write-ahead log", _damage_log, only_copy=True),
    Fault("file-damage", FAMILY, "noise in the journal's file", _damage_file, only_copy=True),
    Fault(
        "cursor-damage",
        FAMILY,
        "noise in the files of the courier, the audit and the webhooks",
        _damage_others,
    ),
)
