"""The figures move: a real pipeline, journal and desk; what happens there appears wherever it is told."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import numpy as np
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.alarms.lifecycle import raise_alarm
from appliance.clock import ReplayClock
from appliance.journal.record import RecordKind
from appliance.sources.source import LinkState, SourceLost
from appliance.telemetry.health import HealthReport, Stage, StageHealth
from tests.appliance.house import House, house, running, until
from tests.appliance.journal.builders import START_NS
from tests.appliance.test_pipeline import CONDITION, S, feed_all
from tests.fakes.machine_items import LOW_RATE_HZ, block


def fresh(one: House) -> HealthReport:
    """A report that was made now."""
    one.telemetry.reporter._made = None
    return one.telemetry.reporter.report()


def stage(report: HealthReport, wanted: Stage) -> StageHealth:
    (found,) = [one for one in report.stages if one.stage is wanted]
    return found


def value(one: House, name: str, **labels: str) -> float:
    """A figure as a scraper reads it."""
    one.telemetry.reporter._made = None
    for family in text_string_to_metric_families(one.telemetry.metrics().decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    raise AssertionError(f"there is no {name} {labels}")


async def test_latencies_and_scores_appear_as_the_machine_runs(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        before = fresh(one)
        assert all(found.p50_s is None for found in before.stages)
        await feed_all(one, running(70.0))
        await one.desk.publish([raise_alarm(None, CONDITION, 5 * S)])
        await until(lambda: stage(fresh(one), Stage.JOURNAL_COMMIT).processed > 30)
        report = fresh(one)
        for wanted in Stage:
            ways_out = (Stage.CENTRAL, Stage.OBJECT_STORE, Stage.WEBHOOK, Stage.OPCUA_SERVER)
            if wanted in (*ways_out, Stage.INSPECTION):
                assert not [found for found in report.stages if found.stage is wanted], "not configured"
                continue
            found = stage(report, wanted)
            assert found.processed > 0
            assert found.p50_s is not None, wanted
            assert found.p99_s is not None
            assert 0.0 <= found.p50_s <= found.p99_s
            assert found.errors == found.dropped == 0
        queue = stage(report, Stage.SOURCE_QUEUE)
        assert (queue.instance, queue.depth, queue.capacity) == ("sensor > motor-1", 0, 1200)
        (scores,) = report.scores
        assert scores.period_scores.n == stage(report, Stage.SCORING).processed > 10
        assert scores.p50 is not None
        assert 0.0 < scores.p50 < 1.0, "a healthy machine"
        assert value(one, "stethos_anomaly_score_count", asset="motor-1") == scores.scores.n
        view = one.telemetry.health()
        assert sum(view.scores[0].counts) == scores.period_scores.n


async def test_a_dropped_block_and_a_failed_analysis_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as one:
        capacity = one.line.queues["sensor"].capacity
        for index in range(capacity + 7):  # nobody takes: the line does not run yet
            one.feed([block("motor-1.x", index * S // 10, np.zeros(640), LOW_RATE_HZ)])
        queue = stage(fresh(one), Stage.SOURCE_QUEUE)
        assert (queue.depth, queue.dropped) == (capacity, 7)
        assert value(one, "stethos_stage_dropped_total", stage="source queue") == 7

        def fails(items: object) -> None:
            raise ZeroDivisionError("bug")

        with monkeypatch.context() as broken:
            broken.setattr(one.analysis, "process", fails)
            with pytest.raises(ZeroDivisionError):
                await one.pipeline.run_asset("motor-1")
        assert stage(fresh(one), Stage.ANALYSIS).errors == 1
        assert value(one, "stethos_stage_errors_total", stage="analysis", instance="motor-1") == 1
        logging.getLogger("appliance.sinks.courier").error("something broke")
        assert value(one, "stethos_part_errors_total", part="sinks.courier") == 1


async def test_reports_reach_the_journal_and_outlive_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        one.start()
        await feed_all(one, running(3.0))
        one.telemetry.reporter.record()
        wanted = {
            "health",
            "health_stage/analysis/motor-1",
            "health_link/serial/sensor",
            "health_wear/telemetry",
        }
        await until(lambda: wanted <= {record.subject for record in one.journal.latest(RecordKind.HEALTH)})
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        (box,) = [r for r in again.journal.latest(RecordKind.HEALTH) if r.subject == "health"]
        fields = orjson.loads(box.payload)["fields"]
        assert fields["rss_bytes"] > 10_000_000
        assert 0.0 < fields["disk_used_percent"] <= 100.0
        await again.telemetry.reporter.catch_up()
        (trend,) = [t for t in fresh(again).trends if t.stage is Stage.ANALYSIS]
        assert trend.now_p50_s is not None, "the history of before the restart is known"
        assert "not judged yet" in trend.text


async def test_a_lost_link_and_a_silent_one_are_told_apart(tmp_path: Path) -> None:
    def active(alarm: str) -> bool:
        stored = one.desk.get(f"appliance.{alarm}.sensor")
        return stored is not None and stored.transition.alarm.state.active

    async with house(tmp_path) as one:
        one.start()
        one.source.items = [item for items in running(2.0) for item in items]
        feeding = asyncio.create_task(one.pipeline.feed(one.source))
        await until(lambda: "motor-1.x" in one.meters.heard_ns)
        assert fresh(one).links[0].silent_s == 0.0
        await one.telemetry.watch.look()
        assert not active("source-silent")
        one.clock.advance(61 * S)  # the source delivers no more, and says nothing
        await one.telemetry.watch.look()
        assert active("source-silent")
        assert not active("source-lost")
        link = fresh(one).links[0]
        assert link.connected
        assert link.silent_s is not None
        assert link.silent_s >= 61
        stored = one.desk.get("appliance.source-silent.sensor")
        assert stored is not None
        for _ in range(5):
            await one.telemetry.watch.look()
        assert one.desk.get("appliance.source-silent.sensor") == stored, "said once"
        feeding.cancel()
        one.source.items, one.source.lost = [], SourceLost("sensor", LinkState.LOST, "cable")
        with pytest.raises(SourceLost):
            await one.pipeline.feed(one.source)
        await one.telemetry.watch.look()
        assert active("source-lost")
        assert not active("source-silent")


async def test_a_period_forgets_what_was_before_it(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        now_s = 1000.0
        reporter = one.telemetry.reporter
        reporter._monotonic_s = lambda: now_s
        meter = one.meters.alarm_commit
        meter.done(5.0)
        reporter._step()
        now_s += 60.0
        assert stage(fresh(one), Stage.ALARM_COMMIT).p50_s is None
        meter.done(0.02)
        found = stage(fresh(one), Stage.ALARM_COMMIT)
        assert found.p99_s == pytest.approx(0.02, rel=0.15)
        assert found.latency.n == 2, "totals forget nothing"
        assert fresh(one).period_s == 60.0
