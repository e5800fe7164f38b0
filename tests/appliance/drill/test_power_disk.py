"""A disk after a power cut: what was flushed is there, everything else may be."""

from __future__ import annotations

import random

from appliance.drill.power_disk import SECTOR_BYTES, Disk, Loss
from appliance.drill.power_trace import Call, Flush, Gone, Said, Truncate, Write, calls_of, whole_lines

NAME = "a"
SURE, NEW = b"s" * 2048, b"n" * 2048


def disk_after(*calls: Call) -> Disk:
    disk = Disk([NAME, "b"])
    for call in calls:
        disk.take(call)
    return disk


def test_what_a_flush_covers_survives_every_loss() -> None:
    disk = disk_after(Write("/x/a", 0, SURE), Flush("/x/a"), Write("/x/a", 2048, NEW))
    chance = random.Random(1)
    for loss in Loss:
        for _ in range(50):
            assert disk.leaves(loss, chance)[NAME][:2048] == SURE


def test_dropped_torn_and_reordered_writes() -> None:
    calls: tuple[Call, ...] = (Flush("/x/a"), *(Write("/x/a", 2048 * i, bytes([i]) * 2048) for i in range(4)))
    disk = disk_after(Write("/x/a", 0, b""), *calls)
    chance = random.Random(2)
    assert disk.leaves(Loss.DROPPED, chance) == {NAME: b""}
    torn = {len(disk.leaves(Loss.TORN, chance)[NAME]) - 3 * 2048 for _ in range(50)}
    assert torn == {0, SECTOR_BYTES, 2 * SECTOR_BYTES, 3 * SECTOR_BYTES}
    reordered = [disk.leaves(Loss.REORDERED, chance)[NAME] for _ in range(200)]
    assert any(
        content[2048:4096] != b"\1" * 2048 and content[4096:6144] == b"\2" * 2048 for content in reordered
    )


def test_a_file_that_was_never_flushed_may_be_missing() -> None:
    disk = disk_after(Write("/x/a", 0, NEW), Write("/x/c", 0, NEW))
    assert disk.leaves(Loss.DROPPED, random.Random(3)) == {}
    assert set(disk.leaves(Loss.TORN, random.Random(3))) == {NAME}


def test_truncations_and_names_are_followed() -> None:
    disk = disk_after(Write("/x/a", 0, SURE), Truncate("/x/a", 100), Flush("/x/a"), Gone("/x/a", "/x/b"))
    assert disk.leaves(Loss.DROPPED, random.Random(4)) == {"b": SURE[:100]}
    disk.take(Gone("/x/b"))
    assert disk.leaves(Loss.TORN, random.Random(4)) == {}


def test_strace_is_read_in_the_order_of_the_ends() -> None:
    lines = [
        r'11 1700.000001 pwrite64(5<\x2f\x74\x2f\x61>, "\x41\x42", 2, 4096 <unfinished ...>',
        r'12 1700.000002 write(1<pipe:[7]>, "\x61\x63\x6b\x20\x78\x0a", 6) = 6',
        "11 1700.000003 <... pwrite64 resumed>) = 2",
        r"11 1700.000004 fdatasync(5</t/a>) = 0",
        r"11 1700.000005 fdatasync(5</t/a>) = -1 EIO (Input/output error)",
        r"11 1700.000006 ftruncate(5</t/a>, 10) = 0",
        r'11 1700.000007 rename("\x2f\x74\x2f\x61", "\x2f\x74\x2f\x62") = 0',
    ]
    assert list(calls_of(whole_lines(lines)))[1:] == [
        Write("/t/a", 4096, b"AB"),
        Flush("/t/a"),
        Truncate("/t/a", 10),
        Gone("/t/a", "/t/b"),
    ]
    assert next(calls_of(whole_lines(lines))) == Said(("ack", "x"), 1700.000002)
