"""The simulated sensor in real time on a real pty: its truth against what a host saw."""

from __future__ import annotations

import array
import asyncio
import fcntl
import json
import os
import select
import signal
import termios
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.codec import wire_bytes_of
from firmware_bridge.errors import PortGoneError, PortNotFoundError
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    InputDiscarded,
    SamplesReceived,
    SequenceGap,
    StreamStarted,
)
from firmware_bridge.frames import Command, FrameType, RestartCause
from firmware_bridge.session import Session
from firmware_bridge.simulated_machine import SimulatedMachine, VibrationStream
from firmware_bridge.simulator import Settings, Simulator
from firmware_bridge.simulator_truth import Truth, read_truth
from tests.firmware_bridge.back_to_back import of_type
from tests.firmware_bridge.live import (
    PATIENCE_S,
    Host,
    SimulatorProcess,
    is_alive,
    open_port,
    start_other_host,
    until,
)

FRAME_NS = 5_000_000


def missing_between(events: list, truth: Truth) -> tuple[int, int]:
    """Frames that the host counts as missing, and those of the truth in the same range of numbers."""
    sequences = [event.sequence for event in of_type(events, SamplesReceived)]
    inside = range(sequences[0], sequences[-1])
    not_sent = [n for n in truth.lost + truth.corrupted + truth.overrun + truth.stalled if n in inside]
    return sum(gap.frames_missing for gap in of_type(events, SequenceGap)), len(not_sent)


async def test_gaps_that_the_host_counts_are_those_of_the_truth(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path, "--loss", "0.02", "--corruption", "0.02") as sensor:
        async with open_port(str(sensor.link)) as port:
            host = Host(port)
            await host.run_until(
                lambda: (
                    host.session.counts.frames_received >= 700
                    and host.session.clock is not None
                    and host.session.clock.converged
                )
            )
    truth = sensor.truth()
    seen, told = missing_between(host.events, truth)
    assert seen == told > 5
    newest = of_type(host.events, SamplesReceived)[-1].sequence
    damaged = [n for n in truth.corrupted if n < newest]
    assert damaged
    assert host.session.discards.bad_crc + host.session.discards.bad_cobs >= len(damaged) - 2
    clock = host.session.clock
    assert clock is not None
    assert clock.drift_ppm == pytest.approx(40.0, abs=clock.drift_error_ppm)
    assert [type(event) for event in host.events[:2]] == [DeviceIdentified, StreamStarted]


async def test_no_frame_is_lost_while_the_loop_is_blocked_200_ms_at_a_time(tmp_path: Path) -> None:
    """A thousand frames on end: where the machine kept the port's reader from running, they begin anew."""
    blocked, free_since_s, overrun = 0, 0.0, 0
    begin = (0, 0)  # frames and blocks when an overrun was last seen

    def hold_up() -> None:
        """Sleep 200 ms, or hold the GIL for 200 ms, by turns; between them a little time to catch up."""
        nonlocal blocked, free_since_s, overrun, begin
        now_s = time.monotonic()
        if now_s - free_since_s < 0.02:
            return
        if blocked % 2:
            time.sleep(0.2)
        else:
            while time.monotonic() - now_s < 0.2:
                sum(range(2_000))
        blocked, free_since_s = blocked + 1, time.monotonic()
        if (seen := len(sensor.truth().overrun)) > overrun:
            overrun, begin = seen, (host.session.counts.frames_received, blocked)

    with SimulatorProcess(tmp_path, "--loss", "0.001") as sensor:
        async with open_port(str(sensor.link)) as port:
            host = Host(port)
            await host.run_until(
                lambda: host.session.counts.frames_received - begin[0] >= 1000 and blocked - begin[1] >= 10,
                hold_up,
            )
            assert port.counts.bytes_lost == 0
    truth = sensor.truth()
    assert truth.last_totals is not None
    assert truth.last_totals.sent >= 1000
    seen, told = missing_between(host.events, truth)
    assert seen == told
    received = host.seen(SamplesReceived)
    late_ns = [event.received_ns - event.end_ns for event in received]
    assert np.median(late_ns) < 20_000_000  # stamped on arrival, not when the loop came round to it


async def test_a_killed_host_can_come_back(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path, "--loss", "0") as sensor:
        other, reader_pid = start_other_host(sensor.link)
        await until(lambda: sensor.truth().totals.sent > 20, "no stream")
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert other.stdout is not None
        other.stdout.close()
        await until(lambda: not is_alive(reader_pid), "the reader outlives its parent")
        await until(lambda: len(sensor.truth().overrun) > 20, "nobody reads, yet nothing overflows")
        async with open_port(str(sensor.link)) as port:
            host = Host(port)
            # Fifty on end; one that the machine keeps from running loses some, and goes on.
            await host.run_until(
                lambda: (
                    host.session.counts.frames_received >= 50
                    and host.seen(SamplesReceived)[-1].sequence >= sensor.truth().overrun[-1] + 50
                )
            )
        first = host.seen(SamplesReceived)[0].sequence
        assert first > 40  # the numbering went on
        assert not host.seen(DeviceRestarted)
        seen, told = missing_between(host.events, sensor.truth())
        assert seen == told


