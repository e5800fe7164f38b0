"""The sensor's clock against the host's: when a sample was taken, and how fast the device really samples.

Duty: a robust line from device ticks to host monotonic nanoseconds. A frame can only arrive late, never
early, so the line is the *lower envelope* of the arrivals: of all lines below every arrival, the one closest
to them on the whole (the linear programme of Moon, Skelly and Towsley, "Estimation and removal of clock skew
from network delay measurements", INFOCOM 1999; its solution is the edge of the lower convex hull above or
below the mean abscissa). Delay that is always there cannot be seen from one side; `error_bound_ns` therefore
contains the time that a frame takes on the line. Reads no clock; does not decide what a gap is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

WINDOW_NS = 60_000_000_000  # short enough for a straight line through thermal drift
BUCKET_NS = 250_000_000
CONVERGED_SPAN_NS = 2_000_000_000
CONVERGED_BUCKETS = 8
CONVERGED_SLOPE_PPM = 200.0
CONVERGED_ERROR_NS = 10_000_000
MAX_DRIFT_PPM = 60_000.0  # MEMS sensors with an RC oscillator are off by up to 5 %
# How many times the raggedness of the floor the fit may be off: chosen so that it holds on simulated clocks
# whose truth is known, with exponential delays and stalls (test_clock_sync.py).
OFFSET_FACTOR = 4.0
SLOPE_FACTOR = 5.0
STEP_NS = 250_000_000  # all arrivals of several buckets so late: the device clock was put back
EARLY_NS = 2_000_000
STEP_BUCKETS = 4
TICK_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """A fitted line from device ticks to host time, and how good it is."""

    reference_tick: int
    reference_ns: int
    ns_per_tick: float
    sample_rate_hz: float  # true rate by the host's clock
    drift_ppm: float  # positive: the device's clock runs fast against its nominal rate
    drift_error_ppm: float
    error_bound_ns: int  # of `host_ns` inside the window, the constant part of the delay included
    span_ns: int  # over which it was fitted
    converged: bool

    def host_ns(self, tick: int) -> int:
        """Host monotonic time of an (unwrapped) device tick."""
        return self.reference_ns + round((tick - self.reference_tick) * self.ns_per_tick)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """The earliest arrival of a bucket: the tick just after a frame's last sample, and when it was read."""

    end_tick: int
    end_sample: int
    received_ns: int


