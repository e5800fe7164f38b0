"""What every test may ask for: where the real recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real recordings; skips aloud where it is missing."""
    folder = Path(os.environ.get("STETHOS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip(
            f"REAL DATA MISSING: no {folder}/MANIFEST.json; set STETHOS_DATA to the recordings' folder"
        )
    return folder
