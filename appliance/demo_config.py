"""The demo's embedded defaults, as a configuration file of an ordinary appliance.

Duty: the text of that file for one machine, one simulated sensor and one simulated plant. It is written into
the state folder, where anybody can read what the demo runs with.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from appliance.demo_central import DATABASE
from appliance.demo_plant import LOAD_NODE, SPEED_NODE, TEMPERATURE_NODE
from firmware_bridge.simulated_machine import GEAR_TEETH, LINE_FREQUENCY_HZ, NOMINAL_SPEED_HZ, RATED_POWER_KW

SERIAL_NUMBER = "SIM-0001"
MACHINE_ID = "motor-1"
PLANT_NAMESPACE = 2  # the first that a server of its own registers
DEMO_MODEL = Path(__file__).with_name("demo_model.zip")  # trained on the simulator alone: `make demo-model`


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """Where the demo's parts meet."""

    device: str  # the sensor's port
    plant_port: int
    web_port: int
    central_url: str = ""  # empty: no centre
    webhook_url: str = ""  # empty: no receiver
    webhook_secret: str = ""
    opcua_port: int = 0  # 0: no OPC UA server
    backends: tuple[str, ...] = ()  # that run the demo's network; none: the statistical detector alone


def demo_backends() -> tuple[str, ...]:
    """What runs the demo's network here: ONNX Runtime where it is installed, NumPy in any case."""
    installed = find_spec("onnxruntime") is not None
    return ("onnxruntime", "numpy_reference") if installed else ("numpy_reference",)


def demo_config(places: DemoPlaces) -> str:
    """The configuration file of the demo's appliance."""
    return f"""# Written by `stethos demo`: an ordinary configuration with the times of profile "demo".

[station]
name = "stethos-demo"
state_dir = "."
profile = "demo"

[web]
host = "127.0.0.1"
port = {places.web_port}

[journal]
counter_period_s = 2.0
reserve_transitions = 5000

# The demo may run in a container, whose kernel says nothing of its clock.
[telemetry]
period_s = 10.0
clock_untrusted_after_s = 0.0

{_ways_out(places)}[[assets]]
id = "{MACHINE_ID}"
name = "Conveyor drive motor"
nominal_speed_rpm = {NOMINAL_SPEED_HZ * 60.0:g}
rated_power_kw = {RATED_POWER_KW:g}
foundation = "rigid"
gear_teeth = {GEAR_TEETH}
line_frequency_hz = {LINE_FREQUENCY_HZ:g}

[assets.bearing]
designation = "6205"
n_rolling_elements = 9
rolling_element_diameter_mm = 7.94
pitch_diameter_mm = 39.04
contact_angle_deg = 0.0

[[sources]]
kind = "serial"
id = "drive-end-sensor"
device = "{places.device}"
serial_number = "{SERIAL_NUMBER}"
axes = [
  {{ axis = "x", channel = "{MACHINE_ID}.x", asset = "{MACHINE_ID}" }},
  {{ axis = "y", channel = "{MACHINE_ID}.y", asset = "{MACHINE_ID}" }},
  {{ axis = "z", channel = "{MACHINE_ID}.z", asset = "{MACHINE_ID}" }},
]

[[sources]]
kind = "opcua"
id = "line-plc"
url = "opc.tcp://127.0.0.1:{places.plant_port}/"
tags = [
{_tag(SPEED_NODE, "speed", "shaft_speed", "rpm")}
{_tag(LOAD_NODE, "load", "load", "%")}
{_tag(TEMPERATURE_NODE, "temperature", "temperature", "degC")}
]
"""


def _ways_out(places: DemoPlaces) -> str:
    return (
        _opcua_server(places.opcua_port)
        + _central(places.central_url)
        + _webhook(places.webhook_url, places.webhook_secret)
        + _models(places.backends)
    )


def _opcua_server(port: int) -> str:
    if not port:
        return ""
    return f"""[opcua_server]
host = "127.0.0.1"
port = {port}

"""


def _central(url: str) -> str:
    if not url:
        return ""
    # The demo may run in a container, whose kernel says nothing of its clock.
    return f"""[central]
url = "{url}"
version = 1
database = "{DATABASE}"
provisional_times = "send"

"""


def _webhook(url: str, secret_file: str) -> str:
    if not url:
        return ""
    return f"""[[webhooks]]
name = "demo-receiver"
url = "{url}"
secret_file = "{secret_file}"
allow_http = true
allow_local = true

"""


def _models(backends: tuple[str, ...]) -> str:
    if not backends:
        return ""
    names = ", ".join(f'"{name}"' for name in backends)
    return f"""# An int8 network, trained on simulated machines; off: stethos models use statistical
[models]
backends = [{names}]

[[models.slots]]
name = "motor"
bundle = "{DEMO_MODEL}"

"""


def _tag(node: str, name: str, measurand: str, unit: str) -> str:
    return (
        f'  {{ node = "ns={PLANT_NAMESPACE};s={node}", channel = "{MACHINE_ID}.{name}", '
        f'asset = "{MACHINE_ID}", measurand = "{measurand}", unit = "{unit}" }},'
    )
