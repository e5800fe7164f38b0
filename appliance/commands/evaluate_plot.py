"""The pictures of `stethos evaluate --plot OUT`, for somebody who disagrees with a figure.

Duty: one file per data set and kind: ROC with counts, run-to-failure timelines with onset labels and alarms,
the evidence behind every wrong, missed and abstained diagnosis. matplotlib is an extra of the package and is
imported only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.analyse_plot import LINE_COLOURS, SHAFT_COLOUR, TRACE
from appliance.errors import Rejected
from dsp.fault_comb import LABELS
from models.evaluation.result import EvidencePicture, ScoredGroup, TaskResult, Timeline

_COLOURS = ("#30475e", "#c0392b", "#2e7d32", "#b26a00", "#7b4fa3", "#0f7c8a", "#8a8a8a", "#d62728")
_ONSET_COLOURS = {"A": "#b26a00", "B": "#7b4fa3", "C": "#0f7c8a"}
_ORDERS = 18.0
_PER_SHEET = 6


def draw_results(results: Sequence[TaskResult], folder: Path) -> Iterator[Path]:
    """Writes the pictures, yielding each file. Raises Rejected without matplotlib, OSError."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Rejected("--plot needs matplotlib; install the extra 'files'") from error
    mpl.use("Agg")
    for dataset, task in dict.fromkeys((result.dataset, result.task) for result in results):
        both = [result for result in results if (result.dataset, result.task) == (dataset, task)]
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{dataset}-{task}").strip("-")[:80] or "data-set"
        with_scores = [result for result in both if result.scored]
        if with_scores:
            yield _saved(_roc(Figure, with_scores), folder / f"{stem}-roc.png")
        for result in both:
            for number, sheet in enumerate(_sheets(result.timelines), start=1):
                figure = Figure(figsize=(14, 3.3 * len(sheet) + 0.8), layout="constrained")
                figure.suptitle(f"{dataset}, {task}, {result.variant}", fontweight="bold")
                for axes, timeline in zip(_rows(figure, len(sheet)), sheet, strict=True):
                    _timeline(axes, timeline)
                name = f"{stem}-timelines-{_slug(result.variant)}-{number}.png"
                yield _saved(figure, folder / name)
            for number, doubted in enumerate(_sheets(result.evidence), start=1):
                figure = Figure(figsize=(15, 3.1 * len(doubted) + 0.8), layout="constrained")
                figure.suptitle(f"{dataset}: evidence behind doubtful diagnoses, {result.variant}",
                                fontweight="bold")  # fmt: skip
                for axes, picture in zip(_rows(figure, len(doubted)), doubted, strict=True):
                    _evidence(axes, picture)
                yield _saved(figure, folder / f"{stem}-evidence-{number}.png")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def _sheets(pictures: Sequence[Any]) -> list[Sequence[Any]]:
    return [pictures[start : start + _PER_SHEET] for start in range(0, len(pictures), _PER_SHEET)]


def _rows(figure: Any, n: int) -> list[Any]:
    return list(np.atleast_1d(figure.subplots(n, 1)))


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=90)
    return path


def _roc(figure_class: Any, results: Sequence[TaskResult]) -> Any:
    """One panel per variant: each split's curve, its counts, and where false alarms are rare."""
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure = figure_class(figsize=(5.6 * columns, 5.2 * rows), layout="constrained")
    figure.suptitle(f"{results[0].dataset}, {results[0].task}", fontweight="bold")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, result in zip(grid, results, strict=False):
        for colour, group in zip(_COLOURS * 8, result.scored, strict=False):
            false_rate, hit_rate, area = roc_curve(group)
            label = f"{group.name}: {len(group.faulty)} faulty, {len(group.healthy)} healthy, {area:.3f}"
            axes.step(false_rate, hit_rate, where="post", color=colour, linewidth=1.3, label=label)
        axes.plot([0, 1], [0, 1], color=SHAFT_COLOUR, linewidth=0.7, linestyle=":")
        axes.axvspan(0.0, 0.1, color="#000000", alpha=0.05)
        axes.set(xlabel="healthy called anomalous", ylabel="faulty called anomalous", title=result.variant)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.legend(
            fontsize=7,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.12),
            title="units, and the area under each curve; grey: where the partial area counts",
            title_fontsize=7,
        )
    for axes in grid[len(results) :]:
        axes.set_visible(False)
    return figure


