"""The deframer: chunking changes nothing, garbage is skipped and counted, memory stays bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec import (
    MAX_WIRE_BYTES,
    Deframer,
    Discards,
    wire_bytes_of,
    wire_bytes_of_payload,
    wire_length,
)
from firmware_bridge.frames import MAX_PAYLOAD_BYTES, Command, FrameType
from tests.fakes.lossy_port import LossyPort

PAYLOADS = st.lists(st.binary(min_size=1, max_size=400), max_size=8)


@given(PAYLOADS)
def test_payloads_survive_and_chunking_changes_nothing(payloads: list[bytes]) -> None:
    stream = b"".join(map(wire_bytes_of_payload, payloads))
    assert Deframer().payloads(stream) == payloads
    bytewise = Deframer()
    assert [found for byte in stream for found in bytewise.payloads(bytes([byte]))] == payloads
    assert bytewise.discards == Discards()


@given(st.lists(st.binary(max_size=3000), max_size=6), st.data())
def test_any_bytes_in_any_chunks_give_the_same_result(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole, split = Deframer(), Deframer()
    expected = whole.payloads(stream)
    found = []
    while stream:
        n = data.draw(st.integers(1, len(stream)))
        found += split.payloads(stream[:n])
        stream = stream[n:]
    assert found == expected
    assert split.discards == whole.discards


@given(st.binary(min_size=1, max_size=MAX_PAYLOAD_BYTES))
def test_length_on_the_wire_is_bounded_and_free_of_zeros(payload: bytes) -> None:
    wire = wire_bytes_of_payload(payload)
    assert len(wire) <= wire_length(len(payload)) <= MAX_WIRE_BYTES + 1
    assert 0 not in wire[:-1]
    assert wire[-1] == 0


@given(st.binary(max_size=5000), st.binary(min_size=1, max_size=50))
def test_it_is_in_step_again_at_the_next_delimiter(garbage: bytes, payload: bytes) -> None:
    deframer = Deframer()
    deframer.payloads(garbage + b"\x00")
    assert deframer.payloads(wire_bytes_of_payload(payload)) == [payload]


def test_each_kind_of_damage_is_counted_with_its_bytes() -> None:
    good = wire_bytes_of(Command(FrameType.START, 5))
    wrong_crc = wire_bytes_of_payload(b"abc")[:-2] + b"\x55\x00"
    bad_cobs = b"\x09ab\x00"
    too_short = b"\x03ab\x00"
    too_long = b"\x01" * (MAX_WIRE_BYTES + 1) + b"\x00"
    deframer = Deframer()
    found = deframer.payloads(good + wrong_crc + bad_cobs + good + too_short + too_long + b"\x00\x00" + good)
    assert len(found) == 3
    thrown = sum(len(piece) - 1 for piece in (wrong_crc, bad_cobs, too_short, too_long))
    assert deframer.discards == Discards(n_bytes=thrown, bad_crc=1, bad_cobs=1, too_long=1, too_short=1)


def test_the_longest_frame_passes_and_endless_garbage_holds_no_memory() -> None:
    deframer = Deframer()
    longest = bytes(range(1, 256)) * 8 + b"12345678"
    assert len(longest) == MAX_PAYLOAD_BYTES
    assert deframer.payloads(wire_bytes_of_payload(longest)) == [longest]
    for _ in range(1000):
        deframer.payloads(b"\xaa" * 4096)
        assert len(deframer._partial) <= MAX_WIRE_BYTES
    assert deframer.discards.n_bytes == 1000 * 4096
    assert deframer.payloads(b"\x00" + wire_bytes_of_payload(b"x")) == [b"x"]
    assert deframer.discards.too_long == 1


def test_every_single_bit_error_is_noticed() -> None:
    wire = wire_bytes_of_payload(b"\x02" + bytes(range(40)))
    for bit in range((len(wire) - 1) * 8):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << (bit % 8)
        deframer = Deframer()
        assert deframer.payloads(bytes(damaged)) == []
        assert deframer.discards.n_bytes > 0


def test_reset_forgets_and_counts_half_a_frame() -> None:
    deframer = Deframer()
    deframer.payloads(b"\x05ab")
    deframer.reset()
    assert deframer.discards.n_bytes == 3
    assert deframer.payloads(wire_bytes_of_payload(b"x")) == [b"x"]


@given(st.integers(0, 2**32), st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=60))
def test_over_a_bad_line_exactly_the_unharmed_payloads_arrive(seed: int, payloads: list[bytes]) -> None:
    line = LossyPort(seed, loss=0.1, corruption=0.1, truncation=0.1, garbage=0.2)
    stream = b"".join(line.carry(wire_bytes_of_payload(payload)) for payload in payloads)
    deframer = Deframer()
    found = [payload for chunk in line.split(stream) for payload in deframer.payloads(chunk)]
    assert found == [payload for index, payload in enumerate(payloads) if index not in line.lost]
