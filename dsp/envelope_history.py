"""A channel's envelope over the last seconds, decimated, for the line that usual records are too short for.

Duty: join the envelopes of consecutive records of evidence to one record so long that a bin is at most half
the tolerance at the cage's line (17 s at 1800 r/min and 1 %), and read that line from it. Every record is
whitened and demodulated on its own, in bands that do not overlap; of each only the middle is kept, where its
ends do not ring, at four times the highest modulation that the cage shows. So what is kept does not grow with
the sampling rate, and not with the shaft's period either: some 1,500 values a band.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from dsp.cepstrum import prewhitened_spectrum
from dsp.envelope import FaultEvidence
from dsp.envelope_orders import order_spectrum
from dsp.envelope_spectrum import BANDS, USED_PART_OF_NYQUIST, EnvelopeSpectrum, running_floor
from dsp.fault_comb import FaultLine, lone_cage_line, needed_record_s
from dsp.framing import Window
from dsp.plain_spectrum import hann
from dsp.samples import Float32Array

# Orders that the cage's comb and its decoys reach: three harmonics of anything below half the shaft's speed.
HIGHEST_ORDER = 1.6
OVERSAMPLING = 4.0
LONGEST_S = 60.0  # a machine is not steady for ever; slower cages are not resolvable
KEPT_TOLERANCE = 0.01
_MARGIN = 1.05
_EDGE = 8  # a record's first and last eighth are left out
_RATE_SPREAD = 1e-3
_FLOOR_ORDERS = 0.5


@dataclass(frozen=True, slots=True)
class _Piece:
    """The middle of one record: its envelope in each band, mean 1."""

    envelope: Float32Array  # (n_bands, n_samples)
    shaft_hz: float


class EnvelopeHistory:
    """The joined envelope of one channel; begins anew where records do not follow, or the speed drifts."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._wanted_hz = 0.0  # the rate that was asked for, by the speed of the first piece
        self._rate_hz = 0.0  # the one that came of it
        self._end_ns = 0

    @property
    def duration_s(self) -> float:
        """Seconds that are joined."""
        return self._length / self._rate_hz if self._pieces else 0.0

    @property
    def kept_bytes(self) -> int:
        """Memory of what is joined."""
        return sum(piece.envelope.nbytes for piece in self._pieces)

    @property
    def _length(self) -> int:
        return sum(piece.envelope.shape[1] for piece in self._pieces)

    def extended(self, record: Window, evidence: FaultEvidence) -> FaultEvidence:
        """The record's evidence with the cage's line of the joined envelope, once that is long enough.

        Take records in order of time. Evidence comes back as it is where even 60 s are too short for the
        cage at this speed, or the record is long enough itself.
        """
        needed_s = needed_record_s(evidence.multipliers.ftf, evidence.shaft_hz, evidence.tolerance)
        if needed_s > LONGEST_S or evidence.duration_s >= needed_s:
            self._pieces.clear()
            return evidence
        self._join(record, evidence)
        if self.duration_s < needed_s:
            return evidence
        return replace(evidence, cage=self._cage_line(evidence))

    def _join(self, record: Window, evidence: FaultEvidence) -> None:
        if not self._steady(evidence):
            self._pieces.clear()
        if not self._pieces:
            self._wanted_hz = HIGHEST_ORDER * evidence.shaft_hz * OVERSAMPLING
        found = decimated_envelope(record.samples, record.sample_rate_hz, self._wanted_hz)
        if found is None:
            self._pieces.clear()
            return
        n = found.shape[1]
        rate_hz = n / evidence.duration_s
        first = round((self._end_ns - record.start_ns) * 1e-9 * rate_hz)
        last = n - n // _EDGE
        follows = n // _EDGE <= first < last
        if not (self._pieces and follows and abs(rate_hz / self._rate_hz - 1.0) < _RATE_SPREAD):
            self._pieces.clear()
            self._rate_hz, first = rate_hz, n // _EDGE
        self._pieces.append(_Piece(np.ascontiguousarray(found[:, first:last]), evidence.shaft_hz))
        self._end_ns = record.start_ns + round(last / rate_hz * 1e9)
        kept_s = _MARGIN * needed_record_s(evidence.multipliers.ftf, evidence.shaft_hz, KEPT_TOLERANCE)
        most = round(min(kept_s, LONGEST_S) * self._rate_hz)
        while self._length - self._pieces[0].envelope.shape[1] >= most:
            self._pieces.pop(0)

    def _steady(self, evidence: FaultEvidence) -> bool:
        """Whether the speed stayed within what a line may be off anyway; beyond that lines smear."""
        speeds = [evidence.shaft_hz, *(piece.shaft_hz for piece in self._pieces)]
        return max(speeds) - min(speeds) <= evidence.tolerance * evidence.shaft_hz

    def _cage_line(self, evidence: FaultEvidence) -> FaultLine:
        envelope = np.concatenate([piece.envelope for piece in self._pieces], axis=1)
        shaft_hz = float(np.mean([piece.shaft_hz for piece in self._pieces]))
        spectrum = joined_spectrum(envelope, self._rate_hz, shaft_hz)
        return lone_cage_line(order_spectrum(spectrum, shaft_hz), evidence.multipliers, evidence.tolerance)


