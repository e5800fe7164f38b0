"""`stethos inspect` over pictures of months: what it kept is there at the end, however old it is by then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.__main__ import main
from tests.fakes.drawn_parts import DrawnParts, lay

pytest.importorskip("cv2", reason="cameras need the extra `vision`")

DAY_NS = 86_400 * 10**9


def test_pictures_outlive_the_months_of_their_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts, folder, out = DrawnParts(6), tmp_path / "belt", tmp_path / "kept"
    folder.mkdir()
    for day, kind in enumerate([*["good"] * 13, "scratched", *["good"] * 20, "stained"]):
        path = lay(folder, f"{day:03d}", getattr(parts, kind)())
        os.utime(path, ns=(0, 1_790_000_000 * 10**9 + 10 * day * DAY_NS))
    assert main(["inspect", str(folder), "--learn", "12", "--json", "--keep", str(out)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    defects = [one for one in told if one["type"] == "picture" and one["what"] == "defect"]
    assert [one["file"] for one in defects] == ["013.png", "034.png"]
    assert all(Path(one["kept"]).is_file() for one in defects)
