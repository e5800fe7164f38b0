"""What a plain spectrum shows beside a line, so that noise is not taken for one.

Duty: the floor between lines of known spacing. Which lines these are is the caller's question.
"""

from __future__ import annotations

import math

import numpy as np

from dsp.plain_spectrum import PlainSpectrum

# Half the width of what a Hann line spreads over, in resolutions, rounded up.
_LOBE = 2.5
_LEAST_BINS = 8


def floor_between_lines(
    spectrum: PlainSpectrum, frequency_hz: float, reach_hz: float, spacing_hz: float
) -> float:
    """Median amplitude within `frequency_hz` +- `reach_hz`, in the unit of the samples.

    Leaves out the lines that stand at `frequency_hz` and whole multiples of `spacing_hz` from it. NaN where a
    record is too short to show anything between them, or the spectrum does not reach.
    """
    step_hz = spectrum.step_hz
    first = max(1, math.ceil((frequency_hz - reach_hz) / step_hz))
    last = math.floor((frequency_hz + reach_hz) / step_hz)
    if last >= len(spectrum.amplitude):
        return math.nan
    bins = np.arange(first, last + 1)
    apart = (bins * step_hz - frequency_hz) / spacing_hz
    free = bins[np.abs(apart - np.rint(apart)) * spacing_hz > _LOBE / spectrum.duration_s]
    if len(free) < _LEAST_BINS:
        return math.nan
    return float(np.median(spectrum.amplitude[free]))
