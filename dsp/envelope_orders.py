"""The envelope spectrum over multiples of shaft speed, so that records at different speeds can be averaged.

Duty: resample, average, and take out what is no bearing's: the shaft's harmonics and the mains' pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsp.envelope_spectrum import EnvelopeSpectrum
from dsp.errors import DspError
from dsp.samples import Float32Array

# Half the width of what is taken out around a line, in cells (half the resolution): a Hann line's main lobe.
NOTCH_CELLS = 3


@dataclass(frozen=True, slots=True)
class OrderSpectrum:
    """Modulation over orders: cell k stands at `k / cells_per_order` times shaft speed."""

    shaft_hz: float
    cells_per_order: int
    resolution_orders: float  # of the shortest record in it
    records: int  # how many were averaged
    prominence: Float32Array  # (n_cells,) power over the local floor; noise: about 1
    depth: Float32Array  # (n_cells,) modulation amplitude, part of the mean squared envelope
    impulsiveness: float  # median of the records'

    @property
    def max_order(self) -> float:
        """Largest order that is covered."""
        return (len(self.prominence) - 1) / self.cells_per_order


def order_spectrum(envelope: EnvelopeSpectrum, shaft_hz: float) -> OrderSpectrum:
    """One record's envelope spectrum over orders of `shaft_hz`. Raises DspError if that is not above 0."""
    if not (np.isfinite(shaft_hz) and shaft_hz > 0.0):
        raise DspError(f"shaft_hz is {shaft_hz}; a finite speed above 0 is needed")
    cells_per_order = max(4, round(shaft_hz / envelope.step_hz))
    n_bins = len(envelope.prominence)
    n_cells = int((n_bins - 1) * envelope.step_hz / shaft_hz * cells_per_order) + 1
    at = np.arange(n_cells) * (shaft_hz / cells_per_order / envelope.step_hz)
    bins = np.minimum(np.rint(at).astype(np.intp), n_bins - 1)
    return OrderSpectrum(
        shaft_hz=shaft_hz,
        cells_per_order=cells_per_order,
        resolution_orders=envelope.resolution_hz / shaft_hz,
        records=1,
        prominence=envelope.prominence[bins],
        depth=envelope.depth[bins],
        impulsiveness=envelope.impulsiveness,
    )


def mean_order_spectrum(spectra: Sequence[OrderSpectrum]) -> OrderSpectrum:
    """Mean of several records' spectra, on the grid of the first, up to the shortest of them.

    Raises DspError if none is given.
    """
    if not spectra:
        raise DspError("mean_order_spectrum: no spectrum given; at least one is needed")
    first = spectra[0]
    if len(spectra) == 1:
        return first
    cells = first.cells_per_order
    n_cells = int(min(spectrum.max_order for spectrum in spectra) * cells) + 1
    orders = np.arange(n_cells) / cells
    prominence = np.zeros(n_cells)
    power = np.zeros(n_cells)
    for spectrum in spectra:
        prominence += _resampled(spectrum, spectrum.prominence, orders, cells)
        power += _resampled(spectrum, np.square(spectrum.depth), orders, cells)
    return OrderSpectrum(
        shaft_hz=float(np.mean([spectrum.shaft_hz for spectrum in spectra])),
        cells_per_order=cells,
        resolution_orders=max(spectrum.resolution_orders for spectrum in spectra),
        records=sum(spectrum.records for spectrum in spectra),
        prominence=(prominence / len(spectra)).astype(np.float32),
        depth=np.sqrt(power / len(spectra)).astype(np.float32),
        impulsiveness=float(np.median([spectrum.impulsiveness for spectrum in spectra])),
    )


def without_interference(spectrum: OrderSpectrum, mains_hz: Sequence[float]) -> npt.NDArray[np.float64]:
    """Prominence `(n_cells,)` with harmonics of the shaft and of twice the mains brought down to 1 (noise).

    Magnetic pull modulates at twice the supply frequency; `mains_hz` are the supplies that may be there.
    """
    prominence = spectrum.prominence.astype(np.float64)
    cells = spectrum.cells_per_order
    last = len(prominence) - 1
    lines = [float(k) for k in range(1, int(last / cells) + 1)]
    for mains in mains_hz:
        pull = 2.0 * mains / spectrum.shaft_hz
        lines += [pull * k for k in range(1, int(last / cells / pull) + 1)]
    prominence[: NOTCH_CELLS + 1] = np.minimum(prominence[: NOTCH_CELLS + 1], 1.0)
    for line in lines:
        cell = round(line * cells)
        around = slice(max(0, cell - NOTCH_CELLS), cell + NOTCH_CELLS + 1)
        prominence[around] = np.minimum(prominence[around], 1.0)
    return prominence


def _resampled(
    spectrum: OrderSpectrum, values: Float32Array, orders: npt.NDArray[np.float64], cells: int
) -> npt.NDArray[np.float64]:
    if spectrum.cells_per_order == cells:
        return values[: len(orders)].astype(np.float64)
    at: npt.NDArray[np.float64] = np.interp(orders, np.arange(len(values)) / spectrum.cells_per_order, values)
    return at
