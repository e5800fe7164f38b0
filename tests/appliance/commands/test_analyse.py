"""`stethos analyse` as an analyst runs it: figures, evidence and a picture of one recording."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.commands.analyse import speed_rpm
from dsp.bearing import BearingFault
from tests.appliance.commands.test_replay_formats import FORMATS, folder  # noqa: F401 - a fixture
from tests.dsp.bearing_signals import RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

SPEED = f"{SHAFT_HZ * 60:g}rpm"


def analysed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["analyse", "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def recording(path: Path, x: np.ndarray, **more: Any) -> Path:
    np.savez(path, x=x.astype(np.float32), fs=RATE_HZ, **more)
    return path


def faulty(fault: BearingFault = BearingFault.OUTER_RACE, seconds: float = 8.0) -> np.ndarray:
    rng = np.random.default_rng(4)
    n = round(seconds * RATE_HZ)
    return resonant_noise(rng, n) + 0.8 * impacts(rng, n, fault)


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_a_damaged_bearing_is_named_by_designation_and_speed_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path / "a.npz", faulty())
    picture = tmp_path / "out.png"
    options = ("--bearing", "6205", "--speed", SPEED, "--unit", "m/s2", "--plot", str(picture))
    (found,) = analysed(capsys, str(path), *options)
    assert found["diagnosis"]["fault"] == "outer race"
    assert found["diagnosis"]["confidence"] > 0.7
    assert found["bearing"] == "SKF 6205-2RS JEM"
    assert found["sensor"]["verdict"] == "ok"
    outer = next(line for line in found["lines"] if line["line"] == "BPFO")
    assert outer["frequency_hz"] == pytest.approx(3.585 * SHAFT_HZ, rel=0.02)
    assert outer["level_db"] > 9.0
    width, height = png_size(picture)
    assert width > 1200
    assert height > 800


def test_figures_are_those_of_a_known_tone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """10 m/s2 at 50 Hz: 7.07 m/s2 RMS, 22.5 mm/s, 71.6 um; a 45 kW motor on a rigid base is in zone D."""
    t = np.arange(round(4 * RATE_HZ)) / RATE_HZ
    path = recording(tmp_path / "tone.npz", 10.0 * np.sin(2 * np.pi * 50.0 * t))
    machine = ("--power-kw", "45", "--foundation", "rigid", "--speed", "50Hz")
    (found,) = analysed(capsys, str(path), "--unit", "m/s2", *machine)
    levels = found["levels"]
    assert levels["rms_mps2"] == pytest.approx(7.071, rel=1e-3)
    assert levels["peak_mps2"] == pytest.approx(10.0, rel=1e-3)
    assert levels["crest_factor"] == pytest.approx(1.414, rel=1e-3)
    assert levels["kurtosis"] == pytest.approx(1.5, rel=1e-3)
    assert levels["velocity_rms_mm_s"] == pytest.approx(22.51, rel=5e-3)
    assert levels["displacement_rms_um"] == pytest.approx(71.65, rel=5e-3)
    assert (found["severity"]["zone"], found["severity"]["severity"]) == ("D", "stop")
    assert "ISO 10816-3" in found["severity"]["limits_source"]
    assert found["diagnosis"]["verdict"] == "abstain"
    assert "bearing is not known" in found["diagnosis"]["text"]


def test_lines_of_gear_and_motor_are_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """37 teeth, mesh 1.0 with sidebands of 0.2; 2 x line 0.5; pole-pass sidebands 20 dB below 1x."""
    t = np.arange(round(10 * RATE_HZ)) / RATE_HZ
    turn = 2 * np.pi * SHAFT_HZ * t
    pole_pass = 2 * np.pi * 4 * (25.0 - SHAFT_HZ) * t
    x = (1.0 + 0.4 * np.cos(turn)) * np.cos(37 * turn) + 0.5 * np.cos(2 * np.pi * 100.0 * t)
    x += np.cos(turn) * (1.0 + 0.2 * np.cos(pole_pass)) + 0.05 * np.random.default_rng(0).normal(size=len(t))
    path = recording(tmp_path / "gear.npz", x)
    options = ("--unit", "m/s2", "--speed", SPEED, "--gear-teeth", "37", "--line-hz", "50")
    (found,) = analysed(capsys, str(path), *options)
    lines = found["machine_lines"]
    assert lines["1x"] == pytest.approx(1.0, rel=0.05)
    assert lines["mesh"] == pytest.approx(1.0, rel=0.02)
    assert lines["sideband_index"] == pytest.approx(0.2, rel=0.05)
    assert lines["fm4"] == pytest.approx(3.0, abs=0.7)
    assert lines["twice_line"] == pytest.approx(0.5, rel=0.05)
    assert lines["pole_pass_sidebands_db"] == pytest.approx(-20.0, abs=1.0)
    assert lines["slip_hz"] == pytest.approx(0.4, abs=1e-3)  # of the speed that its own 1x shows
    assert found["machine_remarks"] == []
    assert main(["analyse", str(path), *options]) == 0
    assert "sideband index" in " ".join(capsys.readouterr().out.split())


def test_an_unknown_speed_is_estimated_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(8)
    n = round(8 * RATE_HZ)
    x = faulty() + harmonics(rng, n)
    path = recording(tmp_path / "unknown.npz", x)
    (found,) = analysed(capsys, str(path), "--bearing", "6205")
    assert found["shaft"]["speed_hz"] == pytest.approx(SHAFT_HZ, rel=5e-3)
    assert "estimated from vibration, confidence 0." in found["shaft"]["origin"]
    assert found["diagnosis"]["fault"] == "outer race"
    (noise,) = analysed(capsys, str(recording(tmp_path / "noise.npz", resonant_noise(rng, n))))
    assert noise["shaft"]["speed_hz"] is None
    assert noise["shaft"]["origin"].startswith("unknown: ")


def test_the_band_of_the_impacts_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(9)
    x = 0.3 * rng.normal(size=round(4 * RATE_HZ)) + faulty(seconds=4.0)
    (found,) = analysed(capsys, str(recording(tmp_path / "a.npz", x)))
    band = found["impulsive_band"]
    assert band["lower_hz"] < 3200.0 < band["upper_hz"]
    assert band["kurtosis"] > band["chance"]
    noise = recording(tmp_path / "n.npz", rng.normal(size=round(4 * RATE_HZ)))
    assert analysed(capsys, str(noise))[0]["impulsive_band"] is None


def test_a_slow_machine_is_rated_from_2_hz(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    t = np.arange(round(8 * RATE_HZ)) / RATE_HZ
    path = recording(tmp_path / "slow.npz", 0.2 * np.sin(2 * np.pi * 5.0 * t))
    options = ("--unit", "m/s2", "--power-kw", "45", "--foundation", "rigid", "--speed", "300")
    (found,) = analysed(capsys, str(path), *options)
    velocity = 1000 * 0.2 / np.sqrt(2) / (2 * np.pi * 5.0)
    assert found["levels"]["velocity_rms_mm_s"] == pytest.approx(velocity, rel=0.01)
    assert found["severity"]["zone"] == "D"  # 4.50 mm/s: 143 um of displacement count


def test_a_clipped_sensor_is_said_before_the_machine_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path / "clipped.npz", np.clip(faulty(), -1.0, 1.0))
    (found,) = analysed(capsys, str(path), "--bearing", "6205", "--speed", SPEED)
    assert found["sensor"]["verdict"] == "clipped"
    assert found["sensor"]["windows_refused"] == found["sensor"]["windows"]
    assert found["diagnosis"]["verdict"] == "abstain"
    assert "check sensor" in found["diagnosis"]["text"]
    assert main(["analyse", str(path), "--plot", str(tmp_path / "c.png")]) == 0
    assert "check sensor: clipped" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_analysed_alike(
    folder: Path,  # noqa: F811 - the fixture
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = folder / name.replace(".", "-") / name
    (found,) = analysed(capsys, str(path))
    assert found["diagnosis"]["fault"] == "outer race"
    assert found["unit"] == "m/s2"


def test_each_channel_has_its_own_lines_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.stack([faulty(seconds=4.0), faulty(BearingFault.INNER_RACE, 4.0)], axis=1)
    path = recording(tmp_path / "two.npz", x, channels=np.array(["de", "fe"]))
    options = ("--bearing", "6205", "--speed", SPEED, "--plot", str(tmp_path / "two.png"))
    found = analysed(capsys, str(path), *options)
    assert [one["channel"] for one in found] == ["de", "fe"]
    assert [one["diagnosis"]["fault"] for one in found] == ["outer race", "inner race"]
    for channel in ("de", "fe"):
        png_size(tmp_path / f"two-{channel}.png")


@pytest.mark.parametrize(
    ("rate_hz", "n"), [(1.0, 12_000), (50.0, 3_000), (200.0, 20_000), (1_000.0, 200), (1e5, 9_000)]
)
def test_slow_channels_and_short_stretches_are_told_not_crashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate_hz: float, n: int
) -> None:
    path = tmp_path / "slow.npz"
    np.savez(path, x=np.random.default_rng(1).normal(size=n).astype(np.float32), fs=rate_hz)
    (found,) = analysed(capsys, str(path), "--plot", str(tmp_path / "slow.png"))
    assert found["shaft"]["speed_hz"] is None
    assert "range_hz" not in found["shaft"]["origin"]
    assert found["levels"]["rms"] == pytest.approx(1.0, rel=0.2)
    assert png_size(tmp_path / "slow.png")[0] > 1200


@pytest.mark.parametrize("x", [np.zeros(0), np.full(60_000, np.nan), np.zeros(60_000), np.ones(40)])
def test_odd_recordings_are_told_not_crashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], x: np.ndarray
) -> None:
    path = recording(tmp_path / "odd.npz", x)
    options = ["--plot", str(tmp_path / "odd.png"), "--bearing", "6205", "--speed", SPEED]
    code = main(["analyse", str(path), *options])
    captured = capsys.readouterr()
    assert code == (2 if not len(x) else 0)
    assert "Traceback" not in captured.err + captured.out
    assert code == 2 or "check sensor" in " ".join(captured.out.split())


@pytest.mark.parametrize(
    ("text", "rpm"), [("1797rpm", 1797.0), (" 29.95 Hz ", 1797.0), ("1500", 1500.0), ("1480 1/min", 1480.0)]
)
def test_speeds_as_people_write_them(text: str, rpm: float) -> None:
    assert speed_rpm(text) == pytest.approx(rpm)


@pytest.mark.parametrize(
    "arguments",
    [["--speed", "fast"], ["--speed", "0rpm"], ["--bearing", "6299"], ["--plot", "/nowhere/at/all.png"]],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = recording(tmp_path / "a.npz", faulty(seconds=2.0))
    assert main(["analyse", str(path), *arguments]) == 2
    assert arguments[1].split("/")[-1] in capsys.readouterr().err


@pytest.mark.realdata
@pytest.mark.timeout(300)
def test_every_recording_of_three_rigs_is_analysed(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evidence for each recording, the verdict that `evaluate` counts, and pictures of one in ten."""
    entries = json.loads((data_dir / "MANIFEST.json").read_text(encoding="utf-8"))
    chosen = [entry for entry in entries if entry["dataset"] in ("cwru", "mfpt", "hit_sm")]
    assert len(chosen) >= 60
    right = wrong = 0
    for index, entry in enumerate(chosen):
        picture = ["--plot", str(tmp_path / f"{index}.png")] if index % 10 == 0 else []
        (found,) = analysed(capsys, str(data_dir / entry["file"]), *picture)
        assert found["sensor"]["verdict"] == "ok", entry["file"]
        assert [line["line"] for line in found["lines"]] == ["BPFO", "BPFI", "2xBSF", "FTF"]
        assert found["levels"]["kurtosis"] > 1.0
        assert (found["levels"].get("velocity_rms_mm_s") is not None) == (found["unit"] == "m/s2")
        if picture:
            assert png_size(tmp_path / f"{index}.png")[0] > 1200
        truth = entry["label"].get("fault") if entry["label"].get("state") == "faulty" else None
        if found["diagnosis"]["fault"] is not None:
            right += found["diagnosis"]["fault"] == truth
            wrong += found["diagnosis"]["fault"] != truth
    assert wrong == 0
    assert right >= 51
