"""The built package, in a clean Debian root that cannot be written while it runs (`make deb-check`)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.installation import LEVEL, this_processor
from appliance.processor_level import LEVELS
from tests.end_to_end.rig import free_port
from tests.fakes.drawn_parts import DrawnParts, lay
from tests.image.package_root import ROOT, PackageRoot, package
from tools.deb.tree import EXTRAS

pytestmark = [pytest.mark.package, pytest.mark.timeout(300)]
SHIPPED = [level.name for level in LEVELS if level.machine == os.uname().machine]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> PackageRoot:
    """The package, installed once for all tests that change nothing."""
    deb = package()
    made = PackageRoot(tmp_path_factory.mktemp("clean"))
    said = made.install(deb)
    assert "check-config" in said, "whoever installs is told what comes next"
    return made


@pytest.fixture(params=SHIPPED)
def level(request: pytest.FixtureRequest) -> str:
    """Each level that is shipped, as far as this processor has it."""
    name: str = request.param
    if name not in [one.name for one in this_processor()]:
        pytest.skip(f"NOT TESTED: this processor has no {name}")
    return name


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Four seconds of 50 Hz as a WAV file."""
    time_s = np.arange(8000 * 4) / 8000.0
    samples = (8000 * np.sin(2 * np.pi * 50.0 * time_s)).astype("<i2")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return tmp_path / "tone.wav"


def test_every_file_is_as_it_was_packed(installed: PackageRoot) -> None:
    assert installed.chroot("dpkg", "--verify", "stethos") == ""
    assert installed.chroot("dpkg", "--audit") == ""


def test_the_tree_has_no_virtual_environment_and_no_tests(installed: PackageRoot) -> None:
    tree = installed.root / "opt/stethos"
    names = {path.name for path in tree.rglob("*")}
    assert not names & {"pyvenv.cfg", "activate", "pytest", "playwright", "tests"}
    sources = [path for path in (tree / "lib").rglob("*.py") if path.parent.name != "test_files"]
    assert len(sources) > 1000
    without = [
        path
        for path in sources
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]
    assert without == [], "every module has its byte code"


def test_byte_code_is_never_held_against_the_sources(installed: PackageRoot) -> None:
    """PEP 552: flags 1 = the header holds a hash, bit 1 not set = it is not checked."""
    compiled = list((installed.root / "opt/stethos/lib").rglob("*.pyc"))
    assert compiled
    assert {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled} == {1}


def test_commands_run_for_anybody_and_write_nothing(installed: PackageRoot) -> None:
    """As nobody, without a home, from a root that cannot be written."""
    before = installed.listing()
    for arguments in (
        ("--version",),
        ("--help",),
        ("check-config", "/usr/share/doc/stethos/stethos.sample.toml"),
        ("evaluate", "--help"),
    ):
        done = installed.run("stethos", *arguments, user="nobody:nogroup")
        assert done.returncode == 0, done.stderr
    assert installed.listing() == before


def test_the_root_is_really_read_only(installed: PackageRoot) -> None:
    """Else the other tests would prove nothing."""
    done = installed.run("touch", "/opt/stethos/lib/new", user="root:root")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_nothing_is_compiled_at_any_level(installed: PackageRoot, level: str) -> None:
    before = installed.listing()
    done = installed.run("stethos", "warm-up", "--json", **{LEVEL: level})
    assert done.returncode == 0, done.stderr
    (said,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (said["type"], said["compilations"]) == ("done", 0)
    assert said["loaded"] >= 7
    assert said["kernels_from"] == f"/opt/stethos/kernels/{level}"
    assert installed.listing() == before


def test_a_level_that_was_not_shipped_is_refused(installed: PackageRoot) -> None:
    done = installed.run("stethos", "--version", **{LEVEL: "x86-64-v9"})
    assert done.returncode == 1
    assert "possible here" in done.stderr


def test_a_recording_is_replayed(installed: PackageRoot, tone: Path) -> None:
    """A WAV file; and one in a format whose library is in another package, which is named."""
    done = installed.run("stethos", "replay", "--json", str(tone), user="root:root")
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["type"] for line in done.stdout.splitlines()} >= {"window", "summary"}
    foreign = tone.with_suffix(".h5")
    foreign.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    refused = installed.run("stethos", "replay", str(foreign), user="root:root")
    assert refused.returncode == 2
    assert "h5py" in refused.stderr
    assert "apt install stethos-files" in refused.stderr


def test_pictures_are_inspected_with_the_package_for_cameras(installed: PackageRoot, tmp_path: Path) -> None:
    """The first package names the one that decodes them."""
    belt, parts = tmp_path / "belt", DrawnParts(3)
    belt.mkdir()
    for number in range(14):
        path = lay(belt, f"{number:02d}", parts.good() if number < 13 else parts.scratched())
        os.utime(path, (1_790_000_000 + number,) * 2)
    command = ("stethos", "inspect", "--learn", "12", "--json", str(belt))
    refused = installed.run(*command, user="root:root")
    assert refused.returncode == 1
    assert "apt install stethos-vision" in refused.stderr
    root = PackageRoot(tmp_path / "both")
    root.install(package())
    root.install(package("stethos-vision"))
    assert root.chroot("dpkg", "--verify", "stethos-vision") == ""
    before = root.listing()
    done = root.run(*command, user="root:root")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1]["counters"]["parts defective"] == 1
    assert root.listing() == before


