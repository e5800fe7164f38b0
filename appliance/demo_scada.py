"""The demo's SCADA: a foreign OPC UA client in a process of its own, and the operator who trusts it.

Duty: its user and password, its certificate's way from `opcua/rejected` to `opcua/trusted`, and what it
tells. The program is node-opcua's client (tools/scada.sh) or, second choice, asyncua's (demo_scada_client);
both take one JSON line on standard input, so that the password stands in no list of processes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.alarms.register import alarm_id_of
from appliance.alarms.rules import MACHINE_CONDITION
from appliance.commands.child_process import ChildProcess
from appliance.demo_config import MACHINE_ID
from appliance.publishers.address_space import ALARM_STATES, NAMESPACE_URI, alarm_path, machine_path
from appliance.publishers.opcua_users import set_password

USER = "scada"
ALARM_PATH = alarm_path(machine_path(MACHINE_ID), alarm_id_of(MACHINE_ID, MACHINE_CONDITION))
STATE_NODE, TEXT_NODE = f"{ALARM_PATH}/state", f"{ALARM_PATH}/text"
Tell = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class Notification:
    """What a subscription brought: the alarm's sentence, and its state at that time as a word."""

    text: str
    state: str
    status: str


@dataclass(frozen=True, slots=True)
class OpcUaAccess:
    """How a SCADA system gets in."""

    url: str
    password: str
    folder: Path  # with the folders `rejected` and `trusted`

    @classmethod
    def make(cls, users_file: Path, port: int) -> OpcUaAccess:
        """A new password for the user. Blocking. Raises OSError, ValueError."""
        password = set_password(users_file, USER)
        return cls(f"opc.tcp://127.0.0.1:{port}/stethos", password, users_file.parent)


class Scada:
    """The client; `start` it, `follow` it, and stop its `process`."""

    def __init__(self, access: OpcUaAccess, program: Path | None, folder: Path, log: Path) -> None:
        """`program` None: asyncua's client; `folder` is where the client keeps its certificate."""
        self.name = "the SCADA client"
        self._access, self._program, self._folder, self._log = access, program, folder, log
        self._state = ""

    async def start(self) -> ChildProcess:
        """Start it and tell it what to do. Raises Fatal or OSError when it does not run."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = {**os.environ, "HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        if self._program is None:
            command: tuple[str, ...] = (
                sys.executable,
                "-m",
                "appliance.demo_scada_client",
                str(self._folder),
            )
        else:
            command = (str(self._program), str(self._folder))
        child = await ChildProcess.run("SCADA client", *command, log=self._log, environment=home)
        try:
            self.name = str((await child.first_line(self._log)).get("client", self.name))
            wish = {"url": self._access.url, "user": USER, "password": self._access.password}
            await child.tell({**wish, "namespace": NAMESPACE_URI, "nodes": [STATE_NODE, TEXT_NODE]})
        except BaseException:
            await child.stop()
            raise
        return child

    async def follow(self, child: ChildProcess, tell: Tell, took: Callable[[Notification], None]) -> None:
        """Until it ends: tell of the connection, hand on what the subscription brings."""
        async for line in child.lines():
            if "refused" in line:
                self._refused(str(line["refused"]), tell)
            elif "subscribed" in line:
                tell(
                    {"type": "scada", "state": "subscribed", "client": self.name},
                    f"SCADA ({self.name}) is connected, encrypted, and subscribed to the machine's alarm",
                )
            elif "lost" in line:
                tell({"type": "scada", "state": "lost"}, "SCADA has lost the appliance; it tries again")
            elif line.get("changed") == STATE_NODE:
                number = line.get("value")
                known = isinstance(number, int) and 0 <= number < len(ALARM_STATES)
                self._state = ALARM_STATES[number] if known else str(number)  # type: ignore[index]
            elif line.get("changed") == TEXT_NODE and line.get("value"):
                took(Notification(str(line["value"]), self._state, str(line.get("status", ""))))

    def _refused(self, reason: str, tell: Tell) -> None:
        moved = trust_rejected(self._access.folder) if "BadCertificateUntrusted" in reason else []
        told = {"type": "scada", "state": "refused", "reason": reason, "trusted": moved}
        if moved:
            tell(
                told,
                "SCADA's certificate is unknown, so it was refused; the demo trusts it as an operator would:",
            )
            for name in moved:
                tell({"type": "trusted", "name": name}, f"  moved opcua/rejected/{name} to opcua/trusted/")
        else:
            tell(told, "")


def trust_rejected(folder: Path) -> list[str]:
    """Move every refused certificate to the trusted ones, as an operator would; their names."""
    moved = []
    for path in sorted((folder / "rejected").glob("*.der")):
        with contextlib.suppress(OSError):
            path.replace(folder / "trusted" / path.name)
            moved.append(path.name)
    return moved
