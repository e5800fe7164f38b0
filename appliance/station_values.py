"""From what the appliance knows to what a publisher shows: nodes, values, status codes, source timestamps.

Duty: which machines, channels, features and alarms there are, and for each its latest value with how far it
can be used. Pure but for the states that it is given to look at; moves nothing. Alarms are those that the
journal has committed, as the desk of alarms tells them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from appliance.alarm_records import StoredTransition
from appliance.alarms.acts import ActKind
from appliance.alarms.lifecycle import Alarm, AlarmState
from appliance.alarms.register import alarm_id_of
from appliance.alarms.rules import CHECK_SENSOR, DRIFT, MACHINE_CONDITION
from appliance.alarms.system import OF_CAMERAS, SystemCondition
from appliance.clock import Clock
from appliance.machine_status import TAG_STALE_NS, ChannelStatus, MachineStatus
from appliance.publishers.address_space import (
    APPLIANCE,
    AlarmNodes,
    ChannelNodes,
    FeatureNode,
    MachineNodes,
    alarm_path,
    channel_path,
    machine_path,
)
from appliance.publishers.publisher import PublishedValue, Value, ValueStatus
from appliance.sinks.webhook_message import iso_time
from appliance.station_views import SCORE, TAG_VALUE, channel_name
from dsp.extractor import label_of, unit_of
from dsp.samples import Measurand, Quality
from models.diagnosis import Verdict

STALE_NS = TAG_STALE_NS
SILENT_NS = 300_000_000_000  # then even the last value is withdrawn
OWNER = "appliance"  # of the appliance's own alarms
_STATE_NUMBERS = {
    AlarmState.NORMAL: 0,
    AlarmState.ACTIVE_UNACKNOWLEDGED: 1,
    AlarmState.ACTIVE_ACKNOWLEDGED: 2,
    AlarmState.CLEARED_UNACKNOWLEDGED: 3,
}


def machine_nodes(
    status: MachineStatus, features: Mapping[str, Sequence[str]], process_alarms: Iterable[str] = ()
) -> MachineNodes:
    """What there is to publish of a machine; `features` are the names per accelerometer's channel."""
    machine = status.machine
    channels, alarms = [], [alarm_id_of(machine.asset_id, MACHINE_CONDITION), *sorted(process_alarms)]
    for channel in (one.channel for one in status.channels.values()):
        judged = channel.measurand is Measurand.ACCELERATION
        nodes = (
            tuple(FeatureNode(name, label_of(name), unit_of(name)) for name in features[channel.channel_id])
            if judged
            else (FeatureNode(TAG_VALUE, channel.measurand.value.replace("_", " "), channel.unit),)
        )
        label = channel_name(channel.channel_id, channel.asset_id, channel.measurand)
        channels.append(ChannelNodes(channel.channel_id, label, nodes, judged))
        if judged:
            rules = (CHECK_SENSOR, DRIFT)
            alarms += [alarm_id_of(machine.asset_id, rule, channel.channel_id) for rule in rules]
    return MachineNodes(
        machine.asset_id,
        machine.name,
        tuple(channels),
        tuple(AlarmNodes(alarm_id, _alarm_label(machine.asset_id, alarm_id)) for alarm_id in alarms),
    )


def appliance_alarms(source_ids: Iterable[str], camera_ids: Iterable[str] = ()) -> list[AlarmNodes]:
    """The appliance's own alarms: one per condition, of sources and cameras one for each."""
    of_sources = (SystemCondition.SOURCE_LOST, SystemCondition.SOURCE_SILENT)
    ids = [alarm_id_of(OWNER, condition, source_id) for source_id in source_ids for condition in of_sources]
    of_one = (*of_sources, *OF_CAMERAS)
    ids += [alarm_id_of(OWNER, condition) for condition in SystemCondition if condition not in of_one]
    of_cameras = (SystemCondition.SOURCE_LOST, *OF_CAMERAS)
    ids += [alarm_id_of(OWNER, condition, camera_id) for camera_id in camera_ids for condition in of_cameras]
    return [AlarmNodes(alarm_id, _alarm_label(OWNER, alarm_id)) for alarm_id in ids]


