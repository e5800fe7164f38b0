"""The window engine on lanes: every feature of `WindowParameters.names`; streams are `dsp.lanes.stream`'s.

Duty: what a caller sees. It checks arguments, computes tables, owns working memory, and calls the compiled
loop, which releases the GIL. Values are those of `tests/oracles/window_features.py` to 5e-6 (bounds:
`dsp/lanes/README.md`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dsp.errors import DspError
from dsp.lanes import window_kernels
from dsp.lanes.fft import Plan, aligned
from dsp.lanes.moments import STATISTICS_ROWS
from dsp.lanes.vector import LANES
from dsp.lanes.welch import LINES
from dsp.lanes.window_kernels import Scratch, State, Tables
from dsp.samples import Float32Array
from dsp.window_parameters import SEGMENT_SAMPLES, WINDOW_SAMPLES, WindowParameters

if TYPE_CHECKING:
    from dsp.lanes.stream import LaneStream

Samples = npt.NDArray[np.float32] | npt.NDArray[np.int16]

_PLAN_1024 = Plan((8, 4), (8, 4))
_PLAN_2048 = Plan((8, 4), (8, 8))
_PLAN_4096 = Plan((8, 8), (8, 8))
_PLAN_2560 = Plan((8, 5), (8, 8))
_PLAN_1280 = Plan((4, 5), (8, 8))
# Plans of the envelope's transform there, and back from its samples in pairs.
_ENVELOPE_PLANS = {2560: (_PLAN_2560, _PLAN_1280), 4096: (_PLAN_4096, _PLAN_2048)}
_RING_ROWS = max(WINDOW_SAMPLES, _PLAN_4096.work_floats // LANES)
_PAGE_BYTES = 2 * 1024 * 1024
_ADVISED_BYTES = 4 * 1024 * 1024  # from this size on NumPy asks the system for large pages


def _half_turns(n: int) -> Float32Array:
    """exp(-2 pi i k / n) for k below n / 2, as pairs of floats."""
    turns = np.exp(-2j * np.pi * np.arange(n // 2) / n)
    table = aligned(n)
    table[0::2], table[1::2] = turns.real, turns.imag
    return table


@lru_cache(maxsize=8)
def _tables(parameters: WindowParameters) -> Tables:
    hann = aligned(SEGMENT_SAMPLES)
    hann[:] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(SEGMENT_SAMPLES) / SEGMENT_SAMPLES)
    there, back = _ENVELOPE_PLANS[parameters.envelope_samples]
    first_velocity, last_velocity = parameters.velocity_lines
    weights = aligned(WINDOW_SAMPLES // 2)
    frequencies_hz = np.arange(1, len(weights)) * parameters.line_hz
    weights[1:] = (1000.0 / (2.0 * np.pi * frequencies_hz)) ** 2
    first, after = parameters.band_lines
    n = float(WINDOW_SAMPLES)
    return Tables(
        hann_2048=hann,
        twiddles_1024=_PLAN_1024.twiddle_table(),
        twiddles_2048=_PLAN_2048.twiddle_table(),
        twiddles_4096=_PLAN_4096.twiddle_table(),
        twiddles_envelope=there.twiddle_table(),
        twiddles_lines=back.twiddle_table(),
        half_turns=_half_turns(WINDOW_SAMPLES),
        half_turns_2048=_half_turns(SEGMENT_SAMPLES),
        half_turns_envelope=_half_turns(parameters.envelope_samples),
        velocity_weights=weights,
        combs=np.array(parameters.comb_lines, np.int64).reshape(-1, parameters.n_harmonics, 2),
        first_band_line=first,
        n_band_lines=after - first,
        envelope_samples=parameters.envelope_samples,
        n_envelope_lines=parameters.n_envelope_lines,
        first_velocity_line=first_velocity,
        last_velocity_line=last_velocity,
        density_line_hz=parameters.density_line_hz,
        # one-sided: 2 / (rate sum w^2), sum w^2 = 3/8 n, mean of seven segments
        density_scale=2.0 / (parameters.sample_rate_hz * 0.375 * SEGMENT_SAMPLES * 7.0),
        # sqrt(2 sum |H|^2 / (n sum w^2)), with 4 H in place of H
        velocity_scale=float(np.sqrt(2.0 / 16.0 / (n * 0.375 * n))),
        peak_scale=1.0 / n,  # |z| = |sum of 2 X| / n
    )


class _Memory:
    """One block of zeroed rows, cut into arrays: large enough for the system to back it with large pages."""

    def __init__(self, n_rows: int) -> None:
        block = np.zeros(max(n_rows * LANES, _ADVISED_BYTES // 4) + _PAGE_BYTES // 4, np.float32)
        skipped = (-block.ctypes.data % _PAGE_BYTES) // 4
        self._free = block[skipped:]

    def rows(self, n_rows: int) -> Float32Array:
        """The next `n_rows` rows."""
        taken, self._free = self._free[: n_rows * LANES], self._free[n_rows * LANES :]
        return taken


def _scratch(parameters: WindowParameters) -> Scratch:
    there, _ = _ENVELOPE_PLANS[parameters.envelope_samples]
    sizes = {
        "work": _PLAN_4096.work_floats // LANES,
        "envelope_work": there.work_floats // LANES,
        "power": LINES,
        "lines": parameters.n_envelope_lines + 2,
        "small": _PLAN_4096.scratch_floats // LANES,
        "levels": 8,
        "peaks": 20,
        "firsts": 4,
        "features": len(parameters.names),
    }
    memory = _Memory(sum(sizes.values()))
    rows = {name: memory.rows(n_rows) for name, n_rows in sizes.items()}
    return Scratch(envelope=rows["work"], **rows)


def new_state(n_groups: int) -> State:
    sizes = (_RING_ROWS, 2 * STATISTICS_ROWS, LINES, 1)
    memory = _Memory(n_groups * sum(sizes))
    rings, statistics, kept, before = (
        memory.rows(n_groups * n_rows).reshape(n_groups, -1) for n_rows in sizes
    )
    return State(rings, statistics.reshape(n_groups, 2, -1), kept, before)


def whole_groups(starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The starts, filled up to whole groups of lanes with the first."""
    spare = -len(starts) % LANES
    return np.concatenate([starts, np.full(spare, starts[0], np.int64)])


