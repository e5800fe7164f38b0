"""Protocol `one_class_by_speed`: windows of 250 samples, at a speed that was learned and at one that was not.

Duty: per speed, learn the first 6 healthy windows and rank the last 6 against every faulty one; then the same
windows with that speed left out of learning, where the product reads a curve over speed and every other
detector takes the nearest learned speed. The product describes the windows of this protocol coarsely: of the
eleven rows that six windows make, a fine row's 150 columns and more learn spreads by chance and a covariance
that is little but shrinkage; a coarse row of three axes has 15. Networks get these coarse rows (or log
spectra, where asked for) at either speed; at an unseen one they, and the detector that they are fused with,
take the nearest learned speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.detectors import speed_model
from models.detectors.catalogue import DEFAULT, detectors
from models.detectors.columns import ScaleRules
from models.detectors.one_class import OneClassDetector
from models.detectors.representation import RowRules
from models.detectors.speed_model import fit_speed_model
from models.evaluation.int8_gate import alarm_events_of
from models.evaluation.one_class_protocol import RULES, MadeNetworks, by_reference, variants
from models.evaluation.one_class_rows import (
    Describe,
    LogSpectrum,
    Stretches,
    coarse,
    comparable,
    figures,
)
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.ranking import auroc, interval_of_mean, pauc
from models.evaluation.result import ScoredGroup, TaskResult, of_network

WINDOW = 250
LEARNED = 6  # healthy windows per speed; as many from the end are judged
OVERLAP = 2  # learned windows start every WINDOW / OVERLAP samples of those 6, as live windows overlap

Score = Callable[[Float64Array], Float64Array]
Speed = tuple[str, float]  # group, speed


@dataclass(frozen=True, slots=True, eq=False)
class _SpeedRun:
    """One run of one variant: rows to learn from (healthy runs only), rows to judge, and their scores."""

    learned: Float64Array  # of the first windows
    whole: Float64Array  # of all windows: what other speeds learn from
    judged: Float64Array


class OneClassBySpeedProtocol:
    """Judges one-class detectors at learned and at unseen speeds."""

    tasks = frozenset({"one_class_by_speed"})

    def __init__(
        self,
        rules: RowRules | None = None,
        beside: Collection[str] | None = None,
        networks: MadeNetworks | None = None,
    ) -> None:
        """`networks` makes detectors that are trained in each fold, on what that fold may learn."""
        self._rules = rules or RowRules()
        self._networks = networks
        self._beside = beside  # names of the baselines wanted; None for all

    def settings(self) -> dict[str, Any]:
        """The description's settings, every detector's, and those of the curve over speed."""
        return {
            **figures(),
            "rows": repr(asdict(self._rules)),
            "detectors": {name: repr(part) for name, part in detectors(self._rules.level_scale).items()},
            "default": DEFAULT,
            "windows": [WINDOW, LEARNED, OVERLAP],
            "rows_within": "coarse",
            "speed_model": [speed_model.NEIGHBOURS, speed_model.DEGREE],
            **(
                {"networks": {name: repr(part) for name, part in by_reference(self._networks)}}
                if self._networks
                else {}
            ),
        }

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """One result per detector; `lgo` metrics are those of the unseen speed."""
        stated = [unit for unit in units if _has_speed(unit)]
        for unit in units:
            if unit not in stated:
                run.remark(f"{unit.name}: no speed is stated for it, not scored")
        stretches = comparable(
            stated,
            self._rules,
            run.remark,
            window_samples=WINDOW,
        )
        runs = list(zip(stretches.units, _raw(stretches), strict=True))
        speeds = [_speed(unit) for unit, _ in runs]
        learned = {speed for (unit, _), speed in zip(runs, speeds, strict=True) if unit.sealed.trains}
        if not learned:
            run.remark(f"{dataset}: no healthy run at a stated speed, not scored")
            return []
        networks = self._networks
        if networks is not None and networks.history >= LEARNED:
            run.remark(
                f"{dataset}: a network abstains: {LEARNED} healthy windows are judged at a speed;"
                f" needs more than the {networks.history} before a score"
            )
            networks = None
        rate_hz = stretches.sample_rate_hz
        table = {
            name: replace(one, describe=coarse)
            if of_network(name) and not isinstance(one.describe, LogSpectrum)
            else one
            for name, one in variants(
                self._rules, stretches.level_known, self._beside, networks, rate_hz
            ).items()
        }
        described: dict[Describe, list[_SpeedRun]] = {
            describe: [_speed_run(unit, x, describe, stretches) for unit, x in runs]
            for describe in {coarse, *(one.describe for one in table.values())}
        }
        for variant, one in table.items():
            detector = one.detector
            rows, coarse_rows = described[one.describe], described[coarse]
            at, coarse_at = _healthy(runs, speeds, rows), _healthy(runs, speeds, coarse_rows)
            folds = {speed: _folds(detector, at, speed) for speed in dict.fromkeys(speeds)}
            for index, ((unit, _), speed) in enumerate(zip(runs, speeds, strict=True)):
                scores = {name: score(rows[index].judged) for name, score in folds[speed].items()}
                judged = coarse_rows[index].judged
                if variant == RULES and "unseen" in scores:
                    curve = _curve(coarse_at, speed, self._rules.scale(stretches.level_known))
                    scores["unseen"] = curve(judged)
                if variant == RULES and "within" in scores:
                    scores["within"] = detector.fit(coarse_at[speed].learned).score(judged)
                unit.sealed.write(variant, scores)
        states = []
        for unit, _ in runs:
            states.append(unit.sealed.reveal().state)
            run.step()
        return [
            _result(dataset, task, variant, runs, speeds, states, len(unreadable), run) for variant in table
        ]


def _has_speed(unit: Unit) -> bool:
    speed = unit.waveforms.speed_percent
    return speed is not None and math.isfinite(speed)


def _speed(unit: Unit) -> Speed:
    return unit.group, float(unit.waveforms.speed_percent or 0.0)


def _raw(stretches: Stretches) -> list[Float32Array]:
    """Each unit's windows joined again: learned windows overlap, judged ones do not."""
    return [np.concatenate(windows) for windows in stretches.of_unit]


