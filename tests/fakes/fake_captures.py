"""Made-up captured waveforms, for the fake station."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from web.capture_provider import CaptureFile, CaptureRefusedError, FileFormat
from web.capture_schemas import CaptureTriggerView, CaptureView, WaveformView
from web.station_view import UnknownIdError

FIRST = "20270115t080000-pump-2-a"
RATE_HZ = 25_600.0


class FakeCaptures:
    """One capture of the first machine; those by hand are added. `asked` tells by whom."""

    def __init__(self, zero_ms: float, channels: Mapping[str, Sequence[str]]) -> None:
        self._channels = channels
        self._zero_ms = zero_ms
        asset_id = next(iter(channels))
        trigger = CaptureTriggerView(
            alarm_id=f"{asset_id}.machine-condition", activation=1, text="outer race", actor="", offset_s=0.0
        )
        self.found = [self._capture(FIRST, asset_id, trigger)]
        self.asked: list[tuple[str, str, str]] = []

    async def captures(self, alarm_id: str | None, asset_id: str | None, limit: int) -> list[CaptureView]:
        return [
            one
            for one in self.found
            if asset_id in (None, one.asset_id)
            and (alarm_id is None or any(told.alarm_id == alarm_id for told in one.triggers))
        ][:limit]

    async def waveform(self, capture_id: str, max_points: int) -> WaveformView:
        capture = self._known(capture_id)
        times = [-15.0 + 20.0 * point / max_points for point in range(max_points)]
        wave = [abs(math.sin(9.0 * time)) * (3.0 if time > -4.0 else 1.0) for time in times]
        gap = max_points // 2
        high: list[float | None] = [None if point == gap else value for point, value in enumerate(wave)]
        low: list[float | None] = [None if value is None else -value for value in high]
        n = len(capture.channels)
        return WaveformView(
            capture_id=capture_id, unit="m/s2", times_s=times, channels=capture.channels, low=[low] * n,
            high=[high] * n,
        )  # fmt: skip

    async def file(self, capture_id: str, file_format: FileFormat) -> CaptureFile:
        self._known(capture_id)
        if file_format == "wav" and len(self.asked) > 1:
            raise CaptureRefusedError("WAV cannot state gaps.", "Take it as UFF 58, which can hold gaps.")
        return CaptureFile(f"{capture_id}.{file_format}", "audio/wav", b"RIFF of no value")

    async def request(self, asset_id: str, user: str, comment: str) -> list[str]:
        if asset_id not in self._channels:
            raise UnknownIdError(f"There is no machine {asset_id!r}.", list(self._channels))
        if comment == "full":
            raise CaptureRefusedError("Captures are left out now.", "Make room.")
        self.asked.append((asset_id, user, comment))
        trigger = CaptureTriggerView(alarm_id=None, activation=None, text=comment, actor=user, offset_s=0.0)
        capture_id = f"20270115t08{len(self.asked):04d}-{asset_id}-h"
        self.found.insert(0, self._capture(capture_id, asset_id, trigger))
        return [capture_id]

    def _capture(self, capture_id: str, asset_id: str, trigger: CaptureTriggerView) -> CaptureView:
        return CaptureView(
            capture_id=capture_id, asset_id=asset_id, sensor_id="sensor-1",
            channels=list(self._channels[asset_id]), unit="m/s2", sample_rate_hz=RATE_HZ,
            trigger_ms=self._zero_ms, time_trusted=True, start_ms=self._zero_ms - 15_000.0, duration_s=20.0,
            size_bytes=6_144_000, complete=True, ended="", triggers=[trigger],
        )  # fmt: skip

    def _known(self, capture_id: str) -> CaptureView:
        for one in self.found:
            if one.capture_id == capture_id:
                return one
        raise UnknownIdError(f"There is no capture {capture_id!r}.", [one.capture_id for one in self.found])
