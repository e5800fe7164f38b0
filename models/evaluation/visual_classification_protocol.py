"""Protocol `visual_classification`: the kind of a defect, in five contiguous folds of each kind.

Duty: who teaches and who judges, and the count of right ones. Neighbours are near-duplicates, so folds are
blocks. Models are handed in (`models.training` is not this floor's); without them baselines judge alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.evaluation.picture_baselines import nearest_class, texture
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.result import BASELINE, Rate, TaskResult
from models.evaluation.sealed import RevealedLabel
from models.vision.inspection import UInt8Array

Taught = Sequence[tuple[UInt8Array, RevealedLabel]]
NameKind = Callable[[UInt8Array], str]
TeachKinds = Callable[[Taught], Mapping[str, Mapping[str, NameKind]]]  # variant -> backend
FOLDS = 5
TEXTURE = f"{BASELINE}texture"


class VisualClassificationProtocol:
    """Judges models that name the kind of a defect."""

    tasks = frozenset({"visual_classification"})

    def __init__(self, networks: TeachKinds | None = None, named: Mapping[str, Any] | None = None) -> None:
        """`networks` trains one fold. `named`: its settings."""
        self._networks, self._named = networks, dict(named or {})

    def settings(self) -> dict[str, Any]:
        """Folds, and what the models are trained with."""
        return {"folds": FOLDS, "networks": self._named}

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """int8 and float32 where models are handed in, then the baseline."""
        # the kinds of those that teach are open to a supervised model; a unit's own stays shut in its fold
        truths = [unit.sealed.taught() for unit in units]
        kinds = [truth.fault or "" for truth in truths]
        folds = folds_of(kinds)
        if len(set(kinds) - {""}) < 2 or max(folds, default=0) < FOLDS - 1:
            run.remark(f"{dataset}: two kinds with {FOLDS} pictures each are needed, not scored")
            return []
        if self._networks is None:
            run.remark(
                f"{dataset}: only baselines judge; `stethos evaluate --vision` trains and judges models"
            )
        rows = np.stack([texture(unit.picture) for unit in units])
        named: dict[str, list[str]] = {}
        for fold in range(FOLDS):
            teach = [i for i, own in enumerate(folds) if own != fold and kinds[i]]
            judge = [i for i, own in enumerate(folds) if own == fold and kinds[i]]
            variants: dict[str, Mapping[str, NameKind]] = {}
            if self._networks is not None:
                variants |= self._networks([(units[i].picture, truths[i]) for i in teach])
            simple = nearest_class(rows[teach], [kinds[i] for i in teach], rows[judge])
            for i, kind in zip(judge, simple, strict=True):
                for variant, judges in variants.items():
                    units[i].sealed.write(
                        variant, {name: one(units[i].picture) for name, one in judges.items()}
                    )
                units[i].sealed.write(TEXTURE, {"numpy": kind})
                run.step()
            named |= {variant: list(judges) for variant, judges in variants.items()} | {TEXTURE: ["numpy"]}
        judged = [(unit, unit.sealed.reveal()) for unit, kind in zip(units, kinds, strict=True) if kind]
        return [_result(dataset, task, variant, names, judged, run) for variant, names in named.items()]


def folds_of(kinds: Sequence[str]) -> list[int]:
    """The fold of each picture: blocks of neighbours of its kind."""
    folds = [0] * len(kinds)
    for kind in set(kinds):
        own = [i for i, one in enumerate(kinds) if one == kind]
        for position, i in enumerate(own):
            folds[i] = position * FOLDS // len(own)
    return folds


def _result(  # noqa: PLR0917
    dataset: str,
    task: str,
    variant: str,
    backends: Sequence[str],
    judged: Sequence[tuple[Unit, Any]],
    run: Run,
) -> TaskResult:
    def right(backend: str) -> int:
        return sum(unit.sealed.decision(variant)[backend] == truth.fault for unit, truth in judged)

    wrong: dict[str, int] = {}
    for unit, truth in judged:
        said = unit.sealed.decision(variant)[backends[0]]
        if said != truth.fault:
            wrong[f"{truth.fault} called {said}"] = wrong.get(f"{truth.fault} called {said}", 0) + 1
    n, first = len(judged), right(backends[0])
    more = {f"{name}_right": right(name) for name in backends} if len(backends) > 1 else {}
    return TaskResult(
        dataset,
        task,
        variant,
        {"accuracy": round(first / n, 4) if n else None},
        {"right": first, "pictures": n, **more, "wrong": wrong},
        units=[
            {"unit": unit.name, "kind": truth.fault, "called": unit.sealed.decision(variant)[backends[0]]}
            for unit, truth in judged
        ],
        rates=(Rate("right kind", first, n),),
        seed=run.seed,
    )
