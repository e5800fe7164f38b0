"""`evaluate` on data sets as other hands make them: always a table, never a traceback, each oddity named."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.commands import evaluate
from appliance.commands.evaluate_report import as_json, print_results
from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import OneClassProtocol
from models.evaluation.protocols import PROTOCOLS
from models.evaluation.result import METRICS
from tests.appliance.commands.evaluation_folders import write_manifest
from tests.appliance.commands.unseen_folders import DAMAGES, KINDS, damaged

_ONE_CLASS = (OneClassProtocol, OneClassBySpeedProtocol)
# One baseline beside each one-class detector is enough to see that nothing falls over.
QUICK = (
    *(OneClassProtocol(beside={"baseline:robust"}), OneClassBySpeedProtocol(beside={"baseline:robust"})),
    *(protocol for protocol in PROTOCOLS if not isinstance(protocol, _ONE_CLASS)),
)


def judged(entries: list[dict[str, Any]], folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The product's results by data set, after all of it was printed, and the remarks."""
    found = evaluate.evaluate(entries, folder, protocols=QUICK)
    print_results(found.results, found.remarks, found.settings_hash, found.seed)
    results = json.loads(json.dumps(as_json(found.results, found.settings_hash), allow_nan=False))["results"]
    product = {
        result["dataset"]: result for result in results if not result["variant"].startswith("baseline:")
    }
    for result in results:
        assert set(METRICS[result["task"]]) <= set(result["metrics"])
    return product, found.remarks


@pytest.fixture(scope="module", params=KINDS)
def unseen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[dict[str, Any]], dict[str, dict[str, Any]], list[str]]:
    folder = tmp_path_factory.mktemp(request.param)
    entries = KINDS[request.param](folder)
    return (request.param, folder, entries, *judged(entries, folder))


def test_every_data_set_has_its_line_and_nothing_falls_over(
    unseen: tuple[str, Path, list[dict[str, Any]], dict[str, dict[str, Any]], list[str]],
) -> None:
    _, _, entries, results, remarks = unseen
    assert set(results) == {entry["dataset"] for entry in entries}
    fallen = [remark for remark in remarks if "cannot be judged (" in remark or "Error:" in remark]
    assert fallen == []


def test_what_can_be_judged_is_judged(
    unseen: tuple[str, Path, list[dict[str, Any]], dict[str, dict[str, Any]], list[str]],
) -> None:
    kind, _, _, results, remarks = unseen
    said = "\n".join(remarks)
    if kind == "rig":
        units = {unit["unit"]: unit for unit in results["rig"]["units"]}
        for number in (0, 1, 5, 6):  # however rate, channel, geometry and fault are written
            assert units[f"rig{number}.npz"]["outcome"] == "right", units[f"rig{number}.npz"]
        assert units["rig2.npz"]["outcome"].startswith("healthy")
        assert units["rig3.npz"]["outcome"] == "healthy_abstain"
        assert units["rig7.npz"]["outcome"] == "abstain"
        assert {"rig4.npz", "rig10.npz"} & set(units) == set()
        assert "rig4.npz: its label says neither healthy nor which fault" in said
        assert results["rig"]["metrics"]["wrong"] == 0
    elif kind == "session":
        assert results["press"]["metrics"]["auroc"] > 0.8
        assert results["press"]["counts"]["healthy_learned_groups"] == 2
        assert results["lone"]["metrics"]["auroc"] is None
        assert "sick: no healthy group to learn from" in said
        assert results["taps"]["metrics"]["auroc"] is not None
        known = {name: results[name]["counts"]["level_known"] for name in ("taps", "long", "lone")}
        assert known == {"taps": True, "long": False, "lone": False}
        assert results["long"]["metrics"]["auroc"] == 1.0
        assert "2000 Hz, 1 axes cannot be compared" in said
    elif kind == "speed":
        assert results["blower0"]["metrics"]["auroc"] > 0.9
        assert results["blower3"]["metrics"]["auroc"] > 0.9
        assert "speed3.npz, run 2: no speed is stated for it" in said
        assert results["blower1"]["metrics"]["lgo_auroc"] is None
        assert results["blower4"]["metrics"]["auroc"] is None
    elif kind == "failing":
        for name in ("spindle0", "spindle1", "spindle4"):
            assert results[name]["metrics"]["found"] == 1, name
            assert results[name]["metrics"]["false_events"] == 0, name
        assert "30 snapshots; at least 40 are needed" in said
    elif kind == "plant":
        for name in ("plant0", "plant7"):
            assert results[name]["metrics"]["f1"] > 0.5, name
            (first, *_) = results[name]["units"][0]["alarm_words"]
            assert 500 <= int(first.removeprefix("row ").partition(":")[0]) <= 512
            assert ", usually " in first
        assert "plant7.csv: its cells are parted by ';', not as its layout says" in said
        assert results["plant1"]["counts"]["healthy_files"] == 1
        assert "plant2.csv: 300 rows" in said
        assert "neither an anomaly column nor a healthy state" in said
    else:
        assert results["climate0"]["metrics"]["windows_hit"] == 1
        assert results["climate3"]["metrics"]["windows"] == 1
        assert said.count("its labelled windows cannot be read") == 2


def test_damaged_files_are_named_and_cost_nobody_else(
    unseen: tuple[str, Path, list[dict[str, Any]], dict[str, dict[str, Any]], list[str]],
) -> None:
    _, folder, entries, before, _ = unseen
    sound = entries[0]
    broken = [{**entry, "dataset": "broken"} for entry in damaged(folder, sound)]
    results, remarks = judged([sound, *broken], folder)
    assert set(results) == {sound["dataset"], "broken"}
    for name in ("cut", "empty", "noise", "gone", "text"):
        assert any(name in remark.split(":")[0] or f"/{name}." in remark for remark in remarks), (
            name,
            remarks,
        )
    assert not [remark for remark in remarks if "cannot be judged (" in remark]
    assert len(broken) == len(DAMAGES) + 1
    alone = [e for e in entries if e["dataset"] == sound["dataset"]]
    if len(alone) == 1:
        assert results[sound["dataset"]]["metrics"] == before[sound["dataset"]]["metrics"]


@pytest.mark.parametrize(
    "odd",
    [
        {"dataset": 5, "task": ["x"], "file": {"a": 1}, "layout": 3, "label": "broken"},
        {"file": "a\0b.npz", "dataset": "z", "task": "diagnosis", "layout": "recording"},
        {
            "file": "x.npz",
            "dataset": "z",
            "task": "diagnosis",
            "layout": None,
            "sha256": 4,
            "group": {"a": 1},
        },
        {},
    ],
)
def test_an_entry_that_is_none_is_named(
    tmp_path: Path, odd: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(tmp_path, [odd])
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    for more in ([], ["--json"]):
        options = parser.parse_args(["evaluate", "--data", str(tmp_path), *more])
        assert options.run(options) == 0
        printed = capsys.readouterr()
        assert "remark: " in (printed.err if more else printed.out)
