"""Which OPC UA nodes there are: a pure function of machines, channels, features and alarms.

Duty: identifiers, names, data types, units and descriptions of the information model, and the table of
docs/opcua-model.md. Node identifiers are strings made of configured ids alone, so that a restart, another
channel or another machine changes none of them. Holds no values and knows no server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

NAMESPACE_URI = "urn:stethos:model:1"
SEVERITIES = ("not rated", "good", "watch", "warn", "stop")
VERDICTS = ("no verdict", "good", "defect")
ALARM_STATES = ("normal", "active, unacknowledged", "active, acknowledged", "cleared, unacknowledged")

SHELVING_STATES = ("Unshelved", "Timed Shelved", "One Shot Shelved")  # OPC 10000-9: ShelvedStateMachineType


class NodeKind(StrEnum):
    """What a node is; the value is its OPC UA type definition."""

    FOLDER = "FolderType"
    OBJECT = "BaseObjectType"
    ANALOG = "AnalogUnitType"  # OPC 10000-8, 5.3.2.5: with EngineeringUnits
    STATE = "MultiStateDiscreteType"  # OPC 10000-8, 5.3.3.3: with EnumStrings
    PLAIN = "BaseDataVariableType"

    @property
    def is_variable(self) -> bool:
        return self not in (NodeKind.FOLDER, NodeKind.OBJECT)


@dataclass(frozen=True, slots=True)
class EngineeringUnit:
    """A unit of UNECE Recommendation 20, as EUInformation states it (OPC 10000-8, 5.6.3)."""

    common_code: str
    display: str
    description: str

    @property
    def unit_id(self) -> int:
        """The common code's characters as one number, most significant first."""
        return int.from_bytes(self.common_code.encode("ascii"), "big")


UNITS: dict[str, EngineeringUnit] = {
    "m/s2": EngineeringUnit("MSK", "m/s²", "metre per second squared"),
    "mm/s": EngineeringUnit("C16", "mm/s", "millimetre per second"),
    "Hz": EngineeringUnit("HTZ", "Hz", "hertz"),
    "dB": EngineeringUnit("2N", "dB", "decibel"),
    "degC": EngineeringUnit("CEL", "°C", "degree Celsius"),
    "%": EngineeringUnit("P1", "%", "percent"),
    "1": EngineeringUnit("C62", "1", "one"),
}
"""Units inside the house: what a client reads in EngineeringUnits."""


