"""A network in the running service: killed, hung, switched, tried beside, promoted, rolled back, damaged.

Everything is real: the demo's bundle on real runtimes in processes of their own, the simulator on its port.
That no window was left without a score is read from what the service stored, window by window.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.demo_config import DEMO_MODEL, MACHINE_ID, demo_backends, demo_config
from models.bundle import Bundle
from models.store import read_bundle, write_bundle
from tests.end_to_end.api_client import points
from tests.end_to_end.demo_run import DemoRun
from tests.end_to_end.rig import AXES, WATCHED, Rig
from tests.end_to_end.told_process import ROOT, until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

ALARM = "appliance.network-fallback.motor"
FIRST = demo_backends()[0]
DEADLINE_S = 5.0  # wide, for a loaded test machine: what is tested is that it holds, not its length
STATISTICAL = "statistical detector"
LEARNED_S = 150.0
SAME_MS = 50.0  # a window's figures and its score are stamped one by one, by a clock that may be slewed


def with_network(rig: Rig) -> None:
    """The demo's network, from a copy of its bundle that a test may damage."""
    shutil.copy(DEMO_MODEL, rig.state_dir / "motor.zip")
    text = demo_config(replace(rig.places, backends=demo_backends()))
    text = text.replace(str(DEMO_MODEL), "motor.zip")
    rig.config.write_text(text.replace("[models]\n", f"[models]\ndeadline_ms = {DEADLINE_S * 1e3}\n"))


def models(rig: Rig, *arguments: str) -> dict[str, Any]:
    """`stethos models ... --json`."""
    command = [sys.executable, "-m", "appliance", "models", *arguments, "--config", str(rig.config), "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert isinstance(told, dict)
    return told


def service(rig: Rig) -> dict[str, Any]:
    """What the running service says of its slot."""
    told = models(rig, "status")["slots"][0]["service"]
    return told if isinstance(told, dict) else {}


def scored_by(rig: Rig) -> str | None:
    by: str | None = rig.api.get(f"/api/machines/{MACHINE_ID}")["summary"]["scored_by"]
    return by


def score_count(rig: Rig) -> int:
    return sum(rig.api.points_stored(axis, "score") for axis in AXES)


def metrics(rig: Rig) -> str:
    """The page for Prometheus."""
    return httpx.get(f"{rig.api.url}/metrics", cookies=rig.api.cookies, trust_env=False).text


def alarm_state(rig: Rig) -> str:
    alarm = rig.api.alarm(ALARM)
    return "none" if alarm is None else str(alarm["state"])


def more_scores(rig: Rig, n: int = 6) -> None:
    before = score_count(rig)
    until(lambda: score_count(rig) >= before + n, f"{n} more windows are scored")


@pytest.fixture(scope="module")
def rig(start_rig: Callable[..., Rig]) -> Rig:
    """Learned, and scored by the network on its first choice of runtime."""
    rig = start_rig(prepare=with_network)
    until(lambda: score_count(rig) > 0, "the baseline is learned", LEARNED_S)
    until(lambda: scored_by(rig) not in (None, STATISTICAL), "the network scores")
    return rig


def test_the_network_scores_and_it_is_said_who(rig: Rig) -> None:
    told = service(rig)
    name = f"{read_bundle(DEMO_MODEL).manifest.name} {read_bundle(DEMO_MODEL).manifest.version}"
    assert scored_by(rig) == f"network {name} on {FIRST}"
    assert (told["answers"], told["title"], told["alarm"]) == (FIRST, name, "")
    assert alarm_state(rig) == "none"


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "died by SIGKILL"), (signal.SIGSTOP, "it hangs")]
)
def test_a_lost_runtime_is_an_alarm_and_no_window_waits(rig: Rig, number: signal.Signals, words: str) -> None:
    pid = service(rig)["processes"][FIRST]
    os.kill(pid, number)
    said = until(lambda: "active" in alarm_state(rig) and rig.api.alarm(ALARM), "it is an alarm")
    assert f"{FIRST} (first choice)" in said["text"]
    assert words in said["text"]
    assert "answers. Run `stethos models status`" in said["text"]
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said["text"])
    more_scores(rig, 3)
    until(lambda: "active" not in alarm_state(rig), "it was taken back after its parity check")
    assert service(rig)["processes"][FIRST] != pid
    more_scores(rig, 3)
    assert str(scored_by(rig)).endswith(f" on {FIRST}")


def test_it_is_switched_without_a_restart(rig: Rig) -> None:
    assert models(rig, "use", "statistical")["taken_up"]
    until(lambda: scored_by(rig) == STATISTICAL, "the detector answers")
    assert service(rig)["processes"] == {}
    assert models(rig, "use", "network")["taken_up"]
    until(lambda: str(scored_by(rig)).endswith(f" on {FIRST}"), "the network answers")
    assert "active" not in alarm_state(rig), "who is switched off on purpose is no alarm"


