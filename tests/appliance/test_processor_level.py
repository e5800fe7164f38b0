"""Levels of processors, by the flags of real ones."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from appliance.processor_level import LEVELS, compiler_settings, cpu_flags, levels_of

# What Linux shows of an Intel Atom E3950, an AMD Ryzen V1605B, an Intel Xeon of 2017: the flags that matter.
ATOM = "fpu sse2 pni ssse3 cx16 sse4_1 sse4_2 movbe popcnt aes xsave rdrand lahf_lm sha_ni"
RYZEN = f"{ATOM} abm avx avx2 bmi1 bmi2 f16c fma"
XEON = f"{RYZEN} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.mark.parametrize(
    ("flags", "greatest"),
    [
        ("fpu sse sse2 pni ssse3", None),
        (ATOM, "x86-64-v2"),
        (RYZEN, "x86-64-v3"),
        (RYZEN.replace(" fma", ""), "x86-64-v2"),
        (XEON, "x86-64-v4"),
        (XEON.replace(" avx512vl", ""), "x86-64-v3"),  # Xeon Phi
        (XEON.replace(" fma", ""), "x86-64-v2"),  # a gap lower down ends it
    ],
)
def test_the_greatest_level_is_the_one_whose_every_flag_is_there(flags: str, greatest: str | None) -> None:
    found = levels_of("x86_64", frozenset(flags.split()))
    assert (found[-1].name if found else None) == greatest


def test_levels_come_from_the_least_to_the_greatest() -> None:
    names = [level.name for level in levels_of("x86_64", frozenset(XEON.split()))]
    assert names == ["x86-64-v2", "x86-64-v3", "x86-64-v4"]


def test_arm_has_one_level_and_an_unknown_machine_none() -> None:
    assert [level.name for level in levels_of("aarch64", frozenset({"fp", "asimd"}))] == ["aarch64"]
    assert levels_of("riscv64", frozenset()) == ()


def test_flags_are_those_of_the_first_processor() -> None:
    text = (
        "processor\t: 0\nmodel name\t: some: thing\nflags\t\t: fpu pni\n\nprocessor\t: 1\nflags\t\t: other\n"
    )
    assert cpu_flags(text) == {"fpu", "pni"}
    assert cpu_flags("processor\t: 0\nFeatures\t: fp asimd\n") == {"fp", "asimd"}
    assert cpu_flags("") == frozenset()


def test_the_c_library_agrees_on_this_machine() -> None:
    """glibc's loader knows the same levels (ld.so --help, glibc 2.33 or later)."""
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    if platform.machine() != "x86_64" or not loader.exists():
        pytest.skip("NOT TESTED: no x86-64 machine with glibc")
    said = subprocess.run([str(loader), "--help"], capture_output=True, text=True, check=False).stdout
    theirs = {line.split()[0] for line in said.splitlines() if "(supported, searched)" in line}
    if not theirs:
        pytest.skip("NOT TESTED: this glibc does not list levels")
    mine = levels_of("x86_64", cpu_flags(Path("/proc/cpuinfo").read_text(encoding="utf-8")))
    assert {level.name for level in mine} == {name for name in theirs if name.startswith("x86-64")}


def test_the_compiler_is_told_a_level_and_none_of_this_processors_features() -> None:
    for level in LEVELS:
        settings = compiler_settings(level)
        assert settings["NUMBA_CPU_NAME"] == level.llvm_cpu
        assert settings["NUMBA_CPU_FEATURES"] == ""
