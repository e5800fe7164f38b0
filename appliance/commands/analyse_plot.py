"""A recording's report as one picture: waveform, spectrum, velocity, envelope with markers, lines of
evidence.

Duty: draw what a `ChannelReport` holds, readable at a glance. matplotlib is an extra of the package and is
imported only here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.kurtogram_plot import draw_kurtogram
from appliance.commands.orders_plot import draw_average, draw_orders
from appliance.errors import Rejected
from dsp.bearing import BearingFault, FaultMultipliers
from dsp.fault_comb import LABELS
from models.channel_report import ChannelReport
from models.diagnosis import Verdict
from models.order_report import OrderReport

LINE_COLOURS = {
    BearingFault.OUTER_RACE: "#d62728",
    BearingFault.INNER_RACE: "#1f77b4",
    BearingFault.ROLLING_ELEMENT: "#2ca02c",
    BearingFault.CAGE: "#9467bd",
}
SHAFT_COLOUR = "#8a8a8a"
TRACE = "#30475e"
VERDICT_COLOURS = {Verdict.FAULT: "#c0392b", Verdict.HEALTHY: "#2e7d32", Verdict.ABSTAIN: "#b26a00"}
WAVEFORM_S = 0.25
ENVELOPE_ORDERS = 18.0
VELOCITY_MAX_HZ = 500.0
MARKED_HARMONICS = 3
MARKED_SHAFT_HARMONICS = 3


def draw_report(report: ChannelReport, name: str, out: Path, orders: OrderReport | None = None) -> None:
    """Write the picture, with a row over the shaft's angle where that was measured.

    Raises Rejected without matplotlib, or where `out` cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Rejected("--plot needs matplotlib; install the extra 'files'") from error
    mpl.use("Agg")
    heights = (1.0, 1.15, 1.35) if orders is None else (1.0, 1.15, 1.35, 1.15)
    figure = Figure(figsize=(16, 3.0 * sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 12, height_ratios=heights)
    _waveform(figure.add_subplot(grid[0, :8]), report)
    _summary(figure.add_subplot(grid[0, 8:]), report)
    _spectrum(figure.add_subplot(grid[1, :5]), report)
    draw_kurtogram(figure, figure.add_subplot(grid[1, 5:8]), report.kurtogram)
    _low_frequencies(figure.add_subplot(grid[1, 8:]), report)
    _envelope(figure.add_subplot(grid[2, :8]), report)
    _evidence(figure.add_subplot(grid[2, 8:]), report)
    if orders is not None:
        draw_orders(figure.add_subplot(grid[3, :8]), orders, _unit(report), report.machine.gear_teeth)
        draw_average(figure.add_subplot(grid[3, 8:]), orders, _unit(report))
    diagnosis = report.diagnosis
    headline = f"{diagnosis.verdict.value}: {diagnosis.text}  (confidence {diagnosis.confidence:.2f})"
    if report.windows_refused == report.windows:
        headline = f"check sensor: {report.sensor.verdict}; nothing is said of the machine"
    figure.suptitle(
        f"{name}, {report.channel}\n{headline}",
        fontsize=14,
        fontweight="bold",
        color=VERDICT_COLOURS[diagnosis.verdict],
    )
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise Rejected(
            f"{out}: the picture cannot be written ({error}); name a .png in a folder that exists"
        ) from error


def _unit(report: ChannelReport) -> str:
    return "m/s²" if report.unit == "m/s2" else "unit not stated"


def _waveform(axes: Any, report: ChannelReport) -> None:
    """The stretch around the largest sample: impacts are to be seen, not the whole recording as a smear."""
    samples = report.longest
    n = min(len(samples), max(16, round(WAVEFORM_S * report.sample_rate_hz)))
    finite = np.where(np.isfinite(samples), samples, 0.0)
    centre = int(np.abs(finite - finite.mean()).argmax())
    start = int(np.clip(centre - n // 2, 0, len(samples) - n))
    t_s = (start + np.arange(n)) / report.sample_rate_hz
    axes.plot(t_s, samples[start : start + n], color=TRACE, linewidth=0.6)
    axes.set(
        xlabel="time, s", ylabel=f"acceleration, {_unit(report)}", title="Waveform around its largest peak"
    )
    axes.margins(x=0.0)
    if report.shaft_hz is not None and n / report.sample_rate_hz * report.shaft_hz > 2.0:
        low = axes.get_ylim()[0]
        axes.plot([t_s[0], t_s[0] + 1.0 / report.shaft_hz], [low, low], color="#e67e22", linewidth=5)
        axes.annotate("1 revolution", (t_s[0], low), (2, 5), textcoords="offset points", fontsize=8)


def _summary(axes: Any, report: ChannelReport) -> None:
    axes.axis("off")
    origin = report.speed_origin.replace(" by the shaft's harmonics", "").replace(" from vibration", "")
    speed = "unknown" if report.shaft_hz is None else f"{report.shaft_hz * 60:.0f} rpm, {origin}"
    bearing = report.machine.bearing
    sensor = "ok"
    if report.windows_refused:
        sensor = f"CHECK SENSOR: {report.sensor.verdict} ({report.windows_refused}/{report.windows} windows)"
    levels = report.levels
    rms = levels.get("rms_mps2", levels.get("rms", float("nan")))
    peak = levels.get("peak_mps2", levels.get("peak", float("nan")))
    unit = "m/s²" if report.unit == "m/s2" else ""
    rows = [
        ("shaft", speed),
        ("bearing", "unknown" if bearing is None else bearing.designation or "as stated"),
        ("sensor", sensor),
        ("RMS, peak", f"{rms:.3g}, {peak:.3g} {unit}"),
        ("crest, kurtosis", f"{levels['crest_factor']:.2f}, {levels['kurtosis']:.2f}"),
    ]
    if np.isfinite(levels.get("velocity_rms_mm_s", np.nan)):
        rows.append(("velocity RMS", f"{levels['velocity_rms_mm_s']:.2f} mm/s"))
    zone = "not rated" if report.rating.zone is None else f"zone {report.rating.zone}"
    rows += [("ISO 20816-3", zone), ("", _wrapped(report.rating.reason, 44))]
    for row, (label, text) in enumerate(rows):
        y = 0.97 - 0.125 * row
        axes.text(0.0, y, label, fontsize=10, color="#555555", va="top", transform=axes.transAxes)
        warning = text.startswith("CHECK")
        axes.text(
            0.34 if label else 0.0,
            y,
            text,
            fontsize=10 if label else 8.5,
            va="top",
            color="#c0392b" if warning else "black",
            transform=axes.transAxes,
        )


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _spectrum(axes: Any, report: ChannelReport) -> None:
    if not len(report.spectrum):
        _nothing(axes, "no spectrum: samples are missing or not numbers")
        return
    levels = np.maximum(report.spectrum[1:], 1e-6 * float(report.spectrum[1:].max(initial=1e-30)))
    axes.semilogy(report.spectrum_hz[1:] / 1000.0, levels, color=TRACE, linewidth=0.6)
    axes.set(
        xlabel="frequency, kHz",
        ylabel=f"peak amplitude, {_unit(report)}",
        title=f"Amplitude spectrum (Hann, {report.spectrum_hz[1]:.2g} Hz lines)",
    )
    axes.margins(x=0.0)
    axes.grid(alpha=0.25)


def _low_frequencies(axes: Any, report: ChannelReport) -> None:
    """Shaft harmonics: as velocity where the unit is known, for that is what is rated."""
    if not len(report.spectrum):
        _nothing(axes, "no spectrum")
        return
    top_hz = VELOCITY_MAX_HZ if report.shaft_hz is None else min(12.0 * report.shaft_hz, VELOCITY_MAX_HZ * 2)
    f = report.spectrum_hz
    first = max(1, int(np.searchsorted(f, 4.0)))
    inside = slice(first, int(np.searchsorted(f, min(top_hz, f[-1]))))
    velocity = report.unit == "m/s2"
    factor = 1000.0 / (2.0 * np.pi * f[inside]) / np.sqrt(2.0) if velocity else np.ones(len(f[inside]))
    values = report.spectrum[inside] * factor
    label = "velocity RMS, mm/s" if velocity else f"peak amplitude, {_unit(report)}"
    axes.plot(f[inside], values, color=TRACE, linewidth=0.9)
    axes.set(xlabel="frequency, Hz", ylabel=label, title="Low frequencies: the shaft")
    axes.margins(x=0.0)
    # below the shaft's speed an accelerometer's drift, divided by the frequency, would set the scale
    least_hz = 10.0 if report.shaft_hz is None else 0.6 * report.shaft_hz
    axes.set_ylim(0.0, 1.18 * float(values[f[inside] >= least_hz].max(initial=1e-12)))
    axes.grid(alpha=0.25)
    if report.shaft_hz is not None:
        for harmonic in range(1, MARKED_SHAFT_HARMONICS + 1):
            _marker(axes, harmonic * report.shaft_hz, f"{harmonic}x", SHAFT_COLOUR, strong=True)


def _envelope(axes: Any, report: ChannelReport) -> None:
    if report.orders is not None:
        orders = report.orders
        x = np.arange(len(orders.prominence)) * np.float64(1.0 / orders.cells_per_order)
        depth, top, label = orders.depth, min(ENVELOPE_ORDERS, orders.max_order), "order, x shaft speed"
    elif report.envelope is not None:
        x = np.arange(len(report.envelope.depth)) * np.float64(report.envelope.step_hz)
        depth, top, label = report.envelope.depth, float(x[-1]), "modulation frequency, Hz"
    else:
        _nothing(axes, "no envelope spectrum: the recording is too short")
        return
    first = int(np.searchsorted(x, 0.15 if report.orders is not None else 2.0))
    inside = slice(first, int(np.searchsorted(x, top)))
    axes.plot(x[inside], 100.0 * depth[inside], color=TRACE, linewidth=0.7)
    axes.set(
        xlabel=label,
        ylabel="modulation depth, %",
        title="Squared envelope spectrum, prewhitened, mean over bands and records",
    )
    axes.margins(x=0.0)
    axes.set_ylim(0.0, 125.0 * float(depth[inside].max(initial=1e-12)))
    axes.grid(alpha=0.25)
    if report.orders is not None and report.machine.bearing is not None:
        _fault_markers(axes, report, report.machine.bearing, top)


def _fault_markers(axes: Any, report: ChannelReport, bearing: FaultMultipliers, top: float) -> None:
    called = report.diagnosis.fault
    found = {line.fault: line for line in report.lines}
    for harmonic in range(1, MARKED_SHAFT_HARMONICS + 1):
        _marker(axes, float(harmonic), f"{harmonic}x", SHAFT_COLOUR)
    for fault, colour in LINE_COLOURS.items():
        line = found.get(fault)
        multiplier = line.multiplier if line is not None and line.resolvable else bearing.of(fault)
        strong = called == fault.value
        harmonics = MARKED_HARMONICS if strong or called is None else 1
        for harmonic in range(1, harmonics + 1):
            at = harmonic * multiplier
            if at < top:
                text = LABELS[fault] if harmonic == 1 else f"{harmonic}"
                _marker(axes, at, text, colour, strong=strong)
        if strong:
            for offset, text in _sidebands(fault, bearing):
                _marker(axes, multiplier + offset, text, colour)


def _sidebands(fault: BearingFault, bearing: FaultMultipliers) -> tuple[tuple[float, str], ...]:
    """Lines beside a fault's own, by what modulates its impacts on their way through the load zone."""
    if fault is BearingFault.INNER_RACE:
        return (-1.0, "-1x"), (1.0, "+1x")
    if fault is BearingFault.ROLLING_ELEMENT:
        return (-bearing.ftf, "-FTF"), (bearing.ftf, "+FTF")
    return ()


def _marker(axes: Any, at: float, text: str, colour: str, *, strong: bool = False) -> None:
    axes.axvline(
        at, color=colour, linewidth=1.3 if strong else 0.8, alpha=0.9 if strong else 0.45, linestyle="--"
    )
    axes.annotate(
        text,
        (at, 1.0),
        (2, -3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=colour,
        fontsize=9,
        fontweight="bold" if strong else "normal",
        rotation=90,
        va="top",
    )


def _evidence(axes: Any, report: ChannelReport) -> None:
    """How much speaks for each fault, 1.0 being the limit of calling it."""
    ranking = report.diagnosis.ranking
    axes.set_title("Evidence for each fault")
    if not ranking:
        _nothing(axes, _wrapped(f"none: {report.diagnosis.text}", 40))
        return
    colours = {fault.value: colour for fault, colour in LINE_COLOURS.items()}
    names = [one.fault for one in ranking][::-1]
    values = [one.evidence for one in ranking][::-1]
    axes.barh(names, values, color=[colours.get(name, TRACE) for name in names], alpha=0.85)
    axes.axvline(1.0, color="black", linewidth=1.2, linestyle="--")
    axes.annotate("called from here", (1.0, 0.0), (4, 6), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=9)  # fmt: skip
    axes.set_xlim(0.0, max(1.5, 1.1 * max(values)))
    axes.set_xlabel("evidence, 1 = limit of calling it")
    notes = [f"{line.label}: not resolvable" for line in report.lines if not line.resolvable]
    if notes:
        axes.annotate("\n".join(notes), (0.98, 0.3), xycoords="axes fraction", ha="right", fontsize=9)


def _nothing(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="#555555")
    axes.set(xticks=[], yticks=[])
