"""All that the web floor may see of cameras over parts."""

from __future__ import annotations

from typing import Protocol

from web.inspection_schemas import CameraView
from web.station_view import UnknownIdError


class InspectionProvider(Protocol):
    """Cameras and the pictures that were kept. Methods raise UnknownIdError for ids that do not exist."""

    def cameras(self) -> list[CameraView]:
        """In the order of the configuration."""
        ...

    async def picture(self, capture_id: str) -> bytes:
        """A kept picture as a PNG file. Raises NotPossibleError."""
        ...


class NoInspections:
    """Where there is no camera."""

    def cameras(self) -> list[CameraView]:
        return []

    async def picture(self, capture_id: str) -> bytes:
        raise UnknownIdError(f"There is no picture {capture_id!r}.", [])
