"""The document from which the page's types come: the same each time, clean names, every error a Problem."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from web.openapi import document

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        target = tmp_path / f"openapi-{seed}.json"
        command = [sys.executable, "-m", "web.openapi", str(target)]
        subprocess.run(
            command, cwd=ROOT, check=True, timeout=60, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        )
        written.append(target.read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0]) == document()


def test_operations_have_clean_names_tags_and_problems() -> None:
    described = document()
    operations = [op for methods in described["paths"].values() for op in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"])
        assert len(operation["tags"]) == 1
        assert operation["summary"] and operation["description"]
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_what_the_stream_carries_is_described_too() -> None:
    schemas = document()["components"]["schemas"]
    assert {"AlarmTransitionView", "MachineSummary", "MachineDetail", "ApplianceView"} <= schemas.keys()


def test_who_may_call_what_is_said() -> None:
    paths = document()["paths"]
    assert paths["/api/health"]["get"]["security"] == []
    assert paths["/api/session"]["post"]["security"] == []
    assert paths["/api/machines"]["get"]["security"] == [{"session": []}]
    assert paths["/api/session"]["delete"]["security"] == [{"session": [], "csrf": []}]
