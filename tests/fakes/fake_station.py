"""A StationView with made-up machines: for the web floor's tests, and to build the page against.

`python -m tests.fakes.fake_station --port N --password ...` serves the real application with it: user
`admin`, values that change each second, an alarm after 20 s.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

from tests.fakes.fake_captures import FakeCaptures
from tests.fakes.fake_health import FakeHealth
from tests.fakes.fake_inspections import FakeInspections
from tests.fakes.fake_letters import FakeLetters
from tests.fakes.fake_limits import FakeLimits
from tests.fakes.fake_plant import FEATURES, PLANT, FakeMachine
from web.app import create_app
from web.auth import FIRST_USER, AuthStore
from web.limit_schemas import LimitChange, LimitsView, LimitVersionView
from web.schemas import (
    ActView,
    AlarmStateName,
    AlarmTransitionView,
    AlarmView,
    ApplianceView,
    BacklogView,
    ClockView,
    CounterView,
    DeadLetterPage,
    DiskView,
    LinkView,
    MachineDetail,
    MachineSummary,
    QueueView,
    SeverityName,
    SpectrumView,
)
from web.server import WebServer, listening_socket
from web.station_view import LiveUpdate, StaleAcknowledgementError, UnknownIdError
from web.trend_schemas import TrendView

ALARM_AFTER_S = 20.0
WARN_AFTER_S = 50.0


class FakeStation:
    """The machines of `fake_plant`, an alarm table and a journal of its transitions, in memory.

    `wall_s` may be a test's own clock; `tick()` makes what is due happen (the served one ticks by itself).
    """

    def __init__(
        self, wall_s: Callable[[], float] = time.time, plant: tuple[FakeMachine, ...] = PLANT
    ) -> None:
        self._wall_s = wall_s
        self.zero_s = wall_s()
        self._machines = {machine.asset_id: machine for machine in plant}
        self._limits = {m.asset_id: FakeLimits(m, 1000.0 * self.zero_s) for m in plant}
        self._alarms: dict[str, AlarmView] = {}
        self.journal: list[AlarmTransitionView] = []
        self._changed = asyncio.Condition()
        self._changes = 0
        self.followers = 0
        self.durable = True
        self.own_health = FakeHealth(wall_s)
        self.refused = FakeLetters(1000.0 * self.zero_s)
        self.inspections = FakeInspections(1000.0 * self.zero_s)
        self.captured = FakeCaptures(1000.0 * self.zero_s, {m.asset_id: m.channel_ids for m in plant})

    # -- StationView ------------------------------------------------------------------------------------

    def machines(self) -> list[MachineSummary]:
        return [self._summary(machine) for machine in self._machines.values()]

    def machine(self, asset_id: str) -> MachineDetail:
        machine = self._machines.get(asset_id)
        if machine is None:
            raise UnknownIdError(f"There is no machine {asset_id!r}.", list(self._machines))
        return MachineDetail(
            summary=self._summary(machine),
            channels=machine.channels(self._elapsed_s),
            diagnosis=machine.diagnosis(self._elapsed_s),
            bearing="6205",
            markers=machine.markers(self._elapsed_s),
        )

    def spectrum(self, channel_id: str, kind: Literal["amplitude", "envelope"]) -> SpectrumView | None:
        machine = self._machine_of(channel_id)
        return machine.spectrum(channel_id, kind, self._elapsed_s, 1000.0 * self._wall_s())

    async def trend(
        self, channel_id: str, feature: str, start_ms: float | None, end_ms: float | None, max_points: int
    ) -> TrendView:
        machine = self._machine_of(channel_id)
        if feature not in FEATURES:
            raise UnknownIdError(f"Channel {channel_id!r} has no feature {feature!r}.", FEATURES)
        now_s = self._elapsed_s
        start_s = now_s - 600.0 if start_ms is None else start_ms / 1000.0 - self.zero_s
        end_s = now_s if end_ms is None else min(now_s, end_ms / 1000.0 - self.zero_s)
        return machine.trend(channel_id, feature, start_s, end_s, max_points, 1000.0 * self.zero_s)

    async def alarms(self, include_closed: bool, limit: int) -> list[AlarmView]:
        shown = [a for a in self._alarms.values() if include_closed or a.state != "normal"]
        return sorted(shown, key=lambda alarm: -alarm.changed_ms)[:limit]

    async def alarm_history(self, alarm_id: str) -> list[AlarmTransitionView]:
        self._alarm(alarm_id)
        return [step for step in self.journal if step.alarm.alarm_id == alarm_id]

    async def acknowledge(self, alarm_id: str, activation: int, user: str, comment: str) -> AlarmView:
        alarm = self._alarm(alarm_id)
        if alarm.activation != activation:
            raise StaleAcknowledgementError(
                f"Alarm {alarm_id} is in activation {alarm.activation}, not {activation}."
            )
        if "unacknowledged" not in alarm.state:
            raise StaleAcknowledgementError(
                f"Alarm {alarm_id} has nothing to acknowledge: it is {alarm.state}."
            )
        state: AlarmStateName = "active, acknowledged" if alarm.state.startswith("active") else "normal"
        await self.transit(
            "acknowledged", user,
            alarm.model_copy(update={"state": state, "acknowledged_by": user, "comment": comment,
                                     "acknowledged_ms": 1000.0 * self._wall_s(),
                                     "acknowledgements": [ActView(
                                         actor=user, origin="box", time_ms=1000.0 * self._wall_s(),
                                         reason=comment)]}),
        )  # fmt: skip
        return self._alarms[alarm_id]

    async def shelve(self, alarm_id: str, activation: int, user: str, hours: float, reason: str) -> AlarmView:
        alarm, now_ms = self._alarm(alarm_id), 1000.0 * self._wall_s()
        if alarm.activation != activation or alarm.state == "normal":
            raise StaleAcknowledgementError(f"Alarm {alarm_id} is {alarm.state}, {alarm.activation}.")
        act = ActView(actor=user, origin="box", time_ms=now_ms, reason=reason)
        change = {"shelved": act if hours else None,
                  "shelved_until_ms": now_ms + 3.6e6 * hours if hours else None}  # fmt: skip
        await self.transit("shelved" if hours else "unshelved", user, alarm.model_copy(update=change))
        return self._alarms[alarm_id]

    def limits(self, asset_id: str) -> LimitsView:
        learning = self.machine(asset_id).summary.learning
        return self._limits[asset_id].view(learning)

    async def limit_history(self, asset_id: str, limit: int) -> list[LimitVersionView]:
        self.machine(asset_id)
        return self._limits[asset_id].history(limit)

    async def change_limits(self, asset_id: str, change: LimitChange, user: str) -> LimitsView:
        self.machine(asset_id)
        self._limits[asset_id].change(change, user, 1000.0 * self._wall_s())
        return self.limits(asset_id)

    def appliance(self) -> ApplianceView:
        up_s = self._elapsed_s
        blocks = round(up_s * 10)
        return ApplianceView(
            name="stethos-fake", version="0.1.0", boot_id="7f6c1f0e-fake", uptime_s=up_s,
            rss_bytes=182_000_000, cpu_percent=23.4,
            links=[
                LinkView(
                    source_id="sensor-1", kind="serial", address="/dev/serial/by-id/usb-stethos_0001",
                    state="streaming", reason="", remedy="",
                    counts={"blocks": blocks, "crc errors": 0, "lost frames": int(up_s // 30)},
                    figures={"drift_ppm": 12.7, "rate_hz": 25_600.3},
                ),
                LinkView(
                    source_id="line-plc", kind="opcua", address="opc.tcp://10.0.0.17:4840", state="connected",
                    reason="", remedy="", counts={"values": round(up_s)}, figures={"latency_ms": 4.0},
                ),
                LinkView(
                    source_id="sensor-2", kind="serial", address="/dev/serial/by-id/usb-stethos_0002",
                    state="gone", reason="the device was unplugged (EIO)",
                    remedy="Plug the sensor in again; it is found by its name.", counts={"blocks": 0},
                    figures={},
                ),
            ],
            queues=[QueueView(name="analysis", depth=int(up_s) % 4, capacity=64, dropped=0)],
            backlog=[
                BacklogView(
                    record_class=name, records=records, stored_bytes=records * 180, budget_bytes=budget,
                    oldest_age_s=None if records == 0 else up_s, days_left=None if records == 0 else 180.0,
                    dropped=0, written_bytes_per_day=records * 4000.0,
                )
                for name, records, budget in (
                    ("alarm", len(self.journal), 64 << 20), ("counter", 12, 16 << 20), ("limit", 9, 16 << 20),
                    ("telemetry", blocks, 4 << 30), ("capture", 0, 8 << 30),
                )
            ],
            counters=[
                CounterView(counter=counter, subject=machine, value=value, unit=unit)
                for machine in self._machines
                for counter, value, unit in (
                    ("running hours", 1204.5 + up_s / 3600.0, "h"), ("starts", 17.0, ""),
                    ("blocks", float(blocks), ""), ("gaps", 3.0, ""),
                )
            ],
            clock=ClockView(
                trusted=True, source="NTP", now_ms=1000.0 * self._wall_s(), text="trusted: NTP, within 3 ms"
            ),
            disk=DiskView(
                path="/var/lib/stethos", total_bytes=31_000_000_000, free_bytes=21_400_000_000,
                journal_bytes=2_100_000 + blocks * 180, reserve_bytes=64 << 20,
            ),
            journal_durable=self.durable,
            central="not configured: everything is kept here",
            dead_letters=self.refused.tallies(),
        )  # fmt: skip

    async def dead_letters(self, destination: str | None, offset: int, limit: int) -> DeadLetterPage:
        return self.refused.page(destination, offset, limit)

    async def redrive(self, destination: str, letter_ids: list[str] | None, user: str) -> int:
        return self.refused.redrive(destination, letter_ids, user)

    async def updates(self, after_sequence: int | None) -> AsyncIterator[LiveUpdate]:
        sequence = len(self.journal) if after_sequence is None else after_sequence
        if sequence > len(self.journal):  # of another journal: all is news
            sequence = 0
        self.followers += 1
        try:
            while True:
                seen = self._changes
                for step in self.journal[sequence:]:
                    yield LiveUpdate("alarm", step, step.sequence)
                    sequence = step.sequence
                yield LiveUpdate("machines", self.machines())
                for asset_id in self._machines:
                    yield LiveUpdate("machine", self.machine(asset_id))
                yield LiveUpdate("appliance", self.appliance())
                async with self._changed:
                    await self._changed.wait_for(lambda seen=seen: self._changes != seen)  # type: ignore[misc]
        finally:
            self.followers -= 1

    # -- what makes it live -------------------------------------------------------------------------------

    async def transit(self, what: str, actor: str, alarm: AlarmView) -> None:
        """Journals one transition and wakes whoever follows."""
        alarm = alarm.model_copy(update={"changed_ms": 1000.0 * self._wall_s()})
        self._alarms[alarm.alarm_id] = alarm
        self.journal.append(
            AlarmTransitionView(
                sequence=len(self.journal) + 1,
                what=what,
                actor=actor,
                origin="box",
                reason="",
                time_ms=alarm.changed_ms,
                alarm=alarm,
            )
        )
        await self.wake()

    async def wake(self) -> None:
        """A second has passed: everyone gets the latest states."""
        async with self._changed:
            self._changes += 1
            self._changed.notify_all()

    async def tick(self) -> None:
        """Raises and worsens the alarm of each failing machine when its time has come."""
        for machine in self._machines.values():
            if machine.fault_from_s is None or self._elapsed_s < ALARM_AFTER_S:
                continue
            severity: SeverityName = "watch" if self._elapsed_s < WARN_AFTER_S else "warn"
            alarm = self._alarms.get(f"{machine.asset_id}.machine-condition")
            if alarm is None:
                await self.transit("raised", "appliance", self.new_alarm(machine, severity, 1))
            elif alarm.severity != severity and alarm.state.startswith("active"):
                fresh = self.new_alarm(machine, severity, alarm.activation)
                kept = {"state": alarm.state, "raised_ms": alarm.raised_ms,
                        "acknowledged_by": alarm.acknowledged_by, "comment": alarm.comment,
                        "acknowledged_ms": alarm.acknowledged_ms,
                        "acknowledgements": alarm.acknowledgements}  # fmt: skip
                await self.transit("updated", "appliance", fresh.model_copy(update=kept))
        await self.wake()

    def new_alarm(self, machine: FakeMachine, severity: SeverityName, activation: int) -> AlarmView:
        now_ms = 1000.0 * self._wall_s()
        return AlarmView(
            alarm_id=f"{machine.asset_id}.machine-condition", asset_id=machine.asset_id,
            asset_name=machine.name, channel_id=machine.channel_ids[-1], rule="machine condition",
            severity=severity, state="active, unacknowledged", activation=activation,
            raised_ms=now_ms, changed_ms=now_ms,
            time_trusted=True, fault="outer race", confidence=0.86, text=machine.sentence(self._elapsed_s),
            evidence={"frequency_hz": 88.2, "multiplier": 3.585, "over_baseline_db": 14.0, "rising_s": 90.0},
            durable=True, acknowledged_by=None, acknowledged_ms=None, comment="", acknowledgements=[],
            shelved=None, shelved_until_ms=None, conflicts=[],
        )  # fmt: skip

    # -- inside -------------------------------------------------------------------------------------------

    @property
    def _elapsed_s(self) -> float:
        return self._wall_s() - self.zero_s

    def _machine_of(self, channel_id: str) -> FakeMachine:
        for machine in self._machines.values():
            if channel_id in machine.channel_ids:
                return machine
        known = [channel for machine in self._machines.values() for channel in machine.channel_ids]
        raise UnknownIdError(f"There is no channel {channel_id!r}.", known)

    def _alarm(self, alarm_id: str) -> AlarmView:
        if alarm_id not in self._alarms:
            raise UnknownIdError(f"There is no alarm {alarm_id!r}.", list(self._alarms))
        return self._alarms[alarm_id]

    def _summary(self, machine: FakeMachine) -> MachineSummary:
        now_s = self._elapsed_s
        active = [
            a
            for a in self._alarms.values()
            if a.asset_id == machine.asset_id and a.state.startswith("active")
        ]
        learning = machine.learning(now_s)
        channel_id = machine.channel_ids[-1]
        healthy = "no significant change" if learning.complete else learning.text
        return MachineSummary(
            asset_id=machine.asset_id,
            name=machine.name,
            severity=machine.severity(now_s),
            headline=active[0].text if active else healthy,
            operating_state="full speed, high load" if machine.load > 0.6 else "full speed, medium load",
            shaft_hz=machine.shaft_now_hz(now_s),
            load=machine.load,
            learning=learning,
            active_alarms=len(active),
            unacknowledged_alarms=sum("unacknowledged" in alarm.state for alarm in active),
            velocity_rms_mm_s=machine.value(channel_id, "velocity_rms_mm_s", now_s),
            score=machine.value(channel_id, "score", now_s) if learning.complete else None,
            scored_by="statistical detector" if learning.complete else None,
            updated_ms=1000.0 * self._wall_s(),
        )


async def serve(host: str, port: int, password: str, must_change: bool) -> None:
    """Serves the real application with the fake station until interrupted."""
    station = FakeStation()
    with tempfile.TemporaryDirectory() as folder:
        auth = AuthStore.open(Path(folder) / "auth.json")
        auth.reset_password(FIRST_USER, password, must_change=must_change)
        server = WebServer(
            create_app(
                station,
                auth,
                health=station.own_health,
                captured=station.captured,
                inspections=station.inspections,
            )
        )
        sockets = [listening_socket(host, port)]
        print(
            f"http://{host}:{sockets[0].getsockname()[1]}/  user {FIRST_USER}, password {password}",
            flush=True,
        )
        serving = asyncio.create_task(server.serve(sockets=sockets))
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        stopping = asyncio.create_task(stop.wait())
        while not (stopping.done() or serving.done()):
            await station.tick()
            await asyncio.wait([stopping, serving], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()
        await serving
        auth.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.fake_station", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--password", default="correct horse battery")
    parser.add_argument("--must-change", action="store_true", help="as at first boot: it must be changed")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.password, arguments.must_change))


if __name__ == "__main__":
    main()
