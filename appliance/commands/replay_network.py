"""The network of a replay: a bundle's int8 model on the runtimes of the live service, and what became of it.

Duty: bring a bundle into service for as long as a replay takes, give seats to the channels that it was made
for, and say in one sentence what keeps it from answering. Judges no window: where it does not answer, the
statistical detector does, as in the service.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from appliance.alarms.network_rule import STATISTICAL_WORDS, NetworkRule, RuntimeStanding, answering
from appliance.analysis_settings import AnalysisSettings
from appliance.model_network import ServedNetwork
from appliance.wiring_models import row_names
from appliance.wiring_replay import served_for_replay
from dsp.samples import Channel, Measurand
from models.errors import ModelError
from models.fallback_chain import TierState
from models.network_seat import NetworkSeat
from models.store import read_bundle

START_S = 90.0  # none of its runtimes has passed its check by then: the replay goes on without
_LOOK_S = 0.02


class ReplayNetwork:
    """One bundle beside one replay, from `start` to `close`. `news` in one thread; its seats in any."""

    def __init__(self, path: Path, backends: Sequence[str]) -> None:
        self._path, self._backends = path, backends
        self._served: ServedNetwork | None = None
        self._rule, self._trouble, self._said = NetworkRule(), "", ""

    def start(self) -> None:
        """Start its processes, and wait until the first choice answers or each of them has failed once.

        A bundle that cannot be used is no error: `news` says why. Blocks for seconds.
        """
        try:
            self._served = served_for_replay(read_bundle(self._path), self._backends)
            self._served.start()
        except (ModelError, OSError) as error:
            self._served, self._trouble = None, str(error)
            return
        until_s = time.monotonic() + START_S
        failed: set[str] = set()
        while time.monotonic() < until_s:
            standing = self._served.look()
            failed |= {one.backend for one in standing if self._lost(one)}
            if standing[0].state is TierState.SERVING or len(failed) == len(standing):
                return
            if standing[0].backend in failed and answering(standing) != STATISTICAL_WORDS:
                return
            time.sleep(_LOOK_S)
        said = "; ".join(f"{one.backend} {one.reason}" for one in self._served.look())
        self._trouble = f"{self._served.title} is not ready after {START_S:.0f} s: {said}"

    def close(self) -> None:
        """End its processes."""
        if self._served is not None:
            self._served.close()

    def seats(
        self, channels: Sequence[Channel], settings: AnalysisSettings
    ) -> tuple[dict[str, NetworkSeat], list[str]]:
        """One seat for all channels of a file that it was made for; a sentence for each other one."""
        served = self._served
        if served is None:
            return {}, []
        seat, unfit = NetworkSeat(lambda: served.judge), []
        seats: dict[str, NetworkSeat] = {}
        for channel in channels:
            if channel.measurand is not Measurand.ACCELERATION:
                continue
            try:
                served.judge.require(row_names(channel, settings))
            except ModelError as error:
                unfit.append(f"channel {channel.channel_id!r}: {error}; {STATISTICAL_WORDS} answers")
            else:
                seats[channel.channel_id] = seat
        return seats, unfit

    def news(self, at_s: float) -> str:
        """Who does not answer and why, or that the first choice answers again; "" where nothing changed."""
        standing = [] if self._served is None else self._served.look()
        trouble = self._trouble if answering(standing) == STATISTICAL_WORDS else ""
        reason = self._rule.reason(trouble, standing, f"{at_s:.2f} s")
        if reason == self._said:
            return ""
        before, self._said = self._said, reason
        return reason or (f"{answering(standing)} answers again" if before else "")

    @staticmethod
    def _lost(one: RuntimeStanding) -> bool:
        """Whether it failed: it will be tried again, but nobody knows when it comes."""
        return bool(NetworkRule().reason("", [one], ""))
