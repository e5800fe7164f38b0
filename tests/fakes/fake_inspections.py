"""A made-up camera over parts, for the fake station."""

from __future__ import annotations

from appliance.png_picture import encode_png
from tests.fakes.drawn_parts import DrawnParts
from web.inspection_schemas import CameraView, DefectCount, PartView
from web.station_view import UnknownIdError

CAMERA, PICTURE = "press-3", "20270115t080000-press-3-a"


class FakeInspections:
    """One camera that has just seen a defect."""

    def __init__(self, zero_ms: float) -> None:
        last = PartView(
            number=1042, time_ms=zero_ms, result="defect", reason="", score=3.1, kind="scratch",
            position_px=(82, 22), unsure=False, latency_ms=7.5,
        )  # fmt: skip
        self.view = CameraView(
            camera_id=CAMERA, name="Press 3, exit", last=last, learning="", parts_inspected=1012.0,
            parts_defective=17.0, parts_no_verdict=30.0, defects=[DefectCount(kind="scratch", count=12.0)],
            last_defect=PICTURE,
        )  # fmt: skip

    def cameras(self) -> list[CameraView]:
        return [self.view]

    async def picture(self, capture_id: str) -> bytes:
        if capture_id != PICTURE:
            raise UnknownIdError(f"There is no picture {capture_id!r}.", [PICTURE])
        return encode_png(DrawnParts(7).scratched())
