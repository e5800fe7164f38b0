"""Journal and centre, counted apart: equal after an outage; and each way of being unequal is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.clock import ReplayClock
from appliance.commands.demo_outage import CourierWords, Outage, words_of
from appliance.demo_agreement import Agreement, compare, journal_account, last_sequence
from appliance.demo_central import LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.conftest import influxd
from tests.appliance.sinks.way import (
    CHANNEL,
    Way,
    everything,
    flushed,
    journal_in,
    stored,
    telemetry,
    until,
    way,
)

__all__ = ["influxd"]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as one:
        await everything(one, clock)
        await flushed(one, RecordKind.TAG, 40)
        yield one


async def compared(journal: Journal, server: LocalInflux) -> Agreement:
    account = await asyncio.to_thread(journal_account, journal.folder, journal.last_sequence)
    return await asyncio.to_thread(compare, account, server.ask)


async def delivered(journal: Journal, tmp_path: Path, server: LocalInflux) -> Agreement:
    async with way(journal, tmp_path, server) as running:
        await running.drained()
    return await compared(journal, server)


async def test_all_agree_once_everything_is_delivered(
    journal: Journal, tmp_path: Path, influxd: LocalInflux
) -> None:
    before = await compared(journal, influxd)
    assert not before.agrees
    agreement = await delivered(journal, tmp_path, influxd)
    assert agreement.differences == ()
    assert (await stored(journal)).items() <= agreement.points.items()
    assert (agreement.transitions, agreement.counters) == (50, 3)
    total = sum(agreement.points.values())
    assert words_of(agreement).startswith(f"all agree: {total} points, 50 alarm transitions, 3 counters")
    assert await asyncio.to_thread(last_sequence, journal.folder) == journal.last_sequence


async def delete(server: LocalInflux, measurement: str, where: str) -> None:
    (row,) = await asyncio.to_thread(
        server.ask, f'SELECT * FROM "{measurement}" WHERE {where} ORDER BY time DESC LIMIT 1'
    )
    await asyncio.to_thread(server.ask, f'DELETE FROM "{measurement}" WHERE time = {row["time"]}')


@pytest.mark.parametrize(
    ("measurement", "where", "told"),
    [
        ("features", "duration_s > 0", f"features of {CHANNEL}: 40 points here, 39 there"),
        ("score", "value > 0", f"score of {CHANNEL}: 36 points here, 35 there"),
        ("alarm", "activation > 0", "(pump-1.rule-49 raised) is not there"),
        ("counter", "value > 0", "is not there"),
        ("gap", "gap_id > 0", "gap: number"),
    ],
)
async def test_a_point_that_the_centre_has_lost_is_named(
    journal: Journal, tmp_path: Path, influxd: LocalInflux, measurement: str, where: str, told: str
) -> None:
    assert (await delivered(journal, tmp_path, influxd)).agrees
    await delete(influxd, measurement, where)
    agreement = await compared(journal, influxd)
    assert any(told in one for one in agreement.differences), agreement.differences
    assert words_of(agreement).startswith("NOT all agree")


async def write(server: LocalInflux, line: str) -> None:
    import urllib.request

    request = urllib.request.Request(
        f"{server.url}/write?db=stethos&precision=ns", line.encode(), method="POST"
    )
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())


async def test_a_doubled_point_a_changed_value_and_a_changed_word_are_named(
    journal: Journal, tmp_path: Path, influxd: LocalInflux
) -> None:
    assert (await delivered(journal, tmp_path, influxd)).agrees
    (tag,) = await asyncio.to_thread(influxd.ask, "SELECT * FROM process_value LIMIT 1")
    series = f"process_value,channel=speed,device_id={tag['device_id']}"
    await write(influxd, f"{series} value=24.5 {tag['time'] + 1}")  # beside the first
    (alarm,) = await asyncio.to_thread(influxd.ask, "SELECT * FROM alarm LIMIT 1")
    tags = f"alarm,asset={alarm['asset']},channel={alarm['channel']},device_id={alarm['device_id']}"
    await write(influxd, f'{tags} what="closed" {alarm["time"]}')
    (feature,) = await asyncio.to_thread(influxd.ask, "SELECT * FROM features LIMIT 1")
    tags = f"features,asset={feature['asset']},channel={feature['channel']},device_id={feature['device_id']}"
    await write(influxd, f"{tags} duration_s={feature['duration_s'] + 1e-3} {feature['time']}")
    told = " | ".join((await compared(journal, influxd)).differences)
    assert "process_value of speed: 40 points here, 41 there" in told
    assert "what is 'raised' here, 'closed' there" in told
    assert f"features of {CHANNEL}: the sum of duration_s is" in told


async def test_pull_and_return_as_the_demo_does_it(
    journal: Journal, tmp_path: Path, influxd: LocalInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The centre is stopped while records come; afterwards nothing is missing, and the words say so."""
    told: list[tuple[str, str]] = []
    words = CourierWords()

    async def speak(running: Way) -> None:
        while True:
            report, lanes = running.courier.report(), running.courier.lanes
            confirmed = min(lane.confirmed for name, lane in lanes.items() if name != "capture")
            state = str(report.state)
            words.hear({"state": state, "waiting": report.waiting, "confirmed": confirmed})
            await asyncio.sleep(0.02)

    stop = influxd.stop

    async def stopped() -> None:
        await stop()
        telemetry(journal, 40, 30)
        await until(lambda: "not reachable" in words.state and words.waiting > 0)

    monkeypatch.setattr(influxd, "stop", stopped)
    async with way(journal, tmp_path, influxd) as running:
        await running.drained()
        speaking = asyncio.create_task(speak(running))
        outage = Outage(influxd, journal.folder, words, lambda line, said: told.append((line["type"], said)))
        agreement = await outage.run(1.0)
        speaking.cancel()
    assert agreement is not None
    assert agreement.differences == ()
    assert agreement.points["process_value"] == 70
    assert [kind for kind, _ in told] == ["outage_began", "backlog", "outage_ended", "delivered", "agreement"]
    assert "not reachable" in told[1][1]
    assert " 0 records" not in told[1][1]