async def test_unplugged_sensor_is_gone_then_missing_then_back_as_a_new_life(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path) as sensor:
        async with open_port(str(sensor.link)) as port:
            host = Host(port)
            await host.run_until(lambda: host.session.counts.frames_received >= 10)
            sensor.control(unplug=True)
            with pytest.raises(PortGoneError):
                await host.run_until(lambda: False)
        with pytest.raises(PortNotFoundError):
            async with open_port(str(sensor.link)):
                pass
        sensor.control(plug=True)
        async with open_port(str(sensor.link)) as port:
            again = Host(port)
            await again.run_until(lambda: again.session.counts.frames_received >= 10)
        assert host.session.hello is not None
        assert again.session.hello is not None
        assert again.session.hello.boot_id != host.session.hello.boot_id
        assert again.session.hello.serial_number == host.session.hello.serial_number
    assert sensor.truth().lives == 2
    assert not sensor.link.is_symlink()


async def test_truth_survives_kill_and_control_answers(tmp_path: Path) -> None:
    sensor = SimulatorProcess(tmp_path, "--loss", "0.3")
    assert "error" in sensor.control(fault="rust", growth_s=3)
    assert "error" in sensor.control(stop=True, plug=True)
    assert "error" in sensor.control(fault="outer race", growth_s=-1)
    assert "done" in sensor.control(fault="outer race", growth_s=1.5)
    async with open_port(str(sensor.link)) as port:
        host = Host(port)
        await host.run_until(lambda: host.session.counts.frames_received >= 150)
        sensor.process.kill()
        with pytest.raises(PortGoneError):
            await host.run_until(lambda: False)
    sensor.__exit__()
    truth = sensor.truth()
    seen, told = missing_between(host.events, truth)
    assert seen == told > 20
    entries = [json.loads(line) for line in sensor.truth_path.read_text().splitlines()]
    assert [entry["fault"] for entry in entries if "fault" in entry] == ["outer race"]


async def test_stop_ends_it_and_takes_the_link_away(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path) as sensor:
        assert "done" in sensor.control(stop=True)
        await asyncio.to_thread(sensor.process.wait, PATIENCE_S)
    assert not sensor.link.is_symlink()
    assert '"ended": true' in sensor.truth_path.read_text()


# In virtual time, without a second process.


class Bench:
    """A simulator whose time a test makes, and the host's end of its pty."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.now_ns = 50_000_000_000
        given = {
            "link": folder / "sensor", "seed": 8, "rate_hz": 25_600.0, "drift_ppm": 0.0, "loss": 0.0,
            "corruption": 0.0, "jitter_us": 0.0, "serial_number": "T-1", "truth": folder / "truth",
            "start_ns": 40_000_000_000,
        }  # fmt: skip
        self.settings = Settings(**(given | changes))  # type: ignore[arg-type]
        self.simulator = Simulator(self.settings, self.now_ns)
        assert self.simulator.line is not None
        self.line, self._write_line = self.simulator.line, self.simulator.line.write
        self.line.write = self._carry  # type: ignore[method-assign]
        self.on_the_way = 0  # bytes that the simulator wrote and nobody has read
        self.fd = os.open(self.settings.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.session = Session()
        self.events: list = []

    def close(self) -> None:
        os.close(self.fd)
        self.simulator.end(self.now_ns)

    def run(self, duration_ns: int, listen: bool = True) -> None:
        until_ns = self.now_ns + duration_ns
        while self.now_ns < until_ns:
            wake_ns = self.simulator.step(self.now_ns)
            self.now_ns = min(until_ns, self.now_ns + FRAME_NS // 2, max(self.now_ns + 1, wake_ns))
            if listen:
                self.listen()
            else:
                self.wait_for_kernel(lambda: self._unread() == self.on_the_way)

    def _carry(self, data: bytes, now_ns: int) -> int:
        n_written = self._write_line(data, now_ns)
        self.on_the_way += n_written
        return n_written

    def _unread(self) -> int:
        answer = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.FIONREAD, answer)
        return answer[0]

    @staticmethod
    def wait_for_kernel(condition: Callable[[], object]) -> None:
        """It passes bytes on in its own time, not in ours."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up_s, "the kernel does not pass bytes on"

    def read(self) -> bytes:
        """All that the simulator wrote."""
        data = b""
        while self.on_the_way:
            self.wait_for_kernel(self._unread)
            data += (some := os.read(self.fd, 65_536))
            self.on_the_way -= len(some)
        return data

    def write(self, data: bytes) -> None:
        """What the host says; the simulator's next step finds it."""
        os.write(self.fd, data)
        self.wait_for_kernel(lambda: not data or select.select([self.line.fd], [], [], 0)[0])

    def listen(self) -> None:
        """Read all there is, and answer."""
        self.session.receive_data(self.read(), self.now_ns)
        self.events += self.session.events()
        self.write(self.session.data_to_send())

    def start(self) -> None:
        self.session.start(self.now_ns)
        for _ in range(4):
            self.listen()
            self.run(1_000_000)


