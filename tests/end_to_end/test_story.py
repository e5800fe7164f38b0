"""The demo's story as a technician lives it, in a browser, on one page that is never reloaded.

Each chapter is a fixture that waits until its moment has come; the tests look at what is there then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from appliance.demo_config import MACHINE_ID
from dsp.samples import GapCause
from firmware_bridge.simulated_machine import SimulatedMachine
from tests.end_to_end.api_client import NEW_PASSWORD, points
from tests.end_to_end.demo_run import SEED, DemoRun
from tests.end_to_end.rig import AXES, PLC, SENSOR, WATCHED
from tests.end_to_end.technician import Technician
from tests.end_to_end.told_process import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

STORY_S = 240.0  # from the start of the demo to the alarm on the page
LEARNING_S = 60.0
ALARM = f"{MACHINE_ID}.machine-condition"
SPEED = f"{MACHINE_ID}.speed"
COMMENT = "heard it too, bearing ordered"
SENTENCE = re.compile(
    r"outer race, BPFO at (?P<multiple>\d\.\d+) x shaft speed, (?P<over_db>\d+) dB over baseline, "
    r"rising for (?P<rising_s>\d+) s"
)
LONG_MS = 120_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    """The demo, ended whatever happens."""
    run = DemoRun(tmp_path_factory.mktemp("demo"))
    try:
        yield run
    finally:
        _, left = run.end()
    assert left == {}, "processes were left"


@pytest.fixture(scope="module")
def technician(demo: DemoRun, browser: Browser, screenshots: Path) -> Iterator[Technician]:
    """Somebody before a screen that shows the page as it is when nobody has signed in."""
    ready = demo.wait_for("ready")
    page = browser.new_page()
    someone = Technician(page, ready["url"], screenshots)
    someone.open()
    try:
        yield someone
    finally:
        someone.take_picture("last")  # for whoever reads a failure
        page.close()


@pytest.fixture(scope="module")
def card(demo: DemoRun, technician: Technician) -> Locator:
    """Signed in, with a password of one's own: the machine's card in the list."""
    ready = demo.wait_for("ready")
    technician.sign_in(ready["user"], ready["password"])
    expect(technician.see("new-password")).to_be_visible()
    technician.choose_password(ready["password"], "too short")
    expect(technician.see("change-submit")).to_be_disabled()
    technician.choose_password("not the present password", NEW_PASSWORD)
    technician.see("change-submit").click()
    expect(technician.page.get_by_text("Wrong password")).to_be_visible()
    expect(technician.see("nav-machines")).to_have_count(0)
    technician.choose_password(ready["password"], NEW_PASSWORD)
    technician.see("change-submit").click()
    card = technician.see(f"machine-card-{MACHINE_ID}")
    expect(card).to_be_visible()
    return card


@dataclass(frozen=True)
class Learned:
    """How the learning went, as the page showed it."""

    first_s: int
    later_s: int
    last: str
    seconds: float


def learned_s(words: Locator) -> int:
    """How many seconds of the baseline the page says are learned."""
    found = re.search(r"(\d+) of \d+ s", words.inner_text())
    return int(found[1]) if found else -1


@pytest.fixture(scope="module")
def learned(demo: DemoRun, technician: Technician, card: Locator) -> Learned:
    """The baseline has been learned before the technician's eyes."""
    words = technician.see("learning", card)
    expect(technician.see("learning-bar", card)).to_be_visible()
    expect(words).to_have_text(re.compile(r"learning the baseline: \d+ of \d+ s"))
    first_s = learned_s(words)
    technician.take_picture("learning")
    later_s = until(lambda: (now_s := learned_s(words)) > first_s and now_s, "the progress grows")
    expect(words).to_contain_text("baseline learned", timeout=LONG_MS)
    begun = next(line for line in demo.process.lines("learning") if line["percent"] > 0.0)
    done = demo.wait_for("learning", complete=True)
    return Learned(first_s, later_s, words.inner_text(), done["at_s"] - begun["at_s"])


@dataclass(frozen=True)
class Alarmed:
    """The alarm as it first appeared on the page."""

    sentence: str
    seconds: float  # since the start of the demo
    announcement: str


@pytest.fixture(scope="module")
def alarmed(demo: DemoRun, technician: Technician, card: Locator, learned: Learned) -> Alarmed:
    """The fault grows; its alarm has come to the machine list by itself."""
    demo.wait_for("fault_started")
    headline = technician.see("headline", card)
    expect(headline).to_contain_text("outer race", timeout=LONG_MS)
    seconds = time.monotonic() - demo.process.started_s
    expect(technician.see("nav-alarm-count")).to_contain_text("1 not acknowledged")
    return Alarmed(headline.inner_text(), seconds, technician.see("announcement").inner_text())


