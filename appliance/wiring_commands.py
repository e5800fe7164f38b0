"""Builds the desk for commands of the centre from its settings.

Duty: where the public keys are read, what the desk is given. Holds no logic of any part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.alarm_desk import AlarmDesk
from appliance.clock import Clock
from appliance.config_central import CentralSettings
from appliance.device_identity import OwnSignature, device_id
from appliance.errors import Fatal
from appliance.journal.journal import Journal
from appliance.limit_desk import LimitDesk
from appliance.reconcile.alarm_reconciler import ACTS, AlarmReconciler
from appliance.reconcile.central import CentralReader
from appliance.reconcile.command_desk import CommandDesk
from appliance.reconcile.command_document import public_keys
from appliance.reconcile.limit_reconciler import LimitReconciler
from appliance.supervisor import Supervisor
from appliance.wiring_central import Central, central_reader


class CentralCommands:
    """What the centre may order, where it may order anything: `supervise` it, `close` it at the end."""

    def __init__(
        self,
        settings: CentralSettings | None,
        state_dir: Path,
        desk: AlarmDesk,
        limit_desk: LimitDesk,
        *,
        journal: Journal,
        clock: Clock,
    ) -> None:
        """Raises Fatal where the centre's keys or the device's own cannot be used."""
        self._alarms, self._limits = desk, limit_desk
        self._reader: CentralReader | None = None
        self.desk: CommandDesk | None = None
        if settings is None or settings.command_keys_file is None:
            return
        path = settings.command_keys_file
        centre_keys(path)
        self._reader = central_reader(settings)
        self.desk = CommandDesk(
            journal,
            clock,
            device_id=device_id(state_dir),
            asker=self._reader,
            keys=lambda: centre_keys(path),
            alarms=desk,
            change_limits=limit_desk.merge,
            poll_s=settings.command_poll_s,
            trust_any_clock=settings.provisional_times == "send",
        )

    def reconcile_with(
        self, central: Central | None, settings: CentralSettings | None, state_dir: Path
    ) -> None:
        """Alarms and limits are part of the reconciliation, with commands or without."""
        if central is None or settings is None or central.reconciliation is None:
            return
        desk = self.desk
        central.reconciliation.reconciler.add(
            AlarmReconciler(
                self._alarms,
                central.reconciliation.reader,
                device_id=device_id(state_dir),
                is_own=OwnSignature(state_dir, ACTS).holds,
                days=settings.audit_days,
                command_counts=dict if desk is None else lambda: desk.counts,
            )
        )
        central.reconciliation.reconciler.add(
            LimitReconciler(
                self._limits,
                central.reconciliation.reader,
                device_id=device_id(state_dir),
                is_own=OwnSignature(state_dir, ACTS).holds,
            )
        )

    def supervise(self, supervisor: Supervisor) -> None:
        """Shelved alarms come back with or without a centre."""
        supervisor.add("shelved alarms", self._alarms.end_shelvings)
        if self.desk is not None:
            supervisor.add("central commands", self.desk.run)

    def beside(self, text: Callable[[], str]) -> Callable[[], str]:
        """The line "central" of the appliance page, with what is to say of commands."""
        desk = self.desk
        return text if desk is None else lambda: f"{text()}; {desk.text()}"

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()


def centre_keys(path: Path) -> Mapping[str, Ed25519PublicKey]:
    """The public keys of a file, by id. Raises Fatal."""
    try:
        return public_keys(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Fatal(f"the centre's public keys in {path} cannot be used: {error}") from error
