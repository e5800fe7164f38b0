"""The house's plan, enforced: floors, order inside the appliance, what the core may not import, sizes."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {"dsp": 1, "firmware_bridge": 1, "models": 2, "web": 3, "appliance": 4}
LINE_LIMIT = 400

# Inside the appliance, higher sees lower. A module may also see its own rank, but for the adapters, which
# must not know one another.
APPLIANCE_RANK = {
    "__main__": 7, "commands": 6, "wiring": 5, "demo_plant": 5, "demo_config": 6, "demo_central": 6,
    "demo_receiver": 6, "demo": 6, "drill": 6,
    "config": 4, "machine_facts": 4, "pipeline": 4, "asset_line": 4,
    "station": 3, "sinks": 3, "reconcile": 3, "update": 3, "supervisor": 3, "analysis": 3, "telemetry": 3,
    "alarm_desk": 3, "system_watch": 3, "health_watch": 3, "machine_status": 3, "appliance_view": 3,
    "trend_view": 3, "dead_letters": 3, "alarm_times": 3, "alarm_records": 3, "nightly_drill": 3,
    "alarms": 2, "counters": 2, "counter": 2, "machine_usage": 2, "source_queue": 2, "tls_files": 2,
    "journal": 1, "sources": 1, "publishers": 1, "clock": 0, "backoff": 0, "errors": 0,
    "service_notifier": 0, "device_identity": 2, "bearing_catalogue": 2, "secret_file": 1,
    "processor_level": 0, "installation": 1, "package_start": 7, "kernel": 2, "kernel_exercise": 4,
    "advisory_records": 3, "capture_segment": 0, "capture_ring": 1, "capture_group": 3, "capture_desk": 3,
    "capture_care": 3, "captured_recording": 3, "captured_object": 3, "captured_views": 3,
    "png_picture": 0, "inspection": 3,
    "limit": 2, "backfill": 3, "limit_desk": 3, "asset_prospects": 4, "model": 3,
    "parent_death": 0, "fresh_start": 3, "stand_in": 1,
}  # fmt: skip
ADAPTERS = ("sources", "journal", "publishers", "sinks")

CORE = (
    "dsp", "firmware_bridge", "models", "appliance.alarms", "appliance.analysis", "appliance.counters",
    "appliance.limit_versions", "appliance.limit_records",
    "appliance.capture_segment", "appliance.capture_ring",
    "appliance.backoff", "appliance.sinks.webhook_signature", "appliance.sinks.webhook_queue",
    "appliance.sinks.webhook_targets", "appliance.sinks.webhook_early",
    "appliance.counter_records", "appliance.reconcile.counters",
    "appliance.reconcile.limits_merge",
    "appliance.reconcile.hybrid_clock", "appliance.reconcile.alarm_merge",
    "appliance.reconcile.alarm_recovery", "appliance.reconcile.central_alarms",
    "appliance.inspection_verdict", "appliance.inspection_rules", "appliance.inspection_knowledge",
    "appliance.inspection_queue", "appliance.inspection_tags", "appliance.sources.camera_files",
    "appliance.png_picture",
)  # fmt: skip
SHELLS = (
    "firmware_bridge.port", "firmware_bridge.port_reader", "firmware_bridge.simulator",
    "models.backends", "models.host", "models.store", "models.training",
)  # fmt: skip
NOT_IN_CORE = {
    "asyncio", "sqlite3", "socket", "selectors", "select", "subprocess", "threading", "multiprocessing",
    "time", "datetime", "logging", "pathlib", "os", "io", "shutil", "tempfile", "http", "urllib",
}  # fmt: skip
FORBIDDEN_NAMES = {"types", "utils", "util", "common", "helpers", "helper", "misc", "manager", "handler"}


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    files = [ROOT / name for name in listed] or [
        path for folder in (*FLOORS, "tests", "tools") for path in (ROOT / folder).rglob("*.py")
    ]
    return [path for path in files if path.is_file()]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def under(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith((prefix + ".", prefix + "_")) for prefix in prefixes)


def imports_of(path: Path) -> list[tuple[str, int]]:
    """(module, line) of every import, `TYPE_CHECKING` and function-level ones included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports absolutely"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
            found.append((str(node.module), node.lineno))
    return found