def test_a_candidate_runs_in_the_shadow_is_promoted_and_rolled_back(rig: Rig, tmp_path: Path) -> None:
    shipped = read_bundle(DEMO_MODEL)
    candidate = tmp_path / "candidate.zip"
    write_bundle(Bundle(replace(shipped.manifest, version="candidate"), shipped.files), candidate)
    models(rig, "shadow", str(candidate))
    report = until(
        lambda: (found := models(rig, "shadow")["shadows"][0]["report"]) and found["windows"] >= 6 and found,
        "it has seen windows",
    )
    assert report["title"] == "demo-motor candidate"
    # The same network under another name. A late runtime's windows are answered by the next one, whose int8
    # rounds otherwise: by up to 0.13 of the limit on a healthy window, which few windows' correlation is of.
    assert abs(report["mean_active"] - report["mean_shadow"]) < 0.15
    assert report["dropped"] == 0
    windows = re.search(r'^stethos_shadow_windows_total{slot="motor"} (\S+)$', metrics(rig), re.MULTILINE)
    assert windows
    assert float(windows[1]) >= 6
    assert 'stethos_shadow_over_limit_total{slot="motor",over="only shadow"} ' in metrics(rig)
    models(rig, "promote")
    until(lambda: "candidate" in str(scored_by(rig)), "the candidate scores")
    models(rig, "roll-back")
    until(lambda: shipped.manifest.version in str(scored_by(rig)), "the one before scores again")


def test_no_window_was_left_without_a_score_and_no_answer_was_late(rig: Rig) -> None:
    """Over all that was done above: kill, hang, switch, promotion."""
    more_scores(rig)
    for axis in AXES:
        scores = points(rig.api.trend(axis, "score"))
        windows = [ms for ms in points(rig.api.trend(axis, WATCHED)) if min(scores) <= ms <= max(scores)]
        assert [ms for ms in windows if min(abs(ms - scored) for scored in scores) > SAME_MS] == []
        assert len(scores) > 20
    page = metrics(rig)
    slow = re.search(
        rf'stethos_network_latency_seconds_bucket{{slot="motor",le="{DEADLINE_S:g}(?:\.0)?"}} (\S+)', page
    )
    calls = re.search(r'stethos_network_latency_seconds_count{slot="motor"} (\S+)', page)
    assert slow and calls, page
    assert float(slow[1]) == float(calls[1]) > 20


def test_a_damaged_bundle_does_not_keep_the_service_from_starting(rig: Rig) -> None:
    rig.appliance.send(signal.SIGTERM)
    assert rig.appliance.wait() == 0
    for path in (rig.state_dir / "models").glob("*.zip"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    rig.start_appliance()
    said = until(lambda: "active" in alarm_state(rig) and rig.api.alarm(ALARM), "it is said")
    assert ".zip: " in said["text"]
    assert "the statistical detector answers" in said["text"]
    more_scores(rig)
    assert scored_by(rig) == STATISTICAL


def test_the_demo_prints_the_commands_that_switch_it_while_it_runs(tmp_path: Path) -> None:
    demo = DemoRun(tmp_path, "--no-restart")
    try:
        told = demo.wait_for("switch", LEARNED_S)
        status, statistical, network = (shlex.split(command) for command in told["commands"])

        def run(command: list[str]) -> dict[str, Any]:
            assert command[0] == "stethos"
            ended = subprocess.run(
                [sys.executable, "-m", "appliance", *command[1:], "--json"],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ended.returncode == 0, ended.stderr
            found: dict[str, Any] = json.loads(ended.stdout)
            return found

        def slot() -> dict[str, Any]:
            return run(status)["slots"][0]["service"] or {}

        def by_network() -> int:
            """Whichever of its runtimes answered: the demo's deadline is short for a loaded test machine."""
            answered = slot()["answered_windows"]
            return sum(answered.get(runtime, 0) for runtime in demo_backends())

        # each look is a process that takes seconds from the demo
        until(lambda: by_network() >= 6, "the network scores", 120.0, 2.0)
        assert run(statistical)["taken_up"]
        until(lambda: slot()["answers"] == f"the {STATISTICAL}", "the detector answers")
        assert slot()["processes"] == {}
        before = by_network()
        assert run(network)["taken_up"]
        until(lambda: by_network() >= before + 3, "the network scores again", 120.0, 2.0)
    finally:
        code, left = demo.end()
    assert (code, left) == (0, {})
