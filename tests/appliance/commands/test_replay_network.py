"""`stethos replay --bundle`: the int8 network as the service runs it, the statistical detector behind it.

Everything is real: the demo's bundle on a runtime in a process of its own, bundles that are really damaged,
a process that is really killed between two windows.
"""

from __future__ import annotations

import builtins
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.commands import replay as replay_command
from appliance.demo_config import DEMO_MODEL
from firmware_bridge.simulated_machine import SimulatedMachine, VibrationStream
from models.bundle import Bundle, artefact_of
from models.store import read_bundle, write_bundle

RATE_HZ = 25_600.0
STATISTICAL = "statistical detector"
NUMPY = ("--backend", "numpy_reference")
BY_NETWORK = f"network demo-motor {read_bundle(DEMO_MODEL).manifest.version} on numpy_reference"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments of a replay: one healthy recording that teaches, a later one of the same machine."""
    folder = tmp_path_factory.mktemp("recordings")
    stream = VibrationStream(SimulatedMachine(4), RATE_HZ)
    for name, seconds in (("taught", 15.0), ("judged", 20.0)):
        blocks = [stream.next_block()[:, :1] for _ in range(round(seconds * RATE_HZ / 512))]
        np.savez(folder / f"{name}.npz", x=np.concatenate(blocks), fs=RATE_HZ)
    return ["--unit", "m/s2", "--healthy", str(folder / "taught.npz"), str(folder / "judged.npz")]


class Told:
    """What one replay said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.lines = [json.loads(line) for line in out.splitlines()]
        self.windows = [line for line in self.lines if line["type"] == "window" and "judged" in line["file"]]
        self.network = [line["text"] for line in self.lines if line["type"] == "network"]
        self.scored_by: dict[str, int] = self.lines[-1]["scored_by"] if self.lines else {}

    @property
    def scores(self) -> list[float]:
        return [window["score"] for window in self.windows]


