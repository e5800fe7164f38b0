"""The appliance's own alarms over damage and restarts: what is over clears, whoever is left to say so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.alarms.lifecycle import Condition, Severity, raise_alarm
from appliance.clock import ReplayClock
from appliance.journal.record import DamageReport
from appliance.sources.source import LinkState, SourceLost
from tests.appliance.house import House, house, running, until
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_pipeline import feed_all
from web.station_view import StaleAcknowledgementError

S = 1_000_000_000


def watched(one: House) -> None:
    one.start()
    one.tasks.append(asyncio.create_task(one.watch.run()))


def active(one: House, alarm_id: str) -> bool:
    stored = one.desk.get(alarm_id)
    return stored is not None and stored.transition.alarm.state.active


async def test_an_overload_of_before_a_restart_is_over_when_nothing_is_dropped(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        watched(one)
        one.watch.queue_overflows("sensor")
        await until(lambda: active(one, "appliance.overload.sensor"))
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        watched(again)
        await asyncio.sleep(0.05)
        assert active(again, "appliance.overload.sensor")

        def over_after_another_second() -> bool:
            again.clock.advance(S)  # the watch may look for the first time only now
            return not active(again, "appliance.overload.sensor")

        await until(over_after_another_second)


async def test_damage_found_while_running_is_an_alarm_and_the_next_start_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as one:
        watched(one)
        await until(lambda: one.journal.last_sequence == 0)
        assert not active(one, "appliance.data-lost")
        report = DamageReport(START_NS, "garbled", "journal.sqlite.damaged-1", 3, None, "It was damaged.")
        monkeypatch.setattr(one.journal._recovery, "report", report)
        await until(lambda: active(one, "appliance.data-lost"))
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        watched(again)
        await until(lambda: not active(again, "appliance.data-lost"))
        stored = again.desk.get("appliance.data-lost")
        assert stored is not None
        assert stored.transition.alarm.state == "cleared, unacknowledged"


async def test_a_lost_source_that_is_taken_out_of_the_configuration_is_no_alarm(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        watched(one)
        await one.watch.source_lost(SourceLost("old-port", LinkState.NOT_FOUND, "no such port"))
        await one.watch.source_lost(SourceLost("sensor", LinkState.NOT_FOUND, "no such port"))
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        watched(again)
        await until(lambda: not active(again, "appliance.source-lost.old-port"))
        assert active(again, "appliance.source-lost.sensor")


async def test_alarms_of_a_machine_that_is_gone_clear_and_can_be_acknowledged(tmp_path: Path) -> None:
    gone = Condition("fan-9.machine-condition", "fan-9", "fan-9.x", "machine condition", Severity.STOP, "bad")
    async with house(tmp_path) as one:
        one.start()
        await one.desk.publish([raise_alarm(None, gone, S)])
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        watched(again)
        await until(lambda: not active(again, "fan-9.machine-condition"))
        view = await again.station.acknowledge("fan-9.machine-condition", 1, "eva", "scrapped")
        assert (view.state, view.acknowledged_by) == ("normal", "eva")
        with pytest.raises(StaleAcknowledgementError):
            await again.station.acknowledge("fan-9.machine-condition", 1, "eva", "again")


async def test_check_sensor_of_a_channel_that_is_gone_clears(tmp_path: Path) -> None:
    gone = Condition(
        "motor-1.check-sensor.z", "motor-1", "motor-1.z", "check sensor", Severity.NOT_RATED, "flat line"
    )
    async with house(tmp_path) as one:
        one.start()
        await one.desk.publish([raise_alarm(None, gone, S)])
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        again.start()
        assert active(again, "motor-1.check-sensor.z")
        await feed_all(again, running(2.0))
        await until(lambda: not active(again, "motor-1.check-sensor.z"))
