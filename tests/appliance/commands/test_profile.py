"""`stethos profile`: sensors of power on a fake sysfs, a sustained run on a fake clock, the command on real
runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.commands.profile_energy import EnergyMeter
from appliance.commands.profile_run import Clocks, sustained
from models.store import read_bundle, write_bundle
from models.training.quantising import quantised_bundle
from tests.fakes.linear_bundle import linear_bundle


def made(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


RAPL = {
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "1000000",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "9999999",
    "class/powercap/intel-rapl:0:0/name": "core",
    "class/powercap/intel-rapl:0:0/energy_uj": "500000",
    "class/powercap/intel-rapl:1/name": "package-1",
    "class/powercap/intel-rapl:1/energy_uj": "0",
    "class/powercap/intel-rapl:1/max_energy_range_uj": "9999999",
    "class/powercap/intel-rapl:2/name": "psys",
    "class/powercap/intel-rapl:2/energy_uj": "0",
}
JETSON = {
    "class/hwmon/hwmon0/name": "cpu_thermal",
    "class/hwmon/hwmon3/name": "ina3221",
    "class/hwmon/hwmon3/in1_label": "VDD_IN",
    "class/hwmon/hwmon3/in1_input": "5000",
    "class/hwmon/hwmon3/curr1_input": "2000",
    "class/hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV",
    "class/hwmon/hwmon3/in2_input": "5000",
    "class/hwmon/hwmon3/curr2_input": "1000",
    "class/hwmon/hwmon3/in4_input": "7",
    "class/hwmon/hwmon3/curr4_input": "3000",
}


def test_rapl_adds_its_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    meter = EnergyMeter(made(tmp_path, RAPL))
    assert meter.tells
    assert meter.source == "RAPL package-0, package-1"
    meter.look(0.0)
    assert meter.joules == 0.0
    made(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "3000000"})
    made(tmp_path, {"class/powercap/intel-rapl:1/energy_uj": "500000"})
    meter.look(1.0)
    assert meter.joules == pytest.approx(2.5)
    made(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "1000000"})  # 7 J to the wrap, 1 J beyond
    meter.look(2.0)
    assert meter.joules == pytest.approx(10.5)


def test_an_ina3221_counts_the_input_rail_alone(tmp_path: Path) -> None:
    meter = EnergyMeter(made(tmp_path, JETSON))
    assert meter.source == "ina3221 VDD_IN"
    meter.look(10.0)
    made(tmp_path, {"class/hwmon/hwmon3/curr1_input": "4000"})
    meter.look(12.0)  # 10 W, then 20 W
    assert meter.joules == pytest.approx(30.0)


def test_other_ina_chips_are_added(tmp_path: Path) -> None:
    files = {
        "class/hwmon/hwmon0/name": "ina226",
        "class/hwmon/hwmon0/power1_input": "1500000",
        "class/hwmon/hwmon1/name": "ina219",
        "class/hwmon/hwmon1/power1_input": "500000",
    }
    meter = EnergyMeter(made(tmp_path, files))
    meter.look(0.0)
    meter.look(3.0)
    assert meter.joules == pytest.approx(6.0)
    assert meter.source == "ina226 hwmon0, ina219 hwmon1"


def test_a_board_that_cannot_tell_says_why(tmp_path: Path) -> None:
    meter = EnergyMeter(tmp_path)
    meter.look(0.0)
    assert not meter.tells
    assert meter.source.startswith("cannot tell: no RAPL")
    damaged = EnergyMeter(made(tmp_path, RAPL | {"class/powercap/intel-rapl:0/energy_uj": "?"}))
    assert not damaged.tells
    assert damaged.source.startswith("cannot tell: ")
    gone = EnergyMeter(made(tmp_path, RAPL))
    (tmp_path / "class/powercap/intel-rapl:0/energy_uj").unlink()
    gone.look(1.0)
    assert not gone.tells
    assert "stopped answering" in gone.source


class Box:
    """A processor that a clock of its own drives: each call takes `us(now)` of it."""

    def __init__(self) -> None:
        self.wall_ns = 5_000_000_000
        self.cpu_ns = 0
        self.looks: list[float] = []

    def call(self) -> None:
        hot = self.wall_ns - 5_000_000_000 >= 120_000_000_000
        self.wall_ns += 60_000_000 if hot else 40_000_000
        self.cpu_ns += 30_000_000 if hot else 20_000_000


def test_a_sustained_run_shows_throttling() -> None:
    box = Box()
    clocks = Clocks(lambda: box.wall_ns, lambda: box.cpu_ns)
    whole, minutes = sustained(box.call, 180.0, clocks, box.looks.append)
    assert [minute.calls for minute in minutes] == [1500, 1500, 1000]
    assert minutes[0].cpu_us == pytest.approx(20_000.0)
    assert minutes[-1].cpu_us == pytest.approx(30_000.0)
    assert (minutes[0].p50_us, minutes[-1].p50_us) == pytest.approx((40_000.0, 60_000.0))
    assert whole.calls == 4000
    assert whole.p99_us == pytest.approx(60_000.0)
    assert whole.seconds == pytest.approx(180.0, abs=0.1)
    assert max(b - a for a, b in zip(box.looks, box.looks[1:], strict=False)) < 0.4
    odd = Clocks(lambda: box.wall_ns + 7, lambda: box.cpu_ns)
    _, two = sustained(box.call, 120.05, odd, box.looks.append)  # 60 ms a call: minutes run over
    assert len(two) == 2
    _, two = sustained(box.call, 119.99, odd, box.looks.append)
    assert len(two) == 2
    short, none = sustained(box.call, 1.0, clocks, box.looks.append)
    assert none == ()
    assert short.calls > 10


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "int8.zip"
    made_, _ = quantised_bundle(linear_bundle(), 7)
    write_bundle(made_, path)
    return path


def test_a_bundle_is_profiled_in_its_runtimes(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "pareto.html"
    asked = ["--backend", "numpy_reference", "--backend", "litert", "--backend", "tensorrt"]
    arguments = ["profile", str(bundle), "--seconds", "0.2", *asked]
    assert main([*arguments, "--json", "--budget-ms", "60000", "--plot", str(plot)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(one["backend"], one["precision"]) for one in told["profiles"]} == {
        ("numpy_reference", "float32"), ("numpy_reference", "int8"), ("litert", "int8"),
    }  # fmt: skip
    for one in told["profiles"]:
        assert 0 < one["latency_p50_us"] <= one["latency_p99_us"]
        assert one["cpu_us"] > 0
        assert one["items_per_s"] > 0
        assert one["resident_bytes"] > 10 << 20
        assert one["auroc"] > 0.7
        assert one["throttling"] is None
        assert one["energy"]["source"]
        assert bool(one["operators"]) is (one["backend"] == "numpy_reference")
    areas = [one["auroc"] for one in told["profiles"]]
    assert max(areas) - min(areas) < 0.005
    assert any("TensorrtExecutionProvider" in why for why in told["not_run"].values())
    assert told["best"] in {f"int8.zip, {one['backend']}, {one['precision']}" for one in told["profiles"]}
    assert told["best"] in told["pareto_front"]
    page = plot.read_text()
    assert "<svg" in page
    assert "litert" in page


def test_a_budget_that_nothing_keeps_fails_and_bundles_are_compared(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_rows = read_bundle(bundle)
    kept = tuple(one for one in without_rows.manifest.files if one.file != "rows.npz")
    files = {name: content for name, content in without_rows.files.items() if name != "rows.npz"}
    from dataclasses import replace

    from models.bundle import Bundle

    write_bundle(Bundle(replace(without_rows.manifest, files=kept), files), tmp_path / "bare")
    both = [str(bundle), str(tmp_path / "bare"), "--backend", "numpy_reference", "--seconds", "0.1"]
    assert main(["profile", *both, "--budget-ms", "0.001"]) == 1
    said = capsys.readouterr().out
    assert "Best within 0.001 ms: none" in said
    assert "judged on different rows" in said
    assert "throttling: cannot tell below two minutes" in said
    assert "dense  layer 0" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "above 0"),
        (["--minutes", "nan"], "above 0"),
        (["--budget-ms", "-1"], "--budget-ms"),
        (["--plot", "picture.txt"], ".png"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], words: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(bundle), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_what_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
