"""The demo's receiver of webhooks: on loopback, with a secret of its own, believing nothing unsigned.

Duty: to verify each message and hand it on. Not part of an appliance: a plant has its own maintenance system.
"""

from __future__ import annotations

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
from appliance.sinks.webhook_signature import secret_text, signature

TOLERANCE_S = 300


class DemoReceiver:
    """One receiver; `start` it, `stop` it. `took(message)` is called once per `webhook-id`."""

    def __init__(self, folder: Path, took: Callable[[dict[str, Any]], None]) -> None:
        """Makes a new secret in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.url = ""
        self.secret_file = folder / "webhook-secret"
        self.refused = 0
        self._key = secrets.token_bytes(32)
        self._took = took
        self._known: set[str] = set()
        self.secret_file.unlink(missing_ok=True)
        with os.fdopen(os.open(self.secret_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secret_text(self._key) + "\n")
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
        message_id, stamp = (
            request.headers.get("webhook-id", ""),
            request.headers.get("webhook-timestamp", ""),
        )
        given = request.headers.get("webhook-signature", "").split()
        fresh = stamp.isascii() and stamp.isdigit() and abs(time.time() - int(stamp[:15])) <= TOLERANCE_S
        good = signature(self._key, message_id, int(stamp[:15]), body) if fresh else ""
        if not any(hmac.compare_digest(good.encode(), one.encode()) for one in given):
            self.refused += 1
            return web.Response(status=401, text="not signed with the secret, or not now")
        if message_id not in self._known:
            self._known.add(message_id)
            self._took(json.loads(body))
        return web.Response(status=204)
