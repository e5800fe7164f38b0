"""What every test may ask for: where the real recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
# An example that the machine held up for 200 ms would fail its test: how fast code is, benchmarks say.
settings.register_profile("stethos", deadline=None)
settings.load_profile("stethos")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real recordings; skips aloud where it is missing."""
    folder = Path(os.environ.get("STETHOS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip(
            f"REAL DATA MISSING: no {folder}/MANIFEST.json; set STETHOS_DATA to the recordings' folder"
        )
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip aloud what trains, where torch is missing: no lock file holds it."""
    if item.get_closest_marker("training"):
        pytest.importorskip(
            "torch", reason="training needs torch, which no lock file holds: make test-training"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Drop machine code that is older than a file it may have been made of.

    numba's cache looks only at the file of the function that was compiled, not at the functions that were
    compiled into it: after a change to a lane type or a stage, stale code would pass or fail the tests.
    """
    if hasattr(config, "workerinput"):
        return
    for folder in (ROOT / "dsp", ROOT / "dsp" / "lanes", ROOT / "firmware_bridge"):
        newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
        for compiled in (*folder.glob("__pycache__/*.nbi"), *folder.glob("__pycache__/*.nbc")):
            if compiled.stat().st_mtime < newest:
                compiled.unlink(missing_ok=True)
