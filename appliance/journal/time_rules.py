"""Which UTC a monotonic time of a boot stands for, once something is known of that boot's clock.

Duty: the rules by which provisional times are resolved. Pure: no clock, no database.

An *anchor* is an instant of which both are known: the monotonic time of a kernel's boot, and UTC as a trusted
clock said it. Monotonic time is never set, only slewed (by at most 500 ppm), so:

1. Between two anchors of a boot the difference UTC - monotonic goes linearly from one to the other. Where the
   two contradict each other by more than slewing explains, the nearer one counts.
2. Before the first or after the last anchor of a boot, that one's difference holds.
3. A boot without any anchor lies between its neighbours: it began after the last anchor before it, and ended
   before the next boot with an anchor began. Its intervals are exact, its place is moved by no more than what
   brings it between them, and the most that this can be wrong by is stated. Without a neighbour on each side,
   or where they leave no room, nothing is known, and its times stay provisional.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

SLEW_LIMIT = 1e-3  # twice what the kernel slews by: 500 ppm, and the oscillator's own error
CONTRADICTION_NS = 1_000_000_000  # granted beside it
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """UTC was `time_ns` at `monotonic_ns` of one kernel boot; `bound_s` 0: a trusted clock said so, else the
    true UTC lies within plus or minus so many seconds (rule 3)."""

    monotonic_ns: int
    time_ns: int
    bound_s: int = 0

    @property
    def offset_ns(self) -> int:
        """UTC at monotonic 0."""
        return self.time_ns - self.monotonic_ns


@dataclass(frozen=True, slots=True)
class Resolved:
    """UTC ns of a monotonic time; `bound_s` as of its anchor."""

    time_ns: int
    bound_s: int


@dataclass(frozen=True, slots=True)
class UnknownBoot:
    """A boot without any anchor: the monotonic time and the provisional UTC of its last record."""

    last_monotonic_ns: int
    provisional_ns: int

    @property
    def offset_ns(self) -> int:
        """UTC at monotonic 0, as its clock had it in the end."""
        return self.provisional_ns - self.last_monotonic_ns


def resolved(monotonic_ns: int, anchors: Sequence[Anchor]) -> Resolved:
    """Rules 1 and 2: UTC by the anchors of the same boot, ordered by monotonic time, at least one."""
    index = bisect_left(anchors, monotonic_ns, key=lambda anchor: anchor.monotonic_ns)
    before = anchors[index - 1] if index > 0 else None
    after = anchors[index] if index < len(anchors) else None
    if before is None or after is None:
        one = after if before is None else before
        assert one is not None, "no anchor"
        return Resolved(one.offset_ns + monotonic_ns, one.bound_s)
    span_ns = after.monotonic_ns - before.monotonic_ns
    passed_ns = monotonic_ns - before.monotonic_ns
    drift_ns = after.offset_ns - before.offset_ns
    bound_s = max(before.bound_s, after.bound_s)
    if abs(drift_ns) > CONTRADICTION_NS + span_ns * SLEW_LIMIT:
        nearer = before if passed_ns * 2 < span_ns else after
        return Resolved(nearer.offset_ns + monotonic_ns, bound_s)
    # Whole numbers: a float of today's UTC is no better than 256 ns.
    return Resolved(before.offset_ns + drift_ns * passed_ns // span_ns + monotonic_ns, bound_s)


def between_neighbours(
    lower_ns: int | None, upper_ns: int | None, boots: Sequence[UnknownBoot]
) -> list[Anchor] | None:
    """Rule 3: an anchor for each of consecutive boots without one, in order; None where nothing is known.

    `lower_ns` is the UTC of the last anchor before the first of them, `upper_ns` the UTC at which the next
    boot with an anchor began.
    """
    needed_ns = sum(boot.last_monotonic_ns for boot in boots)
    if lower_ns is None or upper_ns is None or upper_ns - lower_ns < needed_ns:
        return None
    room_ns = upper_ns - lower_ns - needed_ns
    anchors: list[Anchor] = []
    earliest_ns = lower_ns  # at which the boot can have begun, had all before it followed at once
    not_before_ns = lower_ns  # at which it began, given where the one before it was placed
    for boot in boots:
        latest_ns = earliest_ns + room_ns
        offset_ns = max(min(max(boot.offset_ns, earliest_ns), latest_ns), not_before_ns)
        wrong_ns = max(offset_ns - earliest_ns, latest_ns - offset_ns)
        bound_s = max(1, -(-wrong_ns // SECOND_NS))
        anchors.append(Anchor(boot.last_monotonic_ns, offset_ns + boot.last_monotonic_ns, bound_s))
        earliest_ns += boot.last_monotonic_ns
        not_before_ns = offset_ns + boot.last_monotonic_ns
    return anchors