def _speed_run(unit: Unit, x: Float32Array, describe: Describe, stretches: Stretches) -> _SpeedRun:
    rate_hz = unit.waveforms.sample_rate_hz

    def rows(part: Float32Array, hop: int) -> Float64Array:
        firsts = range(0, len(part) - WINDOW + 1, hop)
        parts = [part[first : first + WINDOW] for first in firsts]
        return np.array(
            [describe(window, rate_hz, stretches.level_known, stretches.rules) for window in parts]
        )

    n = len(x) // WINDOW
    own = min(LEARNED, n // 2) if unit.sealed.trains else 0
    hop = WINDOW // OVERLAP
    width = rows(x[:WINDOW], WINDOW).shape[1]
    return _SpeedRun(
        learned=rows(x[: own * WINDOW], hop) if own else np.zeros((0, width)),
        whole=rows(x, hop),
        judged=rows(x[(n - own) * WINDOW : n * WINDOW] if own else x, WINDOW),
    )


def _healthy(
    runs: list[tuple[Unit, Float32Array]], speeds: list[Speed], rows: list[_SpeedRun]
) -> dict[Speed, _SpeedRun]:
    """The first healthy run of each speed that is long enough to learn from."""
    found: dict[Speed, _SpeedRun] = {}
    for (unit, _), speed, part in zip(runs, speeds, rows, strict=True):
        if unit.sealed.trains and len(part.learned):
            found.setdefault(speed, part)
    return found


def _others(at: Mapping[Speed, _SpeedRun], speed: Speed) -> dict[Speed, _SpeedRun]:
    return {name: part for name, part in at.items() if name != speed and name[0] == speed[0]}


def _folds(detector: OneClassDetector, at: Mapping[Speed, _SpeedRun], speed: Speed) -> dict[str, Score]:
    """How rows at `speed` are scored: learned there, and learned at the other speeds alone."""
    folds: dict[str, Score] = {}
    if speed in at:
        folds["within"] = detector.fit(at[speed].learned).score
    if others := _others(at, speed):
        names = [str(name) for name, part in others.items() for _ in range(len(part.whole))]
        folds["unseen"] = detector.fit(np.concatenate([part.whole for part in others.values()]), names).score
    return folds


def _curve(at: Mapping[Speed, _SpeedRun], speed: Speed, scale: ScaleRules) -> Score:
    others = _others(at, speed)
    model = fit_speed_model(
        np.concatenate([part.whole for part in others.values()]),
        [name[1] for name, part in others.items() for _ in range(len(part.whole))],
        scale,
    )
    return lambda rows: model.score(rows, speed[1])


def _result(  # noqa: PLR0917
    dataset: str,
    task: str,
    variant: str,
    runs: list[tuple[Unit, Float32Array]],
    speeds: list[Speed],
    states: list[str],
    unreadable: int,
    run: Run,
) -> TaskResult:
    areas: dict[str, dict[str, float]] = {"within": {}, "unseen": {}}
    parts: dict[str, list[float]] = {"within": [], "unseen": []}
    scored: list[ScoredGroup] = []
    judged = {"healthy": 0, "faulty": 0}
    events: dict[str, list[int]] = {}
    for speed in dict.fromkeys(speeds):
        for fold, found in areas.items():
            sides: list[Float64Array] = []
            each: list[list[Float64Array]] = []
            for healthy in (True, False):
                own = [
                    unit.sealed.decision(variant)[fold]
                    for (unit, _), name, state in zip(runs, speeds, states, strict=True)
                    if name == speed and state and (state == "healthy") is healthy
                    and fold in unit.sealed.decision(variant)
                ]  # fmt: skip
                each.append(own)
                sides.append(np.concatenate([*own, np.zeros(0)]))
            area, part = auroc(*sides), pauc(sides[0], sides[1])
            if area is None or part is None:
                continue
            name = f"{speed[0]} {speed[1]:g} %".strip()
            found[name] = area
            events[f"{fold}: {name}"] = [alarm_events_of(parts_of) for parts_of in each]
            parts[fold].append(part)
            if fold == "within":
                judged = {
                    "healthy": judged["healthy"] + len(sides[0]),
                    "faulty": judged["faulty"] + len(sides[1]),
                }
            if run.pictures:
                scored.append(
                    ScoredGroup(f"{fold}: {name}", tuple(sides[0].tolist()), tuple(sides[1].tolist()))
                )
    within, unseen = list(areas["within"].values()), list(areas["unseen"].values())
    metrics: dict[str, float | int | None] = {
        "auroc": _mean(within),
        "pauc": _mean(parts["within"]),
        "auroc_worst": min(within, default=None),
        "lgo_auroc": _mean(unseen),
        "lgo_auroc_worst": min(unseen, default=None),
    }
    counts: dict[str, Any] = {
        "speeds": len(within),
        "healthy_judged": judged["healthy"],
        "faulty_judged": judged["faulty"],
        "unreadable": unreadable,
        "auroc_interval": interval_of_mean(within, run.seed),
        "lgo_auroc_interval": interval_of_mean(unseen, run.seed),
        "by_speed": areas["within"],
        "by_unseen_speed": areas["unseen"],
    }
    if of_network(variant):
        counts["alarm_events"] = events
    rows = [
        {"unit": unit.name, "speed_percent": speed[1], "state": state}
        for (unit, _), speed, state in zip(runs, speeds, states, strict=True)
    ]
    return TaskResult(dataset, task, variant, metrics, counts, rows, seed=run.seed, scored=scored)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
