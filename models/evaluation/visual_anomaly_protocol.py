"""Protocol `visual_anomaly`: learn good pictures only, rank what is defective, and say where.

Duty: who teaches and who judges, and the figures. The first 60 % of the good pictures of each exposure that
has 14 or more teach, all in one; the others of these exposures are negatives, defective pictures positives.
The headline is the mean over exposures of the area among pictures of one exposure: two lamps must not be told
apart for a defect. Models are handed in (`models.training` is not this floor's); without, baselines judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.evaluation.picture_baselines import CELL_PX, TOP_CELLS, cell_statistics
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.ranking import auroc
from models.evaluation.result import BASELINE, Rate, ScoredGroup, TaskResult
from models.vision.inspection import UInt8Array

Judge = Callable[[UInt8Array], tuple[float, Float32Array]]  # score, heat map of cells
TeachGoodParts = Callable[[Sequence[UInt8Array]], Mapping[str, Mapping[str, Judge]]]  # variant -> backend
TRAINS, LEAST_GOOD = 0.6, 14
CELLS = f"{BASELINE}cell-statistics"
_PIXELS = 200_000  # judged at most, of each kind, evenly chosen


class VisualAnomalyProtocol:
    """Judges models of good parts on pictures with masks."""

    tasks = frozenset({"visual_anomaly"})

    def __init__(
        self, networks: TeachGoodParts | None = None, named: Mapping[str, Any] | None = None
    ) -> None:
        """`networks` trains; scores of its judges are in units of their own limit. `named`: its settings."""
        self._networks, self._named = networks, dict(named or {})

    def settings(self) -> dict[str, Any]:
        """Shares, and what the models are trained with."""
        return {
            "trains": TRAINS, "least_good": LEAST_GOOD, "cell_px": CELL_PX, "top_cells": TOP_CELLS,
            "networks": self._named,
        }  # fmt: skip

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """int8 and float32 where models are handed in, then the baseline."""
        teach, judge = _parted(units)
        if not teach or not judge:
            run.remark(f"{dataset}: too few good pictures to learn from, not scored")
            return []
        good = [unit.picture for unit in teach]
        variants: dict[str, Mapping[str, Judge]] = dict(self._networks(good)) if self._networks else {}
        if not variants:
            run.remark(
                f"{dataset}: only baselines judge; `stethos evaluate --vision` trains and judges models"
            )
        variants[CELLS] = {"numpy": cell_statistics(good).judge}
        trained = sorted({unit.group for unit in teach})
        for unit in judge:
            for variant, judges in variants.items():
                unit.sealed.write(variant, {name: one(unit.picture) for name, one in judges.items()})
            run.step()
        judged = [(unit, unit.sealed.reveal()) for unit in judge]
        return [
            _result(dataset, task, variant, list(judges), judged, trained, len(teach), run)
            for variant, judges in variants.items()
        ]


def _parted(units: Sequence[Unit]) -> tuple[list[Unit], list[Unit]]:
    """Units that teach, and those that judge: defects of all exposures, good ones of those that teach."""
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        if unit.sealed.trains:
            groups.setdefault(unit.group, []).append(unit)
    teach: list[Unit] = []
    judge: list[Unit] = []
    for own in groups.values():
        if len(own) >= LEAST_GOOD:
            first = int(TRAINS * len(own))
            teach += own[:first]
            judge += own[first:]
    if teach:
        judge += [unit for unit in units if not unit.sealed.trains and not unit.sealed.unknown]
    return teach, judge


def _result(  # noqa: PLR0917
    dataset: str,
    task: str,
    variant: str,
    backends: Sequence[str],
    judged: Sequence[tuple[Unit, Any]],
    trained: Sequence[str],
    taught: int,
    run: Run,
) -> TaskResult:
    by_backend = {name: _figures(variant, name, judged, trained) for name in backends}
    first = by_backend[backends[0]]
    healthy, faulty = _scores(variant, backends[0], judged, trained)
    rates: tuple[Rate, ...] = ()
    if not variant.startswith(BASELINE):
        rates = (
            Rate("good pictures called defective", int((healthy > 1.0).sum()), len(healthy)),
            Rate("defective pictures called so", int((faulty > 1.0).sum()), len(faulty)),
        )
    scored = (ScoredGroup("judged exposures", tuple(healthy.tolist()), tuple(faulty.tolist())),)
    return TaskResult(
        dataset,
        task,
        variant,
        {name: first[name] for name in ("image_auroc", "pixel_auroc")},
        {
            "taught": taught,
            "good": len(healthy),
            "defective": len(faulty),
            "exposures": ", ".join(trained),
            "pooled": first["pooled"],
            "all_defects": first["all_defects"],
            **{f"of_{name}": value for name, value in sorted(first["by_kind"].items())},
            **(
                {f"{name}_image_auroc": figures["image_auroc"] for name, figures in by_backend.items()}
                if len(by_backend) > 1
                else {}
            ),
        },
        units=[
            {"unit": unit.name, "state": truth.state, "score": unit.sealed.decision(variant)[backends[0]][0]}
            for unit, truth in judged
        ],
        rates=rates,
        seed=run.seed,
        scored=scored if run.pictures else (),
    )


def _scores(
    variant: str, backend: str, judged: Sequence[tuple[Unit, Any]], exposures: Sequence[str], kind: str = ""
) -> tuple[Float64Array, Float64Array]:
    """Of good and of defective pictures of some exposures; of one kind of defect where one is named."""
    found: tuple[list[float], list[float]] = ([], [])
    for unit, truth in judged:
        faulty = truth.state != "healthy"
        if unit.group in exposures and (not faulty or kind in ("", truth.fault)):
            found[faulty].append(unit.sealed.decision(variant)[backend][0])
    return np.array(found[0]), np.array(found[1])


def _figures(
    variant: str, backend: str, judged: Sequence[tuple[Unit, Any]], trained: Sequence[str]
) -> dict[str, Any]:
    everywhere = sorted({unit.group for unit, _ in judged})
    kinds = sorted({str(truth.fault) for _, truth in judged if truth.state != "healthy"})

    def mean_area(kind: str = "") -> float | None:
        areas = [auroc(*_scores(variant, backend, judged, (one,), kind)) for one in trained]
        known = [area for area in areas if area is not None]
        return round(float(np.mean(known)), 4) if known else None

    return {
        "image_auroc": mean_area(),
        "pixel_auroc": _pixel_auroc(variant, backend, judged, trained),
        "pooled": _rounded(auroc(*_scores(variant, backend, judged, trained))),
        "all_defects": _rounded(auroc(*_scores(variant, backend, judged, everywhere))),
        "by_kind": {kind: mean_area(kind) for kind in kinds},
    }


def _rounded(area: float | None) -> float | None:
    return None if area is None else round(area, 4)


def _pixel_auroc(
    variant: str, backend: str, judged: Sequence[tuple[Unit, Any]], trained: Sequence[str]
) -> float | None:
    """Pixels inside masks against those outside, of defective pictures of the judged exposures."""
    inside: list[Float32Array] = []
    outside: list[Float32Array] = []
    for unit, truth in judged:
        mask = truth.columns.get("mask")
        if mask is None or truth.state == "healthy" or unit.group not in trained:
            continue
        heat = grown(unit.sealed.decision(variant)[backend][1], unit.picture.shape)
        inside.append(heat[mask])
        outside.append(heat[~mask])
    if not inside:
        return None
    return _rounded(auroc(*(_evenly(np.concatenate(part)) for part in (outside, inside))))


def _evenly(values: Float32Array) -> Float64Array:
    at = np.linspace(0, len(values) - 1, min(len(values), _PIXELS)).astype(int)
    chosen: Float64Array = values[at].astype(np.float64)
    return chosen


def grown(heat: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    """A heat map of cells as one of pixels, linear between the middles of cells of `CELL_PX`."""
    rows, columns = (
        np.clip((np.arange(size) + 0.5) / CELL_PX - 0.5, 0, cells - 1)
        for size, cells in zip(shape, heat.shape, strict=True)
    )
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, right = np.minimum(top + 1, heat.shape[0] - 1), np.minimum(left + 1, heat.shape[1] - 1)
    down, across = (rows - top)[:, np.newaxis], (columns - left)[np.newaxis]
    found: Float32Array = (
        (heat[np.ix_(top, left)] * (1 - across) + heat[np.ix_(top, right)] * across) * (1 - down)
        + (heat[np.ix_(below, left)] * (1 - across) + heat[np.ix_(below, right)] * across) * down
    ).astype(np.float32)
    return found
