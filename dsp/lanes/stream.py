"""The window engine on a stream: half-overlapping windows, what two of them share computed once.

Duty: the order of the stages for streams, and `LaneStream`, which owns what a channel carries from one half
window to the next. What a window's features are is `dsp.lanes.window_kernels`' knowledge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsp.errors import DspError
from dsp.lanes.engine import LaneEngine, Samples, checked, new_state, whole_groups
from dsp.lanes.fft import COMPILED
from dsp.lanes.moments import HALF, sum_half
from dsp.lanes.vector import LANES, load, store
from dsp.lanes.welch import first_half_power
from dsp.lanes.window_kernels import hand_out, take_half, window_features
from dsp.samples import Float32Array
from dsp.window_parameters import HOP_SAMPLES


@njit(**COMPILED)
def stream(  # noqa: PLR0917
    source: Any, starts: Any, n_halves: int, halves_before: int, scale: float, state: Any, tables: Any,
    scratch: Any, result: Any,
) -> None:  # fmt: skip
    """Fill `result[i, channel]` with the features of the windows that `n_halves` more halves complete.

    Channel c's samples follow one another from `source[starts[c]]` on; `starts` is filled up to whole groups.
    The first half of all (`halves_before` is 0) completes no window.
    """
    for group in range(state.rings.shape[0]):
        ring, kept, before = state.rings[group], state.kept[group], state.before[group]
        begin = starts[group * LANES : (group + 1) * LANES]
        for i in range(n_halves):
            which = (halves_before + i) % 2
            older, newer = state.statistics[group, 1 - which], state.statistics[group, which]
            first_newer = HALF * which
            take_half(source, begin, i * HALF, scale, ring, first_newer, newer, scratch)
            if halves_before + i == 0:
                store(before, 0, load(ring, first_newer))
                sum_half(ring, first_newer, before, newer)
                first_half_power(ring, first_newer, newer, kept, tables, scratch)
                continue
            sum_half(ring, first_newer, before, newer)
            window_features(ring, first_newer, older, newer, kept, tables, scratch)
            window = i - (1 if halves_before == 0 else 0)
            hand_out(scratch.features, older, newer, result[window], group * LANES)


class LaneStream:
    """Half-overlapping windows of channels that are sampled together.

    Two layouts. With more channels than half the lanes, each channel has its lane and its ring, and overlap
    is computed once. With fewer, the windows of consecutive hops stand side by side in the lanes, which then
    do not idle: the more hops a `push` brings, the less each costs, and the latency is what the caller waits
    for (5 hops of 3 channels fill 15 of 16 lanes: 0.8 s at 25.6 kHz).
    """

    def __init__(self, engine: LaneEngine, n_channels: int) -> None:
        if n_channels < 1:
            raise DspError(f"n_channels is {n_channels}; at least one is needed")
        self._engine = engine
        self.n_channels = n_channels
        self.side_by_side = 2 * n_channels <= LANES
        self._halves = 0
        self._kind: tuple[np.dtype[Any], float] | None = None
        self._tail: Samples | None = None
        self._state: Any = None if self.side_by_side else new_state(-(-n_channels // LANES))

    def reset(self) -> None:
        """Forget what came before, as after a gap: the next window begins with the next sample."""
        self._halves = 0
        self._tail = None

    def push(self, samples: Samples, scale: float = 1.0) -> Float32Array:
        """Features `(n_windows, n_channels, n_features)` of the windows that these samples complete.

        `samples` is `(n_channels, n)`, n a multiple of 4096 (a hop). The first hop after construction or
        `reset` completes none. Values as of `LaneEngine.batch`. Raises DspError for other shapes and types,
        and where type or scale change without a `reset`.
        """
        samples = checked(samples)
        if samples.shape[0] != self.n_channels or samples.shape[1] % HOP_SAMPLES:
            raise DspError(
                f"samples of shape {samples.shape}; ({self.n_channels}, a multiple of {HOP_SAMPLES}) is "
                "needed"
            )
        kind = (samples.dtype, float(scale))
        if self._halves and kind != self._kind:
            raise DspError(
                f"samples are {kind[0]} times {kind[1]}, before they were {self._kind}; reset first"
            )
        self._kind = kind
        n_halves = samples.shape[1] // HOP_SAMPLES
        n_windows = max(0, n_halves - (1 if self._halves == 0 else 0))
        result = (
            self._push_side_by_side(samples, n_windows, scale)
            if self.side_by_side
            else self._push_rings(samples, n_halves, n_windows, scale)
        )
        self._halves += n_halves
        return result

    def _push_rings(self, samples: Samples, n_halves: int, n_windows: int, scale: float) -> Float32Array:
        engine = self._engine
        result = np.empty((n_windows, self.n_channels, len(engine.names)), np.float32)
        starts = whole_groups(np.arange(self.n_channels, dtype=np.int64) * samples.shape[1])
        stream(
            samples.reshape(-1), starts, n_halves, self._halves, float(scale),
            self._state, engine.tables, engine.scratch, result,
        )  # fmt: skip
        return result

    def _push_side_by_side(self, samples: Samples, n_windows: int, scale: float) -> Float32Array:
        if self._tail is not None:
            samples = np.concatenate([self._tail, samples], axis=1)
        length = samples.shape[1]
        if length:
            self._tail = samples[:, length - HOP_SAMPLES :].copy()
        starts = np.arange(n_windows)[:, np.newaxis] * HOP_SAMPLES + np.arange(self.n_channels) * length
        features = self._engine.windows_at(samples.reshape(-1), starts.reshape(-1), scale)
        return features.reshape(n_windows, self.n_channels, len(self._engine.names))
