"""What is concluded from profiles: throttling, the front, the choice; and where a network's time goes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from models.backends.operators import OperatorsUnknownError, operator_times
from models.manifest_entries import Precision
from models.network_score import prepare
from models.runtime_profile import Energy, RuntimeProfile, Stretch, best_within, dominates, pareto_front
from tests.fakes import small_network as small


def stretch(p99_us: float, cpu_us: float = 50.0) -> Stretch:
    return Stretch(1000, 60.0, p99_us / 2, p99_us, cpu_us)


def profile(name: str, p99_us: float, area: float | None, size: int) -> RuntimeProfile:
    return RuntimeProfile(
        name, "litert", "int8", size, stretch(p99_us), (), 1e4, 1 << 26, Energy("cannot tell"), (), "", area,
        area, "rows", 0,
    )  # fmt: skip


FAST, SMALL, SURE, WORSE = (
    profile("fast", 100.0, 0.90, 20_000),
    profile("small", 200.0, 0.90, 5_000),
    profile("sure", 400.0, 0.95, 20_000),
    profile("worse", 500.0, 0.95, 30_000),
)
BLIND = profile("blind", 50.0, None, 30_000)


def test_the_front_holds_what_nothing_beats_at_once() -> None:
    assert [one.bundle for one in pareto_front([WORSE, SURE, SMALL, FAST])] == ["fast", "small", "sure"]
    assert dominates(SURE, WORSE)
    assert not dominates(FAST, FAST)
    assert BLIND in pareto_front([FAST, BLIND])  # the fastest, though nobody knows what it is worth
    assert pareto_front([]) == []


@pytest.mark.parametrize(
    ("budget_us", "name"), [(40.0, None), (60.0, "blind"), (150.0, "fast"), (300.0, "fast"), (1000.0, "sure")]
)
def test_the_best_within_a_budget(budget_us: float, name: str | None) -> None:
    best = best_within([WORSE, SURE, SMALL, FAST, BLIND], budget_us)
    assert (best.bundle if best else None) == name


def test_areas_that_are_as_good_as_equal_are_decided_by_latency_then_by_size() -> None:
    nearly = profile("nearly", 90.0, 0.949, 50_000)
    twin = replace(nearly, bundle="twin", size_bytes=40_000)
    assert best_within([SURE, nearly], 1000.0) is nearly
    assert best_within([nearly, twin], 1000.0) is twin


def test_throttling_is_the_last_minute_against_the_first() -> None:
    assert FAST.throttling is None
    minutes = (stretch(100.0, 50.0), stretch(100.0, 55.0), stretch(100.0, 60.0))
    assert replace(FAST, minutes=minutes[:1]).throttling is None
    assert replace(FAST, minutes=minutes).throttling == pytest.approx(1.2)
    assert json.loads(json.dumps(replace(FAST, minutes=minutes).to_json()))["throttling"] == pytest.approx(
        1.2
    )


@pytest.mark.parametrize(
    ("backend", "precision", "kinds"),
    [
        ("numpy_reference", Precision.INT8, ["dense"] * 3),
        ("onnxruntime", Precision.FLOAT32, ["FusedGemm", "FusedGemm", "Gemm"]),
        ("openvino", Precision.INT8, ["FullyConnected"] * 3),
    ],
)
def test_operators_as_the_runtime_tells_them(backend: str, precision: Precision, kinds: list[str]) -> None:
    inputs = prepare(small.SPEC, small.rows(1, 5)).inputs
    found = operator_times(backend, small.artefact_of(backend, precision), inputs, calls=20)
    assert all(one.us >= 0 for one in found)
    assert sum(one.us for one in found) > 0
    matrix = [one.kind for one in found if any(one.kind.startswith(kind) for kind in kinds)]
    assert len(matrix) == len(kinds)


def test_a_runtime_that_does_not_tell_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = prepare(small.SPEC, small.rows(1, 5)).inputs
    with pytest.raises(OperatorsUnknownError, match="no profiler"):
        operator_times("litert", small.artefact_of("litert", Precision.INT8), inputs)
    with pytest.raises(OperatorsUnknownError, match="nobody asks"):
        operator_times("qnn", b"", inputs)
    with pytest.raises(OperatorsUnknownError, match="onnxruntime"):
        operator_times("onnxruntime", b"no model", inputs)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(OperatorsUnknownError, match=r"ImportError|ModuleNotFoundError"):
        operator_times("openvino", b"", inputs)
