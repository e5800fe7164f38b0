"""`stethos quantise` and `stethos bundle verify` as a user runs them, and `stethos train` where torch is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.capture_segment import SegmentHead, Stretch, encode_segment
from appliance.commands.train_rows import captured_rows, folder_rows
from appliance.errors import Rejected
from dsp.framing import trend_window_samples
from dsp.log_spectrum import LogSpectrumExtractor
from models.store import read_bundle, write_bundle
from models.training.fitting import NetworkKind
from models.training.row_inputs import RowInput
from tests.fakes.linear_bundle import linear_bundle, temporal_bundle


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(linear_bundle(), folder / "float.zip")
    out = folder / "int8.zip"
    assert main(["quantise", str(folder / "float.zip"), "--out", str(out), "--weight-bits", "7"]) == 0
    return out


def test_a_quantised_bundle_is_sound(quantised: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "verify", str(quantised)]) == 0
    said = capsys.readouterr().out
    assert "golden outputs are right" in said
    assert "litert" in said
    assert main(["bundle", "verify", "--json", str(quantised)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] is True
    assert {row["backend"] for row in told["artefacts"] if row["sound"]} == {
        "numpy_reference", "onnxruntime", "openvino", "litert",
    }  # fmt: skip


def test_the_table_says_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "b"
    write_bundle(linear_bundle(), path)
    assert main(["quantise", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] == {}
    assert {row["precision"] for row in told["artefacts"]} == {"float32", "int8"}
    assert all(row["auroc_change_worst"] <= 0.005 for row in told["artefacts"])
    assert len(read_bundle(path).manifest.artefacts) == 8
    assert all(row["passed"] and 100 <= row["calibration_rows"] <= 1000 for row in told["artefacts"])
    assert main(["quantise", str(path), "--weight-bits", "7"]) == 0
    said = capsys.readouterr().out
    assert "of ranks" in said
    assert "weights of 7 and 8 bits (7: for processors without VNNI)" in said
    assert said.count("pass") == 8


def test_a_golden_output_that_is_wrong_is_named(
    quantised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = read_bundle(quantised)
    path = tmp_path / "b"
    write_bundle(bundle, path)
    fields = json.loads((path / "manifest.json").read_text())
    for entry in fields["artefacts"]:
        if entry["backend"] == "litert":
            entry["limit"] *= 1.5
    (path / "manifest.json").write_text(json.dumps(fields))
    assert main(["bundle", "verify", str(path)]) == 1
    assert "litert, int8: golden input 0" in capsys.readouterr().err
    assert main(["bundle", "verify", "--files-only", str(path)]) == 0
    (path / "int8.tflite").write_bytes(b"x")
    assert main(["bundle", "verify", str(path)]) == 1
    assert "int8.tflite has 1 bytes" in capsys.readouterr().err


def test_what_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "verify", str(tmp_path / "none.zip")]) == 1
    assert main(["quantise", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["bundle", "verify"])
    assert caught.value.code == 2


def record(path: Path, rate_hz: float, seconds: float, seed: int, gain: float = 1.0) -> None:
    random = np.random.default_rng(seed)
    samples = gain * random.standard_normal((int(rate_hz * seconds), 2))
    np.savez(path, x=samples.astype(np.float32), fs=rate_hz, channels=np.array(["x", "y"]))


def test_a_folder_becomes_rows(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for i in range(3):
        record(tmp_path / "old" / f"{i}.npz", 2048.0, 20.0, i)
    record(tmp_path / "bad.npz", 2048.0, 20.0, 9, gain=5.0)
    (tmp_path / "bad.npz.toml").write_text("[recording]\nhealthy = false\n")
    record(tmp_path / "fast.npz", 8192.0, 5.0, 4)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    said: list[str] = []
    rows = folder_rows(tmp_path, said.append)
    assert len(np.unique(rows.healthy.sequence)) == 6
    assert rows.faults == ("faulty",)
    assert len(rows.faulty) > 20
    assert any("fast.npz" in one and "left out" in one for one in said)
    assert any("broken.wav" in one for one in said)
    with pytest.raises(Rejected, match="no recording"):
        folder_rows(tmp_path / "old" / "nothing", said.append)


def test_a_sensor_that_gives_nothing_teaches_nothing(tmp_path: Path) -> None:
    """A channel that never changes would make the usual spread smaller than it is."""
    record(tmp_path / "good.npz", 2048.0, 20.0, 1)
    samples = np.random.default_rng(2).standard_normal((40_960, 2)).astype(np.float32)
    samples[:, 1] = 0.25
    np.savez(tmp_path / "loose.npz", x=samples, fs=2048.0, channels=np.array(["x", "y"]))
    said: list[str] = []
    rows = folder_rows(tmp_path, said.append)
    assert len(np.unique(rows.healthy.sequence)) == 3
    assert [one for one in said if "loose.npz" in one and "'y'" in one and "never changes" in one]


def capture(path: Path, trigger: dict[str, object], seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal((40_960, 2)).astype(np.float32)
    head = SegmentHead(
        capture_id=path.stem, part=0, asset_id="motor-1", sensor_id="s1", channels=("x", "y"), unit="m/s2",
        nominal_rate_hz=2048.0, trigger_time_ns=0, time_trusted=True, trigger_monotonic_ns=0, boot_id="b",
        before_s=15.0, after_s=5.0, triggers=({**trigger, "offset_ns": 0},), last=True, joins=False,
    )  # fmt: skip
    path.write_bytes(encode_segment(head, [Stretch(0, 2048.0, samples)]))


def test_captures_teach_where_people_asked_for_them_and_judge_where_an_alarm_did(tmp_path: Path) -> None:
    by_hand, by_alarm = {"actor": "kim", "comment": ""}, {"alarm_id": "a1", "rule": "score"}
    for i in range(2):
        capture(tmp_path / f"hand-{i}.0.stcap", by_hand, i)
        capture(tmp_path / f"alarm-{i}.0.stcap", by_alarm, 10 + i)
    capture(tmp_path / "false-alarm.0.stcap", by_alarm, 20)
    (tmp_path / "false-alarm.0.stcap.toml").write_text("[recording]\nhealthy = true\n")
    capture(tmp_path / "worn.0.stcap", by_hand, 21)
    (tmp_path / "worn.0.stcap.toml").write_text("[recording]\nhealthy = false\n")
    record(tmp_path / "no-capture.npz", 2048.0, 20.0, 5)
    rows = captured_rows(tmp_path, lambda text: None)
    spectra = captured_rows(tmp_path, lambda text: None, RowInput.LOG_SPECTRUM)
    assert spectra.extractor_version == "log-spectrum-1"
    assert [len(part) for part in (spectra.healthy, spectra.faulty)] == [len(rows.healthy), len(rows.faulty)]
    assert len(np.unique(rows.healthy.sequence)) == 3 * 2
    assert len(np.unique(rows.faulty.sequence)) == 3 * 2
    assert len(rows.healthy) > 60
    with pytest.raises(Rejected, match="no recording"):
        (tmp_path / "empty").mkdir()
        captured_rows(tmp_path / "empty", lambda text: None)


@pytest.mark.parametrize("made_of", list(RowInput))
def test_a_replay_may_be_scored_by_a_bundle(
    made_of: RowInput, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "teach").mkdir()
    record(tmp_path / "teach" / "0.npz", 2048.0, 60.0, 1)
    for seed, name in ((2, "healthy.npz"), (3, "later.npz")):
        record(tmp_path / name, 2048.0, 60.0, seed, gain=2.0)  # a louder machine than the one that taught
    path = tmp_path / "bundle"
    taught = folder_rows(tmp_path / "teach", lambda text: None, made_of)
    write_bundle(linear_bundle(taught), path)

    def windows(*options: str) -> list[float]:
        files = ["--healthy", str(tmp_path / "healthy.npz"), str(tmp_path / "later.npz")]
        assert main(["replay", "--json", *options, *files]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line["score"] for line in lines if line.get("score") is not None]

    by_network, by_baseline = windows("--bundle", str(path)), windows()
    assert len(by_network) == len(by_baseline) > 20
    assert by_network != by_baseline
    assert np.median(by_network) < 1.0
    write_bundle(temporal_bundle(taught), tmp_path / "temporal")
    by_sequence = windows("--bundle", str(tmp_path / "temporal"))
    assert by_sequence[:5] == by_baseline[:5]  # no score of its own until eight windows were seen
    assert by_sequence[20:] != by_baseline[20:]
    assert by_sequence[20:] != by_network[20:]
    assert len(by_sequence) == len(by_baseline)
    assert np.median(by_sequence) < 1.0


@pytest.mark.training
def test_train_quantise_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        record(tmp_path / f"{i}.npz", 2048.0, 40.0, i)
    out = tmp_path / "model"
    arguments = ["train", "--data", str(tmp_path), "--kind", "one-class", "--out", str(out), "--epochs", "5"]
    assert main(arguments) == 0
    assert "Limits of use" in capsys.readouterr().out
    assert main(["bundle", "verify", str(out)]) == 0


@pytest.mark.training
def test_train_on_log_spectra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        record(tmp_path / f"{i}.npz", 2048.0, 40.0, i)
    for kind in NetworkKind:
        out = tmp_path / kind
        options = ["--kind", kind, "--input", "log-spectrum", "--epochs", "3", "--out", str(out)]
        assert main(["train", "--data", str(tmp_path), *options]) == 0
        assert "extractor `log-spectrum-1`" in capsys.readouterr().out
        bundle = read_bundle(out)
        rate_hz = 2048.0
        names = LogSpectrumExtractor(rate_hz, trend_window_samples(rate_hz), "1").names
        assert (bundle.manifest.feature_names, bundle.manifest.extractor_version) == (names, "log-spectrum-1")
        assert main(["bundle", "verify", str(out)]) == 0
        assert main(["quantise", str(out)]) in (0, 1)  # a network of three epochs may fail the gate


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "/nowhere", "--kind", "vision-segmenter", "--input", "features"], "learn from pictures"),
        (["--data", "/nowhere", "--kind", "temporal"], "no such folder"),
        (["--simulate", "--kind", "temporal", "--epochs", "0"], "above 0"),
        (["--simulate", "--kind", "temporal", "--seconds", "nan"], "above 0"),
        (["--simulate", "--kind", "temporal", "--machines", "0"], "--machines must be above 0"),
        (["--simulate", "--kind", "temporal", "--baseline-seconds", "nan"], "--baseline-seconds 0 or more"),
        (["--simulate", "--kind", "temporal", "--prune", "1"], "--prune"),
        (["--simulate", "--kind", "temporal", "--parameters", "60000"], "--parameters"),
        (["--captures", "/nowhere", "--kind", "temporal"], "no such folder"),
    ],
)
def test_wrong_arguments_of_train_are_named(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments, "--out", str(tmp_path / "b")]) == 2
    assert words in capsys.readouterr().err
