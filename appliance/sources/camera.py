"""What a camera delivers: pictures of parts, and parts whose picture could not be had.

Duty: the contract and its types. A camera never delivers half a picture, and never leaves a part out in
silence. Numbers parts and judges them not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from appliance.sources.source import LinkReport

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture of a part: 8-bit grey `(h, w)`, or red, green, blue `(h, w, 3)`."""

    taken_ns: int  # monotonic: when it was triggered, or stood whole in its folder
    name: str  # of the file, or the number of the shot
    picture: Picture = field(repr=False)
    patient: bool = False  # its part went by long ago: it waits for those before it, and pushes none out


@dataclass(frozen=True, slots=True)
class FrameMissed:
    """A part of which there is no picture, and why."""

    taken_ns: int
    name: str
    reason: str


class Camera(Protocol):
    """Delivers pictures. Cancelling the iteration closes it; SourceLost: call it again after a back-off."""

    camera_id: str

    def frames(self) -> AsyncIterator[Frame | FrameMissed]: ...

    def report(self) -> LinkReport: ...
