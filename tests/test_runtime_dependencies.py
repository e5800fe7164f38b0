"""The service runs on what `requirements/runtime.lock` names alone: no test, build or plot library."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

WITHOUT = """
import importlib.abc, sys
blocked = set({blocked!r})
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{{name}} is not there where only the service is installed", name=name)
sys.meta_path.insert(0, Absent())
from appliance.__main__ import main
{statement}
"""


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {
        found.lower().replace("_", "-") for found in re.findall(r"^([\w.-]+)==", text, flags=re.MULTILINE)
    }


def absent_modules() -> set[str]:
    """Top-level modules that come from no distribution of the runtime lock."""
    runtime = locked("runtime.lock") | {"stethos"}
    return {
        module
        for module, distributions in packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in distributions} & runtime
    }


def run_without(statement: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(blocked=sorted(absent_modules()), statement=statement)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )


def test_what_is_taken_away_is_really_gone() -> None:
    assert {"pytest", "playwright", "matplotlib", "pyarrow", "mypy"} <= absent_modules()
    assert not {"numpy", "numba", "fastapi", "asyncua"} & absent_modules()
    gone = run_without("import pytest")
    assert "not there where only the service is installed" in gone.stderr


def test_the_service_and_its_parts_load() -> None:
    parts = (
        "appliance.wiring", "appliance.commands.run", "appliance.commands.demo", "appliance.commands.replay",
        "appliance.commands.evaluate", "appliance.commands.check_config", "appliance.demo_plant",
        "firmware_bridge.simulator",
    )  # fmt: skip
    loaded = run_without(f"import {', '.join(parts)}")
    assert loaded.returncode == 0, loaded.stderr


def test_a_command_works() -> None:
    checked = run_without("sys.exit(main(['check-config', 'image/stethos.sample.toml']))")
    assert checked.returncode == 0, checked.stderr
