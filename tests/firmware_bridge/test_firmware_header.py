"""The C header says on the wire what the Python side says, byte for byte, and answers as `device.py` does."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.codec import MAX_WIRE_BYTES, wire_bytes_of, wire_bytes_of_payload, wire_length
from firmware_bridge.device import Device
from firmware_bridge.events import SamplesReceived, SequenceGap, StatsReceived
from firmware_bridge.frames import (
    MAX_PAYLOAD_BYTES,
    PROTOCOL_VERSION,
    SAMPLES_HEADER_BYTES,
    Ack,
    Command,
    Frame,
    FrameType,
    Hello,
    Nak,
    Restarted,
    Samples,
    Stats,
)
from firmware_bridge.session import Session
from firmware_bridge.transitions import State
from tests.firmware_bridge.c_compiler import HEADER_FOLDER, ZIG, compiled, gcc

SOURCES = Path(__file__).parent / "firmware"
ROOMY = 4095
MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=16)
HELLOS = st.builds(
    Hello,
    request_id=U16,
    protocol_version=st.just(1),
    boot_id=U32,
    model=TEXTS,
    serial_number=TEXTS,
    firmware_version=TEXTS,
    full_scale_mps2=st.floats(width=32, allow_nan=False),
    sample_rate_hz=U32.map(lambda millihz: millihz / 1000.0),
    axes=U8,
    samples_per_frame=U16,
    tick_rate_hz=U32,
)
# Runs without and with zeros: every length of a COBS block, full ones and their neighbours among them.
RUNS = st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0, 1, 0x0100, 0x7F7F, -1])), max_size=6)
VALUES = st.one_of(
    st.binary(min_size=2, max_size=MAX_PAYLOAD_BYTES - SAMPLES_HEADER_BYTES - 1),
    RUNS.map(lambda runs: b"".join(struct.pack("<h", v) * n for n, v in runs)[: MAX_PAYLOAD_BYTES - 10]),
).map(lambda raw: raw[: len(raw) // 2 * 2])
FRAMES = st.one_of(
    st.builds(Samples, U32, U32, VALUES.filter(bool)),
    HELLOS,
    st.builds(Stats, U16, U64, U64, U32),
    st.builds(Ack, U16, U8),
    st.builds(Nak, U16, U8, U8),
    st.builds(Restarted, U32, U8),
)


class EncodeProgram:
    """The compiled encoder, asked over its stdin."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, kind: int, body: bytes, capacity: int = ROOMY) -> bytes:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(struct.pack("<BH", kind, capacity) + body)
        self._process.stdin.flush()
        head = self._process.stdout.read(2)
        assert len(head) == 2, f"the program ended with {self._process.wait(60)}"
        return self._process.stdout.read(int.from_bytes(head, "little"))

    def encode(self, frame: Frame, capacity: int = ROOMY) -> bytes:
        return self.ask(*_request_of(frame), capacity)

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0


def _hello_fields(hello: Hello) -> bytes:
    texts = (hello.model, hello.serial_number, hello.firmware_version)
    return (
        struct.pack("<I", hello.boot_id)
        + b"".join(bytes([len(text)]) + text.encode() for text in texts)
        + struct.pack(
            "<fIBHI",
            hello.full_scale_mps2,
            round(hello.sample_rate_hz * 1000.0),
            hello.axes,
            hello.samples_per_frame,
            hello.tick_rate_hz,
        )
    )


def _request_of(frame: Frame) -> tuple[int, bytes]:
    if isinstance(frame, Samples):
        n = len(frame.interleaved) // 2
        head = struct.pack("<IIH", frame.sequence, frame.first_tick, n)
        return FrameType.SAMPLES, head + frame.interleaved
    if isinstance(frame, Hello):
        return FrameType.HELLO, struct.pack("<H", frame.request_id) + _hello_fields(frame)
    if isinstance(frame, Stats):
        counts = (frame.request_id, frame.frames_sent, frame.frames_dropped, frame.commands_rejected)
        return FrameType.STATS, struct.pack("<HQQI", *counts)
    if isinstance(frame, Ack):
        return FrameType.ACK, struct.pack("<HB", frame.request_id, frame.command)
    if isinstance(frame, Nak):
        return FrameType.NAK, struct.pack("<HBB", frame.request_id, frame.command, frame.code)
    assert isinstance(frame, Restarted)
    return FrameType.RESTARTED, struct.pack("<IB", frame.boot_id, frame.cause)


