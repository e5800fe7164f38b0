"""Combs of harmonics in an order spectrum: each bearing fault's, and those that mean nothing.

Duty: one figure for each fault (level over the floor) and its guard against false alarms (decoy margin). Does
not decide what is wrong with a machine; that is `models.diagnosis`.

A fault repeats: its line and the next harmonics stand at one common multiple of shaft speed, slip included.
The comb's level is the mean level of four harmonics, each counted up to a cap, so that no single line makes a
fault. The same figure is taken at every other multiple in the neighbourhood (decoys): what a machine shows
at multiples that belong to no part says how much to believe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from dsp.bearing import BearingFault, FaultMultipliers
from dsp.envelope_orders import NOTCH_CELLS, OrderSpectrum, without_interference

HARMONICS = 4
LINE_TOLERANCE = 0.015  # slip and load move a line by up to this (relative) from its multiplier
# Loaded at an unknown contact angle of up to 40 degrees, gamma falls to 0.77 of its value at none.
LOWEST_GAMMA_PART = 0.77
MAINS_HZ = (50.0, 60.0)
_CAP = 6.0  # ln; 26 dB
_TIE = 1e-3
_DB = float(10.0 / np.log(10.0))  # ln of a power ratio to dB
_DECOY_QUANTILE = 0.98
_DECOY_DISTANCE = 1.5  # half widths that a decoy's centre stays away from what means something
# A rolling element slides outside the load zone: its spin, and with it its line, lags by 1 to 2 % (Randall
# and Antoni, "Rolling element bearing diagnostics", MSSP 25 (2011) 485). It never runs ahead.
SPIN_LAG = 0.02
# What slip smears is broad: a cell counts in it up to 10 dB, so that no sharp line of something else passes
# for one; and what stands whole shaft orders from a race's line that stands out counts as the race's.
_SMEARED_CAP = 10.0
_STANDS_OUT = (
    3.0  # prominence of a harmonic that is counted; noise of one record passes it in 5 % of the cells
)

LABELS = {
    BearingFault.OUTER_RACE: "BPFO",
    BearingFault.INNER_RACE: "BPFI",
    BearingFault.ROLLING_ELEMENT: "2xBSF",
    BearingFault.CAGE: "FTF",
}


@dataclass(frozen=True, slots=True)
class FaultLine:
    """What one record says of one fault: its comb of harmonics (and sidebands) in the envelope spectrum."""

    fault: BearingFault
    label: str  # "BPFO", "BPFI", "2xBSF", "FTF"
    multiplier: float  # as found, x shaft
    frequency_hz: float
    resolvable: bool  # False: the record is too short for this line; the levels are NaN then
    level_db: float  # comb above the local floor, dB
    decoy_margin: float  # how far above the best of the decoy combs (1.0 = equal), the false-alarm guard
    harmonics: int  # harmonics that stand out of the floor
    amplitude: float  # amplitude of the fundamental in the envelope spectrum's unit
    fundamental_db: float = float("nan")  # the first harmonic alone above the local floor
    sideband_of: BearingFault | None = None  # stands whole shaft orders from this fault's stronger line
    overtone: bool = False  # half its multiple carries as strong a comb: a second harmonic of something else
    # Lines that the fault's modulation adds: BPFI +- shaft, 2 x BSF +- FTF; for the cage, shaft - FTF.
    sideband_db: float = float("nan")
    # The fundamental's neighbourhood as a whole, for lines smeared by slip: mean over the floor, and as a
    # multiple of what the same width shows elsewhere.
    spread_db: float = float("nan")
    spread_margin: float = float("nan")
    # Records of this length have a bin of half the tolerance at the line itself; shorter ones are resolved,
    # if at all, at the comb's harmonics only.
    needed_s: float = float("nan")
    fundamental_resolved: bool = False
    joined: bool = False  # read from several records joined to one (`dsp.envelope_history`)

    @property
    def key(self) -> str:
        """Name under which a baseline knows its level: of joined records apart, since their floor differs."""
        return f"{self.label} joined" if self.joined else self.label


def fault_lines(
    spectrum: OrderSpectrum,
    multipliers: FaultMultipliers,
    tolerance: float = LINE_TOLERANCE,
    mains_hz: Sequence[float] = MAINS_HZ,
) -> tuple[FaultLine, ...]:
    """Lines of all four faults, outer race, inner race, rolling element, cage, in this order.

    `tolerance` (relative) is how far a line may stand from its multiplier; a bearing of unknown contact
    angle is given the whole range of loaded angles on top. A line is resolvable if the records' resolution
    is no coarser than half the tolerance at the comb's highest harmonic.
    """
    comb = _Comb(spectrum, multipliers, mains_hz)
    lines: list[FaultLine] = []
    for fault in (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT):
        bounds, sidebands = _range(multipliers, fault, tolerance), _SIDEBANDS[fault](multipliers)
        lines.append(comb.line(fault, bounds, sidebands, races=tuple(lines)))
    lines.append(comb.cage_line(multipliers.ftf, tolerance))
    return tuple(comb.with_need(comb.marked_sideband(line, lines), tolerance) for line in lines)


def lone_cage_line(
    spectrum: OrderSpectrum,
    multipliers: FaultMultipliers,
    tolerance: float = LINE_TOLERANCE,
    mains_hz: Sequence[float] = MAINS_HZ,
) -> FaultLine:
    """The cage's line of joined records, whose spectrum need reach no further than order 1.6."""
    comb = _Comb(spectrum, multipliers, mains_hz)
    line = comb.with_need(comb.cage_line(multipliers.ftf, tolerance), tolerance)
    return replace(line, joined=True)


