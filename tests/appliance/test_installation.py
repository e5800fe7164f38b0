"""The package's layout and what it means for a process; the package itself is tested in `tests/image`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.errors import Fatal
from appliance.installation import (
    KERNELS,
    LEVEL,
    Installation,
    installation,
    kernel_environment,
    module_command,
    this_processor,
)
from appliance.processor_level import LEVELS

V2, V3, V4 = (level for level in LEVELS if level.machine == "x86_64")


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """A package that was built with machine code for two levels."""
    for level in (V2, V3):
        (tmp_path / "kernels" / level.name).mkdir(parents=True)
    return Installation(tmp_path)


def test_a_checkout_is_no_installation_and_runs_its_own_python() -> None:
    assert installation() is None
    assert module_command("firmware_bridge.simulator") == (sys.executable, "-m", "firmware_bridge.simulator")


def test_the_greatest_level_that_was_shipped_is_used(installed: Installation) -> None:
    found = kernel_environment(installed, (V2, V3, V4), {})
    assert found[KERNELS] == str(installed.kernels / "x86-64-v3")
    assert (found["NUMBA_CPU_NAME"], found["NUMBA_CPU_FEATURES"]) == ("x86-64-v3", "")
    assert kernel_environment(installed, (V2,), {})["NUMBA_CPU_NAME"] == "x86-64-v2"


def test_a_lower_level_may_be_wished_for(installed: Installation) -> None:
    assert kernel_environment(installed, (V2, V3), {LEVEL: "x86-64-v2"})["NUMBA_CPU_NAME"] == "x86-64-v2"


@pytest.mark.parametrize("wish", ["x86-64-v3", "x86-64-v4", "nonsense"])
def test_a_level_that_would_crash_is_refused(installed: Installation, wish: str) -> None:
    with pytest.raises(Fatal, match=r"possible here: x86-64-v2"):
        kernel_environment(installed, (V2,), {LEVEL: wish})


def test_where_nothing_fits_numba_is_left_alone(installed: Installation) -> None:
    assert kernel_environment(installed, (), {}) == {}
    assert kernel_environment(Installation(installed.root / "empty"), (V2, V3), {}) == {}


def test_this_processor_is_found() -> None:
    assert all(level in LEVELS for level in this_processor())
