"""A `.stcap` file gives back what was put in, bit for bit, and what is left of it when it is damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.capture_segment import (
    CHUNK_SAMPLES,
    SegmentError,
    SegmentHead,
    Stretch,
    crc32c,
    decode_segment,
    encode_segment,
)

RATE_HZ = 25_600.0
HEAD = SegmentHead(
    capture_id="20270115t080000-motor-1-abc123",
    part=0,
    asset_id="motor-1",
    sensor_id="sensor",
    channels=("motor-1.x", "motor-1.y"),
    unit="m/s2",
    nominal_rate_hz=RATE_HZ,
    trigger_time_ns=1_800_000_000_000_000_000,
    time_trusted=True,
    trigger_monotonic_ns=77,
    boot_id="boot.1",
    before_s=15.0,
    after_s=5.0,
    triggers=({"alarm_id": "motor-1.machine-condition", "text": "ünïcode"},),
    last=False,
    joins=False,
)


def stretch(n_samples: int, start_ns: int = -1_000_000_000, seed: int = 1) -> Stretch:
    samples = np.random.default_rng(seed).normal(size=(n_samples, 2)).astype(np.float32)
    return Stretch(start_ns, RATE_HZ, samples)


def test_the_checksum_is_castagnoli_s() -> None:
    """RFC 3720, B.4: the CRC32C of 32 bytes of zeros, and of 0 to 31."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 3 * CHUNK_SAMPLES), max_size=4), seed=st.integers(0, 99))
def test_what_is_written_is_read_bit_for_bit(lengths: list[int], seed: int) -> None:
    given_ = [stretch(n, 10**9 * i, seed + i) for i, n in enumerate(lengths)]
    if given_:
        given_[0].samples[0, 0] = np.nan
    segment = decode_segment(encode_segment(HEAD, given_))
    assert segment.head == HEAD
    assert segment.damaged == ()
    assert [one.start_ns for one in segment.stretches] == [one.start_ns for one in given_]
    for read, written in zip(segment.stretches, given_, strict=True):
        np.testing.assert_array_equal(read.samples, written.samples)
        assert read.samples.dtype == np.float32


def test_a_damaged_chunk_costs_itself_alone() -> None:
    whole = stretch(3 * CHUNK_SAMPLES)
    content = bytearray(encode_segment(HEAD, [whole]))
    content[len(content) // 2] ^= 1
    segment = decode_segment(bytes(content))
    assert len(segment.damaged) == 1
    first, last = segment.stretches
    np.testing.assert_array_equal(first.samples, whole.samples[:CHUNK_SAMPLES])
    np.testing.assert_array_equal(last.samples, whole.samples[2 * CHUNK_SAMPLES :])
    assert last.start_ns == whole.start_ns + round(2 * CHUNK_SAMPLES * 1e9 / RATE_HZ)


def test_a_torn_file_keeps_what_comes_before_the_tear() -> None:
    whole = stretch(3 * CHUNK_SAMPLES)
    content = encode_segment(HEAD, [whole])
    segment = decode_segment(content[: len(content) // 2])
    np.testing.assert_array_equal(segment.stretches[0].samples, whole.samples[:CHUNK_SAMPLES])
    assert "its last head" in segment.damaged


def test_without_its_first_head_the_last_one_tells() -> None:
    whole = stretch(CHUNK_SAMPLES)
    content = encode_segment(HEAD, [whole])
    segment = decode_segment(bytes(40) + content[40:])
    assert segment.head == HEAD
    np.testing.assert_array_equal(segment.stretches[0].samples, whole.samples)
    assert segment.damaged == ("its first head",)


def test_chunks_that_changed_places_are_noticed() -> None:
    whole = stretch(2 * CHUNK_SAMPLES)
    content = encode_segment(HEAD, [whole])
    size = CHUNK_SAMPLES * 8 + 4
    head = content.index(whole.samples[:1].tobytes())
    swapped = content[:head] + content[head + size : head + 2 * size] + content[head : head + size]
    segment = decode_segment(swapped + content[head + 2 * size :])
    assert segment.stretches == ()
    assert len(segment.damaged) == 2


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damage_makes_a_wrong_sample_or_another_error(data: st.DataObject) -> None:
    """Any bytes changed or cut: what is still given is what was written there, else SegmentError."""
    whole = stretch(CHUNK_SAMPLES + 100)
    content = bytearray(encode_segment(HEAD, [whole]))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        segment = decode_segment(bytes(content[:cut]))
    except SegmentError:
        return
    for one in segment.stretches:
        first = round((one.start_ns - whole.start_ns) * RATE_HZ / 1e9)
        np.testing.assert_array_equal(one.samples, whole.samples[first : first + len(one.samples)])


@pytest.mark.parametrize("content", [b"", b"RIFF" * 100, bytes(10_000)])
def test_what_is_no_segment_is_refused(content: bytes) -> None:
    with pytest.raises(SegmentError, match="neither of its two heads"):
        decode_segment(content)
