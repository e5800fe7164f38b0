"""Rules between settings that no single setting can break.

Duty: what is contradictory, doubled, unknown or missing across a configuration. Looks at the file system only
to see that files named by the configuration exist and secrets are kept; opens no port and no connection.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.bearing_catalogue import find_bearing
from appliance.config import (
    SHORTEST_CADENCE_S,
    UNITS,
    ApplianceSettings,
    AssetSettings,
    AxisSettings,
    BearingSettings,
    OpcUaSettings,
    SerialSettings,
    StationSettings,
    TagSettings,
    WebSettings,
    ZoneLimitsSettings,
)
from appliance.config_cameras import camera_problems
from appliance.config_central import central_problems
from appliance.config_drill import drill_problems
from appliance.config_metrics import metrics_problems
from appliance.config_models import model_problems
from appliance.config_object_store import object_store_problems
from appliance.config_plates import plate_problems
from appliance.config_process import process_problems
from appliance.config_webhooks import webhook_problems

BYTES_PER_SAMPLE = 2  # of one axis on the line
BITS_PER_BYTE = 10  # with start and stop bit
MULTIPLIERS = ("bpfo", "bpfi", "bsf", "ftf")
GEOMETRY = ("n_rolling_elements", "rolling_element_diameter_mm", "pitch_diameter_mm")


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule."""

    key: str
    reason: str
    remedy: str


def findings(settings: ApplianceSettings) -> list[Finding]:
    """Every broken rule, in the order of the file."""
    return [
        *_something(settings),
        *_station(settings.station),
        *_web(settings.web),
        *_central(settings),
        *_object_store(settings),
        *(Finding(*problem) for problem in webhook_problems(settings.webhooks)),
        *_metrics(settings),
        *_drill(settings),
        *_assets(settings.assets),
        *(Finding(*problem) for problem in plate_problems(settings)),
        *_sources(settings),
        *_channels(settings),
        *_process(settings),
        *_models(settings),
        *_cameras(settings),
    ]


def _something(settings: ApplianceSettings) -> Iterator[Finding]:
    """There is something to listen to or to look at: machines with what measures them, cameras, or both."""
    sample = "as in image/stethos.sample.toml"
    measured = any(isinstance(one, SerialSettings) or one.tags for one in settings.sources)
    if settings.cameras and not settings.assets and not measured:
        return
    if not (settings.assets or settings.sources):
        reason = "names no machine and no camera: there is nothing to do"
        yield Finding("", reason, f"Add [[assets]] with [[sources]], or [[cameras]], {sample}.")
    elif not settings.assets:
        reason = "is missing: what is measured belongs to a machine"
        yield Finding("assets", reason, f"Add an [[assets]] table for each machine, {sample}.")
    elif not measured:
        reason = "is missing: nothing measures the machines"
        yield Finding("sources", reason, f"Add a [[sources]] table for each sensor and server, {sample}.")


def _cameras(settings: ApplianceSettings) -> Iterator[Finding]:
    taken = {one.id for one in (*settings.assets, *settings.sources)} | {"appliance"}
    tags = [tag.channel for one in settings.sources if isinstance(one, OpcUaSettings) for tag in one.tags]
    plcs = {
        one.id: [tag.node for tag in one.tags] for one in settings.sources if isinstance(one, OpcUaSettings)
    }
    problems = camera_problems(settings.cameras, taken_ids=taken, tags=tags, plcs=plcs)
    yield from (Finding(*problem) for problem in problems)


def _station(station: StationSettings) -> Iterator[Finding]:
    key, cadence_s = "station.decision_cadence_s", station.decision_cadence_s
    if 0.0 < cadence_s < SHORTEST_CADENCE_S:
        remedy = f"Write 0 to judge all of the waveform, or {SHORTEST_CADENCE_S:g} s or more."
        yield Finding(key, f"{cadence_s:g} s leaves nothing out that would matter", remedy)
    elif cadence_s > 0.0 and station.profile == "demo":
        remedy = 'Write 0, or profile = "default".'
        yield Finding(key, 'profile "demo" learns in a minute, from all of the waveform', remedy)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _web(web: WebSettings) -> Iterator[Finding]:
    if (web.certificate_file is None) != (web.key_file is None):
        missing = "key_file" if web.key_file is None else "certificate_file"
        yield Finding(
            f"web.{missing}", "is missing", "A certificate and its key belong together: give both or none."
        )
    for name, path in (("certificate_file", web.certificate_file), ("key_file", web.key_file)):
        yield from _file(f"web.{name}", path)