@dataclass(frozen=True, slots=True)
class UaNode:
    """One node. `path` is its string identifier in the namespace; `parent` "" is the Objects folder."""

    path: str
    parent: str
    kind: NodeKind
    display_name: str
    description: str = ""
    data_type: str = ""  # of a variable: "Float", "UInt32", "String", "Boolean"
    unit: EngineeringUnit | None = None
    states: tuple[str, ...] = ()  # of a state: the word of each number

    @property
    def browse_name(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class FeatureNode:
    """A figure of a channel: its name, what people call it, its unit inside the house."""

    name: str
    label: str
    unit: str


@dataclass(frozen=True, slots=True)
class ChannelNodes:
    """A channel: features of an accelerometer, or the one value of a process value."""

    channel_id: str
    label: str
    features: tuple[FeatureNode, ...]
    judged: bool  # an accelerometer: it has a score and a sensor check


@dataclass(frozen=True, slots=True)
class AlarmNodes:
    """An alarm that may come: its id, and what people call it."""

    alarm_id: str
    label: str


@dataclass(frozen=True, slots=True)
class MachineNodes:
    """A machine with its channels and alarms."""

    asset_id: str
    name: str
    channels: tuple[ChannelNodes, ...] = ()
    alarms: tuple[AlarmNodes, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class CameraNodes:
    """A camera whose verdicts the line reads."""

    camera_id: str
    name: str


APPLIANCE = "appliance"
MACHINES = "machines"
CAMERAS = "cameras"


def machine_path(asset_id: str) -> str:
    return f"{MACHINES}/{asset_id}"


def channel_path(asset_id: str, channel_id: str) -> str:
    return f"{machine_path(asset_id)}/channels/{channel_id}"


def camera_path(camera_id: str) -> str:
    return f"{CAMERAS}/{camera_id}"


def alarm_path(owner_path: str, alarm_id: str) -> str:
    """`owner_path`: of a machine, or APPLIANCE."""
    return f"{owner_path}/alarms/{alarm_id}"


def nodes_of(
    station_name: str,
    machines: Sequence[MachineNodes],
    appliance_alarms: Sequence[AlarmNodes],
    cameras: Sequence[CameraNodes] = (),
) -> list[UaNode]:
    """Every node, each after its parent."""
    nodes = [
        UaNode(APPLIANCE, "", NodeKind.OBJECT, station_name, "This appliance"),
        *_variables(APPLIANCE, APPLIANCE_VARIABLES),
        *_alarms(APPLIANCE, appliance_alarms),
        UaNode(MACHINES, "", NodeKind.FOLDER, "machines", "The machines that it listens to"),
    ]
    for machine in machines:
        path = machine_path(machine.asset_id)
        nodes.append(UaNode(path, MACHINES, NodeKind.OBJECT, machine.name, "A machine"))
        nodes += _variables(path, MACHINE_VARIABLES)
        nodes.append(UaNode(f"{path}/channels", path, NodeKind.FOLDER, "channels"))
        for channel in machine.channels:
            nodes += _channel(channel_path(machine.asset_id, channel.channel_id), f"{path}/channels", channel)
        nodes += _alarms(path, machine.alarms)
    if cameras:
        nodes.append(UaNode(CAMERAS, "", NodeKind.FOLDER, "cameras", "The cameras that inspect parts"))
    for camera in cameras:
        path = camera_path(camera.camera_id)
        nodes.append(UaNode(path, CAMERAS, NodeKind.OBJECT, camera.name, "A camera over parts"))
        nodes += _variables(path, CAMERA_VARIABLES)
    return nodes


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that every object of one kind has."""

    name: str
    kind: NodeKind
    data_type: str
    description: str
    unit: str = ""
    states: tuple[str, ...] = ()


def _state(name: str, description: str, states: tuple[str, ...]) -> Variable:
    return Variable(name, NodeKind.STATE, "UInt32", description, states=states)


def _text(name: str, description: str) -> Variable:
    return Variable(name, NodeKind.PLAIN, "String", description)


def _count(name: str, description: str) -> Variable:
    return Variable(name, NodeKind.PLAIN, "UInt32", description)


def _analog(name: str, unit: str, description: str) -> Variable:
    return Variable(name, NodeKind.ANALOG, "Float", description, unit)


MACHINE_VARIABLES = (
    _state("severity", "How the machine is, after ISO 20816 zones and what was learned", SEVERITIES),
    _text("headline", "The one line that matters now"),
    _analog("score", "1", "Greatest anomaly score of all channels; 1 stands at the limit"),
    _analog("velocity_rms_mm_s", "mm/s", "Greatest velocity RMS of all channels that are believed"),
    _text("diagnosis", "The part that shows a fault, with its evidence"),
    _text("operating_state", "Bin of shaft speed and load that the machine runs in"),
    _analog("learning_percent", "%", "How much of the baseline is learned"),
    _count("active_alarms", "Alarms whose condition stands"),
    _count("unacknowledged_alarms", "Alarms that nobody has acknowledged"),
)
APPLIANCE_VARIABLES = (
    _count("active_alarms", "The appliance's own alarms whose condition stands"),
    _count("unacknowledged_alarms", "The appliance's own alarms that nobody has acknowledged"),
    _text("alarm_text", "Sentences of its active alarms, one a line"),
    Variable("clock_trusted", NodeKind.PLAIN, "Boolean", "Whether source timestamps rest on a set clock"),
)
CAMERA_VARIABLES = (
    _state("verdict", "On the newest part; bad status: none, and the part must not pass as good", VERDICTS),
    _analog("score", "1", "How far the part is from good ones; 1 stands at the limit"),
    _text("kind", "Kind of the defect, where the model knows kinds"),
    Variable(
        "unsure", NodeKind.PLAIN, "Boolean", "The score is so near to the limit that a person should look"
    ),
    _count("part_number", "Counts every part that came by, also those without a verdict"),
    _text("reason", "Why there is no verdict"),
)
ALARM_VARIABLES = (
    _state("state", "ISA-18.2 state, as the journal has it", ALARM_STATES),
    _state("severity", "What the condition is worth", SEVERITIES),
    _text("text", "The sentence that a technician reads"),
    _count("activation", "How often the alarm became active"),
    _text("acknowledged_by", "Who acknowledged this activation"),
    _state(
        "shelving_state", "ISA-18.2 shelving as Part 9 names it; one shot is not used here", SHELVING_STATES
    ),
    _text("shelved_until", "UTC at which it comes back by itself, ISO 8601; empty while it is not shelved"),
    _text("shelved_by", "Who shelved it"),
    Variable("durable", NodeKind.PLAIN, "Boolean", "False while a broken disk keeps it in memory only"),
)
SCORE = _analog("score", "1", "Anomaly score; 1 stands at the limit; none while the baseline is learned")
SENSOR = _text("sensor", "What is wrong with the sensor; empty while it is believed")


def _node(parent: str, variable: Variable) -> UaNode:
    return UaNode(
        f"{parent}/{variable.name}",
        parent,
        variable.kind,
        variable.name.replace("_", " "),
        variable.description,
        variable.data_type,
        UNITS[variable.unit] if variable.unit else None,
        variable.states,
    )


def _variables(parent: str, variables: Iterable[Variable]) -> Iterator[UaNode]:
    return (_node(parent, variable) for variable in variables)


def _channel(path: str, parent: str, channel: ChannelNodes) -> Iterator[UaNode]:
    yield UaNode(path, parent, NodeKind.OBJECT, channel.label, "A channel")
    for feature in channel.features:
        yield UaNode(
            f"{path}/{feature.name}",
            path,
            NodeKind.ANALOG,
            feature.label,
            data_type="Float",
            unit=UNITS[feature.unit],
        )
    if channel.judged:
        yield _node(path, SCORE)
        yield _node(path, SENSOR)


def _alarms(owner: str, alarms: Sequence[AlarmNodes]) -> Iterator[UaNode]:
    yield UaNode(f"{owner}/alarms", owner, NodeKind.FOLDER, "alarms")
    for alarm in alarms:
        path = alarm_path(owner, alarm.alarm_id)
        yield UaNode(path, f"{owner}/alarms", NodeKind.OBJECT, alarm.label, "An alarm that may come")
        yield from _variables(path, ALARM_VARIABLES)


def model_tables() -> str:
    """The tables of docs/opcua-model.md, in Markdown."""
    parts = []
    for title, variables in (
        ("`machines/<machine>/`", MACHINE_VARIABLES),
        ("`machines/<machine>/channels/<channel>/`, beside its features or its `value`", (SCORE, SENSOR)),
        (
            "`machines/<machine>/alarms/<alarm>/` and `appliance/alarms/<alarm>/`",
            ALARM_VARIABLES,
        ),
        ("`appliance/`", APPLIANCE_VARIABLES),
        ("`cameras/<camera>/`", CAMERA_VARIABLES),
    ):
        parts.append(
            f"{title}\n\n| name | type | data type | unit or states | meaning |\n|---|---|---|---|---|"
        )
        for one in variables:
            states = ", ".join(f"{number} {word}" for number, word in enumerate(one.states))
            said = UNITS[one.unit].display if one.unit else states
            parts.append(f"| `{one.name}` | {one.kind} | {one.data_type} | {said} | {one.description} |")
        parts.append("")
    parts.append("| unit | UNECE code | UnitId |\n|---|---|---|")
    parts += [f"| {unit.display} | {unit.common_code} | {unit.unit_id} |" for unit in UNITS.values()]
    return "\n".join(parts) + "\n"
