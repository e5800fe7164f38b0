"""The port and its reader process on a real pty: order, times, errors, and who dies with whom."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import signal
import termios
import time
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from firmware_bridge import port_reader
from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortGoneError,
    PortNotFoundError,
    PortReaderError,
    PortUnusableError,
)
from firmware_bridge.port import Port
from tests.firmware_bridge.live import PATIENCE_S, is_alive, open_port, start_other_host, until


class Pty:
    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.master, data) :]

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            os.close(self.slave)
            self.master = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    pair = Pty()
    yield pair
    pair.hang_up()


@pytest.fixture
async def port(pty: Pty) -> AsyncIterator[Port]:
    async with open_port(pty.path) as opened:
        yield opened


def unread(fd: int) -> int:
    """Bytes that wait to be read."""
    answer = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, answer)
    return answer[0]


def wait_blocked(condition: Callable[[], object]) -> None:
    """Wait for another process while the loop has no turn."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.001)


def said(port: Port) -> int:
    """Bytes in the socket that the reader has sent and the loop has not taken."""
    assert port._link._transport is not None
    return unread(port._link._transport.get_extra_info("socket").fileno())


async def receive(port: Port, n_bytes: int) -> bytes:
    received = b""
    async with aclosing(port.chunks()) as chunks:
        async for chunk in chunks:
            received += chunk.data
            if len(received) >= n_bytes:
                return received
    raise AssertionError("chunks() ended")


async def test_bytes_come_and_go_unchanged_and_stamped(pty: Pty, port: Port) -> None:
    before_ns = time.monotonic_ns()
    pty.write(bytes(range(256)))
    chunk = await port.read_chunk()
    assert chunk is not None
    assert before_ns < chunk.received_ns < time.monotonic_ns()
    data = chunk.data
    if len(data) < 256:
        data += await receive(port, 256 - len(data))
    assert data == bytes(range(256))
    await port.write(bytes(range(256)))
    answer = b""
    while len(answer) < 256:
        answer += os.read(pty.master, 4096)
    assert answer == bytes(range(256))
    assert port.counts.bytes_received == port.counts.bytes_written == 256


async def test_a_megabyte_keeps_its_order(pty: Pty, port: Port) -> None:
    data = os.urandom(1 << 20)
    writer = asyncio.create_task(asyncio.to_thread(pty.write, data))
    assert await receive(port, len(data)) == data
    await writer


async def test_stamps_tell_when_bytes_came_even_if_the_loop_was_blocked(pty: Pty, port: Port) -> None:
    spans_ns, record_bytes = [], port_reader.HEADER.size + 1
    for n in range(1, 6):
        sent_ns = time.monotonic_ns()
        pty.write(b"x")
        wait_blocked(lambda n=n: said(port) == n * record_bytes)  # type: ignore[misc]
        spans_ns.append((sent_ns, time.monotonic_ns()))
        time.sleep(0.02)
    for sent_ns, there_ns in spans_ns:
        chunk = await port.read_chunk()
        assert chunk is not None
        assert sent_ns < chunk.received_ns < there_ns


async def test_deadline_passes_without_losing_anything(pty: Pty, port: Port) -> None:
    assert await port.read_chunk(time.monotonic_ns() + 10_000_000) is None
    assert await port.read_chunk(time.monotonic_ns() - 1) is None
    pty.write(b"abc")
    wait_blocked(lambda: said(port))
    deadline_ns = time.monotonic_ns()
    time.sleep(0.1)  # the loop is stalled beyond the deadline, but the bytes had come before it
    chunk = await port.read_chunk(deadline_ns)
    assert chunk is not None
    assert chunk.data == b"abc"


async def test_cancelled_reading_loses_nothing(pty: Pty, port: Port) -> None:
    for _ in range(20):
        waiting = asyncio.create_task(port.read_chunk())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    pty.write(b"abc")
    assert await receive(port, 3) == b"abc"


async def test_full_buffer_is_counted_to_the_byte_with_its_span(pty: Pty) -> None:
    async with open_port(pty.path, buffer_bytes=65_536) as port:
        begin_ns = time.monotonic_ns()
        n_written = 3 << 20
        pty.write(b"z" * n_written)  # this blocks the loop: nobody reads from the reader
        n_received, lost = 0, []
        while n_received + sum(overflow.bytes_lost for overflow in lost) < n_written:
            chunk = await port.read_chunk(time.monotonic_ns() + 200_000_000)
            if chunk is None:
                pty.write(b"z")  # a loss at the very end is told with the next chunk
                n_written += 1
                continue
            n_received += len(chunk.data)
            lost += [chunk.lost_before] if chunk.lost_before else []
        assert port.counts.bytes_lost == sum(overflow.bytes_lost for overflow in lost) > 1 << 20
        assert n_received + port.counts.bytes_lost == n_written
        assert n_received < 1 << 20
        for overflow in lost:
            assert begin_ns < overflow.first_ns <= overflow.last_ns < time.monotonic_ns()


async def test_hang_up_comes_after_the_last_bytes(pty: Pty, port: Port) -> None:
    pty.write(b"last words")
    wait_blocked(lambda: said(port) == port_reader.HEADER.size + 10)  # what is in no reader's hands goes
    pty.hang_up()
    received = b""
    with pytest.raises(PortGoneError, match=r"hung up|Input/output"):
        async for chunk in port.chunks():
            received += chunk.data
    assert received == b"last words"
    with pytest.raises(PortReaderError):
        await until_writing_fails(port)


