"""Links that break: the cable is pulled, the OPC UA server dies. Each is told, and heals without help."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from appliance.demo_config import MACHINE_ID
from dsp.samples import GapCause
from tests.end_to_end.rig import AXES, PLC, SENSOR, WATCHED, Rig
from tests.end_to_end.told_process import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(200)]

SPEED = f"{MACHINE_ID}.speed"


@pytest.fixture(scope="module")
def rig(start_rig: Callable[..., Rig]) -> Rig:
    """All links up, windows flowing."""
    rig = start_rig()
    rig.wait_for_windows(1)
    return rig


def source_lost(rig: Rig, source_id: str) -> dict[str, Any]:
    """The appliance's alarm about a source; empty while it never was."""
    return rig.api.alarm(f"appliance.source-lost.{source_id}") or {}


def wait_for_alarm(rig: Rig, source_id: str) -> dict[str, Any]:
    """The alarm, once it is active."""
    alarm: dict[str, Any] = until(
        lambda: (found := source_lost(rig, source_id)).get("state") == "active, unacknowledged" and found,
        f"the loss of {source_id} is an alarm",
    )
    return alarm


def wait_until_clear(rig: Rig, source_id: str) -> None:
    """It clears by itself; that somebody looks at it is still wanted."""
    until(
        lambda: source_lost(rig, source_id)["state"] == "cleared, unacknowledged",
        f"the alarm about {source_id} clears",
    )


def count_of(rig: Rig, source_id: str, name: str) -> int:
    """One count of a link."""
    count = rig.api.link(source_id)["counts"][name]
    assert isinstance(count, int)
    return count


def test_cable_is_pulled_and_plugged_in_again(rig: Rig) -> None:
    """State with reason and remedy, an alarm of the appliance, none of the machine; then all of it heals."""
    rig.unplug()
    link = rig.wait_until_link_is_not(SENSOR, "connected")
    assert link["reason"]
    assert link["remedy"]
    alarm = wait_for_alarm(rig, SENSOR)
    assert SENSOR in alarm["text"]
    assert alarm["severity"] == "not rated"
    gone = rig.wait_for_link(SENSOR, "not found")  # it is looked for again by the same name
    assert "cable" in gone["remedy"].lower() or "plug" in gone["remedy"].lower()
    assert rig.api.link(PLC)["state"] == "connected", "the other link must not suffer"

    rig.plug()
    rig.wait_for_link(SENSOR, "connected")
    wait_until_clear(rig, SENSOR)
    rig.wait_for_windows(1)
    assert rig.api.link(SENSOR)["reason"] == ""
    assert source_lost(rig, SENSOR)["activation"] == 1, "one failure, one alarm"
    for axis in AXES:
        causes = [gap["cause"] for gap in rig.api.trend(axis, WATCHED)["gaps"]]
        assert causes.count(GapCause.SERIAL_LOSS) == 1
    machine_alarms = [a for a in rig.api.get("/api/alarms") if a["asset_id"] == MACHINE_ID]
    assert machine_alarms == []


def test_sensor_may_come_back_under_another_port(rig: Rig) -> None:
    """The stable name leads to the new pty; the kernel's number of the old one is not what is opened."""
    connections = count_of(rig, SENSOR, "connections")
    rig.unplug()
    rig.wait_until_link_is_not(SENSOR, "connected")
    rig.plug()
    rig.wait_for_link(SENSOR, "connected")
    assert count_of(rig, SENSOR, "connections") == connections + 1
    rig.wait_for_windows(1)


def test_opcua_server_is_killed_and_started_again(rig: Rig) -> None:
    """Process values stop and come back; vibration is measured all the while."""
    connections = count_of(rig, PLC, "connections")
    frames = count_of(rig, SENSOR, "frames received")
    rig.plant.send(signal.SIGKILL)
    rig.plant.wait()
    link = rig.wait_until_link_is_not(PLC, "connected")
    assert link["reason"]
    assert link["remedy"]
    alarm = wait_for_alarm(rig, PLC)
    assert PLC in alarm["text"]
    gone = rig.wait_for_link(PLC, "not found")
    assert str(rig.places.plant_port) in gone["reason"]
    assert "server" in gone["remedy"].lower()
    until(
        lambda: (found := rig.api.get("/api/machines")[0])["shaft_hz"] is None and found["load"] is None,
        "neither an old speed nor an old load is shown as if it were measured now",
    )

    rig.start_plant()
    rig.wait_for_link(PLC, "connected")
    wait_until_clear(rig, PLC)
    until(lambda: rig.api.get("/api/machines")[0]["shaft_hz"], "the speed is known again")
    assert count_of(rig, PLC, "connections") == connections + 1
    assert count_of(rig, SENSOR, "frames received") > frames
    assert source_lost(rig, PLC)["activation"] == 1
    gaps = until(lambda: rig.api.trend(SPEED, "value")["gaps"], "the gap is stored")
    assert [gap["cause"] for gap in gaps] == [GapCause.OPCUA_DOWN]


def test_serving_process_is_still_the_same(rig: Rig) -> None:
    """All of that without a restart of the appliance."""
    assert rig.appliance.code is None
    assert rig.api.counters()["service starts", "stethos-demo"] == 1
