"""`stethos inspect`: a folder becomes verdicts, alarms, kept pictures and counters, by the live code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_store import keep_knowledge
from tests.fakes.drawn_parts import DrawnParts, lay

pytest.importorskip("cv2", reason="cameras need the extra `vision`")

BELT = ["good"] * 16 + ["scratched", "good", "stained", "scratched", *["good"] * 10] + ["lamp_out"] * 3
START_NS = 1_790_000_000 * 10**9


def belt(folder: Path, kinds: list[str], seed: int = 3) -> None:
    parts = DrawnParts(seed)
    for number, kind in enumerate(kinds):
        path = lay(folder, f"{number:03d}-{kind}", getattr(parts, kind)())
        os.utime(path, ns=(0, START_NS + number * 10**9))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_belt_is_told_as_a_timeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image", reason="another reader of PNG is needed (Pillow)")
    folder, out = tmp_path / "belt", tmp_path / "kept"
    folder.mkdir()
    belt(folder, BELT)
    cut = folder / "999-cut.png"
    cut.write_bytes((folder / "000-good.png").read_bytes()[:500])
    os.utime(cut, ns=(0, START_NS + 100 * 10**9))
    assert main(["inspect", str(folder), "--learn", "12", "--json", "--keep", str(out)]) == 0
    told = lines(capsys)
    results = {one["file"]: one["result"] for one in told if one["type"] == "part"}
    assert len(results) == len(BELT) + 1
    for name, result in results.items():
        kind = name.split("-")[1].removesuffix(".png")
        if kind in ("scratched", "stained"):
            assert result == "defect", name
        elif kind in ("lamp_out", "cut"):
            assert result == "no verdict", name
    alarms = [(one["what"], one["rule"]) for one in told if one["type"] == "alarm"]
    assert alarms == [
        ("raised", "run of defects"), ("cleared", "run of defects"), ("raised", "picture unusable"),
    ]  # fmt: skip
    pictures = {Path(one["kept"]): one["what"] for one in told if one["type"] == "picture"}
    assert list(pictures.values()).count("defect") == 3
    first = next(path for path, what in pictures.items() if what == "defect")
    original = np.asarray(image.open(folder / "016-scratched.png"))
    np.testing.assert_array_equal(np.asarray(image.open(first)), original)
    (summary,) = [one for one in told if one["type"] == "summary"]
    counters = summary["counters"]
    assert counters["parts defective"] == 3
    assert counters["parts inspected"] + counters["parts no verdict"] == len(BELT) + 1
    assert told[-1] is summary


def test_in_words_only_what_matters_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    belt(tmp_path, ["good"] * 14 + ["scratched"])
    assert main(["inspect", str(tmp_path), "--learn", "12"]) == 0
    text = capsys.readouterr().out
    assert "part 15: defect" in text
    assert "part 3:" not in text
    assert "learned from 12 of 12 pictures" in text
    assert "parts inspected 3, parts defective 1, parts no verdict 12, pictures kept 1" in text
    assert "--keep FOLDER" in text


def test_pictures_of_different_sizes_are_told_and_teach_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        lay(tmp_path, f"{number}", DrawnParts(1, (120, 160 + 10 * (number % 2))).good())
    assert main(["inspect", str(tmp_path), "--learn", "12"]) == 0
    text = capsys.readouterr().out
    assert "learned from 0 of 12 pictures: not enough" in text
    assert "learning began anew 3 times, since pictures had different sizes" in text
    assert main(["inspect", str(tmp_path), "--learn", "12", "--json"]) == 0
    reasons = [one["reason"] for one in lines(capsys) if one["type"] == "part"]
    assert "it has 170 x 120 pixels, those before had 160 x 120: learning begins anew" in reasons


def test_what_a_camera_has_learned_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts, knowledge = DrawnParts(4), CameraKnowledge(12)
    while not knowledge.learned:
        knowledge.look(parts.good())
    keep_knowledge(knowledge.state(), tmp_path / "press.npz")
    folder = tmp_path / "belt"
    folder.mkdir()
    belt(folder, ["good", "stained"], seed=4)
    learned = str(tmp_path / "press.npz")
    assert main(["inspect", str(folder), "--learned", learned, "--json"]) == 0
    assert [one["result"] for one in lines(capsys) if one["type"] == "part"] == ["good", "defect"]
    (tmp_path / "press.npz").write_bytes(b"PK no archive")
    assert main(["inspect", str(folder), "--learned", learned]) == 2
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no folder"),
        (["."], "holds no"),
        ([".", "--learn", "3"], "12 pictures are least"),
        ([".", "--defects", "9/3"], "whole numbers"),
        ([".", "--learned", "no.npz"], "no file"),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if len(arguments) > 1:
        lay(tmp_path, "one", DrawnParts(1).good())
    assert main(["inspect", *arguments]) == 2
    assert said in capsys.readouterr().err
