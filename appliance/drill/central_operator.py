"""A person at the centre during the drill, who orders by signed commands through the database.

Duty: a key of its own, one command for each activation that the centre shows, written straight to the real
server (what happens to the line hits the appliance's asking and answering, not this hand). Judges nothing.
"""

from __future__ import annotations

import os
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.alarms.acts import ActivationId, ActKind, HybridStamp
from appliance.demo_central import DATABASE, LocalInflux
from appliance.errors import StethosError
from appliance.reconcile.command_document import MEASUREMENT, AlarmOrder, Command, signed
from appliance.reconcile.hybrid_clock import HybridClock
from appliance.sinks.line_protocol import line

WRITE_WAIT_S = 5.0
HOUR_NS = 3_600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """A command that the server has confirmed."""

    command_id: str
    actor: str  # one of a kind: by it the effect is known wherever it turns up


class CentralOperator:
    """Signs with a key that is made anew; `keys_file` is what the appliance trusts."""

    def __init__(self, folder: Path) -> None:
        self.keys_file = folder / "centre.pub"
        self._key = Ed25519PrivateKey.generate()
        self._clock = HybridClock("centre")
        self._shelved: set[ActivationId] = set()

    def introduce(self) -> None:
        """Write the public key for the appliance. Raises OSError."""
        pem = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        descriptor = os.open(self.keys_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)

    def shelve(self, centre: LocalInflux, alarm_id: str, actor: str) -> Given | None:
        """Order that the newest activation of an alarm be shelved; None where the centre shows none that is
        new, or did not confirm. Blocking."""
        try:
            rows = centre.ask(
                "SELECT activation, raised_time_ns, hlc_ns, hlc_logical, device_id FROM alarm "  # noqa: S608
                f"WHERE alarm_id = '{alarm_id}'"
            )
            known = [row for row in rows if row["raised_time_ns"] is not None]
            if not known:
                return None
            # By the record's time: that of its raising is a name, and may be of a clock that was set ahead.
            newest = max(known, key=lambda row: int(row["time"]))
            named = ActivationId(int(newest["activation"]), int(newest["raised_time_ns"]))
            if named in self._shelved:
                return None
            now_ns = time.time_ns()
            self._clock.recall(HybridStamp(int(newest["hlc_ns"] or 0), int(newest["hlc_logical"] or 0)))
            command = Command(
                command_id=uuid.uuid4().hex,
                device_id=str(newest["device_id"]),
                stamp=self._clock.tick(now_ns),
                issued_ns=now_ns,
                expires_ns=now_ns + HOUR_NS,
                actor=actor,
                reason="the drill",
                order=AlarmOrder(ActKind.SHELVE, alarm_id, named, now_ns + HOUR_NS),
            )
            self._write(centre, command)
        except (OSError, ValueError, StethosError):
            return None
        self._shelved.add(named)
        return Given(command.command_id, actor)

    def _write(self, centre: LocalInflux, command: Command) -> None:
        """Raises OSError where the server does not confirm."""
        said = signed(command, self._key)
        written = line(
            MEASUREMENT,
            {"device_id": command.device_id},
            {"document": said.document, "key_id": said.key_id, "signature": said.signature},
            command.issued_ns,
        )
        url = f"{centre.url}/write?db={DATABASE}&precision=ns"
        with urllib.request.urlopen(url, data=written, timeout=WRITE_WAIT_S):  # noqa: S310 - loopback
            pass