def roc_curve(group: ScoredGroup) -> tuple[list[float], list[float], float]:
    """False-alarm and hit rates as the limit falls, from (0, 0) to (1, 1), and the area; ties count half."""
    healthy, faulty = np.sort(group.healthy), np.sort(group.faulty)
    if not len(healthy) or not len(faulty):
        return [0.0, 1.0], [0.0, 1.0], float("nan")
    limits = np.unique(np.concatenate([healthy, faulty]))[::-1]
    false_rate = 1.0 - np.searchsorted(healthy, limits, side="left") / len(healthy)
    hit_rate = 1.0 - np.searchsorted(faulty, limits, side="left") / len(faulty)
    x, y = np.concatenate([[0.0], false_rate]), np.concatenate([[0.0], hit_rate])
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))
    return [float(v) for v in x], [float(v) for v in y], area


def _timeline(axes: Any, timeline: Timeline) -> None:
    hours = np.asarray(timeline.t_s) / 3600.0
    axes.plot(hours, timeline.indicator, color=TRACE, linewidth=0.9, label="indicator (1 = limit)")
    axes.axhline(1.0, color="#c0392b", linewidth=0.9, linestyle="--")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=0.0)
    if 0 < timeline.baseline_end < len(hours):
        axes.axvspan(hours[0], hours[timeline.baseline_end], color="#2e7d32", alpha=0.10, label="learning")
    for name, index in timeline.onsets.items():
        if index is not None and 0 <= index < len(hours):
            colour = _ONSET_COLOURS.get(name, SHAFT_COLOUR)
            axes.axvline(hours[index], color=colour, linewidth=1.2, linestyle="-.", label=f"onset {name}")
    for number, index in enumerate(timeline.alarms):
        axes.axvline(hours[index], color="#c0392b", linewidth=1.4, label=None if number else "alarm")
        axes.plot([hours[index]], [1.0], marker="v", color="#c0392b", markersize=7)
    right = axes.twinx()
    right.plot(hours, timeline.rms, color=SHAFT_COLOUR, linewidth=0.6, alpha=0.7)
    right.set_ylabel("RMS", color=SHAFT_COLOUR, fontsize=8)
    right.set_ylim(bottom=0.0)
    axes.set(xlabel="hours", ylabel="indicator")
    axes.set_title(timeline.name, fontsize=10, loc="left")
    axes.margins(x=0.01)
    axes.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, frameon=False)


def _evidence(axes: Any, picture: EvidencePicture) -> None:
    """The averaged envelope spectrum over orders, where the bearing's combs should stand, what was found."""
    axes.set_title(f"{picture.name}\n{picture.caption}", fontsize=9, loc="left")
    orders = picture.found.orders
    if orders is None:
        axes.text(0.5, 0.5, "no record could be used", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    x = np.arange(len(orders.prominence)) / np.float64(orders.cells_per_order)
    inside = slice(int(0.2 * orders.cells_per_order), int(np.searchsorted(x, _ORDERS)))
    level_db = 10.0 * np.log10(np.maximum(orders.prominence.astype(np.float64), 1e-2))
    top = max(14.0, 1.25 * float(level_db[inside].max(initial=1.0)))
    axes.plot(x[inside], level_db[inside], color=TRACE, linewidth=0.7)
    axes.set_ylim(-3.0, top)
    for harmonic in range(1, int(_ORDERS) + 1):
        axes.axvline(harmonic, color=SHAFT_COLOUR, linewidth=0.5, linestyle=":", alpha=0.7)
    words = []
    for line in picture.found.lines:
        colour = LINE_COLOURS[line.fault]
        strong = line.fault.value == picture.truth
        for harmonic in range(1, 5):
            at = harmonic * line.multiplier
            if at >= _ORDERS:
                break
            axes.axvline(at, color=colour, linewidth=1.4 if strong else 0.8, linestyle="--", alpha=0.8)
            name = LABELS[line.fault] if harmonic == 1 else str(harmonic)
            axes.annotate(name, (at, top), (2, -9), textcoords="offset points", color=colour, fontsize=7)
        level = (
            f"{line.level_db:.1f} dB, {line.decoy_margin:.2f} x decoys" if line.resolvable else "unresolved"
        )
        words.append(f"{line.label} {line.multiplier:.3f}: {level}")
    ranking = ", ".join(f"{one.fault} {one.evidence:.2f}" for one in picture.found.diagnosis.ranking[:3])
    words.append(f"impulsiveness {orders.impulsiveness:.1f}; evidence (1 = called): {ranking}")
    axes.set(xlabel="order, x shaft speed", ylabel="dB over floor")
    axes.annotate("\n".join(words), (0.995, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize=7,
                  bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none"})  # fmt: skip
    axes.margins(x=0.0)
