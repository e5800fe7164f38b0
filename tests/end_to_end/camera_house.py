"""A whole appliance with a camera folder, and who looks at it: HTTP, a browser, the line's OPC UA client."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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
from tests.fakes.drawn_parts import Picture, lay
from web.passwords import PasswordHashing

CAMERA = "press-3"
LEARN = 12
MACHINE = """
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
"""


class CameraHouse:
    """A service with one camera folder, its HTTP interface, and a client of its OPC UA server."""

    def __init__(self, folder: Path, machines: str = MACHINE, more: str = "") -> None:
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
{machines}
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
{more}
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
            expect(page.get_by_text("No machine")).to_have_count(0)  # is configured
            picture = technician.see("last-defect", card)
            picture.scroll_into_view_if_needed()
            page.wait_for_function("image => image.naturalWidth === 160", arg=picture.element_handle())
            page.screenshot(path=str(pictures / "camera.png"))
            assert not technician.script_errors
        finally:
            page.close()

    def line_reads(self, part_number: int) -> dict[str, ua.DataValue]:
        """What the line's PLC reads of a part, by a client that encrypts; a moment after it was counted."""
        until(lambda: self.api.link("opcua-server")["state"] == "listening", "the server listens")

        def found() -> dict[str, ua.DataValue] | None:
            with ThreadPoolExecutor(1) as thread:  # the browser's driver runs a loop in this one
                read = thread.submit(lambda: asyncio.run(self._read())).result()
            value = read["part_number"].Value
            return read if value is not None and value.Value == part_number else None

        read: dict[str, ua.DataValue] = until(found, f"the line reads of part {part_number}")
        return read

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
