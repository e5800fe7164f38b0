"""One signal in every format that can state it: `stethos replay --json` says the same of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from nptdms import ChannelObject, TdmsWriter

from appliance.__main__ import main
from appliance.sources.recording_writers import write_recording
from appliance.sources.recordings import Recording, Segment
from dsp.bearing import BearingFault
from tests.dsp.bearing_signals import RATE_HZ, SHAFT_HZ, impacts, resonant_noise

MACHINE = f"""
[machine]
shaft_rpm = {SHAFT_HZ * 60}
[machine.bearing]
n_rolling_elements = 9
rolling_element_diameter_mm = 7.94
pitch_diameter_mm = 39.04
contact_angle_deg = 0
"""
FORMATS = ("a.parquet", "a.csv", "a.wav", "a.uff", "a.unv", "a.tdms", "a.h5", "a.hdf5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same faulty bearing in every format, each in a folder of its own beside its notes."""
    folder = tmp_path_factory.mktemp("formats")
    rng = np.random.default_rng(11)
    n = round(8.0 * RATE_HZ)
    samples = (resonant_noise(rng, n) + 0.8 * impacts(rng, n, BearingFault.OUTER_RACE)).astype(np.float32)
    segment = Segment(0.0, samples[:, None])
    recording = Recording(Path("memory"), ("de",), "m/s2", float(RATE_HZ), (segment,), ())
    for name in FORMATS:
        path = folder / name.replace(".", "-") / name
        path.parent.mkdir()
        if name.endswith(".tdms"):
            words = {"wf_increment": 1 / RATE_HZ, "unit_string": "m/s^2"}
            with TdmsWriter(str(path)) as writer:
                writer.write_segment([ChannelObject("pump", "de", samples, properties=words)])
        elif name.endswith(("h5", "hdf5")):
            with h5py.File(path, "w") as file:
                file["de"] = samples
                file["de"].attrs.update(sample_rate_hz=float(RATE_HZ), unit="m/s²")
        else:
            write_recording(recording, path)
        notes = MACHINE if name != "a.wav" else Path(f"{path}.toml").read_text() + MACHINE
        Path(f"{path}.toml").write_text(notes)
    return folder


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["replay", "--json", str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        line.pop("file", None)
    return lines


def test_every_format_tells_the_same_story(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = FORMATS
    reference = told(folder / first.replace(".", "-") / first, capsys)
    assert any(line["type"] == "window" for line in reference)
    assert "BPFO" in json.dumps(reference), "the fault that was put in should be found"
    for name in others:
        lines = told(folder / name.replace(".", "-") / name, capsys)
        assert json.dumps(lines).replace('"machine.ch1"', '"machine.de"') == json.dumps(reference), name