def checked(samples: Samples, n_dimensions: int = 2) -> Samples:
    if samples.dtype not in (np.float32, np.int16):
        raise DspError(f"samples are {samples.dtype}; float32 or int16 is needed")
    if samples.ndim != n_dimensions:
        raise DspError(f"samples of shape {samples.shape}; {n_dimensions} dimensions are needed")
    return np.require(samples, None, ["C", "W"])


class LaneEngine:
    """Window features for one set of parameters; one thread at a time may use it.

    Cheap to make (tables are shared between engines of the same parameters), about 4 MiB of working memory.
    """

    def __init__(self, parameters: WindowParameters) -> None:
        self.parameters = parameters
        self.names: tuple[str, ...] = parameters.names
        self.tables: Any = _tables(parameters)
        self.scratch: Any = _scratch(parameters)
        self._state: Any = new_state(1)
        self._batch_scratch: Any = self.scratch._replace(envelope_work=self._state.rings[0])

    def warm_up(self) -> None:
        """Compile every kernel, or load it from the cache: seconds, or a fraction of one."""
        silence: tuple[Samples, ...] = (
            np.zeros((LANES, WINDOW_SAMPLES), np.float32),
            np.zeros((LANES, WINDOW_SAMPLES), np.int16),
        )
        for samples in silence:
            self.batch(samples)
            self.stream(LANES).push(samples)

    def batch(self, samples: Samples, scale: float = 1.0) -> Float32Array:
        """Features `(n_windows, n_features)` of independent windows `(n_windows, 8192)`, float32 or int16.

        Every sample is taken times `scale` (int16: m/s2 per count). A window that holds NaN, infinity or a
        magnitude above 1e30 has NaN for every feature, a constant one for every feature that is a ratio of
        deviations. Raises DspError for other types and lengths.
        """
        samples = checked(samples)
        if samples.shape[1] != WINDOW_SAMPLES:
            raise DspError(f"windows of {samples.shape[1]} samples; {WINDOW_SAMPLES} are needed")
        return self.windows_at(samples.reshape(-1), np.arange(len(samples)) * WINDOW_SAMPLES, scale)

    def windows_at(self, samples: Samples, starts: npt.NDArray[np.int64], scale: float = 1.0) -> Float32Array:
        """Features of the windows that begin at `starts` of one flat array; they may overlap.

        Raises DspError for a start whose window does not lie within `samples`.
        """
        samples = checked(samples, 1)
        starts = np.ascontiguousarray(starts, np.int64)
        if len(starts) and not (starts.min() >= 0 and starts.max() <= len(samples) - WINDOW_SAMPLES):
            raise DspError(
                f"a window starts at {starts.min()} or {starts.max()}; 0 to {len(samples) - WINDOW_SAMPLES} "
                "have a whole window before the end"
            )
        result = np.empty((len(starts), len(self.names)), np.float32)
        if len(starts):
            window_kernels.batch(
                samples,
                whole_groups(starts),
                float(scale),
                self._state,
                self.tables,
                self._batch_scratch,
                result,
            )
        return result

    def stream(self, n_channels: int) -> LaneStream:
        """A stream of half-overlapping windows of `n_channels` channels. Raises DspError below one."""
        # its kernel is loaded with it: who computes windows alone needs no machine code of streams
        from dsp.lanes.stream import LaneStream

        return LaneStream(self, n_channels)
