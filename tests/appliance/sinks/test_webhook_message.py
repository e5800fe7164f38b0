"""The body: bounded, complete, the same whenever it is made."""

from __future__ import annotations

import dataclasses

import orjson
from hypothesis import given
from hypothesis import strategies as st

from appliance.alarm_records import StoredTransition
from appliance.alarms.lifecycle import Condition, Severity, raise_alarm
from appliance.sinks.webhook_message import MAX_BODY_BYTES, alarm_message, iso_time, message_id

CONDITION = Condition("pump-1.x", "pump-1", "pump-1-de-x", "machine condition", Severity.WARN, "outer race",
                      1.4, "outer race", 0.8, {"bpfo_hz": 104.6})  # fmt: skip
TIME_NS = 1_792_567_620_123_999_999


def stored(condition: Condition) -> StoredTransition:
    return StoredTransition(7, raise_alarm(None, condition, 5), TIME_NS, True, TIME_NS)


def test_the_body_tells_the_alarm() -> None:
    message = alarm_message("alarm/boot/1", stored(CONDITION), "hall-3", {"pump-1": "Pump"})
    said = orjson.loads(message.body)
    assert (said["type"], said["timestamp"]) == ("alarm.raised", "2026-10-21T07:27:00.123Z")
    data = said["data"]
    assert data["evidence"] == {"bpfo_hz": 104.6}
    assert (data["severity"], data["active"], data["sequence"], data["activation"]) == ("warn", True, 7, 1)
    assert message == alarm_message("alarm/boot/1", stored(CONDITION), "hall-3", {"pump-1": "Pump"})
    assert message.message_id == message_id("alarm/boot/1") != message_id("alarm/boot/2")


@given(st.text(max_size=3000) | st.just("\x01" * 1000), st.integers(0, 5000))
def test_the_body_is_bounded_whatever_an_alarm_holds(text: str, count: int) -> None:
    condition = dataclasses.replace(
        CONDITION, reason=text * 3, evidence={str(number): [1.0] * 9 for number in range(count)}
    )
    transition = raise_alarm(None, condition, 5)
    alarm = dataclasses.replace(transition.alarm, comment=text * 3, acknowledged_by=text, fault=text)
    transition = dataclasses.replace(transition, actor=text, alarm=alarm)
    message = alarm_message("k", StoredTransition(7, transition, TIME_NS, True, TIME_NS), "hall-3", {})
    assert len(message.body) <= MAX_BODY_BYTES
    assert orjson.loads(message.body)["data"]["alarm_id"] == "pump-1.x"


def test_times_before_and_after_the_second_are_rounded_down() -> None:
    assert iso_time(1_800_000_000_999_999_999) == "2027-01-15T08:00:00.999Z"
