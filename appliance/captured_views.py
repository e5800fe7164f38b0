"""Captured waveforms as a person sees them, behind the web floor's interface.

Duty: views, pictures and files of what the journal and its folder hold. Decides not what is captured.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from appliance.capture_care import stored_captures
from appliance.capture_desk import CaptureDesk
from appliance.capture_segment import PICTURE_UNIT, Stretch
from appliance.captured_recording import captured_recording, captured_stretches
from appliance.errors import Rejected, Retryable
from appliance.journal.capture_record import Capture
from appliance.journal.journal import Journal
from appliance.sources.recording_writers import write_recording
from web.capture_provider import CaptureFile, CaptureRefusedError, FileFormat
from web.capture_schemas import CaptureTriggerView, CaptureView, WaveformView
from web.station_view import NotPossibleError, UnknownIdError

MEDIA_TYPES = {"wav": "audio/wav", "uff": "application/octet-stream"}
NAMED = 10


class CapturedViews:
    """Implements `web.capture_provider.CaptureProvider`."""

    def __init__(self, journal: Journal, desk: CaptureDesk, assets: Mapping[str, str]) -> None:
        """`assets`: names of machines by id."""
        self._journal, self._desk, self._assets = journal, desk, assets

    async def captures(self, alarm_id: str | None, asset_id: str | None, limit: int) -> list[CaptureView]:
        """The latest first."""
        found = [
            capture
            for capture in await self._all()
            if capture.unit != PICTURE_UNIT
            and asset_id in (None, capture.asset_id)
            and (alarm_id is None or alarm_id in capture.alarm_ids)
        ]
        return [capture_view(capture) for capture in found[:limit]]

    async def waveform(self, capture_id: str, max_points: int) -> WaveformView:
        """A picture of one."""
        capture = await self._known(capture_id)
        return await asyncio.to_thread(self._picture, capture, max_points)

    async def file(self, capture_id: str, file_format: FileFormat) -> CaptureFile:
        """All samples of one."""
        capture = await self._known(capture_id)
        return await asyncio.to_thread(self._written, capture, file_format)

    async def request(self, asset_id: str, user: str, comment: str) -> list[str]:
        """One by hand."""
        if asset_id not in self._assets:
            raise UnknownIdError(f"There is no machine {asset_id!r}.", list(self._assets))
        try:
            return self._desk.request(asset_id, user, comment)
        except Rejected as error:
            reason, _, remedy = str(error).partition(": ")
            raise CaptureRefusedError(f"{reason}.", remedy[:1].upper() + remedy[1:]) from error

    # -- inside --

    async def _all(self) -> list[Capture]:
        try:
            return await stored_captures(self._journal)
        except Retryable as error:
            raise NotPossibleError(str(error)) from error

    async def _known(self, capture_id: str) -> Capture:
        every = await self._all()
        for capture in every:
            if capture.capture_id == capture_id:
                return capture
        known = [capture.capture_id for capture in every[:NAMED]]
        raise UnknownIdError(f"There is no capture {capture_id!r}.", known)

    def _picture(self, capture: Capture, max_points: int) -> WaveformView:
        try:
            stretches, _ = captured_stretches(self._desk.files, capture)
        except Rejected as error:
            raise CaptureRefusedError(
                str(error), "Look at the alarm data lost, or at another one."
            ) from error
        times, low, high = thinned_waveform(stretches, max_points)
        return WaveformView(
            capture_id=capture.capture_id,
            unit=capture.unit,
            times_s=times,
            channels=list(capture.channels),
            low=low,
            high=high,
        )

    def _written(self, capture: Capture, file_format: FileFormat) -> CaptureFile:
        name = f"{capture.capture_id}.{file_format}"
        try:
            recording = captured_recording(self._desk.files, capture, nominal=file_format == "wav")
            with tempfile.TemporaryDirectory(prefix="stethos-") as folder:
                path = Path(folder) / name
                write_recording(recording, path)
                return CaptureFile(name, MEDIA_TYPES[file_format], path.read_bytes())
        except Rejected as error:
            remedy = (
                "Take it as UFF 58, which can hold gaps." if file_format == "wav" else "Look at another one."
            )
            raise CaptureRefusedError(str(error), remedy) from error
        except OSError as error:
            raise NotPossibleError(f"the file cannot be made: {error.strerror}") from error


def capture_view(capture: Capture) -> CaptureView:
    """A capture as the page gets it."""
    return CaptureView(
        capture_id=capture.capture_id,
        asset_id=capture.asset_id,
        sensor_id=capture.sensor_id,
        channels=list(capture.channels),
        unit=capture.unit,
        sample_rate_hz=capture.nominal_rate_hz,
        trigger_ms=capture.trigger_time_ns / 1e6,
        time_trusted=capture.time_trusted,
        start_ms=capture.start_ns / 1e6,
        duration_s=capture.duration_s,
        size_bytes=capture.size_bytes,
        complete=capture.complete,
        ended=capture.ended,
        triggers=[_trigger(one) for one in capture.triggers],
    )


def thinned_waveform(
    stretches: list[Stretch], max_points: int
) -> tuple[list[float], list[list[float | None]], list[list[float | None]]]:
    """(times in s from the trigger, least, greatest by channel): no peak is lost, a gap is a null."""
    n_samples = sum(len(one.samples) for one in stretches)
    room = max(1, max_points - len(stretches))  # a null between two stretches
    step = max(1, math.ceil(n_samples / room) + (len(stretches) > 1))
    times: list[float] = []
    low: list[np.ndarray] = []
    high: list[np.ndarray] = []
    for number, one in enumerate(stretches):
        if number:
            times.append(one.start_ns / 1e9)
            low.append(np.full(one.samples.shape[1], np.nan, np.float32))
            high.append(low[-1])
        begins = np.arange(0, len(one.samples), step)
        low += list(np.fmin.reduceat(one.samples, begins, axis=0))
        high += list(np.fmax.reduceat(one.samples, begins, axis=0))
        times += [round(one.start_ns / 1e9 + float(begin) / one.sample_rate_hz, 6) for begin in begins]
    return times, _columns(low), _columns(high)


def _columns(rows: list[np.ndarray]) -> list[list[float | None]]:
    table = np.array(rows, np.float32).T
    return [[float(f"{value:.6g}") if np.isfinite(value) else None for value in column] for column in table]


def _trigger(told: dict[str, Any]) -> CaptureTriggerView:
    return CaptureTriggerView(
        alarm_id=told.get("alarm_id"),
        activation=told.get("activation"),
        text=str(told.get("text") or told.get("comment") or ""),
        actor=str(told.get("actor") or ""),
        offset_s=float(told.get("offset_ns", 0)) / 1e9,
    )
