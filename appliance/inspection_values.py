"""The verdict as the line reads it: OPC UA values of each camera, bad wherever there is no verdict.

Duty: from parts that arrive and are decided to values, status codes and source timestamps. Fail-safe: from
the moment a part arrives until it is decided nothing can be read of the one before it as if it were the new
one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.clock import Clock
from appliance.inspection_verdict import Part, PartResult, PartVerdict
from appliance.publishers.address_space import camera_path
from appliance.publishers.publisher import PublishedValue, Value, ValueStatus

_NUMBERS = {PartResult.GOOD: 1, PartResult.DEFECT: 2}
_OF_A_VERDICT = ("verdict", "score", "kind", "unsure")


class CameraPublishing:
    """Implements `inspection_line.LineListener`. All values of one part bear its source timestamp."""

    def __init__(self, publish: Callable[[Sequence[PublishedValue]], None], clock: Clock) -> None:
        self._publish, self._clock = publish, clock

    def part_arrived(self, part: Part) -> None:
        """The verdict of the part before is withdrawn."""
        self._tell_none(part.camera_id, ValueStatus.WAITING, self._utc(part.stamp_ns), part.number, "")

    def part_decided(self, verdict: PartVerdict) -> None:
        """The verdict, or that there is none."""
        part, source_ns = verdict.part, self._utc(verdict.part.stamp_ns)
        if verdict.result is PartResult.NONE:
            self._tell_none(part.camera_id, ValueStatus.NO_DATA, source_ns, part.number, verdict.reason)
            return
        told: dict[str, Value] = {
            "verdict": _NUMBERS[verdict.result],
            "score": verdict.score,
            "kind": verdict.kind or "",
            "unsure": verdict.unsure,
            "part_number": part.number,
            "reason": "",
        }
        self._tell(part.camera_id, told, ValueStatus.GOOD, source_ns)

    def camera_lost(self, camera_id: str) -> None:
        """No part can be seen."""
        now_ns = self._utc(self._clock.monotonic_ns())
        self._tell_none(camera_id, ValueStatus.NO_COMMUNICATION, now_ns, None, "the camera is lost")

    def _tell_none(
        self, camera_id: str, status: ValueStatus, source_ns: int, number: int | None, reason: str
    ) -> None:
        self._tell(camera_id, dict.fromkeys(_OF_A_VERDICT), status, source_ns)
        beside: dict[str, Value] = {"reason": reason}
        if number is not None:
            beside["part_number"] = number
        self._tell(camera_id, beside, ValueStatus.GOOD, source_ns)

    def _tell(self, camera_id: str, told: dict[str, Value], status: ValueStatus, source_ns: int) -> None:
        path = camera_path(camera_id)
        self._publish(
            [PublishedValue(f"{path}/{name}", value, status, source_ns) for name, value in told.items()]
        )

    def _utc(self, monotonic_ns: int) -> int:
        return self._clock.wall(monotonic_ns).time_ns