def needed_record_s(multiplier: float, shaft_hz: float, tolerance: float) -> float:
    """Length of a record, s, whose bins are half the tolerance (relative) at a line of this multiplier.

    2 / (tolerance x multiplier x shaft speed): at 1800 r/min and 1 %, 1.9 s for the BPFO of a 6205, 17 s for
    its cage.
    """
    return 2.0 / (tolerance * multiplier * shaft_hz)


def highest_order(multipliers: FaultMultipliers, tolerance: float = LINE_TOLERANCE) -> float:
    """Order up to which an envelope spectrum must reach for all combs of this bearing."""
    faults = (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT)
    return HARMONICS * max(_range(multipliers, fault, tolerance)[1] for fault in faults) + 0.5


# Orders on each side of a fault's line at which its own modulation shows.
_SIDEBANDS: dict[BearingFault, Callable[[FaultMultipliers], tuple[float, ...]]] = {
    BearingFault.OUTER_RACE: lambda multipliers: (),
    BearingFault.INNER_RACE: lambda multipliers: (-1.0, 1.0),
    BearingFault.ROLLING_ELEMENT: lambda multipliers: (-multipliers.ftf, multipliers.ftf),
}


def _limit(decoys: npt.NDArray[np.float64]) -> float:
    return float(np.quantile(decoys, _DECOY_QUANTILE)) if len(decoys) else float("inf")