async def test_who_writes_before_reading_the_end_still_hears_why_it_ended(pty: Pty, port: Port) -> None:
    """As a loop that stood still does: it finds both, the last bytes and the end."""
    pty.write(b"last words")
    wait_blocked(lambda: said(port) == port_reader.HEADER.size + 10)
    pty.hang_up()
    await until(lambda: port._link._ended, "the reader does not end")
    await port.write(b"x")
    received = b""
    with pytest.raises(PortGoneError):
        async for chunk in port.chunks():
            received += chunk.data
    assert received == b"last words"
    assert port.counts.bytes_written == 0


async def until_writing_fails(port: Port) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await port.write(b"x")
            await asyncio.sleep(0.01)


async def opening_fails(path: str) -> PortError:
    with pytest.raises(PortError) as caught:
        async with open_port(path):
            pass
    return caught.value


async def test_missing_port_and_dangling_link_are_not_found(tmp_path: Path) -> None:
    assert isinstance(await opening_fails(str(tmp_path / "ttyUSB9")), PortNotFoundError)
    link = tmp_path / "by-id"
    link.symlink_to(tmp_path / "gone")
    error = await opening_fails(str(link))
    assert isinstance(error, PortNotFoundError)
    assert str(link) in str(error)
    assert "by-id" in error.remedy


async def test_what_is_no_serial_port_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", Path("/dev/null"), tmp_path):
        assert isinstance(await opening_fails(str(path)), PortUnusableError)


async def test_second_opening_is_busy_and_the_first_goes_on(pty: Pty, port: Port) -> None:
    assert isinstance(await opening_fails(pty.path), PortBusyError)
    pty.write(b"abc")
    assert await receive(port, 3) == b"abc"


def test_permission_is_told_from_absence(pty: Pty) -> None:
    Path(pty.path).chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may open everything
    try:
        with pytest.raises(port_reader.ReaderFailure) as caught:
            port_reader.open_raw(pty.path, 115_200)
    finally:
        os.seteuid(user)
    assert caught.value.code == port_reader.PERMISSION


async def test_uncommon_speeds_are_set(pty: Pty) -> None:
    for baud in (3_000_000, 3_200_000, 250_000):
        async with open_port(pty.path, baud) as port:
            pty.write(b"abc")
            assert await receive(port, 3) == b"abc"
            assert port_reader.speed_of(pty.slave) == baud
    assert isinstance(await opening_fails_at(pty.path, -5), PortUnusableError)


async def opening_fails_at(path: str, baud: int) -> PortError:
    with pytest.raises(PortError) as caught:
        async with open_port(path, baud):
            pass
    return caught.value


async def test_stale_input_of_before_the_opening_is_thrown_away(pty: Pty) -> None:
    pty.write(b"stale")
    wait_blocked(lambda: unread(pty.slave) == 5)
    async with open_port(pty.path) as port:
        pty.write(b"fresh")
        assert await receive(port, 5) == b"fresh"


async def test_reader_ends_with_the_block_also_when_cancelled(pty: Pty) -> None:
    async with open_port(pty.path) as port:
        pid = port.reader_pid
        assert is_alive(pid)
    assert not is_alive(pid)

    async def listen() -> None:
        nonlocal pid
        async with open_port(pty.path) as port:
            pid = port.reader_pid
            async for _ in port.chunks():
                pass

    listener = asyncio.create_task(listen())
    await until(lambda: is_alive(pid), "reader did not start")
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    assert not is_alive(pid)


async def test_reader_dies_when_its_parent_is_killed(pty: Pty) -> None:
    parent, reader_pid = start_other_host(Path(pty.path))
    assert is_alive(reader_pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    await until(lambda: not is_alive(reader_pid), "the reader outlives its parent")
    assert parent.stdout is not None
    parent.stdout.close()
    async with open_port(pty.path) as port:  # and the port is free again
        pty.write(b"abc")
        assert await receive(port, 3) == b"abc"


async def test_killed_reader_is_told_from_a_lost_port(pty: Pty, port: Port) -> None:
    os.kill(port.reader_pid, signal.SIGKILL)
    with pytest.raises(PortReaderError, match="ended"):
        await port.read_chunk()


def test_outbox_keeps_order_and_forgets_nothing_but_what_it_counts() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    outbox = port_reader.Outbox(theirs, 2_000)
    for n in range(30):
        outbox.put_chunk(bytes([n]) * 100, n)
    outbox.flush()
    outbox.put_chunk(b"after", 99)
    outbox.flush()
    assert not outbox
    stream, kinds, total = os.read(ours, 1 << 16), [], 0
    while stream:
        kind, size, at_ns = port_reader.HEADER.unpack_from(stream)
        payload = stream[port_reader.HEADER.size :][:size]
        stream = stream[port_reader.HEADER.size + size :]
        kinds.append(kind)
        if kind == port_reader.LOST:
            n_lost, last_ns = port_reader.OVERFLOW.unpack(payload)
            assert at_ns == len(kinds) - 1
            assert last_ns == 29
            total += n_lost
        else:
            total += size
    assert total == 30 * 100 + 5
    assert kinds[-2:] == [port_reader.LOST, port_reader.CHUNK]
    os.close(ours)
    os.close(theirs)
