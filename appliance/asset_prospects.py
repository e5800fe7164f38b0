"""What the appliance will be able to judge of a machine, said before anything is measured.

Duty: from settings alone: zones or why not, fault lines or why not, how long it learns. Judges nothing; the
reasons are those that the rating itself gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from appliance.analysis_settings import AnalysisSettings
from appliance.bearing_catalogue import find_bearing
from appliance.config import ApplianceSettings, AssetSettings, SerialSettings, TagSettings
from appliance.machine_facts import build_analysis, build_machine
from dsp.bearing import FaultMultipliers
from dsp.severity import rate_severity, velocity_statable
from dsp.severity_limits import ZONE_LIMITS, Support
from models.machine import Machine
from models.record_length import settings_at_speed

_SLOW_RPM = 100.0  # below it, a speed may well have been meant in Hz
_DIFFERS = 0.03  # of a fault line's multiplier, from the catalogue's


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether one thing will be judged, and how; or why not, and what would be needed."""

    what: str
    possible: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Watched:
    """A machine with what looks at it."""

    machine: Machine
    rate_hz: float | None  # of its accelerometers, the slowest; None: there is none
    tags: frozenset[str]  # measurands of its process values


def prospects(settings: ApplianceSettings, asset: AssetSettings) -> list[Prospect]:
    """What will be judged of a machine. Raises Fatal for a bearing that cannot be."""
    watched = _watched(settings, asset)
    process = [*_process(asset, watched)]
    if watched.rate_hz is None:
        shown = "no accelerometer is on it" + ("" if process else ": only its process values are shown")
        return [Prospect("vibration", False, shown), *process]
    profile = build_analysis(settings.station)
    of_vibration = [_zones(watched), _fault_lines(watched, profile), *_gear(watched)]
    return [*of_vibration, _learning(watched, profile), *_networks(settings, asset), *process]


def _networks(settings: ApplianceSettings, asset: AssetSettings) -> Iterator[Prospect]:
    """Which channels a network scores, and who answers in which order."""
    if settings.models is None:
        return
    order = ", then ".join([*settings.models.backends, "the statistical detector"])
    for slot in settings.models.slots:
        own = [
            axis.channel
            for source in settings.sources
            if isinstance(source, SerialSettings)
            for axis in source.axes
            if axis.asset == asset.id and slot.holds(axis.asset, axis.channel)
        ]
        if own:
            yield Prospect("network", True, f"slot {slot.name} scores {', '.join(own)}, run by {order}")


def plate_notes(settings: ApplianceSettings, asset: AssetSettings) -> list[str]:
    """What is possible, but probably not meant."""
    notes = []
    speed_rpm = asset.nominal_speed_rpm
    if speed_rpm is not None and speed_rpm < _SLOW_RPM:
        notes.append(f"nominal_speed_rpm is {speed_rpm:g}: is that rpm, or Hz ({60.0 * speed_rpm:g} rpm)?")
    if asset.zone_limits is not None and not _zones(_watched(settings, asset)).possible:
        notes.append("zone_limits are not used: they replace the standard's figures, not its scope")
    stated = build_machine(asset).bearing
    known = None if asset.bearing is None else find_bearing(asset.bearing.designation)
    if stated is not None and known is not None:
        notes += _differences(stated, known.multipliers, known.name)
    return notes


def _watched(settings: ApplianceSettings, asset: AssetSettings) -> _Watched:
    rates, tags = [], set()
    for source in settings.sources:
        if isinstance(source, SerialSettings):
            if any(axis.asset == asset.id for axis in source.axes):
                rates.append(source.sample_rate_hz)
        else:
            entries: list[TagSettings] = source.tags
            tags |= {tag.measurand for tag in entries if tag.asset == asset.id}
    return _Watched(build_machine(asset), min(rates, default=None), frozenset(tags))


