"""A replay as a picture: levels, score and alarms over time, one row of panels per file.

Duty: draw what the findings say. matplotlib is an extra of the package and is imported only here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from appliance.alarms.lifecycle import Severity
from appliance.analysis import Findings
from appliance.errors import Rejected
from appliance.installation import files_remedy

LEVELS = ("velocity_rms_mm_s", "rms_mps2", "rms")
COLOURS = {Severity.WATCH: "#b58900", Severity.WARN: "#cb4b16", Severity.STOP: "#dc322f"}
MOST_PANELS = 12


@dataclass(slots=True)
class Traces:
    """What one file's panels show, in seconds since its first sample."""

    file: str
    levels: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    scores: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    alarms: list[tuple[float, Severity, str]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def take(self, findings: Findings, zero_ns: int) -> None:
        """Add one step's findings."""
        for vector in findings.features:
            at_s = (vector.start_ns - zero_ns) / 1e9
            for name in LEVELS:
                if name in vector.names:
                    value = float(vector.values[vector.names.index(name)])
                    self.levels.setdefault((vector.channel_id, name), []).append((at_s, value))
        for score in findings.scores:
            at_s = (score.start_ns - zero_ns) / 1e9
            self.scores.setdefault(score.channel_id, []).append((at_s, score.value))
        for transition in findings.transitions:
            alarm = transition.alarm
            text = f"{transition.what}: {alarm.reason}"
            self.alarms.append(((alarm.changed_ns - zero_ns) / 1e9, alarm.severity, text))
        for gap in findings.gaps:
            self.gaps.append(((gap.start_ns - zero_ns) / 1e9, (gap.end_ns - zero_ns) / 1e9))


def draw(traces: list[Traces], out: Path) -> None:
    """Write the picture; only the first twelve files fit on it. Raises Rejected without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Rejected(f"--plot needs matplotlib, which is not installed: {files_remedy()}") from error
    mpl.use("Agg")
    shown = traces[:MOST_PANELS]
    figure = Figure(figsize=(12, 1 + 3.2 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 2, squeeze=False)
    for row, trace in zip(panels, shown, strict=True):
        _draw_levels(row[0], trace)
        _draw_scores(row[1], trace)
    if len(traces) > len(shown):
        figure.suptitle(f"the first {len(shown)} of {len(traces)} files")
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise Rejected(
            f"{out}: the picture cannot be written ({error}); name a .png in a folder that exists"
        ) from error


def _draw_levels(axes: Any, trace: Traces) -> None:
    for (channel, name), points in trace.levels.items():
        times, values = np.array(points).T
        if np.isfinite(values).any():
            axes.plot(times, values, label=f"{channel} {name}", linewidth=1.1)
    axes.set(title=trace.file, xlabel="s", ylabel="level")
    _decorate(axes, trace)


def _draw_scores(axes: Any, trace: Traces) -> None:
    for channel, points in trace.scores.items():
        times, values = np.array(points).T
        axes.plot(times, values, label=channel, linewidth=1.1)
    if trace.scores:
        axes.axhline(1.0, linestyle="--", color="grey", linewidth=0.9, label="limit")
    else:
        axes.text(0.5, 0.5, "no baseline: no score", ha="center", va="center", transform=axes.transAxes)
    axes.set(
        title="; ".join(text for _, _, text in trace.alarms[-1:]) or "no alarm", xlabel="s", ylabel="score"
    )
    axes.title.set_fontsize(8)
    _decorate(axes, trace)


def _decorate(axes: Any, trace: Traces) -> None:
    for at_s, severity, _ in trace.alarms:
        axes.axvline(at_s, color=COLOURS.get(severity, "grey"), linewidth=1.2, alpha=0.8)
    for start_s, end_s in trace.gaps:
        axes.axvspan(start_s, end_s, color="grey", alpha=0.3, hatch="//")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=7, loc="best")
