"""Hops 4 to 9: queues, order of commit and show, counters, losses, restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.alarm_records import StoredTransition
from appliance.alarms.lifecycle import Condition, Severity, raise_alarm
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from appliance.asset_line import AssetLine
from appliance.clock import ReplayClock
from appliance.counters import Counter
from appliance.journal.record import RecordKind
from appliance.sources.source import LinkState, SourceLost
from dsp.samples import Gap, GapCause, SourceItem
from tests.appliance.house import House, ScriptedSource, hanging_disk, house, running, stored_gaps, until
from tests.appliance.journal.builders import ALL_TIME, QUICK, START_NS
from tests.appliance.journal.test_damage import bring_log_in, garble_in_place
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, block, channels, tag

S = 1_000_000_000
CONDITION = Condition(
    "motor-1.machine-condition", "motor-1", "motor-1.x", "machine condition", Severity.WARN, "bad"
)


async def feed_all(one: House, batches: Sequence[Sequence[SourceItem]]) -> None:
    for index, items in enumerate(batches):
        one.feed(items)
        if index % 5 == 4:
            await one.settle()
    await one.settle()


async def test_windows_reach_the_journal_and_the_station(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(6.0))
        await until(lambda: bool(one.journal.latest(RecordKind.FEATURES)))
        async with asyncio.timeout(30.0):  # a window each 0.64 s after the first 1.28 s
            times_ns, values = await one.journal.features("motor-1.x", "rms_mps2", *ALL_TIME)
            while len(values) < 7 or len((await one.journal.tags("motor-1.speed", *ALL_TIME))[0]) < 6:
                await asyncio.sleep(0.01)
                times_ns, values = await one.journal.features("motor-1.x", "rms_mps2", *ALL_TIME)
        assert np.all(np.isfinite(values))
        assert np.all(np.diff(times_ns) > 0)
        _, speeds = await one.journal.tags("motor-1.speed", *ALL_TIME)
        assert len(speeds) == 6
        assert np.all(np.abs(speeds - 29.4) < 0.5)
        summary = one.station.machines()[0]
        assert summary.shaft_hz == pytest.approx(29.4, abs=0.5)
        assert summary.velocity_rms_mm_s == pytest.approx(1.1, abs=0.4)
        assert "learning" in summary.headline
        assert one.station.spectrum("motor-1.x", "amplitude") is not None


async def test_counters_are_shown_once_they_are_durable(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(5.0))
        assert one.counters.value(Counter.BLOCKS, "motor-1.x") > 40
        assert one.counters.committed() == []
        await one.pipeline.commit_counters()
        totals = {(total.counter, total.subject): total.value for total in one.counters.committed()}
        assert totals["blocks", "motor-1.x"] == one.counters.value(Counter.BLOCKS, "motor-1.x")
        assert totals["windows", "motor-1.x"] >= 5
        # the first window must be whole before anything is known of the machine
        assert 3.5 / 3600 <= totals["running hours", "motor-1"] <= 5.1 / 3600
        samples = totals["samples", "motor-1.x"]
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        again.start()
        await feed_all(again, running(2.0))
        await again.pipeline.commit_counters()
        totals = {(total.counter, total.subject): total.value for total in again.counters.committed()}
        assert totals["samples", "motor-1.x"] > samples


async def test_parts_are_durable_soon_whatever_the_period(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        counting = asyncio.create_task(one.pipeline.run_counters())  # each hour
        for parts in (1.0, 2.0):
            one.counters.add(Counter.PARTS_INSPECTED, "press")
            one.pipeline.part_counted()
            async with asyncio.timeout(20):
                while [total.value for total in one.counters.committed()] != [parts]:
                    await asyncio.sleep(0.02)
        assert not counting.done()
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)


async def test_nobody_sees_an_alarm_before_the_journal_has_it(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        seen: list[tuple[StoredTransition, int]] = []
        one.desk.listen(lambda stored: seen.append((stored, one.journal.last_sequence)))
        one.start()
        (stored,) = await one.desk.publish([raise_alarm(None, CONDITION, 5 * S)], sampled_ns=0)
        assert stored.sequence > 0
        assert stored.transition.alarm.durable
        await until(lambda: bool(seen))
        told, last_sequence = seen[0]
        assert told == stored
        assert last_sequence >= stored.sequence
        assert one.desk.latencies[0].what == "raised"


async def test_a_hanging_disk_does_not_silence_an_alarm(tmp_path: Path) -> None:
    async with house(tmp_path, timing=QUICK) as one:
        seen: list[StoredTransition] = []
        one.desk.listen(seen.append)
        one.start()
        with hanging_disk(one.journal):
            (stored,) = await one.desk.publish([raise_alarm(None, CONDITION, 5 * S)])
            assert not stored.transition.alarm.durable
            assert [one.sequence for one in seen] == [0]
            assert one.station.machines()[0].active_alarms == 1
            assert not (await one.station.alarms(False, 10))[0].durable
        await until(lambda: one.journal.durable and len(seen) == 2)
        assert seen[1].sequence > 0
        assert seen[1].transition.alarm.durable
        assert (await one.station.alarms(False, 10))[0].durable


async def test_journal_that_cannot_write_is_an_alarm_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path, timing=QUICK) as one:
        one.start()
        one.tasks.append(asyncio.create_task(one.watch.run()))

        def stands() -> bool:
            stored = one.desk.get("appliance.journal-not-durable")
            assert stored is not None
            return stored.transition.alarm.state.active

        with hanging_disk(one.journal):
            await one.journal.commit(
                [one.counters.add("x", "y") or record for record in one.counters.changed_records(0)]
            )
            await one.desk.publish([raise_alarm(None, CONDITION, 5 * S)])
            await until(lambda: one.desk.get("appliance.journal-not-durable") is not None)
            assert stands()
        await until(lambda: not stands())


async def test_overfull_queue_drops_counts_and_tells(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        queue = one.line.queues["sensor"]
        for index in range(queue.capacity + 50):  # nobody takes: the line does not run yet
            one.feed([block("motor-1.x", index * S // 10, np.zeros(640), LOW_RATE_HZ)])
        assert queue.dropped == 50
        one.start()
        one.tasks.append(asyncio.create_task(one.watch.run()))
        await one.settle()
        await until(lambda: one.desk.get("appliance.overload.sensor") is not None)
        gaps = await stored_gaps(one.journal, "motor-1.x", 2)
        assert {gap.cause for gap in gaps} == {GapCause.OVERLOAD, GapCause.SENSOR_FAULT}  # a flat line
        (gap,) = (gap for gap in gaps if gap.cause is GapCause.OVERLOAD)
        assert gap.samples_missing == 50 * 640
        assert one.counters.value(Counter.DROPPED_BLOCKS, "sensor") == 50


async def test_lost_source_is_an_alarm_that_clears_by_itself(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        one.source.lost = SourceLost("sensor", LinkState.NOT_FOUND, "no such port", "plug it in")
        with pytest.raises(SourceLost):
            await one.pipeline.feed(one.source)
        stored = one.desk.get("appliance.source-lost.sensor")
        assert stored is not None
        assert stored.transition.alarm.state.active
        assert "no such port" in stored.transition.alarm.reason
        assert "Plug it in" in stored.transition.alarm.reason
        back = ScriptedSource([item for items in running(0.5) for item in items])
        one.tasks.append(asyncio.create_task(one.pipeline.feed(back)))
        await until(lambda: not one.desk.standing()[0].transition.alarm.state.active)


async def test_gap_of_a_source_is_stored_and_counted(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        batches = running(4.0)
        await feed_all(one, batches[:20])
        one.feed([Gap("motor-1.x", 2 * S, 3 * S, GapCause.SERIAL_LOSS, None)])
        await feed_all(one, batches[30:])
        (gap,) = await stored_gaps(one.journal, "motor-1.x", 1)
        assert (gap.cause, gap.end_ns - gap.start_ns) == (GapCause.SERIAL_LOSS, S)
        assert one.counters.value(Counter.GAPS, "motor-1.x") == 1


async def test_analysis_that_fails_costs_its_batch_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as one:
        broken = True
        process = one.analysis.process

        def fails_once(items: Sequence[SourceItem]) -> Findings:
            nonlocal broken
            if broken:
                broken = False
                raise ZeroDivisionError("bug")
            return process(items)

        monkeypatch.setattr(one.analysis, "process", fails_once)
        batches = running(3.0)
        one.feed(batches[0])
        with pytest.raises(ZeroDivisionError):
            await one.pipeline.run_asset("motor-1")
        one.start()  # as the supervisor would
        await feed_all(one, batches[1:])
        (gap,) = await stored_gaps(one.journal, "motor-1.x", 1)
        assert gap.cause is GapCause.OVERLOAD
        assert one.station.machines()[0].velocity_rms_mm_s is not None


async def test_restart_keeps_alarm_acknowledgement_limits_and_trend(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(14.0))
        one.analysis.restore({}, [raise_alarm(None, CONDITION, 5 * S).alarm])
        await one.desk.publish([raise_alarm(None, CONDITION, 5 * S)])
        view = await one.station.acknowledge("motor-1.machine-condition", 1, "eva", "bearing ordered")
        assert view.state == "active, acknowledged"
        learned = one.analysis.learning_progress()[0].learned_s
        assert learned > 3.0
    async with house(tmp_path, ReplayClock(START_NS + 100 * S)) as again:
        (alarm,) = await again.station.alarms(False, 10)
        assert (alarm.state, alarm.acknowledged_by, alarm.comment, alarm.activation) == (
            "active, acknowledged",
            "eva",
            "bearing ordered",
            1,
        )
        assert alarm.raised_ms == (START_NS + 5 * S) / 1e6
        assert again.analysis.learning_progress()[0].learned_s > 4.0
        trend = await again.station.trend("motor-1.x", "rms_mps2", None, None, 100)
        assert len([value for value in trend.values if value is not None]) >= 6
        assert [step.what for step in await again.station.alarm_history("motor-1.machine-condition")] == [
            "raised",
            "acknowledged",
        ]


async def test_counters_go_on_when_the_journal_is_replaced_while_running(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.counters.add(Counter.STARTS, "motor-1", 3)
        await one.pipeline.commit_counters()
        store = one.journal._writer.store
        assert store is not None
        bring_log_in(store.path)
        garble_in_place(store.path, 0, store.path.stat().st_size)
        one.journal._writer.suspect()
        await until(lambda: one.journal.damage_report is not None and one.journal.durable)
        one.counters.add(Counter.STARTS, "motor-1")
        await one.pipeline.commit_counters()
        (total,) = one.counters.committed()
        assert total.value == 4.0
        assert one.counters.incarnation == one.journal.incarnation
    async with house(tmp_path) as again:
        (total,) = again.counters.committed()
        assert total.value == 4.0


async def test_a_backlog_is_judged_by_the_tags_of_its_time(tmp_path: Path) -> None:
    """The samples of ten seconds wait; the machine ran then, and has stopped since, says the newest tag."""
    async with house(tmp_path) as one:
        tags = ScriptedSource([])
        tags.source_id, tags.channels = (
            "plc",
            tuple(c for c in one.source.channels if c.sample_rate_hz <= 0.0),
        )
        sampled = ScriptedSource([])
        sampled.channels = tuple(c for c in one.source.channels if c.sample_rate_hz > 0.0)
        one.line.queues.clear()
        for source in (sampled, tags):
            one.pipeline.connect(source)
        found: list[Findings] = []
        take_findings = one.station.take_findings

        def watched(asset_id: str, findings: Findings) -> None:
            found.append(findings)
            take_findings(asset_id, findings)

        one.station.take_findings = watched  # type: ignore[method-assign]
        for items in running(10.0):
            for item in items:
                one.pipeline.put(
                    "plc" if "speed" in item.channel_id or "load" in item.channel_id else "sensor",
                    "motor-1",
                    item,
                )
        one.pipeline.put("plc", "motor-1", tag("motor-1.speed", 11 * S, 0.0))
        one.start()
        await one.settle()
        await until(lambda: len(found) > 2)
        states = [vector.operating_state for findings in found for vector in findings.features]
        assert len(states) > 10
        assert "stopped" not in states
        assert len(one.line.queues["plc"]) == 0


def test_a_channel_s_gaps_and_blocks_keep_their_order() -> None:
    line = AssetLine(AssetAnalysis(MOTOR, channels(LOW_RATE_HZ, "x"), PROFILES["demo"]), 0.0)
    line.connect(ScriptedSource([]))
    first, second = (block("motor-1.x", at_s * S, np.zeros(6400), LOW_RATE_HZ) for at_s in (0, 2))
    gap = Gap("motor-1.x", S, 2 * S, GapCause.SERIAL_LOSS)
    speed = tag("motor-1.speed", S, 29.0)
    for item in (first, gap, speed, second):
        line.queues["sensor"].put(item)
    assert line.take(10) == [speed, first, gap, second]


async def test_limits_that_the_journal_refuses_cost_nothing_else(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        limits = one.analysis._limits
        one.analysis._limits = lambda channel: {**limits(channel), "much": "x" * 2_000_000}  # type: ignore[method-assign]
        one.start()
        await feed_all(one, running(14.0))
        assert one.tasks[1].done() is False
        assert one.station.machines()[0].velocity_rms_mm_s is not None
        assert one.journal.latest(RecordKind.LEARNED_LIMIT) == []


async def test_a_source_that_fails_unexpectedly_is_an_alarm_too(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        one.source.items = [block("motor-1.unknown", 0, np.zeros(64), LOW_RATE_HZ)]
        with pytest.raises(KeyError):
            await one.pipeline.feed(one.source)
        stored = one.desk.get("appliance.source-lost.sensor")
        assert stored is not None
        assert stored.transition.alarm.state.active
        assert "failed unexpectedly (KeyError" in stored.transition.alarm.reason
