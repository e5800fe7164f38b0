"""The OPC UA server while the wall clock is set: a foreign client stays subscribed, nothing says 1970."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.clock import EARLIEST_PLAUSIBLE_NS
from tests.appliance.publishers.opcua_rig import RMS, good, serving
from tests.appliance.publishers.test_opcua_server import SIGNED_IN, changes_of, of
from tests.fakes.foreign_opcua import NodeProcess, node_process
from tests.fakes.set_clock import HOUR_NS, SetClock

EARLIEST_MS = EARLIEST_PLAUSIBLE_NS / 1e6


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    async with node_process("client.js", folder=tmp_path / "node") as process:
        yield process


async def test_values_go_on_over_every_step_of_the_clock(tmp_path: Path, peer: NodeProcess) -> None:
    """Hours forward and back, to 1970 and right again: no value is held up, dropped, or of 1970."""
    host = SetClock(disciplined=True)

    def now_ns() -> int:
        return host.clock.wall(host.clock.monotonic_ns()).time_ns

    def utc() -> datetime:
        return datetime.fromtimestamp(now_ns() / 1e9, UTC)

    async with serving(tmp_path / "ua", utc=utc) as rig:
        host.set_wall(0)
        now_ns()
        await peer.do("connect", url=rig.url, **SIGNED_IN)
        await peer.do("subscribe", nodes=[of(RMS)])
        expected_ms = []
        steps = [0, 5 * HOUR_NS, -7 * HOUR_NS, -time.time_ns(), 0]
        for number, ahead_ns in enumerate(steps):
            host.disciplined = ahead_ns != steps[3]
            host.set_wall(ahead_ns)
            at_ns = now_ns()
            expected_ms.append(at_ns / 1e6)
            rig.server.publish([good(RMS, float(number + 1), at_ns)])
            await changes_of(peer, RMS, float(number + 1))
        found = await changes_of(peer, RMS, float(len(steps)))
        (again,) = await peer.do("read", nodes=[of(RMS)])
    told = [one for one in found if one["value"] is not None]
    assert [one["value"] for one in told] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert {one["status"] for one in told} == {"Good"}
    assert [one["source"] for one in told] == pytest.approx(expected_ms, abs=100.0)
    assert min(one["source"] for one in (*found, again)) >= EARLIEST_MS
    assert min(one["server"] for one in (*found, again)) >= EARLIEST_MS
    hours = [(one["source"] / 1000.0 - time.time()) / 3600.0 for one in told]
    assert hours == pytest.approx([0.0, 5.0, -7.0, 0.0, 0.0], abs=0.1)  # 1970: on from the last trusted time
