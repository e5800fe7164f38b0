"""Spectra and their scaling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dsp.samples import Float32Array


class SpectrumKind(StrEnum):
    AMPLITUDE = "amplitude"  # peak amplitude per bin, unit of the channel
    PSD = "psd"  # unit^2/Hz
    ENVELOPE = "envelope"  # amplitude spectrum of the squared envelope, unit^2
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One spectrum: `values[k]` stands at `first_hz + k * step_hz`."""

    channel_id: str
    start_ns: int
    kind: SpectrumKind
    first_hz: float
    step_hz: float
    values: Float32Array  # (n_bins,)
    unit: str
