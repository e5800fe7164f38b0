"""All that the web floor may see of captured waveforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from web.capture_schemas import CaptureView, WaveformView
from web.station_view import UnknownIdError

FileFormat = Literal["wav", "uff"]


class CaptureRefusedError(Exception):
    """Nothing can be captured, or not written so: `args[0]` says why, `remedy` what would be right."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """A captured waveform to take away."""

    name: str
    media_type: str
    content: bytes


class CaptureProvider(Protocol):
    """Captured waveforms. Methods raise UnknownIdError for ids that do not exist."""

    async def captures(self, alarm_id: str | None, asset_id: str | None, limit: int) -> list[CaptureView]:
        """The latest first; of one alarm or machine where one is named. Raises NotPossibleError."""
        ...

    async def waveform(self, capture_id: str, max_points: int) -> WaveformView:
        """A picture of at most so many points. Raises CaptureRefusedError, NotPossibleError."""
        ...

    async def file(self, capture_id: str, file_format: FileFormat) -> CaptureFile:
        """All of its samples. Raises CaptureRefusedError, NotPossibleError."""
        ...

    async def request(self, asset_id: str, user: str, comment: str) -> list[str]:
        """Captures a machine's waveforms around now; their ids. Raises CaptureRefusedError."""
        ...


class NoCaptures:
    """Where nothing is captured."""

    async def captures(self, alarm_id: str | None, asset_id: str | None, limit: int) -> list[CaptureView]:
        return []

    async def waveform(self, capture_id: str, max_points: int) -> WaveformView:
        raise UnknownIdError(f"There is no capture {capture_id!r}.", [])

    async def file(self, capture_id: str, file_format: FileFormat) -> CaptureFile:
        raise UnknownIdError(f"There is no capture {capture_id!r}.", [])

    async def request(self, asset_id: str, user: str, comment: str) -> list[str]:
        raise CaptureRefusedError("Nothing is captured here.", "Write enabled = true under [captures].")
