"""8-bit weights on a processor without VNNI: OpenVINO held to AVX2 really saturates, and never serves.

The bundle is quantised by a processor with VNNI and carried to one without: golden vectors are what tells.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.fallback_chain import ChainRules, TierState
from models.host import ModelHost
from models.host_process import WORKER, Worker
from models.host_tiers import Tier, workers_of
from models.manifest import golden_inputs
from models.store import write_bundle
from models.training.fitting import NetworkKind
from models.training.processor import safe_weight_bits
from models.training.quantising import quantised_bundle
from tests.fakes.linear_bundle import linear_bundle
from tests.fakes.untrained_bundles import untrained

RULES = ChainRules(deadline_ns=60_000_000_000)
WITHOUT_VNNI = ("env", "ONEDNN_MAX_CPU_ISA=AVX2", *WORKER)

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or safe_weight_bits(Path("/proc/cpuinfo").read_text(), "x86_64") != 8,
    reason="the golden outputs of 8-bit weights must be found on x86-64 with VNNI, which this machine lacks",
)


def on_avx2(bundle: Bundle) -> Worker:
    (worker,) = workers_of(bundle, [Tier("openvino")])
    return replace(worker, command=WITHOUT_VNNI)


def settled(host: ModelHost) -> TierState:
    until = time.monotonic() + 60
    while (tier := host.report()[0]).reason in ("not started yet", "is starting"):
        assert time.monotonic() < until, tier
        time.sleep(0.02)
    return tier.state


@pytest.mark.parametrize(("bits", "serves"), [(8, False), (7, True)])
def test_8_bit_weights_are_refused_where_they_saturate_and_7_bits_serve(bits: int, serves: bool) -> None:
    bundle, _ = quantised_bundle(linear_bundle(), bits)
    here = workers_of(bundle, [Tier("openvino")])
    rows = golden_inputs(bundle.manifest)
    with ModelHost(here, rules=RULES) as host, ModelHost([on_avx2(bundle)], rules=RULES) as other:
        assert settled(host) is TierState.SERVING
        right = host.infer(rows).scores
        if serves:
            assert settled(other) is TierState.SERVING
            np.testing.assert_allclose(other.infer(rows).scores, right, rtol=1e-3)
        else:
            assert settled(other) is TierState.DOWN
            assert "wrong answers" in other.report()[0].reason
            assert not other.infer(rows).first_choice


@pytest.mark.parametrize("kind", NetworkKind)
def test_the_saturating_vector_alone_tells_for_every_kind_of_network(kind: NetworkKind) -> None:
    """Where usual and faulty rows saturate nothing, and would let the wrong processor serve."""
    bundle, _ = quantised_bundle(untrained(kind), 8)
    with ModelHost([on_avx2(bundle)], rules=RULES) as host:
        assert settled(host) is TierState.DOWN
        (said,) = host.report()[0].reason.split(";")
        assert "golden input 6 (saturating)" in said


def test_a_processor_without_vnni_does_not_quantise_to_8_bits(tmp_path: Path) -> None:
    """Its own wrong outputs would be the golden ones, and every such box would serve."""
    write_bundle(linear_bundle(), tmp_path / "float")
    command = ("quantise", str(tmp_path / "float"), "--out", str(tmp_path / "int8"), "--weight-bits")
    for bits, code in (("8", 1), ("7", 0)):
        ended = subprocess.run(
            ["env", "ONEDNN_MAX_CPU_ISA=AVX2", sys.executable, "-m", "appliance", *command, bits],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr
        refusal = [line for line in ended.stderr.splitlines() if "refused: openvino, int8" in line]
        assert len(refusal) == code
        assert all("computes other than the file says" in line for line in refusal)
        assert (tmp_path / "int8").exists() is (code == 0)
