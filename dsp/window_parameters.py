"""What the features of a window of 8192 samples are made with: rate, demodulation band, fault frequencies.

Duty: the parameters, their bounds, and what follows from them for every engine alike: the features' names and
order, and which spectral lines each looks at. It computes no feature: `dsp.window_features` (scipy) and
`dsp.lanes.engine` do, and `tests/oracles/window_features.py` says what they mean.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dsp.errors import DspError

WINDOW_SAMPLES = 8192
HOP_SAMPLES = WINDOW_SAMPLES // 2
SEGMENT_SAMPLES = 2048
N_BANDS, N_PEAKS = 16, 8
# Lines that the envelope's transforms have room for: those of the band and of the envelope together.
_ENVELOPE_ROOM = 4096
_MOST_HARMONICS = 10
_MOST_FAULTS = 8
# Velocity as ISO 20816 takes it, where the rate allows.
_VELOCITY_BAND_HZ = (10.0, 1000.0)


@dataclass(frozen=True, slots=True)
class WindowParameters:
    """Everything that changes a window's features; vectors made with different ones do not compare.

    `fault_frequencies_hz` are (name, frequency) pairs, such as ("bpfo", 107.4): orders times shaft speed.
    `demodulation_band_hz` is what the envelope is taken of. Envelope lines from the first to
    `envelope_limit_hz` are the floor that faults are held against; `n_harmonics` of each fault, each within
    +- `tolerance` of its frequency, must lie below it.

    Bounds, each refused with a DspError that says what would be right: rate 10 Hz to 1 MHz; band within the
    first and last line of the spectrum and wider than `envelope_limit_hz`; band and limit together at most
    half the rate less two lines; at most 8 faults, or none; 1 to 10 harmonics; tolerance 0 to 0.1. The
    window is always 8192 samples.
    """

    sample_rate_hz: float
    fault_frequencies_hz: tuple[tuple[str, float], ...]
    demodulation_band_hz: tuple[float, float] = (2000.0, 8000.0)
    envelope_limit_hz: float = 1000.0
    n_harmonics: int = 5
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        rate_hz, (low_hz, high_hz) = self.sample_rate_hz, self.demodulation_band_hz
        if not 10.0 <= rate_hz <= 1e6:
            raise DspError(f"sample_rate_hz is {rate_hz}; 10 Hz to 1 MHz can be served")
        step_hz = self.line_hz
        if not step_hz <= low_hz < high_hz <= rate_hz / 2.0 - step_hz:
            raise DspError(
                f"demodulation_band_hz is {low_hz} to {high_hz}; it must rise and lie between {step_hz:g} "
                f"and {rate_hz / 2.0 - step_hz:g} Hz at this rate"
            )
        if not 4.0 * step_hz <= self.envelope_limit_hz < high_hz - low_hz:
            raise DspError(
                f"envelope_limit_hz is {self.envelope_limit_hz}; it must be at least {4.0 * step_hz:g} Hz "
                f"and less than the demodulation band is wide ({high_hz - low_hz:g} Hz)"
            )
        first, after = self.band_lines
        if after - first + self.n_envelope_lines + 2 > _ENVELOPE_ROOM:
            raise DspError(
                f"demodulation_band_hz and envelope_limit_hz together span "
                f"{high_hz - low_hz + self.envelope_limit_hz:g} Hz; at most "
                f"{rate_hz / 2.0 - 3.0 * step_hz:g} Hz can be served at this rate"
            )
        if not 1 <= self.n_harmonics <= _MOST_HARMONICS:
            raise DspError(f"n_harmonics is {self.n_harmonics}; 1 to {_MOST_HARMONICS} can be served")
        if not 0.0 <= self.tolerance <= 0.1:
            raise DspError(f"tolerance is {self.tolerance}; 0 to 0.1 can be served")
        if not all(re.fullmatch(r"[a-z0-9_]+", name) for name, _ in self.fault_frequencies_hz):
            raise DspError("a fault's name is made of small letters, digits and underscores")
        if len(self.fault_frequencies_hz) > _MOST_FAULTS:
            raise DspError(f"{len(self.fault_frequencies_hz)} fault frequencies; 0 to 8 can be served")
        for name, frequency_hz in self.fault_frequencies_hz:
            highest_hz = frequency_hz * self.n_harmonics * (1.0 + self.tolerance)
            if not (frequency_hz > 0.0 and math.ceil(highest_hz / step_hz) <= self.n_envelope_lines):
                raise DspError(
                    f"fault {name!r} at {frequency_hz} Hz has its harmonic {self.n_harmonics} at "
                    f"{highest_hz:g} Hz; all must lie between 0 and {self.n_envelope_lines * step_hz:g} Hz: "
                    "raise envelope_limit_hz or ask for fewer harmonics"
                )

    @property
    def line_hz(self) -> float:
        """Distance of lines of the window's spectrum, and of its envelope's."""
        return self.sample_rate_hz / WINDOW_SAMPLES

    @property
    def density_line_hz(self) -> float:
        """Distance of lines of the density."""
        return self.sample_rate_hz / SEGMENT_SAMPLES

    @property
    def band_lines(self) -> tuple[int, int]:
        """First line of the demodulation band, and the first after it: low <= f < high."""
        low_hz, high_hz = self.demodulation_band_hz
        return math.ceil(low_hz / self.line_hz - 1e-9), math.ceil(high_hz / self.line_hz - 1e-9)

    @property
    def n_envelope_lines(self) -> int:
        """Lines of the envelope's spectrum that are looked at: 1 to this."""
        return int(self.envelope_limit_hz / self.line_hz + 1e-9)

    @property
    def envelope_samples(self) -> int:
        """Instants of the window at which the envelope is taken: 2560 if that is enough, else 4096.

        Enough means that what folds back from above the rate meets no line that is looked at.
        """
        first, after = self.band_lines
        return 2560 if after - first + self.n_envelope_lines + 2 <= 2560 else 4096

    @property
    def velocity_lines(self) -> tuple[int, int]:
        """First and last line of the velocity band; line 1 never, where the window's mean leaks into."""
        first = max(2, math.ceil(_VELOCITY_BAND_HZ[0] / self.line_hz - 1e-9))
        return first, min(int(_VELOCITY_BAND_HZ[1] / self.line_hz + 1e-9), WINDOW_SAMPLES // 2 - 2)

    @property
    def comb_lines(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each fault, for each harmonic, the first and last envelope line to look at."""
        return tuple(
            tuple(
                (
                    max(1, math.floor(h * frequency_hz * (1.0 - self.tolerance) / self.line_hz)),
                    math.ceil(h * frequency_hz * (1.0 + self.tolerance) / self.line_hz),
                )
                for h in range(1, self.n_harmonics + 1)
            )
            for _, frequency_hz in self.fault_frequencies_hz
        )

    @property
    def text(self) -> str:
        """All parameters in one line, numbers in full: what a feature vector carries."""
        low_hz, high_hz = self.demodulation_band_hz
        faults = ",".join(f"{name}={frequency_hz!r}" for name, frequency_hz in self.fault_frequencies_hz)
        return (
            f"rate={self.sample_rate_hz!r} band={low_hz!r}:{high_hz!r} limit={self.envelope_limit_hz!r} "
            f"harmonics={self.n_harmonics} tolerance={self.tolerance!r} faults={faults}"
        )

    @classmethod
    def from_text(cls, text: str) -> WindowParameters:
        """The parameters that `text` states. Raises DspError for anything that `text` did not write."""
        try:
            stated = dict(item.split("=", 1) for item in text.split(" "))
            low, high = stated["band"].split(":")
            faults = stated["faults"]
            pairs = (fault.split("=") for fault in (faults.split(",") if faults else ()))
            parameters = cls(
                sample_rate_hz=float(stated["rate"]),
                fault_frequencies_hz=tuple((name, float(frequency)) for name, frequency in pairs),
                demodulation_band_hz=(float(low), float(high)),
                envelope_limit_hz=float(stated["limit"]),
                n_harmonics=int(stated["harmonics"]),
                tolerance=float(stated["tolerance"]),
            )
        except (KeyError, ValueError) as error:
            raise DspError(f"{text!r} does not state window parameters: {error}") from error
        return parameters

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in their order, their units (of acceleration) in the name."""
        return (
            "mean_mps2", "rms_mps2", "peak_mps2", "peak_to_peak_mps2", "crest_factor", "skewness", "kurtosis",
            "shape_factor", "impulse_factor", "clearance_factor", "zero_crossings",
            "density_rms_mps2",
            *(f"band_{band + 1}_rms_mps2" for band in range(N_BANDS)),
            "centroid_hz", "spread_hz", "entropy",
            *(f"peak_{i + 1}_hz" for i in range(N_PEAKS)),
            *(f"peak_{i + 1}_density" for i in range(N_PEAKS)),
            "velocity_rms_mm_s",
            *(f"envelope_{name}" for name, _ in self.fault_frequencies_hz),
            "high_frequency_peak_mps2",
        )  # fmt: skip
