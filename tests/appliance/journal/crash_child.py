"""A service that is going to be killed: commits and submits, and says what it was promised.

Every line on stdout is a witness outside the journal: `ack KEY` after a durable commit, `sent NS` after a
window was handed over, `disk NS` whenever the disk has taken something of a bystander's (monotonic time of
the host).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import threading
import time
from pathlib import Path

from appliance.clock import SystemClock
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from tests.appliance.journal.builders import alarm, counter, vector

PAUSE_S = 0.05


def say(line: str) -> None:
    os.write(1, (line + "\n").encode())


async def commit(journal: Journal, name: str, worker: int) -> None:
    for number in itertools.count():
        subject = f"{name}.{worker}"
        result = await journal.commit([alarm(number, subject), counter(hash((subject, number)) & 0xFFFFFFFF)])
        if result.durable:
            for record in result.records:
                say(f"ack {record.key}")


async def submit(journal: Journal, pause_s: float) -> None:
    while True:
        now_ns = time.monotonic_ns()
        journal.submit(features_record(vector(now_ns, duration_s=0.02)))
        say(f"sent {now_ns}")
        await asyncio.sleep(pause_s)


def ask_the_disk(path: Path) -> None:
    """A bystander's flushes, a short while after each other, for ever: what it waits, the journal waits."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4_096)
            os.fdatasync(file.fileno())
            say(f"disk {time.monotonic_ns()}")
            time.sleep(PAUSE_S)


async def main(folder: Path, name: str, commits: int) -> None:
    journal = await Journal.open(folder, Budgets(reserve_transitions=0), SystemClock())
    say("open")
    if commits:
        for number in range(commits):
            result = await journal.commit([alarm(number, name)])
            assert result.durable
            say(f"ack {result.records[0].key}")
        os._exit(0)  # no clean close: what is not flushed by now was never promised
    threading.Thread(target=ask_the_disk, args=(folder.with_suffix(".beside"),), daemon=True).start()
    await asyncio.gather(submit(journal, 0.02), *(commit(journal, name, worker) for worker in range(3)))


def killer() -> None:
    """Fork a service for every line `FOLDER NAME WITNESS SECONDS` on stdin, kill it that long after it has
    opened its journal, answer with the monotonic time of the kill. (Forked, because starting Python anew
    takes longer than the service lives.)"""
    for line in sys.stdin:
        folder, name, witness, alive_s = line.split()
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
            asyncio.run(main(Path(folder), name, 0))
        while not Path(witness).exists() or not Path(witness).read_bytes().startswith(b"open"):
            time.sleep(0.005)
        time.sleep(float(alive_s))  # the moment of the kill is random, nothing waits for it
        killed_ns = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        say(str(killed_ns))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        killer()
    else:
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
