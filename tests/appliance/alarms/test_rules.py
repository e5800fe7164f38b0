"""When a machine is an alarm: debounced, once per failure, sharpened but not flooding, over restarts too."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.alarms.lifecycle import Alarm, AlarmTransition, Severity
from appliance.alarms.register import AlarmRegister
from appliance.alarms.rules import MachineConditionRule, RuleSettings, WindowJudgement
from appliance.analysis_settings import PROFILES
from models.diagnosis import Diagnosis, RankedFault, Verdict

S = 1_000_000_000
HOP_NS = 640_000_000


class Plant:
    """A rule with its register and a clock that the test moves."""

    def __init__(
        self,
        register: AlarmRegister | None = None,
        settings: RuleSettings | None = None,
        unlooked: str = "",
    ) -> None:
        self.rule = MachineConditionRule("pump-1", settings or RuleSettings(), unlooked)
        self.register = register or AlarmRegister()
        self.now_ns = 0
        self.told: list[AlarmTransition] = []

    def windows(
        self,
        count: int,
        score: float | None = 0.3,
        rating: Severity = Severity.GOOD,
        channels: tuple[str, ...] = ("pump-1.x",),
    ) -> None:
        for _ in range(count):
            self.now_ns += HOP_NS
            for channel in channels:
                self.rule.observe_window(
                    WindowJudgement(
                        channel,
                        self.now_ns,
                        rating,
                        "5.10 mm/s is in zone D",
                        score,
                        "band 2-4 kHz +11 dB",
                        True,
                        5.1,
                        unsmoothed=np.nan if score is None else score,
                    )
                )
            self.decide()

    def diagnoses(
        self, count: int, fault: str | None, db: float = 12.0, channel: str = "pump-1.x", weight: float = 2.0
    ) -> None:
        for _ in range(count):
            self.now_ns += 2 * S
            verdict = Verdict.HEALTHY if fault is None else Verdict.FAULT
            text = f"{fault}, {db:.0f} dB over baseline"
            ranking = () if fault is None else (RankedFault(fault, weight),)
            self.rule.observe_diagnosis(
                Diagnosis("pump-1", channel, self.now_ns, verdict, fault, 0.9, text, ranking, db, 107.0), 29.9
            )
            self.decide()

    def decide(self) -> None:
        transition = self.rule.decide(self.register, self.now_ns)
        if transition is not None:
            self.told.append(transition)

    def whats(self) -> list[str]:
        return [transition.what for transition in self.told]


def test_healthy_windows_tell_nothing() -> None:
    plant = Plant()
    assert plant.rule.severity(rated=True) is Severity.NOT_RATED
    plant.windows(500)
    assert plant.told == []
    assert plant.rule.severity(rated=True) is Severity.GOOD
    assert plant.rule.severity(rated=False) is Severity.NOT_RATED


def test_windows_over_the_limit_raise_it_and_a_few_loud_ones_do_not() -> None:
    plant = Plant()
    for _ in range(50):  # three of six, for ever
        plant.windows(3, 1.5)
        plant.windows(3, 0.3)
    assert plant.told == []
    plant.windows(4, 1.5)
    (raised,) = plant.told
    assert raised.what == "raised"
    alarm = raised.alarm
    assert alarm.alarm_id == "pump-1.machine-condition"
    assert alarm.severity is Severity.WATCH
    assert alarm.fault is None
    assert alarm.score == 1.5
    assert alarm.reason == (
        "vibration changed: band 2-4 kHz +11 dB (1.5 x the provisional limit), cause not identified"
    )
    assert plant.rule.severity(rated=False) is Severity.WATCH


def test_a_cause_that_could_not_be_looked_for_is_not_said_to_be_unidentified() -> None:
    plant = Plant(unlooked="it takes a record of 1.5 s")
    plant.windows(4, 1.5)
    assert plant.told[-1].alarm.reason.endswith(", cause could not be looked for: it takes a record of 1.5 s")
    looked = Plant(unlooked="it takes a record of 1.5 s")
    looked.diagnoses(1, None)
    looked.windows(4, 1.5)
    assert looked.told[-1].alarm.reason.endswith(", cause not identified")


def test_what_stays_just_below_the_limit_is_told_as_such() -> None:
    plant = Plant()
    plant.windows(14, 0.9)
    assert plant.told == []
    plant.windows(1, 0.9)
    (raised,) = plant.told
    assert raised.alarm.reason == (
        "vibration changed: band 2-4 kHz +11 dB (0.90 x the provisional limit, again and again), "
        "cause not identified"
    )


def test_it_clears_with_hysteresis_after_a_quiet_time() -> None:
    plant = Plant()
    plant.windows(6, 1.5)
    plant.windows(200, 0.9)  # below the limit, not below the reference
    assert plant.whats() == ["raised"]
    plant.windows(46, 0.3)  # three until nothing is left of the sum, the third of them quiet already
    assert plant.whats() == ["raised"]
    plant.windows(1, 0.3)
    assert plant.whats() == ["raised", "cleared"]
    plant.windows(6, 1.5)
    assert plant.whats()[-1] == "re-raised"
    assert plant.told[-1].alarm.activation == 2


def test_one_failure_is_one_alarm_on_all_channels() -> None:
    plant = Plant()
    plant.windows(10, 1.5, channels=("pump-1.x", "pump-1.y", "pump-1.z"))
    plant.diagnoses(3, "outer race", channel="pump-1.x")
    plant.diagnoses(3, "outer race", channel="pump-1.y")
    assert plant.whats() == ["raised", "updated"]
    assert plant.told[-1].alarm.evidence["channels"] == "pump-1.x, pump-1.y, pump-1.z"
    assert len(plant.register.alarms()) == 1


def test_a_named_part_sharpens_the_alarm_at_once() -> None:
    plant = Plant()
    plant.windows(6, 1.5)
    plant.diagnoses(2, "outer race")
    assert plant.whats() == ["raised"]
    plant.diagnoses(1, "outer race")
    assert plant.whats() == ["raised", "updated"]
    alarm = plant.told[-1].alarm
    assert (alarm.fault, alarm.confidence) == ("outer race", 0.9)
    assert alarm.reason == "outer race, 12 dB over baseline"
    assert alarm.evidence["multiplier"] == pytest.approx(107 / 29.9, abs=1e-3)
    assert alarm.evidence["over_baseline_db"] == 12.0


def test_a_diagnosis_alone_raises_it() -> None:
    plant = Plant()
    plant.diagnoses(2, "inner race")  # one odd record can make two, by their mean
    plant.diagnoses(5, None)
    assert plant.told == []
    plant.diagnoses(3, "inner race")
    assert [(t.what, t.alarm.severity, t.alarm.fault) for t in plant.told] == [
        ("raised", Severity.WATCH, "inner race")
    ]


def test_growth_is_told_by_steps_of_3_db_and_never_faster_than_every_10_s() -> None:
    plant = Plant()
    for i in range(300):  # 10 minutes, 0.1 dB each 2 s, wavering by 1 dB
        plant.diagnoses(1, "outer race", 10.0 + 0.1 * i + (-1) ** i)
    assert 9 <= len(plant.told) <= 12
    times = [t.alarm.changed_ns for t in plant.told]
    assert min(np.diff(times)) >= 10 * S
    plant = Plant()
    for i in range(60):  # leaping by 20 dB each 2 s
        plant.diagnoses(1, "outer race", 10.0 + 20.0 * (i % 2))
    assert len(plant.told) <= 13


def test_two_faults_that_take_turns_do_not_flood() -> None:
    plant = Plant()
    for i in range(300):
        plant.diagnoses(1, ("outer race", "inner race")[i % 2])
    assert len(plant.told) <= 3
    plant = Plant()
    plant.diagnoses(5, "outer race", weight=1.2)
    plant.diagnoses(10, "inner race", weight=3.0)
    assert [t.alarm.fault for t in plant.told] == ["outer race", "inner race"]


def test_a_fault_keeps_its_name_while_the_alarm_stands() -> None:
    plant = Plant()
    plant.windows(6, 1.5)
    plant.diagnoses(3, "outer race")
    plant.diagnoses(20, None)
    plant.windows(60, 1.5)
    assert plant.register.alarms()[0].fault == "outer race"
    assert len(plant.told) <= 2
    plant.windows(48, 0.1)
    assert plant.whats()[-1] == "cleared"


def test_velocity_zones_raise_warn_and_stop() -> None:
    plant = Plant()
    plant.windows(5, 0.3, Severity.WARN)
    assert plant.told[-1].alarm.severity is Severity.WARN
    assert "velocity 5.10 mm/s is in zone D" in plant.told[-1].alarm.reason
    plant.windows(5, 0.3, Severity.STOP)
    assert (plant.told[-1].what, plant.told[-1].alarm.severity) == ("updated", Severity.STOP)
    assert plant.rule.severity(rated=True) is Severity.STOP
    plant.windows(60, 0.3, Severity.WARN)
    assert (plant.told[-1].what, plant.told[-1].alarm.severity) == ("updated", Severity.WARN)
    plant.windows(60, 0.3, Severity.GOOD)
    assert plant.whats() == ["raised", "updated", "updated", "cleared"]


def test_without_a_baseline_zones_and_diagnoses_judge() -> None:
    plant = Plant()
    plant.windows(100, None, Severity.NOT_RATED)
    assert plant.told == []
    assert plant.rule.severity(rated=True) is Severity.NOT_RATED
    plant.diagnoses(3, "outer race")
    assert plant.whats() == ["raised"]


def test_the_end_of_a_recording_confirms_its_only_diagnosis() -> None:
    plant = Plant(settings=PROFILES["recording"].rules)
    plant.diagnoses(1, "outer race")
    assert plant.told == []
    plant.rule.confirm_latest()
    plant.decide()
    assert plant.whats() == ["raised"]
    plant = Plant(settings=PROFILES["recording"].rules)
    plant.diagnoses(1, "outer race")
    plant.diagnoses(2, None)
    plant.rule.confirm_latest()
    plant.decide()
    assert plant.told == []


def restarted(alarms: list[Alarm], channels: tuple[str, ...] = ("pump-1.x",), scored: bool = True) -> Plant:
    plant = Plant(AlarmRegister(alarms))
    plant.rule.restore(alarms, channels, channels if scored else (), diagnosed=True)
    return plant


def test_a_restart_keeps_alarm_and_acknowledgement_until_windows_and_diagnoses_deny_it() -> None:
    before = Plant()
    before.windows(6, 1.5)
    before.diagnoses(3, "outer race")
    before.register.acknowledge("pump-1.machine-condition", 1, "ada", "seen", before.now_ns)
    alarms = before.register.alarms()

    after = restarted(alarms)
    assert after.rule.severity(rated=True) is Severity.WATCH
    after.windows(100, 1.5)
    assert after.told == []
    after.diagnoses(3, "outer race")
    (alarm,) = after.register.alarms()
    assert (alarm.fault, alarm.acknowledged_by, alarm.activation) == ("outer race", "ada", 1)

    healed = restarted(alarms)
    healed.windows(200)
    assert healed.told == []  # quiet windows do not deny a fault's line; they did not before the restart
    healed.diagnoses(7, None)
    assert healed.told == []
    assert healed.rule.severity(rated=True) is Severity.WATCH
    healed.diagnoses(1, None)
    assert healed.whats() == ["closed"]
    assert healed.rule.severity(rated=True) is Severity.GOOD
    healed.windows(6, 1.5)
    assert healed.whats() == ["closed", "raised"]


def test_after_a_restart_other_channels_do_not_speak_for_one_that_is_silent() -> None:
    before = Plant()
    before.windows(5, 0.3, Severity.STOP)
    alarms = before.register.alarms()
    axes = ("pump-1.x", "pump-1.y", "pump-1.z")
    after = restarted(alarms, axes)
    after.windows(300, channels=axes[1:])  # the sensor of x is broken: its windows are not given
    assert after.told == []
    after.windows(6, 1.5, channels=axes[1:])
    assert after.register.alarms()[0].severity is Severity.STOP
    after.windows(48, channels=axes)
    assert after.whats()[-1] == "cleared"


def test_a_restored_alarm_clears_where_its_channel_is_gone_or_nothing_is_learned() -> None:
    before = Plant()
    before.windows(6, 1.5)
    alarms = before.register.alarms()
    gone = restarted(alarms, ("pump-1.y",))
    gone.windows(48, channels=("pump-1.y",))
    assert gone.whats() == ["cleared"]
    unlearned = restarted(alarms, scored=False)
    unlearned.windows(44, None)
    assert unlearned.told == []
    unlearned.windows(1, None)
    assert unlearned.whats() == ["cleared"]
