"""Intervals whose samples came and could not be believed, as gaps: a trend has nothing there, and says why.

Duty: the arithmetic over one channel's windows, which overlap. Pure; whether a window is believed is the
sensor check's verdict.
"""

from __future__ import annotations

from dsp.samples import Gap, GapCause

TOLD_EVERY_NS = 10_000_000_000  # a gap costs a flush of the disk; the ledger joins the pieces


class SensorDoubt:
    """Follows one channel's windows in order of time and gives the gaps between those that are believed.

    A bad sensor's gap is told bit by bit: a trend shows it while it grows.
    """

    def __init__(self, channel_id: str) -> None:
        self._channel_id = channel_id
        self._good_until_ns: int | None = None
        self._doubted_ns: int | None = None  # from here on nothing is believed; None: the newest window was

    def believed(self, start_ns: int, end_ns: int) -> list[Gap]:
        """Take a window that gives features."""
        self._good_until_ns = end_ns
        return self._told_until(start_ns, None)

    def doubted(self, start_ns: int) -> list[Gap]:
        """Take samples from `start_ns` on that are not believed."""
        if self._doubted_ns is None:
            good_ns = self._good_until_ns
            self._doubted_ns = start_ns if good_ns is None else max(start_ns, good_ns)
            return []
        if start_ns - self._doubted_ns < TOLD_EVERY_NS:
            return []
        return self._told_until(start_ns, start_ns)

    def missing(self, gap: Gap) -> list[Gap]:
        """Take samples that never came: from there on another gap says so."""
        return self._told_until(gap.start_ns, None)

    def _told_until(self, end_ns: int, doubted_ns: int | None) -> list[Gap]:
        begin_ns, self._doubted_ns = self._doubted_ns, doubted_ns
        if begin_ns is None:
            return []
        if end_ns <= begin_ns:
            self._doubted_ns = None if doubted_ns is None else begin_ns
            return []
        return [Gap(self._channel_id, begin_ns, end_ns, GapCause.SENSOR_FAULT)]
