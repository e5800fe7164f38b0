"""Whatever arrives on the line: no exception, no wrong sample, bounded memory, everything counted."""

from __future__ import annotations

import math
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codec import MAX_WIRE_BYTES, wire_bytes_of_payload
from firmware_bridge.device import Device
from firmware_bridge.errors import FrameError
from firmware_bridge.events import InputDiscarded, SamplesReceived, SequenceGap, SessionEnded
from firmware_bridge.frames import PROTOCOL_VERSION, frame_of
from firmware_bridge.hello_check import refusal_of
from firmware_bridge.session import DEFAULT_BAUD, Session
from firmware_bridge.transitions import State
from tests.fakes.lossy_port import LossyPort
from tests.firmware_bridge.back_to_back import HELLO, Bench, assert_samples_right, hello, of_type, samples_of


def streaming(**line: float) -> tuple[Bench, LossyPort]:
    bench = Bench()
    bench.open()
    return bench, LossyPort(seed=3, **line)


@given(st.lists(st.binary(max_size=2000), max_size=10))
def test_random_bytes_in_any_state_do_no_harm(chunks: list[bytes]) -> None:
    fresh, bench = Bench(), Bench()
    fresh.session.start(fresh.clock.now_ns)
    bench.open()
    for chunk in chunks:
        for peer in (fresh, bench):
            peer.session.receive_data(chunk, peer.clock.advance_ns(1_000_000))
            peer.session.tick(peer.clock.now_ns)
    assert not of_type(fresh.session.events(), SamplesReceived)
    bench.say(b"\x00")
    assert of_type(bench.send_frames(2), SamplesReceived)[-1].sequence == 1


@given(st.lists(st.binary(max_size=2000), max_size=10))
def test_random_bytes_do_the_device_no_harm(chunks: list[bytes]) -> None:
    device = Device(HELLO)
    for chunk in chunks:
        device.receive_data(chunk)
    device.replies()
    session = Session()
    session.start(0)
    device.receive_data(session.data_to_send())
    assert len(device.replies()) == 1


def test_garbage_is_reported_once_per_chunk_and_the_stream_goes_on() -> None:
    bench, _ = streaming()
    noise = random.Random(1).randbytes(50_000)
    events = bench.say(noise + b"\x00")
    discarded = of_type(events, InputDiscarded)
    assert len(discarded) == 1
    assert discarded[0].discards.n_bytes > 49_000
    assert of_type(bench.send_frames(1), SamplesReceived)


def test_truncated_frame_costs_itself_or_its_neighbour_but_no_more() -> None:
    bench, _ = streaming()
    bench.send_frames(3)
    bench.clock.advance_ns(10_000_000)
    torn = bench.frame()[:300] + bench.frame()  # no delimiter between: both are lost
    events = bench.say(torn) + bench.send_frames(2)
    (gap,) = of_type(events, SequenceGap)
    assert (gap.first_missing_sequence, gap.frames_missing) == (3, 2)
    assert bench.session.discards.bad_crc + bench.session.discards.bad_cobs == 1
    assert_samples_right(events)


def test_wrong_crc_costs_one_frame() -> None:
    bench, line = streaming(corruption=1.0)
    bench.send_frames(3)
    bench.clock.advance_ns(5_000_000)
    events = bench.say(line.carry(bench.frame())) + bench.send_frames(1)
    (gap,) = of_type(events, SequenceGap)
    assert gap.frames_missing == 1
    assert_samples_right(events)


