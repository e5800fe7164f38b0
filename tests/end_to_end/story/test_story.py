"""The demo's story as a technician lives it, in a browser, on one page that is never reloaded.

The chapters are fixtures (`conftest.py`); the tests look at what is on the page when each has come.
"""

from __future__ import annotations

import re
import signal

import pytest
from playwright.sync_api import Locator, expect

from appliance.demo_config import MACHINE_ID
from appliance.demo_ways import Way
from dsp.samples import GapCause
from firmware_bridge.simulated_machine import SimulatedMachine
from tests.end_to_end.api_client import points
from tests.end_to_end.demo_run import SEED, DemoRun
from tests.end_to_end.rig import AXES, PLC, SENSOR
from tests.end_to_end.story.moments import ALARM, COMMENT, SPEED, Alarmed, Learned, Restarted
from tests.end_to_end.technician import Technician
from tests.end_to_end.told_process import marked_processes, until
from tests.image.package_root import PackageRoot

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

STORY_S = 240.0  # from the start of the demo to the alarm on the page
LEARNING_S = 60.0
SENTENCE = re.compile(
    r"outer race, BPFO at (?P<multiple>\d\.\d+) x shaft speed, (?P<over_db>\d+) dB over baseline, "
    r"rising (?P<rising>since \d{4}-\d\d-\d\d \d\d:\d\d UTC|for \d+ (s|min)( when this was told)?)"
)

# -- chapter 1: the door --


def test_first_password_must_be_changed(card: Locator) -> None:
    """Neither a short one nor one without the right old one is taken; until then there is no way in."""
    expect(card).to_be_visible()


# -- chapter 2: the baseline --


def test_learning_shows_its_progress(learned: Learned) -> None:
    """In seconds, growing, within the minute that the demo grants."""
    assert learned.later_s > learned.first_s >= 0
    assert learned.seconds < LEARNING_S


def test_learned_limit_is_called_provisional(learned: Learned) -> None:
    """A minute says nothing about false alarms, and the page does not pretend."""
    assert "baseline learned" in learned.last
    assert "provisional" in learned.last


# -- chapter 3: the alarm --


def test_alarm_comes_by_itself_and_in_time(technician: Technician, alarmed: Alarmed) -> None:
    """Onto the open page, without a reload, spoken by a screen reader."""
    print(f"alarm on the page {alarmed.seconds:.0f} s after the start: {alarmed.sentence}")
    assert alarmed.seconds < STORY_S
    assert technician.was_never_reloaded()
    assert "outer race" in alarmed.announcement


def test_alarm_names_the_part_in_a_technicians_words(alarmed: Alarmed) -> None:
    """Which part, by which line, how much, since when."""
    told = SENTENCE.search(alarmed.sentence)
    assert told, alarmed.sentence
    assert 3.5 <= float(told["multiple"]) <= 3.65
    assert int(told["over_db"]) >= 3


def test_no_alarm_came_before_the_fault(demo: DemoRun, alarmed: Alarmed) -> None:
    """Nothing was wrong, and nothing was said."""
    began_s = demo.wait_for("fault_started")["at_s"]
    assert [line for line in demo.process.lines("alarm") if line["at_s"] < began_s] == []


def test_alarm_grows_with_the_fault(alarm_card: Locator, alarmed: Alarmed) -> None:
    """Updated in place, rising."""
    now, first = SENTENCE.search(alarm_card.inner_text()), SENTENCE.search(alarmed.sentence)
    assert now and first
    assert int(now["over_db"]) > int(first["over_db"])
    if first["rising"].startswith("since") and now["rising"].startswith("since"):
        assert now["rising"] == first["rising"], "what lasts does not move"


# -- chapter 4: why --


@pytest.mark.parametrize("panel", ["trend-plot", "spectrum-plot", "envelope-plot"])
def test_machine_page_draws(technician: Technician, alarm_card: Locator, panel: str) -> None:
    """A curve, not an empty frame."""
    expect(technician.see(panel)).to_be_visible()
    assert technician.drawn_pixels(panel) > 2_000


def test_envelope_spectrum_marks_the_outer_race(technician: Technician, alarm_card: Locator) -> None:
    """Within 2 % of geometry times the speed that the machine really has."""
    n_balls, ball_mm, pitch_mm = 9, 7.94, 39.04  # a 6205
    speed_hz = SimulatedMachine(SEED).speed_hz(60.0)
    right_hz = n_balls / 2 * (1 - ball_mm / pitch_mm) * speed_hz
    marker = technician.see("marker-BPFO").inner_text()
    found = re.search(r"BPFO\s+([\d.]+)\s*Hz", marker)
    assert found, marker
    assert float(found[1]) == pytest.approx(right_hz, rel=0.02)
    over = re.search(r"([\d.]+)\s*dB over baseline", marker)
    assert over, marker
    assert float(over[1]) > 3.0


