"""Settings of a machine as the facts that analysis needs.

Duty: units (rpm to Hz), the bearing's multipliers from what the maker or a caliper says, and the figures by
which all machines of a station are judged. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from appliance.analysis_process import ProcessWatches
from appliance.analysis_process_group import ProcessGroup
from appliance.analysis_settings import PROFILES, AnalysisSettings, at_cadence
from appliance.analysis_slow_tag import SlowTag
from appliance.bearing_catalogue import find_bearing
from appliance.config import AssetSettings, BearingSettings, StationSettings, ZoneLimitsSettings
from appliance.config_process import learn_rows, learn_values
from appliance.errors import Fatal
from dsp.bearing import FaultMultipliers, consistent_multipliers, fault_multipliers
from dsp.errors import DspError
from dsp.severity_limits import ZoneLimits
from dsp.window_extractor import Engine
from models.machine import Foundation, Machine
from models.process_detector import ProcessRules
from models.slow_tag import SlowTagRules


def build_analysis(station: StationSettings) -> AnalysisSettings:
    """How the machines of a station are judged: all of the waveform, or a second of it each cadence."""
    seldom = station.decision_cadence_s > 0.0
    settings = at_cadence(station.decision_cadence_s) if seldom else PROFILES[station.profile]
    return replace(settings, engine=Engine(station.engine), detector=station.detector)


def build_machine(asset: AssetSettings) -> Machine:
    """A machine's facts in SI. Raises Fatal for a bearing that cannot be."""
    return Machine(
        asset_id=asset.id,
        name=asset.name,
        rated_power_kw=asset.rated_power_kw,
        foundation=None if asset.foundation is None else Foundation(asset.foundation),
        nominal_shaft_hz=None if asset.nominal_speed_rpm is None else asset.nominal_speed_rpm / 60.0,
        bearing=None if asset.bearing is None else _bearing(asset.id, asset.bearing),
        gear_teeth=asset.gear_teeth,
        line_frequency_hz=asset.line_frequency_hz,
        zone_limits=None if asset.zone_limits is None else _zone_limits(asset.zone_limits),
    )


def build_watches(asset: AssetSettings) -> ProcessWatches:
    """Which process values of a machine are judged, in SI."""
    return ProcessWatches(
        groups=tuple(
            ProcessGroup(
                group.id,
                tuple(group.channels),
                group.row_s,
                ProcessRules(learn_rows=learn_rows(group), limit=group.limit_spreads),
                group.settle_s,
            )
            for group in asset.process_groups or ()
        ),
        slow_tags=tuple(
            SlowTag(
                tag.channel,
                60.0 * tag.value_min,
                learn_values(tag),
                tag.only_running,
                SlowTagRules(limit=tag.limit_spreads),
            )
            for tag in asset.slow_tags or ()
        ),
    )


def _zone_limits(settings: ZoneLimitsSettings) -> ZoneLimits:
    a_b, b_c, c_d = settings.velocity_mm_s
    stated = settings.displacement_um
    displacement_um = None if stated is None else (stated[0], stated[1], stated[2])
    return ZoneLimits(a_b, b_c, c_d, displacement_um, settings.source)


def bearing_notes(asset: AssetSettings) -> tuple[str, ...]:
    """What had to be mended in a bearing's multipliers. Raises Fatal for a bearing that cannot be."""
    return () if asset.bearing is None else _consistent(asset.id, asset.bearing)[1]


def _bearing(asset_id: str, bearing: BearingSettings) -> FaultMultipliers:
    """Fault frequencies, from the maker's multipliers or from the geometry."""
    return _consistent(asset_id, bearing)[0]


def _consistent(asset_id: str, bearing: BearingSettings) -> tuple[FaultMultipliers, tuple[str, ...]]:
    try:
        return consistent_multipliers(_stated(bearing))
    except (DspError, ValueError) as error:
        raise Fatal(f"the bearing of {asset_id} cannot be: {error}") from error


def _stated(bearing: BearingSettings) -> FaultMultipliers:
    if None not in (bearing.bpfo, bearing.bpfi, bearing.bsf, bearing.ftf):
        return FaultMultipliers(
            bpfo=bearing.bpfo or 0.0,
            bpfi=bearing.bpfi or 0.0,
            bsf=bearing.bsf or 0.0,
            ftf=bearing.ftf or 0.0,
            n_rolling_elements=bearing.n_rolling_elements,
            contact_angle_known=True,
            designation=bearing.designation,
        )
    if bearing.n_rolling_elements is None and bearing.designation:
        known = find_bearing(bearing.designation)
        if known is None:
            raise Fatal(f"bearing {bearing.designation!r} is not in the catalogue of bearings")
        return known.multipliers
    return fault_multipliers(
        bearing.n_rolling_elements or 0,
        bearing.rolling_element_diameter_mm or 0.0,
        bearing.pitch_diameter_mm or 0.0,
        bearing.contact_angle_deg,
        bearing.designation,
    )
