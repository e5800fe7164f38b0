"""kill -9 in the middle of a capture, with real processes: what was before is there, and the cut is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.demo_config import MACHINE_ID
from appliance.journal.capture_record import CUT_BY_STOP
from appliance.sources.recordings import read_recording
from tests.conftest import ROOT
from tests.end_to_end.rig import AXES, Rig
from tests.end_to_end.told_process import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

RATE_HZ = 25_600.0
AFTER_S = 5.0


def captured(rig: Rig, capture_id: str) -> dict[str, Any] | None:
    found = rig.api.get("/api/captures", asset_id=MACHINE_ID, limit=100)
    return next((one for one in found if one["capture_id"] == capture_id), None)


def by_hand(rig: Rig, comment: str) -> str:
    """A technician captures the machine; its id once its first part is stored."""
    begun = rig.api._sent("POST", "/api/captures", {"asset_id": MACHINE_ID, "comment": comment})
    (capture_id,) = begun["capture_ids"]
    until(lambda: (captured(rig, capture_id) or {}).get("size_bytes", 0) > 0, "its first part is stored")
    return str(capture_id)


def exported(rig: Rig, capture_id: str, out: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "appliance", "export", "--config", str(rig.config), "--capture", capture_id,
         "--to", str(out)],
        cwd=ROOT, check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    return out


def test_a_kill_in_a_capture_loses_only_what_had_not_come_yet(
    start_rig: Callable[..., Rig], tmp_path: Path
) -> None:
    rig = start_rig()
    rig.wait_for_windows(2)
    killed = by_hand(rig, "before the kill")
    growing = captured(rig, killed)
    assert growing is not None
    assert not growing["complete"]
    rig.appliance.send(signal.SIGKILL)
    assert rig.appliance.wait() == -signal.SIGKILL
    rig.start_appliance()

    told = until(
        lambda: (one := captured(rig, killed)) and one["complete"] and one, "it is ended, and said so"
    )
    assert told["ended"] == CUT_BY_STOP
    # All that was shown, and what may have been stored between the look and the kill.
    assert told["duration_s"] >= growing["duration_s"] - 1e-6
    assert told["triggers"][0]["text"] == "before the kill"
    recording = read_recording(exported(rig, killed, tmp_path / "killed.uff"))
    assert recording.channel_names == AXES
    assert recording.sample_rate_hz == pytest.approx(RATE_HZ, rel=1e-3)
    assert recording.n_samples / RATE_HZ == pytest.approx(told["duration_s"], rel=1e-3)

    folder = rig.journal_dir / "captures"
    named = {path.name for path in folder.iterdir()}
    assert named == {f"{killed}.{n}.stcap" for n in range(len(named))}  # no half file, nothing left over

    rig.wait_for_windows(2)
    whole = by_hand(rig, "after the kill")
    done = until(
        lambda: (one := captured(rig, whole)) and one["complete"] and one, "what comes after follows"
    )
    assert done["ended"] == ""
    after_s = (done["start_ms"] - done["trigger_ms"]) / 1000.0 + done["duration_s"]
    assert after_s == pytest.approx(AFTER_S, abs=0.1)
    picture = rig.api.get(f"/api/captures/{whole}/waveform", max_points=500)
    assert picture["channels"] == list(AXES)
    assert max(value for value in picture["high"][0] if value is not None) > 0.1
    assert None not in picture["high"][0]  # the two parts are one stretch
    wav = read_recording(exported(rig, whole, tmp_path / "whole.wav"))
    assert wav.sample_rate_hz == RATE_HZ
    assert wav.n_samples == pytest.approx(done["duration_s"] * RATE_HZ, rel=1e-3)
    assert ("captures", MACHINE_ID) in until(
        lambda: ("captures", MACHINE_ID) in rig.api.counters() and rig.api.counters(), "it is counted"
    )
