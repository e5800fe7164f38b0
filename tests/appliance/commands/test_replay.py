"""`stethos replay` as a user runs it: files in, a timeline or JSON lines out, clear words for bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from appliance.__main__ import main
from dsp.bearing import BearingFault
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, impacts, resonant_noise

SIDECAR = f"""
[recording]
unit = "m/s2"
healthy = {{healthy}}
[machine]
name = "test rig"
shaft_rpm = {SHAFT_HZ * 60}
[machine.bearing]
designation = "6205"
n_rolling_elements = 9
rolling_element_diameter_mm = 7.94
pitch_diameter_mm = 39.04
contact_angle_deg = 0
"""


def healthy_signal(seed: int, seconds: float = 10.0) -> npt.NDArray[np.float64]:
    return resonant_noise(np.random.default_rng(seed), round(seconds * RATE_HZ))


def faulty_signal(seed: int, seconds: float = 10.0) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    return resonant_noise(rng, n) + 0.8 * impacts(rng, n, BearingFault.OUTER_RACE)


def write(folder: Path, name: str, x: npt.NDArray[np.float64], healthy: bool = False) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, x=x.astype(np.float32), fs=RATE_HZ)
    (folder / f"{name}.toml").write_text(SIDECAR.format(healthy=str(healthy).lower()))
    return path


def replay(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["replay", "--json", *arguments])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def of_type(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def test_without_a_baseline_the_part_is_named_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "faulty", faulty_signal(1))
    code, lines, _ = replay(capsys, str(path))
    assert code == 0
    raised = [line for line in of_type(lines, "alarm") if line["what"] == "raised"]
    assert len(raised) == 1
    last = of_type(lines, "alarm")[-1]
    assert last["fault"] == "outer race"
    assert last["severity"] == "watch"
    assert 0.5 < last["confidence"] <= 1.0
    assert "no baseline" in last["text"]
    assert "BPFO" in last["text"]
    (summary,) = of_type(lines, "summary")
    assert summary["fault"] == "outer race"
    assert summary["baseline"] == "none"
    assert all(line["score"] is None for line in of_type(lines, "window"))


def test_a_healthy_recording_stays_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "healthy", healthy_signal(2), healthy=True)
    code, lines, _ = replay(capsys, str(path))
    assert code == 0
    assert of_type(lines, "alarm") == []
    assert of_type(lines, "summary")[0]["verdict"] == "healthy"
    assert len(of_type(lines, "window")) >= 10


def test_healthy_recordings_ahead_teach_the_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write(tmp_path, "a", healthy_signal(3), healthy=True)
    second = write(tmp_path, "b", healthy_signal(4), healthy=True)
    faulty = write(tmp_path, "c", faulty_signal(5))
    code, lines, _ = replay(capsys, str(first), str(second), str(faulty))
    assert code == 0
    summaries = of_type(lines, "summary")
    assert [summary["learned_from"] for summary in summaries] == [True, True, False]
    assert "provisional" in summaries[-1]["baseline"]
    scored = [line for line in of_type(lines, "window") if line["file"] == str(faulty)]
    assert all(line["score"] is not None for line in scored)
    assert "over baseline" in of_type(lines, "alarm")[-1]["text"]
    assert of_type(lines, "alarm")[-1]["fault"] == "outer race"
    assert all(line["file"] == str(faulty) for line in of_type(lines, "alarm"))


def test_another_detector_scores_where_a_person_turns_it_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy = write(tmp_path, "a", healthy_signal(3), healthy=True)
    faulty = write(tmp_path, "b", faulty_signal(5))
    sound = write(tmp_path, "c", healthy_signal(4), healthy=True)  # comes last: it is judged
    scores = {}
    for detector in ("robust", "pca"):
        files = [str(healthy), str(faulty), str(sound)]
        code, lines, _ = replay(capsys, *files, "--detector", detector)
        assert code == 0
        windows = of_type(lines, "window")
        scores[detector] = {file: [w["score"] for w in windows if w["file"] == file] for file in files[1:]}
        assert of_type(lines, "alarm")[-1]["fault"] == "outer race"
        assert all(line["file"] == str(faulty) for line in of_type(lines, "alarm"))
    ours, robust = scores["pca"], scores["robust"]
    assert len(ours[str(faulty)]) == len(robust[str(faulty)])
    assert ours[str(faulty)] != robust[str(faulty)]
    assert max(ours[str(sound)]) < min(ours[str(faulty)])


def test_another_rate_does_not_teach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = write(tmp_path, "a", healthy_signal(6))
    np.savez(teacher, x=healthy_signal(6).astype(np.float32), fs=RATE_HZ / 2)
    faulty = write(tmp_path, "b", faulty_signal(7))
    code, lines, _ = replay(capsys, str(faulty), "--healthy", str(teacher))
    assert code == 0
    assert [summary["baseline"] for summary in of_type(lines, "summary")] == ["none"]


@pytest.mark.parametrize("kind", ["nan", "constant", "clipped"])
def test_a_broken_sensor_is_a_sensor_verdict_and_no_machine_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    x = faulty_signal(8, 6.0)
    if kind == "nan":
        x[::50] = np.nan
    elif kind == "constant":
        x[:] = 1.5
    else:
        x = np.clip(x, -0.7, 0.7)
    code, lines, _ = replay(capsys, str(write(tmp_path, kind, x)))
    assert code == 0
    assert of_type(lines, "sensor")
    assert {line["rule"] for line in of_type(lines, "alarm")} <= {"check sensor"}
    assert of_type(lines, "summary")[0]["check_sensor"] == ["machine.ch1"]
    assert "check sensor" in of_type(lines, "summary")[0]["text"]


def test_a_bad_file_is_named_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path, "good", healthy_signal(9, 4.0))
    bad = tmp_path / "bad.npz"
    bad.write_bytes(good.read_bytes()[:2000])
    code, lines, errors = replay(capsys, str(bad), str(good), str(tmp_path / "none.wav"))
    assert code == 2
    assert "bad.npz" in errors
    assert "none.wav" in errors
    assert [summary["file"] for summary in of_type(lines, "summary")] == [str(good)]


def test_too_short_for_anything_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, errors = replay(capsys, str(write(tmp_path, "short", np.ones(5))))
    assert of_type(lines, "alarm") == []
    assert code == 2 or of_type(lines, "summary")[0]["windows"] <= 1, errors


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--bearing", "9,1"], "2 values in '9,1'; 3 or 4 are needed"),
        (["--bearing", "9.5,1,5"], "9.5 rolling elements"),
        (["--multipliers", "a,b,c,d"], "'a' is not a number"),
        (["--multipliers", "3.5,5.4,0,0.4"], "is zero"),
        (["--multipliers", "3.5,5.4,2.3"], "3 values in '3.5,5.4,2.3'; 4 are needed"),
        (["--channel", "7"], "no channel '7'"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    path = write(tmp_path, "a", healthy_signal(10, 2.0))
    code, _, errors = replay(capsys, str(path), *arguments)
    assert code == 2
    assert says in errors


def test_options_stand_in_for_notes_and_the_picture_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scipy.io import wavfile

    path = tmp_path / "a.wav"
    wavfile.write(path, round(RATE_HZ), faulty_signal(11).astype(np.float32))
    multipliers = f"{BEARING.bpfo},{BEARING.bpfi},{BEARING.bsf},{BEARING.ftf}"
    picture = tmp_path / "out.png"
    code = main(
        [
            "replay",
            str(path),
            "--rpm",
            str(SHAFT_HZ * 60),
            "--multipliers",
            multipliers,
            "--plot",
            str(picture),
        ]
    )
    assert code == 0
    out = capsys.readouterr().out
    assert "outer race" in out
    assert "alarm raised" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.realdata
def test_real_recordings_are_called_by_their_part_or_not_at_all(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["mfpt/OuterRaceFault_vload_4.mat", "mfpt/InnerRaceFault_vload_3.mat", "cwru/normal_97_part1.npz"]
    code, lines, _ = replay(capsys, *(str(data_dir / name) for name in names))
    assert code == 0
    called = {line["file"].split("/")[-1]: line["fault"] for line in of_type(lines, "summary")}
    assert called == {
        "OuterRaceFault_vload_4.mat": "outer race",
        "InnerRaceFault_vload_3.mat": "inner race",
        "normal_97_part1.npz": None,
    }
