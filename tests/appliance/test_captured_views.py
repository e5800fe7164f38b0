"""Captures as the page gets them: true pictures, whole files, and a reason where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.capture_segment import Stretch
from appliance.captured_views import CapturedViews, thinned_waveform
from appliance.sources.recordings import read_recording
from tests.appliance.capture_rig import ASSET, CaptureRig, capture_rig, raised
from tests.appliance.journal.builders import START_NS
from web.capture_provider import CaptureRefusedError
from web.station_view import UnknownIdError

ALARM = "motor-1.machine-condition"


def views(rig: CaptureRig) -> CapturedViews:
    return CapturedViews(rig.journal, rig.desk, {ASSET: "Motor 1", "fan": "Fan"})


async def test_a_capture_is_listed_drawn_and_taken_away(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.deliver(5.0)
        await rig.stored()
        station = views(rig)
        (one,) = await station.captures(ALARM, None, 10)
        assert (one.trigger_ms, one.start_ms) == (START_NS / 1e6 + 3000.0, START_NS / 1e6 + 1000.0)
        assert one.triggers[0].text == "outer race, 14 dB"
        assert await station.captures("another", None, 10) == []
        picture = await station.waveform(one.capture_id, 100)
        assert 90 <= len(picture.times_s) <= 100
        assert (picture.times_s[0], picture.low[0][0], picture.high[0][0]) == (-2.0, 1000.0, 1030.0)
        for ending in ("wav", "uff"):
            file = await station.file(one.capture_id, ending)  # type: ignore[arg-type]
            (tmp_path / file.name).write_bytes(file.content)
            recording = read_recording(tmp_path / file.name, unit="m/s2")
            assert recording.n_samples == 3000
        assert {path.suffix for path in rig.files.folder.iterdir()} == {".stcap"}  # nothing is left behind


async def test_what_there_is_not_is_said_with_what_would_be_right(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        station = views(rig)
        with pytest.raises(UnknownIdError):
            await station.waveform("nothing", 100)
        with pytest.raises(UnknownIdError):
            await station.request("pump", "anna", "")
        with pytest.raises(CaptureRefusedError, match="no samples of motor-1") as refused:
            await station.request(ASSET, "anna", "")
        assert refused.value.remedy == "Connect its sensor first"
        rig.deliver(3.0)
        (capture_id,) = await station.request(ASSET, "anna", "why not")
        rig.deliver(5.0)
        await rig.stored()
        (one,) = await station.captures(None, ASSET, 10)
        assert (one.capture_id, one.triggers[0].actor, one.triggers[0].text) == (
            capture_id,
            "anna",
            "why not",
        )
        for path in rig.files.folder.iterdir():
            path.unlink()
        with pytest.raises(CaptureRefusedError, match="holds no samples"):
            await station.file(capture_id, "uff")


def test_no_peak_is_lost_in_a_picture_and_a_gap_is_a_null() -> None:
    samples = np.zeros((10_000, 1), np.float32)
    samples[4321] = 99.0
    samples[777] = -50.0
    stretches = [Stretch(-(10**9), 10_000.0, samples), Stretch(2 * 10**9, 10_000.0, samples[:5_000])]
    times, low, high = thinned_waveform(stretches, 200)
    assert len(times) == len(low[0]) == len(high[0]) <= 200
    assert times == sorted(times)
    assert max(value for value in high[0] if value is not None) == 99.0
    assert min(value for value in low[0] if value is not None) == -50.0
    assert high[0].count(None) == 1
    assert times[high[0].index(None)] == 2.0
