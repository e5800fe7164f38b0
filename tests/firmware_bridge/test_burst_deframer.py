"""The compiled deframer is the plain one, but faster: payloads, counts, for any bytes in any chunks."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.burst_deframer import BurstDeframer
from firmware_bridge.codec import MAX_WIRE_BYTES, Deframer, wire_bytes_of, wire_bytes_of_payload
from firmware_bridge.deframe_kernel import CRC_TABLES, PADDING_BYTES, crc_register
from firmware_bridge.errors import FrameError
from firmware_bridge.frames import MAX_PAYLOAD_BYTES, Ack, FrameType, Samples
from firmware_bridge.session import Session
from tests.fakes.lossy_port import LossyPort
from tests.firmware_bridge.back_to_back import HELLO

SETTINGS = settings(deadline=None, max_examples=300)
# Random bytes hold few zeros; runs hold many, or so few that COBS needs full blocks.
RUN = st.builds(lambda byte, n: bytes([byte]) * n, st.sampled_from([0, 1, 0xFF]), st.integers(1, 600))
PAYLOAD = st.one_of(
    st.binary(min_size=1, max_size=400),
    st.lists(st.one_of(RUN, st.binary(max_size=300)), min_size=1, max_size=6)
    .map(lambda runs: b"".join(runs)[:MAX_PAYLOAD_BYTES])
    .filter(bool),
)
GARBAGE = st.one_of(
    st.binary(max_size=300),
    st.integers(MAX_WIRE_BYTES - 2, MAX_WIRE_BYTES + 2).map(lambda n: b"\x01" * n + b"\x00"),
    st.builds(lambda n: b"\xff" * n, st.integers(0, 5000)),
    PAYLOAD.map(lambda payload: wire_bytes_of_payload(payload)[:-3] + b"\x7f\x00"),  # damaged
    PAYLOAD.map(lambda payload: wire_bytes_of_payload(payload)[: len(payload) // 2 + 1]),  # truncated
    st.binary(max_size=6).map(lambda payload: payload + b"\x00"),  # too short
)
STREAM = st.lists(st.one_of(PAYLOAD.map(wire_bytes_of_payload), GARBAGE), max_size=10).map(b"".join)


def assert_same(chunks: list[bytes]) -> None:
    """The kernel alone, and now the one, now the other, as chunks are small or large."""
    for burst_bytes in (0, 300):
        plain, burst = Deframer(), BurstDeframer(burst_bytes)
        for chunk in chunks:
            assert burst.payloads(chunk) == plain.payloads(chunk)
            assert burst.discards == plain.discards
        plain.reset()
        burst.reset()
        assert burst.discards == plain.discards


@SETTINGS
@given(STREAM)
def test_whole_streams(stream: bytes) -> None:
    assert_same([stream])


@SETTINGS
@given(STREAM, st.lists(st.integers(0, 3000), max_size=30))
def test_any_chunks(stream: bytes, sizes: list[int]) -> None:
    chunks = []
    for size in sizes:
        chunks.append(stream[:size])
        stream = stream[size:]
    assert_same([*chunks, stream])


@settings(deadline=None, max_examples=60)
@given(STREAM)
def test_one_byte_at_a_time(stream: bytes) -> None:
    assert_same([bytes([byte]) for byte in stream[:4000]])


@SETTINGS
@given(st.integers(0, 2**32), st.lists(PAYLOAD, min_size=1, max_size=40))
def test_over_a_bad_line_exactly_the_unharmed_payloads_arrive(seed: int, payloads: list[bytes]) -> None:
    line = LossyPort(seed, loss=0.1, corruption=0.1, truncation=0.1, garbage=0.2)
    stream = b"".join(line.carry(wire_bytes_of_payload(payload)) for payload in payloads)
    chunks = list(line.split(stream))
    deframer = BurstDeframer(0)
    found = [payload for chunk in chunks for payload in deframer.payloads(chunk)]
    assert found == [payload for index, payload in enumerate(payloads) if index not in line.lost]
    assert_same(chunks)


def test_every_single_bit_error_is_noticed() -> None:
    wire = wire_bytes_of_payload(b"\x02" + bytes(range(40)) + bytes(range(250, 0, -1)))
    for bit in range((len(wire) - 1) * 8):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << (bit % 8)
        assert BurstDeframer(0).payloads(bytes(damaged)) == []
        assert_same([bytes(damaged)])


def test_many_frames_of_every_length_in_one_chunk() -> None:
    chance = np.random.default_rng(1)
    payloads = [chance.bytes(n) for n in range(1, MAX_PAYLOAD_BYTES + 1)]
    assert BurstDeframer(0).payloads(b"".join(map(wire_bytes_of_payload, payloads))) == payloads


def test_the_shortest_good_frames_fit_and_buffers_do_not_grow_without_need() -> None:
    deframer = BurstDeframer(0)
    shortest = wire_bytes_of_payload(b"\x01") * 20_000
    assert deframer.payloads(shortest) == [b"\x01"] * 20_000
    held = len(deframer._wire)
    for _ in range(300):
        deframer.payloads(b"\xaa" * 4096)
    assert len(deframer._wire) == held
    assert not deframer._partial
    assert deframer.discards.n_bytes == 300 * 4096


@pytest.mark.parametrize("begin", [0, 1, 7])
def test_the_register_is_that_of_zlib_at_every_length(begin: int) -> None:
    data = np.random.default_rng(2).integers(0, 256, 400 + PADDING_BYTES, dtype=np.uint8)
    for n in range(300):
        expected = zlib.crc32(data[begin : begin + n].tobytes())
        assert int(crc_register(data, begin, begin + n, CRC_TABLES)) ^ 0xFFFFFFFF == expected


def test_samples_of_a_burst() -> None:
    counts = np.random.default_rng(3).integers(-32768, 32768, (5, 64, 3)).astype("<i2")
    stream = b"".join(wire_bytes_of(Samples(k, 0, frame.tobytes())) for k, frame in enumerate(counts))
    deframer = BurstDeframer(0)
    np.testing.assert_array_equal(deframer.burst(stream).samples(3, 64), counts.reshape(-1, 3))
    assert deframer.burst(b"").samples(3, 64).shape == (0, 3)
    with pytest.raises(FrameError, match="393 bytes"):
        deframer.burst(stream + wire_bytes_of(Ack(1, FrameType.START))).samples(3, 64)
    with pytest.raises(FrameError, match="395 bytes"):
        deframer.burst(stream).samples(1, 193)


def test_a_session_hears_the_same_by_either() -> None:
    chance = np.random.default_rng(4)
    hello = HELLO
    size = 2 * hello.axes * hello.samples_per_frame
    frames = [wire_bytes_of(hello)] + [
        wire_bytes_of(Samples(k, k * 1000, chance.bytes(size))) for k in range(50) if k % 7 != 3
    ]
    line = LossyPort(5, corruption=0.05, garbage=0.1)
    chunks = list(line.split(b"".join(map(line.carry, frames[1:]))))
    heard = []
    for deframer in (Deframer(), BurstDeframer(0)):
        session = Session(deframer=deframer)
        session.start(0)
        session.receive_data(frames[0], 1)
        for number, chunk in enumerate(chunks):
            session.receive_data(chunk, 2 + number * 1_000_000)
        heard.append([repr(event) for event in session.events()])
        assert session.counts.frames_received > 20
    assert heard[0] == heard[1]
    assert sum("SamplesReceived" in words for words in heard[0]) > 20
