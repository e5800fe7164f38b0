"""What the web floor sees: alarms in order and none missed, latest states, trends with gaps, errors."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.alarms.acts import Act, ActivationId, ActKind, EventMark, HybridStamp
from appliance.alarms.lifecycle import Alarm, Condition, Severity, raise_alarm, update
from appliance.clock import ReplayClock
from appliance.counters import Counter
from dsp.samples import Gap, GapCause, Measurand
from tests.appliance.house import House, house, running, until
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_pipeline import feed_all
from web.schemas import AlarmTransitionView
from web.station_view import LiveUpdate, StaleAcknowledgementError, UnknownIdError
from web.trend_schemas import TrendView

S = 1_000_000_000


def condition(number: int) -> Condition:
    return Condition(
        "motor-1.machine-condition",
        "motor-1",
        "motor-1.x",
        "machine condition",
        Severity.WARN,
        f"no {number}",
    )


async def publish(one: House, count: int, alarm: Alarm | None = None) -> Alarm:
    for number in range(count):
        at_ns = (number + 1) * S
        transition = (
            raise_alarm(None, condition(number), at_ns)
            if alarm is None
            else update(alarm, condition(number), at_ns)
        )
        alarm = transition.alarm
        await one.desk.publish([transition])
    assert alarm is not None
    return alarm


async def take_alarms(one: House, after: int | None, count: int) -> list[LiveUpdate]:
    found: list[LiveUpdate] = []
    async with asyncio.timeout(60), aclosing(one.station.updates(after)) as updates:  # type: ignore[type-var]
        async for update_ in updates:
            if update_.event == "alarm":
                found.append(update_)
                if len(found) == count:
                    return found
    raise AssertionError("the stream ended")


def text_of(update_: LiveUpdate) -> str:
    assert isinstance(update_.data, AlarmTransitionView)
    return update_.data.alarm.text


async def test_updates_resume_after_a_sequence_and_miss_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        listening = asyncio.create_task(take_alarms(one, None, 6))
        await asyncio.sleep(0.05)
        alarm = await publish(one, 6)
        live = await listening
        assert [text_of(u) for u in live] == [f"no {number}" for number in range(6)]
        sequences = [u.sequence for u in live]
        assert sequences == sorted(sequences)  # type: ignore[type-var]
        # a page that saw the third one and was away since
        resumed = asyncio.create_task(take_alarms(one, live[2].sequence, 7))
        await asyncio.sleep(0)
        await publish(one, 4, alarm)
        assert [text_of(u) for u in await resumed] == ["no 3", "no 4", "no 5", "no 0", "no 1", "no 2", "no 3"]


async def test_a_page_of_a_journal_that_is_gone_gets_all_alarms(tmp_path: Path) -> None:
    """The journal's folder was lost and begun anew: the page's sequence means nothing there."""
    async with house(tmp_path) as one:
        one.start()
        await publish(one, 3)
        found = await take_alarms(one, 5_000, 3)
        assert [text_of(u) for u in found] == ["no 0", "no 1", "no 2"]


async def test_updates_tell_the_latest_states_first_and_again_each_second(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        events: list[str] = []
        async with asyncio.timeout(60), aclosing(one.station.updates(None)) as updates:  # type: ignore[type-var]
            async for update_ in updates:
                events.append(update_.event)
                if len(events) == 6:
                    break
        assert events == ["machines", "machine", "appliance"] * 2


async def stored_trend(one: House, channel_id: str, feature: str, n: float) -> TrendView:
    """The trend, once the disk has so many of its values, and the gaps between them."""
    async with asyncio.timeout(60):
        while True:
            trend = await one.station.trend(channel_id, feature, None, None, 1000)
            if sum(value is not None for value in trend.values) >= n:
                return trend
            await asyncio.sleep(0.01)


async def test_trend_shows_gaps_as_nulls(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        batches = running(8.0)
        begin, end = 40, 52  # a batch is 0.08 s
        await feed_all(one, batches[:begin])
        one.feed([Gap("motor-1.x", begin * S * 8 // 100, end * S * 8 // 100, GapCause.SEQUENCE_GAP, 6144)])
        await feed_all(one, batches[end:])
        windows = one.counters.value(Counter.WINDOWS, "motor-1.x")
        trend = await stored_trend(one, "motor-1.x", "velocity_rms_mm_s", windows)
        assert trend.unit == "mm/s"
        assert trend.values.count(None) == 1
        hole = trend.values.index(None)
        assert 0 < hole < len(trend.values) - 1
        (gap,) = trend.gaps
        assert gap.cause == "sequence gap"
        assert trend.times_ms[hole - 1] < gap.end_ms
        assert trend.times_ms[hole + 1] >= gap.end_ms
        speed = await stored_trend(one, "motor-1.speed", "value", 8 - 1)
        assert speed.unit == "Hz"
        assert len(speed.values) == 8 - 1  # the one that came within the gap is missing
        inside = await one.station.trend("motor-1.x", "rms_mps2", gap.end_ms, None, 1000)
        assert all(time_ms >= gap.end_ms for time_ms in inside.times_ms)


async def test_what_is_shown_live_has_a_trend_at_once(tmp_path: Path) -> None:
    """A page asks for the trend of every feature that it is shown, also before the first group commit."""
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(2.0))
        shown = next(
            c for c in one.station.machine("motor-1").channels if c.channel_id == "motor-1.x"
        ).features
        assert "rms_mps2" in shown
        one.journal.feature_names = nothing_stored  # type: ignore[method-assign]
        for feature in shown:
            assert (await one.station.trend("motor-1.x", feature, None, None, 10)).feature == feature


async def test_after_a_restart_past_trends_can_be_picked_though_the_sensor_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(4.0))
        shown = one.station.machine("motor-1").channels[0].features
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        again.start()
        await again.station.recall_trends()
        channel = again.station.machine("motor-1").channels[0]
        assert channel.features == shown
        assert set(channel.latest.values()) == {None}
        trend = await again.station.trend("motor-1.x", "rms_mps2", None, None, 100)
        assert len(trend.values) >= 3


async def test_a_machine_whose_sensor_went_silent_is_not_called_good(tmp_path: Path) -> None:
    """Its process values go on; they say nothing about how it vibrates."""
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(4.0))
        before = one.station.machine("motor-1")
        assert before.summary.severity == "good"
        assert next(c for c in before.channels if c.channel_id == "motor-1.x").quality == "good"
        one.clock.set(one.clock.monotonic_ns() + 60 * S)
        speed = next(c for c in one.status.channels.values() if c.channel.measurand is Measurand.SHAFT_SPEED)
        assert speed.tag is not None
        one.status.take_tag(replace(speed.tag, start_ns=one.clock.monotonic_ns()))
        after = one.station.machine("motor-1")
        assert after.summary.severity == "not rated"
        assert "no new data" in after.summary.headline
        assert after.summary.updated_ms == before.summary.updated_ms
        shown = {channel.channel_id: channel for channel in after.channels}
        assert (shown["motor-1.x"].quality, shown["motor-1.x"].sensor_verdict) == (
            "uncertain",
            "no new values",
        )
        assert shown["motor-1.speed"].quality == "good"
        await publish(one, 1)
        alarmed = one.station.machine("motor-1").summary
        assert alarmed.severity == "warn"
        assert "no new data" not in alarmed.headline


async def nothing_stored(channel_id: str) -> tuple[str, ...]:
    """The journal before its first commit of telemetry."""
    return ()


async def test_unknown_names_are_told_with_what_there_is(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(2.0))
        await asyncio.sleep(0.1)
        with pytest.raises(UnknownIdError, match="no machine 'fan'") as caught:
            one.station.machine("fan")
        assert caught.value.known == ["motor-1"]
        with pytest.raises(UnknownIdError, match=r"no channel 'motor-1\.w'"):
            one.station.spectrum("motor-1.w", "amplitude")
        with pytest.raises(UnknownIdError, match="no feature 'loudness'") as caught:
            await one.station.trend("motor-1.x", "loudness", None, None, 10)
        assert "rms_mps2" in caught.value.known
        with pytest.raises(UnknownIdError, match=r"no alarm 'motor-1\.nothing'"):
            await one.station.acknowledge("motor-1.nothing", 1, "eva", "")
        with pytest.raises(UnknownIdError):
            await one.station.alarm_history("motor-1.nothing")


async def test_acknowledgement_of_another_activation_or_twice_is_stale(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        alarm = await publish(one, 1)
        one.analysis.restore({}, [alarm])
        with pytest.raises(StaleAcknowledgementError, match="activation 7"):
            await one.station.acknowledge(alarm.alarm_id, 7, "eva", "")
        assert (await one.station.acknowledge(alarm.alarm_id, 1, "eva", "seen")).acknowledged_by == "eva"
        with pytest.raises(StaleAcknowledgementError, match="nothing to acknowledge"):
            await one.station.acknowledge(alarm.alarm_id, 1, "eva", "again")
        assert [step.what for step in await one.station.alarm_history(alarm.alarm_id)] == [
            "raised",
            "acknowledged",
        ]


async def test_machine_page_before_any_data(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        detail = one.station.machine("motor-1")
        assert detail.summary.headline == "no data yet"
        assert detail.summary.severity == "not rated"
        assert detail.bearing == "6205"
        assert detail.markers == []
        assert one.station.spectrum("motor-1.x", "envelope") is None
        appliance = one.station.appliance()
        assert appliance.queues[0].name == "sensor > motor-1"
        assert appliance.disk.total_bytes > 0
        assert {backlog.record_class for backlog in appliance.backlog} >= {"alarm", "counter", "limit"}


async def test_a_disk_that_hangs_is_never_asked_by_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as one:
        one.start()
        asked, answers = threading.Event(), threading.Event()

        def hangs(folder: Path) -> object:
            assert threading.current_thread() is not threading.main_thread()
            asked.set()
            answers.wait(10)
            raise OSError("gone")

        monkeypatch.setattr("appliance.appliance_view.shutil.disk_usage", hangs)
        watching = asyncio.create_task(one.station.watch_disk())
        await until(asked.is_set)
        assert one.station.appliance().disk.total_bytes > 0
        answers.set()
        with pytest.raises(OSError, match="gone"):  # the supervisor asks again
            await watching
        assert one.station.appliance().disk.total_bytes > 0


async def test_the_page_shows_every_name_where_it_was_given_and_what_had_no_effect(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.watch.queue_overflows("sensor")
        looking = asyncio.create_task(one.watch.run())
        one.start()
        await until(lambda: one.desk.get("appliance.overload.sensor") is not None)
        looking.cancel()
        alarm_id = "appliance.overload.sensor"
        stored = one.desk.get(alarm_id)
        assert stored is not None
        await one.station.acknowledge(alarm_id, 1, "anna", "on my way")

        def act(kind: ActKind, number: int, until_ns: int = 0) -> Act:
            stamp = HybridStamp(START_NS + (number + 60) * 10**9)
            return Act(kind, EventMark(stamp, "centre/k", number), "eva", "spare ordered", until_ns)

        await one.desk.take_act(alarm_id, stored.activation, act(ActKind.ACKNOWLEDGE, 1))
        await one.desk.take_act(alarm_id, stored.activation, act(ActKind.SHELVE, 2, START_NS + 10**15))
        await one.desk.take_act(alarm_id, ActivationId(7, 1), act(ActKind.ACKNOWLEDGE, 3))
        (view,) = await one.station.alarms(include_closed=True, limit=10)
        assert view.acknowledged_by == "anna, eva"
        assert [(a.actor, a.origin, a.reason) for a in view.acknowledgements] == [
            ("anna", "box", "on my way"), ("eva", "centre", "spare ordered"),
        ]  # fmt: skip
        assert view.shelved is not None
        assert (view.shelved.actor, view.shelved_until_ms) == ("eva", (START_NS + 10**15) / 1e6)
        assert "activation 7, which is not the present one (1)" in view.conflicts[0]
        steps = await one.station.alarm_history(alarm_id)
        assert [(s.what, s.actor, s.origin) for s in steps] == [
            ("raised", "appliance", "box"), ("acknowledged", "anna", "box"),
            ("acknowledged", "eva", "centre"), ("shelved", "eva", "centre"), ("conflict", "eva", "centre"),
        ]  # fmt: skip
        assert steps[-1].reason == view.conflicts[0]