class StationValues:
    """The latest of everything, for a publisher."""

    def __init__(
        self,
        machines: Sequence[MachineStatus],
        nodes: Sequence[MachineNodes],
        own_alarms: Sequence[AlarmNodes],
        standing: Callable[[], list[StoredTransition]],
        clock: Clock,
    ) -> None:
        self._machines = list(zip(machines, nodes, strict=True))
        self._own_alarms = own_alarms
        self._standing = standing
        self._clock = clock

    def values(self) -> list[PublishedValue]:
        """All values as they are now."""
        now_ns = self._clock.monotonic_ns()
        by_owner = {
            owner: list(stored)
            for owner, stored in groupby(
                sorted(self._standing(), key=_owner_of), key=_owner_of
            )
        }  # fmt: skip
        values = list(self._appliance(by_owner.get(OWNER, []), now_ns))
        for status, nodes in self._machines:
            values += self._machine(status, nodes, by_owner.get(status.machine.asset_id, []), now_ns)
        return values

    def _utc(self, monotonic_ns: int) -> int:
        return self._clock.wall(monotonic_ns).time_ns

    def _appliance(self, stored: list[StoredTransition], now_ns: int) -> Iterator[PublishedValue]:
        alarms = [one.transition.alarm for one in stored]
        wall = self._clock.wall(now_ns)
        text = "\n".join(alarm.reason for alarm in alarms if alarm.state.active)
        changed_ns = max((one.time_ns for one in stored), default=0)
        yield from _counts(APPLIANCE, alarms, changed_ns)
        yield PublishedValue(f"{APPLIANCE}/alarm_text", text, ValueStatus.GOOD, changed_ns)
        yield PublishedValue(f"{APPLIANCE}/clock_trusted", wall.trusted, ValueStatus.GOOD, 0)
        yield from _alarms(APPLIANCE, self._own_alarms, stored, wall.time_ns)

    def _machine(
        self, status: MachineStatus, nodes: MachineNodes, stored: list[StoredTransition], now_ns: int
    ) -> Iterator[PublishedValue]:
        path = machine_path(nodes.asset_id)
        alarms = [one.transition.alarm for one in stored]
        updated_ns = status.updated_ns
        how, source_ns = _freshness(updated_ns, now_ns), 0 if updated_ns is None else self._utc(updated_ns)
        diagnosis, score, learning = status.diagnosis(), status.score(), status.learning()
        fault = diagnosis.text if diagnosis is not None and diagnosis.verdict is Verdict.FAULT else ""
        told: dict[str, Value] = {
            "severity": status.severity_at(now_ns, alarms).rank,
            "diagnosis": fault,
            "operating_state": status.operating_state,
            "learning_percent": round(100.0 * learning.part, 1),
            "score": score,
            "velocity_rms_mm_s": status.velocity_mm_s(),
        }
        missing = {"score": ValueStatus.WAITING, "velocity_rms_mm_s": ValueStatus.NO_DATA}
        for name, value in told.items():
            yield _value(f"{path}/{name}", value, how, source_ns, missing.get(name, ValueStatus.WAITING))
        yield PublishedValue(f"{path}/headline", status.headline(alarms, now_ns), ValueStatus.GOOD, source_ns)
        yield from _counts(path, alarms, max((one.time_ns for one in stored), default=0))
        for channel in status.channels.values():
            own = channel_path(nodes.asset_id, channel.channel.channel_id)
            yield from self._channel(own, channel, now_ns)
        yield from _alarms(path, nodes.alarms, stored, self._utc(now_ns))

    def _channel(self, path: str, status: ChannelStatus, now_ns: int) -> Iterator[PublishedValue]:
        if status.channel.measurand is not Measurand.ACCELERATION:
            if (tag := status.tag) is not None:
                how = _worse(_freshness(tag.start_ns, now_ns), tag.quality)
                value = float(tag.samples[-1])
                yield _value(f"{path}/{TAG_VALUE}", value, how, self._utc(tag.start_ns), ValueStatus.NO_DATA)
            return
        sensor, vector, score = status.sensor, status.vector, status.score
        text = "" if sensor is None else sensor.sentence
        sensor_ns = sensor.start_ns if sensor is not None else None if vector is None else vector.start_ns
        if sensor_ns is not None:
            yield PublishedValue(f"{path}/sensor", text, ValueStatus.GOOD, self._utc(sensor_ns))
        if vector is None:
            if sensor is not None:
                source_ns = self._utc(sensor.start_ns)
                yield PublishedValue(f"{path}/{SCORE}", None, ValueStatus.SENSOR_FAILURE, source_ns)
            return
        end_ns = vector.start_ns + round(vector.duration_s * 1e9)
        source_ns = self._utc(end_ns if sensor is None else sensor.start_ns)
        how = (
            _worse(_freshness(end_ns, now_ns), vector.quality)
            if sensor is None
            else ValueStatus.SENSOR_FAILURE
        )
        for name, figure in zip(vector.names, vector.values.tolist(), strict=True):
            yield _value(f"{path}/{name}", figure, how, source_ns, ValueStatus.NO_DATA)
        # a score of another operating state, while this one is being learned, says nothing about now
        figure = None if score is None or vector.start_ns - score.start_ns > STALE_NS else score.value
        yield _value(f"{path}/{SCORE}", figure, how, source_ns, ValueStatus.WAITING)


