"""What SCADA is shown: status codes after what is known, alarms never ahead of the journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np

from appliance.alarms.acts import CENTRE, Act, ActKind, EventMark, HybridStamp
from appliance.alarms.lifecycle import AlarmTransition, Condition, Severity, acknowledge, raise_alarm
from appliance.analysis_findings import Findings, SensorVerdict
from appliance.journal.record import RecordKind
from appliance.publishers.address_space import alarm_path, channel_path, machine_path, nodes_of
from appliance.publishers.publisher import PublishedValue, ValueStatus
from appliance.reconcile.alarm_merge import WHAT
from appliance.sinks.webhook_message import iso_time
from appliance.station_publishing import SHORTEST_PAUSE_S, StationPublishing
from appliance.station_values import SILENT_NS, STALE_NS, StationValues, appliance_alarms, machine_nodes
from dsp.extractor import TrendExtractor
from dsp.samples import Quality
from models.detector import AnomalyScore
from tests.appliance.house import House, hanging_disk, house, until
from tests.appliance.journal.builders import QUICK, SECOND_NS, vector
from tests.fakes.machine_items import LOW_RATE_HZ, tag

CHANNEL = channel_path("motor-1", "motor-1.x")
ALARM_ID = "motor-1.machine-condition"
ALARM = alarm_path(machine_path("motor-1"), ALARM_ID)
NAMES = TrendExtractor(LOW_RATE_HZ, 8192, "m/s2").names
S = 1_000_000_000


def values_of(inside: House) -> StationValues:
    nodes = [machine_nodes(inside.status, {"motor-1.x": NAMES})]
    own = appliance_alarms(["sensor"])
    return StationValues([inside.status], nodes, own, inside.desk.standing, inside.clock)


def shown(values: StationValues) -> dict[str, PublishedValue]:
    return {value.path: value for value in values.values()}


def raised(inside: House) -> AlarmTransition:
    condition = Condition(
        ALARM_ID, "motor-1", None, "machine condition", Severity.WARN, "outer race, BPFO", score=2.0
    )
    return raise_alarm(None, condition, inside.clock.monotonic_ns())


def window(start_ns: int, *figures: float, quality: Quality = Quality.GOOD) -> Findings:
    found = vector(start_ns, *figures, channel_id="motor-1.x", names=NAMES[: len(figures)])
    found = type(found)(**{name: getattr(found, name) for name in found.__slots__} | {"quality": quality})
    return Findings(features=[found])


async def test_every_value_has_its_node(tmp_path: Path) -> None:
    async with house(tmp_path) as inside:
        inside.status.take_findings(window(inside.clock.monotonic_ns(), *range(len(NAMES))))
        inside.status.take_tag(tag("motor-1.speed", inside.clock.monotonic_ns(), 25.0))
        inside.status.take_tag(tag("motor-1.load", inside.clock.monotonic_ns(), 0.5))
        paths = [
            node.path
            for node in nodes_of(
                "hall-3", [machine_nodes(inside.status, {"motor-1.x": NAMES})], appliance_alarms(["sensor"])
            )
            if node.kind.is_variable
        ]
        assert sorted(shown(values_of(inside))) == sorted(paths)


async def test_status_codes_follow_sensor_freshness_and_learning(tmp_path: Path) -> None:
    async with house(tmp_path) as inside:
        values = values_of(inside)
        rms, score = f"{CHANNEL}/{NAMES[0]}", f"{CHANNEL}/score"
        assert rms not in shown(values)  # the server says BadWaitingForInitialData by itself
        at_ns = inside.clock.monotonic_ns()
        inside.status.take_findings(window(at_ns, 1.5, float("nan")))
        inside.clock.set(end_ns := at_ns + round(1.25 * S))
        now = shown(values)
        assert (now[rms].value, now[rms].status) == (1.5, ValueStatus.GOOD)
        assert now[rms].source_time_ns == inside.clock.wall(end_ns).time_ns
        assert (now[f"{CHANNEL}/{NAMES[1]}"].value, now[f"{CHANNEL}/{NAMES[1]}"].status) == (
            None,
            ValueStatus.NO_DATA,
        )
        assert now[score].status is ValueStatus.WAITING

        contributions = np.zeros(2, np.float32)
        inside.status.take_findings(
            Findings(scores=[AnomalyScore("motor-1.x", at_ns, 0.4, "m", "numpy", contributions)])
        )
        assert (shown(values)[score].value, shown(values)[score].status) == (0.4, ValueStatus.GOOD)
        assert shown(values)[f"{machine_path('motor-1')}/score"].value == 0.4

        inside.clock.set(end_ns + STALE_NS + 1)
        assert (shown(values)[rms].value, shown(values)[rms].status) == (1.5, ValueStatus.LAST_USABLE)
        inside.clock.set(end_ns + SILENT_NS + 1)
        assert (shown(values)[rms].value, shown(values)[rms].status) == (None, ValueStatus.NO_COMMUNICATION)

        inside.status.take_findings(window(inside.clock.monotonic_ns(), 1.6, quality=Quality.UNCERTAIN))
        assert shown(values)[rms].status is ValueStatus.UNCERTAIN
        verdict = SensorVerdict(
            "motor-1.x", inside.clock.monotonic_ns() + 1, "flat line", "no signal", "check the cable"
        )
        inside.status.take_findings(Findings(sensor_verdicts=[verdict]))
        assert (shown(values)[rms].value, shown(values)[rms].status) == (None, ValueStatus.SENSOR_FAILURE)
        assert shown(values)[score].status is ValueStatus.SENSOR_FAILURE
        said = str(shown(values)[f"{CHANNEL}/sensor"].value)
        assert "no signal" in said
        assert "check the cable" in said


async def test_an_alarm_is_shown_once_the_journal_has_it(tmp_path: Path) -> None:
    async with house(tmp_path) as inside:
        values = values_of(inside)
        transition = raised(inside)
        publishing = asyncio.create_task(inside.desk.publish([transition]))
        while shown(values)[f"{ALARM}/state"].value == 0:
            assert not publishing.done() or publishing.exception() is None
            await asyncio.sleep(0)
        (record,) = await inside.journal.read(0, {RecordKind.ALARM_TRANSITION}, 10)
        await publishing
        now = shown(values)
        assert (now[f"{ALARM}/state"].value, now[f"{ALARM}/severity"].value) == (1, 3)
        assert now[f"{ALARM}/text"].value == "outer race, BPFO"
        assert now[f"{ALARM}/durable"].value is True
        assert now[f"{ALARM}/state"].source_time_ns == record.time_ns
        assert now[f"{machine_path('motor-1')}/active_alarms"].value == 1
        assert now["appliance/active_alarms"].value == 0
        seen = acknowledge(transition.alarm, 1, "ada", "", inside.clock.monotonic_ns())
        await inside.desk.publish([seen])
        now = shown(values)
        assert (now[f"{ALARM}/state"].value, now[f"{ALARM}/acknowledged_by"].value) == (2, "ada")
        assert now[f"{machine_path('motor-1')}/unacknowledged_alarms"].value == 0


async def test_whether_an_alarm_is_shelved_is_shown_until_its_time_is_over(tmp_path: Path) -> None:
    async with house(tmp_path) as inside:
        values = values_of(inside)
        transition = raised(inside)
        await inside.desk.publish([transition])

        def shelf() -> tuple[object, object, object]:
            now = shown(values)
            names = ("shelving_state", "shelved_until", "shelved_by")
            first, second, third = (now[f"{ALARM}/{name}"].value for name in names)
            return first, second, third

        assert shelf() == (0, "", "")
        now_ns = inside.clock.wall(inside.clock.monotonic_ns()).time_ns
        until_ns = now_ns + 3_600 * SECOND_NS
        mark = EventMark(HybridStamp(now_ns + 1, 0), f"{CENTRE}key", 1)
        act = Act(ActKind.SHELVE, mark, "eva", "overhaul", until_ns)
        await inside.desk.publish(
            [AlarmTransition(WHAT[ActKind.SHELVE], "eva", replace(transition.alarm, shelving=act))]
        )
        assert shelf() == (1, iso_time(until_ns), "eva")
        assert shown(values)[f"{ALARM}/state"].value == 1  # what it is, shelved or not
        inside.clock.advance(3_601 * SECOND_NS)
        assert shelf() == (0, "", "")
        assert shown(values)[f"{ALARM}/shelving_state"].source_time_ns == until_ns


async def test_an_alarm_that_a_broken_disk_did_not_take_is_shown_at_once_and_marked(tmp_path: Path) -> None:
    async with house(tmp_path, timing=QUICK) as inside:
        inside.start()
        values = values_of(inside)
        with hanging_disk(inside.journal):
            await inside.desk.publish([raised(inside)])
            now = shown(values)
            assert (now[f"{ALARM}/state"].value, now[f"{ALARM}/durable"].value) == (1, False)
            assert now[f"{ALARM}/state"].status is ValueStatus.GOOD
        await until(lambda: shown(values)[f"{ALARM}/durable"].value is True)
        assert shown(values)[f"{ALARM}/state"].value == 1


class _Kept:
    def __init__(self) -> None:
        self.told: list[list[PublishedValue]] = []
        self.at_s: list[float] = []

    def publish(self, values: list[PublishedValue]) -> None:
        self.told.append(values)
        self.at_s.append(asyncio.get_running_loop().time())

    async def run(self) -> None: ...


async def test_an_alarm_is_published_at_once_and_a_flood_at_a_bounded_rate(tmp_path: Path) -> None:
    async with house(tmp_path) as inside:
        kept = _Kept()
        publishing = StationPublishing(values_of(inside).values, kept, period_s=3600.0)
        inside.desk.listen(publishing.alarm_changed)
        task = asyncio.create_task(publishing.run())
        inside.start()
        await until(lambda: len(kept.told) == 1)
        await inside.desk.publish([raised(inside)])
        await until(lambda: len(kept.told) == 2)
        assert {v.path: v.value for v in kept.told[-1]}[f"{ALARM}/state"] == 1
        changes = 0
        async with asyncio.timeout(60):
            while len(kept.told) < 5 or changes < 1000:
                publishing.alarm_changed(inside.desk.standing()[0])
                changes += 1
                await asyncio.sleep(0)
        assert np.diff(kept.at_s).min() > 0.99 * SHORTEST_PAUSE_S
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
