"""The Pareto picture of `stethos profile --plot OUT`: latency against area under the ROC curve, size as area.

Duty: one file, PNG, SVG or PDF by its name; .html holds the picture and the table. matplotlib is an extra of
the package and is imported only here.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import Rejected
from models.runtime_profile import RuntimeProfile, pareto_front

PICTURES = (".png", ".svg", ".pdf", ".html")
_COLOURS = ("#30475e", "#c0392b", "#2e7d32", "#b26a00", "#7b4fa3", "#0f7c8a", "#8a8a8a", "#d62728")


def draw(
    profiles: Sequence[RuntimeProfile], lines: Sequence[str], budget_ms: float | None, path: Path
) -> None:
    """Writes the picture; `lines` go beside it into HTML. Raises Rejected without matplotlib, OSError."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Rejected("--plot needs matplotlib; install the extra 'files'") from error
    mpl.use("Agg")
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    _fill(figure.subplots(), profiles, budget_ms)
    if path.suffix != ".html":
        figure.savefig(path, dpi=110)
        return
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    svg = drawn.getvalue()
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>stethos profile</title>'
        f"<body>{svg[svg.index('<svg') :]}<pre>{html.escape(chr(10).join(lines))}</pre></body></html>\n"
    )
    path.write_text(page, encoding="utf-8")


def _fill(axes: Any, profiles: Sequence[RuntimeProfile], budget_ms: float | None) -> None:
    """Points, those of the front with an edge. An artefact without a known area stands at the bottom."""
    known = [one.auroc for one in profiles if one.auroc is not None]
    bottom = min(known, default=0.5) - 0.01
    largest = max((one.size_bytes for one in profiles), default=1)
    front = pareto_front(profiles)
    for number, one in enumerate(profiles):
        axes.scatter(
            one.whole.p99_us / 1e3,
            bottom if one.auroc is None else one.auroc,
            s=30 + 400 * one.size_bytes / largest,
            color=_COLOURS[number % len(_COLOURS)],
            alpha=0.75,
            edgecolors="black" if one in front else "none",
            label=f"{one.name}: {one.size_bytes / 1000:.1f} kB, {one.resident_bytes / 2**20:.0f} MiB",
        )
    if budget_ms is not None:
        axes.axvline(budget_ms, color="#c0392b", linewidth=0.8, label=f"budget {budget_ms:g} ms")
    axes.set(
        xlabel="p99 of a call through the model host, ms",
        ylabel="AUROC of held-out rows",
        title="latency, accuracy and size (area of a point); black edge: nothing is better in all three",
    )
    axes.set_xlim(left=0.0)
    axes.legend(markerscale=0.4, fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))
