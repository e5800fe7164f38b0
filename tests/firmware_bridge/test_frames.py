"""Frames and their bytes: what goes in comes out, and what is no frame is said to be none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.frames import (
    COMMANDS,
    LAYOUTS,
    Ack,
    Command,
    FrameType,
    Hello,
    Nak,
    Restarted,
    Samples,
    Stats,
    frame_of,
    payload_of,
)
from tests.firmware_bridge.back_to_back import HELLO, hello

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=16)
FRAMES = st.one_of(
    st.builds(
        Hello, U16, U8, U32, TEXT, TEXT, TEXT, st.floats(width=32, allow_nan=False),
        U32.map(lambda value: value / 1000.0), U8, U16, U32,
    ),
    st.builds(Samples, U32, U32, st.binary(min_size=2, max_size=600).map(lambda raw: raw[: len(raw) & ~1])),
    st.builds(Stats, U16, U64, U64, U32),
    st.builds(Ack, U16, U8),
    st.builds(Nak, U16, U8, U8),
    st.builds(Restarted, U32, U8),
    st.builds(Command, st.sampled_from(sorted(COMMANDS)), U16),
)  # fmt: skip


@given(FRAMES)
def test_every_frame_survives_its_encoding(frame: object) -> None:
    assert frame_of(payload_of(frame)) == frame  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_any_payload_is_a_frame_or_a_frame_error(payload: bytes) -> None:
    try:
        frame = frame_of(payload)
    except FrameError:
        return
    if isinstance(frame, Hello):
        return  # NaN and padding have several encodings
    assert payload_of(frame) == payload


@pytest.mark.parametrize("frame_type", list(FrameType))
def test_a_body_one_byte_short_or_long_is_refused(frame_type: FrameType) -> None:
    size = struct.calcsize("<B" + "".join(field.code for field in LAYOUTS[frame_type]))
    for wrong in (size - 1, size + 1):
        with pytest.raises(FrameError):
            frame_of(bytes([frame_type]) + bytes(wrong - 1))


def test_unknown_type_and_unprintable_text_are_refused() -> None:
    with pytest.raises(FrameError, match="0x7f"):
        frame_of(b"\x7f\x01")
    good = bytearray(payload_of(HELLO))
    good[9] = 0x07
    with pytest.raises(FrameError, match="printable"):
        frame_of(bytes(good))


def test_values_that_do_not_fit_their_field_are_refused() -> None:
    for frame in (hello(axes=256), hello(model="x" * 17), hello(serial_number="é"), Ack(70_000, 1)):
        with pytest.raises(FrameError, match="cannot be encoded"):
            payload_of(frame)


def test_scale_of_a_count() -> None:
    assert hello(full_scale_mps2=32768.0).mps2_per_count == 1.0
