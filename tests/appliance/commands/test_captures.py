"""`stethos captures` and `stethos export --capture`: beside a running service, every format, no loss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from appliance.__main__ import main
from appliance.png_picture import encode_png
from appliance.sources.recordings import read_recording
from tests.appliance.capture_rig import RATE_HZ, CaptureRig, capture_rig, raised
from tests.appliance.inspection_rig import CAMERA, inspection_rig
from tests.fakes.drawn_parts import DrawnParts


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[CaptureRig]:
    """A journal that is open, as a service has it, with two captures in it."""
    async with capture_rig(tmp_path / "state") as one:
        one.deliver(3.0, raised(3.0))
        one.deliver(10.0)
        one.desk.request("motor-1", "anna", "=1+1")
        one.deliver(12.0)
        await one.stored()
        yield one


async def run(folder: Path, *arguments: str) -> int:
    return await asyncio.to_thread(main, [*arguments, "--state", str(folder / "state")])


async def listed(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, object]]:
    assert await run(folder, "captures", "--json", *options) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["captures"]
    return found


async def test_captures_are_listed_the_latest_first(
    rig: CaptureRig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand, by_alarm = await listed(tmp_path, capsys)
    assert by_hand["alarms"] == []
    assert by_alarm["alarms"] == ["motor-1.machine-condition"]
    assert by_alarm["duration_s"] == pytest.approx(3.0)
    assert by_alarm["complete"] is True
    assert await listed(tmp_path, capsys, "--alarm", "motor-1.machine-condition") == [by_alarm]
    assert await listed(tmp_path, capsys, "--machine", "fan") == []
    assert await run(tmp_path, "captures", "--limit", "1") == 0
    told = capsys.readouterr().out
    assert told.startswith("2 captures, 0.1 MB")
    assert "by hand" in told
    assert "... and 1 more" in told


@pytest.mark.parametrize("ending", ["wav", "csv", "parquet", "uff"])
async def test_a_capture_is_written_in_every_format_without_loss(
    rig: CaptureRig, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    (_, capture) = await listed(tmp_path, capsys)
    out = tmp_path / f"out.{ending}"
    assert await run(tmp_path, "export", "--capture", str(capture["id"]), "--to", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 3000
    expected = (np.arange(1000, 4000)[:, None] + np.array([0.0, 0.1, 0.2])).astype(np.float32)
    if ending == "wav":
        rate, samples = wavfile.read(out)
        assert rate == RATE_HZ
        assert 'unit = "m/s2"' in (tmp_path / "out.wav.toml").read_text()
    else:
        recording = read_recording(out)
        assert recording.unit == "m/s2"
        assert recording.sample_rate_hz == pytest.approx(RATE_HZ)
        (segment,) = recording.segments
        samples = segment.samples
    np.testing.assert_allclose(samples, expected, rtol=1e-6)


async def test_a_stored_file_is_itself_a_recording(rig: CaptureRig, tmp_path: Path) -> None:
    first = sorted(rig.files.folder.iterdir())[0]
    recording = read_recording(first)
    assert recording.channel_names == ("motor-1.x", "motor-1.y", "motor-1.z")
    assert (recording.unit, recording.sample_rate_hz) == ("m/s2", RATE_HZ)
    assert recording.n_samples == 2000
    torn = tmp_path / "torn.stcap"
    torn.write_bytes(first.read_bytes()[:100])
    assert main(["export", "--recording", str(torn), "--to", str(tmp_path / "x.csv")]) == 2


async def test_what_cannot_be_meant_is_refused(
    rig: CaptureRig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.wav")
    assert await run(tmp_path, "export", "--capture", "nothing", "--to", out) == 2
    assert "'stethos captures' lists them" in capsys.readouterr().err
    assert main(["export", "--recording", out, "--capture", "x", "--to", out]) == 2
    assert "give --config or --state" in capsys.readouterr().err
    for path in rig.files.folder.iterdir():
        path.write_bytes(b"")
    (capture, _) = await listed(tmp_path, capsys)
    assert await run(tmp_path, "export", "--capture", str(capture["id"]), "--to", out) == 2
    assert "holds no samples" in capsys.readouterr().err
    assert not Path(out).exists()


async def test_pictures_of_parts_are_listed_and_written_as_png(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = DrawnParts(16)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        picture = parts.scratched()
        await rig.show(picture)
        await rig.captures()
        assert main(["captures", "--state", str(tmp_path), "--machine", CAMERA]) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert "picture, 0.0 MB, part 13: defect" in line
        capture_id, out = line.split()[0], tmp_path / "part.png"
        arguments = ["export", "--state", str(tmp_path), "--capture", capture_id, "--to"]
        assert main([*arguments, str(out)]) == 0
        assert out.read_bytes() == encode_png(picture)
        assert main([*arguments, str(tmp_path / "part.wav")]) != 0
        assert "name a .png file" in capsys.readouterr().err
        assert main([*arguments, str(out)]) != 0
        assert "exists" in capsys.readouterr().err
