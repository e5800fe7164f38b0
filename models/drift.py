"""Whether what a channel shows still comes from the distribution that its limit was learned on.

Duty: bounded sketches of a few figures per window, compared period by period with those of the first baseline
and of the present one (PSI and Kolmogorov-Smirnov on the reference's deciles, and the size of the shift).
Learns nothing anew: what to do is a person's choice, and the first baseline is kept for as long as the
channel has the same features.

A figure drifts when PSI (Siddiqi 2006: above 0.25 the population has changed), the KS distance and the shift
of the median all say so in two periods running. PSI and KS alone would: windows are not independent, and a
large sample finds any difference; so the shift must also matter physically (`QUANTITIES`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dsp.samples import Float64Array
from models.errors import ModelStateError

BINS = 10
KEPT_VALUES = 256  # of a reference while it is collected, and of a period
MIN_REFERENCE = 64
PSI_LIMIT = 0.25
KS_LIMIT = 0.30
PERIODS_NEEDED = 2


class DriftCause(StrEnum):
    """What has probably changed."""

    SENSOR = "sensor"
    SCORES = "scores"
    INPUTS = "inputs"


ACTS = {
    DriftCause.SENSOR: "Check the sensor: mounting, cable, sensitivity",
    DriftCause.SCORES: "Look at the machine; re-baseline only once it was found sound",
    DriftCause.INPUTS: "Ask what changed in how it runs; if that is to stay, re-baseline or retrain",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure that is watched: what its drift means, and from which shift on it matters."""

    cause: DriftCause
    words: str
    least_shift: float
    unit: str
    upward: bool | None  # None: both ways


QUANTITIES: dict[str, Quantity] = {
    "gain": Quantity(DriftCause.SENSOR, "the level in all bands", 2.5, "dB", upward=False),
    "bias": Quantity(DriftCause.SENSOR, "the mean", 0.5, "x RMS", upward=None),
    "score": Quantity(DriftCause.SCORES, "the score", 0.3, "x the limit", upward=True),
    "rise": Quantity(DriftCause.SCORES, "the strongest bands", 3.0, "dB", upward=True),
    "shape": Quantity(DriftCause.INPUTS, "the spectrum's shape", 2.5, "dB", upward=True),
}
"""In order of precedence: where several drift, the first names the cause."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One figure that drifted: from which baseline, how far, by which measures."""

    quantity: str
    since: str  # "first" or "present" baseline
    shift: float  # of the median, in the quantity's unit
    psi: float
    ks: float

    @property
    def cause(self) -> DriftCause:
        return QUANTITIES[self.quantity].cause

    @property
    def act(self) -> str:
        """What to do about it."""
        return ACTS[self.cause]

    @property
    def text(self) -> str:
        """What drifted, by how much and since when, in words."""
        of = QUANTITIES[self.quantity]
        return f"{of.words} moved by {self.shift:+.2g} {of.unit} since the {self.since} baseline"


def figures_of_rises(rises: Float64Array, worst: int = 3) -> dict[str, float]:
    """ "gain", "rise" and "shape" of one window: signed differences to a baseline, dB; {} without any.

    Gain is the median (what changes all bands alike), rise the mean of the few largest, shape the mean
    distance from the median.
    """
    seen = rises[np.isfinite(rises)]
    if len(seen) == 0:
        return {}
    gain = float(np.median(seen))
    largest = np.sort(seen)[-worst:]
    return {
        "gain": gain,
        "rise": float(largest.mean()),
        "shape": float(np.abs(seen - gain).mean()),
    }


class Reference:
    """The distribution of one figure as deciles, with its median and spread (IQR / 1.349)."""

    def __init__(self, edges: Float64Array, median: float, spread: float) -> None:
        self.edges = edges  # (BINS - 1,)
        self.median = median
        self.spread = spread

    @classmethod
    def of(cls, values: Sequence[float]) -> Reference:
        """From collected values."""
        found = np.asarray(values, np.float64)
        lower, median, upper = np.quantile(found, [0.25, 0.5, 0.75])
        edges = np.quantile(found, np.arange(1, BINS) / BINS)
        return cls(edges, float(median), float(upper - lower) / 1.349)

    def counts(self, values: Sequence[float]) -> Float64Array:
        """`(BINS,)` how many values fall between the deciles."""
        at = np.searchsorted(self.edges, np.asarray(values, np.float64))
        return np.bincount(at, minlength=BINS).astype(np.float64)


