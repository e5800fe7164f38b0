"""A session against the device core: the good path, gaps, restarts, silence."""

from __future__ import annotations

from itertools import pairwise

import pytest

from firmware_bridge.errors import SessionMisuseError
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    DeviceSilent,
    EndCause,
    InputDiscarded,
    RestartSign,
    SamplesReceived,
    SequenceGap,
    StaleFrame,
    StatsReceived,
    StreamStarted,
    TickJump,
)
from firmware_bridge.frames import Ack, Command, FrameType, RestartCause, Restarted
from firmware_bridge.transitions import FINAL, TRANSITIONS, State, Trigger
from tests.firmware_bridge.back_to_back import FRAME_NS, HELLO, Bench, assert_samples_right, of_type

SECOND = 1_000_000_000


def streaming() -> Bench:
    bench = Bench()
    bench.open()
    assert bench.session.state is State.STREAMING
    return bench


def test_identify_start_and_stream() -> None:
    bench = Bench()
    events = bench.open()
    assert [type(event) for event in events] == [DeviceIdentified, StreamStarted]
    assert events[0].hello.serial_number == HELLO.serial_number
    assert bench.device.streaming
    received = bench.send_frames(50)
    assert [event.sequence for event in received] == list(range(50))
    assert received[0].samples.shape == (128, 3)
    assert_samples_right(received)
    assert bench.session.counts.frames_received == 50
    assert bench.session.counts.samples_received == 50 * 128


def test_samples_times_are_contiguous_and_before_their_arrival() -> None:
    bench = streaming()
    received = of_type(bench.send_frames(1200), SamplesReceived)
    assert received[-1].clock.converged
    for before, after in pairwise(received[600:]):
        assert abs(after.start_ns - before.end_ns) < 2_000
        assert after.end_ns <= after.received_ns + 2_000


def test_gap_has_length_in_frames_and_samples_and_time() -> None:
    bench = streaming()
    last = bench.send_frames(10)[-1]
    bench.lose_frames(3)
    gap, after = bench.send_frames(1)
    assert isinstance(gap, SequenceGap)
    assert (gap.first_missing_sequence, gap.frames_missing, gap.samples_missing) == (10, 3, 384)
    assert after.sequence == 13
    assert gap.start_ns == last.end_ns
    assert abs(gap.end_ns - gap.start_ns - 3 * FRAME_NS) < 100_000
    assert bench.session.counts.frames_missing == 3
    assert bench.session.counts.gaps == 1


def test_sequence_wraps_without_a_gap() -> None:
    bench = streaming()
    bench.device.next_sequence = 2**32 - 3
    events = bench.send_frames(6)
    assert [event.sequence for event in events] == [2**32 - 3, 2**32 - 2, 2**32 - 1, 0, 1, 2]


def test_duplicate_and_late_frames_are_dropped_once_each() -> None:
    bench = streaming()
    bench.send_frames(5)
    late = bench.frame()
    bench.clock.advance_ns(FRAME_NS)
    bench.send_frames(1)
    assert [type(event) for event in bench.say(late)] == [StaleFrame]
    bench.clock.advance_ns(FRAME_NS)
    frame = bench.frame()
    assert [type(event) for event in bench.say(frame)] == [SamplesReceived]
    stale = bench.say(frame)
    assert [type(event) for event in stale] == [StaleFrame]
    assert stale[0].expected_sequence == stale[0].sequence + 1
    assert bench.session.counts.frames_stale == 2
    assert bench.session.state is State.STREAMING


def test_jump_back_without_matching_tick_identifies_again_and_goes_on() -> None:
    bench = streaming()
    bench.send_frames(200)
    bench.device.next_sequence = 20  # tick goes on: not a late frame
    events = bench.send_frames(3)
    restarted = of_type(events, DeviceRestarted)
    assert [event.sign for event in restarted] == [RestartSign.SEQUENCE]
    assert bench.session.state is State.STREAMING
    gaps = of_type(events, SequenceGap)
    assert len(gaps) == 1
    assert gaps[0].frames_missing is None
    assert gaps[0].end_ns > gaps[0].start_ns
    assert [event.sequence for event in of_type(events, SamplesReceived)] == [21, 22]


def test_frames_that_waited_while_the_rest_was_lost_are_a_gap_and_no_restart() -> None:
    bench = streaming()
    bench.send_frames(10)
    waiting = [bench.frame() for _ in range(5)]
    bench.lose_frames(600)  # three seconds in which nobody read
    events = bench.say(b"".join(waiting)) + bench.send_frames(1)
    (gap,) = of_type(events, SequenceGap)
    assert gap.frames_missing == 600
    assert not of_type(events, DeviceRestarted)


def test_implausible_jump_forward_is_not_booked_as_a_gap() -> None:
    bench = streaming()
    bench.send_frames(10)
    bench.device.next_sequence = 3_000_000
    events = bench.send_frames(2)
    assert of_type(events, DeviceRestarted)
    assert bench.session.counts.frames_missing == 0
    assert bench.session.state is State.STREAMING


def test_jumping_back_and_forth_never_yields_a_wrong_sample() -> None:
    bench = streaming()
    for jump in (50, -40, 2_000_000, -1_999_990, 5, -5, 1, -1):
        bench.device.next_sequence = (bench.device.next_sequence + jump) % 2**32
        assert_samples_right(bench.send_frames(4))
    assert bench.session.state is State.STREAMING


def test_a_device_stuck_on_one_number_is_identified_again() -> None:
    bench = streaming()
    bench.send_frames(5)
    frame = bench.frame()
    events = []
    for _ in range(100):
        bench.clock.advance_ns(FRAME_NS)
        events += bench.say(frame)
    assert of_type(events, DeviceRestarted)


