"""A camera's model: its bundle in the model host, or the reason why there is none.

Duty: a bundle that is damaged, missing, or not over pictures must not keep the service from starting: each
question is then answered by that reason, and the camera falls back on what good parts taught. Starts and ends
the host's processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from models.errors import InferenceError, ModelError
from models.fallback_chain import ChainRules, TierState
from models.host_tiers import Tier
from models.store import read_bundle
from models.vision.inspection import Inspection, UInt8Array
from models.vision.inspector import NetworkInspector

LOOK_S = 0.05


class PictureModel:
    """Implements `models.vision.inspection.Inspector`. `start` it, `close` at the end; blocking, both."""

    def __init__(self, path: Path, runtimes: Sequence[str], deadline_s: float) -> None:
        """Raises nothing: what is wrong with the bundle is said by `trouble` and at each picture."""
        self.trouble = ""
        self._network: NetworkInspector | None = None
        self._started = ExitStack()
        try:
            rules = ChainRules(deadline_ns=round(deadline_s * 1e9))
            self._network = NetworkInspector(read_bundle(path), [Tier(name) for name in runtimes], rules)
        except ModelError as error:
            self.trouble = str(error)

    @property
    def picture_size_px(self) -> tuple[int, int]:
        """(height, width) of the pictures that it inspects; (0, 0) where it inspects none."""
        return (0, 0) if self._network is None else self._network.picture_size_px

    def start(self) -> None:
        """Begin the runtimes' processes; which load while others answer."""
        if self._network is not None:
            self._started.enter_context(self._network)

    def serves(self, within_s: float) -> bool:
        """Wait until a runtime answers; False where none does by then."""
        until_s = time.monotonic() + within_s
        while self._network is not None and time.monotonic() < until_s:
            if any(tier.state is TierState.SERVING for tier in self._network.report()):
                return True
            time.sleep(LOOK_S)
        return False

    def inspect(self, picture: UInt8Array) -> Inspection:
        """See `Inspector.inspect`."""
        if self._network is None:
            raise InferenceError(self.trouble)
        return self._network.inspect(picture)

    def close(self) -> None:
        """End the processes."""
        self._started.close()
