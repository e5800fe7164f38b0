"""Captures: what is kept around an alarm, in which order it reaches the disk, and what is given up first."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.capture_desk import CaptureDesk
from appliance.capture_segment import Stretch
from appliance.captured_recording import captured_stretches
from appliance.clock import ReplayClock
from appliance.counters import Counter
from appliance.errors import Rejected
from appliance.journal.capture_record import (
    CUT_BY_OVERLOAD,
    CUT_BY_SOURCE,
    CUT_BY_STOP,
    Capture,
    capture_part,
)
from appliance.journal.record import RecordClass, RecordKind
from dsp.samples import GapCause
from tests.appliance.capture_rig import ASSET, RATE_HZ, TIMING, CaptureRig, blocks, capture_rig, raised
from tests.appliance.house import stored_gaps
from tests.appliance.journal.builders import SECOND_NS, START_NS


def samples(rig: CaptureRig, capture: Capture) -> Stretch:
    stretches, _remarks = captured_stretches(rig.files, capture)
    assert len(stretches) == 1
    return stretches[0]


async def test_an_alarm_keeps_what_was_before_it_and_what_came_after(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(5.0, raised(4.6))
        rig.deliver(6.0)
        (capture,) = await rig.stored()
        assert capture.complete
        assert capture.ended == ""
        assert capture.alarm_ids == ("motor-1.machine-condition",)
        assert capture.trigger_time_ns == START_NS + round(4.6 * SECOND_NS)
        one = samples(rig, capture)
        np.testing.assert_array_equal(one.samples[:, 0], np.arange(2600, 5600))  # each sample says its time
        np.testing.assert_allclose(one.samples[0], [2600.0, 2600.1, 2600.2], atol=1e-3)
        assert one.start_ns == -2 * SECOND_NS
        assert one.sample_rate_hz == RATE_HZ
        assert capture.duration_s == pytest.approx(3.0)
        assert rig.counters.value(Counter.CAPTURES, ASSET) == 1


async def test_what_was_before_is_on_the_disk_before_the_rest_has_come(tmp_path: Path) -> None:
    """A machine that trips may take the power with it."""
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        (capture,) = await rig.stored()
        assert not capture.complete
        np.testing.assert_array_equal(samples(rig, capture).samples[:, 0], np.arange(1000, 3000))


async def test_files_are_private_and_no_record_names_one_that_is_not_there(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.deliver(5.0)
        await rig.stored()
        records = await rig.journal.read(0, {RecordKind.CAPTURE})
        parts = [capture_part(record) for record in records]
        assert {record.record_class for record in records} == {RecordClass.CAPTURE}
        assert [(part.part, part.last) for part in parts] == [(0, False), (1, True)]
        assert stat.S_IMODE(rig.files.folder.stat().st_mode) == 0o700
        for part in parts:
            path = rig.files.path(part.file)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.stat().st_size == part.size_bytes


async def test_only_becoming_active_is_a_trigger_and_one_capture_tells_of_several(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0, what="updated"), raised(3.0, what="cleared"))
        assert await rig.stored() == []
        rig.deliver(3.5, raised(3.5))
        rig.deliver(4.0, raised(4.0, "motor-1.drift"), raised(4.0, what="re-raised"))
        rig.deliver(6.0)
        (capture,) = await rig.stored()
        assert capture.alarm_ids == ("motor-1.machine-condition", "motor-1.drift")
        assert [one["offset_ns"] for one in capture.triggers] == [0, SECOND_NS // 2, SECOND_NS // 2]


async def test_a_sensor_that_is_gone_ends_its_capture(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    async with capture_rig(tmp_path, clock=clock) as rig:
        rig.deliver(3.0, raised(3.0))
        clock.advance(60 * SECOND_NS)
        rig.desk._expire()
        (capture,) = await rig.stored()
        assert capture.complete
        assert capture.ended == CUT_BY_SOURCE


async def test_a_person_gets_a_capture_by_hand_or_a_reason_why_not(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        with pytest.raises(Rejected, match="no samples of motor-1 have come"):
            rig.desk.request(ASSET, "anna", "")
        with pytest.raises(Rejected, match="no vibration channel"):
            rig.desk.request("fan", "anna", "")
        rig.deliver(3.0)
        (capture_id,) = rig.desk.request(ASSET, "anna", "before the bearing is changed")
        rig.deliver(5.0)
        (capture,) = await rig.stored()
        assert capture.capture_id == capture_id
        assert capture.alarm_ids == ()
        assert capture.triggers[0]["actor"] == "anna"
        assert capture.triggers[0]["comment"] == "before the bearing is changed"
        rig.fill = 0.9
        with pytest.raises(Rejected, match="faster than they are analysed"):
            rig.desk.request(ASSET, "anna", "")


async def test_switched_off_it_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        off = CaptureDesk([], TIMING, journal=rig.journal, clock=rig.clock, counters=rig.counters)
        off.take(ASSET, blocks(0, 50), [raised(5.0)])
        assert off.ring_bytes == off.waiting == 0
        with pytest.raises(Rejected, match="enabled = true"):
            off.request(ASSET, "anna", "")


async def test_an_alarm_that_comes_and_goes_does_not_wear_out_the_flash(tmp_path: Path) -> None:
    async with capture_rig(tmp_path, replace(TIMING, most_per_hour=3)) as rig:
        for number in range(1, 9):
            rig.deliver(5.0 * number, raised(5.0 * number, what="re-raised"))
        rig.deliver(50.0)
        assert len(await rig.stored()) == 3
        assert rig.counters.value(Counter.CAPTURES_SUPPRESSED, ASSET) == 5
        rig.desk.request(ASSET, "anna", "")  # a person may all the same
        rig.deliver(55.0)
        assert len(await rig.stored()) == 4


async def test_captures_are_given_up_before_any_block_is_dropped(tmp_path: Path) -> None:
    """Half full queues cost captures, told as a gap of the waveform and an alarm; the trend has no gap."""
    async with capture_rig(tmp_path) as rig:
        rig.fill = 0.6
        rig.deliver(3.0, raised(3.0))
        assert await rig.stored() == []
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert (gap.cause, gap.start_ns, gap.end_ns) == (
            GapCause.OVERLOAD,
            START_NS + SECOND_NS,
            START_NS + 4 * SECOND_NS,
        )
        assert await rig.journal.gaps("motor-1.x", 0, 1 << 62) == []
        assert rig.counters.value(Counter.CAPTURES_LEFT_OUT, ASSET) == 1


async def test_an_overload_in_between_costs_what_comes_after(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.fill = 0.6
        rig.deliver(5.0)
        (capture,) = await rig.stored()
        assert capture.complete
        assert capture.ended == CUT_BY_OVERLOAD
        assert capture.duration_s == pytest.approx(2.0)
        (gap,) = await stored_gaps(rig.journal, "motor-1.z/capture", 1)
        assert gap.end_ns - gap.start_ns == SECOND_NS


async def test_a_disk_that_takes_no_file_costs_the_capture_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.files.folder.write_bytes(b"in the way of the folder")
        rig.deliver(3.0, raised(3.0))
        rig.deliver(5.0)
        (capture,) = await rig.stored()
        assert capture.complete
        assert capture.size_bytes == 0
        (gap,) = await stored_gaps(rig.journal, "motor-1.x/capture", 1)
        assert gap.cause is GapCause.DISK_FULL
        assert rig.desk.failed == 2
        with pytest.raises(Rejected, match="holds no samples"):
            captured_stretches(rig.files, capture)


async def test_a_slow_disk_bounds_what_waits_for_it(tmp_path: Path) -> None:
    """Nothing is written here: what waits stays below the bound, and what does not fit is told."""
    async with capture_rig(tmp_path, replace(TIMING, memory_bytes=60_000)) as rig:
        for number in range(1, 20):
            rig.deliver(5.0 * number, raised(5.0 * number, what="re-raised"))
        assert sum(job.size_bytes for job in rig.desk._jobs) <= 60_000
        assert rig.desk.ring_bytes <= 60_000 + 3 * 400
        assert rig.counters.value(Counter.CAPTURES_LEFT_OUT, ASSET) > 0
        await rig.stored()


async def test_an_orderly_stop_stores_what_is_begun(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.deliver(3.5)
        await rig.desk.finish()
        (capture,) = await rig.stored()
        assert capture.complete
        assert capture.duration_s == pytest.approx(2.5)
        assert capture.ended == CUT_BY_STOP


async def test_a_fault_of_ours_keeps_no_other_capture_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.deliver(5.0)
        odd = replace(rig.desk._jobs[0].head, channels=("only one",))
        rig.desk._jobs[0] = replace(rig.desk._jobs[0], head=odd)
        rig.deliver(10.0, raised(10.0))
        rig.deliver(12.0)
        captures = await rig.stored()
        assert rig.desk.failed == 1
        assert [len(one.parts) for one in captures] == [2, 1]