def decimated_envelope(samples: Float32Array, sample_rate_hz: float, rate_hz: float) -> Float32Array | None:
    """Squared envelope, mean 1, of a whitened record in bands that do not overlap: `(n_bands, n_samples)`.

    At `rate_hz` or a little above, a multiple of 8 samples. None for a record that is constant or holds a
    sample that is no number, and where the bands are narrower than that rate.
    """
    centred = np.asarray(samples, np.float32)
    with np.errstate(invalid="ignore"):
        centred = centred - np.float32(centred.mean(dtype=np.float64))
    peak = float(np.abs(centred).max(initial=0.0))
    n_out = _EDGE * int(np.ceil(len(centred) / sample_rate_hz * rate_hz / _EDGE))
    width = int(0.5 * len(centred) * USED_PART_OF_NYQUIST / BANDS)
    if not np.isfinite(peak) or peak == 0.0 or n_out > width:
        return None
    # The transform's length is the record's own: the decimated samples then span exactly its time.
    white = prewhitened_spectrum(scipy.fft.rfft(centred / np.float32(peak)).astype(np.complex64))
    taper = np.sqrt(np.hanning(width + 2)[1:-1]).astype(np.float32)
    bands = np.stack([white[i * width : (i + 1) * width] * taper for i in range(BANDS)])
    n_fine = scipy.fft.next_fast_len(2 * width)
    analytic = scipy.fft.ifft(bands, n_fine, axis=1)
    lines = scipy.fft.rfft(analytic.real**2 + analytic.imag**2, axis=1)[:, : n_out // 2 + 1]
    envelope = scipy.fft.irfft(lines, n_out, axis=1)
    return np.asarray(envelope / envelope.mean(axis=1, keepdims=True), np.float32)


def joined_spectrum(envelope: Float32Array, rate_hz: float, shaft_hz: float) -> EnvelopeSpectrum:
    """Envelope spectrum `(n_bins,)` of a decimated envelope `(n_bands, n_samples)`, up to order 1.6."""
    n = envelope.shape[1]
    duration_s = n / rate_hz
    window = hann(n)
    n_fft = 2 * n
    centred = (envelope - envelope.mean(axis=1, keepdims=True)) * window
    amplitude = np.abs(scipy.fft.rfft(centred.astype(np.float64), n_fft, axis=1))
    amplitude *= 2.0 / float(window.sum(dtype=np.float64))
    n_bins = min(amplitude.shape[1], int(HIGHEST_ORDER * shaft_hz * 2.0 * duration_s) + 2)
    power = np.square(amplitude[:, :n_bins])
    width = max(8, round(_FLOOR_ORDERS * shaft_hz * 2.0 * duration_s))
    prominence = np.mean([one / np.maximum(running_floor(one, width), 1e-30) for one in power], axis=0)
    return EnvelopeSpectrum(
        step_hz=0.5 / duration_s,
        resolution_hz=1.0 / duration_s,
        band_hz=(0.0, 0.0),
        prominence=prominence.astype(np.float32),
        depth=np.sqrt(power.mean(axis=0)).astype(np.float32),
        impulsiveness=0.0,
    )
