"""The units of a one-class protocol as rows of features, all of one shape, in order of time.

Duty: which stretches of a data set can be compared and how long they are cut; the simple descriptions that
the baselines use. Looks at no label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dsp.framing import WindowBatch
from dsp.log_spectrum import log_spectrum_extractor
from dsp.samples import Float32Array, Float64Array, Quality
from models.detectors.representation import CORRELATION_DB, MIN_SAMPLES, RowRules, coarse_row, fine_row
from models.evaluation.protocol import Unit

UNKNOWN_UNIT = "1"
# Names of groups that say that the machine stood still: such units are not scored, nor learned from.
PARKED = frozenset({"off", "stopped", "stop", "standstill", "parked", "idle", "rest"})
# Units that a sensor states without its scale: levels compare among recordings all the same.
UNSCALED = frozenset({"v", "mv", "volt", "volts", "count", "counts", "lsb", "adc", "raw"})
FEW_STRETCHES = 10  # a unit of fewer is cut into windows
WINDOWS_PER_UNIT = 40
LEAST_WINDOW = 1024
RATE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """A data set's comparable stretches: one list per unit, `(n_samples, n_axes)` each."""

    units: tuple[Unit, ...]
    of_unit: tuple[tuple[Float32Array, ...], ...]
    level_known: bool
    rules: RowRules
    sample_rate_hz: float = 0.0  # nominal: that of most units

    def rows(self, describe: Describe) -> list[Float64Array]:
        """One `(n_stretches, n_columns)` array per unit."""
        return [
            np.array([describe(x, unit.waveforms.sample_rate_hz, self.level_known, self.rules) for x in part])
            for unit, part in zip(self.units, self.of_unit, strict=True)
        ]


Describe = Callable[[Float32Array, float, bool, RowRules], Float64Array]


