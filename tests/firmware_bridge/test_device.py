"""The device core: what firmware answers."""

from __future__ import annotations

from firmware_bridge.codec import Deframer, wire_bytes_of, wire_bytes_of_payload
from firmware_bridge.device import Device
from firmware_bridge.frames import (
    Ack,
    Command,
    Frame,
    FrameType,
    Hello,
    Nak,
    NakCode,
    RestartCause,
    Restarted,
    Samples,
    Stats,
    frame_of,
)
from tests.firmware_bridge.back_to_back import HELLO


def answers(device: Device, sent: bytes) -> list[Frame]:
    device.receive_data(sent)
    deframer = Deframer()
    return [frame_of(payload) for reply in device.replies() for payload in deframer.payloads(reply)]


def test_answers_carry_the_request_they_answer() -> None:
    device = Device(HELLO)
    (hello,) = answers(device, wire_bytes_of(Command(FrameType.IDENTIFY, 7)))
    assert isinstance(hello, Hello)
    assert hello.request_id == 7
    for command in (FrameType.START, FrameType.START, FrameType.STOP, FrameType.STOP):
        assert answers(device, wire_bytes_of(Command(command, 9))) == [Ack(9, command)]
        assert device.streaming is (command is FrameType.START)
    device.frames_dropped = 4
    assert answers(device, wire_bytes_of(Command(FrameType.STATS_REQUEST, 3))) == [Stats(3, 0, 4, 0)]


def test_unknown_and_misshapen_commands_are_refused_and_damaged_ones_only_counted() -> None:
    device = Device(HELLO)
    assert answers(device, wire_bytes_of_payload(b"\x99ab")) == [Nak(0, 0x99, NakCode.UNKNOWN_COMMAND)]
    assert answers(device, wire_bytes_of_payload(b"\x82a")) == [Nak(0, 0x82, NakCode.BAD_LENGTH)]
    assert answers(device, b"\x09ab\x00") == []
    assert device.commands_rejected == 3


def test_numbers_are_used_up_whether_sent_or_not() -> None:
    device = Device(HELLO)
    device.next_sequence = 2**32 - 1
    assert device.skip_frames() == 2**32 - 1
    numbered = device.number_frame(2**32 + 5, b"\x01\x00")
    (payload,) = Deframer().payloads(numbered.wire_bytes)
    assert frame_of(payload) == Samples(0, 5, b"\x01\x00")


def test_a_restart_begins_a_new_life_and_says_so() -> None:
    device = Device(HELLO)
    answers(device, wire_bytes_of(Command(FrameType.START, 1)))
    device.number_frame(0, b"\x01\x00")
    device.restart(99, RestartCause.WATCHDOG)
    assert not device.streaming
    assert device.next_sequence == 0
    assert answers(device, b"") == [Restarted(99, RestartCause.WATCHDOG)]
    (hello,) = answers(device, wire_bytes_of(Command(FrameType.IDENTIFY, 1)))
    assert hello.boot_id == 99
