"""A camera folder, a whole appliance, and the line's PLC: verdicts, counters, defect pictures and alarms."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from playwright.sync_api import Browser, expect

from appliance.publishers.opcua_certificates import own_certificate
from appliance.publishers.opcua_users import set_password
from appliance.wiring_opcua_server import FOLDER, USERS_FILE
from tests.appliance.publishers.opcua_rig import PASSWORD, QUICK_HASH, USER
from tests.end_to_end.api_client import NEW_PASSWORD, ApiClient
from tests.end_to_end.rig import free_port
from tests.end_to_end.technician import Technician
from tests.end_to_end.told_process import ToldProcess, end_all_marked, new_mark, until
from tests.fakes.drawn_parts import DrawnParts, Picture, lay
from web.passwords import PasswordHashing

pytest.importorskip("cv2", reason="cameras need the extra `vision`")
pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

CAMERA = "press-3"
LEARN = 12
GOOD, DEFECT = 1, 2


class CameraHouse:
    """A service with one camera folder, its HTTP interface, and a client of its OPC UA server."""

    def __init__(self, folder: Path) -> None:
        self.mark = new_mark()
        self.folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.opcua_port, web_port = free_port(), free_port()
        self.state = folder / "state"
        self.config = folder / "stethos.toml"
        self.config.write_text(
            f"""
[station]
state_dir = "state"
[web]
port = {web_port}
[journal]
reserve_transitions = 1000
counter_period_s = 1.0
[[assets]]
id = "pump-2"
name = "Cooling pump 2"
[[sources]]
kind = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:1/"
[[sources.tags]]
node = "ns=2;s=Speed"
channel = "pump-2-speed"
asset = "pump-2"
measurand = "shaft_speed"
unit = "rpm"
[opcua_server]
host = "127.0.0.1"
port = {self.opcua_port}
client_certificates = "any"
[[cameras]]
kind = "folder"
id = "{CAMERA}"
name = "Press 3, exit"
folder = "pictures"
delete_after = true
learn_pictures = {LEARN}
latency_budget_ms = 20000.0
queue_frames = 64
"""
        )
        set_password(self.state / FOLDER / USERS_FILE, USER, PASSWORD, PasswordHashing(QUICK_HASH))
        self.api = ApiClient(f"http://127.0.0.1:{web_port}")
        self.appliance: ToldProcess
        self._laid = 0

    def start(self) -> dict[str, Any]:
        log = self.folder / "appliance.log"
        self.appliance = ToldProcess("appliance", self.mark, log, "appliance", "run", "--config",
                                     str(self.config), "--json")  # fmt: skip
        return self.appliance.wait_for(lambda line: line.get("type") == "ready", "the appliance is ready")

    def end(self) -> dict[int, str]:
        self.api.__exit__(None, None, None)
        self.appliance.end()
        return end_all_marked(self.mark)

    def show(self, *pictures: Picture) -> None:
        """Parts pass the camera; returns once each has left the folder."""
        for picture in pictures:
            self._laid += 1
            lay(self.pictures, f"part-{self._laid:05d}", picture)
        until(lambda: not list(self.pictures.iterdir()), "every picture was taken")

    def counted(self, inspected: int, defective: int, no_verdict: int) -> None:
        wanted = {"parts inspected": inspected, "parts defective": defective, "parts no verdict": no_verdict}

        def there() -> bool:
            found = self.api.counters()
            return all(found.get((name, CAMERA), 0) == value for name, value in wanted.items())

        until(there, f"counted are {wanted}")

    def page_shows(self, browser: Browser, pictures: Path, verdict: str, defective: str) -> None:
        """What a technician sees of the camera, the picture of the last defect included."""
        page = browser.new_page()
        try:
            technician = Technician(page, self.api.url, pictures)
            technician.open()
            technician.sign_in("admin", NEW_PASSWORD)
            card = technician.see(f"camera-card-{CAMERA}")
            expect(technician.see("verdict", card)).to_have_text(verdict, ignore_case=True)
            expect(technician.see("defective", card)).to_have_text(defective)
            picture = technician.see("last-defect", card)
            picture.scroll_into_view_if_needed()
            page.wait_for_function("image => image.naturalWidth === 160", arg=picture.element_handle())
            page.screenshot(path=str(pictures / "camera.png"))
            assert not technician.script_errors
        finally:
            page.close()

    def line_reads(self) -> dict[str, ua.DataValue]:
        """What the line's PLC reads, by a client that encrypts."""
        until(lambda: self.api.link("opcua-server")["state"] == "listening", "the server listens")
        with ThreadPoolExecutor(1) as thread:  # the browser's driver runs a loop in this one
            return thread.submit(lambda: asyncio.run(self._read())).result()

    async def _read(self) -> dict[str, ua.DataValue]:
        own = own_certificate(self.folder / "plc")
        client = Client(f"opc.tcp://127.0.0.1:{self.opcua_port}/stethos")
        client.application_uri = own.application_uri
        client.set_user(USER)
        client.set_password(PASSWORD)
        await client.set_security(SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key))
        async with client:
            index = await client.get_namespace_index("urn:stethos:model:1")
            names = ("verdict", "score", "part_number", "reason")
            nodes = {name: client.get_node(f"ns={index};s=cameras/{CAMERA}/{name}") for name in names}
            return {name: await node.read_data_value(False) for name, node in nodes.items()}


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
    read = house.line_reads()
    assert (read["verdict"].Value.Value, read["part_number"].Value.Value) == (GOOD, LEARN + 2)
    assert read["verdict"].StatusCode.is_good()
    assert len({value.SourceTimestamp for value in read.values()}) == 1
    assert read["score"].Value.Value < 1.0

    house.show(parts.scratched(), parts.stained(), parts.scratched())
    house.counted(5, 3, LEARN)
    read = house.line_reads()
    assert read["verdict"].Value.Value == DEFECT
    assert read["score"].Value.Value > 1.0
    alarm = until(standing(house, "run-of-defects"), "the run of defects is an alarm")
    assert "3 or more of the last 10" in alarm["text"]

    house.show(*(parts.lamp_out() for _ in range(3)))
    house.counted(5, 3, LEARN + 3)
    read = house.line_reads()
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
    assert house.line_reads()["part_number"].Value.Value == LEARN + 9
    assert json.dumps(house.api.link(CAMERA)["counts"], sort_keys=True) == json.dumps(
        {"pictures": 1, "damaged": 0, "left from before": 0}, sort_keys=True
    )
    until(lambda: standing(house, "picture-unusable")() is not None, "what stood still stands")
    house.show(parts.good(), parts.good(), parts.good())
    until(lambda: standing(house, "picture-unusable")() is None, "the lamp burns again")
