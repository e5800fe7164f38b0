"""Plates that contradict the sensors that look at the machine.

Duty: what no machine can be, or no sensor can see, though each setting by itself is possible. What is merely
missing, and so cannot be judged, is `asset_prospects`' to say.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.config import ApplianceSettings, AssetSettings, SerialSettings

Problem = tuple[str, str, str]  # key, reason, remedy
_BANDWIDTH = 2.56  # rate over highest frequency that an analyser's filter leaves
_BEARING_SHARE = 0.9  # of the pitch diameter that an element may have: more would leave no rings


def plate_problems(settings: ApplianceSettings) -> Iterator[Problem]:
    """(key, reason, remedy) of every contradiction between a machine's plate and its sensors."""
    for i, asset in enumerate(settings.assets):
        key = f"assets[{i}]"
        yield from _shaft(key, asset, _slowest_rate_hz(settings, asset.id))
        yield from _bearing(key, asset)


def _slowest_rate_hz(settings: ApplianceSettings, asset_id: str) -> float | None:
    """The lowest rate at which this machine's vibration is sampled; None without an accelerometer."""
    rates = [
        source.sample_rate_hz
        for source in settings.sources
        if isinstance(source, SerialSettings) and any(axis.asset == asset_id for axis in source.axes)
    ]
    return min(rates, default=None)


def _shaft(key: str, asset: AssetSettings, rate_hz: float | None) -> Iterator[Problem]:
    if asset.nominal_speed_rpm is None or rate_hz is None:
        return
    shaft_hz, highest_hz = asset.nominal_speed_rpm / 60.0, rate_hz / _BANDWIDTH
    if shaft_hz > highest_hz:
        yield (
            f"{key}.nominal_speed_rpm",
            f"{asset.nominal_speed_rpm:g} rpm are {shaft_hz:.0f} Hz; a sensor of {rate_hz:g} Hz sees up to"
            f" {highest_hz:.0f} Hz",
            "Check the speed and its unit (rpm, not Hz), or set the sensor to a higher rate.",
        )


def _bearing(key: str, asset: AssetSettings) -> Iterator[Problem]:
    bearing = asset.bearing
    if bearing is None:
        return
    element, pitch = bearing.rolling_element_diameter_mm, bearing.pitch_diameter_mm
    if element is not None and pitch is not None and _BEARING_SHARE * pitch < element < pitch:
        yield (
            f"{key}.bearing.rolling_element_diameter_mm",
            f"{element:g} mm on a pitch circle of {pitch:g} mm leaves no room for the rings",
            "Check both: the pitch circle runs through the centres of the elements.",
        )
