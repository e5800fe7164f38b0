"""The model host with real children that crash, hang, lie, eat memory or come late: the answer comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.bundle import Bundle
from models.errors import ArtefactError, InferenceError, TensorError
from models.fallback_chain import ChainRules, TierState
from models.host import PASS_THROUGH, STATISTICAL, HostAnswer, ModelHost
from models.host_process import Worker
from models.host_tiers import Tier, workers_of
from models.manifest_entries import Precision
from tests.fakes import failing_worker, small_network
from tests.fakes import tiny_networks as tiny

MS = 1_000_000
# The deadline is wide, for a loaded test machine; what is tested is its division, not its length. A tier gets
# some three seconds of it: one that hangs costs no more, and one that stands still for a moment is not late.
RULES = ChainRules(deadline_ns=60_000 * MS, share=0.05, hang_ns=1_000 * MS, backoff_ns=50 * MS)
BATCH = tiny.rows(5)
FAR_OFF = 60.0  # what a test never waits for


def litert(flag: Path | None = None, fail: str = "", at: str = "infer", limit_mib: int = 1024) -> Worker:
    """LiteRT in a child that fails in a stated way while `flag` exists."""
    artefact = tiny.tflite_int8()
    settings = {"fail": fail, "at": at, "while": str(flag)} if fail else {}
    return Worker(
        "litert",
        tiny.manifest_of(artefact, "litert", precision=Precision.INT8),
        artefact,
        BackendOptions(settings=settings),
        max_items=8,
        memory_limit_bytes=limit_mib << 20,
        command=failing_worker.COMMAND,
    )


def onnx() -> Worker:
    artefact = tiny.onnx_int8()
    return Worker(
        "onnxruntime", tiny.manifest_of(artefact, "onnxruntime", precision=Precision.INT8), artefact
    )


def statistical(batch: Float32Array) -> Float32Array:
    return np.full(len(batch), 0.5, np.float32)


def wait_until(what: Callable[[], bool]) -> None:
    until = time.monotonic() + FAR_OFF
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def serving(host: ModelHost, *tiers: int) -> None:
    wait_until(lambda: all(host.report()[i].state is TierState.SERVING for i in tiers))


def is_right(answer: HostAnswer) -> bool:
    return bool(
        np.all(np.abs(answer.scores - tiny.scores_of(BATCH)) <= 0.03 * np.maximum(answer.scores, 1.0))
    )


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    return tmp_path / "fail"


def test_the_first_choice_answers_once_it_was_checked_and_the_floor_before(flag: Path) -> None:
    flag.touch()
    with ModelHost([litert(flag, "late", at="load")], statistical, RULES) as host:
        before = host.infer(BATCH)
        assert (before.backend, before.first_choice) == (STATISTICAL, False)
        assert before.reason
        flag.unlink()
        serving(host, 0)
        after = host.infer(BATCH)
        assert (after.backend, after.first_choice, after.reason) == ("litert", True, "")
        assert is_right(after)
        assert [(move.to_name, move.down) for move in host.moves()] == [("litert", False)]
        report = host.report()[0]
        assert report.resident_bytes > 10 << 20
    assert host.report()[0].pid is None


@pytest.mark.parametrize("fail", ["abort", "crash", "leave", "refuse", "hang", "wrong", "nan", "greedy"])
def test_whatever_becomes_of_the_first_choice_the_next_answers_and_it_is_taken_back_when_healed(
    fail: str, flag: Path
) -> None:
    worker = litert(flag, fail, limit_mib=300)
    with ModelHost([worker, onnx()], statistical, RULES, check_every=1) as host:
        serving(host, 0, 1)
        assert host.infer(BATCH).first_choice
        host.moves()
        flag.touch()
        began_ns = time.monotonic_ns()
        answer = host.infer(BATCH)
        took_ns = time.monotonic_ns() - began_ns
        assert answer.backend == "onnxruntime"
        assert is_right(answer)
        assert not answer.first_choice
        assert took_ns < RULES.deadline_ns
        assert answer.reason
        wait_until(lambda: bool(host.report()[0].state is TierState.DOWN))
        (move,) = host.moves()
        assert (move.from_name, move.to_name, move.down) == ("litert", "onnxruntime", True)
        for _ in range(3):
            assert is_right(host.infer(BATCH))
        flag.unlink()
        serving(host, 0)
        assert host.infer(BATCH).first_choice
        assert [move.down for move in host.moves()] == [False]


def test_the_reason_tells_the_signal_and_the_child_s_last_words(flag: Path) -> None:
    with ModelHost([litert(flag, "abort")], statistical, RULES) as host:
        serving(host, 0)
        flag.touch()
        answer = host.infer(BATCH)
        assert answer.backend == STATISTICAL
        assert "SIGABRT" in answer.reason
        assert "terminate called" in answer.reason


def test_a_late_answer_is_not_taken_for_that_of_a_later_call_and_late_is_not_dead(flag: Path) -> None:
    rules = replace(RULES, hang_ns=60_000 * MS)
    with ModelHost([litert(flag, "late"), onnx()], statistical, rules) as host:
        serving(host, 0, 1)
        pid = host.report()[0].pid
        flag.touch()
        assert host.infer(BATCH).backend == "onnxruntime"
        assert host.report()[0].state is TierState.LATE
        flag.unlink()
        serving(host, 0)
        assert host.report()[0].pid == pid
        assert is_right(host.infer(BATCH))


def test_memory_that_no_limit_of_the_process_counts_is_watched(flag: Path) -> None:
    rules = replace(RULES, share=0.5)
    with ModelHost([litert(flag, "greedy-beyond-the-limit", limit_mib=200)], statistical, rules) as host:
        serving(host, 0)
        flag.touch()
        answer = host.infer(BATCH)
        assert answer.backend == STATISTICAL
        assert "MiB of memory" in answer.reason


@pytest.mark.parametrize("fail", ["abort", "refuse", "hang", "late", "greedy"])
def test_what_fails_while_it_loads_never_serves_until_it_is_healed(fail: str, flag: Path) -> None:
    flag.touch()
    rules = replace(RULES, start_limit_ns=12_000 * MS)
    with ModelHost([litert(flag, fail, at="load", limit_mib=300), onnx()], statistical, rules) as host:
        serving(host, 1)
        wait_until(lambda: host.report()[0].reason not in ("not started yet", "is starting"))
        assert host.infer(BATCH).backend == "onnxruntime"
        flag.unlink()
        serving(host, 0)
        assert host.infer(BATCH).first_choice


def test_what_prints_without_end_does_not_hang_on_it(flag: Path) -> None:
    flag.touch()
    with ModelHost([litert(flag, "chatty")], statistical, RULES) as host:
        serving(host, 0)
        for _ in range(5):
            assert host.infer(BATCH).first_choice


def test_a_model_that_gives_other_scores_than_its_golden_vectors_never_serves() -> None:
    worker = litert()
    golden = worker.manifest.golden
    liar = replace(golden[0], output=golden[0].output + 1)
    worker = replace(worker, manifest=replace(worker.manifest, golden=(liar, *golden[1:])))
    with ModelHost([worker], statistical, RULES) as host:
        wait_until(lambda: "wrong answers" in host.report()[0].reason)
        assert host.infer(BATCH).backend == STATISTICAL


def test_a_model_without_golden_vectors_and_one_of_other_bytes_are_refused() -> None:
    worker = litert()
    bare = replace(worker, manifest=replace(worker.manifest, golden=()))
    other = replace(worker, artefact=worker.artefact[:-1] + b"!")
    with ModelHost([bare, other], statistical, RULES) as host:
        wait_until(lambda: "no golden" in host.report()[0].reason and "SHA-256" in host.report()[1].reason)
        assert [tier.pid for tier in host.report()] == [None, None]


def test_a_child_that_dies_between_calls_is_replaced_without_a_call() -> None:
    with ModelHost([litert(), onnx()], statistical, RULES) as host:
        serving(host, 0, 1)
        first = host.report()[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: host.report()[0].pid not in (None, first))
        serving(host, 0)
        downs = [move for move in host.moves() if move.down]
        assert [move.to_name for move in downs] == ["onnxruntime"]


def test_a_caller_with_a_baseline_of_its_own_hears_that_no_runtime_answered(flag: Path) -> None:
    flag.touch()
    with ModelHost([litert(flag, "late", at="load")], rules=RULES) as host:
        with pytest.raises(InferenceError, match=r"starting|not started"):
            host.network_scores(BATCH)
        flag.unlink()
        serving(host, 0)
        np.testing.assert_allclose(host.network_scores(BATCH), tiny.scores_of(BATCH), atol=0.1)


def test_a_bundle_gives_a_worker_for_each_runtime_that_it_has_a_file_for() -> None:
    manifest, artefact = small_network.package("litert")
    named = replace(manifest.artefacts[0], file="int8.tflite")
    bundle = Bundle(replace(manifest, artefacts=(named,)), {"int8.tflite": artefact})
    with ModelHost(workers_of(bundle, [Tier("litert")]), statistical, RULES) as host:
        serving(host, 0)
        assert host.infer(small_network.rows(3, 1)).first_choice
    with pytest.raises(ArtefactError, match="litert"):
        workers_of(bundle, [Tier("openvino")])


def test_where_the_last_model_fails_the_answer_says_so(flag: Path) -> None:
    flag.touch()

    def broken(batch: Float32Array) -> Float32Array:
        raise RuntimeError("no baseline yet")

    with ModelHost([litert(flag, "late", at="load")], broken, RULES) as host:
        answer = host.infer(BATCH)
        assert answer.backend == PASS_THROUGH
        assert np.isnan(answer.scores).all()
        assert "no baseline yet" in answer.reason


def test_a_batch_larger_than_a_child_takes_is_cut_and_holes_stay_holes() -> None:
    batch = tiny.rows(30)
    batch[7] = np.nan
    with ModelHost([litert()], statistical, RULES) as host:
        serving(host, 0)
        for n in (30, 8, 0):
            answer = host.infer(batch[:n])
            assert answer.first_choice
            wanted = tiny.scores_of(batch[:n])
            assert np.array_equal(np.isnan(answer.scores), np.isnan(wanted))
            np.testing.assert_allclose(answer.scores, wanted, atol=0.05, rtol=0.03)


def test_another_shape_is_the_caller_s_fault_and_costs_no_tier() -> None:
    with ModelHost([litert()], statistical, RULES) as host:
        serving(host, 0)
        with pytest.raises(TensorError):
            host.infer(np.zeros((2, 3), np.float32))
        assert host.infer(BATCH).first_choice


def test_children_end_with_their_parent_even_while_they_hang(flag: Path) -> None:
    flag.touch()
    program = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path.cwd())!r})
from tests.models.test_host import RULES, litert, statistical
from models.host import ModelHost
with ModelHost([litert(Path({str(flag)!r}), "hang", at="load")], statistical, RULES) as host:
    while host.report()[0].pid is None: time.sleep(0.01)
    print(host.report()[0].pid, flush=True)
    time.sleep(3600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    status = Path(f"/proc/{child}/status")
    wait_until(flag.with_suffix(".hanging").exists)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not status.exists() or "zombie" in status.read_text())