def comparable(
    units: Sequence[Unit], rules: RowRules, remark: Callable[[str], None], window_samples: int | None = None
) -> Stretches:
    """What of the units can be compared: the rate and axes that most of them have, no parked machine.

    Each stretch is one row; `window_samples` cuts them into windows, as units of few long stretches are
    anyway. What is left out is said aloud by `remark`.
    """
    asked = [unit for unit in units if not unit.sealed.unknown and not is_parked(unit.group)]
    shapes = Counter(_shape(unit) for unit in asked if unit.waveforms.stretches)
    if not shapes:
        return Stretches((), (), False, rules)
    usual_rate_hz, usual_axes = shapes.most_common(1)[0][0]
    kept: list[Unit] = []
    cut: list[tuple[Float32Array, ...]] = []
    for unit in asked:
        rate_hz, axes = _shape(unit)
        if abs(rate_hz / usual_rate_hz - 1.0) > RATE_TOLERANCE or axes != usual_axes:
            remark(f"{unit.name}: {rate_hz:g} Hz, {axes} axes cannot be compared with the others, not scored")
            continue
        kept.append(unit)
        cut.append(_windows(unit.waveforms.stretches, window_samples))
    usual = int(np.median([len(x) for inside in cut for x in inside] or [0]))
    least = max(MIN_SAMPLES, usual // 2)
    whole = [tuple(x for x in inside if len(x) >= least) for inside in cut]
    short = sum(len(a) - len(b) for a, b in zip(cut, whole, strict=True))
    if short:
        remark(f"{short} stretches below {least} samples are not scored")
    segment = min([rules.segment_samples, *(len(x) for inside in whole for x in inside)])
    known = all(unit.waveforms.unit != UNKNOWN_UNIT or is_unscaled(unit.stated_unit) for unit in kept)
    present = [(unit, inside) for unit, inside in zip(kept, whole, strict=True) if inside]
    return Stretches(
        tuple(unit for unit, _ in present),
        tuple(inside for _, inside in present),
        known,
        replace(rules, segment_samples=segment),
        usual_rate_hz,
    )


def figures() -> dict[str, Any]:
    """What decides which stretches are compared and how they are cut, as JSON values."""
    return {
        "parked": sorted(PARKED),
        "unscaled": sorted(UNSCALED),
        "windows": [FEW_STRETCHES, WINDOWS_PER_UNIT, LEAST_WINDOW, MIN_SAMPLES],
        "rate_tolerance": RATE_TOLERANCE,
        "correlation_db": CORRELATION_DB,
    }


def is_parked(group: str) -> bool:
    """Whether a group's name says that the machine stood still."""
    return group.strip().lower() in PARKED


def is_unscaled(stated_unit: str) -> bool:
    """Whether a stated unit is a sensor's own: of one scale, if of an unknown one."""
    words = stated_unit.lower().replace(",", " ").replace("(", " ").split()
    return bool(words) and words[0] in UNSCALED


def simple_row(x: Float32Array, sample_rate_hz: float, level_known: bool, rules: RowRules) -> Float64Array:
    """Per axis level (where it means something), kurtosis and crest factor in dB, as a `Describe`."""
    del sample_rate_hz, rules
    d = np.where(np.isfinite(x), x, 0.0).astype(np.float64)
    d -= d.mean(axis=0)
    level = np.maximum(np.sqrt((d**2).mean(axis=0)), 1e-10)
    kurtosis = np.maximum((d**4).mean(axis=0), 1e-40) / level**4
    crest = np.maximum(np.abs(d).max(axis=0), 1e-10) / level
    parts = [10.0 * np.log10(kurtosis), 20.0 * np.log10(crest)]
    return np.concatenate([20.0 * np.log10(level), *parts] if level_known else parts)


def fine(x: Float32Array, sample_rate_hz: float, level_known: bool, rules: RowRules) -> Float64Array:
    """`fine_row` as a `Describe`."""
    return fine_row(x, sample_rate_hz, level_known, rules)


def coarse(x: Float32Array, sample_rate_hz: float, level_known: bool, rules: RowRules) -> Float64Array:
    """`coarse_row` as a `Describe`."""
    return coarse_row(x, sample_rate_hz, level_known, rules)


@dataclass(frozen=True, slots=True)
class LogSpectrum:
    """Levels of `dsp.log_spectrum`'s fine bands as a `Describe`: `(n_axes * n_bands,)`, axis by axis, dB.

    Bands are those of the nominal rate and the segment's length; of a longer stretch they are the mean power
    of as many segments as cover it. Where the level means nothing, levels count from the axis' own. Samples
    that are not finite count as 0. Raises DspError for segments below 64 samples.
    """

    nominal_rate_hz: float

    def __call__(
        self, x: Float32Array, sample_rate_hz: float, level_known: bool, rules: RowRules
    ) -> Float64Array:
        length = min(rules.segment_samples, len(x)) // 2 * 2
        extractor = log_spectrum_extractor(self.nominal_rate_hz, length, UNKNOWN_UNIT)
        count = -(-len(x) // length)
        starts = np.linspace(0, len(x) - length, count).astype(int) if count > 1 else [0]
        clean = np.where(np.isfinite(x), x, np.float32(0.0)).T
        windows = np.concatenate([clean[:, start : start + length] for start in starts])
        n = len(windows)
        batch = WindowBatch(
            ("",) * n, (0,) * n, (sample_rate_hz,) * n, np.ascontiguousarray(windows, np.float32),
            (Quality.GOOD,) * n, ("",) * n,
        )  # fmt: skip
        levels = np.array([vector.values for vector in extractor.extract(batch)], np.float64)
        power = (10.0 ** (levels / 10.0)).reshape(count, x.shape[1], -1).mean(axis=0)
        if not level_known:
            power /= power.sum(axis=1, keepdims=True)
        return np.asarray(10.0 * np.log10(power), np.float64).ravel()


def _shape(unit: Unit) -> tuple[float, int]:
    stretches = unit.waveforms.stretches
    return unit.waveforms.sample_rate_hz, stretches[0].shape[1] if stretches else 0


def _windows(stretches: tuple[Float32Array, ...], window_samples: int | None) -> tuple[Float32Array, ...]:
    if window_samples is None:
        longest = max((len(x) for x in stretches), default=0)
        if len(stretches) >= FEW_STRETCHES or longest < 2 * LEAST_WINDOW:
            return stretches
        window_samples = max(LEAST_WINDOW, longest * len(stretches) // WINDOWS_PER_UNIT)
    return tuple(
        x[first : first + window_samples]
        for x in stretches
        for first in range(0, len(x) - window_samples + 1, window_samples)
    )
