"""The three locks name the same versions: what is tested is what is packed."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "requirements"


def locked(name: str) -> set[str]:
    """Every `name==version` of a lock."""
    found = set(re.findall(r"^(\S+==\S+)", (FOLDER / name).read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert len(found) > 20
    return found


def test_the_service_is_part_of_what_reads_recordings_and_that_of_what_is_tested() -> None:
    assert locked("runtime.lock") < locked("files.lock") < locked("dev.lock")


def test_every_wheel_is_pinned_by_its_hash() -> None:
    for name in ("runtime.lock", "files.lock"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert len(re.findall(r"^\S+==\S+.*\\\n    --hash=sha256:", text, flags=re.MULTILINE)) == len(
            locked(name)
        )
