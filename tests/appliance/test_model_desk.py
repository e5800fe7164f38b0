"""The desk of networks: an alarm for what does not answer as chosen, a report, and nothing without slots."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from appliance.alarms.lifecycle import Alarm
from appliance.alarms.system import SystemCondition
from appliance.model_desk import ModelDesk
from appliance.model_report import read_report
from appliance.model_slot import ModelSlot, SlotPlan
from dsp.extractor import EXTRACTOR_VERSION
from models.host_tiers import Tier
from models.store import write_bundle
from models.store_slots import FILE, SlotStore
from tests.appliance.house import House, house, until
from tests.appliance.test_model_slot import NAMES, RATE_HZ, RULES
from tests.fakes.trend_bundle import trend_bundle

ALARM = "appliance.network-fallback.pumps"


def slot_of(folder: Path, store: SlotStore) -> ModelSlot:
    plan = SlotPlan(
        "pumps", folder / "pumps.zip", [Tier("numpy_reference")], RULES, {"m.x": {EXTRACTOR_VERSION: NAMES}}
    )
    return ModelSlot(plan, store)


@contextlib.asynccontextmanager
async def running(one: House, slots: list[ModelSlot], store: SlotStore) -> AsyncIterator[ModelDesk]:
    desk = ModelDesk(slots, store, one.watch, one.clock)
    task = asyncio.create_task(desk.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(desk.close)


def alarm(one: House) -> Alarm | None:
    stored = one.desk.get(ALARM)
    return None if stored is None else stored.transition.alarm


def active(one: House) -> bool:
    found = alarm(one)
    return found is not None and found.state.active


async def test_a_damaged_store_is_an_alarm_and_what_is_configured_stays_in_force(tmp_path: Path) -> None:
    write_bundle(trend_bundle(RATE_HZ, "configured"), tmp_path / "pumps.zip")
    store = SlotStore(tmp_path / "models")
    store.use("pumps", "network")
    sound = (store.folder / FILE).read_bytes()
    (store.folder / FILE).write_bytes(b"{")
    async with house(tmp_path / "house") as one, running(one, [slot_of(tmp_path, store)], store) as desk:
        await until(lambda: active(one), 60.0)
        found = alarm(one)
        assert found is not None
        assert "slots.json: is damaged" in found.reason
        assert "stethos models status" in found.reason
        await until(lambda: desk.standings[0].answers == "numpy_reference", 60.0)
        (store.folder / FILE).write_bytes(sound)
        await until(lambda: not active(one), 60.0)
        report = read_report(store.folder)
        assert report is not None
        (told,) = report["slots"]
        assert (told["title"], told["answers"]) == ("linear configured", "numpy_reference")


async def test_a_missing_bundle_is_an_alarm_until_no_network_is_wanted(tmp_path: Path) -> None:
    store = SlotStore(tmp_path / "models")
    async with house(tmp_path / "house") as one, running(one, [slot_of(tmp_path, store)], store):
        await until(lambda: active(one), 60.0)
        found = alarm(one)
        assert found is not None
        assert "there is no such folder or file" in found.reason
        assert "the statistical detector answers" in found.reason
        store.use("pumps", "statistical")
        await until(lambda: not active(one), 60.0)


async def test_what_was_said_of_a_slot_that_is_no_more_is_over(tmp_path: Path) -> None:
    store = SlotStore(tmp_path / "models")
    async with house(tmp_path / "house") as one:
        for name in ("pumps", "fans"):
            await one.watch.state(True, SystemCondition.NETWORK_FALLBACK, name, "damaged")
        assert active(one)
        desk = ModelDesk([], store, one.watch, one.clock)
        await desk.run()
        assert not active(one)
        other = one.desk.get("appliance.network-fallback.fans")
        assert other is not None
        assert not other.transition.alarm.state.active
    assert not store.folder.exists()
