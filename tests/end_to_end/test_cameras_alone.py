"""An appliance of cameras alone: no machine, no source, and all the rest: page, centre, metrics, captures."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from appliance.demo_central import LocalInflux
from tests.appliance.sinks.influx_server import local_influx
from tests.end_to_end.camera_house import CAMERA, LEARN, CameraHouse
from tests.end_to_end.told_process import until
from tests.fakes.drawn_parts import DrawnParts

pytest.importorskip("cv2", reason="cameras need the extra `vision`")
pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]
PATIENCE_S = 60.0


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[LocalInflux]:
    """A centre whose loop runs in a thread of its own: the browser's driver has this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="influxd")
    thread.start()
    server = local_influx(tmp_path)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(PATIENCE_S)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.kill(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def house(tmp_path: Path, influxd: LocalInflux) -> Iterator[CameraHouse]:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    centre = f'url = "{influxd.url}"\nversion = 1\ndatabase = "stethos"\nprovisional_times = "send"\n'
    more = f'[central]\n{centre}[metrics]\ntoken_file = "{token}"\n'
    made = CameraHouse(tmp_path, machines="", more=more)
    ready = made.start()
    made.api.begin(ready["user"], ready["password"])
    yield made
    left = made.end()
    assert not left, f"processes were left: {left}"


def centre_counts(influxd: LocalInflux, counter: str) -> float:
    question = f"""SELECT max(total) AS t FROM counter WHERE "counter" = '{counter}' AND asset = '{CAMERA}'"""
    rows = influxd.ask(question)
    return rows[0]["t"] if rows else 0.0


def test_cameras_alone_are_an_appliance(
    house: CameraHouse, influxd: LocalInflux, browser: Browser, screenshots: Path
) -> None:
    parts = DrawnParts(20)
    house.show(*(parts.good() for _ in range(LEARN + 2)))
    house.show(parts.scratched(), parts.stained())
    house.counted(4, 2, LEARN)
    folder = house.state / "journal" / "captures"
    until(lambda: len(list(folder.glob("*.stcap"))) == 2, "the defects' pictures are kept")
    assert house.api.get("/api/machines") == []
    house.page_shows(browser, screenshots, "defect", defective="2")
    assert house.line_reads(LEARN + 4)["verdict"].Value.Value == 2

    until(lambda: centre_counts(influxd, "parts inspected") == 4, "the centre has the counters")
    until(lambda: centre_counts(influxd, "parts defective") == 2, "and that of defective ones")
    headers = {"Authorization": f"Bearer {(house.folder / 'token').read_text()}"}
    page = httpx.get(f"{house.api.url}/metrics", headers=headers, trust_env=False)
    assert page.status_code == 200
    assert f'stethos_parts_no_verdict_total{{camera="{CAMERA}"}} {LEARN}.0' in page.text
    assert house.appliance.end() == 0