def _central(settings: ApplianceSettings) -> Iterator[Finding]:
    if settings.central is not None:
        yield from (Finding(*problem) for problem in central_problems(settings.central, is_loopback))


def _object_store(settings: ApplianceSettings) -> Iterator[Finding]:
    if settings.object_store is not None:
        problems = object_store_problems(settings.object_store, is_loopback)
        yield from (Finding(*problem) for problem in problems)


def _metrics(settings: ApplianceSettings) -> Iterator[Finding]:
    if settings.metrics is not None:
        yield from (Finding(*problem) for problem in metrics_problems(settings.metrics))


def _drill(settings: ApplianceSettings) -> Iterator[Finding]:
    if settings.drill is not None:
        yield from (Finding(*problem) for problem in drill_problems(settings.drill))


def _models(settings: ApplianceSettings) -> Iterator[Finding]:
    if settings.models is not None:
        sensed = [
            (axis.asset, axis.channel)
            for source in settings.sources
            if isinstance(source, SerialSettings)
            for axis in source.axes
        ]
        yield from (Finding(*problem) for problem in model_problems(settings.models, sensed))


def _file(key: str, path: Path | None) -> Iterator[Finding]:
    if path is not None and not path.is_file():
        yield Finding(key, f"there is no file {path}", "Create it, or correct the path.")


def _doubles(values: Iterable[tuple[str, str]], remedy: str) -> Iterator[Finding]:
    """One finding per value seen before; `values` are (key, value)."""
    first: dict[str, str] = {}
    for key, value in values:
        if value in first:
            yield Finding(key, f'"{value}" is already used by {first[value]}', remedy)
        else:
            first[value] = key


def _assets(assets: list[AssetSettings]) -> Iterator[Finding]:
    each = list(enumerate(assets))
    yield from _doubles(
        ((f"assets[{i}].id", asset.id) for i, asset in each), "Give every machine its own id."
    )
    yield from _doubles(
        ((f"assets[{i}].name", asset.name) for i, asset in each),
        "Give every machine its own name: a technician must know which one is meant.",
    )
    for i, asset in each:
        if asset.bearing is not None:
            yield from _bearing(f"assets[{i}].bearing", asset.bearing)
        if asset.zone_limits is not None:
            yield from _zone_limits(f"assets[{i}].zone_limits", asset.zone_limits)


def _zone_limits(key: str, limits: ZoneLimitsSettings) -> Iterator[Finding]:
    for name in ("velocity_mm_s", "displacement_um"):
        values = getattr(limits, name)
        if values is not None and sorted(set(values)) != values:
            yield Finding(
                f"{key}.{name}", f"{values} does not rise", "Write the limits A/B, B/C, C/D in this order."
            )


def _bearing(key: str, bearing: BearingSettings) -> Iterator[Finding]:
    multipliers = [name for name in MULTIPLIERS if getattr(bearing, name) is not None]
    geometry = [name for name in GEOMETRY if getattr(bearing, name) is not None]
    if not multipliers and not geometry and bearing.designation:
        if find_bearing(bearing.designation) is None:
            yield Finding(
                f"{key}.designation",
                f'"{bearing.designation}" is not in the catalogue of bearings',
                f"State {', '.join(GEOMETRY)}, or {', '.join(MULTIPLIERS)}, from the maker's sheet.",
            )
        return
    if multipliers and geometry:
        yield Finding(
            key,
            f"states both multipliers ({', '.join(multipliers)}) and geometry ({', '.join(geometry)})",
            "Keep one of them: the maker's multipliers where you have them.",
        )
        return
    wanted, given = (MULTIPLIERS, multipliers) if multipliers else (GEOMETRY, geometry)
    for name in wanted:
        if name not in given:
            yield Finding(
                f"{key}.{name}",
                "is missing",
                f"A bearing needs {', '.join(MULTIPLIERS)}, or else {', '.join(GEOMETRY)}.",
            )
    element, pitch = bearing.rolling_element_diameter_mm, bearing.pitch_diameter_mm
    if element is not None and pitch is not None and element >= pitch:
        yield Finding(
            f"{key}.rolling_element_diameter_mm",
            f"{element} mm is not smaller than the pitch diameter of {pitch} mm",
            "Check both, and their unit: millimetres.",
        )
    elif element is not None and pitch is not None and bearing.n_rolling_elements is not None:
        room = int(math.pi / math.asin(element / pitch))
        if bearing.n_rolling_elements > room:
            yield Finding(
                f"{key}.n_rolling_elements",
                f"{bearing.n_rolling_elements} elements of {element} mm do not fit on a circle of {pitch} mm",
                f"At most {room} fit: check all three.",
            )


