"""Whether the axes of one sensor still stand where they stood when the machine was learned.

Duty: compare all axes of a sensor, window by window, with what each of them showed while it was trusted, and
say of every one that another took its place. What a difference means stands in `dsp.sensor_reference`; each
axis' own figures are its `SensorBaseline`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from appliance.analysis_sensor import SensorBaseline
from dsp.framing import Window
from dsp.samples import Channel, Measurand
from dsp.sensor_check import SensorCheck, SensorCondition, sensor_verdict
from dsp.sensor_reference import swapped_axes

NEEDED = 3  # windows in a row that must show the same exchange
MOST_AXES = 4  # every order of them is tried


class _Trusted(Protocol):
    @property
    def sensor(self) -> SensorBaseline:
        """What the channel's sensor showed, and shows."""


class AxisWatch:
    """The axes of every sensor of one machine that has two or more."""

    def __init__(self, channels: Sequence[Channel], trusted: Mapping[str, _Trusted]) -> None:
        self._trusted = trusted
        self._axes: dict[str, tuple[str, ...]] = {}  # channel id -> all of its sensor, in order
        by_sensor: dict[str, list[str]] = {}
        for channel in channels:
            if channel.measurand is Measurand.ACCELERATION and channel.sensor_id:
                by_sensor.setdefault(channel.sensor_id, []).append(channel.channel_id)
        for axes in by_sensor.values():
            if 1 < len(axes) <= MOST_AXES:
                self._axes |= dict.fromkeys(axes, tuple(axes))
        self._seen: dict[tuple[str, ...], tuple[tuple[int, ...] | None, int]] = {}  # exchange, how often

    def checked(self, window: Window, found: SensorCheck) -> SensorCheck:
        """The verdict on a window: `found`, unless the sensor's axes are exchanged.

        Comparison waits for the window of the last axis, so the first verdicts come a few windows late. An
        exchange also explains a bias that shifted; it explains no other fault of a sensor.
        """
        axes = self._axes.get(window.channel_id)
        if axes is None:
            return found
        self._compare(axes, window.start_ns)
        exchange, count = self._seen.get(axes, (None, 0))
        if exchange is None or count < NEEDED:
            return found
        place = axes.index(window.channel_id)
        other = axes[exchange[place]]
        if other == window.channel_id or not (found.usable or found.verdict is SensorCondition.BIAS_SHIFT):
            return found
        text = f"It shows what {other} showed while the machine was learned."
        return sensor_verdict(window, SensorCondition.SWAPPED_AXIS, text)

    def _compare(self, axes: tuple[str, ...], start_ns: int) -> None:
        """Once the windows of all axes that begin there have been seen."""
        latest = [self._trusted[axis].sensor.latest for axis in axes]
        if any(one is None or one.start_ns != start_ns for one in latest):
            return
        compared = [one for one in latest if one is not None]
        if any(one.reference is None for one in compared):
            self._seen.pop(axes, None)
            return
        usual = [one.reference.median for one in compared if one.reference is not None]
        exchange = swapped_axes(usual, [one.figures for one in compared])
        known, count = self._seen.get(axes, (None, 0))
        self._seen[axes] = (exchange, count + 1 if exchange == known else 1)