def test_diagnosis_names_the_part(technician: Technician, alarm_card: Locator) -> None:
    """The same part as the alarm."""
    expect(technician.see("verdict")).to_contain_text("Outer race")


# -- chapter 5: acknowledged --


def test_acknowledgement_shows_who_and_why(technician: Technician, acknowledged: Locator) -> None:
    """Name and comment; the button is gone, and nothing waits for an acknowledgement any more."""
    expect(technician.see("acknowledged-by", acknowledged)).to_contain_text("admin")
    expect(technician.see("acknowledged-by", acknowledged)).to_contain_text(COMMENT)
    expect(technician.see("acknowledge", acknowledged)).to_have_count(0)
    expect(technician.see("nav-alarm-count")).to_have_count(0)


def test_alarm_list_has_it(technician: Technician, acknowledged: Locator) -> None:
    """Open, though acknowledged; not among those that wait."""
    technician.go_to("alarms")
    alarm = technician.see(f"alarm-{ALARM}")
    expect(alarm).to_contain_text("outer race")
    expect(technician.see("alarm-state", alarm)).to_have_text("active, acknowledged")
    technician.take_picture("alarms")
    technician.see("alarm-filter-unacknowledged").click()
    expect(alarm).to_have_count(0)


def test_appliance_page_tells_of_itself(technician: Technician, acknowledged: Locator) -> None:
    """Links, counters, what the journal holds, the clock."""
    technician.go_to("appliance")
    for source_id in (SENSOR, PLC):
        link = technician.see(f"link-{source_id}")
        expect(technician.see("link-state", link)).to_have_text("connected")
    expect(technician.see("journal-durable")).to_contain_text("stable storage")
    expect(technician.see("backlog-alarm")).to_be_visible()
    expect(technician.see("backlog-telemetry")).to_be_visible()
    expect(technician.see("clock")).to_contain_text("trusted")
    counters = technician.shown_counters()
    assert counters[f"counter-samples-{AXES[0]}"] > 25_600 * 30
    assert counters[f"counter-alarms-{MACHINE_ID}"] == 1
    technician.take_picture("appliance")


# -- chapter 6: kill -9 --


def test_page_says_that_the_connection_is_lost(restarted: Restarted) -> None:
    """And keeps showing what it knew."""
    assert "lost since" in restarted.banner
    assert "outer race" in restarted.alarm_while_lost


def test_page_recovers_by_itself(technician: Technician, restarted: Restarted) -> None:
    """Neither reloaded nor signed in again; no script has failed."""
    assert technician.was_never_reloaded()
    expect(technician.see("login-user")).to_have_count(0)
    expect(technician.see("connection-lost")).to_have_count(0)
    assert technician.script_errors == []


def test_alarm_and_acknowledgement_are_still_there(technician: Technician, restarted: Restarted) -> None:
    """On the page with name and comment; every step in its history, and no further activation."""
    alarm = technician.see(f"alarm-{ALARM}")
    expect(alarm).to_contain_text("outer race")
    expect(technician.see("acknowledged-by", alarm)).to_contain_text("admin")
    expect(technician.see("acknowledged-by", alarm)).to_contain_text(COMMENT)
    before, after = restarted.before, restarted.after
    assert after.alarm["activation"] == before.alarm["activation"] == 1
    assert after.alarm["raised_ms"] == pytest.approx(before.alarm["raised_ms"], abs=1.0)
    known = {step["sequence"]: (step["what"], step["actor"]) for step in after.steps}
    for step in before.steps:
        assert known[step["sequence"]] == (step["what"], step["actor"])


def test_nothing_was_raised_or_learned_again(demo: DemoRun, restarted: Restarted) -> None:
    """The restart is no event of the machine."""
    told = demo.lines_after("died")
    assert [line for line in told if line["type"] == "learning" and not line["complete"]] == []
    assert [line for line in told if line.get("what") in ("raised", "re-raised", "cleared")] == []
    (standing,) = [line for line in told if line["type"] == "standing" and line["alarm_id"] == ALARM]
    assert standing["acknowledged_by"] == "admin"


def test_every_trend_point_is_still_there(restarted: Restarted) -> None:
    """Each with its time and value; and new ones have joined."""
    for channel_id, trend in restarted.before.trends.items():
        before, after = points(trend), points(restarted.after.trends[channel_id])
        assert len(before) > 30
        assert before.items() <= after.items()
        assert len(after) > len(before)


