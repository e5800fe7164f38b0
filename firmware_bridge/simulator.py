"""A simulated three-axis accelerometer on a real pty: `python -m firmware_bridge.simulator --link PATH`.

Duty: lets the device core (`device.py`) and the machine (`simulated_machine.py`) live in real time. Samples
on its own drifting clock, frames with jitter, now and then a frame that never leaves; writes on its own
schedule, never waits for the host, and drops what does not fit its 4 KiB FIFO, as a UART overrun does. If
this process is itself kept from running, it catches up at no more than twice the real rate, so that a host
that reads keeps its chance. Control: JSON lines on stdin, such as {"fault": "outer race", "growth_s": 90},
{"unplug": true}, {"plug": true}, {"stop": true}. The host may disappear and come back at any time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.bearing_impacts import FaultKind
from firmware_bridge.device import Device
from firmware_bridge.frames import FULL_SCALE_COUNTS, PROTOCOL_VERSION, Hello, RestartCause
from firmware_bridge.port_reader import raise_priority
from firmware_bridge.simulated_machine import AXES, SimulatedMachine, VibrationStream
from firmware_bridge.simulator_pty import PtyLine
from firmware_bridge.simulator_truth import TruthLog
from firmware_bridge.uart_fifo import UartFifo

FULL_SCALE_MPS2 = 156.9064  # 16 g
TICK_RATE_HZ = 1_000_000
SAMPLES_PER_FRAME = 128
TOTALS_NS = 1_000_000_000
STALL_NS = 1_000_000_000
RETRY_NS = 1_000_000
MAX_CONTROL_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    link: Path
    seed: int
    rate_hz: float
    drift_ppm: float
    loss: float
    corruption: float
    jitter_us: float
    serial_number: str
    truth: Path | None
    start_ns: int


class Simulator:
    """The sensor in real time. Call `step` again and again; it never blocks."""

    def __init__(self, settings: Settings, now_ns: int) -> None:
        self.settings = settings
        self.machine = SimulatedMachine(settings.seed)
        self.truth = TruthLog(settings.truth)
        self.line: PtyLine | None = PtyLine(settings.link)
        self._rng = np.random.default_rng([settings.seed, 3])
        self._fifo = UartFifo()
        hello = Hello(
            request_id=0,
            protocol_version=PROTOCOL_VERSION,
            boot_id=self._new_boot_id(),
            model="STETHOS-SIM3",
            serial_number=settings.serial_number,
            firmware_version="1.0.0",
            full_scale_mps2=FULL_SCALE_MPS2,
            sample_rate_hz=settings.rate_hz,
            axes=AXES,
            samples_per_frame=SAMPLES_PER_FRAME,
            tick_rate_hz=TICK_RATE_HZ,
        )
        self.device = Device(hello)
        true_rate_hz = settings.rate_hz * (1.0 + settings.drift_ppm * 1e-6)
        self._ns_per_sample = 1e9 / true_rate_hz
        self._frame_ns = round(SAMPLES_PER_FRAME * self._ns_per_sample)
        self._ticks_per_sample = TICK_RATE_HZ / settings.rate_hz
        self._first_tick = int(self._rng.integers(1 << 32))
        self._origin_ns = now_ns
        self._vibration = VibrationStream(self.machine, true_rate_hz, (now_ns - settings.start_ns) * 1e-9)
        self._counts = np.empty((0, AXES), dtype="<i2")
        self._counts_at = 0  # sample index of the first row of _counts
        self._next_sample: int | None = None  # first sample of the next frame; None while not streaming
        self._due_ns = 0
        self._totals_due_ns = now_ns + TOTALS_NS
        self.truth.write(now_ns, started=settings.serial_number, boot_id=hello.boot_id)

    def step(self, now_ns: int) -> int:
        """Do what is due; returns when to be called again at the latest (monotonic ns)."""
        if self.line is not None:
            self.device.receive_data(self.line.read())
        if self.device.reset_wanted:
            self._restart(RestartCause.COMMAND, now_ns)
        for reply in self.device.replies():
            if not self._fifo.offer(reply, self._unread_bytes(now_ns)):
                self.truth.totals.replies_dropped += 1
        if self.device.streaming and self._next_sample is None:
            self._begin_sampling(now_ns)
        elif not self.device.streaming:
            self._next_sample = None
        while self._next_sample is not None and now_ns >= self._due_ns:
            self._emit_frame(self._next_sample, now_ns)
        self._drain(now_ns)
        if now_ns >= self._totals_due_ns:
            self._totals_due_ns = now_ns + TOTALS_NS
            self.truth.write_totals(now_ns, self.device.next_sequence)
            if self.line is not None:
                self.line.let_others_in()
        wake_ns = self._totals_due_ns
        if self._next_sample is not None:
            wake_ns = min(wake_ns, self._due_ns)
        return min(wake_ns, now_ns + RETRY_NS) if len(self._fifo) else wake_ns

    def control(self, line: str, now_ns: int) -> bool:
        """Obey one line of JSON; returns whether to go on. Raises `ValueError` for what makes no sense."""
        wish = json.loads(line)
        if not isinstance(wish, dict) or len(wish.keys() & {"fault", "unplug", "plug", "stop"}) != 1:
            raise ValueError('one of "fault", "unplug", "plug", "stop" is right')
        if "fault" in wish:
            kind, growth_s = FaultKind(wish["fault"]), float(wish.get("growth_s", 60.0))
            course = self.machine.start_fault(kind, (now_ns - self.settings.start_ns) * 1e-9, growth_s)
            self.truth.write(now_ns, fault=kind, start_s=course.start_s, growth_s=growth_s)
        elif "unplug" in wish:
            self.unplug(now_ns)
        elif "plug" in wish and self.line is None:
            self.line = PtyLine(self.settings.link)
            self._restart(RestartCause.POWER_ON, now_ns)
        return "stop" not in wish

    def unplug(self, now_ns: int) -> None:
        """Pull the plug; the sensor is without power until it is plugged in again."""
        if self.line is not None:
            self.line.close()
            self.line = None
            self.device.streaming = False
            self.truth.write(now_ns, unplugged=True, bytes_in_fifo=self._fifo.clear())

    def end(self, now_ns: int) -> None:
        """Write the last totals and take the pty away."""
        self.truth.write_totals(now_ns, self.device.next_sequence)
        self.truth.write(now_ns, ended=True)
        if self.line is not None:
            self.line.close()
            self.line = None

    def _new_boot_id(self) -> int:
        return int.from_bytes(os.urandom(4), "little")  # another one in each life, also of one seed

    def _restart(self, cause: RestartCause, now_ns: int) -> None:
        self._fifo.clear()
        self.device.restart(self._new_boot_id(), cause)
        self._next_sample = None
        self._first_tick = -round((now_ns - self._origin_ns) / self._ns_per_sample * self._ticks_per_sample)
        self.truth.write(now_ns, restarted=cause.name, boot_id=self.device.hello.boot_id)

    def _begin_sampling(self, now_ns: int) -> None:
        first = int((now_ns - self._origin_ns) / self._ns_per_sample) + 1
        self._vibration.seek(first)
        self._next_sample = first
        self._due_ns = self._sampled_ns(first)

    def _sampled_ns(self, first: int) -> int:
        """When the last sample of the frame that begins with this one has been taken."""
        return self._origin_ns + round((first + SAMPLES_PER_FRAME) * self._ns_per_sample)

    def _emit_frame(self, first: int, now_ns: int) -> None:
        truth, device = self.truth, self.device
        following = first + SAMPLES_PER_FRAME
        self._next_sample = following
        jitter_ns = round(self._rng.random() * self.settings.jitter_us * 1000)
        # Never two frames closer than half a frame: a late simulator must not run its host over.
        self._due_ns = max(self._sampled_ns(following) + jitter_ns, now_ns + self._frame_ns // 2)
        late_ns = now_ns - self._sampled_ns(first)
        if late_ns > STALL_NS:
            self._skip_frames(first, late_ns // self._frame_ns, now_ns)
            return
        loss, corruption = self._rng.random(2)
        tick = self._first_tick + round(first * self._ticks_per_sample)
        numbered = device.number_frame(tick, self._frame_samples(first))
        if loss < self.settings.loss:
            device.frames_sent += 1  # a line loses what the device believes it sent
            truth.totals.lost += 1
            truth.write(now_ns, lost=numbered.sequence)
            return
        corrupt = corruption < self.settings.corruption
        wire = _with_flipped_bit(numbered.wire_bytes, self._rng) if corrupt else numbered.wire_bytes
        if not self._fifo.offer(wire, self._unread_bytes(now_ns)):
            device.frames_dropped += 1
            truth.totals.overrun += 1
            truth.write(now_ns, overrun=numbered.sequence)
            return
        device.frames_sent += 1
        if corrupt:
            truth.totals.corrupted += 1
            truth.write(now_ns, corrupted=numbered.sequence)
        else:
            truth.totals.sent += 1
        self._drain(now_ns)

    def _skip_frames(self, first: int, n_frames: int, now_ns: int) -> None:
        """This process was kept from running for too long: leave frames out, but not their numbers."""
        sequence = self.device.skip_frames(n_frames)
        self.truth.totals.stalled += n_frames
        self.truth.write(now_ns, stalled=sequence, frames=n_frames)
        self._next_sample = first + n_frames * SAMPLES_PER_FRAME
        self._vibration.seek(self._next_sample)
        self._due_ns = now_ns

    def _frame_samples(self, first: int) -> bytes:
        end = first + SAMPLES_PER_FRAME
        while self._counts_at + len(self._counts) < end:
            at = self._vibration.next_sample
            scaled = np.rint(self._vibration.next_block() * (FULL_SCALE_COUNTS / FULL_SCALE_MPS2))
            counts = np.clip(scaled, -FULL_SCALE_COUNTS, FULL_SCALE_COUNTS - 1).astype("<i2")
            kept = self._counts[max(0, first - self._counts_at) :]
            joins = self._counts_at + len(self._counts) == at
            self._counts_at = at - len(kept) if joins else at
            self._counts = np.concatenate([kept, counts]) if joins else counts
        begin = first - self._counts_at
        return self._counts[begin : begin + SAMPLES_PER_FRAME].tobytes()

    def _unread_bytes(self, now_ns: int) -> int:
        return self.line.unread_bytes(now_ns) if self.line is not None else 0

    def _drain(self, now_ns: int) -> None:
        if self.line is not None and len(self._fifo):
            self._fifo.taken(self.line.write(self._fifo.waiting(), now_ns))


def _with_flipped_bit(wire: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(wire)
    damaged[int(rng.integers(len(wire) - 1))] ^= 1 << int(rng.integers(8))  # not the delimiter
    return bytes(damaged)


def run(settings: Settings, end_with_stdin: bool) -> None:
    """Live until told to stop."""
    simulator = Simulator(settings, time.monotonic_ns())
    assert simulator.line is not None
    _say({"ready": True, "link": str(settings.link), "pty": simulator.line.name, "pid": os.getpid()})
    control = bytearray()
    inputs = [sys.stdin.fileno()]
    go_on = True
    try:
        while go_on:
            wake_ns = simulator.step(time.monotonic_ns())
            wait_s = max(0.0, (wake_ns - time.monotonic_ns()) * 1e-9)
            watched = inputs + ([simulator.line.fd] if simulator.line is not None else [])
            ready, _, _ = select.select(watched, [], [], wait_s)
            if inputs and inputs[0] in ready:
                received = os.read(inputs[0], MAX_CONTROL_BYTES)
                if not received:
                    inputs, go_on = [], not end_with_stdin
                control += received
                *lines, rest = bytes(control).split(b"\n")
                control = bytearray(rest[:MAX_CONTROL_BYTES])
                for line in filter(None, lines):
                    go_on = _obey(simulator, line) and go_on
    finally:
        simulator.end(time.monotonic_ns())


def _obey(simulator: Simulator, line: bytes) -> bool:
    try:
        go_on = simulator.control(line.decode(), time.monotonic_ns())
    except (ValueError, OSError) as error:
        _say({"error": f"{line[:200]!r}: {error}"})
        return True
    _say({"done": line.decode()})
    return go_on


def _say(message: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens
        os.write(1, json.dumps(message).encode() + b"\n")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m firmware_bridge.simulator", description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="symbolic link to make to the host's side")
    parser.add_argument("--seed", type=int, required=True, help="of the machine, losses and jitter")
    parser.add_argument("--rate", type=float, default=25_600.0, help="announced samples per second and axis")
    parser.add_argument("--drift-ppm", type=float, default=40.0, help="how fast the device's clock runs")
    parser.add_argument("--loss", type=float, default=0.0005, help="probability that a frame never leaves")
    parser.add_argument(
        "--corruption", type=float, default=0.0, help="probability of a flipped bit per frame"
    )
    parser.add_argument("--jitter-us", type=float, default=800.0, help="largest delay of a frame")
    parser.add_argument("--serial-number", default="SIM-0001")
    parser.add_argument("--truth", type=Path, help="file for the account of what was sent and what was not")
    parser.add_argument("--start-monotonic-ns", type=int, help="time zero of the machine's physics")
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when stdin is closed")
    given = parser.parse_args(arguments)
    start_ns = given.start_monotonic_ns if given.start_monotonic_ns is not None else time.monotonic_ns()
    settings = Settings(
        given.link, given.seed, given.rate, given.drift_ppm, given.loss, given.corruption, given.jitter_us,
        given.serial_number, given.truth, start_ns,
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    raise_priority()  # hardware would not wait for other processes
    run(settings, given.end_with_stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
