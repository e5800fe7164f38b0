"""A box with an alarm and a centre with a key, for tests of commands: all real, but for the time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import urllib.request
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.alarm_desk import AlarmDesk
from appliance.alarm_records import StoredTransition
from appliance.alarms.acts import ActivationId, ActKind, HybridStamp
from appliance.alarms.lifecycle import Condition, Severity
from appliance.alarms.register import AlarmRegister
from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.limit_wish import LimitWish
from appliance.reconcile.alarm_merge import AlarmStanding, fold
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.central_alarms import FIELDS, events_of_rows, events_of_stored
from appliance.reconcile.command_desk import ChangeLimits, CommandDesk
from appliance.reconcile.command_document import (
    AlarmOrder,
    Command,
    LimitOrder,
    SignedCommand,
    key_id_of,
    signed,
)
from appliance.reconcile.limits_merge import MergePlan
from appliance.sinks.line_protocol import line
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import DEVICE, journal_in

ALARM = "pump-1.machine-condition"
CONDITION = Condition(ALARM, "pump-1", "pump-1.de.x", "machine condition", Severity.WATCH, "outer race")
HOUR_NS = 3_600 * SECOND_NS
CENTRE_KEY = Ed25519PrivateKey.generate()


async def _no_limits(asset_id: str, wish: LimitWish, actor: str) -> MergePlan:
    raise KeyError(asset_id)


class Site:
    """One box on a journal, and its desk for commands. `url` is the way to the centre."""

    def __init__(
        self, journal: Journal, clock: ReplayClock, url: str, change_limits: ChangeLimits = _no_limits
    ) -> None:
        self.journal, self.clock = journal, clock
        self.alarms = AlarmDesk(journal, clock)
        self.register = AlarmRegister()
        self._lock = asyncio.Lock()
        self.alarms.add_owner("pump-1", self.register, self._lock)
        self.register.restore(self.alarms.restore())
        self.reader = CentralReader(url, Target(DATABASE), timeout_s=60.0)
        self.desk = CommandDesk(
            journal,
            clock,
            device_id=DEVICE,
            asker=self.reader,
            keys=lambda: {key_id_of(CENTRE_KEY.public_key()): CENTRE_KEY.public_key()},
            alarms=self.alarms,
            change_limits=change_limits,
            poll_s=0.02,
            chance=lambda: 0.0,
        )

    @property
    def now_ns(self) -> int:
        return self.clock.wall(self.clock.monotonic_ns()).time_ns

    @property
    def alarm(self) -> StoredTransition:
        stored = self.alarms.get(ALARM)
        assert stored is not None
        return stored

    async def condition(self, stands: bool) -> None:
        self.clock.advance(SECOND_NS)
        now_ns = self.clock.monotonic_ns()
        async with self._lock:
            step = self.register.state(CONDITION, now_ns) if stands else self.register.clear(ALARM, now_ns)
            assert step is not None
            await self.alarms.publish([step])

    def command(self, order: AlarmOrder | LimitOrder, **changes: Any) -> Command:
        """Of eva at the centre, now, valid for an hour."""
        now_ns = self.now_ns
        made = Command(
            uuid.uuid4().hex, DEVICE, HybridStamp(now_ns), now_ns, now_ns + HOUR_NS, "eva", "seen", order
        )
        return dataclasses.replace(made, **changes)

    def acknowledgement(self, named: ActivationId | None = None, **changes: Any) -> Command:
        order = AlarmOrder(ActKind.ACKNOWLEDGE, ALARM, named or self.alarm.activation)
        return self.command(order, **changes)

    async def transitions(self) -> list[StoredTransition]:
        return await self.alarms.history(ALARM)

    async def audits(self) -> list[dict[str, Any]]:
        """Every record of what became of a command."""
        records = await self.journal.history(RecordKind.AUDIT, "command", 10_000)
        return [orjson.loads(record.payload) for record in records]

    async def state_here(self) -> dict[str, AlarmStanding]:
        return fold(events_of_stored(await self.transitions()))


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    url: str,
    *,
    clock: ReplayClock | None = None,
    change_limits: ChangeLimits = _no_limits,
) -> AsyncIterator[Site]:
    """A life of the box on a folder."""
    set_clock = clock or ReplayClock(START_NS)
    async with journal_in(folder, set_clock) as journal:
        one = Site(journal, set_clock, url, change_limits)
        await one.desk.recall()
        try:
            yield one
        finally:
            await one.reader.close()


def say(server: LocalInflux, said: SignedCommand, time_ns: int, device: str = DEVICE) -> None:
    """Write a command at the centre as its tool does. Blocking."""
    fields = {"document": said.document, "signature": said.signature, "key_id": said.key_id}
    written = line("command", {"device_id": device}, fields, time_ns)
    assert written is not None
    write(server, written)


def order(server: LocalInflux, command: Command) -> None:
    """Sign and write a command at the centre. Blocking."""
    say(server, signed(command, CENTRE_KEY), command.issued_ns)


def write(server: LocalInflux, body: bytes) -> None:
    url = f"{server.url}/write?db={DATABASE}&precision=ns"
    urllib.request.urlopen(url, data=body, timeout=60).close()


def state_there(server: LocalInflux) -> dict[str, AlarmStanding]:
    """The state as the centre's own rows have it. Blocking."""
    fields = ", ".join(f'"{name}"' for name in FIELDS)
    rows: Sequence[dict[str, Any]] = server.ask(f'SELECT {fields} FROM "alarm"')
    return fold(events_of_rows(rows))


def results(server: LocalInflux) -> list[dict[str, Any]]:
    """Every row of `command_result`. Blocking."""
    return server.ask('SELECT command_id, outcome, "text", actor, about FROM command_result')