@pytest.fixture(scope="module")
def alarm_card(demo: DemoRun, technician: Technician, card: Locator, alarmed: Alarmed) -> Locator:
    """The machine's page, once the fault has grown a little: its alarm."""
    technician.take_picture("machines")
    card.click()
    alarm = technician.see(f"alarm-{ALARM}")
    expect(alarm).to_be_visible()
    demo.wait_for("alarm", what="updated")
    expect(technician.see("marker-BPFO")).to_contain_text("over baseline")
    return alarm


@pytest.fixture(scope="module")
def acknowledged(technician: Technician, alarm_card: Locator) -> Locator:
    """The alarm, acknowledged with a comment."""
    technician.take_picture("machine")
    expect(technician.see("acknowledged-by", alarm_card)).to_have_count(0)
    technician.see("acknowledge-comment", alarm_card).fill(COMMENT)
    technician.see("acknowledge", alarm_card).click()
    expect(technician.see("acknowledged-by", alarm_card)).to_be_visible()
    return alarm_card


@dataclass(frozen=True)
class Seen:
    """What was on the page, and behind it, at one moment."""

    trends: dict[str, dict[str, Any]]
    shown_counters: dict[str, float]
    alarm: dict[str, Any]
    steps: list[dict[str, Any]]


def look_around(technician: Technician) -> Seen:
    """Go to the appliance page and back; ask the interface."""
    technician.go_to("appliance")
    expect(technician.page.locator("[data-testid^='counter-samples-']").first).to_be_visible()
    shown = technician.shown_counters()
    trends = {
        (channel_id): technician.asks(f"/api/channels/{channel_id}/trend", feature=feature, max_points=20_000)
        for channel_id, feature in (*((axis, WATCHED) for axis in AXES), (SPEED, "value"))
    }
    (alarm,) = [a for a in technician.asks("/api/alarms") if a["alarm_id"] == ALARM]
    steps = technician.asks(f"/api/alarms/{ALARM}/history")
    technician.go_to("machines")
    technician.see(f"machine-card-{MACHINE_ID}").click()
    expect(technician.see(f"alarm-{ALARM}")).to_be_visible()
    return Seen(trends, shown, alarm, steps)


def service_starts(technician: Technician) -> float:
    """How often the appliance has started, as far as that is durable."""
    counters = technician.asks("/api/appliance")["counters"]
    return sum(c["value"] for c in counters if c["counter"] == "service starts")


@dataclass(frozen=True)
class Restarted:
    """What was there before kill -9 and after the restart that followed by itself."""

    before: Seen
    after: Seen
    kill_ms: float
    banner: str
    alarm_while_lost: str


@pytest.fixture(scope="module")
def restarted(demo: DemoRun, technician: Technician, acknowledged: Locator) -> Restarted:
    """kill -9 of the appliance while the page stays open; the page has recovered by itself."""
    before = look_around(technician)
    kill_ms = time.time() * 1000.0
    demo.kill_appliance()
    banner = technician.see("connection-lost")
    expect(banner).to_be_visible()
    words, alarm_words = banner.inner_text(), acknowledged.inner_text()
    technician.take_picture("connection-lost")
    demo.wait_for("died")
    expect(banner).to_have_count(0, timeout=60_000)
    # A point and the counters of the new life are stored: only then is there something to compare.
    expect(technician.see("trend-gaps")).to_contain_text("power off", timeout=60_000)
    until(lambda: service_starts(technician) == 2, "the second start is counted", every_s=0.5)
    return Restarted(before, look_around(technician), kill_ms, words, alarm_words)


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
    assert int(told["rising_s"]) < STORY_S


def test_no_alarm_came_before_the_fault(demo: DemoRun, alarmed: Alarmed) -> None:
    """Nothing was wrong, and nothing was said."""
    began_s = demo.wait_for("fault_started")["at_s"]
    assert [line for line in demo.process.lines("alarm") if line["at_s"] < began_s] == []


def test_alarm_grows_with_the_fault(alarm_card: Locator, alarmed: Alarmed) -> None:
    """Updated in place, rising."""
    now, first = SENTENCE.search(alarm_card.inner_text()), SENTENCE.search(alarmed.sentence)
    assert now and first
    assert int(now["over_db"]) > int(first["over_db"])
    assert int(now["rising_s"]) > int(first["rising_s"])


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


# -- the end --


def test_ctrl_c_ends_everything(demo: DemoRun, restarted: Restarted) -> None:
    """Exit code 0, no process left."""
    code, left = demo.end()
    assert (code, left) == (0, {})
