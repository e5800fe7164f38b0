"""Two peers wired back to back: a session and a device core, with a virtual clock and no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from firmware_bridge.codec import wire_bytes_of
from firmware_bridge.device import Device
from firmware_bridge.events import Event, SamplesReceived
from firmware_bridge.frames import PROTOCOL_VERSION, Frame, Hello
from firmware_bridge.session import Session
from tests.fakes.virtual_clock import VirtualClock

HELLO = Hello(
    request_id=0,
    protocol_version=PROTOCOL_VERSION,
    boot_id=0x1234ABCD,
    model="SIM-3",
    serial_number="SN-000123",
    firmware_version="1.4.2",
    full_scale_mps2=160.0,
    sample_rate_hz=25_600.0,
    axes=3,
    samples_per_frame=128,
    tick_rate_hz=1_000_000,
)
FRAME_NS = 5_000_000


def hello(**changes: object) -> Hello:
    return replace(HELLO, **changes)  # type: ignore[arg-type]


def samples_of(sequence: int, spec: Hello = HELLO) -> np.ndarray:
    """Samples that name their own place, so that a wrong one is seen."""
    n = spec.samples_per_frame * spec.axes
    values = (np.arange(n, dtype=np.int64) * 31 + sequence * 7919) % 60_000 - 30_000
    return values.astype("<i2").reshape(spec.samples_per_frame, spec.axes)


@dataclass
class Bench:
    """Session and device over a line that is perfect unless `line` says otherwise."""

    device: Device = field(default_factory=lambda: Device(HELLO))
    session: Session = field(default_factory=Session)
    clock: VirtualClock = field(default_factory=VirtualClock)
    line: Callable[[bytes], bytes] = lambda data: data
    events: list[Event] = field(default_factory=list)
    tick: int = 5_000

    def exchange(self) -> list[Event]:
        """Carry what both sides have to say until they are silent; returns the session's events."""
        new: list[Event] = []
        while True:
            to_device = self.session.data_to_send()
            self.device.receive_data(to_device)
            replies = self.device.replies()
            for reply in replies:
                self.session.receive_data(reply, self.clock.now_ns)
            new += self.session.events()
            if not to_device and not replies:
                self.events += new
                return new

    def open(self) -> list[Event]:
        self.session.start(self.clock.now_ns)
        return self.exchange()

    def frame(self) -> bytes:
        """The device's next SAMPLES frame, 5 ms of its time later."""
        sequence = self.device.next_sequence
        numbered = self.device.number_frame(self.tick, samples_of(sequence, self.device.hello).tobytes())
        self.tick += round(
            self.device.hello.samples_per_frame
            * self.device.hello.tick_rate_hz
            / self.device.hello.sample_rate_hz
        )
        return numbered.wire_bytes

    def send_frames(self, n: int) -> list[Event]:
        new: list[Event] = []
        for _ in range(n):
            self.clock.advance_ns(FRAME_NS)
            self.session.receive_data(self.line(self.frame()), self.clock.now_ns)
            new += self.exchange()
        return new

    def lose_frames(self, n: int) -> None:
        for _ in range(n):
            self.clock.advance_ns(FRAME_NS)
            self.frame()

    def say(self, frame: Frame | bytes) -> list[Event]:
        """Let the device say something out of turn."""
        self.session.receive_data(
            frame if isinstance(frame, bytes) else wire_bytes_of(frame), self.clock.now_ns
        )
        return self.exchange()


def of_type(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def assert_samples_right(events: list[Event], spec: Hello = HELLO) -> None:
    for event in of_type(events, SamplesReceived):
        np.testing.assert_array_equal(event.samples, samples_of(event.sequence, spec))
