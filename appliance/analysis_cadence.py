"""One window in so long a time: which part of a channel's stream is judged where decisions are to be seldom.

Duty: cut one window per cadence out of a stream that is continuous, or comes in snapshots of its own, or with
gaps, in the place of a framer that cuts every one. Looks at no sample's value.
"""

from __future__ import annotations

from dataclasses import replace

from dsp.framing import Framer, Window
from dsp.samples import SampleBlock

_EARLY = 0.1  # of the cadence: a source with a clock of its own may deliver so much sooner
_STRETCH_NS = 500_000_000  # after so long without samples, what comes is a snapshot of its own


class SeldomFramer:
    """A framer that is closed from one window until the next is due.

    Dues are one cadence apart, from the first sample on. A source that itself delivers seldom decides when
    its samples come: a stretch that begins up to a tenth of the cadence early is taken, and after a long gap
    the cadence begins anew. A window that takes longer than the cadence is followed at once by the next.
    """

    def __init__(self, framer: Framer, cadence_s: float) -> None:
        self._framer = framer
        self._cadence_ns = round(cadence_s * 1e9)
        self._due_ns: int | None = None
        self._end_ns: int | None = None  # of the latest block; None: what comes begins a stretch
        self._open = False

    @property
    def window_samples(self) -> int:
        """Length of its windows."""
        return self._framer.window_samples

    def push(self, block: SampleBlock) -> list[Window]:
        """Windows that are due and that this block completes, oldest first. Raises DspError as `Framer`."""
        begins = self._end_ns is None or block.start_ns - self._end_ns > _STRETCH_NS
        self._end_ns = block.end_ns
        if begins and self._open:
            self._framer.interrupt()
        windows: list[Window] = []
        rest: SampleBlock | None = block
        while rest is not None:
            if not self._open:
                rest = self._from_due(rest, begins)
                begins = False
                if rest is None:
                    break
                self._open = True
            # never more than one window holds: what follows it is not due, and is not cut
            now, rest = _split(rest, self._framer.window_samples - self._framer.pending_samples)
            for window in self._framer.push(now):
                windows.append(window)
                self._take(window)
        return windows

    def flush(self, min_samples: int) -> list[Window]:
        """At the end of a recording: what is left of a window that is due."""
        left = self._framer.flush(min_samples) if self._open else []
        self._open, self._end_ns = False, None
        return left

    def interrupt(self) -> None:
        """Samples are missing here: no window spans them."""
        self._framer.interrupt()
        self._end_ns = None

    def _from_due(self, block: SampleBlock, begins: bool) -> SampleBlock | None:
        """The part of a block that is due; None where none is."""
        due_ns = self._due_ns
        if due_ns is not None and due_ns - block.start_ns > 1.5 * self._cadence_ns:
            due_ns = self._due_ns = None  # time went back: the cadence begins anew
        early_ns = _EARLY * self._cadence_ns if begins else 0.0
        if due_ns is None or block.start_ns >= due_ns - early_ns:
            return block
        if block.end_ns <= due_ns:
            return None
        return _split(block, round((due_ns - block.start_ns) * block.sample_rate_hz / 1e9))[1]

    def _take(self, window: Window) -> None:
        due_ns = window.start_ns if self._due_ns is None else self._due_ns
        in_time = abs(window.start_ns - due_ns) < self._cadence_ns // 2
        # Of what came early the next may, too: else a source whose clock is fast is out of step before long.
        self._due_ns = (min(due_ns, window.start_ns) if in_time else window.start_ns) + self._cadence_ns
        self._framer.interrupt()
        self._open = False


def _split(block: SampleBlock, samples: int) -> tuple[SampleBlock, SampleBlock | None]:
    """The first samples of a block, and the rest; None where there is none."""
    if samples >= len(block.samples):
        return block, None
    start_ns = block.start_ns + round(samples * 1e9 / block.sample_rate_hz)
    first = replace(block, samples=block.samples[:samples])
    return first, replace(block, start_ns=start_ns, samples=block.samples[samples:])
