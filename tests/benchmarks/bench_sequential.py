"""What the sequential detectors cost per row, and what becomes of their results when a setting is moved.

The first rows: microseconds per row of process tags and per value of a slow tag, beside a plain z-score of
the same rows in NumPy, called as often. The others: results on the recordings of STETHOS_DATA (default
../shared/data), and beside them (peer) those with one setting 30 % below or above the product's; counts of
rows are rounded. A setting whose neighbours are much worse stands on a knife's edge.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.evaluate_units import by_dataset, read_units
from appliance.sources.recording_notes import read_manifest
from models.cumulative_sum import CumulativeSumRules
from models.evaluation.process_anomaly_protocol import ProcessAnomalyProtocol
from models.evaluation.protocol import Run, TaskProtocol, Unit
from models.evaluation.result import TaskResult
from models.evaluation.run_to_failure_protocol import RunToFailureProtocol
from models.evaluation.slow_tag_protocol import SlowTagProtocol
from models.process_detector import ProcessDetector, ProcessRules
from models.slow_tag import SlowTagDetector, SlowTagRules

DATA = Path(os.environ.get("STETHOS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SHARES = (0.7, 1.3)
TAGS, ROWS = 8, 3_000
Variant = tuple[str, TaskProtocol]


def run() -> list[dict[str, Any]]:
    rows = [_cost_of_rows(), _cost_of_values()]
    if not (DATA / "MANIFEST.json").is_file():
        print(f"sequential: REAL DATA MISSING: no {DATA}/MANIFEST.json; set STETHOS_DATA")
        return rows
    for variants, figures in (
        (list(_runs()), ("found", "false_events", "delay_b")),
        (list(_process()), ("f1", "far", "nab")),
        (list(_slow()), ("windows_hit", "false_events")),
    ):
        rows += _spread(variants, figures)
    return rows


def _runs() -> Iterator[Variant]:
    rules = CumulativeSumRules()
    yield "", RunToFailureProtocol(rules)
    for share in SHARES:
        yield f"reference x {share}", RunToFailureProtocol(replace(rules, reference=share * rules.reference))
        yield f"largest x {share}", RunToFailureProtocol(replace(rules, largest=share * rules.largest))
        yield f"decision x {share}", RunToFailureProtocol(replace(rules, decision=share * rules.decision))


def _process() -> Iterator[Variant]:
    rules = ProcessRules()
    end = rules.excursion
    yield "", ProcessAnomalyProtocol(rules)
    for share in SHARES:
        for name in ("window_rows", "reference_rows", "merge_rows"):
            moved = replace(rules, **{name: round(share * getattr(rules, name))})
            yield f"{name} x {share}", ProcessAnomalyProtocol(moved)
        for name in ("limit", "change"):
            moved = replace(rules, **{name: share * getattr(rules, name)})
            yield f"{name} x {share}", ProcessAnomalyProtocol(moved)
        for name in ("confirm_rows", "quiet_rows", "settle_rows"):
            moved = replace(rules, excursion=replace(end, **{name: round(share * getattr(end, name))}))
            yield f"{name} x {share}", ProcessAnomalyProtocol(moved)
        moved = replace(rules, excursion=replace(end, end_share=share * end.end_share))
        yield f"end_share x {share}", ProcessAnomalyProtocol(moved)


def _slow() -> Iterator[Variant]:
    rules = SlowTagRules()
    yield "", SlowTagProtocol(rules)
    for share in SHARES:
        names = ("limit", "mean_share", "reference_share", "end_share", "quiet_share", "settle_share")
        for name in names:
            moved = replace(rules, **{name: share * getattr(rules, name)})
            yield f"{name} x {share}", SlowTagProtocol(moved)
        moved = replace(rules, confirm_values=round(share * rules.confirm_values))
        yield f"confirm_values x {share}", SlowTagProtocol(moved)


def _spread(variants: list[Variant], figures: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row per moved setting and figure: with it moved, beside the product's own."""
    rows = []
    _, product = variants[0]
    own = _judged(product)
    for name, protocol in variants[1:]:
        for at, result in enumerate(_judged(protocol)):
            for figure in figures:
                moved, ours = result.metrics[figure], own[at].metrics[figure]
                what = f"{result.dataset}: {figure}"
                rows.append(_row(what, ours, moved, name))
    return rows


def _judged(protocol: TaskProtocol) -> list[TaskResult]:
    """The product's result on each data set; units are read anew, as their labels can be opened but once."""
    found = []
    for offered in by_dataset(read_manifest(DATA / "MANIFEST.json"), _silent):
        if offered.task in protocol.tasks:
            units = [
                unit
                for entry in offered.entries
                for unit in read_units(DATA, entry, _silent)
                if isinstance(unit, Unit)
            ]
            found.append(protocol.evaluate(offered.dataset, offered.task, units, [], Run())[0])
    return found


def _silent(remark: str) -> None:
    """Remarks are `stethos evaluate`'s to print."""


def _cost_of_rows() -> dict[str, Any]:
    rows = np.random.default_rng(1).standard_normal((ROWS, TAGS))
    detector = ProcessDetector(tuple(f"tag {i}" for i in range(TAGS)))
    level, spread = rows[:400].mean(axis=0), rows[:400].std(axis=0)

    def ours(row: np.ndarray) -> object:
        return detector.observe(row)

    def peer(row: np.ndarray) -> object:
        return float(np.abs((row - level) / spread).max())

    return _row(f"row of {TAGS} tags", _us(ours, rows), _us(peer, rows), "z-score, NumPy", "us")


def _cost_of_values() -> dict[str, Any]:
    values = np.random.default_rng(1).standard_normal(ROWS)
    detector = SlowTagDetector(1_000)
    level, spread = values[:1_000].mean(), values[:1_000].std()

    def ours(value: np.ndarray) -> object:
        return detector.observe(float(value))

    def peer(value: np.ndarray) -> object:
        return float(np.abs((value - level) / spread))

    return _row("value of a slow tag", _us(ours, values), _us(peer, values), "z-score, NumPy", "us")


def _us(call: Callable[[np.ndarray], object], rows: np.ndarray) -> float:
    start = time.perf_counter()
    for row in rows:
        call(row)
    return (time.perf_counter() - start) / len(rows) * 1e6


def _row(
    figure: str, ours: float | int | None, peer: float | int | None, peer_name: str, unit: str = ""
) -> dict[str, Any]:
    return {
        "bench": "sequential",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": None if ours is None or peer is None or peer == 0 else ours / peer,
    }
