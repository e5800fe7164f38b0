"""What the HTTP interface says of cameras over parts: the last verdict, what was counted, the last defect."""

from __future__ import annotations

from typing import Literal

from web.schemas import Schema

ResultName = Literal["good", "defect", "no verdict"]


class PartView(Schema):
    """The verdict on one part."""

    number: int
    time_ms: float  # of its picture
    result: ResultName
    reason: str  # why there is no verdict; "" where there is one
    score: float | None  # 1.0 = limit
    kind: str | None  # of the defect, where the model knows kinds
    position_px: tuple[int, int] | None
    unsure: bool
    latency_ms: float  # from the picture to the verdict


class DefectCount(Schema):
    """Defects of one kind."""

    kind: str
    count: float


class CameraView(Schema):
    """One camera. Counts are those that are on stable storage."""

    camera_id: str
    name: str
    last: PartView | None  # None: no part since the start
    learning: str  # how far good parts are learned; "" once they are
    parts_inspected: float
    parts_defective: float
    parts_no_verdict: float
    defects: list[DefectCount]
    last_defect: str | None  # capture id of the last defect's picture
