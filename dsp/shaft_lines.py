"""The shaft's own lines in the plain spectrum: 1x, 2x, 3x, and the gear mesh where there is a gear.

Duty: how strong they are. Whether they rose, and what that means, is `models.diagnosis`' question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.plain_spectrum import PlainSpectrum


@dataclass(frozen=True, slots=True)
class ShaftLines:
    """Peak amplitudes in the unit of the samples; NaN where the record cannot show the line."""

    harmonics: tuple[float, float, float]  # 1x, 2x, 3x
    mesh: float  # gear mesh: teeth x shaft
    mesh_sidebands: float  # mean of mesh -1x and mesh +1x

    def velocity_share(self, harmonic: int) -> float:
        """Part of one harmonic (1..3) in the vibration velocity of all three, by energy, 0..1."""
        velocities = [amplitude / order for order, amplitude in enumerate(self.harmonics, start=1)]
        energy = sum(velocity * velocity for velocity in velocities)
        return velocities[harmonic - 1] ** 2 / energy if energy > 0.0 else 0.0


def median_shaft_lines(records: Sequence[ShaftLines]) -> ShaftLines:
    """Median of each line over records, so that one odd record says nothing. Raises DspError if none."""
    if not records:
        raise DspError("median_shaft_lines: no record given; at least one is needed")
    rows = np.array([(*lines.harmonics, lines.mesh, lines.mesh_sidebands) for lines in records])
    first, second, third, mesh, sidebands = (float(value) for value in np.median(rows, axis=0))
    return ShaftLines((first, second, third), mesh, sidebands)


def shaft_lines(spectrum: PlainSpectrum, shaft_hz: float, gear_teeth: int | None = None) -> ShaftLines:
    """Amplitudes of the shaft's lines in one record, each the largest within a Hann line's main lobe.

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
    if gear_teeth is None:
        return ShaftLines((first, second, third), float("nan"), float("nan"))
    below, mesh, above = (amplitude((gear_teeth + offset) * shaft_hz) for offset in (-1, 0, 1))
    return ShaftLines((first, second, third), mesh, 0.5 * (below + above))
