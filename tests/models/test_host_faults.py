"""The model host beside children that are worse than dead, callers in a queue, a box without descriptors."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.errors import ModelError
from models.fallback_chain import TierState
from models.host import STATISTICAL, HostAnswer, ModelHost
from models.host_process import WorkerDiedError, WorkerLateError, WorkerProcess
from tests.fakes import tiny_networks as tiny
from tests.models.test_host import BATCH, MS, RULES, is_right, litert, onnx, serving, statistical, wait_until

LONG_S = 60.0


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    return tmp_path / "fail"


def within(time_limit_s: float, call: Callable[[], Any]) -> Any:
    """What `call` gives or raises; a failure where it takes longer than the limit."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(time_limit_s)
    assert found, f"no answer within {time_limit_s} s"
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def descriptors() -> set[int]:
    """Those that this process has open, and one more for looking."""
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}


def started(worker: Any) -> WorkerProcess:
    process = WorkerProcess(worker)
    process.start()
    wait_until(process.ready)
    return process


@pytest.mark.parametrize("fail", ["endless_words", "endless_answers"])
def test_a_child_that_never_stops_talking_does_not_hold_a_call_beyond_its_time(fail: str, flag: Path) -> None:
    process = started(litert(flag, fail))
    flag.touch()
    with pytest.raises(ModelError):
        within(LONG_S, lambda: process.infer(BATCH, 0.5))
    process.stop()
    process.wait_for_end(LONG_S)


@pytest.mark.parametrize("fail", ["nan", "infinite", "one_for_all"])
def test_scores_that_are_none_are_an_error_even_where_no_golden_vector_rides_along(
    fail: str, flag: Path
) -> None:
    with ModelHost([litert(flag, fail), onnx()], statistical, RULES, check_every=1000) as host:
        serving(host, 0, 1)
        flag.touch()
        answer = host.infer(BATCH)
        assert answer.backend == "onnxruntime"
        assert is_right(answer)


def test_a_start_that_fails_gives_every_descriptor_back() -> None:
    """At each place where the kernel may have none left."""
    process = WorkerProcess(litert())
    gc.collect()  # what other tests left open must not be closed in between
    before = len(descriptors())
    failures = []
    for room in range(14):
        taken = [os.dup(0) for _ in range(room)]
        with no_more_descriptors():
            for fd in taken:
                os.close(fd)
            try:
                process.start()
            except OSError as error:
                failures.append(error)
        process.stop()
        process.wait_for_end(LONG_S)
        assert len(descriptors()) == before, f"with {room} to be had: {failures[-1:]}"
    assert 6 < len(failures) < 14


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """The process may open none beyond those that it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filled = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors()) + 1, hard))
    try:
        with suppress(OSError):
            while True:
                filled.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filled:
            os.close(fd)


def test_a_life_of_a_host_leaves_no_descriptor_no_memory_file_and_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "models.host._END_S", LONG_S
    )  # a busy machine takes a killed process down in its time

    def life() -> list[int | None]:
        with ModelHost([litert(), onnx()], statistical, RULES) as host:
            serving(host, 0, 1)
            host.infer(BATCH)
            return [tier.pid for tier in host.report()]

    life()
    gc.collect()
    before = descriptors()
    pids = life()
    assert len(descriptors()) <= len(before)
    assert "stethos-" not in Path("/proc/self/maps").read_text()
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def test_who_waited_for_a_busy_tier_does_not_make_it_late(flag: Path) -> None:
    """Its time went by in the queue: the tier is sound, and is not to be punished for another's call."""
    rules = replace(RULES, lates=1, share=0.1)
    with ModelHost([litert()], statistical, rules) as host:
        serving(host, 0)
        tier = host._tiers[0]
        budget_s, answered = rules.deadline_ns / 1e9 * rules.share, threading.Event()

        def other_call() -> None:
            answered.wait(budget_s * 0.999)  # it ends where nothing is left for whoever waits for all of it
            tier.lock.release()

        tier.lock.acquire()
        other = threading.Thread(target=other_call)
        other.start()
        answer = host.infer(BATCH)
        answered.set()
        other.join()
        assert answer.backend == STATISTICAL
        assert "busy" in answer.reason
        assert host.report()[0].state is TierState.SERVING
        assert host.infer(BATCH).first_choice


def test_many_callers_get_their_own_scores() -> None:
    wrong: list[str] = []
    with ModelHost([litert()], statistical, replace(RULES, share=0.5)) as host:
        serving(host, 0)

        alone = backend_named("litert", BackendOptions())
        alone.load(litert().manifest, litert().artefact)
        batches = [[tiny.rows(1 + i % 11, seed=100 * seed + i) for i in range(40)] for seed in range(4)]
        rights = [[alone.infer(batch) for batch in ours] for ours in batches]

        def call(seed: int) -> None:
            for i, (batch, right) in enumerate(zip(batches[seed], rights[seed], strict=True)):
                answer = host.infer(batch)
                if not np.allclose(answer.scores, right, rtol=1e-5):
                    wrong.append(f"{seed}, {i}: {answer.backend} {answer.reason}")

        threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_with_every_child_stopped_or_dead_at_once_the_answer_still_comes_in_time(how: signal.Signals) -> None:
    rules = replace(RULES, deadline_ns=20_000 * MS)  # of which three tiers may use three seconds
    with ModelHost([litert(), onnx(), litert()], statistical, rules) as host:
        serving(host, 0, 1, 2)
        for tier in host.report():
            assert tier.pid is not None
            os.kill(tier.pid, how)
        began_ns = time.monotonic_ns()
        answer = host.infer(BATCH)
        assert time.monotonic_ns() - began_ns < rules.deadline_ns
        assert answer.backend == STATISTICAL


