"""The settings of one appliance, as one TOML file states them.

Duty: names, units, ranges and defaults of every setting. Reading the file and saying what is wrong with it is
`config_file`'s duty; building anything from settings is `wiring`'s.
Units stand in the key names; they are converted to SI where `wiring` builds the parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from appliance.config_base import Settings
from appliance.config_cameras import MAX_CAMERAS, CameraSettings
from appliance.config_captures import CaptureSettings
from appliance.config_central import CentralSettings
from appliance.config_drill import DrillSettings
from appliance.config_metrics import MetricsSettings
from appliance.config_models import ModelsSettings
from appliance.config_object_store import ObjectStoreSettings
from appliance.config_opcua_server import OpcUaServerSettings
from appliance.config_process import MAX_GROUPS, MAX_SLOW_TAGS, ProcessGroupSettings, SlowTagSettings
from appliance.config_telemetry import TelemetrySettings
from appliance.config_webhooks import MAX_WEBHOOKS, WebhookSettings
from models.one_class_judge import JudgeName

Id = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        max_length=64,
        description="an identifier of lower-case letters, digits, dot, dash and underscore",
        examples=["motor-1"],
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=80)]
LONGEST_CADENCE_S = 3600.0  # an hour is a block of the watch of limits
SHORTEST_CADENCE_S = 10.0
PositiveMultiplier = Annotated[float, Field(gt=0, le=60)]


class StationSettings(Settings):
    name: Annotated[Name, Field(description="what people call this appliance", examples=["hall-3"])] = (
        "stethos"
    )
    state_dir: Annotated[
        Path,
        Field(
            description="folder for the journal, passwords and certificates", examples=["/var/lib/stethos"]
        ),
    ] = Path("/var/lib/stethos")
    profile: Annotated[
        Literal["default", "demo"],
        Field(description="how long a baseline is learned: default for a plant, demo for a minute's show"),
    ] = "default"
    decision_cadence_s: Annotated[
        float,
        Field(
            ge=0,
            le=LONGEST_CADENCE_S,
            description=(
                "judge a second of waveform each so many seconds, 10 to 3600 (600 is usual where sensors"
                " sleep); 0: all of it"
            ),
        ),
    ] = 0.0
    detector: Annotated[
        JudgeName,
        Field(description="what scores a learned state; robust is best on what was tried (models/README.md)"),
    ] = "robust"
    engine: Annotated[
        Literal["lanes", "scipy"],
        Field(description="what computes spectral features: lanes (compiled, fast) or scipy; values agree"),
    ] = "lanes"


class WebSettings(Settings):
    host: Annotated[
        str, Field(min_length=1, description="address to listen on", examples=["127.0.0.1", "0.0.0.0"])  # noqa: S104
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one", examples=[8080])
    ] = 8080
    tls: Annotated[
        Literal["auto", "on"],
        Field(description="auto: HTTPS unless only this machine can reach the address; on: always HTTPS"),
    ] = "auto"
    certificate_file: Annotated[
        Path | None,
        Field(description="PEM certificate; without it a self-signed one is made at the first start"),
    ] = None
    key_file: Annotated[Path | None, Field(description="PEM private key of certificate_file")] = None


class JournalSettings(Settings):
    telemetry_period_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="features are averaged over this time before storage; 0 stores every window",
        ),
    ] = 0.0
    counter_period_s: Annotated[
        float, Field(ge=1, le=3600, description="counters are made durable, and shown, this often")
    ] = 30.0
    reserve_transitions: Annotated[
        int, Field(ge=1000, le=1_000_000, description="alarm transitions that stay writable on a full disk")
    ] = 100_000
    alarm_budget_mb: Annotated[int, Field(ge=64, description="room for alarms, MB", examples=[256])] = 256
    counter_budget_mb: Annotated[int, Field(ge=8, description="room for counters, MB", examples=[64])] = 64
    limit_budget_mb: Annotated[int, Field(ge=8, description="room for learned limits, MB", examples=[64])] = (
        64
    )
    telemetry_budget_mb: Annotated[
        int, Field(ge=16, description="room for features, scores and tags, MB", examples=[4096])
    ] = 4096


class BearingSettings(Settings):
    """Either the four multipliers, or the geometry, or the designation of a bearing of the catalogue."""

    designation: Annotated[
        str, Field(max_length=40, description="what is printed on the bearing", examples=["6205"])
    ] = ""
    bpfo: Annotated[PositiveMultiplier | None, Field(description="outer race frequency, x shaft speed")] = (
        None
    )
    bpfi: Annotated[PositiveMultiplier | None, Field(description="inner race frequency, x shaft speed")] = (
        None
    )
    bsf: Annotated[PositiveMultiplier | None, Field(description="rolling element spin, x shaft speed")] = None
    ftf: Annotated[PositiveMultiplier | None, Field(description="cage frequency, x shaft speed")] = None
    n_rolling_elements: Annotated[
        int | None, Field(ge=3, le=200, description="number of balls or rollers", examples=[9])
    ] = None
    rolling_element_diameter_mm: Annotated[
        float | None, Field(gt=0, le=500, description="diameter of a ball or roller, mm", examples=[7.94])
    ] = None
    pitch_diameter_mm: Annotated[
        float | None, Field(gt=0, le=5000, description="pitch circle diameter, mm", examples=[39.04])
    ] = None
    contact_angle_deg: Annotated[
        float | None,
        Field(ge=0, lt=90, description="contact angle, degrees; leave out if unknown", examples=[0.0]),
    ] = None


class ZoneLimitsSettings(Settings):
    """Zone limits agreed for one machine, instead of the table of ISO 20816-3."""

    velocity_mm_s: Annotated[
        list[Annotated[float, Field(gt=0, le=1000)]],
        Field(
            min_length=3,
            max_length=3,
            description="limits A/B, B/C, C/D of velocity RMS, mm/s",
            examples=[[1.4, 2.8, 4.5]],
        ),
    ]
    displacement_um: Annotated[
        list[Annotated[float, Field(gt=0, le=10_000)]] | None,
        Field(
            min_length=3,
            max_length=3,
            description="limits A/B, B/C, C/D of displacement RMS, um",
            examples=[[22.0, 45.0, 71.0]],
        ),
    ] = None
    source: Annotated[
        str,
        Field(min_length=1, max_length=200, description="where they are from, shown with every rating"),
    ]


class AssetSettings(Settings):
    id: Id
    name: Annotated[Name, Field(description="what people call this machine", examples=["Cooling pump 2"])]
    nominal_speed_rpm: Annotated[
        float | None, Field(gt=0, le=200_000, description="rated shaft speed in rpm", examples=[1480.0])
    ] = None
    rated_power_kw: Annotated[
        float | None, Field(gt=0, le=100_000, description="rated power in kW", examples=[45.0])
    ] = None
    foundation: Annotated[
        Literal["rigid", "flexible"] | None, Field(description="support class of ISO 20816-3")
    ] = None
    gear_teeth: Annotated[
        int | None, Field(ge=5, le=1000, description="teeth of the gear on this shaft", examples=[23])
    ] = None
    line_frequency_hz: Annotated[
        float | None, Field(gt=0, le=1000, description="supply frequency in Hz", examples=[50.0])
    ] = None
    bearing: BearingSettings | None = None
    zone_limits: ZoneLimitsSettings | None = None
    process_groups: Annotated[list[ProcessGroupSettings] | None, Field(max_length=MAX_GROUPS)] = None
    slow_tags: Annotated[list[SlowTagSettings] | None, Field(max_length=MAX_SLOW_TAGS)] = None


class AxisSettings(Settings):
    """One axis of an accelerometer, and the channel it becomes."""

    axis: Annotated[
        str, Field(pattern=r"^[xyz]$", description="axis of the sensor: x, y or z", examples=["x"])
    ]
    channel: Id
    asset: Id


class SerialSettings(Settings):
    kind: Literal["serial"]
    id: Id
    device: Annotated[
        Path,
        Field(
            description="serial port; a name under /dev/serial/by-id stays the same after replugging",
            examples=["/dev/serial/by-id/usb-ACME_ACC3_1042-if00"],
        ),
    ]
    serial_number: Annotated[
        str, Field(max_length=64, description="the sensor's own serial number; empty accepts any sensor")
    ] = ""
    baud: Annotated[
        int, Field(ge=9600, le=12_000_000, description="speed of the line, bit/s", examples=[3_000_000])
    ] = 3_000_000
    sample_rate_hz: Annotated[
        float,
        Field(ge=100, le=1_000_000, description="samples per second and axis that the sensor announces"),
    ] = 25_600.0
    range_g: Annotated[
        float, Field(gt=0, le=10_000, description="largest acceleration that the sensor can state, g")
    ] = 16.0
    silence_s: Annotated[
        float, Field(ge=0.5, le=60, description="no frame for this long means the sensor is lost, s")
    ] = 2.0
    axes: Annotated[list[AxisSettings], Field(min_length=1, max_length=8)]


class TagSettings(Settings):
    """One OPC UA variable, and the channel it becomes."""

    node: Annotated[
        str,
        Field(
            pattern=r"^(ns=\d+;)?[isgb]=.+$|^nsu=.+;[isgb]=.+$",
            description="OPC UA node id",
            examples=["ns=2;s=Pump2.Speed"],
        ),
    ]
    channel: Id
    asset: Id
    measurand: Annotated[
        Literal["shaft_speed", "load", "temperature", "process_value"],
        Field(description="what this variable measures; process_value: anything else"),
    ]
    unit: Annotated[
        str,
        Field(
            min_length=1,
            max_length=16,
            description="unit in which the server gives it",
            examples=["rpm", "%", "degC"],
        ),
    ]


class OpcUaSettings(Settings):
    kind: Literal["opcua"]
    id: Id
    url: Annotated[
        str,
        Field(
            pattern=r"^opc\.tcp://[^/\s]+(/.*)?$",
            description="address of the server",
            examples=["opc.tcp://192.168.1.20:4840/"],
        ),
    ]
    user: Annotated[str, Field(max_length=64, description="user name; empty connects as anonymous")] = ""
    password_file: Annotated[Path | None, Field(description="file that holds the password, mode 0600")] = None
    publish_interval_ms: Annotated[
        int, Field(ge=50, le=60_000, description="how often the server is asked to publish changes, ms")
    ] = 250
    silence_s: Annotated[
        float,
        Field(
            ge=1, le=300, description="neither data nor keep-alive for this long means the server is lost, s"
        ),
    ] = 5.0
    tags: Annotated[list[TagSettings], Field(max_length=200)] = Field(default_factory=list)


SourceSettings = Annotated[SerialSettings | OpcUaSettings, Field(discriminator="kind")]


class ApplianceSettings(Settings):
    """The whole file."""

    station: StationSettings = StationSettings()
    web: WebSettings = WebSettings()
    journal: JournalSettings = JournalSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    captures: CaptureSettings = CaptureSettings()
    central: CentralSettings | None = None
    object_store: ObjectStoreSettings | None = None
    webhooks: Annotated[list[WebhookSettings], Field(max_length=MAX_WEBHOOKS)] = Field(default_factory=list)
    opcua_server: OpcUaServerSettings | None = None
    metrics: MetricsSettings | None = None
    drill: DrillSettings | None = None
    models: ModelsSettings | None = None
    cameras: Annotated[list[CameraSettings], Field(max_length=MAX_CAMERAS)] = Field(default_factory=list)
    assets: Annotated[list[AssetSettings], Field(max_length=100)] = Field(default_factory=list)
    sources: Annotated[list[SourceSettings], Field(max_length=100)] = Field(default_factory=list)


UNITS: dict[str, dict[str, tuple[float, str]]] = {
    "shaft_speed": {"rpm": (1.0 / 60.0, "Hz"), "Hz": (1.0, "Hz"), "1/s": (1.0, "Hz")},
    "load": {"%": (0.01, "1"), "1": (1.0, "1")},
    "temperature": {"degC": (1.0, "degC")},
}
"""Units a tag may have, per measurand: factor to the unit used inside, and that unit's name.

A process value is kept in whatever unit its server gives."""
