"""Protocol `one_class`: learn healthy running only, rank what comes after and what is faulty.

Duty: commissioning (the first 60 % of each healthy group trains) and leave-group-out (each healthy group in
turn is a session that was never seen), every detector and fusion beside the product's, single stretches and
for bursts the median of ten. Figures are `models.evaluation.ranking`'s; detectors `models.detectors`'.

A detector that looks at the rows before a row is given them, learned or not, where the unit has them; rows
that it cannot score yet are judged by nobody, and the product's detector stands beside it on the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dsp.band_features import MIN_WINDOW_SAMPLES
from dsp.samples import Float64Array
from models.detectors import fusion
from models.detectors.catalogue import DEFAULT, detectors
from models.detectors.columns import ScaleRules
from models.detectors.one_class import Fitted, OneClassDetector
from models.detectors.representation import RowRules
from models.detectors.robust import RobustDetector
from models.errors import TooFewRowsError
from models.evaluation.int8_gate import alarm_events_of
from models.evaluation.one_class_rows import (
    Describe,
    LogSpectrum,
    Stretches,
    comparable,
    figures,
    fine,
    simple_row,
)
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.ranking import auroc, interval_by_group, interval_of_mean, medians_of, pauc
from models.evaluation.result import BASELINE, FLOAT32, FUSED, INT8, ScoredGroup, TaskResult, of_network

RULES = "rules"
TRAINS = 0.6  # share of each healthy group that commissioning learns from
BURSTS = "bursts"
COMMISSIONING = "commissioning"
ON_LOG_SPECTRA = f"{BASELINE}{DEFAULT} on log spectra"

Folds = dict[str, Float64Array]  # of one unit: scores by fold, in order of time


@dataclass(frozen=True, slots=True)
class MadeNetworks:
    """Networks by variant: `int8`, `float32`, `int8:fused`, `int8:RUNTIME`; scores are in limits."""

    make: Callable[[ScaleRules], Mapping[str, OneClassDetector]]
    history: int = 0  # rows before a row that they must have seen
    log_spectrum: bool = False  # what they read of a window: its log spectrum, not what the product's reads


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of a table."""

    detector: OneClassDetector
    describe: Describe
    history: int = 0  # a unit's first rows that are not judged, learned ones counted


Variants = Mapping[str, Variant]


def variants(
    rules: RowRules,
    level_known: bool,
    beside: Collection[str] | None = None,
    networks: MadeNetworks | None = None,
    sample_rate_hz: float = 0.0,
) -> Variants:
    """The product's detector first, then networks, every other one, and the figures of a vibration meter.

    Beside networks on log spectra, at the nominal `sample_rate_hz`, stands the product's on the same rows.
    """
    scale = rules.scale(level_known)
    table = detectors(scale)
    others = {f"{BASELINE}{name}": Variant(part, fine) for name, part in table.items() if name != DEFAULT}
    simple = {f"{BASELINE}level-kurtosis-crest": Variant(RobustDetector(scale), simple_row)}
    wanted = {name: one for name, one in {**others, **simple}.items() if beside is None or name in beside}
    nets: dict[str, Variant] = {}
    if networks is not None:
        history = networks.history
        read: Describe = LogSpectrum(sample_rate_hz) if networks.log_spectrum else fine
        nets = {name: Variant(part, read, history) for name, part in networks.make(scale).items()}
        if networks.log_spectrum:
            nets[ON_LOG_SPECTRA] = Variant(table[DEFAULT], read)
        if history:
            nets[f"{BASELINE}{DEFAULT} after {history} rows"] = Variant(table[DEFAULT], fine, history)
    return {RULES: Variant(table[DEFAULT], fine), **nets, **wanted}


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """One unit of one variant after the label was seen."""

    name: str
    group: str
    healthy: bool
    folds: Folds


