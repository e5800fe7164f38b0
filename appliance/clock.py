"""Monotonic time to wall time, and whether the wall time can be trusted.

Duty: one place that knows how monotonic nanoseconds become UTC nanoseconds, whether the kernel says that
the clock is disciplined (NTP, PTP), and what to tell the operator. Never answers 1970: an implausible wall
clock is replaced by the latest known time plus what has elapsed. A clock that was trusted and is then set is
doubted until it has stood for a minute, or stands again where it was: a time server that errs, or a hand that
does, is put right within it, and what was recorded meanwhile gets its time from the clock before and after.
Does not set the clock and does not resolve provisional times afterwards.

The monotonic clock counts from the kernel's boot: values of two boots cannot be compared, values of two
starts of the service within one boot can.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Nothing this software writes can be older than itself, nor is a box plausible that runs after the year 2100.
EARLIEST_PLAUSIBLE_NS = 1_735_689_600 * 1_000_000_000  # 2025-01-01T00:00:00Z
LATEST_PLAUSIBLE_NS = 4_102_444_800 * 1_000_000_000  # 2100-01-01T00:00:00Z
STEP_NS = 500_000_000  # a wall clock that moves this far between two looks was set, not slewed
LOOK_INTERVAL_NS = 1_000_000_000
STANDS_NS = 60_000_000_000  # a trusted clock that was set is believed again when it has stood so long
SLEW_LIMIT = 1e-3  # twice what the kernel slews by


@dataclass(frozen=True, slots=True)
class WallTime:
    """UTC nanoseconds since 1970; `trusted` False means provisional."""

    time_ns: int
    trusted: bool


@dataclass(frozen=True, slots=True)
class ClockState:
    """What the clock is worth, in words for the operator."""

    trusted: bool
    source: str  # "system clock, disciplined", "system clock, undisciplined", "system clock, just set",
    # "last known time", "replay"
    text: str  # what is wrong and what to do; or that all is well
    steps: int = 0  # how often the wall clock was set while running
    last_step_s: float | None = None


@dataclass(frozen=True, slots=True)
class Discipline:
    """What the kernel says about its clock: `synchronised` None where it will not say."""

    synchronised: bool | None
    max_error_s: float | None = None


class Clock(Protocol):
    """The time of the appliance. One implementation runs, another replays or is set by tests."""

    def monotonic_ns(self) -> int: ...

    def wall(self, monotonic_ns: int) -> WallTime:
        """UTC of a monotonic time of this boot, past or present."""
        ...

    def state(self) -> ClockState: ...

    def not_before(self, time_ns: int) -> None:
        """Tell the clock a UTC time that has certainly passed (the newest in the journal)."""
        ...

    def was(self, monotonic_ns: int, time_ns: int) -> None:
        """Tell the clock the UTC that it had, trusted, at a monotonic time of this boot before this start."""
        ...


@dataclass(frozen=True, slots=True)
class _Offset:
    """UTC at monotonic 0, as the clock had it at a monotonic time."""

    offset_ns: int
    at_ns: int

    def agrees(self, offset_ns: int, now_ns: int) -> bool:
        """Whether slewing explains what the clock has now."""
        passed_ns = max(0, now_ns - self.at_ns)
        return abs(offset_ns - self.offset_ns) <= STEP_NS + passed_ns * SLEW_LIMIT


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2) on 64-bit Linux; only read (modes = 0), which needs no privilege."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


def kernel_discipline() -> Discipline:
    """What adjtimex(2) says now. A sandbox that forbids the call gives `synchronised` None."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return Discipline(None)
    if state < 0:
        return Discipline(None)
    synchronised = state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return Discipline(synchronised, timex.maxerror / 1e6)


