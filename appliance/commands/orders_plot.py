"""A record over shaft angle as pictures: its order spectrum, and one revolution on average.

Duty: draw an `OrderReport` into axes of matplotlib.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.order_report import OrderReport

_TRACE, _SHAFT, _MESH = "#30475e", "#8a8a8a", "#e67e22"
_SHOWN_ORDERS = 40.0
_MARKED = 5  # multiples of shaft speed


def draw_orders(axes: Any, report: OrderReport, unit: str, gear_teeth: int | None = None) -> None:
    """Peak amplitude over orders; the shaft's first multiples and the mesh are marked."""
    top = min(
        _SHOWN_ORDERS if gear_teeth is None else max(_SHOWN_ORDERS, 2.2 * gear_teeth), report.orders[-1]
    )
    inside = (report.orders >= 0.1) & (report.orders <= top)
    values = report.amplitude[inside]
    axes.plot(report.orders[inside], values, color=_TRACE, linewidth=0.9)
    axes.margins(x=0.0)
    axes.set_ylim(0.0, 1.2 * max(1e-12, float(values.max(initial=0.0))))
    axes.grid(alpha=0.25)
    slowest, fastest = (60.0 * speed for speed in report.speed_range_hz)
    axes.set(
        xlabel="order, x shaft speed",
        ylabel=f"peak amplitude, {unit}",
        title=f"Order spectrum: {report.revolutions} revolutions at {slowest:.0f} to {fastest:.0f} rpm",
    )
    for order in range(1, _MARKED + 1):
        _mark(axes, float(order), f"{order}x", _SHAFT)
    if gear_teeth is not None:
        for harmonic in (1, 2):
            if harmonic * gear_teeth < top:
                _mark(axes, float(harmonic * gear_teeth), "mesh" if harmonic == 1 else "2 mesh", _MESH)


def draw_average(axes: Any, report: OrderReport, unit: str) -> None:
    """Synchronous average over one revolution, and how strong what is left is: its band of one RMS."""
    turns = np.arange(report.steps + 1) / report.steps
    average = np.append(report.average, report.average[0])
    axes.axhspan(-report.residual_rms, report.residual_rms, color=_MESH, alpha=0.18)
    axes.plot(turns, average, color=_TRACE, linewidth=1.0)
    axes.margins(x=0.0)
    axes.grid(alpha=0.25)
    axes.set(
        xlabel="revolution of the shaft",
        ylabel=f"acceleration, {unit}",
        title=f"Synchronous average, RMS {report.synchronous_rms:.3g}\n"
        f"residual (band): RMS {report.residual_rms:.3g}, {100.0 * report.residual_share:.2g} % of the "
        f"power, kurtosis {report.residual_kurtosis:.1f}",
    )
    axes.title.set_fontsize(10)


def _mark(axes: Any, at: float, text: str, colour: str) -> None:
    axes.axvline(at, color=colour, linewidth=0.9, linestyle="--", alpha=0.7)
    axes.annotate(
        text, (at, 1.0), (2, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
        color=colour, fontsize=9, rotation=90, va="top",
    )  # fmt: skip