def test_oversized_frame_is_skipped_without_memory() -> None:
    bench, _ = streaming()
    bench.send_frames(1)
    for _ in range(200):
        bench.say(b"\x77" * 65_536)
        assert len(bench.session._deframer._partial) <= MAX_WIRE_BYTES
    events = bench.say(b"\x00") + bench.send_frames(1)
    assert bench.session.discards.too_long == 1
    assert [event.sequence for event in of_type(events, SamplesReceived)] == [1]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0, 0.1), st.floats(0, 0.2),
    st.floats(0, 0.3),
)  # fmt: skip
def test_over_a_bad_line_no_sample_is_wrong_and_every_missing_one_is_counted(
    seed: int, loss: float, corruption: float, truncation: float, duplication: float, garbage: float
) -> None:
    bench = Bench()
    bench.open()
    bench.send_frames(1)
    line = LossyPort(seed, loss, corruption, truncation, duplication, garbage)
    bench.line = line.carry
    events = bench.send_frames(80)
    bench.line = lambda data: data
    events += bench.send_frames(1)
    received = of_type(events, SamplesReceived)
    assert_samples_right(events)
    lost = {index + 1 for index in line.lost}
    assert [event.sequence for event in received] == [n for n in range(1, 82) if n not in lost]
    gaps = of_type(events, SequenceGap)
    assert sum(gap.frames_missing for gap in gaps) == len(lost)
    spans = [(gap.first_missing_sequence, gap.frames_missing) for gap in gaps]
    assert {n for first, length in spans for n in range(first, first + length)} == lost


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_one_byte_at_a_time_equals_all_at_once(seed: int) -> None:
    source = Bench()
    source.open()
    line = LossyPort(seed, loss=0.1, corruption=0.1, truncation=0.1, garbage=0.2, duplication=0.1)
    stream = b"".join(line.carry(source.frame()) for _ in range(6))
    one, many = Bench(), Bench()
    one.open()
    many.open()
    at_once = one.say(stream)
    bytewise = [event for byte in stream for event in many.say(bytes([byte]))]

    def without_discards(events: list) -> list:
        return [repr(event) for event in events if not isinstance(event, InputDiscarded)]

    assert without_discards(at_once) == without_discards(bytewise)
    assert one.session.discards == many.session.discards
    assert one.session.counts == many.session.counts


WILD_HELLO = st.fixed_dictionaries(
    {
        "protocol_version": st.sampled_from([0, PROTOCOL_VERSION, PROTOCOL_VERSION, 255]),
        "serial_number": st.sampled_from(["", "  ", "SN-1"]),
        "full_scale_mps2": st.floats(width=32),
        "sample_rate_hz": st.integers(0, 2**32 - 1).map(lambda millihz: millihz / 1000.0),
        "axes": st.integers(0, 255),
        "samples_per_frame": st.integers(0, 65_535),
        "tick_rate_hz": st.integers(0, 2**32 - 1),
    }
)


@settings(max_examples=200, deadline=None)
@given(WILD_HELLO, st.integers(1, 63))
def test_nonsense_in_hello_never_passes_and_never_raises(wild: dict[str, Any], changed: int) -> None:
    changes = {name: wild[name] for bit, name in enumerate(wild) if changed >> bit & 1}
    bench = Bench(device=Device(hello(**changes)))
    events = bench.open()
    accepted = bench.session.state is State.STREAMING
    assert accepted is (refusal_of(bench.device.hello, DEFAULT_BAUD / 10) is None)
    if accepted:  # then it can really be streamed
        spec = bench.device.hello
        assert math.isfinite(spec.full_scale_mps2)
        payload = samples_of(0, spec).tobytes()
        assert len(payload) == spec.samples_per_frame * spec.axes * 2 > 0
        assert of_type(bench.say(bench.device.number_frame(0, payload).wire_bytes), SamplesReceived)
    else:
        (ended,) = of_type(events, SessionEnded)
        assert ended.reason
        assert not bench.device.streaming


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=70, max_size=70))
def test_random_bytes_as_hello_with_a_right_crc_never_raise(body: bytes) -> None:
    bench = Bench()
    bench.session.start(bench.clock.now_ns)
    payload = b"\x01" + body
    bench.session.receive_data(wire_bytes_of_payload(payload), bench.clock.now_ns)
    try:
        frame_of(payload)
    except FrameError:
        assert bench.session.state is State.IDENTIFYING
        assert bench.session.malformed == 1
    else:
        assert bench.session.state in (State.REFUSED, State.STARTING)
