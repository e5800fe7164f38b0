"""The model host's child whose backend fails on demand: `python -m tests.fakes.failing_worker`.

Beneath is the real LiteRT backend. `settings` of the options say how it fails (`fail`), when (`at`: "load" or
"infer") and while which file exists (`while`), so that a test can break and heal it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dsp.samples import Float32Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.host_messages import Kind, Message
from models.host_worker import serve
from models.manifest import ModelManifest

COMMAND = (sys.executable, "-P", "-m", "tests.fakes.failing_worker")


class FailingBackend:
    """LiteRT, but for what a test asks for."""

    name = "litert"

    def __init__(self, options: BackendOptions) -> None:
        self._real = backend_named("litert", BackendOptions())
        self._fail, self._at = options.settings["fail"], options.settings["at"]
        self._flag = Path(options.settings["while"])
        self._kept: list[object] = []

    def load(self, manifest: ModelManifest, artefact: bytes) -> None:
        if self._at == "load":
            self._misbehave()
        self._real.load(manifest, artefact)

    def infer(self, batch: Float32Array) -> Float32Array:
        scores = self._real.infer(batch)
        return self._misbehave(scores) if self._at == "infer" else scores

    def close(self) -> None:
        self._real.close()

    def _misbehave(self, scores: Float32Array | None = None) -> Float32Array:
        if self._flag.exists():
            getattr(self, self._fail.replace("-", "_"))()
            if scores is not None:
                scores = {
                    "wrong": scores * 1.5 + 1,
                    "nan": scores * np.float32(np.nan),
                    "infinite": scores + np.float32(np.inf),
                    "one_for_all": scores[:1],
                }.get(self._fail, scores)
        return np.empty(0, np.float32) if scores is None else scores

    def wrong(self) -> None: ...

    def nan(self) -> None: ...

    def infinite(self) -> None: ...

    def one_for_all(self) -> None: ...

    def abort(self) -> None:
        print("terminate called after throwing an instance of 'test'", file=sys.stderr, flush=True)
        os.abort()

    def crash(self) -> None:
        ctypes.string_at(0)

    def leave(self) -> None:
        os._exit(7)

    def refuse(self) -> None:
        raise RuntimeError("no such device")

    def hang(self) -> None:
        """In native code that holds the interpreter, as loading a delegate does: no thread of ours runs."""
        self._flag.with_suffix(".hanging").touch()
        ctypes.PyDLL(None).sleep(3600)

    def late(self) -> None:
        self._flag.with_suffix(".late").touch()
        while self._flag.exists():
            time.sleep(0.005)

    def greedy(self) -> None:
        while self._flag.exists():
            self._kept.append(bytearray(b"x") * (8 << 20))

    def greedy_beyond_the_limit(self) -> None:
        """Shared memory, which no limit of this process counts."""
        fd = os.memfd_create("greedy")
        os.ftruncate(fd, 8 << 30)
        import mmap

        view = mmap.mmap(fd, 8 << 30)
        for page in range(0, 8 << 30, 4096):
            view[page] = 1
            if page % (1 << 22) == 0:
                time.sleep(0.001)

    def chatty(self) -> None:
        for _ in range(1000):
            os.write(2, b"EP Error\n" * 1000) if _room() else None

    def endless_words(self) -> None:
        """As a driver that complains in a loop and never comes back; `yes` ends when nobody listens."""
        with Path("/proc/self/fd/2").open("wb") as out:
            subprocess.Popen(["yes", "EP Error"], stdout=out)
        time.sleep(3600)

    def deaf(self) -> None:
        """The socket is closed, and the process does not end."""
        os.close(int(sys.argv[1]))
        time.sleep(3600)

    def endless_answers(self) -> None:
        """Answers that nobody asked for, as fast as they are taken."""
        while True:
            os.write(int(sys.argv[1]), Message(Kind.SCORES, 1, 4711).packed())


def _room() -> bool:
    import select

    return bool(select.select([], [2], [], 0)[1])


def make(name: str, options: BackendOptions) -> InferenceBackend:
    return FailingBackend(options) if "fail" in options.settings else backend_named(name, options)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], make))
