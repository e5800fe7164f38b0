"""Cepstrum prewhitening: a spectrum whose every component has the same magnitude.

Duty: take tones and resonances off a record, so that what remains is told by phase alone: impulses. Does not
demodulate (see `dsp.envelope_spectrum`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Components weaker than this part of the strongest are rounding noise, and stay as weak as they are.
_NEGLIGIBLE = 1e-6


def prewhitened_spectrum(spectrum: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    """Half spectrum `(n_bins,)` with all magnitudes set to one, its mean (bin 0) to zero.

    Setting the whole real cepstrum but its zeroth coefficient to zero leaves exactly X/|X| (Borghesani,
    Pennacchi, Randall, Sawalhi and Ricci, "Application of cepstrum pre-whitening for the diagnosis of
    bearing faults under variable speed conditions", Mechanical Systems and Signal Processing 36 (2013)).
    A silent record stays zero.
    """
    magnitude = np.abs(spectrum)
    largest = float(magnitude.max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(spectrum)
    white = spectrum / np.maximum(magnitude, np.float32(_NEGLIGIBLE * largest))
    white[0] = 0.0
    return white.astype(np.complex64, copy=False)
