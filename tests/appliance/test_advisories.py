"""Forecasts are records: durable before they are seen, shown after a restart, withdrawn when they end."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from appliance.advisory_records import advisory_record, standing_advisories, stored_advisory
from appliance.analysis_watch import Advisory
from appliance.clock import ReplayClock
from appliance.errors import Rejected
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.journal.schema import KIND_CODES
from dsp.samples import SourceItem
from models.prognosis import Forecast
from tests.appliance.house import House, house, running
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_pipeline import feed_all

S = 1_000_000_000
DAY_S = 86_400.0
CHANNEL = "motor-1.x"
ZONE_C = Forecast("zone C", 9 * DAY_S, 6 * DAY_S, 15 * DAY_S, 5.0, 4 * DAY_S)


def advisory(forecast: Forecast | None, boundary: str = "zone C", time_ns: int = 0) -> Advisory:
    text = f"{boundary}: no forecast any more" if forecast is None else forecast.text
    return Advisory(CHANNEL, time_ns, boundary, forecast, text)


def record_of(told: Advisory, clock: ReplayClock) -> Record:
    new = advisory_record(told, "motor-1", clock)
    return Record(
        1, new.record_class, new.kind, new.key, new.subject, "boot", new.monotonic_ns,
        clock.wall(new.monotonic_ns).time_ns, True, new.payload,
    )  # fmt: skip


@cache
def healthy() -> list[list[SourceItem]]:
    return running(115.0)


async def run(one: House, from_s: float, to_s: float) -> None:
    """This part of a healthy machine's running."""
    part = [items for items in healthy() if items and from_s * S <= items[0].start_ns < to_s * S]
    await feed_all(one, part)


async def foresee(one: House, told: Advisory, from_s: float) -> None:
    """The analysis finds this forecast with its next window: it is brought out as any other."""
    one.analysis._channels[CHANNEL].watch.advisories.append(told)
    await run(one, from_s, from_s + 5.0)


def headline(one: House) -> str:
    return one.station.machines()[0].headline


def test_codes_on_disks_in_the_field_stay() -> None:
    assert KIND_CODES[RecordKind.ADVISORY] == 12
    assert sorted(KIND_CODES.values()) == list(range(1, len(KIND_CODES) + 1))


@pytest.mark.parametrize(
    "forecast",
    [ZONE_C, replace(ZONE_C, upper_s=math.inf), replace(ZONE_C, doubling_s=None), None],
)
def test_a_record_gives_back_what_was_said(forecast: Forecast | None) -> None:
    clock = ReplayClock(START_NS)
    clock.set(100 * S)
    record = record_of(advisory(forecast, time_ns=50 * S), clock)
    assert record.record_class is RecordClass.ALARM
    back = stored_advisory(record)
    assert (back.channel_id, back.boundary, back.forecast) == (CHANNEL, "zone C", forecast)
    assert back.time_ns == clock.wall(50 * S).time_ns
    with pytest.raises(Rejected, match="no advisory"):
        stored_advisory(record._replace(payload=b'{"format": "advisory-2"}'))


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0.0, "zone C in 9 days, 80 % between 6 and 15"),
        (2.0, "zone C in 7 days, 80 % between 4 and 13"),
        (7.0, "zone C in 2 days, 90 % within 8 days"),
        (9.0, None),
    ],
)
def test_what_has_passed_is_taken_off_a_forecast(days: float, text: str | None) -> None:
    clock = ReplayClock(START_NS)
    record = record_of(advisory(ZONE_C), clock)
    clock.set(round(days * DAY_S * S))
    found = standing_advisories([record, record._replace(payload=b"{}")], clock)
    assert [one.text for one in found] == ([] if text is None else [text])
    assert all(one.time_ns == 0 for one in found)


async def test_a_forecast_is_shown_after_a_restart_until_it_is_withdrawn(tmp_path: Path) -> None:
    said = "zone C in 9 days, 80 % between 6 and 15"
    clock = ReplayClock(START_NS)
    async with house(tmp_path, clock) as one:
        one.start()
        await run(one, 0.0, 100.0)
        await foresee(one, advisory(ZONE_C, time_ns=100 * S), 100.0)
        assert headline(one) == said
        (record,) = one.journal.latest(RecordKind.ADVISORY)
        assert stored_advisory(record).text == said

    async with house(tmp_path, clock) as two:
        assert two.status._forecasts.keys() == {(CHANNEL, "zone C")}
        two.start()
        await run(two, 105.0, 110.0)
        assert headline(two) == said
        # the analysis knows that it was told, and withdraws it where nothing is foreseen any more
        assert two.analysis._channels[CHANNEL].watch._told["velocity"].boundary == "zone C"
        await foresee(two, advisory(None, time_ns=110 * S), 110.0)
        assert headline(two) == "as learned, nothing stands out"

    async with house(tmp_path, clock) as three:
        assert three.status._forecasts == {}
        assert len(await three.journal.history(RecordKind.ADVISORY, f"{CHANNEL}/zone C", 9)) == 2
