"""The shaft's angle from a channel of the recording, and what is said over it: options, wording, JSON.

Duty: `--tacho` and `--speed-channel` of `stethos analyse`. Figures are `models.order_report`'s.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from appliance.commands.timeline import finite
from appliance.sources.recordings import Recording
from dsp.errors import DspError
from dsp.tacho import ShaftAngle, angle_from_pulses, angle_from_speed, pulse_times_s
from models.order_report import OrderReport, order_report, speed_remark

_SPEED_FACTORS = {"rpm": 1.0 / 60.0, "Hz": 1.0}
_SPEED_STEP_S = 0.05  # a speed channel is read as often: what changes faster is its own noise
_AGREEING = 0.1  # a stated speed may be off by this from a measured one before it is worth a word
_GEAR = ("mesh", "sideband_index", "fm0", "fm4")


@dataclass(frozen=True, slots=True)
class MeasuredShaft:
    """What a channel beside the vibration says of the shaft during the longest stretch."""

    column: int
    source: str
    angle: ShaftAngle | None  # None where the channel cannot be read as one; `error` then says why
    error: str = ""

    @property
    def speed_hz(self) -> float | None:
        """Mean speed over the stretch."""
        if self.angle is None:
            return None
        return float(np.ptp(self.angle.revolutions) / np.ptp(self.angle.times_s))


def add_shaft_options(parser: argparse.ArgumentParser) -> None:
    """Options that name a channel of the file as the shaft's."""
    group = parser.add_argument_group("the shaft's angle from a channel of the file, for orders")
    channel = group.add_mutually_exclusive_group()
    channel.add_argument("--tacho", metavar="CHANNEL", help="name or number of a channel of pulses")
    channel.add_argument(
        "--speed-channel", metavar="CHANNEL", help="name or number of a channel that holds the shaft's speed"
    )
    group.add_argument(
        "--pulses-per-rev", type=int, default=1, metavar="N", help="pulses per revolution (default 1)"
    )
    group.add_argument(
        "--speed-unit", choices=sorted(_SPEED_FACTORS), default="rpm", help="of --speed-channel (default rpm)"
    )


def measured_shaft(recording: Recording, options: argparse.Namespace) -> MeasuredShaft | None:
    """The angle that the named channel gives; None where none was named.

    A channel that cannot be read as an angle (pulses missing, a shaft at rest) is no wrong option: the rest
    of the analysis does without orders. Raises ValueError for a wrong option.
    """
    named = options.tacho if options.tacho is not None else options.speed_channel
    if named is None:
        return None
    column = _column(recording, named, "--tacho" if options.tacho is not None else "--speed-channel")
    if options.pulses_per_rev < 1:
        raise ValueError(f"--pulses-per-rev {options.pulses_per_rev} should be 1 or more")
    segment = max(recording.segments, key=lambda one: len(one.samples))
    values = segment.samples[:, column].astype(np.float64)
    name = recording.channel_names[column]
    try:
        if options.tacho is not None:
            n = options.pulses_per_rev
            source = f"tacho channel {name!r}, {n} pulse{'s' if n > 1 else ''} per revolution"
            angle = angle_from_pulses(pulse_times_s(values, recording.sample_rate_hz), n)
        else:
            source = f"speed channel {name!r}, {options.speed_unit}"
            factor = _SPEED_FACTORS[options.speed_unit] / recording.factor
            angle = _angle_of_speed(values * factor, recording.sample_rate_hz)
    except DspError as error:
        return MeasuredShaft(column, source, None, str(error))
    return MeasuredShaft(column, source, angle)


def _column(recording: Recording, named: str, option: str) -> int:
    names = recording.channel_names
    if named in names:
        return names.index(named)
    if named.isdigit() and int(named) < len(names):
        return int(named)
    raise ValueError(f"{option} {named!r}: the file has {', '.join(names)} (0 to {len(names) - 1})")


