"""What a fault of the drill is: a name, its family, and how it is inflicted on the stage.

Duty: the type, and nothing else. Two faults of one family are never inflicted at once: both would turn the
same switch. Each family has its own file, `fault_*.py`, with its `FAULTS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from appliance.drill.rig import Rig

# Takes away for so many seconds, and gives back.
Inflict = Callable[[Rig, float, random.Random], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which things go wrong."""

    name: str
    family: str
    words: str  # what it does, for people
    inflict: Inflict
    own_disk: bool = False  # the appliance's state must lie on a disk that the drill may fill or break
    undoes_centre: bool = False  # the server forgets what it had confirmed since the phase began
    only_copy: bool = (
        False  # it may hit the only copy of something: then that it was told is all there can be
    )
