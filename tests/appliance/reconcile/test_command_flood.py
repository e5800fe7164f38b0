"""More forgeries than the box reads at once: a command behind them comes later, never not at all."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from appliance.alarms.acts import ActKind
from appliance.demo_central import LocalInflux
from appliance.reconcile import command_desk, command_memory
from appliance.reconcile.command_document import AlarmOrder, signed
from appliance.sinks.line_protocol import line
from tests.appliance.journal.builders import SECOND_NS
from tests.appliance.reconcile.command_site import ALARM, CENTRE_KEY, HOUR_NS, Site, order, site, write
from tests.appliance.sinks.way import DEVICE


def forgeries(box: Site, first_ns: int, number: int) -> bytes:
    """So many points in a row, of somebody who may write and has no key."""
    said = dataclasses.replace(signed(box.acknowledgement(), CENTRE_KEY), signature="AAAA")
    fields = {"document": said.document, "signature": said.signature, "key_id": said.key_id}
    rows = [line("command", {"device_id": DEVICE}, fields, first_ns + at) for at in range(number)]
    return b"\n".join(row for row in rows if row is not None)


async def test_more_forgeries_than_one_look_reads_hide_no_command(
    tmp_path: Path, influxd: LocalInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_desk, "PAGE", 5)
    monkeypatch.setattr(command_desk, "MOST_PAGES", 2)
    monkeypatch.setattr(command_memory, "MOST_POINTS", 20)
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        first = box.acknowledgement()
        await asyncio.to_thread(order, influxd, first)
        await box.desk.look()
        assert box.desk.counts["done"] == 1
        # Before it, where only the hourly look over a whole week comes; after it; and of times to come.
        for first_ns in (box.now_ns - HOUR_NS, box.now_ns + 1, box.now_ns + HOUR_NS):
            await asyncio.to_thread(write, influxd, forgeries(box, first_ns, 60))
        shelved = box.command(AlarmOrder(ActKind.SHELVE, ALARM, box.alarm.activation, box.now_ns + HOUR_NS))
        box.clock.advance(SECOND_NS)
        await asyncio.to_thread(order, influxd, dataclasses.replace(shelved, issued_ns=box.now_ns))
        box.desk._full_look_ns = None  # as after an outage
        looks = 0
        while box.desk.counts["done"] < 2:
            assert looks < 10, "the command behind the flood is never read"
            await box.desk.look()
            looks += 1
        assert looks > 5, "one look read more than its bound"
        for _ in range(20):
            await box.desk.look()
        assert box.desk.counts["done"] == 2
        outcomes = [audit["outcome"] for audit in await box.audits() if audit["command_id"]]
        assert outcomes == ["done", "done"], "a flood pushed what was carried out from memory"
        assert box.desk._memory.refused_points <= 20
        assert "more of them wait" in box.desk.text()
        box.clock.advance(command_desk.LATE_NS)
        box.desk._full_look_ns = box.clock.monotonic_ns()
        for _ in range(8):
            await box.desk.look()
        assert box.desk.text().startswith("commands: asked for (")