def _highest_below(values: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Largest of each value and the `reach` values before it."""
    origin = reach // 2 if reach % 2 == 0 else (reach - 1) // 2
    highest: npt.NDArray[np.float64] = maximum_filter1d(values, reach + 1, mode="nearest", origin=origin)
    return highest


def _range(multipliers: FaultMultipliers, fault: BearingFault, tolerance: float) -> tuple[float, float]:
    """Where a fault's line may stand, x shaft."""
    nominal = multipliers.of(fault)
    if multipliers.contact_angle_known:
        return nominal * (1.0 - tolerance), nominal * (1.0 + tolerance)
    gamma = multipliers.gamma
    low = LOWEST_GAMMA_PART * gamma
    factor = {
        BearingFault.OUTER_RACE: (1.0 - low) / (1.0 - gamma),
        BearingFault.INNER_RACE: (1.0 + low) / (1.0 + gamma),
        BearingFault.ROLLING_ELEMENT: (1.0 - low * low) / (1.0 - gamma * gamma),
        BearingFault.CAGE: (1.0 - low) / (1.0 - gamma),
    }[fault]
    return nominal * min(1.0, factor) * (1.0 - tolerance), nominal * max(1.0, factor) * (1.0 + tolerance)


class _Comb:
    """Comb levels of one order spectrum at every multiple from half the lowest to above the highest line."""

    def __init__(
        self, spectrum: OrderSpectrum, multipliers: FaultMultipliers, mains_hz: Sequence[float]
    ) -> None:
        self._spectrum = spectrum
        self._prominence = without_interference(spectrum, mains_hz)
        self._log = np.clip(np.log(np.maximum(self._prominence, 1e-3)), 0.0, _CAP)
        self._bearing_lines = (multipliers.bpfo, multipliers.bpfi, 2.0 * multipliers.bsf)
        self._lowest = 0.5 * multipliers.bpfo
        self._highest = 1.06 * max(multipliers.bpfi, 2.0 * multipliers.bsf)
        self._step = 0.25 / (spectrum.cells_per_order * HARMONICS * self._highest)

    # Not needed, and not computed, where only the cage's line is asked for.
    @cached_property
    def _grid(self) -> npt.NDArray[np.float64]:
        grid: npt.NDArray[np.float64] = np.exp(
            np.arange(np.log(self._lowest), np.log(self._highest), self._step)
        )
        return grid

    @cached_property
    def _levels(self) -> npt.NDArray[np.float64]:
        return self._mean_log(self._log, self._grid, HARMONICS)

    @cached_property
    def _ranks(self) -> npt.NDArray[np.float64]:
        # Among combs whose harmonics all reach the cap, the one that hits their crests.
        uncapped = np.log(np.maximum(self._prominence, 1.0))
        return self._levels + _TIE * self._mean_log(uncapped, self._grid, HARMONICS)

    def line(
        self,
        fault: BearingFault,
        bounds: tuple[float, float],
        sideband_orders: Sequence[float],
        races: Sequence[FaultLine] = (),
    ) -> FaultLine:
        """The strongest comb within `bounds` (x shaft); `races` are lines that were found before."""
        low, high = bounds
        inside = (self._grid >= low) & (self._grid <= high)
        centre, half = float(np.sqrt(low * high)), 0.5 * float(np.log(high / low))
        if not self._resolves(centre, half) or not inside.any():
            return self._unresolved(fault, centre)
        at = int(np.argmax(np.where(inside, self._ranks, -1.0)))
        multiplier, level = float(self._grid[at]), float(self._levels[at])
        reach = max(1, round(half / self._step))
        best_near = maximum_filter1d(self._levels, 2 * reach + 1, mode="nearest")
        nothing = self._means_nothing(multiplier, half)
        found = self._found(fault, multiplier, level, _limit(best_near[nothing]))
        spread = self._spread(half, races if fault is BearingFault.ROLLING_ELEMENT else ())
        if fault is BearingFault.ROLLING_ELEMENT:
            reach = round(SPIN_LAG / self._step)
            spread = _highest_below(spread, reach)
            nothing = _highest_below((~nothing).astype(np.float64), reach) == 0.0
        elsewhere = _limit(spread[nothing])
        here = float(spread[np.argmin(np.abs(self._grid - centre))])
        return replace(
            found,
            sideband_db=self._sidebands_db([multiplier + offset for offset in sideband_orders]),
            spread_db=_DB * float(np.log(max(here, 1e-3))),
            spread_margin=here / max(elsewhere, 0.05),
        )

    def cage_line(self, ftf: float, tolerance: float) -> FaultLine:
        """The cage's comb: FTF, its next two harmonics, and 1 - FTF (the cage seen from the turning race)."""
        if not self._resolves(ftf, tolerance):
            return self._unresolved(BearingFault.CAGE, ftf)
        grid = np.exp(np.arange(np.log(0.55 * ftf), np.log(0.49), 0.5 * self._step * HARMONICS))
        levels = (3.0 * self._mean_log(self._log, grid, 3) + self._log[self._cells(1.0 - grid)]) / 4.0
        inside = np.abs(np.log(grid / ftf)) <= tolerance
        at = int(np.argmax(np.where(inside, levels, -1.0)))
        reach = max(1, round(tolerance / (0.5 * self._step * HARMONICS)))
        best_near = maximum_filter1d(levels, 2 * reach + 1, mode="nearest")
        apart = np.abs(grid - ftf) > 3.0 * tolerance * ftf
        for relative in (0.5 * (1.0 - ftf), 2.0 * ftf / 3.0):
            apart &= np.abs(grid - relative) > 2.0 * tolerance * relative
        decoys = best_near[apart]
        found = self._found(BearingFault.CAGE, float(grid[at]), float(levels[at]), _limit(decoys))
        return replace(found, sideband_db=self._sidebands_db([1.0 - found.multiplier]))

    def marked_sideband(self, line: FaultLine, lines: Sequence[FaultLine]) -> FaultLine:
        """The line, marked if it stands 1 or 2 shaft orders from another fault's stronger fundamental."""
        if not line.resolvable or line.fault is BearingFault.CAGE:
            return line
        for other in lines:
            if other.fault in (line.fault, BearingFault.CAGE) or not other.resolvable:
                continue
            distance = abs(line.multiplier - other.multiplier)
            near_whole = abs(distance - round(distance)) <= 3.0 / self._spectrum.cells_per_order
            if near_whole and round(distance) in (1, 2) and other.fundamental_db > line.fundamental_db:
                return replace(line, sideband_of=other.fault)
        return line

    def with_need(self, line: FaultLine, tolerance: float) -> FaultLine:
        """The line with the length of record that its fundamental needs, and whether that is there."""
        needed_s = needed_record_s(line.multiplier, self._spectrum.shaft_hz, tolerance)
        record_s = 1.0 / (self._spectrum.resolution_orders * self._spectrum.shaft_hz)
        enough = record_s >= needed_s * (1.0 - 1e-6)
        return replace(line, needed_s=needed_s, fundamental_resolved=line.resolvable and enough)

    def _found(self, fault: BearingFault, multiplier: float, level: float, limit: float) -> FaultLine:
        fundamental = self._peak(multiplier, self._prominence)
        counted = [
            harmonic
            for harmonic in range(1, HARMONICS + 1)
            if self._peak(harmonic * multiplier, self._prominence) >= _STANDS_OUT
        ]
        return FaultLine(
            fault=fault,
            label=LABELS[fault],
            multiplier=multiplier,
            frequency_hz=multiplier * self._spectrum.shaft_hz,
            resolvable=True,
            level_db=_DB * level,
            decoy_margin=level / max(limit, 0.05),
            harmonics=len(counted),
            amplitude=self._peak(multiplier, self._spectrum.depth),
            overtone=self._level(0.5 * multiplier) >= level,
            fundamental_db=_DB * float(np.log(max(fundamental, 1e-3))),
        )

    def _level(self, multiple: float) -> float:
        near = multiple * np.exp(np.arange(-6, 7) * self._step * 4.0)
        return float(self._mean_log(self._log, near, HARMONICS).max())

    def _sidebands_db(self, orders: Sequence[float]) -> float:
        peaks = [max(self._peak(order, self._prominence), 1e-3) for order in orders]
        return _DB * float(np.mean(np.log(peaks))) if peaks else float("nan")

    def _spread(self, half: float, races: Sequence[FaultLine]) -> npt.NDArray[np.float64]:
        """Mean prominence within +- `half` (relative) of each multiple of the grid: what is broad, and no
        race's."""
        broad = np.minimum(self._prominence, _SMEARED_CAP)
        for race in races:
            if race.resolvable and self._peak(race.multiplier, self._prominence) >= _STANDS_OUT:
                for order in range(-2, 3):
                    cell = max(0, round((race.multiplier + order) * self._spectrum.cells_per_order))
                    around = slice(max(0, cell - NOTCH_CELLS), cell + NOTCH_CELLS + 1)
                    broad[around] = np.minimum(broad[around], 1.0)
        total = np.concatenate(([0.0], np.cumsum(broad)))
        first = self._cells(self._grid * (1.0 - half))
        last = self._cells(self._grid * (1.0 + half)) + 1
        mean: npt.NDArray[np.float64] = (total[last] - total[first]) / (last - first)
        return mean

    def _unresolved(self, fault: BearingFault, multiplier: float) -> FaultLine:
        nan = float("nan")
        frequency_hz = multiplier * self._spectrum.shaft_hz
        return FaultLine(fault, LABELS[fault], multiplier, frequency_hz, False, nan, nan, 0, nan)

    def _resolves(self, multiplier: float, tolerance: float) -> bool:
        top = HARMONICS * multiplier * (1.0 + tolerance)
        while top > self._spectrum.max_order:
            top -= multiplier
        harmonics = round(top / multiplier)
        return harmonics >= 2 and self._spectrum.resolution_orders <= 0.5 * tolerance * harmonics * multiplier

    def _means_nothing(self, multiplier: float, half: float) -> npt.NDArray[np.bool_]:
        """Multiples whose comb holds neither this line's relatives nor those of the bearing's other lines."""
        free = np.ones(len(self._grid), bool)
        relatives = [multiplier * h / q + j for h, q in ((1, 1), (2, 1), (1, 2)) for j in (-2, -1, 0, 1, 2)]
        relatives += [multiplier / 3.0, 2.0 * multiplier / 3.0, 1.5 * multiplier]
        relatives += [line + j for line in self._bearing_lines for j in (-1, 0, 1)]
        for relative in relatives:
            if relative > 0.0:
                free &= np.abs(self._grid - relative) > _DECOY_DISTANCE * half * relative
        return free

    def _mean_log(
        self, logarithm: npt.NDArray[np.float64], multiples: npt.NDArray[np.float64], harmonics: int
    ) -> npt.NDArray[np.float64]:
        total = np.zeros(len(multiples))
        count = np.zeros(len(multiples))
        for harmonic in range(1, harmonics + 1):
            seen = harmonic * multiples <= self._spectrum.max_order
            total += np.where(seen, logarithm[self._cells(harmonic * multiples)], 0.0)
            count += seen
        mean: npt.NDArray[np.float64] = total / np.maximum(count, 2.0)
        return mean

    def _cells(self, orders: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        cells = np.rint(orders * self._spectrum.cells_per_order).astype(np.intp)
        return np.clip(cells, 0, len(self._log) - 1)

    def _peak(self, order: float, values: npt.NDArray[np.floating]) -> float:
        """Largest value within a Hann line's main lobe around an order, 0 beyond the spectrum."""
        cell = round(order * self._spectrum.cells_per_order)
        around = values[max(0, cell - 2) : cell + 3]
        return float(around.max()) if len(around) else 0.0
