"""`evaluate` on a folder made here, and on the real recordings where they are."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.commands import evaluate
from appliance.sources.recording_notes import read_manifest
from dsp.bearing import BearingFault
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

GEOMETRY = {"bearing": "6205", "n_balls": 9, "BPFO": BEARING.bpfo, "BPFI": BEARING.bpfi, "contact_deg": 0}


def entry(folder: Path, name: str, fault: BearingFault | None, label: dict[str, Any]) -> dict[str, Any]:
    """One recording on disk (the bearing on channel 1) and its manifest entry."""
    rng = np.random.default_rng(len(name))
    n = int(4.5 * RATE_HZ)
    samples = harmonics(rng, n) + resonant_noise(rng, n)
    if fault is not None:
        samples = samples + impacts(rng, n, fault)
    x = np.stack([rng.standard_normal(n), samples], axis=1).astype(np.float32)
    np.savez(folder / name, x=x, scale=[1.0, 1.0], offset=[0.0, 0.0], fs=RATE_HZ, channels=["a", "b"])
    return {
        "id": "inner race",  # a lie that must not be read
        "description": "inner race",
        "dataset": "bench",
        "task": "diagnosis",
        "layout": "recording",
        "file": name,
        "sampling_rate_hz": RATE_HZ * 1.5,  # another lie: the file knows better
        "bearing_channel": 1,
        "shaft_rpm_nominal": SHAFT_HZ * 60 * 1.01,
        "machine_geometry": GEOMETRY,
        "label": label,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    faulty = {"state": "faulty", "fault": "outer race", "grade": "Y1"}
    entries = [
        entry(tmp_path, "a.npz", BearingFault.OUTER_RACE, faulty),
        entry(tmp_path, "bb.npz", None, {"state": "healthy"}),
        entry(tmp_path, "ccc.npz", None, {"state": "unknown"}),
        entry(tmp_path, "dddd.npz", BearingFault.OUTER_RACE, faulty) | {"file": "missing.npz"},
        {"dataset": "images", "task": "visual_difference", "file": "x.zip"},
    ]
    (tmp_path / "MANIFEST.json").write_text(json.dumps(entries), encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["evaluate", *arguments])
    code: int = parsed.run(parsed)
    return code


def test_json_lists_every_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", str(folder), "--json") == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert set(report) == {"settings_hash", "extractor_version", "results"}
    assert "networks: none was asked for" in said.err
    by_variant = {(result["dataset"], result["variant"]): result for result in report["results"]}
    assert set(by_variant) == {
        ("bench", "rules"),
        ("bench", "baseline:decoy-comb"),
        ("bench", "baseline:plain-comb"),
        ("images", "not built"),
    }
    rules = by_variant["bench", "rules"]
    assert rules["task"] == "diagnosis"
    assert rules["metrics"] == {
        "n": 3,
        "right": 1,
        "wrong": 0,
        "missed": 0,
        "abstain": 1,
        "healthy_ok": 1,
        "healthy_abstain": 0,
        "healthy_false": 0,
        "first": 1,
    }
    assert rules["counts"]["by_grade"]["Y1"]["n"] == 2
    assert {unit["unit"] for unit in rules["units"]} == {"a.npz", "bb.npz", "missing.npz"}


def test_what_a_network_reads_is_said_of_a_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", str(folder), "--input", "log-spectrum") == 2
    assert "--input says what a network reads: name one with --network" in capsys.readouterr().err


def test_tables_and_pictures(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pictures = tmp_path / "pictures"
    entries = read_manifest(folder / "MANIFEST.json")
    entries[0]["label"] = {"state": "faulty", "fault": "inner race", "grade": "Y1"}  # to be wrong once
    (folder / "MANIFEST.json").write_text(json.dumps(entries), encoding="utf-8")
    assert run("--data", str(folder), "--plot", str(pictures)) == 0
    printed = capsys.readouterr().out
    for words in (
        "bench",
        "grade Y1",
        "images, visual_difference: not built",
        "missing.npz",
        "the file is believed",
        "wrong of faulted 1 of 2 (95 % 0.09 to 0.91)",
        "missed of faulted 0 of 2 (95 % below 1.00)",
        "settings ",
    ):
        assert words in printed
    drawn = sorted(pictures.iterdir())
    assert [path.name for path in drawn] == ["bench-diagnosis-evidence-1.png"]
    assert drawn[0].read_bytes().startswith(b"\x89PNG")


def test_labels_change_no_decision(folder: Path) -> None:
    entries = read_manifest(folder / "MANIFEST.json")
    told = [dict(item, label={"state": "faulty", "fault": "inner race"}) for item in entries]
    decided, other = (
        {
            (result.variant, unit["unit"]): (unit["verdict"], unit["text"])
            for result in evaluate.evaluate(listed, folder).results
            for unit in result.units
        }
        for listed in (entries, told)
    )
    assert len(decided) == 9
    assert all(decided[key] == other[key] for key in decided)


@pytest.mark.parametrize("content", [None, "{", '{"a": 1}', "[]"])
def test_a_folder_that_cannot_be_used_is_refused(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "MANIFEST.json").write_text(content, encoding="utf-8")
    assert run("--data", str(tmp_path)) == 2
    assert "MANIFEST.json" in capsys.readouterr().err


@pytest.mark.realdata
@pytest.mark.timeout(300)
def test_on_real_recordings_nothing_is_called_wrongly(data_dir: Path) -> None:
    entries = [entry for entry in read_manifest(data_dir / "MANIFEST.json") if entry["task"] == "diagnosis"]
    found = evaluate.evaluate(entries, data_dir)
    total: dict[str, Counter[str]] = {}
    for result in found.results:
        total.setdefault(result.variant, Counter()).update(result.metrics)
    print(total, *found.remarks, sep="\n")
    product = total.pop("rules")
    assert product["n"] >= 60
    assert product["wrong"] == 0
    assert product["healthy_false"] == 0
    assert product["missed"] <= 6
    assert product["right"] >= 52
    assert all(product["right"] > baseline["right"] for baseline in total.values())