def _owner_of(stored: StoredTransition) -> str:
    return stored.transition.alarm.asset_id


def _alarm_label(owner_id: str, alarm_id: str) -> str:
    return alarm_id.removeprefix(f"{owner_id}.").replace("-", " ").replace(".", " ")


def _freshness(time_ns: int | None, now_ns: int) -> ValueStatus:
    if time_ns is None:
        return ValueStatus.WAITING
    age_ns = now_ns - time_ns
    if age_ns > SILENT_NS:
        return ValueStatus.NO_COMMUNICATION
    return ValueStatus.LAST_USABLE if age_ns > STALE_NS else ValueStatus.GOOD


def _worse(how: ValueStatus, quality: Quality) -> ValueStatus:
    if quality is Quality.BAD:
        return ValueStatus.SENSOR_FAILURE
    return ValueStatus.UNCERTAIN if how is ValueStatus.GOOD and quality is Quality.UNCERTAIN else how


def _value(path: str, value: Value, how: ValueStatus, source_ns: int, missing: ValueStatus) -> PublishedValue:
    """A value that may be missing or no number, for `missing`'s reason."""
    if not how.bad and (value is None or (isinstance(value, float) and not math.isfinite(value))):
        how = missing
    return PublishedValue(path, None if how.bad else value, how, source_ns)


def _counts(path: str, alarms: Sequence[Alarm], source_ns: int) -> Iterator[PublishedValue]:
    active = sum(alarm.state.active for alarm in alarms)
    unacknowledged = sum("unacknowledged" in alarm.state for alarm in alarms)
    yield PublishedValue(f"{path}/active_alarms", active, ValueStatus.GOOD, source_ns)
    yield PublishedValue(f"{path}/unacknowledged_alarms", unacknowledged, ValueStatus.GOOD, source_ns)


def _alarms(
    owner: str, nodes: Sequence[AlarmNodes], stored: Sequence[StoredTransition], utc_ns: int
) -> Iterator[PublishedValue]:
    """Each alarm as the journal has it; one that never was is normal. `utc_ns`: now; a shelf may be over."""
    known = {one.transition.alarm.alarm_id: one for one in stored}
    for node in nodes:
        one = known.get(node.alarm_id)
        told: dict[str, Value] = {
            "state": 0, "severity": 0, "text": "", "activation": 0, "acknowledged_by": "", "durable": True
        }  # fmt: skip
        if one is not None:
            alarm = one.transition.alarm
            told = {
                "state": _STATE_NUMBERS[alarm.state],
                "severity": alarm.severity.rank,
                "text": alarm.reason,
                "activation": alarm.activation,
                "acknowledged_by": alarm.acknowledged_by or "",
                "durable": alarm.durable,
            }
        path, source_ns = alarm_path(owner, node.alarm_id), 0 if one is None else one.time_ns
        for name, value in told.items():
            yield PublishedValue(f"{path}/{name}", value, ValueStatus.GOOD, source_ns)
        act = None if one is None else one.transition.alarm.shelving
        shelved = act is not None and one is not None and one.transition.alarm.shelved(utc_ns)
        if act is not None and act.kind is ActKind.SHELVE and not shelved:
            source_ns = max(source_ns, act.until_ns)  # it came back by itself
        shelf: dict[str, Value] = {"shelving_state": 0, "shelved_until": "", "shelved_by": ""}
        if act is not None and shelved:
            shelf = {"shelving_state": 1, "shelved_until": iso_time(act.until_ns), "shelved_by": act.actor}
        for name, value in shelf.items():
            yield PublishedValue(f"{path}/{name}", value, ValueStatus.GOOD, source_ns)
