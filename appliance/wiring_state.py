"""Opens what the appliance keeps: the journal, and the folder with accounts, certificates and all else.

Duty: where the parts keep their files (the state folder, or what stands in for one that takes no writes), and
what is opened before any part is built. Holds no logic of any part.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import Clock
from appliance.config import ApplianceSettings
from appliance.errors import Fatal
from appliance.journal.journal import Journal
from appliance.stand_in import give_up, stand_in
from appliance.tls_files import TlsFiles
from appliance.wiring_budgets import build_budgets
from appliance.wiring_web import tls_files
from web.auth import AuthStore


@dataclass(frozen=True, slots=True)
class OpenedState:
    """What is open. `settings` name the folder in which the parts keep their files."""

    settings: ApplianceSettings
    journal: Journal
    auth: AuthStore
    tls: TlsFiles | None


async def open_state(
    settings: ApplianceSettings, clock: Clock, told: Callable[[str], None] | None = None
) -> OpenedState:
    """Open it; `told` hears why that takes long. Raises Fatal."""
    state_dir = settings.station.state_dir
    hold = settings.central is None or settings.central.provisional_times == "hold"
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]  # systemd's
    memory = Path(runtime) if runtime else None
    try:
        if not state_dir.is_dir():
            state_dir.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise _unusable(state_dir, error) from error
    journal = await Journal.open(
        state_dir / "journal",
        build_budgets(settings),
        clock,
        resolve_times=hold,
        refuge_folder=memory,
        told=told,
    )
    try:
        place = await asyncio.to_thread(_place_of_state, state_dir, memory, journal.durable)
        try:
            auth = AuthStore.open(place / "accounts.json")
        except OSError as error:
            raise _unusable(place, error) from error
        tls = tls_files(settings.web, place / "tls")
    except BaseException:
        await journal.close()
        raise
    station = settings.station.model_copy(update={"state_dir": place})
    return OpenedState(settings.model_copy(update={"station": station}), journal, auth, tls)


def _place_of_state(state_dir: Path, memory: Path | None, durable: bool) -> Path:
    """Where the parts keep their files: in memory, where the disk did not take the journal. Raises Fatal."""
    if not durable:
        return stand_in(state_dir, memory)
    if memory is not None:
        give_up(state_dir, memory)
    return state_dir


def _unusable(folder: Path, error: OSError) -> Fatal:
    return Fatal(f"the state folder {folder} cannot be used: {error.strerror}")
