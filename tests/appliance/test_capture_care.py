"""What a kill, a power cut or a broken disk leaves of captures: told, set aside, and the rest kept."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.capture_segment import CHUNK_SAMPLES, Stretch, encode_segment
from appliance.captured_recording import captured_stretches
from appliance.clock import ReplayClock
from appliance.journal.capture_record import CUT_BY_DAMAGE, CUT_BY_STOP, Capture
from appliance.journal.deliveries import NOBODY
from appliance.journal.record import ClassBacklog, RecordClass, RecordKind, SinkClaim
from appliance.journal.retention import MIB, ClassBudget
from appliance.journal.store import FILE_NAME
from dsp.samples import GapCause
from tests.appliance.capture_rig import TIMING, CaptureRig, blocks, capture_rig, raised
from tests.appliance.house import stored_gaps
from tests.appliance.journal.builders import SECOND_NS, SMALL, START_NS, alarm

DAMAGED = "appliance.data-lost.captures"
LEFT_OUT = "appliance.captures-left-out"
LONG = replace(TIMING, before_s=20.0, after_s=1.0)  # several chunks of 1 kHz


def later() -> ReplayClock:
    """The clock of the next start: another monotonic zero."""
    clock = ReplayClock(START_NS + 1_000 * SECOND_NS)
    clock.set(10 * SECOND_NS)
    return clock


async def one_capture(rig: CaptureRig) -> Capture:
    rig.deliver(25.0, raised(25.0))
    rig.deliver(27.0)
    (capture,) = await rig.stored()
    return capture


async def test_a_kill_between_file_and_record_loses_nothing(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        job = rig.desk._jobs[0]
        content = encode_segment(job.head, job.stretches)
        rig.files.write(f"{job.head.capture_id}.0.stcap", content)  # and then the power went
    async with capture_rig(tmp_path, clock=later()) as rig:
        await rig.care.begin()
        (capture,) = await rig.stored()
        assert capture.capture_id == job.head.capture_id
        assert capture.alarm_ids == ("motor-1.machine-condition",)
        assert capture.trigger_time_ns == START_NS + 3 * SECOND_NS
        assert capture.ended == CUT_BY_STOP
        stretches, _ = captured_stretches(rig.files, capture)
        np.testing.assert_array_equal(stretches[0].samples, job.stretches[0].samples)


async def test_a_half_written_file_is_removed(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await one_capture(rig)
        (rig.files.folder / ".20270115t080000-motor-1-abc123.0.stcap.part").write_bytes(b"half")
        await rig.care.begin()
        assert [path.name for path in rig.files.folder.iterdir() if "part" in path.name] == []


async def test_a_capture_without_an_end_is_ended_at_the_next_start_and_told_as_a_gap(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        (capture,) = await rig.stored()
        await rig.care.begin()
        (same,) = await rig.stored()
        assert not same.complete  # it still grows
    async with capture_rig(tmp_path, clock=later()) as rig:
        await rig.care.begin()
        (capture,) = await rig.stored()
        assert (capture.complete, capture.ended) == (True, CUT_BY_STOP)
        (gap,) = await stored_gaps(rig.journal, "motor-1.y/capture", 1)
        assert gap.cause is GapCause.POWER_OFF
        assert (gap.start_ns, gap.end_ns) == (START_NS + 3 * SECOND_NS, START_NS + 4 * SECOND_NS)
        await rig.care.begin()
        assert len(await rig.journal.read(0, {RecordKind.CAPTURE})) == 2  # nothing is said twice


async def test_a_damaged_file_is_told_set_aside_and_the_rest_of_it_kept(tmp_path: Path) -> None:
    async with capture_rig(tmp_path, LONG) as rig:
        capture = await one_capture(rig)
        whole, _ = captured_stretches(rig.files, capture)
        path = rig.files.path(capture.parts[0].file)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        await rig.care.check()
        assert "4.1 s of samples of it are gone, the rest is kept" in rig.condition(DAMAGED)
        (aside,) = rig.files.folder.glob("*.damaged-*")
        assert aside.read_bytes() == bytes(content)
        (mended,) = await rig.stored()
        assert mended.ended == CUT_BY_DAMAGE
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert gap.cause is GapCause.DAMAGED_STORE
        assert gap.end_ns - gap.start_ns == CHUNK_SAMPLES * 1_000_000
        stretches, remarks = captured_stretches(rig.files, mended)
        assert remarks == [f"it ended before its time: {CUT_BY_DAMAGE}"]
        assert sum(len(one.samples) for one in stretches) == len(whole[0].samples) - CHUNK_SAMPLES
        for one in stretches:
            first = round((one.start_ns - whole[0].start_ns) / 1e6)
            np.testing.assert_array_equal(one.samples, whole[0].samples[first : first + len(one.samples)])
        assert await rig.care.look_at(mended, mended.parts[0])  # whole again
    async with capture_rig(tmp_path, clock=later()) as rig:
        rig.watch.restore(rig.alarms.restore(), [])
        await rig.care.begin()
        await rig.care.check()
        assert rig.condition(DAMAGED) == ""  # it was told; now all is well


async def test_a_cut_between_the_mended_file_and_its_record_is_made_good_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with capture_rig(tmp_path, LONG) as rig:
        capture = await one_capture(rig)
        whole, _ = captured_stretches(rig.files, capture)
        path = rig.files.path(capture.parts[0].file)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)

        async def cut(*_: object) -> None:
            raise ConnectionAbortedError("the power went")

        with monkeypatch.context() as patched:
            patched.setattr(rig.journal, "commit", cut)
            patched.setattr(rig.journal, "record_gap", lambda *_: None)
            with pytest.raises(ConnectionAbortedError):
                await rig.care.check()
        (unaware,) = await rig.stored()
        assert unaware.parts[0].stretches == capture.parts[0].stretches, "the file was mended, the record not"
    async with capture_rig(tmp_path, clock=later()) as rig:
        await rig.care.begin()
        await rig.care.check()
        assert "4.1 s of samples of it are gone, the rest is kept" in rig.condition(DAMAGED)
        (mended,) = await rig.stored()
        assert mended.ended == CUT_BY_DAMAGE
        stretches, _ = captured_stretches(rig.files, mended)
        held = sum(n for part in mended.parts for _, _, n in part.stretches)
        assert held == sum(len(one.samples) for one in stretches) == len(whole[0].samples) - CHUNK_SAMPLES
        assert mended.parts[0].size_bytes == path.stat().st_size
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert gap.cause is GapCause.DAMAGED_STORE
        assert gap.end_ns - gap.start_ns == CHUNK_SAMPLES * 1_000_000
        await rig.care.check()
        assert len(await stored_gaps(rig.journal, "motor-1.x/capture", 1)) == 1, "told again and again"


@pytest.mark.parametrize("harm", ["gone", "emptied"])
async def test_a_lost_file_is_told_and_no_record_names_it(tmp_path: Path, harm: str) -> None:
    async with capture_rig(tmp_path) as rig:
        capture = await one_capture(rig)
        path = rig.files.path(capture.parts[0].file)
        if harm == "gone":
            path.unlink()
            await rig.care.begin()
        else:
            path.write_bytes(b"")
            await rig.care.check()
        assert path.name in rig.condition(DAMAGED)
        (left,) = await rig.stored()
        assert [part.file for part in left.parts] == ["", capture.parts[1].file]
        assert not path.exists()
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert gap.cause is GapCause.DAMAGED_STORE


async def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await one_capture(rig)
        strange = rig.files.folder / "notes.txt"
        strange.write_text("do not touch")
        (rig.files.folder / "odd.stcap").write_bytes(b"nothing of ours")
        await rig.care.begin()
        assert strange.read_text() == "do not touch"
        assert "odd.stcap" in rig.condition(DAMAGED)
        assert [path.name.split(".damaged")[0] for path in rig.files.folder.glob("odd*")] == ["odd.stcap"]


# ---- the budget of the class ----

SIZE = 200_000


def row(rig: CaptureRig) -> ClassBacklog:
    return next(one for one in rig.journal.backlog() if one.record_class is RecordClass.CAPTURE)


async def captures(rig: CaptureRig, n: int) -> list[str]:
    """So many captures of some 60 kB each; their ids in order."""
    for number in range(1, n + 1):
        rig.deliver(10.0 * number, raised(10.0 * number, what="re-raised"))
        rig.deliver(10.0 * number + 2.0)
    return [one.capture_id for one in reversed(await rig.stored())]


async def settled(rig: CaptureRig) -> None:
    """One more round of the journal, with its trim."""
    await rig.journal.commit([alarm(rig.journal.last_sequence + 1)])
    await rig.journal.commit([alarm(rig.journal.last_sequence + 1)])


async def test_the_account_of_captures_holds_their_files_also_after_a_restart(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 3)
        on_disk = sum(path.stat().st_size for path in rig.files.folder.iterdir())
        assert on_disk < row(rig).stored_bytes < on_disk * 1.2
        before = row(rig).stored_bytes
    async with capture_rig(tmp_path, clock=later()) as rig:
        assert row(rig).stored_bytes == before


async def test_over_budget_the_oldest_leave_with_their_files_and_nothing_else_does(tmp_path: Path) -> None:
    budgets = replace(SMALL, capture=ClassBudget(SIZE, None, False))
    async with capture_rig(tmp_path, budgets=budgets) as rig:
        await rig.journal.commit([alarm(number) for number in range(50)])
        ids = await captures(rig, 8)
        await settled(rig)
        kept = [one.capture_id for one in reversed(await rig.stored())]
        assert 1 <= len(kept) < 8
        assert row(rig).stored_bytes <= SIZE
        assert {path.name.rsplit(".", 2)[0] for path in rig.files.folder.iterdir()} == set(kept)
        assert len(ids) == 0 or kept[-1] == ids[-1]
        assert row(rig).dropped >= 8 - len(kept)
        alarms = next(one for one in rig.journal.backlog() if one.record_class is RecordClass.ALARM)
        assert (alarms.dropped, alarms.records >= 50) == (0, True)
        assert rig.journal.deliveries.confirmed(RecordClass.CAPTURE) == NOBODY
        assert await rig.journal.gaps("motor-1.x/capture", 0, 1 << 62) == []  # nobody ever asked for them


async def test_what_is_sent_leaves_first_and_what_leaves_unsent_is_a_gap(tmp_path: Path) -> None:
    budgets = replace(SMALL, capture=ClassBudget(100 * MIB, None, False))
    async with capture_rig(tmp_path, budgets=budgets) as rig:
        ids = await captures(rig, 4)
        records = await rig.journal.read(0, {RecordKind.CAPTURE})
        sent = max(record.sequence for record in records if ids[2] in record.key)
    small = replace(SMALL, capture=ClassBudget(55_000, None, False))
    async with capture_rig(tmp_path, budgets=small, clock=later()) as rig:
        rig.journal.deliveries.sinks_are({"object store": SinkClaim(frozenset({RecordClass.CAPTURE}), True)})
        rig.journal.mark_delivered("object store", RecordClass.CAPTURE, sent)
        await settled(rig)
        kept = [one.capture_id for one in await rig.stored()]
        assert kept == [ids[3]]
        assert await rig.journal.gaps("motor-1.x/capture", 0, 1 << 62) == []
    tiny = replace(SMALL, capture=ClassBudget(10_000, None, False))
    async with capture_rig(tmp_path, budgets=tiny, clock=later()) as rig:
        rig.journal.deliveries.sinks_are({"object store": SinkClaim(frozenset({RecordClass.CAPTURE}), True)})
        await settled(rig)
        assert await rig.stored() == []
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert gap.cause is GapCause.BACKPRESSURE
        assert (gap.end_ns - gap.start_ns) == 3 * SECOND_NS


async def test_the_age_limit_waits_for_a_trusted_clock(tmp_path: Path) -> None:
    budgets = replace(SMALL, capture=ClassBudget(100 * MIB, 500.0, False))
    clock = ReplayClock(START_NS, trusted=False)
    async with capture_rig(tmp_path, budgets=budgets, clock=clock) as rig:
        await captures(rig, 2)
        clock.set(5_000 * SECOND_NS)
        await settled(rig)
        assert len(await rig.stored()) == 2
        clock.set_trusted(True)
        await settled(rig)
        assert await rig.stored() == []
        assert list(rig.files.folder.iterdir()) == []
        assert row(rig).dropped == 0


async def test_what_is_too_old_before_it_was_sent_is_a_gap_too(tmp_path: Path) -> None:
    budgets = replace(SMALL, capture=ClassBudget(100 * MIB, 500.0, False))
    clock = ReplayClock(START_NS)
    async with capture_rig(tmp_path, budgets=budgets, clock=clock) as rig:
        rig.journal.deliveries.sinks_are({"object store": SinkClaim(frozenset({RecordClass.CAPTURE}), True)})
        ids = await captures(rig, 2)
        records = await rig.journal.read(0, {RecordKind.CAPTURE})
        sent = max(record.sequence for record in records if ids[0] in record.key)
        rig.journal.mark_delivered("object store", RecordClass.CAPTURE, sent)
        clock.set(5_000 * SECOND_NS)
        await settled(rig)
        assert await rig.stored() == []
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert (gap.end_ns - gap.start_ns) == 3 * SECOND_NS, "of the one that was not sent alone"


async def test_a_row_that_says_nothing_any_more_leaves_too(tmp_path: Path) -> None:
    """Its file is taken up again at the next start: it says itself what it is."""
    budgets = replace(SMALL, capture=ClassBudget(100 * MIB, 500.0, False))
    async with capture_rig(tmp_path, budgets=budgets) as rig:
        ids = await captures(rig, 1)
        first = (await rig.journal.read(0, {RecordKind.CAPTURE}))[0].sequence
        other = sqlite3.connect(rig.journal.folder / FILE_NAME, isolation_level=None)
        other.execute("UPDATE record SET payload=x'00' WHERE sequence=?", (first,))
        other.close()
        assert isinstance(rig.clock, ReplayClock)
        rig.clock.set(5_000 * SECOND_NS)
        await settled(rig)
        assert row(rig).records == 0
    async with capture_rig(tmp_path, clock=later()) as rig:
        await rig.care.begin()
        (again,) = await rig.stored()
        assert (again.capture_id, again.ended) == (ids[0], CUT_BY_STOP)


async def test_captures_that_are_left_out_are_an_alarm_until_all_is_calm_again(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    async with capture_rig(tmp_path, clock=clock) as rig:
        watching = asyncio.create_task(rig.care.run())
        rig.fill = 0.9
        rig.deliver(3.0, raised(3.0))
        async with asyncio.timeout(10):
            while "faster than they are analysed" not in rig.condition(LEFT_OUT):
                await asyncio.sleep(0.02)
        clock.advance(61 * SECOND_NS)
        async with asyncio.timeout(10):
            while rig.condition(LEFT_OUT):
                await asyncio.sleep(0.02)
        watching.cancel()


def test_a_file_is_flushed_before_its_name_and_its_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that a power cut cannot turn round: content, name, folder."""
    from appliance.journal.capture_files import CaptureFiles

    calls: list[str] = []
    fsync, rename = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "content")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        calls.append("name")
        rename(source, target)

    files = CaptureFiles(tmp_path)
    files.write("first.stcap", b"makes the folder")
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    files.write("a.stcap", b"content")
    assert calls == ["content", "name", "folder"]
    with pytest.raises(ValueError, match="no name"):
        files.path("../secret.stcap")


def test_the_tests_samples_say_when_they_were_taken() -> None:
    assert isinstance(Stretch(0, 1.0, np.zeros((1, 1), np.float32)), Stretch)
    assert blocks(3, 1)[0].samples[0] == 300.0
