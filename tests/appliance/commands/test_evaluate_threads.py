"""`evaluate` runs linear algebra on one thread: its figures are those of every machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.commands.evaluation_folders import slow_entries, write_manifest

ROOT = Path(__file__).parents[3]
CODE = """
import json, sys
from appliance.__main__ import main
assert "numpy" not in sys.modules  # else the environment would come too late
code = main(sys.argv[1:])
from threadpoolctl import threadpool_info
print(json.dumps([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]))
sys.exit(code)
"""


def evaluated(folder: Path, threads: int) -> tuple[dict[str, Any], list[int]]:
    """The report, and the threads of each library of linear algebra that was loaded."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    run = subprocess.run(
        [sys.executable, "-c", CODE, "evaluate", "--data", str(folder), "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **dict.fromkeys(names, str(threads))},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report, pools = run.stdout.strip().rsplit("\n", 1)
    return json.loads(report), json.loads(pools)


def test_the_number_of_threads_is_one_whatever_the_environment_says(tmp_path: Path) -> None:
    pytest.importorskip("threadpoolctl")
    write_manifest(tmp_path, slow_entries(tmp_path))
    report, pools = evaluated(tmp_path, 8)
    assert report["results"][0]["metrics"]["windows"] == 1
    assert pools
    assert set(pools) == {1}
