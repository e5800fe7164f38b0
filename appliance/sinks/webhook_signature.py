"""The signature of a webhook after Standard Webhooks 1.0: who sent it, and that nobody changed it.

Duty: secrets (`whsec_` and base64), the signed content and the three headers. Pure: secrets come as text,
time is an argument. Reading a secret's file and its rights is `webhook_post`'s duty.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from appliance.errors import Rejected

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64  # of a secret, section "signature scheme"
MAX_SECRETS = 2  # the new one and, while receivers change over, the old one


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The keys in a secret's file: one `whsec_...` a line, the newest first, two while rotating.

    Empty lines and lines that begin with # are passed over. Raises Rejected; no message shows a secret.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise Rejected(
            f"a secret's file holds one line {PREFIX}..., or two while the secret is changed; "
            f"this one holds {len(lines)}"
        )
    return tuple(_key(line, number) for number, line in enumerate(lines, 1))


def secret_text(key: bytes) -> str:
    """A key as it is written down and given to the receiver."""
    return PREFIX + base64.b64encode(key).decode()


def headers(keys: Sequence[bytes], message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt; `time_s` is UTC of the attempt, s since 1970. One signature per key."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(time_s),
        "webhook-signature": " ".join(signature(key, message_id, time_s, body) for key in keys),
    }


def signature(key: bytes, message_id: str, time_s: int, body: bytes) -> str:
    """`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{message_id}.{time_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(line: str, number: int) -> bytes:
    if not line.startswith(PREFIX):
        raise Rejected(f"line {number} of the secret's file does not begin with {PREFIX}")
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(f"line {number} of the secret's file is not base64 after {PREFIX}") from None
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise Rejected(
            f"line {number} of the secret's file holds {len(key)} bytes; "
            f"a secret has {MIN_BYTES} to {MAX_BYTES}"
        )
    return key
