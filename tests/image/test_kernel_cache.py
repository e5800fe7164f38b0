"""Machine code that came with the package: nothing is compiled where it fits, nothing fails where it is not.

The built package is tested by `make deb-check`, with all levels; here it is the greatest of this processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.installation import this_processor
from appliance.processor_level import LEVELS, ProcessorLevel
from tests.image.kernel_build import (
    CLEAN,
    ROOT,
    compile_kernels,
    contents,
    environment_for,
    make_plan,
    python,
)

pytestmark = pytest.mark.timeout(1800)  # minutes of compiling, on a machine that does other things too


@pytest.fixture(scope="module")
def level() -> ProcessorLevel:
    """The greatest level of this processor."""
    if not this_processor():
        pytest.skip("NOT TESTED: no machine code is shipped for this processor")
    return this_processor()[-1]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is to be compiled."""
    return make_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def shipped(planned: Path, level: ProcessorLevel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Machine code of that level."""
    return compile_kernels(planned, level, tmp_path_factory.mktemp("kernels") / level.name)


def warmed_up(**environment: str) -> list[dict[str, object]]:
    """What `stethos warm-up --json` says."""
    return [
        json.loads(line)
        for line in python("-m", "appliance", "warm-up", "--json", **environment).splitlines()
    ]


def test_nothing_is_compiled_and_nothing_is_written(shipped: Path, level: ProcessorLevel) -> None:
    """The whole analysis, learning to diagnosis, live and of recordings."""
    before = contents(shipped)
    assert before
    (done,) = warmed_up(**environment_for(shipped, level))
    assert (done["type"], done["compilations"]) == ("done", 0)
    assert 0 < done["loaded"] <= sum(name.endswith(".nbc") for name in before)
    assert contents(shipped) == before


def test_the_count_can_be_other_than_0(tmp_path: Path, level: ProcessorLevel) -> None:
    """An empty folder: everything is compiled, told one by one, and kept nowhere; nothing fails."""
    lines = warmed_up(**environment_for(tmp_path, level))
    assert [line["type"] for line in lines[:-1]] == ["compiled"] * (len(lines) - 1)
    assert lines[-1]["compilations"] == len(lines) - 1 > 0
    assert {line["kernel"] for line in lines[:-1]} >= {
        "dsp.kernels.central_moments",
        "dsp.kernels.frozen_runs",
    }
    assert contents(tmp_path) == {}


def test_the_code_of_another_level_is_not_taken(shipped: Path, level: ProcessorLevel) -> None:
    """It would crash on a lesser processor."""
    other = next(candidate for candidate in LEVELS if candidate.llvm_cpu != level.llvm_cpu)
    if other.machine != level.machine:
        pytest.skip("NOT TESTED: this machine has one level only")
    settings = environment_for(shipped, other)
    assert warmed_up(**settings)[-1]["compilations"] != 0


def test_the_same_source_makes_the_same_bytes(
    planned: Path, shipped: Path, level: ProcessorLevel, tmp_path: Path
) -> None:
    again = compile_kernels(planned, level, tmp_path / "elsewhere" / level.name)
    assert {name: data for name, (data, _) in contents(again).items()} == {
        name: data for name, (data, _) in contents(shipped).items()
    }
    assert not any(str(ROOT).encode() in data for data, _ in contents(shipped).values())


def analysed(folder: Path, samples: np.ndarray, *options: str, **environment: str) -> str:
    """What `stethos analyse` writes to standard error."""
    path = folder / "recording.npz"
    np.savez(path, x=samples, fs=12_800.0)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "appliance", "analyse", str(path), "--unit", "m/s2", *options],
        cwd=ROOT,
        env={**CLEAN, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def test_a_recording_is_analysed_without_compiling(
    shipped: Path, level: ProcessorLevel, tmp_path: Path
) -> None:
    """What `stethos warm-up` runs is all that `stethos analyse` calls; in an empty folder it says so."""
    x = np.random.default_rng(1).normal(size=(60_000, 3)).astype(np.float32)
    x[:, 2] = np.arange(60_000) % 512 < 40  # 25 pulses a second
    bearing = ("--bearing", "6205", "--speed", "1500rpm", "--gear-teeth", "23", "--line-hz", "50")
    settings = environment_for(shipped, level)
    assert "compiling" not in analysed(tmp_path, x, *bearing, "--tacho", "2", **settings)
    assert "compiling" not in analysed(tmp_path, x[:, 0], **settings)
    assert "compiling" not in analysed(tmp_path, x[:9000, 0].astype(np.int16), **settings)
    (nothing := tmp_path / "nothing").mkdir()
    assert "compiling" in analysed(tmp_path, x[:, 0], **environment_for(nothing, level))
