"""Documents tell the truth: links lead somewhere, what can be used is described, what is described exists.

Settings and their defaults are held against the sample in `appliance/test_config.py`, features against their
table in `dsp/test_extractor.py`, the wire protocol in `firmware_bridge`; the rest stands here.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from appliance.alarms.process_rule import PROCESS_VALUES, SLOW_TAG
from appliance.alarms.rules import CHECK_SENSOR, DRIFT, MACHINE_CONDITION
from appliance.alarms.system import SystemCondition
from appliance.commands import COMMANDS
from appliance.telemetry.metrics import METRICS
from models.backends.coral_edgetpu import CORAL_EDGETPU
from models.backends.table import BACKENDS
from tests.contract.test_backends import NEED_HARDWARE
from web.openapi import document

ROOT = Path(__file__).resolve().parents[1]
MARKDOWN = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", "build", ".pytest_cache", ".hypothesis"}
    & set(path.relative_to(ROOT).parts)
)
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in MARKDOWN}


def test_there_are_documents_to_test() -> None:
    assert {"README.md", "docs/architecture.md", "docs/guarantees.md", "CHANGELOG.md"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        path = (ROOT / name).parent / target.split("#")[0]
        assert path.exists(), f"{name} links to {target}, which does not exist"


def test_every_alarm_has_its_runbook_and_no_runbook_is_stale() -> None:
    machine = {MACHINE_CONDITION, CHECK_SENSOR, DRIFT, PROCESS_VALUES, SLOW_TAG}
    rules = {*machine, *(str(condition) for condition in SystemCondition)}
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert pages == {rule.replace(" ", "-") for rule in rules}
    index = PAGES["docs/runbooks/README.md"]
    for rule in rules:
        assert f"| {rule} |" in index


def test_every_route_is_described() -> None:
    described = set(re.findall(r"`(GET|POST|DELETE|PUT|PATCH) (/api/[^`]*)`", PAGES["web/README.md"]))
    built = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
        if path.startswith("/api/")
    }
    assert described == built


def test_every_metric_is_described_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(stethos_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGES["docs/metrics.md"], re.MULTILINE
    )
    described = {name: (kind, labels, meaning) for name, kind, labels, meaning in rows}
    built = {
        name: (info.type, ", ".join(f"`{label}`" for label in info.labels) or "-", info.meaning)
        for name, info in METRICS.items()
    }
    assert described == built
    assert len(rows) == len(built), "a metric is described twice"


def test_every_command_is_described_and_exists() -> None:
    text = PAGES["README.md"]
    mentioned = set(re.findall(r"stethos ([a-z][a-z-]+)", text))
    assert mentioned <= set(COMMANDS), f"README speaks of {mentioned - set(COMMANDS)}"
    assert set(COMMANDS) <= mentioned, f"README does not speak of {set(COMMANDS) - mentioned}"


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    for target in re.findall(r"`make ([a-z][a-z-]*)", PAGES[name]):
        assert target in targets, f"{name} speaks of make {target}"


def test_every_decision_is_in_the_index() -> None:
    decisions = {path.name for path in (ROOT / "docs" / "adr").glob("0*.md")}
    index = PAGES["docs/adr/README.md"]
    assert decisions == set(re.findall(r"\]\((0[^)]*\.md)\)", index))


def test_every_benchmark_that_a_document_names_exists() -> None:
    for name, text in PAGES.items():
        for bench in re.findall(r"make bench ONLY=([a-z_]+)", text):
            if bench != "name":
                assert (ROOT / "tests" / "benchmarks" / f"bench_{bench}.py").is_file(), f"{name}: {bench}"


@pytest.mark.parametrize("name", ["README.md", "models/backends/README.md"])
def test_every_runtime_has_its_row_and_says_where_no_hardware_was(name: str) -> None:
    rows = {
        runtime: line
        for line in PAGES[name].splitlines()
        if line.startswith("| `")
        for runtime in re.findall(r"`([a-z_]+)`", line.split("|")[1])
    }
    assert rows.keys() == BACKENDS.keys()
    for runtime in (*NEED_HARDWARE, CORAL_EDGETPU):
        assert re.search(r"\*\*(not tested on hardware|any )", rows[runtime]), f"{name}: {runtime}"


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGES["docs/guarantees.md"])
    assert len(named) >= 10
    for file, function in named:
        path = ROOT / file
        assert path.is_file(), file
        assert not function or f"def {function}(" in path.read_text(encoding="utf-8"), f"{file}::{function}"


def test_no_path_of_one_machine_and_no_registry_is_in_the_repository() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if not any(tracked):
        pytest.skip("not a git checkout: nothing says which files belong to the repository")
    words = ("/home/", "/root/", "--index-url", "registry.npmjs.org", "files.pythonhosted.org", str(ROOT))
    for name in filter(None, tracked):
        path = ROOT / name
        if name == "tests/test_docs.py" or path.suffix == ".png" or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for word in words:
            assert word not in text, f"{name} names {word}"