class ClockSync:
    """Fits one life of one device clock. A restarted device needs a new one."""

    def __init__(self, tick_rate_hz: float, sample_rate_hz: float, frame_line_ns: int = 0) -> None:
        """`frame_line_ns`: how long a frame takes on the line, the part of the delay that never goes away."""
        self._nominal_ns_per_tick = 1e9 / tick_rate_hz
        self._nominal_ticks_per_sample = tick_rate_hz / sample_rate_hz
        self._frame_line_ns = frame_line_ns
        self._wrap_ns = TICK_WRAP * self._nominal_ns_per_tick
        self.steps = 0  # how often the fit was begun anew because the device clock was stepped
        self._begin()

    def _begin(self) -> None:
        self._buckets: deque[_Arrival] = deque()  # closed buckets, oldest first
        self._best: _Arrival | None = None  # of the open bucket
        self._bucket_end_ns = 0
        self._last_tick = 0
        self._last_ns: int | None = None
        self._first_sample: tuple[int, int] | None = None  # (tick, sample index) of the first frame
        self._odd_buckets = 0
        self._ticks_per_sample = self._nominal_ticks_per_sample
        self.estimate: ClockEstimate | None = None

    def unwrap(self, raw_tick: int, received_ns: int) -> int:
        """The tick without its wrap at 2**32: the one nearest to what the host's clock expects."""
        if self._last_ns is None:
            return raw_tick
        expected = self._last_tick + (received_ns - self._last_ns) / self._nominal_ns_per_tick
        return raw_tick + TICK_WRAP * round((expected - raw_tick) / TICK_WRAP)

    def observe(self, raw_tick: int, sample_index: int, n_samples: int, received_ns: int) -> int:
        """Take in one frame; returns its first tick, unwrapped.

        `raw_tick` belongs to the frame's first sample, `sample_index` counts samples since the stream began,
        missing ones included, `received_ns` is when its last byte had been read.
        """
        first_tick = self.unwrap(raw_tick, received_ns)
        self._last_tick, self._last_ns = first_tick, received_ns
        if self._first_sample is None:
            self._first_sample = (first_tick, sample_index)
        else:
            self._measure_rate(first_tick, sample_index)
        end_tick = first_tick + round(n_samples * self._ticks_per_sample)
        if self._is_impossibly_early(end_tick, received_ns):
            self._begin_anew()
            self._first_sample = (first_tick, sample_index)
        arrival = _Arrival(end_tick, sample_index + n_samples, received_ns)
        if self._best is None:
            self._best, self._bucket_end_ns = arrival, received_ns + BUCKET_NS
        elif received_ns >= self._bucket_end_ns:
            self._close_bucket(self._best)
            self._best, self._bucket_end_ns = arrival, received_ns + BUCKET_NS
        elif self._delay_ns(arrival) < self._delay_ns(self._best):
            self._best = arrival
        return first_tick

    def _measure_rate(self, first_tick: int, sample_index: int) -> None:
        """Ticks per sample over the whole life: exact where the ADC shares the clock that ticks."""
        assert self._first_sample is not None
        samples = sample_index - self._first_sample[1]
        ticks = first_tick - self._first_sample[0]
        if samples <= 0 or ticks <= 0:
            return
        measured = ticks / samples
        if abs(measured / self._nominal_ticks_per_sample - 1.0) < MAX_DRIFT_PPM * 1e-6:
            self._ticks_per_sample = measured

    def _delay_ns(self, arrival: _Arrival) -> float:
        """How late an arrival is, up to a constant, by the best slope known."""
        reference = self._buckets[0] if self._buckets else self._best
        assert reference is not None
        slope = self.estimate.ns_per_tick if self.estimate else self._nominal_ns_per_tick
        elapsed_ns = arrival.received_ns - reference.received_ns
        return elapsed_ns - (arrival.end_tick - reference.end_tick) * slope

    def _close_bucket(self, best: _Arrival) -> None:
        if self._stepped(best):
            self._odd_buckets += 1
            if self._odd_buckets >= STEP_BUCKETS:
                self._begin_anew()
            return
        self._odd_buckets = 0
        self._buckets.append(best)
        while best.received_ns - self._buckets[0].received_ns > WINDOW_NS:
            self._buckets.popleft()
        if len(self._buckets) >= 2:
            self._fit()

    def _begin_anew(self) -> None:
        """Forget the fit but not where the tick stands, so that it still unwraps."""
        self.steps += 1
        last_tick, last_ns = self._last_tick, self._last_ns
        self._begin()
        self._last_tick, self._last_ns = last_tick, last_ns

    def _is_impossibly_early(self, end_tick: int, received_ns: int) -> bool:
        """A frame cannot arrive before it was sampled: then the device clock was put forward."""
        if self.estimate is None or not self.estimate.converged:
            return False
        early_ns = self.estimate.host_ns(end_tick) - received_ns
        return early_ns > max(EARLY_NS, 3 * self.estimate.error_bound_ns)

    def _stepped(self, best: _Arrival) -> bool:
        """Even the earliest arrival of a bucket is far too late: the clock was put back, or stood still."""
        if self.estimate is None or not self.estimate.converged:
            return False
        return best.received_ns - self.estimate.host_ns(best.end_tick) > STEP_NS

    def _fit(self) -> None:
        origin = self._buckets[0]
        slope0 = self._nominal_ns_per_tick
        # Relative to the nominal line, so that floats keep nanoseconds over any uptime.
        ticks = [float(arrival.end_tick - origin.end_tick) for arrival in self._buckets]
        delays = [
            (arrival.received_ns - origin.received_ns) - (arrival.end_tick - origin.end_tick) * slope0
            for arrival in self._buckets
        ]
        slope, offset = _lower_envelope(ticks, delays)
        if abs(slope / slope0) > MAX_DRIFT_PPM * 1e-6:
            return
        residuals = sorted(delay - offset - slope * tick for tick, delay in zip(ticks, delays, strict=True))
        # How raggedly the earliest arrivals of a bucket reach the floor: what the line may be off by.
        raggedness_ns = residuals[(3 * (len(residuals) - 1)) // 4]
        span_ns = self._buckets[-1].received_ns - origin.received_ns
        drift_error_ppm = SLOPE_FACTOR * 1e6 * (raggedness_ns + slope0) / max(span_ns, 1)
        error_ns = round(self._frame_line_ns + OFFSET_FACTOR * (raggedness_ns + slope0))
        ns_per_tick = slope0 + slope
        self.estimate = ClockEstimate(
            reference_tick=origin.end_tick,
            reference_ns=origin.received_ns + round(offset),
            ns_per_tick=ns_per_tick,
            sample_rate_hz=1e9 / (ns_per_tick * self._ticks_per_sample),
            drift_ppm=(slope0 / ns_per_tick - 1.0) * 1e6,
            drift_error_ppm=drift_error_ppm,
            error_bound_ns=error_ns,
            span_ns=span_ns,
            converged=(
                span_ns >= CONVERGED_SPAN_NS
                and len(residuals) >= CONVERGED_BUCKETS
                and drift_error_ppm <= CONVERGED_SLOPE_PPM
                and error_ns <= CONVERGED_ERROR_NS
            ),
        )


def _lower_envelope(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and offset of the line below all points that has the least sum of distances to them.

    `x` must increase. Moon et al. 1999: it is the edge of the lower convex hull that spans the mean of `x`.
    """
    hull: list[int] = []
    for i in range(len(x)):
        while len(hull) >= 2 and _above(x, y, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    mean_x = sum(x) / len(x)
    for left, right in pairwise(hull):
        if x[right] >= mean_x:
            slope = (y[right] - y[left]) / (x[right] - x[left])
            return slope, y[left] - slope * x[left]
    raise ValueError("an envelope needs two points with increasing x")


def _above(x: list[float], y: list[float], left: int, middle: int, right: int) -> bool:
    """Whether the middle point lies on or above the chord of its neighbours."""
    return (y[middle] - y[left]) * (x[right] - x[left]) >= (y[right] - y[left]) * (x[middle] - x[left])