def _process(settings: ApplianceSettings) -> Iterator[Finding]:
    for i, asset in enumerate(settings.assets):
        if not (asset.process_groups or asset.slow_tags):
            continue
        tags: dict[str, bool] = {}
        for source in settings.sources:
            if isinstance(source, SerialSettings):
                tags |= {axis.channel: False for axis in source.axes if axis.asset == asset.id}
            else:
                tags |= {tag.channel: True for tag in source.tags if tag.asset == asset.id}
        groups, slow_tags = asset.process_groups or (), asset.slow_tags or ()
        problems = process_problems(f"assets[{i}]", groups, slow_tags, tags)
        yield from (Finding(*problem) for problem in problems)


def _sources(settings: ApplianceSettings) -> Iterator[Finding]:
    each = list(enumerate(settings.sources))
    yield from _doubles(
        ((f"sources[{i}].id", source.id) for i, source in each), "Give every source its own id."
    )
    yield from _doubles(
        (
            (f"sources[{i}].device", str(source.device))
            for i, source in each
            if isinstance(source, SerialSettings)
        ),
        "One port belongs to one sensor.",
    )
    written = {camera.verdict_tags.source for camera in settings.cameras if camera.verdict_tags is not None}
    for i, source in each:
        if isinstance(source, OpcUaSettings):
            if not source.tags and source.id not in written:
                remedy = f"Add [[sources.tags]], or let a camera write its verdicts to {source.id}."
                yield Finding(f"sources[{i}].tags", "is missing: nothing is read of this server", remedy)
            yield from _file(f"sources[{i}].password_file", source.password_file)
            if source.password_file is not None and not source.user:
                yield Finding(f"sources[{i}].user", "is missing", "A password needs the user it belongs to.")
            for k, tag in enumerate(source.tags):
                units = UNITS.get(tag.measurand)
                if units is not None and tag.unit not in units:
                    yield Finding(
                        f"sources[{i}].tags[{k}].unit",
                        f'"{tag.unit}" is not a unit of {tag.measurand.replace("_", " ")}',
                        f"Write one of: {', '.join(units)}.",
                    )
        else:
            yield from _doubles(
                ((f"sources[{i}].axes[{k}].axis", axis.axis) for k, axis in enumerate(source.axes)),
                "An axis becomes one channel.",
            )
            yield from _line(f"sources[{i}].baud", source)


def _line(key: str, source: SerialSettings) -> Iterator[Finding]:
    """A line too slow for the samples alone: the sensor would be refused at its first word."""
    needed = math.ceil(source.sample_rate_hz * len(source.axes) * BYTES_PER_SAMPLE * BITS_PER_BYTE)
    if source.baud < needed:
        yield Finding(
            key,
            f"{source.baud} bit/s cannot carry {source.sample_rate_hz:g} Hz of {len(source.axes)} axes, "
            f"{BYTES_PER_SAMPLE} bytes each",
            f"More than {needed} bit/s are needed: set sensor and port to a faster line, or the sensor to a "
            "lower rate.",
        )


def _channels(settings: ApplianceSettings) -> Iterator[Finding]:
    known = [asset.id for asset in settings.assets]
    named: list[tuple[str, str]] = []
    measured: set[tuple[str, str]] = set()
    for i, source in enumerate(settings.sources):
        entries: Sequence[AxisSettings | TagSettings] = (
            source.axes if isinstance(source, SerialSettings) else source.tags
        )
        part = "axes" if isinstance(source, SerialSettings) else "tags"
        for k, entry in enumerate(entries):
            key = f"sources[{i}].{part}[{k}]"
            named.append((f"{key}.channel", entry.channel))
            if known and entry.asset not in known:
                close = difflib.get_close_matches(entry.asset, known, n=1, cutoff=0.5)
                hint = f"Did you mean {close[0]}?" if close else f"Machines are: {', '.join(known)}."
                yield Finding(f"{key}.asset", f'there is no machine "{entry.asset}"', hint)
            if isinstance(entry, TagSettings):
                measurand = entry.measurand
                if measurand != "process_value" and (entry.asset, measurand) in measured:
                    yield Finding(
                        f"{key}.measurand",
                        f'{measurand.replace("_", " ")} of "{entry.asset}" is already given by another tag',
                        "A machine has one shaft speed, load and temperature: name others process_value.",
                    )
                measured.add((entry.asset, measurand))
    yield from _doubles(named, "Give every channel its own name.")
