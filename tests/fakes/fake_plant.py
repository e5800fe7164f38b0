"""Made-up machines with plausible figures, for the web floor's tests and the page's design.

Everything is a function of the machine, the feature and the time, so that a trend asked for twice agrees. It
stands for the appliance only in tests: no figure here was measured.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from web.schemas import (
    ChannelView,
    DiagnosisView,
    FaultMarker,
    LearningView,
    SeverityName,
    SpectrumView,
)
from web.trend_schemas import GapView, LimitMark, TrendLimit, TrendView

SAMPLE_RATE_HZ = 25_600.0
HOP_S = 0.64
HISTORY_S = 2 * 3600.0
FAULT_GROWS_OVER_S = 60.0
BPFO, BPFI, BSF, FTF = 3.585, 5.415, 4.714, 0.398  # 6205, times the shaft speed

LEVELS = {
    "rms_mps2": (1.9, 0.05), "peak_mps2": (7.2, 0.09), "crest_factor": (3.8, 0.07), "kurtosis": (3.1, 0.06),
    "velocity_rms_mm_s": (1.4, 0.03), "band_2000_11520_hz_rms_mps2": (0.8, 0.08),
    "band_112_180_hz_db": (96.0, 0.006), "band_1120_1800_hz_db": (88.0, 0.006),
    "band_2800_4500_hz_db": (91.0, 0.007),
}  # fmt: skip
FEATURES = [*LEVELS, "score"]


def unit_of(feature: str) -> str:
    """Unit by the ending of the feature's name."""
    endings = {"_mps2": "m/s²", "_mm_s": "mm/s", "_db": "dB"}
    return next((unit for ending, unit in endings.items() if feature.endswith(ending)), "")


def noise(key: str, step: int) -> float:
    """Reproducible, about -1..1."""
    return math.sin(zlib.crc32(f"{key}/{step}".encode()) % 10_007) * 0.999


