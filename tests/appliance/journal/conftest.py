"""An open journal in a folder of its own, closed whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from appliance.clock import Clock, ReplayClock
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets, Timing
from tests.appliance.journal.builders import PATIENT, SMALL, START_NS

OpenJournal = Callable[..., Awaitable[Journal]]


@pytest.fixture
async def open_journal(tmp_path: Path) -> AsyncIterator[OpenJournal]:
    opened: list[Journal] = []

    async def open_one(
        folder: Path | None = None,
        budgets: Budgets = SMALL,
        clock: Clock | None = None,
        timing: Timing = PATIENT,  # `QUICK` for what is about a disk that hangs or refuses
        resolve_times: bool = True,
        refuge_folder: Path | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Journal:
        journal = await Journal.open(
            folder or tmp_path / "journal",
            budgets,
            clock or ReplayClock(START_NS),
            timing,
            resolve_times=resolve_times,
            refuge_folder=refuge_folder,
            told=told,
        )
        opened.append(journal)
        return journal

    yield open_one
    for journal in opened:
        with contextlib.suppress(OSError):
            await journal.close()
