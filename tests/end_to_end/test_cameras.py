"""A camera folder, a whole appliance, and the line's PLC: verdicts, counters, defect pictures and alarms."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.camera_house import CAMERA, LEARN, CameraHouse
from tests.end_to_end.told_process import until
from tests.fakes.drawn_parts import DrawnParts, lay

pytest.importorskip("cv2", reason="cameras need the extra `vision`")
pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

GOOD, DEFECT = 1, 2


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CameraHouse]:
    made = CameraHouse(tmp_path)
    ready = made.start()
    made.api.begin(ready["user"], ready["password"])
    yield made
    left = made.end()
    assert not left, f"processes were left: {left}"


def standing(house: CameraHouse, rule: str) -> Callable[[], Any]:
    def alarm() -> Any:
        found = house.api.alarm(f"appliance.{rule}.{CAMERA}")
        return found if found is not None and found["state"].startswith("active") else None

    return alarm


def test_a_belt_of_parts_becomes_verdicts_counters_pictures_and_alarms(
    house: CameraHouse, browser: Browser, screenshots: Path
) -> None:
    parts = DrawnParts(20)
    house.show(*(parts.good() for _ in range(LEARN)))
    house.counted(0, 0, LEARN)
    house.show(parts.good(), parts.good())
    house.counted(2, 0, LEARN)
    read = house.line_reads(LEARN + 2)
    assert read["verdict"].Value.Value == GOOD
    assert read["verdict"].StatusCode.is_good()
    assert len({value.SourceTimestamp for value in read.values()}) == 1
    assert read["score"].Value.Value < 1.0

    house.show(parts.scratched(), parts.stained(), parts.scratched())
    house.counted(5, 3, LEARN)
    read = house.line_reads(LEARN + 5)
    assert read["verdict"].Value.Value == DEFECT
    assert read["score"].Value.Value > 1.0
    alarm = until(standing(house, "run-of-defects"), "the run of defects is an alarm")
    assert "3 or more of the last 10" in alarm["text"]

    house.show(*(parts.lamp_out() for _ in range(3)))
    house.counted(5, 3, LEARN + 3)
    read = house.line_reads(LEARN + 8)
    assert read["verdict"].StatusCode.is_bad()
    assert read["verdict"].Value.Value is None
    assert "too dark" in read["reason"].Value.Value
    until(standing(house, "picture-unusable"), "the lamp is an alarm")

    folder = house.state / "journal" / "captures"
    until(lambda: len(list(folder.glob("*.stcap"))) == 3, "the defects' pictures are kept")

    house.page_shows(browser, screenshots, "no verdict", defective="3")

    house.appliance.send(signal.SIGKILL)
    assert house.appliance.wait() == -signal.SIGKILL
    laid_while_down = parts.scratched()
    lay(house.pictures, "part-90000", laid_while_down)
    house.start()
    house.counted(6, 4, LEARN + 3)  # nothing was learned anew, nothing was counted twice
    house.line_reads(LEARN + 9)
    assert json.dumps(house.api.link(CAMERA)["counts"], sort_keys=True) == json.dumps(
        {"pictures": 1, "damaged": 0, "left from before": 0}, sort_keys=True
    )
    until(lambda: standing(house, "picture-unusable")() is not None, "what stood still stands")
    house.show(parts.good(), parts.good(), parts.good())
    until(lambda: standing(house, "picture-unusable")() is None, "the lamp burns again")
