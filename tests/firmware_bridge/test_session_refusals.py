"""What a session refuses and when it gives up: nonsense, too little room, too fast, no answer."""

from __future__ import annotations

import pytest

from firmware_bridge.device import Device
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    EndCause,
    RestartSign,
    SamplesReceived,
    SessionEnded,
)
from firmware_bridge.frames import FrameType, Nak, NakCode
from firmware_bridge.session import Session, Timeouts
from firmware_bridge.transitions import State
from tests.firmware_bridge.back_to_back import FRAME_NS, HELLO, Bench, hello, of_type

SECOND = 1_000_000_000


def streaming() -> Bench:
    bench = Bench()
    bench.open()
    assert bench.session.state is State.STREAMING
    return bench


def test_repeats_its_question_then_says_that_nobody_answers() -> None:
    session = Session(timeouts=Timeouts(attempts=3))
    now_ns = 5 * SECOND
    session.start(now_ns)
    asked = session.data_to_send()
    while session.next_deadline_ns is not None:
        now_ns = session.next_deadline_ns
        session.tick(now_ns)
        asked += session.data_to_send()
    (ended,) = session.events()
    assert (ended.cause, now_ns) == (EndCause.NO_ANSWER, 8 * SECOND)
    probe = Device(HELLO)
    probe.receive_data(asked)
    assert len(probe.replies()) == 3
    assert session.state is State.UNANSWERED


def test_wrong_device_is_told_from_a_silent_one() -> None:
    session = Session(timeouts=Timeouts(attempts=1))
    session.start(0)
    session.receive_data(b"$GPGGA,123519,4807.038,N,01131.000,E*47\r\n" * 200 + b"\x00", 1)
    session.tick(2 * SECOND)
    ended = of_type(session.events(), SessionEnded)
    assert ended[0].cause is EndCause.NOT_A_SENSOR


def test_nak_of_start_ends_the_session_and_busy_does_not() -> None:
    for code, state in ((NakCode.SENSOR_FAULT, State.REFUSED), (NakCode.BUSY, State.STARTING)):
        session = Session()
        session.start(0)
        device = Device(HELLO)
        device.receive_data(session.data_to_send())
        session.receive_data(device.replies()[0], 1)
        bench = Bench(session=session)
        bench.session.data_to_send()
        bench.say(Nak(2, FrameType.START, code))
        assert session.state is state


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"protocol_version": 9}, "protocol version 9"),
        ({"serial_number": ""}, "serial number"),
        ({"axes": 0}, "0 axes"),
        ({"axes": 200}, "200 axes"),
        ({"sample_rate_hz": 0.0}, "sample rate"),
        ({"sample_rate_hz": 4_000_000.0}, "sample rate"),
        ({"tick_rate_hz": 3}, "tick rate"),
        ({"tick_rate_hz": 20_000}, "below the sample rate"),
        ({"full_scale_mps2": float("nan")}, "full scale"),
        ({"full_scale_mps2": float("inf")}, "full scale"),
        ({"full_scale_mps2": -2.0}, "full scale"),
        ({"samples_per_frame": 0}, "samples per frame"),
        ({"samples_per_frame": 60_000}, "samples per frame"),
        ({"sample_rate_hz": 51_200.0}, "the port carries"),
    ],
)
def test_nonsense_in_hello_is_refused_with_the_reason(changes: dict[str, object], word: str) -> None:
    bench = Bench(device=Device(hello(**changes)))
    ended = of_type(bench.open(), SessionEnded)
    assert bench.session.state is State.REFUSED
    assert ended[0].cause is EndCause.HELLO_REFUSED
    assert word in ended[0].reason
    assert ended[0].remedy
    assert not bench.device.streaming
    assert bench.session.next_deadline_ns is None


def test_the_port_must_carry_the_framing_too() -> None:
    raw = 25_600 * 3 * 2
    assert Bench(session=Session(port_bytes_per_s=raw * 1.01)).open()[0].cause is EndCause.HELLO_REFUSED
    assert isinstance(Bench(session=Session(port_bytes_per_s=raw * 1.03)).open()[0], DeviceIdentified)


def test_another_serial_number_is_refused() -> None:
    bench = Bench(session=Session(expected_serial_number="SN-999"))
    (ended,) = bench.open()
    assert "SN-999" in ended.reason


def test_ten_times_the_announced_rate_is_refused() -> None:
    bench = streaming()
    events = []
    for _ in range(10_000):
        bench.clock.advance_ns(FRAME_NS // 10)
        events += bench.say(bench.frame())
        if bench.session.state is State.REFUSED:
            break
    ended = of_type(events, SessionEnded)
    assert [event.cause for event in ended] == [EndCause.RATE_EXCEEDED]
    assert len(of_type(events, SamplesReceived)) * 128 / 25_600 < 3.0  # seconds of samples taken in
    bench.device.receive_data(bench.session.data_to_send())
    assert not bench.device.streaming  # it was told to stop


def test_a_burst_after_a_hiccup_of_the_port_is_forgiven() -> None:
    bench = streaming()
    bench.send_frames(100)
    bench.clock.advance_s(1.5)
    burst = b"".join(bench.frame() for _ in range(300))
    events = bench.say(burst)
    assert len(of_type(events, SamplesReceived)) == 300


def test_changed_hello_of_the_same_boot_is_judged_again() -> None:
    bench = streaming()
    bench.send_frames(5)
    bench.device.hello = hello(sample_rate_hz=12_800.0)
    events = bench.say(bench.device.hello)
    assert [event.sign for event in of_type(events, DeviceRestarted)] == [RestartSign.HELLO_CHANGED]
    assert bench.session.hello.sample_rate_hz == 12_800.0
    assert bench.session.state is State.STREAMING
