"""The device's side of the conversation, as firmware would do it: commands in, answers and frames out.

Duty: the reference for a firmware engineer, the peer of `session.py` in tests, the voice of the simulator.
No I/O, no clock, no physics: whoever owns it samples, stamps and sends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware_bridge.codec import Deframer, wire_bytes_of
from firmware_bridge.errors import FrameError
from firmware_bridge.frames import (
    COMMANDS,
    Ack,
    Command,
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

MODULO = 1 << 32
FIRST_COMMAND = 0x80  # types from here on go from host to device


@dataclass(frozen=True, slots=True)
class NumberedFrame:
    """A SAMPLES frame ready for the line."""

    sequence: int
    wire_bytes: bytes


class Device:
    """One sensor. `hello` says what it is; `restart` begins a new life of it."""

    def __init__(self, hello: Hello) -> None:
        self.hello = hello
        self.streaming = False
        self.next_sequence = 0
        self.frames_sent = 0
        self.frames_dropped = 0
        self.commands_rejected = 0
        self.reset_wanted = False  # the owner restarts it, with a new boot id
        self._deframer = Deframer()
        self._replies: list[bytes] = []

    def restart(self, boot_id: int, cause: RestartCause) -> None:
        """Begin a new life: counts at zero, silent but for the notice, until START."""
        self.__init__(replace(self.hello, boot_id=boot_id))  # type: ignore[misc]
        self._replies.append(b"\x00" + wire_bytes_of(Restarted(boot_id, cause)))

    def receive_data(self, data: bytes) -> None:
        """Take in bytes of the host; answers wait in `replies`."""
        rejected_before = self._rejected_frames()
        for payload in self._deframer.payloads(data):
            self._receive_payload(payload)
        self.commands_rejected += self._rejected_frames() - rejected_before

    def replies(self) -> list[bytes]:
        """Answers to send, each a whole frame; each is handed out once."""
        replies, self._replies = self._replies, []
        return replies

    def number_frame(self, first_tick: int, interleaved: bytes) -> NumberedFrame:
        """The next SAMPLES frame; its number is used up whether or not it can be sent."""
        sequence = self.skip_frames()
        return NumberedFrame(sequence, wire_bytes_of(Samples(sequence, first_tick % MODULO, interleaved)))

    def skip_frames(self, n_frames: int = 1) -> int:
        """Use up sequence numbers without a frame; returns the first of them."""
        sequence = self.next_sequence
        self.next_sequence = (sequence + n_frames) % MODULO
        return sequence

    def _rejected_frames(self) -> int:
        discards = self._deframer.discards
        return discards.bad_crc + discards.bad_cobs + discards.too_long + discards.too_short

    def _receive_payload(self, payload: bytes) -> None:
        try:
            frame = frame_of(payload)
        except FrameError:
            self.commands_rejected += 1
            if payload[0] < FIRST_COMMAND:
                return  # a device's frame: the line is looped back, and an answer would come back for ever
            known = payload[0] in COMMANDS
            self._reply(Nak(0, payload[0], NakCode.BAD_LENGTH if known else NakCode.UNKNOWN_COMMAND))
            return
        if isinstance(frame, Command):
            self._obey(frame)
        else:
            self.commands_rejected += 1

    def _obey(self, command: Command) -> None:
        asked = command.request_id
        if command.command is FrameType.IDENTIFY:
            self._reply(replace(self.hello, request_id=asked))
            return
        if command.command is FrameType.STATS_REQUEST:
            self._reply(Stats(asked, self.frames_sent, self.frames_dropped, self.commands_rejected))
            return
        if command.command is FrameType.START:
            self.streaming = True  # again is no error: the first ACK may have been lost
        elif command.command is FrameType.STOP:
            self.streaming = False
        elif command.command is FrameType.RESET:
            self.streaming = False
            self.reset_wanted = True
        self._reply(Ack(asked, command.command))

    def _reply(self, frame: Hello | Stats | Ack | Nak) -> None:
        self._replies.append(wire_bytes_of(frame))
