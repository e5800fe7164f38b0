"""What a box knows of earlier commands after a restart, however many were refused since."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.demo_central import LocalInflux
from appliance.reconcile import command_desk
from appliance.reconcile.command_document import signed
from tests.appliance.journal.builders import SECOND_NS
from tests.appliance.reconcile.command_site import CENTRE_KEY, order, say, site


async def test_a_flood_of_refusals_pushes_nothing_out_of_memory_that_was_carried_out(
    tmp_path: Path, influxd: LocalInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_desk, "RECALLED", 5)  # at once; really thousands
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        done = box.acknowledgement()
        await asyncio.to_thread(order, influxd, done)
        await box.desk.look()
        forger = Ed25519PrivateKey.generate()
        for _ in range(23):
            box.clock.advance(SECOND_NS)
            await asyncio.to_thread(say, influxd, signed(box.acknowledgement(), forger), box.now_ns)
            await box.desk.look()
    async with site(tmp_path, influxd.url, clock=box.clock) as box:
        before = len(await box.audits())
        assert before == 24
        await box.desk.look()
        assert not any(box.desk.counts.values()), "a command was looked at twice"
        # The same words at another time are the same command, and known as carried out.
        await asyncio.to_thread(say, influxd, signed(done, CENTRE_KEY), box.now_ns + 1)
        await box.desk.look()
        assert [audit["outcome"] for audit in (await box.audits())[before:]] == ["refused"]
        assert len(await box.transitions()) == 2
