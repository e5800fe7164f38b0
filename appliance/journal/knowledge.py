"""What the journal knows of earlier starts, from the moment it is asked.

Duty: wait for the store as long as its opening gets on; where the disk refuses or hangs, take what the file
says by reading alone. A start that gets neither is *blind*: it goes on, so that alarms leave, and must not
decide what rests on what was (a limit that a person locked), until the service has started anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

from appliance.errors import Fatal
from appliance.journal.pending import PendingRecord
from appliance.journal.record import RecordClass
from appliance.journal.recovery import Recovery
from appliance.journal.store import Store
from appliance.journal.writer import Writer

_log = logging.getLogger(__name__)

IDLE_LIMIT_S = 30.0  # a start waits no longer for an opening that does not get on
READ_LIMIT_S = 5.0
_LOOK_S = 0.5
_TELL_S = 10.0


class Knowledge:
    """The store that questions go to: the writer's, else one that can only be read."""

    def __init__(self, writer: Writer, recovery: Recovery) -> None:
        self._writer = writer
        self._recovery = recovery
        self._read_only: Store | None = None
        self.blind = False  # this start knows nothing of what was, whatever opens later

    @property
    def store(self) -> Store | None:
        """What knows; None in a blind start until the file opens."""
        return self._writer.store or self._read_only

    def without_limits(self, pending: list[PendingRecord]) -> list[PendingRecord]:
        """What may be stored of these: a limit that was learned blind would take the place of one that is
        known, whoever locked it."""
        if not self.blind:
            return pending
        return [one for one in pending if one.record.record_class is not RecordClass.LIMIT]

    async def gather(self, told: Callable[[str], None]) -> None:
        """Wait for the writer's first opening, or read what it cannot open. `told`: why the start takes long.

        Raises Fatal when a newer release wrote the file.
        """
        await self._opened(told)
        failure = self._writer.failure
        if isinstance(failure, Fatal):
            raise failure
        if self._writer.store is None:
            self._read_only = await self._read()
            self.blind = self.store is None
            if self.blind:
                _log.error("journal cannot be read either: nothing is known of earlier starts")
            else:
                _log.warning("journal cannot be written: what it knows was read from it")

    async def _opened(self, told: Callable[[str], None]) -> None:
        told_s = time.monotonic()
        while not await asyncio.to_thread(self._writer.opened.wait, _LOOK_S):
            now_s = time.monotonic()
            if now_s - self._recovery.worked_s > IDLE_LIMIT_S:
                return
            if now_s - told_s >= _TELL_S:
                told_s = now_s
                told("the journal was damaged, saving what it holds")

    async def _read(self) -> Store | None:
        """In a thread that may hang with the disk."""
        found: Future[Store | None] = Future()

        def read() -> None:
            try:
                found.set_result(self._recovery.read_only())
            except (sqlite3.Error, OSError, Fatal) as error:
                _log.warning("journal cannot be read reason=%s", error)
                found.set_result(None)

        found.set_running_or_notify_cancel()  # a thread that comes too late still has somewhere to put it
        Thread(target=read, name="journal-recall", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_LIMIT_S):
                return await asyncio.wrap_future(found)
        return None
