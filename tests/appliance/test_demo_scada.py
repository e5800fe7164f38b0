"""The demo's SCADA clients, node-opcua and asyncua, at a real server of ours: refused, trusted, notified."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from appliance.demo_scada import STATE_NODE, TEXT_NODE, Notification, OpcUaAccess, Scada
from appliance.errors import Fatal
from tests.appliance.publishers.opcua_rig import PASSWORD, good, serving
from tests.fakes.foreign_opcua import ROOT, install

NODE_OPCUA = ROOT / "tools" / "scada.sh"


@pytest.mark.parametrize(
    ("program", "name"), [(NODE_OPCUA, "node-opcua 2."), (None, "asyncua")], ids=["node-opcua", "asyncua"]
)
async def test_a_client_is_trusted_as_by_an_operator_and_notified(
    tmp_path: Path, program: Path | None, name: str
) -> None:
    if program is not None:
        await asyncio.to_thread(install)
    told: list[dict[str, Any]] = []
    found: list[Notification] = []
    async with serving(tmp_path / "opcua", any_client=False) as rig:
        rig.server.publish([good(STATE_NODE, 0), good(TEXT_NODE, "")])
        access = OpcUaAccess(rig.url, PASSWORD, rig.folder)
        scada = Scada(access, program, tmp_path / "client", tmp_path / "log")
        child = await scada.start()
        command = Path(f"/proc/{child.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{child.pid}/environ").read_bytes()
        assert PASSWORD.encode() not in command + environment
        following = asyncio.create_task(scada.follow(child, lambda line, _: told.append(line), found.append))
        try:
            await until(lambda: any(line.get("state") == "subscribed" for line in told))
            rig.server.publish([good(STATE_NODE, 1), good(TEXT_NODE, "outer race, BPFO")])
            await until(lambda: bool(found))
        finally:
            await child.stop()
            await following
    assert name in scada.name
    refused = next(line for line in told if line.get("state") == "refused")
    assert "BadCertificateUntrusted" in refused["reason"]
    assert len(refused["trusted"]) == 1
    assert found[0] == Notification("outer race, BPFO", "active, unacknowledged", "Good")
    secret = [path for path in (tmp_path / "client").rglob("*.pem") if "PRIVATE" in path.read_text()]
    assert secret
    assert [path for path in secret if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)] == []


async def test_a_client_that_does_not_run_is_one_sentence(tmp_path: Path) -> None:
    access = OpcUaAccess("opc.tcp://127.0.0.1:1/", PASSWORD, tmp_path)
    with pytest.raises(OSError, match="No such file"):
        await Scada(access, tmp_path / "gone", tmp_path / "client", tmp_path / "log").start()
    program = tmp_path / "ends"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(Fatal, match="SCADA client ended before it was ready; see"):
        await Scada(access, program, tmp_path / "client", tmp_path / "log").start()


async def until(condition: Any, limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)