@pytest.fixture(scope="module", params=["gcc", "ziglang"])
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncodeProgram]:
    compiler = gcc() if request.param == "gcc" else ZIG
    if compiler is None:
        pytest.skip("no gcc on this machine: the compiler in the wheel alone compiles the header")
    program = EncodeProgram(
        compiled(tmp_path_factory.mktemp("encoder"), compiler, SOURCES / "encode_program.c")
    )
    yield program
    program.close()


@MANY
@given(frame=FRAMES)
def test_every_frame_is_the_same_on_the_wire(encoder: EncodeProgram, frame: Frame) -> None:
    wire = wire_bytes_of(frame)
    assert encoder.encode(frame).hex() == wire.hex()
    assert encoder.encode(frame, capacity=len(wire)) == wire  # room to the byte is enough
    assert (
        encoder.encode(frame, capacity=len(wire) - 1) == b""
    )  # the program ends if a byte is touched behind


def test_every_length_of_a_run_without_zeros(encoder: EncodeProgram) -> None:
    for n in range(1, (MAX_PAYLOAD_BYTES - SAMPLES_HEADER_BYTES) // 2 + 1):
        frame = Samples(0x01010101, 0x02020202, b"\x11\x22" * n)
        wire = wire_bytes_of(frame)
        assert encoder.encode(frame) == wire
        assert len(wire) <= wire_length(SAMPLES_HEADER_BYTES + 2 * n)


def test_samples_that_are_no_frame_are_refused(encoder: EncodeProgram) -> None:
    too_many = (MAX_PAYLOAD_BYTES - SAMPLES_HEADER_BYTES) // 2 + 1
    assert encoder.ask(FrameType.SAMPLES, struct.pack("<IIH", 0, 0, 0)) == b""
    assert encoder.ask(FrameType.SAMPLES, struct.pack("<IIH", 0, 0, too_many) + bytes(2 * too_many)) == b""


COMMANDS = st.builds(Command, st.sampled_from([t for t in FrameType if t & 0x80]), U16).map(wire_bytes_of)
HOST_BYTES = st.one_of(
    COMMANDS,
    COMMANDS,
    FRAMES.map(wire_bytes_of),  # a looped-back line
    st.binary(min_size=1, max_size=12).map(wire_bytes_of_payload),
    st.builds(lambda t, rest: wire_bytes_of_payload(bytes([0x80 | t]) + rest), U8, st.binary(max_size=600)),
    st.binary(max_size=40),
    st.integers(2040, 2080).map(lambda n: b"\x01" * n + b"\x00"),
    st.builds(lambda wire, at: wire[: at % len(wire)] + b"\x7f" + wire[at % len(wire) + 1 :], COMMANDS, U8),
)


@MANY
@given(hello=HELLOS, pieces=st.lists(HOST_BYTES, max_size=8))
def test_the_conversation_is_that_of_the_reference_device(
    encoder: EncodeProgram, hello: Hello, pieces: list[bytes]
) -> None:
    device = Device(hello)
    encoder.ask(ord("i"), _hello_fields(hello))
    for piece in pieces:
        for byte in piece:
            device.receive_data(bytes([byte]))
        answer = encoder.ask(ord("c"), struct.pack("<H", len(piece)) + piece)
        assert answer[:-6] == b"".join(device.replies())
        rejected, streaming, reset = struct.unpack("<IBB", answer[-6:])
        assert rejected == device.commands_rejected
        assert (bool(streaming), bool(reset)) == (device.streaming, device.reset_wanted)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = (SOURCES / "pipe_board.c", HEADER_FOLDER / "example_main.c")
    return compiled(tmp_path_factory.mktemp("example"), gcc() or ZIG, *sources)


class PipeBoard:
    """The example firmware on a board of pipes: `host_says` and halves of its buffer in, UART bytes out."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._script = bytearray()
        self.heard = b""

    def host_says(self, data: bytes) -> None:
        self._script += b"b" + struct.pack("<H", len(data)) + data

    def happens(self, events: bytes) -> None:
        self._script += events

    def uart_bytes(self) -> bytes:
        """New bytes of the UART: the script is run from the beginning, what was heard before is left out."""
        done = subprocess.run(
            [self._program], input=bytes(self._script), capture_output=True, timeout=60, check=False
        )
        assert done.returncode in (0, 42), done.returncode
        assert done.stdout.startswith(self.heard)
        new = done.stdout[len(self.heard) :]
        self.heard = done.stdout
        self.exit_code = done.returncode
        return new


def test_the_example_firmware_talks_with_the_host(example: Path) -> None:
    board, session, now_ns, frame_ns = PipeBoard(example), Session(), 0, 5_000_000
    session.start(now_ns)
    board.happens(b"hhh")  # sampling, not streaming yet: these have no numbers
    for _ in range(3):
        session.receive_data(board.uart_bytes(), now_ns)
        board.host_says(session.data_to_send())
    assert session.state is State.STREAMING
    assert session.hello is not None
    assert session.hello.model == "EXAMPLE-3X"
    assert session.hello.boot_id == 0x5EED5EED
    session.events()
    events = []
    # Two frames, an overrun that costs one, one without room on the line, two more.
    for happens in (b"h", b"h", b"o", b"r\x40\x00h", b"r\xff\xffh", b"h"):
        now_ns += frame_ns * (2 if happens == b"o" else 1)
        board.happens(happens)
        session.receive_data(board.uart_bytes(), now_ns)
        events += session.events()
    received = [event for event in events if isinstance(event, SamplesReceived)]
    gaps = [event for event in events if isinstance(event, SequenceGap)]
    assert [event.sequence for event in received] == [0, 1, 3, 5, 6]
    assert [(gap.first_missing_sequence, gap.frames_missing) for gap in gaps] == [(2, 1), (4, 1)]
    assert session.discards.n_bytes == session.malformed == session.counts.tick_jumps == 0
    for event in received:
        first = (3 + event.sequence) * 128  # three halves went by before START
        expected = np.arange(first, first + 128).astype(np.uint16).view(np.int16)
        np.testing.assert_array_equal(event.samples, np.stack([expected, ~expected, 0 * expected], axis=1))
        assert event.device_tick % 2**32 == (0xFFFFF000 + first * 400) % 2**32

    session.tick(now_ns + 10_000_000_000)  # asks for the counts
    board.host_says(session.data_to_send())
    session.receive_data(board.uart_bytes(), now_ns)
    (stats,) = (event.stats for event in session.events() if isinstance(event, StatsReceived))
    assert (stats.frames_sent, stats.frames_dropped, stats.commands_rejected) == (5, 2, 0)
    session.reset_device()
    board.host_says(session.data_to_send())
    assert board.uart_bytes().endswith(wire_bytes_of(Ack(session._request_id, FrameType.RESET)))
    assert board.exit_code == 42  # the board was restarted


@pytest.mark.parametrize(
    ("target", "cpu"), [("thumb-freestanding-eabi", "cortex_m0"), ("thumb-freestanding-eabihf", "cortex_m4")]
)
def test_it_compiles_for_microcontrollers_without_a_c_library(tmp_path: Path, target: str, cpu: str) -> None:
    flags = ("-target", target, f"-mcpu={cpu}", "-ffreestanding", f"-I{SOURCES / 'freestanding'}", "-c")
    assert compiled(tmp_path, ZIG, *flags, HEADER_FOLDER / "example_main.c").stat().st_size > 1000


def test_the_compiler_is_strict(tmp_path: Path) -> None:
    loose = tmp_path / "loose.c"
    loose.write_text('#include "stethos_wire.h"\nint main(void) { int unused; return 0; }\n')
    with pytest.raises(AssertionError, match="unused"):
        compiled(tmp_path, gcc() or ZIG, loose)


def test_texts_and_numbers_have_the_bounds_of_the_protocol(tmp_path: Path) -> None:
    source = tmp_path / "constants.c"
    source.write_text(
        '#include <stdio.h>\n#include "stethos_wire.h"\nint main(void) {\n'
        'printf("%u %u %u %u", STETHOS_MAX_PAYLOAD_BYTES, STETHOS_MAX_WIRE_BYTES,\n'
        "STETHOS_SAMPLES_WIRE_BYTES(3u, 128u), STETHOS_PROTOCOL_VERSION);\nreturn 0;\n}\n"
    )
    program = compiled(tmp_path, gcc() or ZIG, source)
    said = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout
    in_python = (MAX_PAYLOAD_BYTES, MAX_WIRE_BYTES + 1, wire_length(9 + 2 * 3 * 128), PROTOCOL_VERSION)
    assert said == " ".join(map(str, in_python))
