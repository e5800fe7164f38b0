"""The model host and an Edge TPU that fails: a C delegate stands in for it, LiteRT on the CPU behind it.

The delegate gives half of the network's input, so that its answers can be told from the CPU's.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from models.backends.network import BackendOptions
from models.fallback_chain import ChainRules, TierState
from models.host import ModelHost
from models.host_process import Worker
from models.manifest import golden_inputs
from models.manifest_entries import Precision
from tests.fakes import tiny_networks as tiny
from tests.fakes.edgetpu_delegate import delegate_library

MS = 1_000_000
# Wide, for a loaded machine: a tier that hangs costs three seconds of it, one that stands still may take two.
RULES = ChainRules(deadline_ns=60_000 * MS, share=0.05, hang_ns=1_000 * MS, backoff_ns=60_000 * MS)
BATCH = tiny.rows(1)
CALLS_AT_START = 1 + len(tiny.golden())  # when it is loaded, and the parity check


def edge_tpu(**settings: str) -> Worker:
    artefact = tiny.tflite_compiled()
    manifest = tiny.manifest_of(artefact, "coral_edgetpu", precision=Precision.INT8)
    golden = tuple(tiny.halved_scores_of(golden_inputs(manifest)).tolist())
    entry = replace(manifest.artefacts[0], golden_outputs=golden)
    options = BackendOptions(library=delegate_library(), settings=settings)
    return Worker("coral_edgetpu", replace(manifest, artefacts=(entry,)), artefact, options)


def cpu() -> Worker:
    artefact = tiny.tflite_int8()
    return Worker("litert", tiny.manifest_of(artefact, "litert", precision=Precision.INT8), artefact)


def settled(host: ModelHost) -> TierState:
    """The first tier's state once it is no longer on its way, and the CPU serves."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        first, second = host.report()
        serves = second.state is TierState.SERVING
        if serves and (
            first.state is TierState.SERVING or first.reason not in ("not started yet", "is starting")
        ):
            return first.state
        time.sleep(0.01)
    raise AssertionError(host.report())


@pytest.mark.parametrize("fail", ["create", "prepare", "invoke", "abort", "hang"])
def test_one_that_fails_at_once_never_serves_and_the_cpu_does(fail: str) -> None:
    rules = replace(RULES, start_limit_ns=10_000 * MS, backoff_ns=200 * MS)
    with ModelHost([edge_tpu(fail=fail), cpu()], tiny.scores_of, rules) as host:
        assert settled(host) is not TierState.SERVING
        answer = host.infer(BATCH)
        assert answer.backend == "litert"
        np.testing.assert_allclose(answer.scores, tiny.scores_of(BATCH), atol=0.03)
        expected = {
            "abort": "SIGABRT",
            "hang": "not ready",
            "create": "no Edge TPU",
            "prepare": "does not answer",
        }
        assert expected.get(fail, "unplugged") in answer.reason


@pytest.mark.parametrize("fail", ["invoke", "abort", "hang", "wrong"])
def test_one_that_fails_at_the_second_call_costs_no_answer(fail: str) -> None:
    after = CALLS_AT_START + 2  # the first call: a row and a golden vector
    worker = edge_tpu(fail=fail, after=str(after))
    with ModelHost([worker, cpu()], tiny.scores_of, RULES, check_every=1) as host:
        assert settled(host) is TierState.SERVING, host.report()
        answer = host.infer(BATCH)
        assert answer.first_choice
        np.testing.assert_allclose(answer.scores, tiny.halved_scores_of(BATCH), atol=0.03)
        host.moves()
        answer = host.infer(BATCH)
        assert answer.backend == "litert"
        np.testing.assert_allclose(answer.scores, tiny.scores_of(BATCH), atol=0.03)
        assert [move.down for move in host.moves()] == [True]