def test_how_a_child_died_is_looked_at_within_the_call_s_time(
    flag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that closed its socket and does not end, as in a driver's clean-up."""
    monkeypatch.setattr("models.host_process._END_S", LONG_S)
    process = started(litert(flag, "deaf"))
    flag.touch()
    began = time.monotonic()
    with pytest.raises(WorkerDiedError, match="no longer listens"):
        process.infer(BATCH, 4.0)
    assert time.monotonic() - began < LONG_S / 2
    process.wait_for_end(LONG_S)


def test_a_tier_behind_one_that_died_at_once_gets_half_of_what_is_left() -> None:
    """Not the quarter that it would get had the first used up its half."""
    rules, limits_s = replace(RULES, share=0.5), []
    with ModelHost([litert(), onnx()], statistical, rules) as host:
        serving(host, 0, 1)
        first, process = host.report()[0].pid, host._tiers[1].process
        assert first is not None

        def late(batch: Float32Array, time_limit_s: float) -> Float32Array:
            limits_s.append(time_limit_s)
            raise WorkerLateError("gave no answer")

        process.infer = late  # type: ignore[method-assign]
        os.kill(first, signal.SIGKILL)
        assert host.infer(BATCH).backend == STATISTICAL
    (limit_s,) = limits_s
    assert 0.35 * rules.deadline_ns < limit_s * 1e9 <= 0.5 * rules.deadline_ns


def test_tiers_of_models_that_differ_are_refused() -> None:
    """A row in one model's order would be scored by the other without anybody noticing."""
    worker, other = litert(), onnx()
    names = (*tiny.NAMES[1:], tiny.NAMES[0])
    turned = replace(other, manifest=replace(other.manifest, feature_names=names))
    with pytest.raises(ModelError, match="feature"):
        ModelHost([worker, turned])


def test_leaving_does_not_wait_for_a_check_that_hangs(flag: Path) -> None:
    rules = replace(RULES, check_limit_ns=60_000 * MS)
    flag.touch()
    host = ModelHost([litert(flag, "hang")], statistical, rules)
    host.__enter__()
    wait_until(flag.with_suffix(".hanging").exists)
    within(LONG_S / 2, lambda: host.__exit__(None, None, None))


def test_a_call_in_flight_gets_its_answer_while_the_host_ends(flag: Path) -> None:
    host = ModelHost([litert(flag, "late")], statistical, replace(RULES, share=0.5))
    answers: list[HostAnswer] = []
    with host:
        serving(host, 0)
        flag.touch()
        caller = threading.Thread(target=lambda: answers.append(host.infer(BATCH)))
        caller.start()
        wait_until(flag.with_suffix(".late").exists)
        threading.Timer(0.3, flag.unlink).start()
    caller.join()
    assert answers[0].first_choice


def test_a_termination_of_the_whole_group_is_the_service_s_to_answer() -> None:
    """As systemd ends a service: every process gets the signal, and the service still wants answers."""
    with ModelHost([litert()], statistical, RULES) as host:
        serving(host, 0)
        host.moves()
        pid = host.report()[0].pid
        assert pid is not None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        for _ in range(5):
            assert host.infer(BATCH).first_choice
        assert host.moves() == []


def test_the_kernel_takes_a_child_before_the_service_where_memory_is_out() -> None:
    process = started(litert())
    ours, its = (int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", process.pid))
    process.stop()
    process.wait_for_end(LONG_S)
    assert its > ours


LIFELINE = """
import os, sys, time
from models.host_worker import die_with_parent
{before}
die_with_parent(int(sys.argv[1]))
print("ready", flush=True)
time.sleep(3600)
"""


def lifeline_child(before: str = "") -> tuple[subprocess.Popen[str], int]:
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", LIFELINE.format(before=before), str(read)],
        pass_fds=(read,), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(read)
    return child, write


def test_a_child_whose_parent_is_gone_before_it_looked_ends() -> None:
    child, write = lifeline_child("sys.stdin.read()")
    os.close(write)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(LONG_S) != 0
    assert child.stdout is not None
    assert child.stdout.read() == ""


@pytest.mark.parametrize("before", ["import signal; signal.signal(signal.SIGIO, signal.SIG_IGN)", "stopped"])
def test_a_child_ends_with_its_parent_even_where_it_is_stopped_or_hears_no_signal(before: str) -> None:
    stopped = before == "stopped"
    child, write = lifeline_child("" if stopped else before)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    if stopped:
        os.kill(child.pid, signal.SIGSTOP)
    os.close(write)
    try:
        child.wait(LONG_S)
    finally:
        child.kill()
        child.stdout.close()
        assert child.stdin is not None
        child.stdin.close()


def test_the_time_of_a_call_is_kept_to_some_milliseconds() -> None:
    process = started(litert())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    took_s = []
    while len(took_s) < 20 and min(took_s, default=1.0) >= 0.8:  # this machine may stand still meanwhile
        began = time.monotonic()
        with pytest.raises(WorkerLateError):
            process.infer(BATCH, 0.3)
        took_s.append(time.monotonic() - began)
    assert 0.3 <= min(took_s) < 0.8
    process.stop()
    process.wait_for_end(LONG_S)
    with pytest.raises(WorkerDiedError):
        process.infer(BATCH, 0.3)
