"""What `stethos evaluate` prints: one table per task, the product's rows above those of the baselines.

Duty: wording and JSON of results. Every rate stands with its counts and its interval; a task that is not
built is listed as that. Computes no metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from appliance.commands.evaluate_networks import networks_json
from dsp.extractor import EXTRACTOR_VERSION
from models.evaluation.result import BASELINE, METRICS, NOT_BUILT, TaskResult

_WIDTH = 148


def as_json(results: Sequence[TaskResult], settings_hash: str, network: str | None = None) -> dict[str, Any]:
    """The results as `--json` prints them; what is not defined is null. `network`: the kind asked for."""
    networks = {} if network is None else {"networks": jsonable(networks_json(results, network))}
    return {
        "settings_hash": settings_hash,
        "extractor_version": EXTRACTOR_VERSION,
        "results": [_result_json(result) for result in results],
        **networks,
    }


def _result_json(result: TaskResult) -> dict[str, Any]:
    rates = [
        {"name": rate.name, "k": rate.k, "n": rate.n, "interval_95": [round(end, 4) for end in rate.interval]}
        for rate in result.rates
    ]
    counts = {**result.counts, **({"rates": rates} if rates else {})}
    if result.variant != NOT_BUILT:
        counts["seed"] = result.seed
    return {
        "dataset": result.dataset,
        "task": result.task,
        "variant": result.variant,
        "metrics": jsonable(result.metrics),
        "counts": jsonable(counts),
        "units": jsonable(list(result.units)),
    }


def jsonable(value: Any) -> Any:
    """The value as strict JSON can carry it: no NaN, no infinity, no NumPy scalar."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    number = float(value)
    return number if math.isfinite(number) else None


def print_results(
    results: Sequence[TaskResult], remarks: Sequence[str], settings_hash: str, seed: int
) -> None:
    """Tables of every task, rates with intervals, what is not built, remarks, settings."""
    console = Console(width=max(_WIDTH, Console().width), highlight=False)
    for task in dict.fromkeys(result.task for result in results):
        of_task = [result for result in results if result.task == task]
        built = [result for result in of_task if result.variant != NOT_BUILT]
        if built:
            console.print(_table(task, built))
            _print_rates(console, built)
            if task == "diagnosis":
                _print_calibration(console, built)
        for result in of_task:
            if result.variant == NOT_BUILT:
                files = result.counts.get("files")
                console.print(f"{result.dataset}, {task}: not built ({files} files)", markup=False)
    for remark in remarks:
        console.print(f"remark: {remark}", markup=False, soft_wrap=True)
    seeds = sorted({result.seed for result in results if result.seed is not None})
    drawn = f"seed {', '.join(map(str, seeds))}" if seeds else f"seed {seed} (nothing drawn at random)"
    console.print(f"settings {settings_hash}, extractor {EXTRACTOR_VERSION}, {drawn}")


def _table(task: str, results: Sequence[TaskResult]) -> Table:
    table = Table(title=task, padding=(0, 1), title_justify="left")
    table.add_column("data set", no_wrap=True)
    table.add_column("variant", no_wrap=True)
    columns = METRICS[task]
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for dataset in dict.fromkeys(result.dataset for result in results):
        for result in results:
            if result.dataset != dataset:
                continue
            style = "dim" if result.variant.startswith(BASELINE) else "bold"
            cells = (_figure(result.metrics.get(column)) for column in columns)
            table.add_row(dataset, result.variant, *cells, style=style)
            if not result.variant.startswith(BASELINE):
                for grade, found in _grades(result).items():
                    table.add_row(f"  grade {grade}", "", *(_figure(found.get(name)) for name in columns))
        table.add_section()
    datasets = {result.dataset for result in results}
    if task == "diagnosis" and len(datasets) > 1:
        for variant in dict.fromkeys(result.variant for result in results):
            total = [result.metrics for result in results if result.variant == variant]
            cells = (_figure(sum(metrics[column] or 0 for metrics in total)) for column in columns)
            table.add_row("all", variant, *cells, style="dim" if variant.startswith(BASELINE) else "bold")
    return table


def _grades(result: TaskResult) -> Mapping[str, Mapping[str, int]]:
    """Counts by grade, and by the grades' letters where a letter stands for several."""
    grades: Mapping[str, Mapping[str, int]] = result.counts.get("by_grade") or {}
    strata: Mapping[str, Mapping[str, int]] = result.counts.get("by_stratum") or {}
    if set(grades) <= {"ungraded"}:
        return {}
    several = {name: found for name, found in strata.items() if name not in grades and name != "ungraded"}
    return {**several, **grades}


def _figure(value: float | int | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _print_rates(console: Console, results: Sequence[TaskResult]) -> None:
    """The product's rates: k of n with the 95 % interval (Wilson; 3/n beside a zero), and other counts."""
    for result in results:
        if result.variant.startswith(BASELINE):
            continue
        shown = []
        for rate in result.rates:
            low, high = rate.interval
            where = f"95 % below {high:.2f}" if rate.k == 0 else f"95 % {low:.2f} to {high:.2f}"
            shown.append(f"{rate.name} {rate.k} of {rate.n} ({where})")
        shown += _more_figures(result)
        if shown:
            said = "; ".join(shown)
            console.print(f"{result.dataset}, {result.variant}: {said}", markup=False, soft_wrap=True)
        if reason := result.counts.get("reason"):
            console.print(f"{result.dataset}: {reason}", markup=False)


_SAID_ELSEWHERE = frozenset({"files", "unreadable", "faulted", "healthy", "seed"})


def _more_figures(result: TaskResult) -> list[str]:
    """Metrics beyond the task's own, counts, and intervals of metrics, as the protocol names them."""
    shown = [
        f"{_words(name)} {_figure(value)}"
        for name, value in result.metrics.items()
        if name not in METRICS[result.task]
    ]
    for name, value in result.counts.items():
        ends = [end for end in value if end is not None] if isinstance(value, list | tuple) else []
        if name.endswith("_interval") and len(ends) == 2:
            shown.append(f"{_words(name.removesuffix('_interval'))} 95 % {ends[0]:.3f} to {ends[1]:.3f}")
        elif isinstance(value, int) and not isinstance(value, bool) and name not in _SAID_ELSEWHERE:
            shown.append(f"{_words(name)} {value}")
    return shown


def _words(name: str) -> str:
    return name.replace("_", " ")


def _print_calibration(console: Console, results: Sequence[TaskResult]) -> None:
    for result in results:
        if result.variant.startswith(BASELINE):
            continue
        for row in result.counts.get("calibration") or ():
            console.print(
                f"{result.dataset}, confidence {row['low']:.2f}-{row['high']:.2f}: {row['n']:.0f} called, "
                f"mean {row['mean_confidence']:.2f}, right {row['right']:.2f}",
                markup=False,
            )