@pytest.fixture
def replay(recordings: list[str], capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    def run(*options: str) -> Told:
        code = main(["replay", "--json", *options, *recordings])
        captured = capsys.readouterr()
        return Told(code, captured.out, captured.err)

    return run


def children() -> list[int]:
    """Processes of this one that run a model."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"models.host_worker" in command:
            found.append(int(folder.name))
    return found


def test_the_int8_network_scores_in_a_process_of_its_own_and_the_summary_says_so(
    replay: Callable[..., Told], recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told, plain = replay("--bundle", str(DEMO_MODEL), *NUMPY), replay()
    assert (told.code, told.network) == (0, [])
    assert told.scored_by == {BY_NETWORK: len(told.windows)}
    assert {window["scored_by"] for window in told.windows} == {BY_NETWORK}
    assert plain.scored_by == {STATISTICAL: len(told.windows)}
    assert told.scores != plain.scores
    assert children() == []
    assert main(["replay", *recordings, "--bundle", str(DEMO_MODEL), *NUMPY]) == 0
    assert f"scored {len(told.windows)} by the {BY_NETWORK}: " in capsys.readouterr().out


def test_a_damaged_bundle_is_one_line_and_the_detector_judges(
    replay: Callable[..., Told], recordings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(DEMO_MODEL.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "damaged [1].zip"
    path.write_bytes(content)
    told, plain = replay("--bundle", str(path)), replay()
    assert told.code == 0
    assert len(told.network) == 1
    assert str(path) in told.network[0]
    assert told.network[0].endswith("the statistical detector answers")
    assert told.scored_by == {STATISTICAL: len(plain.windows)}
    assert told.scores == plain.scores
    assert main(["replay", *recordings, "--bundle", str(path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ +\d+\.\d\d s  network .*damaged \[1\]\.zip: ", out, re.MULTILINE)
    assert f"by the {STATISTICAL}: " in out


def test_damage_under_right_digests_is_found_by_the_golden_vectors(
    replay: Callable[..., Told], tmp_path: Path
) -> None:
    bundle = read_bundle(DEMO_MODEL)
    entry = bundle.manifest.artefact_for("numpy_reference")
    network: dict[str, Any] = json.loads(bundle.files[entry.file])
    network["layers"][0]["output"]["scale"] *= 3.0
    content = json.dumps(network).encode()
    entries = tuple(
        artefact_of(one, one.file, content) if one.file == entry.file else one
        for one in bundle.manifest.artefacts
    )
    path = tmp_path / "bundle"
    write_bundle(
        Bundle(replace(bundle.manifest, artefacts=entries), {**bundle.files, entry.file: content}), path
    )
    told = replay("--bundle", str(path), *NUMPY)
    assert told.code == 0
    assert told.scored_by == {STATISTICAL: len(told.windows)}
    assert len(told.network) == 1
    assert "golden" in told.network[0]


def test_one_that_was_not_made_for_these_features_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("taught", "judged"):
        samples = np.random.default_rng(len(name)).standard_normal(20 * 2048).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=samples, fs=2048.0)
    files = ["--healthy", str(tmp_path / "taught.npz"), str(tmp_path / "judged.npz")]
    code = main(["replay", "--json", "--bundle", str(DEMO_MODEL), *NUMPY, *files])
    told = Told(code, *capsys.readouterr())
    assert told.code == 0
    assert told.scored_by == {STATISTICAL: len(told.windows)}
    (text,) = told.network
    assert "channel 'machine.ch1': " in text
    assert "the statistical detector answers" in text


def test_a_runtime_that_dies_in_the_middle_costs_no_window(
    replay: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()

    def told_then_killed(line: str) -> None:
        builtins.print(line)
        fields = json.loads(line)
        if fields["type"] == "window" and fields["scored_by"] == BY_NETWORK:
            seen[BY_NETWORK] += 1
            if seen[BY_NETWORK] == 5:
                (pid,) = children()
                os.kill(pid, signal.SIGKILL)

    plain = replay()
    monkeypatch.setattr(replay_command, "print", told_then_killed, raising=False)
    told = replay("--bundle", str(DEMO_MODEL), *NUMPY)
    assert told.code == 0
    assert set(told.scored_by) == {BY_NETWORK, STATISTICAL}
    assert sum(told.scored_by.values()) == len(told.windows) == len(plain.windows)
    assert "numpy_reference (first choice) died by SIGKILL" in told.network[0]
    assert told.network[0].endswith("the statistical detector answers")
    where = [line["type"] for line in told.lines].index("network")
    after = [line for line in told.lines[where:] if line["type"] == "window"]
    assert after[0]["scored_by"] == STATISTICAL
    assert told.network[1:] in ([], ["numpy_reference answers again"])  # it may come back meanwhile
    assert children() == []


def test_without_a_baseline_nothing_is_scored_and_it_is_said(
    recordings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--json", "--unit", "m/s2", "--bundle", str(DEMO_MODEL), recordings[-1]]) == 0
    told = Told(0, *capsys.readouterr())
    assert told.network == [replay_command.NOT_SCORED]
    assert told.scored_by == {}


def test_a_bundle_that_is_not_there_and_a_runtime_that_nobody_knows_are_wrong_options(
    replay: Callable[..., Told], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = replay("--bundle", str(tmp_path / "none.zip"))
    assert (told.code, told.lines) == (2, [])
    assert "none.zip: there is no such folder or file" in told.err
    with pytest.raises(SystemExit) as refused:
        replay("--bundle", str(DEMO_MODEL), "--backend", "abacus")
    assert refused.value.code == 2
    assert "'abacus' is no backend; there are: " in capsys.readouterr().err


def test_a_runtime_that_the_bundle_has_no_file_for_leaves_the_detector(replay: Callable[..., Told]) -> None:
    told = replay("--bundle", str(DEMO_MODEL), "--backend", "tensorrt")
    assert told.code == 0
    assert told.scored_by == {STATISTICAL: len(told.windows)}
    assert "no artefact for backend 'tensorrt'" in told.network[0]