@dataclass(frozen=True)
class FakeMachine:
    """One machine. `fault_from_s`: when its outer race begins to fail, in seconds after the start."""

    asset_id: str
    name: str
    shaft_hz: float
    load: float  # fraction of the rated load
    fault_from_s: float | None = None
    learns_for_s: float = 0.0
    axes: tuple[str, ...] = ("x", "y", "z")
    broken_axis: str | None = None
    gaps: tuple[tuple[float, float, str], ...] = ()  # until, from: seconds before the start; cause

    @property
    def channel_ids(self) -> list[str]:
        return [f"{self.asset_id}.{axis}" for axis in self.axes]

    def growth(self, elapsed_s: float) -> float:
        """0 healthy .. 1 grown."""
        if self.fault_from_s is None:
            return 0.0
        return min(1.0, max(0.0, (elapsed_s - self.fault_from_s) / FAULT_GROWS_OVER_S))

    def severity(self, elapsed_s: float) -> SeverityName:
        if self.learning(elapsed_s).percent < 100.0:
            return "not rated"
        grown = self.growth(elapsed_s)
        return "good" if grown < 0.02 else "watch" if grown < 0.5 else "warn" if grown < 1.0 else "stop"

    def shaft_now_hz(self, elapsed_s: float) -> float:
        return self.shaft_hz * (1.0 + 0.004 * math.sin(elapsed_s / 17.0))

    def learning(self, elapsed_s: float) -> LearningView:
        if elapsed_s >= self.learns_for_s:
            return LearningView(
                percent=100.0, complete=True, provisional=True,
                text="baseline learned, limit provisional; 2 of 3 operating states",
                learned_h=9.5, needed_h=12.0, states_learned=2, states_seen=3, paused=False,
            )  # fmt: skip
        text = f"learning the baseline: {elapsed_s:.0f} of {self.learns_for_s:.0f} s"
        percent = 100.0 * max(0.0, elapsed_s) / self.learns_for_s
        return LearningView(
            percent=percent, complete=False, provisional=True, text=text, learned_h=elapsed_s / 3600.0,
            needed_h=self.learns_for_s / 3600.0, states_learned=0, states_seen=1, paused=False,
        )  # fmt: skip

    def value(self, channel_id: str, feature: str, elapsed_s: float) -> float | None:
        """The feature at a time; None inside a gap."""
        if any(until_s <= -elapsed_s < before_s for until_s, before_s, _ in self.gaps):
            return None
        step = math.floor(elapsed_s / HOP_S)
        grown = self.growth(elapsed_s)
        if feature == "score":
            return max(0.05, 0.42 + 2.4 * grown + 0.06 * noise(channel_id, step))
        level, spread = LEVELS[feature]
        slow = 0.02 * math.sin(elapsed_s / 300.0)
        if feature.endswith("_db"):
            return level * (1.0 + spread * noise(channel_id + feature, step)) + 14.0 * grown
        return level * (1.0 + slow + spread * noise(channel_id + feature, step)) * (1.0 + 1.6 * grown)

    def markers(self, elapsed_s: float) -> list[FaultMarker]:
        shaft_hz, grown = self.shaft_now_hz(elapsed_s), self.growth(elapsed_s)
        kinds = (
            ("outer race", "BPFO", BPFO, 14.0 * grown),
            ("inner race", "BPFI", BPFI, 0.6),
            ("rolling element", "2 x BSF", BSF, 0.2),
            ("cage", "FTF", FTF, -0.3),
        )
        return [
            FaultMarker(
                fault=fault, label=label, frequency_hz=multiplier * shaft_hz, harmonics=4,
                level_db=62.0 + over_db, over_baseline_db=over_db,
            )
            for fault, label, multiplier, over_db in kinds
        ]  # fmt: skip

    def sentence(self, elapsed_s: float) -> str:
        grown = self.growth(elapsed_s)
        rising_s = max(0.0, elapsed_s - (self.fault_from_s or 0.0))
        return (
            f"outer race, BPFO at {BPFO:.2f} x shaft speed, {14.0 * grown:.0f} dB over baseline, "
            f"rising for {rising_s:.0f} s"
        )

    def diagnosis(self, elapsed_s: float) -> DiagnosisView | None:
        if not self.learning(elapsed_s).complete:
            return None
        faulty = self.growth(elapsed_s) > 0.02
        return DiagnosisView(
            verdict="fault" if faulty else "healthy",
            fault="outer race" if faulty else None,
            confidence=0.6 + 0.35 * self.growth(elapsed_s),
            text=self.sentence(elapsed_s)
            if faulty
            else "no fault frequency stands out of the envelope spectrum",
            channel_id=self.channel_ids[-1],
            ranking=[("outer race", 0.9), ("inner race", 0.06), ("cage", 0.04)] if faulty else [],
        )

    def channels(self, elapsed_s: float) -> list[ChannelView]:
        return [
            ChannelView(
                channel_id=channel_id,
                name=f"acceleration {axis}",
                measurand="acceleration",
                unit="m/s²",
                sample_rate_hz=SAMPLE_RATE_HZ,
                features=FEATURES,
                latest={feature: self.value(channel_id, feature, elapsed_s) for feature in FEATURES},
                quality="bad" if axis == self.broken_axis else "good",
                sensor_verdict="flat line: check the cable of this axis"
                if axis == self.broken_axis
                else None,
            )
            for axis, channel_id in zip(self.axes, self.channel_ids, strict=True)
        ]

    def spectrum(self, channel_id: str, kind: str, elapsed_s: float, now_ms: float) -> SpectrumView | None:
        """An amplitude spectrum to 12.8 kHz, or an envelope spectrum to 500 Hz; None in the first seconds."""
        if elapsed_s < 2.0:
            return None
        shaft_hz, grown = self.shaft_now_hz(elapsed_s), self.growth(elapsed_s)
        seeded = np.random.default_rng(zlib.crc32(channel_id.encode()) + int(elapsed_s))
        step_hz, n_bins = (0.78125 * 8, 2048) if kind == "amplitude" else (0.25, 2000)
        frequencies_hz = step_hz * np.arange(n_bins)
        values = 0.004 * seeded.rayleigh(1.0, n_bins)
        if kind == "amplitude":
            values *= 1.0 + 3.0 * np.exp(-(((frequencies_hz - 3400.0) / 700.0) ** 2)) * (1.0 + 8.0 * grown)
            lines = [(k * shaft_hz, 0.6 / k) for k in range(1, 6)] + [(23 * shaft_hz, 0.35)]
        else:
            lines = [(shaft_hz, 0.02), (2 * shaft_hz, 0.012)]
            lines += [(k * BPFO * shaft_hz, 0.01 + 0.25 * grown / k) for k in range(1, 5)]
        for frequency_hz, height in lines:
            near = round(frequency_hz / step_hz)
            if near < n_bins:
                values[near] += height
        return SpectrumView(
            channel_id=channel_id,
            kind="amplitude" if kind == "amplitude" else "envelope",
            time_ms=now_ms,
            first_hz=0.0,
            step_hz=step_hz,
            values=[round(float(value), 6) for value in values],
            unit="m/s²",
            markers=[] if kind == "amplitude" else self.markers(elapsed_s),
            shaft_hz=shaft_hz,
        )

    def trend(
        self, channel_id: str, feature: str, start_s: float, end_s: float, max_points: int, zero_ms: float
    ) -> TrendView:
        """The feature between two times in seconds after the start."""
        start_s = max(start_s, -HISTORY_S)
        first, last = math.ceil(start_s / HOP_S), math.floor(end_s / HOP_S)
        stride = max(1, math.ceil((last - first + 1) / max_points))
        times_s = [step * HOP_S for step in range(first, last + 1, stride)]
        return TrendView(
            channel_id=channel_id,
            feature=feature,
            unit=unit_of(feature),
            times_ms=[zero_ms + 1000.0 * time_s for time_s in times_s],
            values=[self.value(channel_id, feature, time_s) for time_s in times_s],
            limit=1.0 if feature == "score" else None,
            limit_provisional=True,
            gaps=[
                GapView(
                    start_ms=zero_ms - 1000.0 * before_s,
                    end_ms=zero_ms - 1000.0 * until_s,
                    cause=cause,
                    state="lost",
                    samples_missing=round((before_s - until_s) * SAMPLE_RATE_HZ),
                )
                for until_s, before_s, cause in self.gaps
                if -before_s < end_s and -until_s > start_s
            ],
            limits=[]
            if feature == "score"
            else [
                TrendLimit(
                    operating_state=state, present=number == 0, usual=usual, limit=1.9 * usual,
                    provisional=number > 0, locked=False,
                )
                for number, state in enumerate(("1480 rpm, load 50-75 %", "1480 rpm, load 75-100 %"))
                for usual in (LEVELS[feature][0] * (1.0 + 0.3 * number),)
            ],
            limit_marks=[
                LimitMark(time_ms=zero_ms - 300_000.0, operating_state="1480 rpm, load 50-75 %",
                          text="limit raised to 130 % by anna")
            ],
        )  # fmt: skip


PLANT = (
    FakeMachine("pump-2", "Cooling water pump 2", 24.6, 0.71, fault_from_s=18.0,
                gaps=((600.0, 690.0, "serial loss"), (3000.0, 3400.0, "power off"))),
    FakeMachine("fan-1", "Exhaust fan 1", 16.4, 0.48, gaps=((1200.0, 1215.0, "sequence gap"),)),
    FakeMachine("motor-7", "Conveyor motor 7", 49.2, 0.63, learns_for_s=45.0, broken_axis="y"),
)  # fmt: skip
