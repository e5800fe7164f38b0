"""What several tests of the appliance begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.appliance.house import house, running
from tests.appliance.test_pipeline import feed_all

LEARNS_S = 90.0  # longer than the demo's profile needs, fault lines included


@pytest.fixture(scope="session")
def one_learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A journal in which healthy running has been learned, and when that was. Copy it."""
    folder = tmp_path_factory.mktemp("learned")

    async def learn() -> int:
        async with house(folder) as one:
            one.start()
            await feed_all(one, running(LEARNS_S))
            return one.clock.monotonic_ns()

    return folder, asyncio.run(learn())