def population_stability(counts: Float64Array) -> float:
    """PSI of counts per decile of the reference; half a count is added to each so that none is empty."""
    share = (counts + 0.5) / (counts.sum() + 0.5 * BINS)
    return float(np.sum((share - 1.0 / BINS) * np.log(share * BINS)))


def kolmogorov_smirnov(counts: Float64Array) -> float:
    """Largest distance of the cumulative shares, at the deciles of the reference."""
    total = counts.sum()
    if total == 0.0:
        return 0.0
    return float(np.abs(np.cumsum(counts)[:-1] / total - np.arange(1, BINS) / BINS).max())


class _Kept:
    """At most KEPT_VALUES of a stream, evenly spread over it."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._stride, self._passed = 1, 0

    def add(self, value: float) -> None:
        if self._passed % self._stride == 0:
            self.values.append(value)
        self._passed += 1
        if len(self.values) > KEPT_VALUES:
            self.values = self.values[::2]
            self._stride *= 2


class QuantityDrift:
    """One figure of one channel: its reference, then the present period against it."""

    def __init__(self, name: str, since: str) -> None:
        self._name = name
        self._since = since
        self._kept = _Kept()
        self._reference: Reference | None = None
        self._agreeing = 0
        self._denying = 0
        self.found: Drift | None = None

    @property
    def learned(self) -> bool:
        """Whether there is a reference to compare with."""
        return self._reference is not None

    def observe(self, value: float) -> None:
        """One window's value."""
        self._kept.add(value)

    def end_reference(self) -> None:
        """What came so far is the reference, where it is enough."""
        if self._reference is None and len(self._kept.values) >= MIN_REFERENCE:
            self._reference = Reference.of(self._kept.values)
            self._kept = _Kept()

    def end_period(self) -> None:
        """Compare the period with the reference; a period of few windows says nothing."""
        values = self._kept.values
        if self._reference is None or len(values) < MIN_REFERENCE:
            return
        self._kept = _Kept()
        drift = self._compare(self._reference, values)
        self._agreeing = self._agreeing + 1 if drift is not None else 0
        self._denying = self._denying + 1 if drift is None else 0
        if drift is not None and (self.found is not None or self._agreeing >= PERIODS_NEEDED):
            self.found = drift
        elif self._denying >= PERIODS_NEEDED:
            self.found = None

    def _compare(self, reference: Reference, values: Sequence[float]) -> Drift | None:
        of = QUANTITIES[self._name]
        shift = float(np.median(values)) - reference.median
        counts = reference.counts(values)
        psi, ks = population_stability(counts), kolmogorov_smirnov(counts)
        if of.upward is not None and (shift > 0.0) is not of.upward:
            return None
        matters = abs(shift) >= max(of.least_shift, 2.0 * reference.spread)
        if not (matters and psi >= PSI_LIMIT and ks >= KS_LIMIT):
            return None
        return Drift(self._name, self._since, shift, psi, ks)

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready."""
        reference = self._reference
        return {
            "kept": [_short(value) for value in self._kept.values],
            "reference": None
            if reference is None
            else {
                "edges": [_short(edge) for edge in reference.edges.tolist()],
                "median": reference.median,
                "spread": reference.spread,
            },
            "agreeing": self._agreeing,
            "denying": self._denying,
            "found": None if self.found is None else [self.found.shift, self.found.psi, self.found.ks],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        reference = state["reference"]
        if reference is not None:
            edges = np.asarray(reference["edges"], np.float64)
            median, spread = float(reference["median"]), float(reference["spread"])
            if edges.shape != (BINS - 1,) or not np.isfinite([*edges, median, spread]).all():
                raise ValueError(f"reference of {self._name} has edges of shape {edges.shape}")
            self._reference = Reference(edges, median, spread)
        values = [float(value) for value in state["kept"]]
        if len(values) > KEPT_VALUES or not all(map(math.isfinite, values)):
            raise ValueError(f"{len(values)} values of {self._name}; at most {KEPT_VALUES} finite ones")
        self._kept.values = values
        self._agreeing, self._denying = int(state["agreeing"]), int(state["denying"])
        if state["found"] is not None:
            shift, psi, ks = (float(value) for value in state["found"])
            self.found = Drift(self._name, self._since, shift, psi, ks)


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """Running time of a reference and of a period, and for how long one window stands at most.

    A plant's longest ordinary cycle is its week: a shorter period takes Tuesday for a drift from Sunday, or a
    neighbour that runs for two days.
    """

    reference_s: float = 14 * 86_400.0
    period_s: float = 7 * 86_400.0
    longest_step_s: float = 1200.0


class DriftMonitor:
    """Watches one channel's figures against the first baseline and, once re-baselined, the present one."""

    def __init__(self, settings: DriftSettings) -> None:
        self._settings = settings
        self._first = {name: QuantityDrift(name, "first") for name in QUANTITIES}
        self._present: dict[str, QuantityDrift] = {}
        self._first_s = self._present_s = self._period_s = 0.0
        self._last_ns: int | None = None

    def observe(
        self, time_ns: int, since_first: Mapping[str, float], since_present: Mapping[str, float]
    ) -> bool:
        """Take one scored window's figures by the first and by the present baseline; whether a period ended.

        Where there was no re-baselining both are the same, and only the first is compared.
        """
        step_s = 0.0
        if self._last_ns is not None and time_ns > self._last_ns:
            step_s = min((time_ns - self._last_ns) / 1e9, self._settings.longest_step_s)
        self._last_ns = time_ns
        for watched, values in ((self._first, since_first), (self._present, since_present)):
            for name, quantity in watched.items():
                value = values.get(name, math.nan)
                if math.isfinite(value):
                    quantity.observe(value)
        self._first_s += step_s
        self._present_s += step_s
        self._learn_references()
        self._period_s += step_s
        if self._period_s < self._settings.period_s:
            return False
        self._period_s = 0.0
        for quantity in (*self._first.values(), *self._present.values()):
            quantity.end_period()
        return True

    def rebaselined(self) -> None:
        """A person had the channel learned anew: the present baseline's reference begins, the first stays."""
        self._present = {name: QuantityDrift(name, "present") for name in QUANTITIES}
        self._present_s = 0.0

    @property
    def first_s(self) -> float:
        """Running time since the first baseline's reference began, s."""
        return self._first_s

    @property
    def first_learned(self) -> bool:
        """Whether the first baseline's reference is there to compare with."""
        return any(quantity.learned for quantity in self._first.values())

    def drifts(self) -> list[Drift]:
        """What has drifted, the most telling first."""
        found = [
            watched[name].found
            for name in QUANTITIES
            for watched in (self._first, self._present)
            if name in watched
        ]
        return [drift for drift in found if drift is not None]

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready."""
        return {
            "first": {name: quantity.state() for name, quantity in self._first.items()},
            "present": {name: quantity.state() for name, quantity in self._present.items()},
            "seconds": [round(s, 1) for s in (self._first_s, self._present_s, self._period_s)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave. Raises ModelStateError for anything else."""
        first = {name: QuantityDrift(name, "first") for name in QUANTITIES}
        present = {name: QuantityDrift(name, "present") for name in state.get("present", {})}
        try:
            for since, watched in (("first", first), ("present", present)):
                for name, quantity in watched.items():
                    quantity.restore(state[since][name])
            seconds = [float(value) for value in state["seconds"]]
            if len(seconds) != 3 or not all(map(math.isfinite, seconds)) or set(present) - set(QUANTITIES):
                raise ValueError("three finite times and known figures are right")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelStateError(f"the drift's sketches cannot be read: {error}") from error
        self._first, self._present, self._last_ns = first, present, None
        self._first_s, self._present_s, self._period_s = seconds

    def _learn_references(self) -> None:
        for watched, learned_s in ((self._first, self._first_s), (self._present, self._present_s)):
            if watched and learned_s >= self._settings.reference_s:
                for quantity in watched.values():
                    if not quantity.learned:
                        quantity.end_reference()


def _short(value: float) -> float:
    return float(f"{value:.6g}")