@pytest.fixture
def bench(tmp_path: Path) -> object:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_samples_are_the_machine_s_own_quantised(bench: Bench) -> None:
    bench.start()
    bench.run(100 * FRAME_NS)
    received = of_type(bench.events, SamplesReceived)
    assert len(received) >= 95
    counts = np.concatenate([event.samples for event in received])
    hello = bench.session.hello
    assert hello is not None
    stream = VibrationStream(SimulatedMachine(8), 25_600.0, 10.0)
    truth = np.concatenate([stream.next_block() for _ in range(60)])
    first_tick = bench.simulator._first_tick
    first = round((received[0].device_tick - first_tick) * 25_600 / 1_000_000)
    error = counts * hello.mps2_per_count - truth[first : first + len(counts)]
    assert np.abs(error).max() <= 0.51 * hello.mps2_per_count


def test_what_nobody_reads_overruns_4_kib_in_whole_frames(bench: Bench) -> None:
    bench.start()
    bench.run(20 * FRAME_NS)
    before = bench.session.counts.frames_received
    bench.run(100 * FRAME_NS, listen=False)
    dropped = bench.simulator.truth.totals.overrun
    assert 94 <= dropped <= 96  # 4096 bytes hold five frames of 786
    waiting = bench.read()
    assert 4 * 786 < len(waiting) <= 4096
    bench.session.receive_data(waiting, bench.now_ns)
    bench.run(20 * FRAME_NS)
    assert bench.session.counts.frames_missing == dropped
    assert bench.session.counts.frames_received == before + 5 + 20
    assert not of_type(bench.events, InputDiscarded)
    assert bench.simulator.device.frames_dropped == dropped
    assert read_truth(bench.settings.truth).totals.overrun == dropped


def test_a_late_simulator_catches_up_without_running_its_host_over(bench: Bench) -> None:
    bench.start()
    bench.run(20 * FRAME_NS)
    bench.now_ns += 300_000_000  # kept from running
    bench.run(120 * FRAME_NS)
    assert bench.simulator.truth.totals.overrun == 0
    assert bench.simulator.truth.totals.stalled == 0
    assert bench.session.counts.frames_missing == 0
    assert bench.session.counts.frames_received >= 195


def test_a_simulator_stopped_for_long_says_what_it_left_out(bench: Bench) -> None:
    bench.start()
    bench.run(20 * FRAME_NS)
    bench.now_ns += 5_000_000_000
    bench.run(300 * FRAME_NS)
    stalled = bench.simulator.truth.totals.stalled
    assert stalled == pytest.approx(1000, abs=3)
    assert bench.session.counts.frames_missing == stalled


def test_a_simulator_stopped_for_a_day_does_not_compute_the_day(bench: Bench) -> None:
    bench.start()
    bench.run(20 * FRAME_NS)
    bench.simulator.control('{"fault": "inner race", "growth_s": 5}', bench.now_ns)
    bench.now_ns += 86_400_000_000_000
    begin_s = time.process_time()
    bench.simulator.step(bench.now_ns)
    assert time.process_time() - begin_s < 1.0
    bench.run(50 * FRAME_NS)
    received = of_type(bench.events, SamplesReceived)
    before, after = (
        np.concatenate([event.samples for event in part]) for part in (received[:15], received[-15:])
    )
    assert after.std() > 2 * before.std()


def test_reset_command_begins_a_new_life(bench: Bench) -> None:
    bench.start()
    bench.run(10 * FRAME_NS)
    bench.write(wire_bytes_of(Command(FrameType.RESET, 3)))
    bench.run(30 * FRAME_NS)
    (restarted,) = of_type(bench.events, DeviceRestarted)
    assert str(RestartCause.COMMAND.value) in restarted.detail
    assert of_type(bench.events, SamplesReceived)[-1].sequence < 30
    assert bench.session.counts.frames_received > 30


def test_link_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "sensor").write_text("mine")
    with pytest.raises(FileExistsError, match="sensor"):
        Bench(tmp_path)
