"""Tells systemd how the service is: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)).

Duty: datagrams to NOTIFY_SOCKET; says nothing where systemd did not ask. Never raises: a service must not die
because nobody listens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class ServiceNotifier:
    """The service's end of systemd's notification socket.

    `socket_path` None: silent. `watchdog_period_s` None: nothing is watched; else half of what is allowed.
    """

    def __init__(self, socket_path: str | None, watchdog_period_s: float | None) -> None:
        self.watchdog_period_s = watchdog_period_s
        # "@" stands for the NUL of Linux's abstract namespace (sd_notify(3)).
        self._address = None if not socket_path else socket_path.replace("@", "\0", 1)
        self._status = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> ServiceNotifier:
        """As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say."""
        watchdog_us = environ.get("WATCHDOG_USEC", "")
        for_us = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        period_s = int(watchdog_us) / 2e6 if watchdog_us.isdigit() and int(watchdog_us) and for_us else None
        return cls(environ.get("NOTIFY_SOCKET"), period_s)

    def ready(self) -> None:
        self._send("READY=1")

    def starting(self, text: str, still_s: float) -> None:
        """The start goes on: what it does, and that it may take so long from now on."""
        self.status(text)
        self._send(f"EXTEND_TIMEOUT_USEC={round(still_s * 1e6)}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent only when it changed."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    async def keep_alive(self) -> None:
        """Pats the watchdog for ever: from the event loop, so that a hung loop is what stops it."""
        while self.watchdog_period_s is not None:
            self.alive()
            await asyncio.sleep(self.watchdog_period_s)

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto(message.encode(), self._address)
        except OSError as error:
            logger.warning("systemd cannot be told message=%s reason=%s", message, error)


def service_notifier() -> ServiceNotifier:
    """The notifier of this process."""
    return ServiceNotifier.from_environment(os.environ, os.getpid())
