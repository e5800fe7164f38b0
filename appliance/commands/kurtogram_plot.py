"""A kurtogram as a picture: impulsiveness over frequency and bandwidth, the chosen band framed.

Duty: draw what `dsp.kurtogram` found into axes of matplotlib.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dsp.kurtogram import Kurtogram

_LEAST_TOP = 1.0  # of the colour scale: noise alone is not blown up to look like something


def draw_kurtogram(figure: Any, axes: Any, kurtogram: Kurtogram | None) -> None:
    """One row per level of the tree, coarse at the top; colour is the kurtosis K of the complex envelope.

    The scale ends at the largest K of a band whose impulses are no single event.
    """
    if kurtogram is None:
        axes.text(0.5, 0.5, "no kurtogram:\nthe record is too short", ha="center", va="center",
                  transform=axes.transAxes, color="#555555")  # fmt: skip
        axes.set(xticks=[], yticks=[])
        return
    levels = kurtogram.levels()
    half_rate_khz = kurtogram.sample_rate_hz / 2000.0
    finite = kurtogram.kurtosis[np.isfinite(kurtogram.kurtosis) & kurtogram.repeated]
    top = max(_LEAST_TOP, float(finite.max(initial=0.0)))
    image = None
    for row, (_, values) in enumerate(levels):
        edges_khz = np.linspace(0.0, half_rate_khz, len(values) + 1)
        image = axes.pcolormesh(
            edges_khz, [row - 0.5, row + 0.5], values[np.newaxis], vmin=0.0, vmax=top, cmap="magma"
        )
    axes.set_ylim(len(levels) - 0.5, -0.5)
    axes.set_yticks(range(len(levels)), [f"{_width(kurtogram, len(values))}" for _, values in levels])
    best = kurtogram.best
    title = "Kurtogram: no band impulsive beyond chance"
    if best is not None:
        lower_khz, upper_khz = best.lower_hz / 1000.0, best.upper_hz / 1000.0
        n_bands = round(kurtogram.sample_rate_hz / 2.0 / (best.upper_hz - best.lower_hz))
        row = min(range(len(levels)), key=lambda index: abs(len(levels[index][1]) - n_bands))
        axes.plot(
            [lower_khz, upper_khz, upper_khz, lower_khz, lower_khz],
            [row - 0.5, row - 0.5, row + 0.5, row + 0.5, row - 0.5],
            color="#00e5ff",
            linewidth=2.0,
        )
        title = f"Kurtogram: {lower_khz:.2f}-{upper_khz:.2f} kHz, K = {best.kurtosis:.1f}"
    axes.set(title=title, xlabel="frequency, kHz", ylabel="bandwidth, Hz")
    if image is not None:
        bar = figure.colorbar(image, ax=axes, pad=0.01)
        bar.set_label("K (0 noise, more: impulses)", fontsize=8)


def _width(kurtogram: Kurtogram, n_bands: int) -> str:
    width_hz = kurtogram.sample_rate_hz / 2.0 / n_bands
    return f"{width_hz:.0f}" if width_hz >= 10.0 or not math.isfinite(width_hz) else f"{width_hz:.1f}"
