"""The host's side of the conversation with one sensor: bytes in, events out, bytes to send, deadlines.

Duty: identify, check the hello, start, follow the sequence, notice restarts, silence and nonsense. Performs
no I/O and reads no clock: the owner passes chunks with the time at which they were read, asks for events and
for bytes to send, and calls `tick` when `next_deadline_ns` has come. States and what moves them:
`transitions.py`. A session lives as long as one opening of the port.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.clock_sync import ClockEstimate
from firmware_bridge.codec import Deframer, Discards, PayloadFinder, wire_bytes_of
from firmware_bridge.errors import FrameError, RateExceededError, SessionMisuseError, StreamLostError
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    DeviceSilent,
    EndCause,
    Event,
    InputDiscarded,
    RestartSign,
    SessionEnded,
    StatsReceived,
    StreamStarted,
)
from firmware_bridge.frames import (
    Ack,
    Command,
    Frame,
    FrameType,
    Hello,
    Nak,
    NakCode,
    Restarted,
    Samples,
    Stats,
    frame_of,
)
from firmware_bridge.hello_check import refusal_of
from firmware_bridge.sample_stream import SampleStream, StreamCounts
from firmware_bridge.transitions import FINAL, TRANSITIONS, State, Trigger

DEFAULT_BAUD = 3_000_000
MAX_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a session waits, in nanoseconds, and how often it asks."""

    answer_ns: int = 1_000_000_000
    attempts: int = 5
    silence_ns: int = 2_000_000_000
    stats_ns: int = 10_000_000_000


