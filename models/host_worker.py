"""The model host's child: loads one model, answers batches, dies with its parent.

Duty: a native runtime's whole world, so that its crash, hang or greed is this process's end and nobody
else's. Started by `host_process` only: `python -m models.host_worker SOCKET AREA JOB LIFELINE` (file
descriptors).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.errors import InferenceError
from models.host_messages import Kind, Message, SharedArea, answer, receive, unsealed
from models.manifest import ModelManifest

_FIRST_TO_GO = 500  # as if it had half of the box's memory more than it has
MakeBackend = Callable[[str, BackendOptions], InferenceBackend]


def serve(descriptors: Sequence[str], make: MakeBackend = backend_named) -> int:
    """Load what the job says and answer until the parent closes the socket. Returns the exit code."""
    socket_fd, area_fd, job_fd, lifeline_fd = map(int, descriptors)
    die_with_parent(lifeline_fd)
    head, artefact = unsealed(job_fd)
    job = json.loads(head)
    limit_memory(job["memory_limit_bytes"])
    parent = socket.socket(fileno=socket_fd)
    try:
        manifest = ModelManifest.from_json(job["manifest"])
        backend = make(job["backend"], BackendOptions(**job["options"]))
        backend.load(manifest, artefact)
    except Exception as error:  # whatever it is, the parent must hear of it
        parent.send(Message(Kind.REFUSED, text=f"{type(error).__name__}: {error}").packed())
        return 3
    area = SharedArea(area_fd, job["max_items"], math.prod(manifest.input_shape), manifest.output_values)
    inputs = area.inputs.reshape(-1, *manifest.input_shape)
    given = area.outputs[:, 0] if manifest.output_values == 1 else area.outputs
    parent.send(Message(Kind.LOADED).packed())
    while (asked := receive(parent)) is not None:
        n = asked.n_items
        try:
            outputs = backend.infer(inputs[:n])
            room = given[:n]
            if outputs.shape != room.shape:  # one would be taken for those of all
                raise InferenceError(f"outputs of shape {outputs.shape} for {n} items")
            room[...] = outputs
            said = answer(n, asked.sequence)
        except Exception as error:
            said = Message(Kind.FAILED, n, asked.sequence, f"{type(error).__name__}: {error}").packed()
        parent.send(said)
    return 0


def die_with_parent(lifeline_fd: int) -> None:
    """Let the kernel kill this process when the pipe's other end closes, even while native code hangs.

    By SIGKILL, which no runtime can block or answer and which ends a stopped process, too; at once where the
    parent was gone before. (PR_SET_PDEATHSIG would follow the parent's thread, not the parent.) Signals that
    ask the service's whole group to end are left to the service: it still wants answers meanwhile.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline_fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline_fd, 0)  # of a closed end it tells unasked
    if poll.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


def limit_memory(limit_bytes: int) -> None:
    """Bound private writable memory, and leave no core dump on a small disk.

    Not the address space: runtimes reserve far more of it than they ever touch. The parent watches what is
    resident. Where the whole box runs out of memory, the kernel is to take this process before the service.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
