"""Benchmarks are never tests, but one that no longer runs is found here and not when somebody wants a figure.

Figures are not looked at: on so few calls they say nothing.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest

from tests.benchmarks import bench_inference, bench_vision
from tests.benchmarks.__main__ import KEYS, names


@pytest.mark.parametrize("name", names())
def test_a_benchmark_is_a_module_that_runs(name: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.bench_{name}").run)


def sound(rows: list[dict[str, Any]]) -> None:
    assert rows
    assert len({row["figure"] for row in rows}) == len(rows)
    for row in rows:
        assert tuple(row) == KEYS
        assert math.isfinite(row["ours"])
        assert row["peer"] is None or math.isfinite(row["peer"])


def test_inference_runs_with_one_turn_of_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "TURNS": 1, "CALLS": 2, "PACED_CALLS": 2, "PACE_S": 0.001, "FALLBACKS": 1, "MEMORY_CALLS": 1,
        "PERIODS": 1, "RUNS": bench_inference.RUNS[-1:],
    }  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(bench_inference, name, value)
    sound(bench_inference.run())


def test_vision_runs_on_small_pictures_with_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HEIGHT_PX", 96), ("WIDTH_PX", 128), ("CALLS", 1)):
        monkeypatch.setattr(bench_vision, name, value)
    rows = bench_vision.run()
    sound(rows)
    assert any("through the host" in row["figure"] for row in rows)
