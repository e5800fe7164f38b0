"""What a server's values, status codes and stamps mean here."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from appliance.sources.opcua_values import (
    OpcUaTag,
    ServerClock,
    ValueRefusedError,
    checked_value,
    quality_of,
)
from dsp.samples import Channel, Measurand, Quality

SPEED = Channel("m.speed", "m", Measurand.SHAFT_SPEED, "Hz", 0.0, math.inf)


@pytest.mark.parametrize("value", [True, "1500", None, b"\x01", [1.0, 2.0], datetime(2020, 1, 1, tzinfo=UTC)])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueRefusedError, match="a number is needed"):
        checked_value(OpcUaTag("ns=2;s=Speed", SPEED, 1 / 60), value)


def test_reverse_rotation_is_a_speed() -> None:
    assert checked_value(OpcUaTag("ns=2;s=Speed", SPEED, 1 / 60), np.float32(-1500.0)) == 25.0


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (0, Quality.GOOD),
        (0x40900000, Quality.UNCERTAIN),
        (0x808C0000, Quality.BAD),
        (0xC0000000, Quality.BAD),
    ],
)
def test_status_code_becomes_quality(code: int, quality: Quality) -> None:
    assert quality_of(code) is quality


def test_server_clock_follows_the_fastest_notification() -> None:
    clock = ServerClock()
    server_start = int((datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=1)).timestamp()) * 10**9
    hour = 3600 * 10**9
    # The first value stood for an hour: it is placed at its arrival.
    assert clock.host_ns(server_start, 5_000) == 5_000
    fresh = clock.host_ns(server_start + hour, 1_000_000_000)
    assert fresh == 1_000_000_000
    # 100 ms later, delayed by 40 ms on the way: placed where the server measured it.
    assert clock.host_ns(server_start + hour + 100_000_000, 1_140_000_000) == 1_100_000_000
    assert clock.host_ns(None, 77) == 77
