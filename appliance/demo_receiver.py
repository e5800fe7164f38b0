"""The demo's receiver of webhooks: on loopback, with a secret of its own, believing nothing unsigned.

Duty: to verify each message and hand it on. It verifies with the `standardwebhooks` library where that is
installed, else with a few lines of its own; never with the appliance's code, which has signed. Not part of an
appliance: a plant has its own maintenance system.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from appliance.sinks.webhook_message import MAX_BODY_BYTES
from appliance.sinks.webhook_signature import secret_text

TOLERANCE_S = 300
Verify = Callable[[bytes, dict[str, str]], bool]


class DemoReceiver:
    """One receiver; `start` it, `stop` it. `took(message)` is called once per `webhook-id`."""

    def __init__(self, folder: Path, took: Callable[[dict[str, Any]], None]) -> None:
        """Makes a new secret in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.url = ""
        self.secret_file = folder / "webhook-secret"
        self.refused = 0
        secret = secret_text(secrets.token_bytes(32))
        self.verified_by, self._verify = verifier(secret)
        self._took = took
        self._known: set[str] = set()
        self.secret_file.unlink(missing_ok=True)
        with os.fdopen(os.open(self.secret_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secret + "\n")
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/alarms", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self, port: int = 0) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/alarms"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        message_id = headers.get("webhook-id", "")
        if not self._verify(body, headers):
            self.refused += 1
            return web.Response(status=401, text="not signed with the secret, or not now")
        if message_id not in self._known:
            self._known.add(message_id)
            self._took(json.loads(body))
        return web.Response(status=204)


def verifier(secret: str) -> tuple[str, Verify]:
    """What verifies messages: its name, and whether a body with these headers (lower case) was signed."""
    try:
        from standardwebhooks import Webhook, WebhookVerificationError
    except ImportError:
        return "the receiver's own code", _own_verifier(secret)
    library = Webhook(secret)

    def verify(body: bytes, headers: dict[str, str]) -> bool:
        try:
            library.verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):
            return False
        return True

    return "the standardwebhooks library", verify


def _own_verifier(secret: str) -> Verify:
    key = base64.b64decode(secret.removeprefix("whsec_"))

    def verify(body: bytes, headers: dict[str, str]) -> bool:
        message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
            return False
        signed = f"{message_id}.{stamp}.".encode() + body
        good = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = headers.get("webhook-signature", "").split()
        fresh = abs(time.time() - int(stamp)) <= TOLERANCE_S
        return fresh and any(hmac.compare_digest(good.encode(), one.encode()) for one in given)

    return verify
