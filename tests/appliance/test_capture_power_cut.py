"""Captures and power cuts, by the kernel's own record of a service that captures.

The order in which they reach the disk; and disks rebuilt as cuts may have left them, opened as after a
restart: each capture is whole, or said to be missing.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.clock import ReplayClock
from appliance.drill.power_disk import Disk, Loss
from appliance.drill.power_folder import Folder
from appliance.drill.power_trace import Call, Flush, Gone, NotTraceable, Said, Write, traced
from appliance.journal.capture_record import Capture
from appliance.journal.store import FILE_NAME
from tests.appliance.capture_rig import CaptureRig, capture_rig
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.conftest import ROOT

CAPTURES = 12
REPLAYED, CUTS = 5, 45
WAL = f"{FILE_NAME}-wal"


def first(calls: list[Call], wanted: object, begin: int = 0) -> int:
    """Where the first call is that fits."""
    assert callable(wanted)
    return next(index for index in range(begin, len(calls)) if wanted(calls[index]))


def test_a_record_is_written_after_its_file_is_safe_and_a_file_leaves_after_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    command = [sys.executable, "-m", "tests.appliance.capture_load", str(tmp_path), str(CAPTURES)]
    try:
        calls = traced(command, tmp_path / "trace")
    except NotTraceable as reason:
        pytest.skip(f"NO TRACE, NO PROOF: {reason}")
    put = [
        (index, call)
        for index, call in enumerate(calls)
        if isinstance(call, Gone) and call.to.endswith(".stcap")
    ]
    assert len(put) == 2 * CAPTURES
    for index, renamed in put:
        name = Path(renamed.to).name
        content = first(calls, lambda c, part=renamed.path: isinstance(c, Flush) and c.path == part)
        folder = first(
            calls, lambda c, to=renamed.to: isinstance(c, Flush) and c.path == str(Path(to).parent), index
        )
        named = first(
            calls,
            lambda c, name=name: isinstance(c, Write) and c.path.endswith(WAL) and name.encode() in c.content,
        )
        assert content < index < folder < named, name
    left = [
        (index, call)
        for index, call in enumerate(calls)
        if isinstance(call, Gone) and not call.to and call.path.endswith(".stcap")
    ]
    assert left, "the budget has let nothing go"
    for index, gone in left:
        of_log = [c for c in calls[:index] if isinstance(c, Write | Flush) and c.path.endswith(WAL)]
        assert isinstance(of_log[-1], Flush), f"{gone.path} left before its record was gone for good"


# ---- disks as a cut may have left them ----


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Call]]:
    """Some captures with room for all of them, from an empty folder on."""
    folder = tmp_path_factory.mktemp("recorded")
    command = [
        sys.executable, "-m", "tests.appliance.capture_load", str(folder / "state"), str(REPLAYED), "all",
    ]  # fmt: skip
    (folder / "state").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        try:
            return folder / "state" / "journal", traced(command, folder / "trace")
        except NotTraceable as reason:
            pytest.skip(f"NO TRACE, NO PROOF: {reason}")


class Cut:
    """What was told before the cut, and what the start after it has."""

    def __init__(self, told: set[str]) -> None:
        self.told = told
        self.whole: set[str] = set()
        self.missing: set[str] = set()  # said to be: nothing of a part is there, and its record says so
        self.unknown: set[str] = set()  # told, and the start says nothing of it


async def after_cut(state: Path, origin: Path, calls: Sequence[Call], loss: Loss, seed: int) -> Cut:
    """Rebuild, start, look after the captures, and read every one that is served."""
    disk, captures = Disk({FILE_NAME, WAL}), Folder(str(origin / "captures"))
    told: set[str] = set()
    for call in calls:
        disk.take(call)
        captures.take(call)
        if isinstance(call, Said) and call.words[0] == "stored":
            told.add(call.words[1])
    chance, journal = random.Random(seed), state / "journal"
    (journal / "captures").mkdir(parents=True, mode=0o700)
    for name, content in disk.leaves(loss, chance).items():
        (journal / name).write_bytes(content)
    for name, content in captures.leaves(loss, chance).items():
        (journal / "captures" / name).write_bytes(content)
    clock = ReplayClock(START_NS + 1_000 * SECOND_NS)
    clock.set(10 * SECOND_NS)
    found = Cut(told)
    async with capture_rig(state, clock=clock) as rig:
        await rig.care.begin()
        await rig.care.check()
        served = {capture.capture_id: capture for capture in await rig.stored()}
        for capture_id, capture in served.items():
            _every_sample_is_right(rig, capture)
            whole = capture.complete and not capture.ended
            (found.whole if whole else found.missing).add(capture_id)
        found.unknown = told - served.keys()
        assert not list((journal / "captures").glob("*.part")), "a half written file was left"
    return found


def _every_sample_is_right(rig: CaptureRig, capture: Capture) -> None:
    """A sample of the rig says when it was taken: the ms of its own clock, and its axis."""
    for part in capture.parts:
        if not part.file:
            continue
        segment = rig.files.segment(part.file)
        assert not segment.damaged, f"{part.file} is served, and {segment.damaged}"
        assert part.stretches == tuple(
            (one.start_ns, one.sample_rate_hz, len(one.samples)) for one in segment.stretches
        ), f"the record of {part.file} names other samples than it holds"
        for one in segment.stretches:
            begin_ms = round((segment.head.trigger_monotonic_ns + one.start_ns) / 1e6)
            times = np.arange(begin_ms, begin_ms + len(one.samples), dtype=np.float32)
            axes = np.array([0.0, 0.1, 0.2], np.float32)
            np.testing.assert_allclose(one.samples, times[:, None] + axes[None, :], rtol=0, atol=1e-2)


def cuts_of(calls: Sequence[Call], wanted: Callable[[Call], bool]) -> list[int]:
    """Places spread over all calls that change what a start finds, and those around each renaming."""
    places = [index + 1 for index, call in enumerate(calls) if wanted(call)]
    around = [
        index + more for index, call in enumerate(calls) if isinstance(call, Gone) for more in (0, 1, 2)
    ]
    spread = [places[number * len(places) // CUTS] for number in range(CUTS)]
    return sorted({*spread, *around[:: max(1, len(around) // 15)], len(calls)})


async def test_no_power_cut_loses_a_capture_that_was_told_or_serves_a_wrong_sample(
    recorded: tuple[Path, list[Call]], tmp_path: Path
) -> None:
    origin, calls = recorded
    assert sum(isinstance(call, Said) for call in calls) == REPLAYED
    places = cuts_of(calls, lambda call: not isinstance(call, Said))
    assert len(places) >= CUTS
    told = 0
    for number, place in enumerate(places):
        loss = list(Loss)[number % len(Loss)]
        found = await after_cut(tmp_path / str(number), origin, calls[:place], loss, number)
        assert found.told <= found.whole, (
            f"cut {place}, {loss}: {found.told - found.whole} told and not whole"
        )
        told += len(found.told)
    assert told > CUTS, "cut too early to show anything"


async def test_on_a_disk_that_lies_about_its_flushes_what_is_not_whole_is_said_to_be_missing(
    recorded: tuple[Path, list[Call]], tmp_path: Path
) -> None:
    """The same without the flush of any file's content: a name may stand for nothing, or for a torn file."""
    origin, calls = recorded
    lying = [call for call in calls if not (isinstance(call, Flush) and call.path.endswith(".part"))]
    missing = 0
    for number in range(12):
        place = len(lying) * (number + 4) // 16
        loss = (Loss.DROPPED, Loss.REORDERED, Loss.TORN)[number % 3]
        found = await after_cut(tmp_path / str(number), origin, lying[:place], loss, number)
        assert not found.unknown, "a capture that was told is gone without a word"
        missing += len(found.told & found.missing)
    assert missing > 0, "a disk that lies cost nothing: this shows nothing"