def _angle_of_speed(speed_hz: np.ndarray, rate_hz: float) -> ShaftAngle:
    """Means of short stretches stand at their middles; the first and last reach to the record's ends."""
    step = max(1, round(_SPEED_STEP_S * rate_hz))
    whole = len(speed_hz) // step
    if whole < 2:
        raise DspError(f"a speed channel of {len(speed_hz)} samples is too short")
    means = speed_hz[: whole * step].reshape(whole, step).mean(axis=1)
    times_s = (np.arange(whole) * step + 0.5 * (step - 1)) / rate_hz
    times_s = np.concatenate(([0.0], times_s, [(len(speed_hz) - 1) / rate_hz])) if step > 1 else times_s
    means = np.concatenate((means[:1], means, means[-1:])) if step > 1 else means
    return angle_from_speed(times_s, means)


def orders_of(
    shaft: MeasuredShaft, samples: np.ndarray, rate_hz: float, gear_teeth: int | None, stated_hz: float | None
) -> tuple[OrderReport | None, tuple[str, ...]]:
    """The channel over angle, and remarks; None with the reason where it cannot be resampled."""
    if shaft.angle is None:
        return None, (f"orders: {shaft.source}: {shaft.error}",)
    try:
        found = order_report(samples, rate_hz, shaft.angle, shaft.source, gear_teeth)
    except DspError as error:
        return None, (f"orders: {error}",)
    remarks = [remark for remark in (speed_remark(found), *found.remarks) if remark]
    if stated_hz is not None and abs(found.speed_hz / stated_hz - 1.0) > _AGREEING:
        remarks.append(
            f"measured are {found.speed_hz * 60:.0f} rpm, stated {stated_hz * 60:.0f}: are the pulses per "
            "revolution, or the unit, right?"
        )
    return found, tuple(remarks)


def orders_json(report: OrderReport | None, remarks: Sequence[str]) -> dict[str, Any] | None:
    """The figures as `--json` prints them; None where no channel was named."""
    if report is None:
        return {"source": None, "remarks": list(remarks)} if remarks else None
    return {
        "source": report.source,
        "remarks": list(remarks),
        "speed_hz": finite(report.speed_hz),
        "slowest_hz": finite(report.speed_range_hz[0]),
        "fastest_hz": finite(report.speed_range_hz[1]),
        "revolutions": report.revolutions,
        "steps_per_revolution": report.steps,
        "lines": {name: finite(value) for name, value in report.lines.items()},
        "rms": finite(report.rms),
        "synchronous_rms": finite(report.synchronous_rms),
        "residual_rms": finite(report.residual_rms),
        "residual_share": finite(report.residual_share),
        "residual_kurtosis": finite(report.residual_kurtosis),
        "residual_crest_factor": finite(report.residual_crest_factor),
        "highest_orders": [
            {"order": finite(order), "amplitude": finite(amplitude)}
            for order, amplitude in highest_orders(report)
        ],
    }


def print_orders(console: Console, report: OrderReport | None, remarks: Sequence[str]) -> None:
    """The figures in words."""
    if report is not None:
        slowest, fastest = (60.0 * speed for speed in report.speed_range_hz)
        console.print(
            f"  orders     {report.revolutions} revolutions at {slowest:.0f} to {fastest:.0f} rpm, by "
            f"{escape(report.source)}"
        )
        console.print(f"             peak amplitude {_words(report.lines)}")
        highest = ", ".join(f"{order:.2f} ({value:.3g})" for order, value in highest_orders(report))
        console.print(f"             highest orders {highest}")
        console.print(
            f"             RMS {report.rms:.3g}: bound to the shaft {report.synchronous_rms:.3g}, residual "
            f"{report.residual_rms:.3g} ({100.0 * report.residual_share:.2g} % of the power, kurtosis "
            f"{report.residual_kurtosis:.1f}, crest factor {report.residual_crest_factor:.1f})"
        )
    for remark in remarks:
        console.print(f"             {escape(remark)}", style="yellow")


def highest_orders(report: OrderReport, count: int = 5) -> list[tuple[float, float]]:
    """The highest local maxima above order 0.5: (order, peak amplitude), highest first."""
    values = report.amplitude
    inner = np.flatnonzero((values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])) + 1
    inner = inner[report.orders[inner] > 0.5]
    best = inner[np.argsort(values[inner])[::-1][:count]]
    return [(float(report.orders[i]), float(values[i])) for i in best]


def _words(lines: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {v:.3g}" for name, v in lines.items() if math.isfinite(v))
