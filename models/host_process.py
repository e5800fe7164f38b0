"""One model in one child process, seen from the service: start, ask with a time limit, watch, kill.

Duty: the child's life, the memory both see, and the messages. A request is 16 bytes over a socket, the batch
lies in shared memory; the model goes over as a sealed memory file, so that what was verified is what is
loaded. Decides nothing: whoever owns it does (`fallback_chain`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import models
from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.errors import InferenceError, ModelError
from models.host_messages import Kind, Message, SharedArea, limit_receiving, receive, request, sealed
from models.manifest import ModelManifest

WORKER = (sys.executable, "-P", "-m", "models.host_worker")
_WATCH_S = 0.02  # while waiting for an answer, the child's memory is looked at so often
_END_S = 0.05  # a child whose socket is closed is about to end
_LAST_WORDS_BYTES = 2048
_HEARD_AT_ONCE = 4  # reads of a full pipe: a child that prints as fast as it is read must not hold us
# Each call takes and gives back the same few arrays: what glibc hands to the kernel in between comes back as
# page faults, which cost as much as the arithmetic.
_MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}
_NAN = np.float32(math.nan)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerLateError(ModelError):
    """No answer within the time that the call had; it may still come."""


class WorkerDiedError(ModelError):
    """The child is gone: the message says how, with its last words."""


class WorkerRefusedError(ModelError):
    """The child would not load the model: the message says why."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a child is to run, and within what bounds."""

    backend: str
    manifest: ModelManifest
    artefact: bytes
    options: BackendOptions = field(default_factory=BackendOptions)
    max_items: int = 64  # per call
    memory_limit_bytes: int = 1 << 30  # resident, and of private memory: beyond it the child is killed
    command: tuple[str, ...] = WORKER