class OneClassProtocol:
    """Judges one-class detectors on sessions of healthy and faulty recordings."""

    tasks = frozenset({"one_class"})

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
        """The description's settings and every detector's."""
        table = {name: repr(part) for name, part in detectors(self._rules.level_scale).items()}
        return {
            **figures(),
            "rows": repr(asdict(self._rules)),
            "detectors": table,
            "fusion_blocks": fusion.BLOCKS,
            "default": DEFAULT,
            "trains": TRAINS,
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
        """One result per detector. Units of unknown state, parked or of another shape are not scored."""
        stretches = comparable(units, self._rules, run.remark)
        groups = [unit.group or unit.name for unit in stretches.units]
        trains = [unit.sealed.trains for unit in stretches.units]
        healthy = list(dict.fromkeys(group for group, own in zip(groups, trains, strict=True) if own))
        if not healthy:
            run.remark(f"{dataset}: no healthy group to learn from, not scored")
            return []
        found: dict[str, list[_Judged]] = {}
        networks, segment = self._networks, stretches.rules.segment_samples
        if networks is not None and networks.log_spectrum and segment < MIN_WINDOW_SAMPLES:
            run.remark(
                f"{dataset}: a network abstains: stretches of {segment} samples have no log spectrum;"
                f" needs {MIN_WINDOW_SAMPLES}"
            )
            networks = None
        table = variants(self._rules, stretches.level_known, self._beside, networks, stretches.sample_rate_hz)
        rows: dict[Describe, list[Float64Array]] = {
            describe: stretches.rows(describe) for describe in {one.describe for one in table.values()}
        }
        abstains: dict[str, dict[str, str]] = {}
        for variant, one in table.items():
            abstains[variant] = {}
            folds = _scores(one, rows[one.describe], groups, trains, healthy, abstains[variant])
            for unit, scores in zip(stretches.units, folds, strict=True):
                unit.sealed.write(variant, scores)
            found[variant] = []
        for said in dict.fromkeys(said for one in abstains.values() for said in one.values()):
            run.remark(f"{dataset}: a network {said}")
        for unit, group in zip(stretches.units, groups, strict=True):
            state = unit.sealed.reveal().state
            run.step()
            if not state:
                run.remark(f"{unit.name}: its label says neither healthy nor faulty, not scored")
                continue
            for variant, judged in found.items():
                scores = unit.sealed.decision(variant)
                judged.append(_Judged(unit.name, group, state == "healthy", scores))
        return [
            _result(
                dataset, task, variant, judged, healthy, stretches, len(unreadable), run, abstains[variant]
            )
            for variant, judged in found.items()
        ]


def by_reference(networks: MadeNetworks) -> list[tuple[str, OneClassDetector]]:
    """Those of the reference: which other runtimes are installed is no setting."""
    made = networks.make(ScaleRules())
    return [(name, part) for name, part in made.items() if name.removesuffix(FUSED) in (INT8, FLOAT32)]


def training_length(n: int) -> int:
    """How many of a healthy group's `n` rows commissioning learns from; at least one is kept for judging."""
    return max(0, min(n - 1, int(TRAINS * n)))


def _scores(  # noqa: PLR0917
    variant: Variant,
    rows: list[Float64Array],
    groups: list[str],
    trains: list[bool],
    healthy: list[str],
    abstains: dict[str, str],
) -> list[Folds]:
    """Scores of each unit by fold; in a fold a unit has no rows that were learned.

    A fold that is too small for the detector is left out and its reason written to `abstains`.
    """
    detector = variant.detector
    folds: list[Folds] = [{} for _ in rows]
    left: dict[str, int] = {}
    for group in healthy:
        n = sum(
            len(part) for part, name, own in zip(rows, groups, trains, strict=True) if own and name == group
        )
        left[group] = training_length(n)
    learned: list[Float64Array] = []
    names: list[str] = []
    starts: list[int] = []
    for part, group, own in zip(rows, groups, trains, strict=True):
        taken = min(len(part), left[group]) if own else 0
        if own:
            left[group] -= taken
        starts.append(taken)
        learned.append(part[:taken])
        names += [group] * taken
    if names:
        try:
            fitted = detector.fit(np.concatenate(learned), names)
        except TooFewRowsError as error:
            abstains[COMMISSIONING] = str(error)
        else:
            for index, part in enumerate(rows):
                folds[index][COMMISSIONING] = _scored(fitted, part, starts[index], variant.history)
    for out in healthy if len(healthy) > 1 else ():
        inside = [index for index, own in enumerate(trains) if own and groups[index] != out]
        try:
            fitted = detector.fit(
                np.concatenate([rows[index] for index in inside]),
                [groups[index] for index in inside for _ in range(len(rows[index]))],
            )
        except TooFewRowsError as error:
            abstains[out] = str(error)
            continue
        for index, part in enumerate(rows):
            if not trains[index] or groups[index] == out:
                folds[index][out] = _scored(fitted, part, 0, variant.history)
    return folds


def _scored(fitted: Fitted, rows: Float64Array, start: int, history: int) -> Float64Array:
    """Scores of the rows from `start` on, but for those with fewer than `history` rows before them."""
    before = min(start, history)
    judged = rows[start - before :]
    return fitted.score(judged)[history:] if len(judged) > history else np.zeros(0)


def _pooled(judged: list[_Judged], fold: str, healthy: bool) -> dict[str, Float64Array]:
    """Scores of one fold by group."""
    pooled: dict[str, list[Float64Array]] = {}
    for unit in judged:
        if unit.healthy is healthy and len(unit.folds.get(fold, ())):
            pooled.setdefault(unit.group, []).append(unit.folds[fold])
    return {group: np.concatenate(parts) for group, parts in pooled.items()}


def _joined(groups: Mapping[str, Float64Array]) -> Float64Array:
    return np.concatenate([*groups.values(), np.zeros(0)])


def _result(  # noqa: PLR0917
    dataset: str,
    task: str,
    variant: str,
    judged: list[_Judged],
    healthy: list[str],
    stretches: Stretches,
    unreadable: int,
    run: Run,
    abstains: Mapping[str, str],
) -> TaskResult:
    low, high = _pooled(judged, COMMISSIONING, True), _pooled(judged, COMMISSIONING, False)
    by_group = {name: auroc(low.get(name, _joined(low)), scores) for name, scores in high.items()}
    left_out: dict[str, float] = {}
    for out in healthy:
        area = auroc(_joined(_pooled(judged, out, True)), _joined(_pooled(judged, out, False)))
        if area is not None:
            left_out[out] = area
    areas = list(left_out.values())
    metrics: dict[str, float | int | None] = {
        "auroc": auroc(_joined(low), _joined(high)),
        "pauc": pauc(_joined(low), _joined(high)),
        "auroc_worst": min((area for area in by_group.values() if area is not None), default=None),
        "lgo_auroc": float(np.mean(areas)) if areas else None,
        "lgo_auroc_worst": min(areas, default=None),
    }
    if any(unit.layout == BURSTS for unit in stretches.units):
        few_low, few_high = _medians(low), _medians(high)
        metrics |= {
            "auroc_median_of_10": auroc(few_low, few_high),
            "pauc_median_of_10": pauc(few_low, few_high),
        }
    counts: dict[str, Any] = {
        "healthy_learned_groups": len(healthy),
        "healthy_judged": len(_joined(low)),
        "faulty_judged": len(_joined(high)),
        "faulty_groups": len(high),
        "level_known": stretches.level_known,
        "unreadable": unreadable,
        "auroc_interval": interval_by_group(list(low.values()), list(high.values()), run.seed),
        "lgo_auroc_interval": interval_of_mean(areas, run.seed),
        "by_faulty_group": by_group,
        "by_left_out_group": left_out,
    }
    if of_network(variant):
        counts["alarm_events"] = {
            fold: [_events(judged, fold, side) for side in (True, False)]
            for fold in (COMMISSIONING, *left_out)
        }
    if abstains:
        counts["abstains"] = dict(abstains)
    scored = []
    if run.pictures:
        scored = [_picture(judged, fold) for fold in (COMMISSIONING, *left_out)]
    return TaskResult(
        dataset, task, variant, metrics, counts, [_row(unit) for unit in judged], seed=run.seed, scored=scored
    )


def _events(judged: list[_Judged], fold: str, healthy: bool) -> int:
    """Alarm events of a network's scores in one fold, over its healthy or its faulty units."""
    parts = [unit.folds[fold] for unit in judged if unit.healthy is healthy and len(unit.folds.get(fold, ()))]
    return alarm_events_of(parts)


def _medians(groups: Mapping[str, Float64Array]) -> Float64Array:
    return _joined({name: medians_of(scores) for name, scores in groups.items()})


def _row(unit: _Judged) -> dict[str, Any]:
    scores = unit.folds.get(COMMISSIONING, np.zeros(0))
    seen = scores[np.isfinite(scores)]
    return {
        "unit": unit.name,
        "group": unit.group,
        "state": "healthy" if unit.healthy else "faulty",
        "judged": len(scores),
        "median_score": float(np.median(seen)) if len(seen) else None,
    }


def _picture(judged: list[_Judged], fold: str) -> ScoredGroup:
    sides = [_joined(_pooled(judged, fold, healthy)) for healthy in (True, False)]
    name = fold if fold == COMMISSIONING else f"left out: {fold}"
    return ScoredGroup(name, tuple(sides[0].tolist()), tuple(sides[1].tolist()))