def test_restart_notice_leads_to_a_new_hello_and_a_gap_of_unknown_length() -> None:
    bench = streaming()
    bench.send_frames(30)
    bench.device.restart(boot_id=77, cause=RestartCause.WATCHDOG)
    bench.tick = 0
    bench.clock.advance_s(0.4)
    events = bench.exchange() + bench.send_frames(2)
    assert [type(event) for event in events] == [
        DeviceRestarted, DeviceIdentified, StreamStarted, SequenceGap, SamplesReceived, SamplesReceived,
    ]  # fmt: skip
    assert events[0].sign is RestartSign.NOTICE
    assert events[3].frames_missing is None
    assert events[3].end_ns - events[3].start_ns > 390_000_000
    assert bench.session.counts.frames_received == 32


def test_restart_whose_notice_was_lost_is_seen() -> None:
    bench = streaming()
    bench.send_frames(300)
    bench.device.restart(boot_id=78, cause=RestartCause.BROWN_OUT)
    bench.device.replies()  # lost
    bench.tick = 0
    bench.clock.advance_s(2.5)
    bench.session.tick(bench.clock.now_ns)  # silence: it is asked who it is
    events = bench.exchange()
    assert [type(event) for event in events][:3] == [DeviceSilent, DeviceRestarted, DeviceIdentified]
    assert events[1].sign is RestartSign.BOOT_ID
    assert bench.device.streaming


def test_silence_then_the_same_stream_resumes_without_losing_a_frame() -> None:
    bench = streaming()
    bench.send_frames(10)
    bench.clock.advance_s(2.1)
    bench.session.tick(bench.clock.now_ns)
    assert bench.session.state is State.PROBING
    events = bench.say(bench.frame())
    assert of_type(events, DeviceSilent) or of_type(bench.events, DeviceSilent)
    assert [event.sequence for event in of_type(events, SamplesReceived)] == [10]
    assert bench.session.state is State.STREAMING
    assert bench.session.counts.frames_missing == 0


def test_stats_are_asked_for_and_reported() -> None:
    bench = streaming()
    bench.device.frames_sent, bench.device.frames_dropped = 40, 2
    bench.send_frames(10)
    bench.clock.advance_ns(bench.session.next_deadline_ns - bench.clock.now_ns)
    bench.clock.advance_s(10)
    bench.session.tick(bench.clock.now_ns)
    (stats,) = of_type(bench.exchange(), StatsReceived)
    assert (stats.stats.frames_sent, stats.stats.frames_dropped) == (40, 2)


def test_lost_ack_is_no_harm_samples_say_the_same() -> None:
    bench = Bench()
    bench.session.start(bench.clock.now_ns)
    bench.device.receive_data(bench.session.data_to_send())
    for reply in bench.device.replies():
        bench.session.receive_data(reply, bench.clock.now_ns)
    bench.device.receive_data(bench.session.data_to_send())
    bench.device.replies()  # the ACK is lost
    assert bench.session.state is State.STARTING
    events = bench.send_frames(2)
    assert bench.session.state is State.STREAMING
    assert [event.sequence for event in of_type(events, SamplesReceived)] == [0, 1]


def test_samples_of_another_size_than_announced_are_no_samples() -> None:
    bench = streaming()
    bench.send_frames(1)
    numbered = bench.device.number_frame(bench.tick, b"\x01\x02" * 3 * 127)
    (event,) = bench.say(numbered.wire_bytes)
    assert isinstance(event, InputDiscarded)
    assert event.malformed == 1
    assert "announced" in event.reason


def test_contiguous_numbers_with_a_jump_of_the_device_clock_are_reported() -> None:
    bench = streaming()
    bench.send_frames(20)
    bench.clock.advance_ns(FRAME_NS * 4)
    bench.tick += 4 * 5_000  # four frames lost before they were numbered
    jump, after = bench.send_frames(1)
    assert isinstance(jump, TickJump)
    assert jump.samples_missing == 4 * 128
    assert isinstance(after, SamplesReceived)


def test_late_hello_restart_and_loopback_do_no_harm() -> None:
    bench = streaming()
    assert bench.say(HELLO) == []
    assert bench.say(Restarted(HELLO.boot_id, 1)) == []
    assert bench.say(Ack(9, FrameType.STATS_REQUEST)) == []
    (event,) = bench.say(Command(FrameType.START, 1))
    assert "loopback" in event.reason
    assert bench.session.state is State.STREAMING


def test_samples_before_the_hello_are_dropped_and_counted() -> None:
    bench = Bench()
    bench.session.start(bench.clock.now_ns)
    bench.session.receive_data(bench.frame(), bench.clock.now_ns)
    assert bench.session.events() == []
    assert bench.session.early_frames == 1


def test_stop_reset_and_loss_of_the_connection() -> None:
    bench = streaming()
    bench.session.reset_device()
    bench.exchange()
    assert bench.device.reset_wanted
    bench.session.stop(bench.clock.now_ns)
    bench.exchange()
    assert not bench.device.streaming
    assert bench.session.state is State.STOPPED
    bench.session.connection_lost()
    (ended,) = bench.session.events()
    assert ended.cause is EndCause.CONNECTION_LOST
    bench.session.receive_data(b"\x01\x02\x00", 5)
    bench.session.tick(10**18)
    assert bench.session.events() == []
    with pytest.raises(SessionMisuseError):
        bench.session.start(1)
    with pytest.raises(SessionMisuseError):
        bench.session.reset_device()


def test_every_state_is_reachable_and_only_final_ones_have_no_way_out() -> None:
    reached = {State.NEW}
    while grown := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= grown
    assert reached == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State) - FINAL
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)
