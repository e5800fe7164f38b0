"""The chapters of the demo's story: each is a fixture that waits until its moment has come on the page."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from appliance.demo_config import MACHINE_ID
from tests.appliance.sinks.influx_server import influxd_binary
from tests.end_to_end.api_client import NEW_PASSWORD
from tests.end_to_end.demo_run import DemoRun
from tests.end_to_end.story.moments import (
    ALARM,
    COMMENT,
    Alarmed,
    Learned,
    Restarted,
    look_around,
    service_starts,
)
from tests.end_to_end.technician import Technician
from tests.end_to_end.told_process import PROGRAM, ROOT, until
from tests.fakes.foreign_opcua import install
from tests.image.package_root import PackageRoot, outside, package

LONG_MS = 120_000
GROWN = re.compile(r"\b(1[2-9]|[2-9]\d) dB over baseline")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageRoot | None]:
    """The installed package that all processes of ours come from, where `make deb-check` asks for it."""
    if not os.environ.get("STETHOS_STORY_FROM_PACKAGE"):
        yield None
        return
    root = PackageRoot(tmp_path_factory.mktemp("clean"))
    root.install(package())
    before = root.listing()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PROGRAM, shlex.join(root.command("stethos", "-m", user="root:root")))
        yield root
    assert root.listing() == before, "something was written into the read-only root"


@pytest.fixture(scope="module")
def central(packaged: PackageRoot | None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options of `make demo CENTRAL=1`, with a short pull; a loud skip where there is no influxd."""
    influxd, scada = influxd_binary(), ROOT / "tools" / "scada.sh"
    install()
    if packaged is not None:  # the peers are strangers: they stay outside
        folder = tmp_path_factory.mktemp("peers")
        influxd, scada = (outside(program, folder / program.name) for program in (influxd, scada))
    return ["--central", str(influxd), "--scada", str(scada), "--outage-s", "15"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, central: list[str]) -> Iterator[DemoRun]:
    """The demo, ended whatever happens."""
    run = DemoRun(tmp_path_factory.mktemp("demo"), *central)
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
    expect(technician.see("alarm-text", alarm)).to_have_text(GROWN, timeout=LONG_MS)
    expect(technician.see("marker-BPFO")).to_contain_text("over baseline")
    return alarm


@pytest.fixture(scope="module")
def acknowledged(technician: Technician, alarm_card: Locator) -> Locator:
    """The alarm, acknowledged with a comment."""
    headline, told = technician.see("headline"), technician.see("alarm-text", alarm_card)
    until(lambda: headline.inner_text() == told.inner_text(), "the headline is the alarm's, as it grows")
    technician.take_picture("machine")
    expect(technician.see("acknowledged-by", alarm_card)).to_have_count(0)
    technician.see("acknowledge-comment", alarm_card).fill(COMMENT)
    technician.see("acknowledge", alarm_card).click()
    expect(technician.see("acknowledged-by", alarm_card)).to_be_visible()
    return alarm_card


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
    until(lambda: service_starts(technician) >= 2, "the second start is counted", every_s=0.5)
    return Restarted(before, look_around(technician), kill_ms, words, alarm_words)