class WorkerProcess:
    """A child that runs one model. One thread at a time may call its methods."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._child: subprocess.Popen[bytes] | None = None
        self._sequence = 0
        self._waiting = False  # for the answer of a call that was late
        self._last_words = b""
        self._dying: list[subprocess.Popen[bytes]] = []  # killed, not gone yet

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one. Any thread may ask."""
        child = self._child
        return child.pid if child is not None else None

    def start(self) -> None:
        """Start the child; returns before it has loaded anything.

        Raises OSError, and WorkerDiedError while the one before is still there: it may hold the device.
        """
        self.stop()
        if self._dying:
            raise WorkerDiedError("was killed and does not end: its device may not answer the kernel either")
        with contextlib.ExitStack() as opened:  # whatever fails on the way, nothing stays open
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.callback(ours.close)
            opened.callback(theirs.close)
            lifeline_read, lifeline = _closed_by(opened, *os.pipe())
            said, says = _closed_by(opened, *os.pipe())
            os.set_blocking(said, False)
            os.set_blocking(says, False)  # a runtime that prints without end must not hang on it
            shape = self.worker.manifest.input_shape
            values = self.worker.manifest.output_values
            area = SharedArea.made(self.worker.max_items, math.prod(shape), values)
            opened.callback(area.close)
            (job,) = _closed_by(opened, sealed(self._job(), self.worker.artefact))
            passed = (theirs.fileno(), area.fd, job, lifeline_read)
            threads = str(self.worker.options.threads)
            child = subprocess.Popen(
                [*self.worker.command, *map(str, passed)],
                pass_fds=passed, stdin=subprocess.DEVNULL, stdout=says, stderr=says,
                start_new_session=True,  # an interrupt from the keyboard is the service's to answer
                env={
                    **os.environ, "PYTHONPATH": str(Path(models.__path__[0]).parent),
                    "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, **_MALLOC,
                },
            )  # fmt: skip
            opened.pop_all()
        for fd in (job, lifeline_read, says):
            os.close(fd)
        theirs.close()
        self._child, self._socket, self._area = child, ours, area
        self._lifeline, self._said = lifeline, said
        limit_receiving(ours, _WATCH_S)
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        self._waiting, self._last_words = False, b""
        self._inputs = area.inputs.reshape(-1, *shape)
        self._outputs = area.outputs[:, 0] if area.outputs.shape[1] == 1 else area.outputs

    def _job(self) -> bytes:
        return json.dumps({
            "backend": self.worker.backend, "manifest": self.worker.manifest.to_json(),
            "options": asdict(self.worker.options), "max_items": self.worker.max_items,
            "memory_limit_bytes": self.worker.memory_limit_bytes,
        }).encode()  # fmt: skip

    def ready(self) -> bool:
        """Whether the model is loaded by now; does not wait. Raises WorkerRefusedError, WorkerDiedError."""
        message = self._next(time.monotonic())
        if message is None:
            return False
        if message.kind is Kind.REFUSED:
            raise WorkerRefusedError(message.text)
        return message.kind is Kind.LOADED

    def answered_late(self) -> bool:
        """Whether the answer of a late call has come by now; does not wait. Raises WorkerDiedError."""
        while self._waiting and (message := self._next(time.monotonic())) is not None:
            if message.sequence == self._sequence:
                self._waiting = False
        return not self._waiting

    def infer(self, batch: Float32Array, time_limit_s: float) -> Float32Array:
        """Scores `(n,)`, of pictures results `(n, values)`, of a batch of at most `max_items`.

        NaN only for rows that have holes. Raises WorkerLateError, WorkerDiedError, and InferenceError where
        the runtime failed or gave what is no score.
        """
        until = time.monotonic() + time_limit_s
        if self._child is None:
            raise WorkerDiedError("is not running")
        n = len(batch)
        self._inputs[:n] = batch
        self._outputs[:n] = _NAN  # nothing of an earlier call may pass for an answer
        self._sequence = (self._sequence + 1) % (1 << 32)
        try:
            self._socket.send(request(n, self._sequence))
        except OSError as error:
            raise WorkerDiedError(self._end(until)) from error
        message = self._next(until)
        if message is None:
            self._waiting = True
            raise WorkerLateError(f"gave no answer within {time_limit_s * 1e3:.0f} ms")
        # one call at a time, and a late one is waited for: nothing else can be on its way
        if message.sequence != self._sequence:
            raise InferenceError(f"answered call {message.sequence} when asked call {self._sequence}")
        if message.kind is not Kind.SCORES or message.n_items != n:
            raise InferenceError(message.text or f"answered {message.kind} for {message.n_items} items")
        scores: Float32Array = self._outputs[:n].copy()
        if not math.isfinite(np.vdot(scores, scores)):  # a third of what looking at each costs
            _require_holes(scores, batch)
        return scores

    def _next(self, until: float) -> Message | None:
        """The next message, or None where none came until then. Raises WorkerDiedError."""
        while True:
            left_s = until - time.monotonic()
            try:
                if left_s >= _WATCH_S:
                    message = receive(self._socket)  # for _WATCH_S at most
                else:
                    self._poll.poll(max(math.ceil(left_s * 1e3), 0))
                    message = receive(self._socket, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self.watch()
                if time.monotonic() >= until:
                    return None
                continue
            if message is None:
                raise WorkerDiedError(self._end(until))
            return message

    def check_alive(self) -> None:
        """Look after the child between calls. Raises WorkerDiedError."""
        self.watch()
        self._next(time.monotonic())

    def watch(self) -> None:
        """Hear what the child printed, look at its memory. Beyond its limit kills it: WorkerDiedError."""
        self._hear()
        resident = self.resident_bytes()
        if resident > self.worker.memory_limit_bytes:
            self.stop()
            limit = self.worker.memory_limit_bytes
            raise WorkerDiedError(
                f"took {resident >> 20} MiB of memory, above its limit of {limit >> 20} MiB"
            )

    def resident_bytes(self) -> int:
        """Memory that the child has resident; 0 where there is none."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * _PAGE_BYTES

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_HEARD_AT_ONCE):
                said = os.read(self._said, 65536)
                if not said:
                    return
                self._last_words = (self._last_words + said)[-_LAST_WORDS_BYTES:]

    def _end(self, until: float) -> str:
        """How the child ended, in words, as far as it is known by then; afterwards there is none."""
        child = self._child
        if child is None:
            return "is not running"
        try:
            code = child.wait(timeout=min(_END_S, max(until - time.monotonic(), 0.0)))
            how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            how = "no longer listens"
        self._hear()
        words = " ".join(self._last_words.decode(errors="replace").split())[-300:]
        self.stop()
        return how + (f": {words}" if words else "")

    def kill(self) -> None:
        """Let the child die, whoever waits for it: that one then hears of it. Any thread may call this."""
        child = self._child
        if child is not None:
            child.kill()

    def stop(self) -> None:
        """Kill the child if there is one, and give everything back. Does not wait for its end.

        A process that waits for a device in the kernel cannot be killed before the device answers.
        """
        self._dying = [child for child in self._dying if child.poll() is None]
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        if child.poll() is None:
            self._dying.append(child)
        self._socket.close()
        os.close(self._lifeline)
        os.close(self._said)
        del self._inputs, self._outputs
        self._area.close()

    def wait_for_end(self, time_limit_s: float) -> None:
        """Wait until children that were killed are gone, for so long at most."""
        until = time.monotonic() + time_limit_s
        for child in self._dying:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(until - time.monotonic(), 0.0))
        self._dying = [child for child in self._dying if child.poll() is None]


def _closed_by(stack: contextlib.ExitStack, *fds: int) -> tuple[int, ...]:
    """The file descriptors, to be closed by the stack."""
    for fd in fds:
        stack.callback(os.close, fd)
    return fds


def _require_holes(scores: Float32Array, batch: Float32Array) -> None:
    """Raises InferenceError where a score is no number although nothing is missing in its row."""
    rows, nothing = batch.reshape(len(batch), -1), np.isnan(scores.reshape(len(batch), -1)).any(axis=1)
    if np.isinf(scores).any() or np.isfinite(rows[nothing]).all(axis=1).any():
        raise InferenceError("gave what is no number for a row that has no holes")
