"""Builds the way of captured waveforms to an object store from its settings.

Duty: which store for which kind, where its secrets are read, what the courier is given. Holds no logic of
any part.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from appliance.alarms.system import SystemCondition
from appliance.captured_object import CapturedObjects
from appliance.clock import Clock
from appliance.config import ApplianceSettings
from appliance.config_object_store import ObjectStoreSettings
from appliance.dead_letters import DeadLetterTally, RefusedRecord
from appliance.device_identity import device_id
from appliance.errors import Fatal
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.journal import Journal
from appliance.journal.record import SinkClaim
from appliance.secret_file import secret_of
from appliance.sinks.capture_courier import OBJECT_STORE, CaptureCourier, CapturedObject
from appliance.sinks.capture_cursor import CaptureCursor
from appliance.sinks.courier_report import CourierState
from appliance.sinks.object_signature import SigningKey
from appliance.sinks.object_store import ObjectStore, StorePlace
from appliance.sources.source import LinkReport, LinkState
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.stage_meter import StageMeter

FOLDER_NAME = "object_store"
_LINK_STATES = {
    CourierState.STARTING: LinkState.CONNECTING,
    CourierState.CONNECTED: LinkState.CONNECTED,
    CourierState.UNREACHABLE: LinkState.LOST,
    CourierState.STOPPED: LinkState.REFUSED,
}


class ObjectStoring:
    """The built way, or none: `supervise` it, `close` at the end."""

    def __init__(
        self,
        appliance: ApplianceSettings,
        journal: Journal,
        clock: Clock,
        watch: SystemWatch,
        meter: StageMeter,
    ) -> None:
        """Raises Fatal where device key, cursor's folder or certificates cannot be used."""
        settings, state_dir = appliance.object_store, appliance.station.state_dir
        self._watch, self.meter = watch, meter
        self.courier: CaptureCourier | None = None
        self._store: ObjectStore | None = None
        self._address = ""
        if settings is None:
            return
        try:
            self._cursor = CaptureCursor(state_dir / FOLDER_NAME)
        except OSError as error:
            raise Fatal(f"the folder {state_dir / FOLDER_NAME} cannot be used: {error.strerror}") from error
        self._store = object_store(settings)
        self._address = settings.url
        self.courier = CaptureCourier(
            journal,
            self,
            self._cursor,
            load=CapturedObjects(CaptureFiles(journal.folder), device_id(state_dir), settings.prefix).load,
            watch=self._told,
            where=urlsplit(settings.url).netloc,
            daily_budget_bytes=round(settings.daily_budget_mb * 1e6),
            send_provisional=settings.provisional_times == "send",
            wall_ns=lambda: clock.wall(clock.monotonic_ns()).time_ns,
        )

    def claims(self) -> dict[str, SinkClaim]:
        """What the store takes over from the journal, by its name there."""
        return {} if self.courier is None else {OBJECT_STORE: self.courier.claim}

    def reports(self) -> list[LinkReport]:
        """How it stands, for the appliance page."""
        if self.courier is None:
            return []
        report = self.courier.report()
        counts = {"delivered": report.delivered, "refused": report.refused, "held back": report.held}
        figures = {"sent today MB": report.spent_bytes / 1e6, "sent MB": report.delivered_bytes / 1e6}
        state = _LINK_STATES[report.state]
        return [
            LinkReport(OBJECT_STORE, "object store", self._address, state, report.text, "", counts, figures)
        ]

    @property
    def letters(self) -> list[ObjectLetters]:
        """What the store refused for good."""
        return [] if self.courier is None else [ObjectLetters(self._cursor)]

    async def put(self, item: CapturedObject) -> None:
        """To the store, measured."""
        begin_s = time.monotonic()
        assert self._store is not None
        try:
            await self._store.put(item)
        except Exception:
            self.meter.fail()
            raise
        self.meter.done(time.monotonic() - begin_s)

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its task; without a store what was said of one is over."""
        courier = self.courier
        supervisor.add(OBJECT_STORE, self._clear if courier is None else courier.run)

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()

    async def _clear(self) -> None:
        await self._told(False, "", "")

    async def _told(self, refuses: bool, reason: str, remedy: str) -> None:
        await self._watch.state(refuses, SystemCondition.OBJECT_STORE_REFUSES, "", reason, remedy)


class ObjectLetters:
    """Captured parts that the store refused, for the list of dead letters."""

    def __init__(self, cursor: CaptureCursor) -> None:
        self._cursor = cursor

    def tally(self) -> DeadLetterTally:
        state = self._cursor.state
        return DeadLetterTally(OBJECT_STORE, len(state.refused), state.refused_dropped)

    def newest(self, limit: int) -> list[RefusedRecord]:
        refused = sorted(self._cursor.state.refused, key=lambda one: -one.refused_ns)[:limit]
        return [
            RefusedRecord(OBJECT_STORE, str(one.sequence), "capture", one.subject, one.refused_ns, one.reason)
            for one in refused
        ]

    def redrive(self, letter_ids: Sequence[str] | None) -> int:
        wanted = None if letter_ids is None else [int(one) for one in letter_ids if one.isdecimal()]
        try:
            return self._cursor.redrive(wanted)
        except OSError as error:
            raise Fatal(f"the object store's cursor cannot be written: {error}") from error


def object_store(settings: ObjectStoreSettings) -> ObjectStore:
    """The store of these settings. Raises Fatal."""
    base = settings.url.rstrip("/")
    tls: ssl.SSLContext | None = None
    if base.startswith("https:"):
        try:
            ca_file = None if settings.ca_file is None else str(settings.ca_file)
            tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ValueError) as error:
            raise Fatal(f"object_store.ca_file {settings.ca_file} cannot be used: {error}") from error
    secret_file, token_file = settings.secret_key_file, settings.token_file
    if settings.kind == "s3":
        return ObjectStore(
            StorePlace(f"{base}/{settings.bucket}", base),
            key=lambda: SigningKey(settings.access_key_id, secret_of(secret_file), settings.region),
            tls=tls,
            timeout_s=settings.timeout_s,
        )
    return ObjectStore(
        StorePlace(base, base),
        token=None if token_file is None else lambda: secret_of(token_file),
        tls=tls,
        timeout_s=settings.timeout_s,
    )
