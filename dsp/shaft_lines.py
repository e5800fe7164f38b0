"""The shaft's own lines in the plain spectrum: harmonics, half orders, the gear mesh where there is a gear.

Duty: how strong they are, and what stands between them. Whether they rose, and what that means, is
`models.diagnosis`' question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.line_floor import floor_between_lines
from dsp.plain_spectrum import PlainSpectrum

# What looseness lifts: whole harmonics beyond those of unbalance and misalignment, and half orders.
SERIES_ORDERS = (0.5, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
_NONE = (float("nan"),) * len(SERIES_ORDERS)


@dataclass(frozen=True, slots=True)
class ShaftLines:
    """Peak amplitudes in the unit of the samples; NaN where the record cannot show the line."""

    harmonics: tuple[float, float, float]  # 1x, 2x, 3x
    mesh: float  # gear mesh: teeth x shaft
    mesh_sidebands: float  # mean of mesh -1x and mesh +1x
    series: tuple[float, ...] = _NONE  # at `SERIES_ORDERS`
    series_floor: tuple[float, ...] = _NONE  # median between the shaft's lines around each
    mesh_floor: float = float("nan")  # the same around the mesh and its sidebands

    def velocity_share(self, harmonic: int) -> float:
        """Part of one harmonic (1..3) in the vibration velocity of all three, by energy, 0..1."""
        velocities = [amplitude / order for order, amplitude in enumerate(self.harmonics, start=1)]
        energy = sum(velocity * velocity for velocity in velocities)
        return velocities[harmonic - 1] ** 2 / energy if energy > 0.0 else 0.0


def median_shaft_lines(records: Sequence[ShaftLines]) -> ShaftLines:
    """Median of each line over records, so that one odd record says nothing. Raises DspError if none."""
    if not records:
        raise DspError("median_shaft_lines: no record given; at least one is needed")
    rows = np.array(
        [
            (
                *lines.harmonics,
                lines.mesh,
                lines.mesh_sidebands,
                lines.mesh_floor,
                *lines.series,
                *lines.series_floor,
            )
            for lines in records
        ]
    )
    medians = [float(value) for value in np.median(rows, axis=0)]
    first, second, third, mesh, sidebands, mesh_floor, *series = medians
    of, floors = tuple(series[: len(SERIES_ORDERS)]), tuple(series[len(SERIES_ORDERS) :])
    return ShaftLines((first, second, third), mesh, sidebands, of, floors, mesh_floor)


def shaft_lines(spectrum: PlainSpectrum, shaft_hz: float, gear_teeth: int | None = None) -> ShaftLines:
    """Amplitudes of the shaft's lines in one record, each the largest within a Hann line's main lobe.

    Half orders need some 16 revolutions: a shorter record shows no floor between them, and none is stated.
    Raises DspError if the speed is not above 0 or the record shorter than four revolutions.
    """
    if not (np.isfinite(shaft_hz) and shaft_hz > 0.0):
        raise DspError(f"shaft_hz is {shaft_hz}; a finite speed above 0 is needed")
    if spectrum.duration_s * shaft_hz < 4.0:
        raise DspError(f"a record of {spectrum.duration_s:.2f} s is shorter than four revolutions")
    step_hz, amplitudes = spectrum.step_hz, spectrum.amplitude

    def amplitude(frequency_hz: float) -> float:
        # A tenth of the shaft's spacing at most: the neighbour's lobe must stay out.
        reach = max(1, min(4 + round(0.003 * frequency_hz / step_hz), round(0.1 * shaft_hz / step_hz)))
        at = round(frequency_hz / step_hz)
        around = amplitudes[max(0, at - reach) : at + reach + 1]
        return float(around.max()) if at + reach < len(amplitudes) else float("nan")

    first, second, third = (amplitude(order * shaft_hz) for order in (1, 2, 3))
    floors = tuple(
        floor_between_lines(spectrum, order * shaft_hz, 0.5 * shaft_hz, 0.5 * shaft_hz)
        for order in SERIES_ORDERS
    )
    series = tuple(
        amplitude(order * shaft_hz) if np.isfinite(floor) else float("nan")
        for order, floor in zip(SERIES_ORDERS, floors, strict=True)
    )
    if gear_teeth is None:
        return ShaftLines((first, second, third), float("nan"), float("nan"), series, floors)
    below, mesh, above = (amplitude((gear_teeth + offset) * shaft_hz) for offset in (-1, 0, 1))
    mesh_floor = floor_between_lines(spectrum, gear_teeth * shaft_hz, 1.5 * shaft_hz, shaft_hz)
    return ShaftLines((first, second, third), mesh, 0.5 * (below + above), series, floors, mesh_floor)