class SystemClock:
    """The host's clocks. Looks at the wall clock at most once a second and remembers the offset between.

    `monotonic`, `wall_clock` and `discipline` are replaceable for tests of a dead battery or a stepped clock.
    """

    def __init__(
        self,
        monotonic: Callable[[], int] = time.monotonic_ns,
        wall_clock: Callable[[], int] = time.time_ns,
        discipline: Callable[[], Discipline] = kernel_discipline,
    ) -> None:
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._discipline = discipline
        self._looked_ns: int | None = None
        self._offset_ns = 0
        self._plausible = False
        self._kernel = Discipline(None)
        self._sure: _Offset | None = None  # as it was last trusted
        self._set: _Offset | None = None  # disciplined, but not where it was: since when, and where
        self._floor_ns = EARLIEST_PLAUSIBLE_NS
        self._floor_at_ns = monotonic()
        self._steps = 0
        self._last_step_s: float | None = None

    def monotonic_ns(self) -> int:
        return self._monotonic()

    def wall(self, monotonic_ns: int) -> WallTime:
        self._look()
        if not self._plausible:
            return WallTime(self._floor_ns + (monotonic_ns - self._floor_at_ns), False)
        return WallTime(self._offset_ns + monotonic_ns, self._trusted)

    def was(self, monotonic_ns: int, time_ns: int) -> None:
        if monotonic_ns <= self._monotonic() and EARLIEST_PLAUSIBLE_NS <= time_ns < LATEST_PLAUSIBLE_NS:
            self._sure = _Offset(time_ns - monotonic_ns, monotonic_ns)
            self._looked_ns = None  # judge the wall clock anew

    def not_before(self, time_ns: int) -> None:
        if EARLIEST_PLAUSIBLE_NS <= time_ns < LATEST_PLAUSIBLE_NS:
            now_ns = self._monotonic()
            if time_ns > self._floor_ns + (now_ns - self._floor_at_ns):
                self._floor_ns, self._floor_at_ns = time_ns, now_ns
                self._looked_ns = None  # judge the wall clock anew

    def state(self) -> ClockState:
        self._look()
        if not self._plausible:
            trusted, source, text = (
                False,
                "last known time",
                "The clock of this box is not set, or stands behind what was already recorded. Times count "
                "on from the last record and are provisional. Connect the box to a time server (NTP) and "
                "check its battery.",
            )
        elif self._set is not None:
            trusted, source, text = (
                False,
                "system clock, just set",
                "The clock was set, though a time server keeps it. Times are provisional until it has stood "
                f"for {STANDS_NS // 1_000_000_000} s, or stands where it was.",
            )
        elif self._kernel.synchronised is True:
            error_s = self._kernel.max_error_s
            bound = f", error at most {error_s:.3g} s" if error_s is not None else ""
            trusted, source, text = (
                True,
                "system clock, disciplined",
                f"The clock is kept by a time server{bound}.",
            )
        elif self._kernel.synchronised is None:
            trusted, source, text = (
                False,
                "system clock, undisciplined",
                "The kernel does not say whether a time server keeps this clock (usual in a container). "
                "Times are provisional. Run the time service on the host, or grant the service adjtimex.",
            )
        else:
            trusted, source, text = (
                False,
                "system clock, undisciplined",
                "No time server keeps this clock (the kernel reports it as unsynchronised; usual in a "
                "container). Times are provisional. Check the time service (chronyc tracking, "
                "timedatectl) and the way to the time server.",
            )
        return ClockState(trusted, source, text, self._steps, self._last_step_s)

    def _look(self) -> None:
        now_ns = self._monotonic()
        if self._looked_ns is not None and now_ns - self._looked_ns < LOOK_INTERVAL_NS:
            return
        wall_ns = self._wall_clock()
        offset_ns = wall_ns - now_ns
        # A disciplined clock is slewed by at most 500 ppm: more than STEP_NS between two looks was a step.
        if self._looked_ns is not None and abs(offset_ns - self._offset_ns) > STEP_NS:
            self._steps += 1
            self._last_step_s = (offset_ns - self._offset_ns) / 1e9
        self._looked_ns = now_ns
        self._offset_ns = offset_ns
        self._kernel = self._discipline()
        # A clock behind the product's own age is unset; one that no server keeps and that stands well behind
        # what the journal has seen has lost its battery (an hour is granted to a person who sets the clock).
        known_ns = self._floor_ns + (now_ns - self._floor_at_ns)
        behind = self._kernel.synchronised is not True and wall_ns < known_ns - 3_600 * 1_000_000_000
        self._plausible = EARLIEST_PLAUSIBLE_NS <= wall_ns < LATEST_PLAUSIBLE_NS and not behind
        self._doubt(offset_ns, now_ns)
        if self._trusted:  # what to count on from, should it be lost
            self._floor_ns, self._floor_at_ns = wall_ns, now_ns

    @property
    def _trusted(self) -> bool:
        return self._plausible and self._kernel.synchronised is True and self._set is None

    def _doubt(self, offset_ns: int, now_ns: int) -> None:
        """Hold a disciplined clock against where it stood when it was last trusted."""
        if not self._plausible or self._kernel.synchronised is not True:
            self._set = None
            return
        if self._sure is not None and not self._sure.agrees(offset_ns, now_ns):
            if self._set is None or not self._set.agrees(offset_ns, now_ns):
                self._set = _Offset(offset_ns, now_ns)
            if now_ns - self._set.at_ns < STANDS_NS:
                return
        self._sure, self._set = _Offset(offset_ns, now_ns), None


class ReplayClock:
    """A clock that stands where it is put: for replays (ns since the first sample) and tests."""

    def __init__(self, start_time_ns: int = EARLIEST_PLAUSIBLE_NS, trusted: bool = True) -> None:
        """`start_time_ns` is the UTC of monotonic 0 (when the recording was made, if known)."""
        self._start_time_ns = start_time_ns
        self._trusted = trusted
        self._now_ns = 0

    def monotonic_ns(self) -> int:
        return self._now_ns

    def set(self, monotonic_ns: int) -> None:
        """Put the clock at this time; may also go back (a test of it)."""
        self._now_ns = monotonic_ns

    def advance(self, step_ns: int) -> None:
        self._now_ns += step_ns

    def set_trusted(self, trusted: bool) -> None:
        self._trusted = trusted

    def wall(self, monotonic_ns: int) -> WallTime:
        return WallTime(self._start_time_ns + monotonic_ns, self._trusted)

    def state(self) -> ClockState:
        return ClockState(self._trusted, "replay", "Times are those of the recording.")

    def not_before(self, time_ns: int) -> None:
        """A recording's time is what it is."""

    def was(self, monotonic_ns: int, time_ns: int) -> None:
        """A recording's time is what it is."""


def kernel_boot_id() -> str:
    """The id of this kernel boot, 36 characters: the life of the monotonic clock; random if unreadable."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.urandom(16).hex()