def test_recordings_of_all_kinds_with_the_second_package(tone: Path, tmp_path: Path) -> None:
    """Written, read again, drawn."""
    root = PackageRoot(tmp_path / "both")
    root.install(package())
    root.install(package("stethos-files"))
    assert root.chroot("dpkg", "--verify", "stethos-files") == ""
    before = root.listing()
    for kind in ("csv", "parquet", "uff"):
        out = str(tone.with_suffix(f".{kind}"))
        written = root.run("stethos", "export", "--recording", str(tone), "--to", out, user="root:root")
        assert written.returncode == 0, written.stderr
        done = root.run("stethos", "replay", "--json", "--rate", "8000", out, user="root:root")
        assert done.returncode == 0, done.stderr
        assert '"summary"' in done.stdout
    picture = tone.with_suffix(".png")
    drawn = root.run("stethos", "replay", "--plot", str(picture), str(tone), user="root:root")
    assert drawn.returncode == 0, drawn.stderr
    assert picture.stat().st_size > 10_000
    broken = tone.with_suffix(".h5")
    broken.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    refused = root.run("stethos", "replay", str(broken), user="root:root")
    assert refused.returncode == 2
    assert "not installed" not in refused.stderr, (
        "h5py was there, in a process of its own, and said what is wrong"
    )
    assert root.listing() == before


def test_the_service_starts_at_any_level_and_compiles_nothing(installed: PackageRoot, level: str) -> None:
    """The appliance of the demo, as the service's user, to its first learned windows."""
    state = f"/var/lib/stethos/{level}"
    before = installed.listing()
    process = subprocess.Popen(
        installed.command("stethos", "demo", "--json", "--state-dir", state, "--port", str(free_port())),
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", LEVEL: level},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = next(_learning(process))
    finally:
        process.terminate()
        process.wait(60.0)
    assert found["percent"] > 0.0
    log = (installed.state / "lib" / level / "demo.log").read_text()
    assert "kernel compiled" not in log
    assert "Traceback" not in log
    assert installed.listing() == before


def _learning(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The lines that say how much is learned; ends with the process, or after two minutes."""
    assert process.stdout is not None
    give_up = threading.Timer(120.0, process.terminate)
    give_up.start()
    try:
        for text in process.stdout:
            line = json.loads(text)
            if line["type"] == "ready":
                assert line["compilations"] == 0
            if line["type"] == "learning" and line["percent"] > 0.0:
                yield line
    finally:
        give_up.cancel()
    raise AssertionError("the demo ended before anything was learned")


def test_it_is_removed_and_purged_without_a_trace(tmp_path: Path) -> None:
    deb = package()
    root = PackageRoot(tmp_path)
    before = set(root.listing())
    root.install(deb)
    for_the_service(root)
    (root.root / "etc/stethos/stethos.toml").write_text("# mine\n")
    assert "set-up" not in root.install(deb), "an upgrade to itself"
    root.chroot("dpkg", "--remove", "stethos")
    assert (root.root / "etc/stethos/stethos.toml").exists(), "what a person wrote outlives a removal"
    assert not (root.root / "opt/stethos").exists()
    root.chroot("dpkg", "--purge", "stethos")
    left = {name for name in set(root.listing()) - before if not name.startswith("var/lib/dpkg/")}
    assert {name for name in left if "stethos" in name} == set()
    assert "stethos" not in (root.root / "etc/passwd").read_text()


def for_the_service(root: PackageRoot) -> None:
    """What root's commands write, where the documents say, can be read by the service."""
    sample = (root.root / "usr/share/doc/stethos/stethos.sample.toml").read_text()
    (root.root / "etc/stethos/stethos.toml").write_text(f"{sample}\n[opcua_server]\n")
    root.chroot("stethos", "opcua-user", "--config", "/etc/stethos/stethos.toml")
    root.chroot("stethos", "password", "--config", "/etc/stethos/stethos.toml")
    root.chroot("stethos", "webhook", "new-secret", "/etc/stethos/secrets/cmms")
    made = ("etc/stethos/secrets/cmms", "var/lib/stethos/opcua/users.json", "var/lib/stethos/accounts.json")
    user = (root.root / "var/lib/stethos").stat().st_uid
    assert user != 0
    assert {(root.root / name).stat().st_uid for name in made} == {user}


@pytest.mark.timeout(900)
def test_the_same_sources_make_the_same_package(tmp_path: Path) -> None:
    """Built again, in another folder; the time that its files bear is the first one's."""
    first = package()
    header = first.read_bytes()[8:68]  # ar(5): the first member's name, time, ...
    done = subprocess.run(
        [sys.executable, "-m", "tools.deb", "--out", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": header[16:28].decode().strip()},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for package_name in ("stethos", *EXTRAS):
        (second,) = tmp_path.glob(f"{package_name}_*.deb")
        assert sha256(second) == sha256(package(package_name)), package_name


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