HOUSE = sorted(path for path in python_files() if path.relative_to(ROOT).parts[0] in FLOORS)


def rank_of(module: str) -> int | None:
    """Rank of an appliance module: of its folder or name, `station_views` counting as `station`."""
    parts = module.split(".")
    if len(parts) < 2:
        return None
    for name in (parts[1], parts[1].split("_")[0]):
        if name in APPLIANCE_RANK:
            return APPLIANCE_RANK[name]
    return None


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_imports_go_downward(path: Path) -> None:
    module = module_of(path)
    floor = module.split(".")[0]
    for name, line in imports_of(path):
        target = name.split(".")[0]
        if target in FLOORS and target != floor:
            assert FLOORS[target] < FLOORS[floor], f"{path}:{line}: {floor} must not import {name}"
        if floor == target == "appliance":
            mine, theirs = rank_of(module), rank_of(name)
            if len(module.split(".")) > 1:
                assert mine is not None, f"{path}: give {module} a rank in APPLIANCE_RANK"
            if mine is not None and theirs is not None:
                assert theirs <= mine, f"{path}:{line}: {module} must not look up to {name}"


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_adapters_know_neither_config_nor_each_other(path: Path) -> None:
    parts = module_of(path).split(".")
    if parts[0] != "appliance" or len(parts) < 2 or parts[1] not in ADAPTERS:
        return
    for name, line in imports_of(path):
        target = name.split(".")
        if target[0] != "appliance" or len(target) < 2:
            continue
        assert target[1] not in ("config", "wiring"), f"{path}:{line}: an adapter reads no configuration"
        if target[1] in ADAPTERS and target[1] != parts[1]:
            # the vocabulary of the journal (records and their payloads, no I/O) is what a sink carries
            known = target[1] == "journal" and target[2:3] in (["record"], ["features"])
            assert known, f"{path}:{line}: {parts[1]} must not know {name}"


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_the_core_touches_no_world(path: Path) -> None:
    module = module_of(path)
    if not under(module, CORE) or under(module, SHELLS):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name, line in imports_of(path):
        assert name.split(".")[0] not in NOT_IN_CORE, f"{path}:{line}: core code must not import {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input"), (
                f"{path}:{node.lineno}: core code does no I/O"
            )


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_names_say_what_a_module_is(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES, f"{path}: name the module after what it holds"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(("Manager", "Helper", "Handler", "Utils")), (
                f"{path}:{node.lineno}: {node.name} does not say what it is"
            )


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "generated by" in text[:300].lower():
        return
    lines = text.count("\n")
    assert lines <= LINE_LIMIT, f"{path}: {lines} lines; split it by duty ({LINE_LIMIT} at most)"


@pytest.mark.parametrize("path", HOUSE, ids=module_of)
def test_modules_say_their_duty(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), f"{path}: a module's docstring says its duty"


def test_nobody_imports_the_appliance_or_its_wiring_from_below() -> None:
    importers = {
        module_of(path)
        for path in HOUSE
        for name, _ in imports_of(path)
        if name.startswith("appliance.wiring")
    }
    above = ("appliance.commands", "appliance.__main__", "appliance.wiring")
    assert importers <= {m for m in importers if m.startswith(above)}


def test_no_cancellation_is_lost_in_a_time_out() -> None:
    """`asyncio.wait_for` of Python 3.11 forgets one that meets its result; `asyncio.timeout` does not."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        if module_of(path).partition(".")[0] in FLOORS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    ]
    assert not found


def test_only_the_commands_that_train_know_training() -> None:
    """The service must never need torch, onnx or rows of training: nothing else may import them."""
    commands = ("train", "quantise", "evaluate", "profile")
    allowed = ("models.training", *(f"appliance.commands.{name}" for name in commands))
    found = [
        f"{path}:{line}"
        for path in HOUSE
        for name, line in imports_of(path)
        if (name.split(".")[0] in ("torch", "onnx") or name.startswith("models.training"))
        and not under(module_of(path), allowed)
    ]
    assert not found
