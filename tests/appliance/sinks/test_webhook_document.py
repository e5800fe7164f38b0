"""docs/webhooks.md tells the truth: its example verifies what is sent, its table names what is in a body."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.alarm_records import StoredTransition
from appliance.alarms.lifecycle import TABLE, Condition, Severity, raise_alarm
from appliance.reconcile.alarm_merge import CONFLICT, WHAT
from appliance.reconcile.alarm_recovery import CAUGHT_UP
from appliance.sinks.webhook_message import alarm_message, probe_message
from appliance.sinks.webhook_signature import headers, secret_text

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
NOW_S = 1_800_000_000
KEY = b"s" * 32


def transition(what: str) -> StoredTransition:
    condition = Condition("a", "pump-1", None, "machine condition", Severity.WARN, "outer race")
    made = dataclasses.replace(raise_alarm(None, condition, 5), what=what)
    return StoredTransition(7, made, NOW_S * 10**9, True, NOW_S * 10**9)


@pytest.fixture
def verify() -> Callable[..., None]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    verify: Callable[..., None] = namespace["verify"]
    return verify


def test_the_example_accepts_what_is_sent(verify: Callable[..., None]) -> None:
    body = alarm_message("k", transition("raised"), "hall-3", {}).body
    signed = headers([KEY, b"o" * 32], "msg_1", NOW_S, body)
    for key in (KEY, b"o" * 32):
        verify(secret_text(key), signed, body, NOW_S + 299)


def test_the_example_refuses_what_was_changed_or_is_late(verify: Callable[..., None]) -> None:
    signed = headers([KEY], "msg_1", NOW_S, b"{}")
    for secret, given, body, now_s in (
        (KEY, signed, b"{ }", NOW_S),
        (b"x" * 32, signed, b"{}", NOW_S),
        (KEY, {**signed, "webhook-id": "msg_2"}, b"{}", NOW_S),
        (KEY, {**signed, "webhook-timestamp": str(NOW_S + 1)}, b"{}", NOW_S),
        (KEY, signed, b"{}", NOW_S + 301),
    ):
        with pytest.raises(ValueError, match=r"too old|not signed"):
            verify(secret_text(secret), given, body, now_s)


def test_every_field_and_type_is_described_and_exists() -> None:
    rows = [row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `")]
    described = set(re.findall(r"`([^`]+)`", " ".join(rows)))
    said = orjson.loads(alarm_message("k", transition("raised"), "hall-3", {}).body)
    assert described == {"type", "timestamp", *(f"data.{name}" for name in said["data"])}
    kinds = {
        orjson.loads(alarm_message("k", transition(what), "h", {}).body)["type"]
        for what in (*(row.what for row in TABLE), *WHAT.values(), CONFLICT, CAUGHT_UP)
    } | {orjson.loads(probe_message("u", "h", NOW_S * 10**9).body)["type"]}
    assert set(re.findall(r"`((?:alarm|webhook)\.[a-z_]+)`", PAGE.split("| `timestamp`")[0])) == kinds
