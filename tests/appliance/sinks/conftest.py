"""A running influxd for a test, ended whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.demo_central import LocalInflux
from tests.appliance.sinks.influx_server import local_influx


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[LocalInflux]:
    server = local_influx(tmp_path)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
