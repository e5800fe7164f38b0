"""Trend features per channel-window: the extractor beside a plain SciPy loop that yields the same figures.

The loop is written as a practitioner would: SciPy in float64, one window at a time, each transform computed
once. Both work on the same windows, turn by turn, in one thread; time is CPU time of the thread, the figures
are medians.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, signal, stats

from dsp.extractor import TrendExtractor
from dsp.framing import Framer, Window, WindowBatch
from dsp.samples import Quality, SampleBlock, TimeQuality
from dsp.sensor_check import check_sensor

RATE_HZ = 25600.0
WINDOW_SAMPLES = 32768
TURNS = 15


def run() -> list[dict[str, Any]]:
    """Rows for 1, 3 and 16 channels at once; framing and sensor check have no peer."""
    rows = [_extract_row(n_channels) for n_channels in (1, 3, 16)]
    return [*rows, _framing_row(), _sensor_row()]


def scipy_loop(extractor: TrendExtractor, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The extractor's figures by SciPy, window by window."""
    rows = []
    bands = [(band.lower_hz, band.upper_hz) for band in extractor.bands]
    for window in windows:
        x = window.astype(np.float64)
        x -= x.mean()
        rms = np.sqrt(np.mean(x**2))
        peak = np.abs(x).max()
        frequency, power = signal.periodogram(x, RATE_HZ, window="hann", detrend=False)
        power = power * RATE_HZ / len(x)
        inside = (frequency >= 10.0 - 2 * frequency[1]) & (frequency <= 1000.0 + 2 * frequency[1])
        velocity = 1000.0 * np.sqrt(np.sum(power[inside] / (2.0 * np.pi * frequency[inside]) ** 2))
        high = (frequency >= extractor.high_band.lower_hz) & (frequency < extractor.high_band.upper_hz)
        spectrum = np.zeros(len(x), np.complex128)
        spectrum[: len(high)][high] = fft.rfft(x)[high]
        squared = np.abs(fft.ifft(spectrum)) ** 2
        levels = [
            10.0 * np.log10(power[(frequency >= low) & (frequency < upper)].sum()) for low, upper in bands
        ]
        rows.append(
            [rms, peak, np.ptp(x), peak / rms, stats.skew(x), stats.kurtosis(x, fisher=False), velocity,
             np.sqrt(power[high].sum()), np.mean(squared**2) / np.mean(squared) ** 2 - 2.0, *levels]
        )  # fmt: skip
    return np.array(rows)


def _signal(n_channels: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(1)
    t = np.arange(WINDOW_SAMPLES) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * 24.7 * k * t) / k for k in range(1, 6))
    return np.asarray(9.81 + tones + rng.normal(0.0, 0.2, (n_channels, WINDOW_SAMPLES)), np.float32)


def _cpu_us(call: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e3


def _extract_row(n_channels: int) -> dict[str, Any]:
    extractor = TrendExtractor(RATE_HZ, WINDOW_SAMPLES, "m/s2")
    samples = _signal(n_channels)
    batch = WindowBatch(
        channel_ids=tuple(f"c{i}" for i in range(n_channels)),
        start_ns=(0,) * n_channels,
        sample_rate_hz=(RATE_HZ,) * n_channels,
        samples=samples,
        qualities=(Quality.GOOD,) * n_channels,
        operating_states=("",) * n_channels,
    )
    found = np.array([vector.values for vector in extractor.extract(batch)])
    if not np.allclose(found, scipy_loop(extractor, samples), rtol=1e-3, atol=1e-3):
        raise AssertionError("extractor and SciPy loop do not yield the same figures")
    ours, theirs = [], []
    for _ in range(TURNS):
        ours.append(_cpu_us(lambda: extractor.extract(batch)) / n_channels)
        theirs.append(_cpu_us(lambda: scipy_loop(extractor, samples)) / n_channels)
    return _row(
        f"trend features, {WINDOW_SAMPLES} samples, {n_channels} channels at once",
        median(ours),
        median(theirs),
    )


def _framing_row() -> dict[str, Any]:
    framer = Framer("c", WINDOW_SAMPLES, WINDOW_SAMPLES // 2)
    samples = np.zeros(2560, np.float32)
    blocks = [
        SampleBlock("c", i, i * 100_000_000, TimeQuality.FITTED, RATE_HZ, samples, Quality.GOOD)
        for i in range(640)
    ]
    figure = _cpu_us(lambda: [framer.push(block) for block in blocks]) / (640 * 2560 / (WINDOW_SAMPLES // 2))
    return _row("framing of 0.1 s blocks, half overlap", figure, None)


def _sensor_row() -> dict[str, Any]:
    window = Window("c", 0, RATE_HZ, _signal(1)[0], Quality.GOOD, TimeQuality.RECORDED)
    check_sensor(window)
    return _row("sensor check", median(_cpu_us(lambda: check_sensor(window)) for _ in range(TURNS)), None)


def _row(figure: str, ours: float, peer: float | None) -> dict[str, Any]:
    return {
        "bench": "features",
        "figure": figure,
        "unit": "us per channel-window",
        "ours": ours,
        "peer": peer,
        "peer_name": None if peer is None else "SciPy float64 loop",
        "ratio": None if peer is None else peer / ours,
    }
