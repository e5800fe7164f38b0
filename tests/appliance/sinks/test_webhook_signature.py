"""Signatures: verified by somebody else's code, and refused when anything is not as it was signed."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from appliance.errors import Rejected
from appliance.sinks.webhook_signature import headers, parse_secrets, secret_text

KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"msg_[0-9a-f]{32}", fullmatch=True)


@given(KEYS, IDS, st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4))
def test_the_reference_implementation_accepts_the_signature(
    key: bytes, message_id: str, content: dict[str, str]
) -> None:
    body = json.dumps(content).encode()
    signed = headers([key], message_id, int(time.time()), body)
    assert Webhook(secret_text(key)).verify(body, signed) == content


@given(st.lists(KEYS, min_size=2, max_size=2, unique=True), IDS)
def test_while_a_secret_is_changed_both_are_good(keys: list[bytes], message_id: str) -> None:
    signed = headers(keys, message_id, int(time.time()), b"{}")
    for key in keys:
        Webhook(secret_text(key)).verify(b"{}", signed)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "webhook-signature", "body", "late"])
def test_the_reference_implementation_refuses_what_was_changed(changed: str) -> None:
    key, now_s, body = b"k" * 32, int(time.time()), b'{"severity": "warn"}'
    signed = headers([key], "msg_1", now_s - (301 if changed == "late" else 0), body)
    if changed in signed:
        signed[changed] = {
            "webhook-id": "msg_2",
            "webhook-timestamp": str(now_s + 1),
            "webhook-signature": headers([b"o" * 32], "msg_1", now_s, body)["webhook-signature"],
        }[changed]
    if changed == "body":
        body = body.replace(b"warn", b"good")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(key)).verify(body, signed)


def test_secrets_of_a_file() -> None:
    new, old = secret_text(b"n" * 32), secret_text(b"o" * 24)
    assert parse_secrets(f"# made in March\n{new}\n\n  {old}\n") == (b"n" * 32, b"o" * 24)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds 0"),
        ("\n".join(secret_text(bytes([n]) * 32) for n in range(3)), "holds 3"),
        ("hunter2", "line 1 of the secret's file does not begin with whsec_"),
        ("whsec_!!!", "not base64"),
        ("whsec_" + base64.b64encode(b"short").decode(), "holds 5 bytes"),
        (secret_text(b"x" * 65), "holds 65 bytes"),
    ],
)
def test_a_bad_secret_is_refused_without_being_shown(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse_secrets(text)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)