def test_kill_is_a_gap_in_the_trend(technician: Technician, restarted: Restarted) -> None:
    """Between the last point before and the first after, with its cause; the page says so too."""
    for channel_id in (*AXES, SPEED):
        trend = restarted.after.trends[channel_id]
        (gap,) = [gap for gap in trend["gaps"] if gap["cause"] == GapCause.POWER_OFF]
        assert gap["start_ms"] <= restarted.kill_ms <= gap["end_ms"]
        assert max(points(restarted.before.trends[channel_id])) <= gap["start_ms"]
    expect(technician.see("trend-gaps")).to_contain_text("power off")


def test_counters_never_shrink(restarted: Restarted) -> None:
    """What was shown before is the least that is shown after."""
    before, after = restarted.before.shown_counters, restarted.after.shown_counters
    assert before
    assert {name: value for name, value in before.items() if not after.get(name, -1.0) >= value} == {}
    assert after["counter-service-starts-stethos-demo"] == 2
    assert after[f"counter-alarms-{MACHINE_ID}"] == before[f"counter-alarms-{MACHINE_ID}"] == 1


def test_one_kill_is_one_restart(demo: DemoRun, restarted: Restarted) -> None:
    """It died of the kill, and of nothing else; the next start was the last."""
    assert [line["code"] for line in demo.process.lines("died")] == [-signal.SIGKILL]
    assert len(demo.lives()) == 2


# -- chapter 7: the ways out --


@pytest.mark.parametrize("way", list(Way))
def test_alarm_arrived_on_every_way(demo: DemoRun, alarmed: Alarmed, way: Way) -> None:
    """The same transition, each time after its commit."""
    arrival = demo.wait_for("arrival", way=way)
    assert arrival["late_s"] is not None, f"nothing has arrived: {demo.process.lines('failed')}"
    print(f"{way}: {arrival['late_s'] * 1000:.0f} ms after the commit, {arrival['words']}")
    raised = next(line for line in demo.process.lines("alarm") if line.get("fault"))
    assert arrival["sequence"] == raised["sequence"]


def test_scada_is_foreign_and_was_trusted_by_hand(demo: DemoRun, alarmed: Alarmed) -> None:
    """node-opcua's client, refused with its unknown certificate, then let in."""
    told = demo.process.lines("scada")  # refused also means that nothing listens yet
    trusted = [number for number, line in enumerate(told) if line.get("trusted")]
    subscribed = [number for number, line in enumerate(told) if line["state"] == "subscribed"]
    assert len(trusted) == 1, told
    assert trusted[0] < subscribed[0]
    assert "BadCertificateUntrusted" in told[trusted[0]]["reason"]
    assert "node-opcua" in demo.wait_for("scada", state="subscribed")["client"]


def test_webhooks_were_verified_by_a_library_of_others(
    demo: DemoRun, alarmed: Alarmed, packaged: PackageRoot | None
) -> None:
    """Each message that was told was signed. The package holds no test library: there the demo does."""
    found = demo.wait_for("webhook")
    library = "the standardwebhooks library" if packaged is None else "the receiver's own code"
    assert found["verified_by"] == library
    assert found["message"]["data"]["asset_id"] == MACHINE_ID


def test_no_secret_stands_in_a_list_of_processes(demo: DemoRun, alarmed: Alarmed) -> None:
    """Neither a password nor the receiver's secret."""
    ready = demo.lives()[0]
    secret = (demo.state_dir / "receiver" / "webhook-secret").read_text().strip()
    commands = " ".join(marked_processes(demo.mark).values())
    assert "influxd" in commands
    assert not [one for one in (ready["password"], ready["scada"]["password"], secret) if one in commands]


def test_scada_comes_back_after_the_kill(demo: DemoRun, restarted: Restarted) -> None:
    """By itself, with the same certificate."""
    until(
        lambda: [1 for line in demo.lines_after("died") if line.get("state") == "subscribed"], "SCADA is back"
    )


def test_centre_agrees_after_it_was_pulled(demo: DemoRun, restarted: Restarted) -> None:
    """Stopped for a while, the appliance killed besides: counted and summed, both are equal."""
    agreement = demo.wait_for("agreement", patience_s=120.0)
    assert max(line["waiting"] for line in demo.process.lines("backlog")) > 100
    assert agreement["differences"] == []
    assert agreement["agrees"] is True
    assert agreement["points"]["features"] > 100
    assert agreement["transitions"] >= 2
    assert agreement["counters"] > 5


# -- the end --


def test_ctrl_c_ends_everything(demo: DemoRun, restarted: Restarted) -> None:
    """Exit code 0, no process left."""
    code, left = demo.end()
    assert (code, left) == (0, {})
