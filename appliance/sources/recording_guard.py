"""Reading in a process of its own, for a library in C that damaged files can make hang or crash.

Duty: run a reader in a child with limits on its time and memory, bring back the channels it found as plain
numbers (never pickled: who reads a hostile file is not trusted), and turn a child that hangs, dies or refuses
into a RecordingError.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from appliance.sources.recording_columns import (
    MAX_CHANNELS,
    MAX_VALUES,
    FoundChannel,
    RecordingError,
)

Reader = Callable[[Path], list[FoundChannel]]

START_LIMIT_S = 30.0  # to start the child on a busy box
LEAST_LIMIT_S = 30.0  # to read anything
LEAST_RATE_BYTES_PER_S = 4e6  # of a compressed file on a slow box
MAX_MEMORY_BYTES = 6 * 1024**3
VALUE = np.dtype("<f8")
_DAMAGED = "it is damaged or of another kind: copy it again"


def read_guarded(reader: Reader, path: Path, limit_s: float | None = None) -> list[FoundChannel]:
    """What `reader(path)` finds, read in a child process. Raises RecordingError.

    `reader` is a function of a module (the child imports it). `limit_s` bounds each step of its answer.
    """
    limit_s = limit_s or LEAST_LIMIT_S + path.stat().st_size / LEAST_RATE_BYTES_PER_S
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=_read_and_send, args=(reader, str(path), theirs, math.ceil(limit_s)), daemon=True
    )
    child.start()
    theirs.close()
    try:
        if not mine.poll(START_LIMIT_S):
            raise RecordingError(path, "its reader did not start", "try again when the machine is less busy")
        mine.recv_bytes()  # the child's word that it has begun
        return _received(mine, path, limit_s)
    except (EOFError, OSError) as error:
        child.join(5.0)
        raise RecordingError(path, f"its reader died (exit {child.exitcode})", _DAMAGED) from error
    finally:
        child.kill()
        child.join()
        mine.close()


def _received(connection: Connection, path: Path, limit_s: float) -> list[FoundChannel]:
    head = json.loads(_message(connection, path, limit_s))
    if "reason" in head:
        raise RecordingError(path, str(head["reason"]), str(head["remedy"]))
    channels = []
    for name, unit, rate_hz in head["channels"]:
        samples = np.frombuffer(_message(connection, path, limit_s), dtype=VALUE)
        channels.append(FoundChannel(name, unit, rate_hz, ((0.0, samples),)))
    return channels


def _message(connection: Connection, path: Path, limit_s: float) -> bytes:
    if not connection.poll(limit_s):
        raise RecordingError(path, f"its reader did not come to an end within {limit_s:.0f} s", _DAMAGED)
    return connection.recv_bytes(MAX_VALUES * VALUE.itemsize)


def _read_and_send(reader: Reader, path: str, connection: Connection, limit_s: int) -> None:
    """The child's whole life."""
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s + 5, limit_s + 10))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send_bytes(b"begun")
    try:
        with np.errstate(all="ignore"):  # odd numbers are the sensor check's to speak of
            channels = reader(Path(path))
        if len(channels) > MAX_CHANNELS:
            raise RecordingError(
                Path(path), f"{len(channels)} channels are too many", f"{MAX_CHANNELS} at most"
            )
        arrays = [channel.pieces[0][1] for channel in channels]
        head = {"channels": [[c.name, c.unit, c.sample_rate_hz] for c in channels]}
        connection.send_bytes(json.dumps(head).encode())
        for array in arrays:
            connection.send_bytes(np.ascontiguousarray(array, dtype=VALUE).data.cast("B"))
    except RecordingError as error:
        _refuse(connection, error.reason, error.remedy)
    except Exception as error:  # the library raises anything on a damaged file
        _refuse(connection, f"it cannot be read ({error or type(error).__name__})", _DAMAGED)


def _refuse(connection: Connection, reason: str, remedy: str) -> None:
    connection.send_bytes(json.dumps({"reason": reason, "remedy": remedy}).encode())
