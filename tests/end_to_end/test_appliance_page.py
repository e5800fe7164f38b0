"""The appliance's page in a real browser: what is wrong comes first, what was refused is sent again from it.

The application is the real one; machines, troubles and dead letters behind it are made up.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.end_to_end.technician import Technician

pytestmark = pytest.mark.end_to_end
PASSWORD = "correct horse battery"
NARROW = {"width": 390, "height": 800}


@pytest.fixture
def address() -> Iterator[str]:
    station = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.fake_station", "--port", "0", "--password", PASSWORD],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert station.stdout is not None
    try:
        yield station.stdout.readline().split()[0]
    finally:
        station.terminate()
        station.wait(30)
        station.stdout.close()


@pytest.fixture(params=["light", "dark"])
def technician(
    request: pytest.FixtureRequest, browser: Browser, address: str, screenshots: Path
) -> Iterator[Technician]:
    """Somebody on the appliance's page, in both colour schemes."""
    with browser.new_context(color_scheme=request.param) as context:
        someone = Technician(context.new_page(), address, screenshots)
        someone.open()
        someone.sign_in("admin", PASSWORD)
        someone.go_to("appliance")
        yield someone
        someone.take_picture(f"appliance-{request.param}")
        assert someone.script_errors == []


def test_what_is_wrong_comes_first_and_figures_are_folded(technician: Technician) -> None:
    health = technician.see("health")
    lines = technician.see("troubles", health).locator("li")
    expect(lines.first).to_contain_text("line-plc is lost: connection refused.")
    said = lines.all_inner_texts()
    assert any("The disk is 93\u00a0% full, 2.10\u00a0GB left." in line for line in said)
    tones = [line.get_attribute("class") or "" for line in lines.all()]
    assert tones == sorted(tones, key=lambda tone: "bad" not in tone), "the worst first"
    assert all(line.startswith(("Wrong:", "Look:")) for line in said), "told by words, not by colour alone"

    stages = technician.see("health-stages", health)
    expect(stages.locator("summary")).to_contain_text("alarm decided within 90\u00a0ms")
    row = technician.see("stage-analysis-pump-2", health)
    expect(row).not_to_be_visible()
    stages.locator("summary").click()
    expect(row).to_contain_text("31\u00a0ms")
    technician.see("health-scores", health).locator("summary").click()
    expect(technician.see("scores-pump-2", health)).to_contain_text("130\u00a0%")
    assert technician.see("scores-pump-2", health).locator("rect").count() > 3

    technician.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert technician.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    technician.take_picture("appliance-narrow")


def test_what_was_refused_is_sent_again_and_vanishes(technician: Technician) -> None:
    central = technician.see("refused-central")
    expect(central).to_contain_text("central: 3 refused")
    technician.see("refused-list", central).locator("summary").click()
    letter = technician.see("letter-2", central)
    expect(letter).to_contain_text("field type conflict")
    button = technician.see("redrive-one", letter)
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44, "a gloved finger must hit it"
    button.click()
    expect(technician.see("redrive-told", central)).to_have_text("1 is sent again.")
    expect(central).to_contain_text("central: 2 refused")
    expect(letter).to_have_count(0)
    technician.see("redrive-all", central).click()
    expect(central).to_have_count(0)
    technician.see("redrive-all", technician.see("refused-webhook-maintenance")).click()
    expect(technician.see("refused")).to_have_count(0)
