"""`evaluate` on data sets nobody has heard of, renamed, permuted and damaged ones."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.commands import evaluate
from appliance.commands.evaluate_report import as_json
from models.evaluation.protocols import PROTOCOLS
from models.evaluation.result import METRICS, NOT_BUILT
from tests.appliance.commands.evaluation_folders import (
    FAULTY,
    HEALTHY,
    diagnosis_entries,
    entry,
    save,
    unseen_folder,
    write_manifest,
)

Results = list[dict[str, Any]]


def report(entries: list[dict[str, Any]], folder: Path) -> tuple[Results, list[str]]:
    found = evaluate.evaluate(entries, folder)
    results: Results = as_json(found.results, found.settings_hash)["results"]
    return results, found.remarks


def without_names(results: Results) -> Results:
    """Results as they stand whatever files are called."""
    return [
        {**result, "units": [{**unit, "unit": None, "name": None} for unit in result["units"]]}
        for result in results
    ]


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], Results, list[str]]:
    folder = tmp_path_factory.mktemp("unseen")
    entries = unseen_folder(folder)
    return folder, entries, *report(entries, folder)


def test_every_data_set_is_judged_or_listed_as_not_built(
    unseen: tuple[Path, list[dict[str, Any]], Results, list[str]],
) -> None:
    _, entries, results, remarks = unseen
    assert {(r["dataset"], r["task"]) for r in results} == {(e["dataset"], e["task"]) for e in entries}
    built = frozenset().union(*(protocol.tasks for protocol in PROTOCOLS))
    for result in results:
        assert (result["variant"] != NOT_BUILT) == (result["task"] in built), result
        if result["variant"] != NOT_BUILT:
            assert set(METRICS[result["task"]]) <= set(result["metrics"])
            assert "reason" not in result["counts"], result
            assert result["units"]
    for dataset, task in {(r["dataset"], r["task"]) for r in results if r["task"] in built}:
        variants = [r["variant"] for r in results if (r["dataset"], r["task"]) == (dataset, task)]
        assert any(variant.startswith("baseline:") for variant in variants), (dataset, task)
        assert not variants[0].startswith("baseline:")
    assert not [remark for remark in remarks if "cannot" in remark]
    json.dumps(results, allow_nan=False)


def test_the_product_judges_a_machine_it_has_never_seen(
    unseen: tuple[Path, list[dict[str, Any]], Results, list[str]],
) -> None:
    product = next(r for r in unseen[2] if r["task"] == "diagnosis" and r["variant"] == "rules")
    found = product["metrics"]
    assert (found["n"], found["right"], found["healthy_ok"]) == (3, 2, 1)


def test_new_names_and_permuted_ids_change_nothing(
    unseen: tuple[Path, list[dict[str, Any]], Results, list[str]], tmp_path: Path
) -> None:
    folder, entries, results, _ = unseen
    ids = [item["id"] for item in entries]
    renamed = []
    for number, item in enumerate(entries):
        old = Path(item["file"])
        new = f"inner_race_fault_{number}{''.join(old.suffixes)}"
        if (folder / old).exists():
            shutil.copy(folder / old, tmp_path / new)
        renamed.append(
            item | {"file": new, "id": ids[-1 - number], "description": "inner race, outer race, healthy"}
        )
    again, _ = report(renamed, tmp_path)
    assert without_names(again) == without_names(results)


def damage(folder: Path) -> dict[str, dict[str, Any]]:
    """By a word that its remark must hold: an entry that cannot be used."""
    good = diagnosis_entries(folder)[0]
    (folder / "cut.npz").write_bytes((folder / good["file"]).read_bytes()[:4000])
    np.savez(folder / "bare.npz", y=np.zeros(5))
    save(folder / "flat.npz", np.zeros((3000, 2)), 100.0)
    (folder / "no_time.csv").write_text("flow;pressure\n1;2\n3;4\n", encoding="utf-8")
    (folder / "ragged.csv").write_text("time;flow\n0;2\n1;4;7\n", encoding="utf-8")
    (folder / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00garbage")
    tags = {"dataset": "loop", "task": "process_anomaly", "layout": "csv_semicolon", "label": HEALTHY}
    return {
        "cut.npz": good | {"file": "cut.npz"},
        "bare.npz": good | {"file": "bare.npz"},
        "gone.npz": good | {"file": "gone.npz"},
        "there is no channel 7": good | {"bearing_channel": 7},
        "'layout' is missing": {key: value for key, value in good.items() if key != "layout"},
        "layout 'scroll'": good | {"layout": "scroll"},
        "machine_geometry": good | {"machine_geometry": "6205"},
        "outside the folder": good | {"file": "../elsewhere.npz"},
        "its label is 'fine'": good | {"label": "fine"},
        "'dataset' is missing": {key: value for key, value in good.items() if key != "dataset"},
        "'file' is missing": {key: value for key, value in good.items() if key != "file"},
        "task 'taste'": good | {"task": "taste", "dataset": "kitchen"},
        "no 'config' of each run": entry("fan9", "one_class_by_speed", "runs", "flat.npz", HEALTHY),
        "no array 'lengths'": entry("fan8", "one_class", "bursts", "flat.npz", HEALTHY, group="a"),
        "no_time.csv": tags | {"file": "no_time.csv"},
        "ragged.csv: row 3": tags | {"file": "ragged.csv"},
        "cut.csv.gz": tags | {"file": "cut.csv.gz"},
        "flat.npz: layout 'recording' holds nothing": tags | {"layout": "recording", "file": "flat.npz"},
    }


def test_what_is_damaged_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    damaged = damage(tmp_path)
    entries = [*damaged.values(), *diagnosis_entries(tmp_path)]
    built = frozenset().union(*(protocol.tasks for protocol in PROTOCOLS))
    results, remarks = report(entries, tmp_path)
    for words, item in damaged.items():
        if item.get("task") in built or "missing" in words or "task" in words:
            assert [remark for remark in remarks if words in remark], (words, remarks)
    quarry = next(r for r in results if (r["dataset"], r["variant"]) == ("quarry", "rules"))
    judged = {(unit["unit"], unit["outcome"]) for unit in quarry["units"]}
    assert {("d0.npz", "right"), ("d1.mat", "right"), ("d2.npz", "healthy_ok")} <= judged
    assert {("cut.npz", "abstain"), ("gone.npz", "abstain")} <= judged
    assert quarry["counts"]["unreadable"] == 9
    assert next(r for r in results if r["dataset"] == "kitchen")["variant"] == NOT_BUILT


def test_a_data_set_of_which_nothing_can_be_judged_is_listed(tmp_path: Path) -> None:
    results, remarks = report(
        [entry("nowhere", "diagnosis", "recording", "x.npz", {"state": "unknown"})], tmp_path
    )
    assert [(r["dataset"], r["variant"], r["metrics"]["n"]) for r in results] == [("nowhere", "rules", None)]
    assert any("nowhere, diagnosis: none of its 1 files" in remark for remark in remarks)


def test_a_protocol_that_falls_over_costs_its_data_set_alone(tmp_path: Path) -> None:
    class Falls:
        tasks = frozenset({"one_class"})

        def settings(self) -> dict[str, Any]:
            return {}

        def evaluate(self, *_: object) -> list[Any]:
            raise ZeroDivisionError("nought")

    entries = [
        entry("mill", "one_class", "recordings", "gone.npz", FAULTY),
        *diagnosis_entries(tmp_path),
    ]
    found = evaluate.evaluate(entries, tmp_path, protocols=(Falls(), *PROTOCOLS))
    by_dataset = {result.dataset: result for result in found.results}
    assert by_dataset["mill"].counts["reason"] == "ZeroDivisionError: nought"
    assert by_dataset["quarry"].metrics["n"] == 3
    assert any("ZeroDivisionError" in remark for remark in found.remarks)


def test_the_command_draws_and_prints_all_of_it(
    unseen: tuple[Path, list[dict[str, Any]], Results, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    folder, entries, results, _ = unseen
    write_manifest(tmp_path, entries)
    for item in entries:
        if (folder / item["file"]).exists():
            shutil.copy(folder / item["file"], tmp_path / item["file"])
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", "--data", str(tmp_path), "--plot", str(tmp_path / "out")])
    assert arguments.run(arguments) == 0
    printed = capsys.readouterr().out
    for result in results:
        assert result["dataset"] in printed
    drawn = {path.name for path in (tmp_path / "out").iterdir()}
    if any(r["task"] == "one_class" and r["variant"] != NOT_BUILT for r in results):
        assert "mill-one_class-roc.png" in drawn
    if any(r["task"] == "run_to_failure" and r["variant"] != NOT_BUILT for r in results):
        assert any(name.startswith("spindle-run_to_failure-timelines") for name in drawn)