class Session:
    """One conversation, from IDENTIFY to the end of the connection.

    Frames are found by the plain deframer unless a compiled one is given, which wants to be warmed up first.
    """

    def __init__(
        self,
        port_bytes_per_s: float = DEFAULT_BAUD / 10,
        expected_serial_number: str | None = None,
        timeouts: Timeouts | None = None,
        deframer: PayloadFinder | None = None,
    ) -> None:
        self.state = State.NEW
        self.hello: Hello | None = None
        self.malformed = 0  # frames with a right CRC and no meaning here
        self.early_frames = 0  # SAMPLES before a hello was accepted
        self._port_bytes_per_s = port_bytes_per_s
        self._expected_serial_number = expected_serial_number
        self._timeouts = timeouts or Timeouts()
        self._deframer: PayloadFinder = deframer or Deframer()
        self._stream: SampleStream | None = None
        self._closed_streams = StreamCounts()
        self._events: list[Event] = []
        self._outgoing = bytearray()
        self._request_id = 0
        self._attempts = 0
        self._deadline_ns: int | None = None
        self._stats_due_ns: int | None = None
        self._malformed_reason = ""

    # What the owner calls.

    def start(self, now_ns: int) -> None:
        """Begin: ask the device who it is. Raises `SessionMisuseError` if begun before."""
        if self.state is not State.NEW:
            raise SessionMisuseError(f"start() in state {self.state}; a session is started once")
        self._outgoing += b"\x00"  # ends whatever half a frame the device may hold
        self._move(Trigger.BEGIN)
        self._ask(FrameType.IDENTIFY, now_ns)

    def stop(self, now_ns: int) -> None:
        """Tell the device to stop streaming; nothing more is expected of it."""
        if (self.state, Trigger.STOP) in TRANSITIONS:
            self._move(Trigger.STOP)
            self._send(FrameType.STOP)
            self._deadline_ns = self._stats_due_ns = None

    def reset_device(self) -> None:
        """Ask the device to restart its firmware; it will be identified again when it does."""
        if self.state in FINAL or self.state is State.NEW:
            raise SessionMisuseError(f"reset_device() in state {self.state}; it needs an open conversation")
        self._send(FrameType.RESET)

    def connection_lost(self, reason: str = "the port is gone") -> None:
        """The port is gone or was closed."""
        if self.state not in FINAL:
            self._end(Trigger.CONNECTION_LOST, EndCause.CONNECTION_LOST, reason, "open the port again")

    def receive_data(self, chunk: bytes, now_ns: int) -> None:
        """Take in what was read, with the host's monotonic time at which it was read."""
        if self.state is State.NEW or self.state in FINAL:
            return
        before = self._deframer.discards
        malformed_before = self.malformed
        for start in range(0, len(chunk), MAX_CHUNK_BYTES):
            for payload in self._deframer.payloads(chunk[start : start + MAX_CHUNK_BYTES]):
                self._receive_payload(payload, now_ns)
                if self.state in FINAL:
                    break
        discards = self._deframer.discards - before
        malformed = self.malformed - malformed_before
        if discards != Discards() or malformed:
            self._events.append(InputDiscarded(discards, malformed, self._malformed_reason))
            self._malformed_reason = ""

    def events(self) -> list[Event]:
        """What happened since the last call, in order; each event is handed out once."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """What to write to the port now; each byte is handed out once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def next_deadline_ns(self) -> int | None:
        """When `tick` wants to be called if nothing arrives before; None: never."""
        deadlines = [ns for ns in (self._deadline_ns, self._stats_due_ns) if ns is not None]
        return min(deadlines, default=None)

    def tick(self, now_ns: int) -> None:
        """Let time pass: repeat what was not answered, notice silence, ask for counts."""
        if self._stats_due_ns is not None and now_ns >= self._stats_due_ns:
            self._stats_due_ns = now_ns + self._timeouts.stats_ns
            self._send(FrameType.STATS_REQUEST)
        if self._deadline_ns is None or now_ns < self._deadline_ns:
            return
        if self.state is State.STREAMING:
            self._events.append(DeviceSilent(since_ns=self._deadline_ns - self._silence_ns))
            self._move(Trigger.SILENCE)
            self._ask(FrameType.IDENTIFY, now_ns)
        elif self._attempts < self._timeouts.attempts:
            self._send(FrameType.START if self.state is State.STARTING else FrameType.IDENTIFY)
            self._attempts += 1
            self._deadline_ns = now_ns + self._timeouts.answer_ns
        else:
            self._give_up()

    @property
    def discards(self) -> Discards:
        """All bytes and frames that the deframer threw away."""
        return self._deframer.discards

    @property
    def counts(self) -> StreamCounts:
        """What arrived and what did not, over all restarts of the device in this session."""
        return self._closed_streams + self._stream.counts if self._stream else self._closed_streams

    @property
    def clock(self) -> ClockEstimate | None:
        """The fit of the device's clock, once there is one."""
        return self._stream.clock.estimate if self._stream else None

    # What a frame means.

    def _receive_payload(self, payload: bytes, now_ns: int) -> None:
        try:
            frame = frame_of(payload)
        except FrameError as error:
            self._count_malformed(str(error))
            return
        self._receive_frame(frame, now_ns)

    def _receive_frame(self, frame: Frame, now_ns: int) -> None:
        if isinstance(frame, Samples):
            self._receive_samples(frame, now_ns)
        elif isinstance(frame, Hello):
            self._receive_hello(frame, now_ns)
        elif isinstance(frame, Restarted):
            self._receive_restart(frame, now_ns)
        elif isinstance(frame, Ack):
            if frame.command == FrameType.START and self.state is State.STARTING:
                self._stream_begins(Trigger.START_ACKED, now_ns)
        elif isinstance(frame, Nak):
            self._receive_nak(frame)
        elif isinstance(frame, Stats):
            self._events.append(StatsReceived(frame, now_ns))
        elif isinstance(frame, Command):
            self._count_malformed(f"{frame.command.name} is a command of the host: is this a loopback?")

    def _receive_samples(self, frame: Samples, now_ns: int) -> None:
        if self._stream is None or self.state in (State.IDENTIFYING, State.STOPPED):
            self.early_frames += 1
            return
        try:
            events = self._stream.receive(frame, now_ns)
        except FrameError as error:
            self._count_malformed(str(error))
            return
        except RateExceededError as error:
            if self.state is State.STREAMING:
                self._send(FrameType.STOP)
                remedy = "check the sensor's configured rate and its firmware"
                self._end(Trigger.RATE_EXCEEDED, EndCause.RATE_EXCEEDED, str(error), remedy)
            return
        except StreamLostError as error:
            self._begin_anew(RestartSign.SEQUENCE, str(error), now_ns)
            return
        if self.state in (State.STARTING, State.PROBING):
            self._stream_begins(Trigger.SAMPLES_ARRIVE, now_ns)
        self._deadline_ns = now_ns + self._silence_ns
        self._events += events

    def _receive_hello(self, hello: Hello, now_ns: int) -> None:
        if self.state in (State.STARTING, State.STREAMING, State.PROBING) and self.hello is not None:
            known = self.hello
            if hello.boot_id != known.boot_id:
                detail = f"boot id {known.boot_id:08x} became {hello.boot_id:08x}"
                self._begin_anew(RestartSign.BOOT_ID, detail, now_ns)
            elif hello.identity != known.identity:
                self._begin_anew(RestartSign.HELLO_CHANGED, f"{known} became {hello}", now_ns)
            elif self.state is not State.PROBING:
                return  # a late answer
        if self.state in (State.IDENTIFYING, State.PROBING):
            self._judge_hello(hello, now_ns)

    def _judge_hello(self, hello: Hello, now_ns: int) -> None:
        refusal = refusal_of(hello, self._port_bytes_per_s)
        if refusal is not None:
            self._end(Trigger.HELLO_REFUSED, EndCause.HELLO_REFUSED, refusal.reason, refusal.remedy)
            return
        wanted = self._expected_serial_number
        if wanted is not None and hello.serial_number != wanted:
            reason = f"serial number {hello.serial_number} answers, {wanted} is configured"
            remedy = "plug the sensors as configured, or change the configured serial number"
            self._end(Trigger.HELLO_REFUSED, EndCause.HELLO_REFUSED, reason, remedy)
            return
        if self._stream is None:
            self._stream = SampleStream(hello, self._port_bytes_per_s)
        elif self._stream.hello.identity != hello.identity:
            self._replace_stream(SampleStream(hello, self._port_bytes_per_s, after=self._stream))
        self.hello = hello
        self._events.append(DeviceIdentified(hello))
        self._move(Trigger.HELLO_ACCEPTED)
        self._ask(FrameType.START, now_ns)

    def _receive_restart(self, notice: Restarted, now_ns: int) -> None:
        if self.state is State.IDENTIFYING:
            self._send(FrameType.IDENTIFY)  # it cannot have heard the last one
            return
        if self.hello is None or notice.boot_id == self.hello.boot_id:
            return  # known already, or not asked yet
        if self.state in (State.STARTING, State.STREAMING, State.PROBING):
            self._begin_anew(
                RestartSign.NOTICE, f"cause {notice.cause}, boot id {notice.boot_id:08x}", now_ns
            )

    def _receive_nak(self, nak: Nak) -> None:
        if nak.command != FrameType.START or self.state is not State.STARTING:
            return
        if nak.code == NakCode.BUSY:
            return  # asked again at the deadline
        names = {code.value: code.name for code in NakCode}
        reason = f"START was refused: {names.get(nak.code, f'code {nak.code}')}"
        self._end(Trigger.START_NAKED, EndCause.COMMAND_REFUSED, reason, "see the sensor's manual")

    # Moves.

    @property
    def _silence_ns(self) -> int:
        """How long nothing may arrive: at least three frames' time, since a slow sensor fills one slowly."""
        if self.hello is None:
            return self._timeouts.silence_ns
        frame_ns = round(self.hello.samples_per_frame / self.hello.sample_rate_hz * 1e9)
        return max(self._timeouts.silence_ns, 3 * frame_ns)

    def _move(self, trigger: Trigger) -> None:
        after = TRANSITIONS.get((self.state, trigger))
        if after is None:
            raise SessionMisuseError(f"{trigger!s} cannot happen in state {self.state}")
        self.state = after

    def _stream_begins(self, trigger: Trigger, now_ns: int) -> None:
        self._move(trigger)
        self._deadline_ns = now_ns + self._silence_ns
        if self._stats_due_ns is None:
            self._stats_due_ns = now_ns + self._timeouts.stats_ns
        self._events.append(StreamStarted(now_ns))

    def _begin_anew(self, sign: RestartSign, detail: str, now_ns: int) -> None:
        self._events.append(DeviceRestarted(sign, detail))
        self._move(Trigger.RESTART_SEEN)
        assert self._stream is not None
        self._replace_stream(SampleStream(self._stream.hello, self._port_bytes_per_s, after=self._stream))
        self._ask(FrameType.IDENTIFY, now_ns)

    def _replace_stream(self, stream: SampleStream) -> None:
        if self._stream is not None:
            self._closed_streams = self._closed_streams + self._stream.counts
        self._stream = stream

    def _give_up(self) -> None:
        thrown = self._deframer.discards
        if self.state is State.IDENTIFYING and self.hello is None and thrown.n_bytes:
            reason = "bytes arrive, but they make no frame"  # no count: equal troubles read equal
            self._end(
                Trigger.NO_ANSWER,
                EndCause.NOT_A_SENSOR,
                reason,
                "check the port's speed and what is plugged in",
            )
            return
        question = "START" if self.state is State.STARTING else "IDENTIFY"
        reason = f"{question} was not answered, asked {self._attempts} times"
        self._end(Trigger.NO_ANSWER, EndCause.NO_ANSWER, reason, "check cable, power and the port's speed")

    def _end(self, trigger: Trigger, cause: EndCause, reason: str, remedy: str) -> None:
        self._move(trigger)
        self._deadline_ns = self._stats_due_ns = None
        self._events.append(SessionEnded(cause, reason, remedy))

    def _ask(self, command: FrameType, now_ns: int) -> None:
        self._send(command)
        self._attempts = 1
        self._deadline_ns = now_ns + self._timeouts.answer_ns

    def _send(self, command: FrameType) -> None:
        self._request_id = self._request_id % 0xFFFF + 1  # 0 means unasked
        self._outgoing += wire_bytes_of(Command(command, self._request_id))

    def _count_malformed(self, reason: str) -> None:
        self.malformed += 1
        self._malformed_reason = reason
