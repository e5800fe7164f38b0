"""What is known of the machine behind a recording: options first, then a sidecar TOML, then a manifest.

Duty: find and validate notes; turn geometry into multipliers. A sidecar is `FILE.toml`, `STEM.toml` or
`machine.toml` in the file's folder; a manifest is `MANIFEST.json` there or up to two folders above, with an
entry whose `file` is this file. Never reads a file's name or description for facts.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.sources.recordings import RecordingError
from dsp.bearing import FaultMultipliers, fault_multipliers
from dsp.errors import DspError
from models.machine import Foundation, Machine

MAX_NOTES_BYTES = 16 * 1024 * 1024
LEAST, MOST = 1e-6, 1e12  # of any number that a manifest states: beyond it is a slip


class _Notes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SidecarRecording(_Notes):
    """`[recording]` of a sidecar."""

    sample_rate_hz: float | None = Field(default=None, gt=0)
    unit: str | None = None
    healthy: bool | None = None
    bearing_channel: int | None = Field(default=None, ge=0)


class SidecarBearing(_Notes):
    """`[machine.bearing]`: geometry (diameters in one unit), or multipliers of shaft speed."""

    designation: str = ""
    n_rolling_elements: int | None = Field(default=None, ge=3, le=100)
    rolling_element_diameter_mm: float | None = Field(default=None, gt=0)
    pitch_diameter_mm: float | None = Field(default=None, gt=0)
    contact_angle_deg: float | None = Field(default=None, ge=0, lt=90)
    bpfo: float | None = Field(default=None, gt=0)
    bpfi: float | None = Field(default=None, gt=0)
    bsf: float | None = Field(default=None, gt=0)
    ftf: float | None = Field(default=None, gt=0)


class SidecarMachine(_Notes):
    """`[machine]` of a sidecar."""

    name: str = ""
    shaft_rpm: float | None = Field(default=None, gt=0)
    rated_power_kw: float | None = Field(default=None, gt=0)
    foundation: Foundation | None = None
    gear_teeth: int | None = Field(default=None, ge=5)
    bearing: SidecarBearing | None = None


class Sidecar(_Notes):
    """A sidecar TOML as a whole."""

    recording: SidecarRecording = SidecarRecording()
    machine: SidecarMachine = SidecarMachine()


@dataclass(frozen=True, slots=True)
class RecordingNotes:
    """Facts beside a recording; None where nobody wrote them down."""

    machine: Machine
    shaft_hz: float | None = None
    sample_rate_hz: float | None = None
    unit: str | None = None
    bearing_channel: int | None = None
    healthy: bool | None = None
    origin: str = "no notes"


def read_notes(path: Path, asset_id: str) -> RecordingNotes:
    """Notes of one recording: the sidecar's, else the manifest's, else none. Raises RecordingError."""
    folder = path.parent
    for sidecar in (
        Path(f"{path}.toml"),
        folder / f"{path.name.split('.')[0]}.toml",
        folder / "machine.toml",
    ):
        if sidecar.is_file():
            return _from_sidecar(sidecar, asset_id)
    for place in (folder, folder.parent, folder.parent.parent):
        manifest = place / "MANIFEST.json"
        if manifest.is_file():
            entry = _manifest_entry(manifest, path)
            if entry is not None:
                return _from_manifest(manifest, entry, asset_id)
    return RecordingNotes(Machine(asset_id, asset_id))


def _text_of(path: Path) -> str:
    """A file of notes. Raises RecordingError for one too large to be notes, OSError, UnicodeDecodeError."""
    if path.stat().st_size > MAX_NOTES_BYTES:
        raise RecordingError(
            path, f"it has more than {MAX_NOTES_BYTES} bytes", "notes are small: mend or remove it"
        )
    return path.read_text(encoding="utf-8")


def _from_manifest(manifest: Path, entry: dict[str, Any], asset_id: str) -> RecordingNotes:
    for key in ("machine_geometry", "label"):
        if not isinstance(entry.get(key) or {}, dict):
            raise RecordingError(
                manifest, f"{key} of {entry['file']} is {entry[key]!r}", "it should be an object, or left out"
            )
    try:
        return replace(notes_from_manifest(entry, asset_id), origin=f"manifest {manifest}")
    except (DspError, ArithmeticError) as error:
        raise RecordingError(
            manifest, f"the geometry of {entry['file']} is impossible ({error})", "mend or remove it"
        ) from error


def read_manifest(manifest: Path) -> list[dict[str, Any]]:
    """Entries of a `MANIFEST.json`. Raises RecordingError."""
    try:
        entries = json.loads(_text_of(manifest))
    except OSError as error:
        raise RecordingError(
            manifest,
            f"cannot be read ({error.strerror})",
            "give the folder that has the recordings' MANIFEST.json",
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(manifest, f"not readable as JSON ({error})", "mend or remove it") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RecordingError(manifest, "it is not a list of entries", "one object per file, each with 'file'")
    return entries


def notes_from_manifest(entry: dict[str, Any], asset_id: str) -> RecordingNotes:
    """Notes of one manifest entry: geometry, speed, unit, rate, channel, healthy or not."""
    geometry = entry.get("machine_geometry") or {}
    rpm = _positive(entry.get("shaft_rpm")) or _positive(entry.get("shaft_rpm_nominal"))
    nominal = _positive(entry.get("shaft_rpm_nominal")) or rpm
    state = (entry.get("label") or {}).get("state")
    machine = Machine(
        asset_id=asset_id,
        name=str(geometry.get("bearing") or entry.get("dataset") or asset_id),
        nominal_shaft_hz=None if nominal is None else nominal / 60.0,
        bearing=bearing_from_manifest(geometry),
    )
    channel, unit = entry.get("bearing_channel"), entry.get("unit")
    return RecordingNotes(
        machine=machine,
        shaft_hz=None if rpm is None else rpm / 60.0,
        sample_rate_hz=_positive(entry.get("sampling_rate_hz")),
        unit=unit if isinstance(unit, str) else None,
        bearing_channel=channel if isinstance(channel, int) and channel >= 0 else None,
        healthy=None if state is None else state == "healthy",
        origin="manifest",
    )


def bearing_from_manifest(geometry: dict[str, Any]) -> FaultMultipliers | None:
    """Multipliers as stated, the missing ones from geometry or from FTF = BPFO / n; None if that fails."""
    stated = {key: _positive(geometry.get(key)) for key in ("BPFO", "BPFI", "BSF", "FTF")}
    n = geometry.get("n_balls")
    n_elements = int(n) if isinstance(n, int | float) and n >= 3 else None
    diameter = _positive(geometry.get("ball_d_in")) or _positive(geometry.get("ball_d_mm"))
    pitch = _positive(geometry.get("pitch_d_in")) or _positive(geometry.get("pitch_d_mm"))
    angle = geometry.get("contact_deg")
    angle_deg = float(angle) if isinstance(angle, int | float) else None
    name = str(geometry.get("bearing") or "")
    computed = None
    if n_elements and diameter and pitch:
        computed = fault_multipliers(n_elements, diameter, pitch, angle_deg, name)
    return _complete(stated, computed, n_elements, angle_deg is not None, name)


def _complete(
    stated: dict[str, float | None],
    computed: FaultMultipliers | None,
    n_elements: int | None,
    angle_known: bool,
    name: str,
) -> FaultMultipliers | None:
    bpfo = stated["BPFO"] or (computed.bpfo if computed else None)
    bpfi = stated["BPFI"] or (computed.bpfi if computed else None)
    if bpfo is None or bpfi is None:
        return computed
    # BPFO + BPFI = n x shaft and FTF = BPFO / n hold whatever the contact angle is.
    n = n_elements or round(bpfo + bpfi)
    ftf = stated["FTF"] or (computed.ftf if computed else bpfo / n)
    if stated["BSF"] is not None:
        bsf = stated["BSF"]
    elif computed is not None:
        bsf = computed.bsf
    else:
        # gamma = 1 - 2 BPFO / n; BSF = D/(2d) (1 - gamma^2), with D/d = 1/gamma at no contact angle.
        gamma = 1.0 - 2.0 * bpfo / n
        if gamma <= 0:
            return None
        bsf = (1.0 - gamma * gamma) / (2.0 * gamma)
    return FaultMultipliers(bpfo, bpfi, bsf, ftf, n, angle_known, name)


def _from_sidecar(path: Path, asset_id: str) -> RecordingNotes:
    try:
        sidecar = Sidecar.model_validate(tomllib.loads(_text_of(path)))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecordingError(path, f"not readable as TOML ({error})", "mend or remove it") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordingError(
            path, f"{key}: {first['msg']}", "see 'stethos replay --help' for the keys"
        ) from error
    facts, recording = sidecar.machine, sidecar.recording
    shaft_hz = None if facts.shaft_rpm is None else facts.shaft_rpm / 60.0
    machine = Machine(
        asset_id=asset_id,
        name=facts.name or asset_id,
        rated_power_kw=facts.rated_power_kw,
        foundation=facts.foundation,
        nominal_shaft_hz=shaft_hz,
        bearing=_bearing(path, facts.bearing),
        gear_teeth=facts.gear_teeth,
    )
    return RecordingNotes(
        machine=machine,
        shaft_hz=shaft_hz,
        sample_rate_hz=recording.sample_rate_hz,
        unit=recording.unit,
        bearing_channel=recording.bearing_channel,
        healthy=recording.healthy,
        origin=f"sidecar {path}",
    )


def _bearing(path: Path, bearing: SidecarBearing | None) -> FaultMultipliers | None:
    try:
        return None if bearing is None else bearing_from_sidecar(bearing)
    except (DspError, ArithmeticError) as error:
        raise RecordingError(
            path, f"[machine.bearing] is impossible ({error})", "mend or remove it"
        ) from error


def bearing_from_sidecar(bearing: SidecarBearing) -> FaultMultipliers | None:
    """Multipliers of a sidecar's bearing, stated or computed."""
    computed = None
    if bearing.n_rolling_elements and bearing.rolling_element_diameter_mm and bearing.pitch_diameter_mm:
        computed = fault_multipliers(
            bearing.n_rolling_elements,
            bearing.rolling_element_diameter_mm,
            bearing.pitch_diameter_mm,
            bearing.contact_angle_deg,
            bearing.designation,
        )
    stated = {"BPFO": bearing.bpfo, "BPFI": bearing.bpfi, "BSF": bearing.bsf, "FTF": bearing.ftf}
    angle_known = bearing.contact_angle_deg is not None
    return _complete(stated, computed, bearing.n_rolling_elements, angle_known, bearing.designation)


def _manifest_entry(manifest: Path, path: Path) -> dict[str, Any] | None:
    target = path.resolve()
    for entry in read_manifest(manifest):
        name = entry.get("file")
        if isinstance(name, str) and "\0" not in name and (manifest.parent / name).resolve() == target:
            return entry
    return None


def _positive(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if LEAST < value < MOST else None