def _zones(watched: _Watched) -> Prospect:
    machine, rate_hz = watched.machine, watched.rate_hz or 0.0
    if not velocity_statable(rate_hz, round(2.0 * rate_hz)):
        text = f"velocity up to 1000 Hz cannot be stated from {rate_hz:g} Hz; at least 2250 Hz are needed"
        return Prospect("zones", False, text)
    rating = rate_severity(
        1.0,
        machine.rated_power_kw,
        machine.foundation,
        shaft_hz=machine.nominal_shaft_hz,
        limits=machine.zone_limits,
    )
    if rating.limits is None or rating.group is None:
        needed = {
            "rated power is unknown": "; give rated_power_kw",
            "it is unknown whether the foundation is rigid or flexible": "; give foundation",
        }.get(rating.reason, "")
        return Prospect("zones", False, f"not rated after ISO 20816-3: {rating.reason}{needed}")
    a_b, b_c, c_d = rating.limits.velocity_mm_s
    by = rating.limits.source if machine.zone_limits is not None else f"ISO 20816-3 {rating.group}"
    if machine.zone_limits is None and machine.foundation is not None:
        assert rating.limits == ZONE_LIMITS[rating.group, Support(machine.foundation)]
        by += f", {machine.foundation}"
    return Prospect("zones", True, f"{by}: A/B {a_b:g}, B/C {b_c:g}, C/D {c_d:g} mm/s")


def _fault_lines(watched: _Watched, profile: AnalysisSettings) -> Prospect:
    machine = watched.machine
    measured = "shaft_speed" in watched.tags
    if machine.bearing is None:
        return Prospect("fault lines", False, "no bearing is given; give its designation or geometry")
    if machine.nominal_shaft_hz is None and not measured:
        text = "the shaft's speed is unknown; give nominal_speed_rpm, or a tag of shaft_speed"
        return Prospect("fault lines", False, text)
    lines = machine.bearing
    name = f" of {lines.designation}" if lines.designation else ""
    text = (
        f"BPFO {lines.bpfo:.3g}, BPFI {lines.bpfi:.3g}, BSF {lines.bsf:.3g}, FTF {lines.ftf:.3g}"
        f" x shaft speed{name}, speed {'measured' if measured else 'from the plate only'}"
    )
    record_s = settings_at_speed(profile.diagnosis, lines, machine.nominal_shaft_hz).record_s
    if record_s > profile.diagnosis.record_s:
        text += f"; so slow that a record takes {record_s:.0f} s"
    return Prospect("fault lines", True, text)


def _gear(watched: _Watched) -> list[Prospect]:
    machine, rate_hz = watched.machine, watched.rate_hz or 0.0
    if machine.gear_teeth is None:
        return []
    if machine.nominal_shaft_hz is None:
        return [Prospect("gear", False, "the mesh needs nominal_speed_rpm to be checked against the sensor")]
    mesh_hz = machine.gear_teeth * machine.nominal_shaft_hz
    seen = 2.0 * mesh_hz < rate_hz
    text = f"mesh of {machine.gear_teeth} teeth at {mesh_hz:.0f} Hz"
    return [Prospect("gear", seen, text if seen else f"{text} lies above half the rate of {rate_hz:g} Hz")]


def _learning(watched: _Watched, profile: AnalysisSettings) -> Prospect:
    needed_s = profile.learning.learn_s
    needed = f"{needed_s / 3600.0:g} h" if needed_s >= 3600.0 else f"{needed_s:g} s"
    text = f"after {needed} of steady, healthy running in {_states(watched)}"
    if profile.cadence_s > 0.0:
        text += f"; a second of waveform is judged each {profile.cadence_s:g} s"
    return Prospect("learned limits", True, text)


def _states(watched: _Watched) -> str:
    by = [word for tag, word in (("shaft_speed", "speed"), ("load", "load")) if tag in watched.tags]
    if by:
        return f"each operating state (by {' and '.join(by)})"
    return "one operating state: no speed, no load"


def _process(asset: AssetSettings, watched: _Watched) -> Iterator[Prospect]:
    for group in asset.process_groups or ():
        needed = f"after {group.learn_h:g} h of running in {_states(watched)}"
        text = f"{', '.join(group.channels)} together, {needed}"
        yield Prospect(f"process values {group.id}", True, text)
    for tag in asset.slow_tags or ():
        while_ = " of running" if tag.only_running else ""
        yield Prospect("slow tag", True, f"{tag.channel}, after {tag.learn_days:g} days{while_}")


def _differences(stated: FaultMultipliers, known: FaultMultipliers, name: str) -> list[str]:
    pairs = (("BPFO", stated.bpfo, known.bpfo), ("BPFI", stated.bpfi, known.bpfi))
    return [
        f"{line} is {value:.3g} x shaft speed as stated, {right:.3g} for {name} in the catalogue"
        for line, value, right in pairs
        if abs(value - right) > _DIFFERS * right
    ]
