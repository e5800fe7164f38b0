"""Kurtogram of 16 channels by lanes, beside the filter-bank tree and beside SciPy's transforms.

All cover levels 1 to 5 with thirds (155 bands) of windows of 8192 samples. The *filter-bank tree* is that
of the paper by scipy.signal.lfilter, float64, a channel at a time, as published programs do it. *SciPy FFT*
is the definition of `dsp/kurtogram.py`, all channels at once, in float64 and in float32. Turn by turn in
one thread; CPU time of the thread; medians; the K of all agree where the definition is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.kurtogram import (
    LINES,
    MEAN_FOURTH,
    MEAN_SQUARE,
    TAPER,
    WINDOW_SAMPLES,
    Band,
    band_moments,
    bands_of,
)
from dsp.lanes.kurtogram import LaneKurtogram
from tests.oracles.kurtogram import filter_bank_tree

CHANNELS = 16
RATE_HZ = 25600.0
TURNS = 9
TURN_NS = 30_000_000


def run() -> list[dict[str, Any]]:
    windows = bearing_windows(CHANNELS)
    wide, counts = windows.astype(np.float64), np.rint(windows * 8000.0).astype(np.int16)
    engine, bands = LaneKurtogram(5), bands_of(5)
    ours = _kurtosis(engine.band_moments(windows))
    exact = _kurtosis(band_moments(windows, bands))
    assert np.abs(ours - exact).max() < 1e-4
    assert (ours.argmax(axis=1) == exact.argmax(axis=1)).all()
    assert np.abs(_kurtosis(float32_moments(windows, bands)) - exact).max() < 1e-2
    lanes, lanes_int16, tree, float64, float32 = _seconds(
        lambda: engine.band_moments(windows),
        lambda: engine.band_moments(counts),
        lambda: filter_bank_tree(wide[0], 5),
        lambda: band_moments(windows, bands),
        lambda: float32_moments(windows, bands),
    )
    per_channel = [lanes / CHANNELS, lanes_int16 / CHANNELS, tree, float64 / CHANNELS, float32 / CHANNELS]
    ours_s, ours_int16_s, tree_s, float64_s, float32_s = per_channel
    six = LaneKurtogram(6)
    record = bearing_windows(4)  # 1.28 s of one channel
    bands_6 = bands_of(6)
    six_s, six_scipy_s = _seconds(lambda: six.band_moments(record), lambda: band_moments(record, bands_6))
    return [
        _row("levels 1-5 with thirds, 16 channels", ours_s, tree_s, "filter-bank tree, lfilter"),
        _row("the same", ours_s, float64_s, "SciPy FFT float64"),
        _row("the same", ours_s, float32_s, "SciPy FFT float32"),
        _row("the same, int16 in", ours_int16_s, tree_s, "filter-bank tree, lfilter"),
        _row("level 6, one record of 4 windows", six_s / 4, six_scipy_s / 4, "SciPy FFT float64"),
    ]


def bearing_windows(n: int) -> npt.NDArray[np.float32]:
    """Windows of a machine with impacts that ring at about 4 kHz, as float32."""
    chance = np.random.default_rng(1)
    t = np.arange(WINDOW_SAMPLES) / RATE_HZ
    rows = []
    for i in range(n):
        x = 0.3 * np.sin(2 * np.pi * 29.95 * t + i) + 0.2 * chance.standard_normal(len(t))
        for start_s in np.arange(0.001 * (i % 7), t[-1], 1.0 / (107.4 + i % 4)):
            ring = t[t >= start_s] - start_s
            x[t >= start_s] += 0.8 * np.exp(-900.0 * ring) * np.sin(2 * np.pi * (4000 + 50 * (i % 9)) * ring)
        rows.append(x)
    return np.array(rows, np.float32)


def float32_moments(windows: npt.NDArray[np.float32], bands: tuple[Band, ...]) -> npt.NDArray[np.float32]:
    """The definition in float32, all windows and all bands of a level at once, as NumPy does it best."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    spectra = scipy.fft.rfft(centred * TAPER.astype(np.float32), axis=1)[:, :LINES]
    spectra[:, 0] = 0.0
    moments = []
    for level in sorted({band.level for band in bands}):
        edges = [(band.first_line, band.last_line) for band in bands if band.level == level]
        size = max(band.envelope_samples for band in bands if band.level == level)
        if LINES % len(edges) == 0:
            parts = spectra.reshape(len(windows), len(edges), size)
        else:
            parts = np.zeros((len(windows), len(edges), size), spectra.dtype)
            for index, (first, last) in enumerate(edges):
                parts[:, index, : last - first] = spectra[:, first:last]
        envelope = scipy.fft.ifft(parts, axis=2)
        power = envelope.real**2 + envelope.imag**2
        second, fourth = power.mean(axis=2), (power * power).mean(axis=2)
        moments.append(np.stack([second / np.float32(MEAN_SQUARE), fourth / np.float32(MEAN_FOURTH)], axis=2))
    return np.concatenate(moments, axis=1)


def _kurtosis(moments: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(moments[..., 1] / moments[..., 0] ** 2 - 2.0, np.float64)


def _seconds(*calls: Callable[[], object]) -> list[float]:
    repeats = []
    for call in calls:
        call()
        start = time.thread_time_ns()
        call()
        repeats.append(TURN_NS // max(1, time.thread_time_ns() - start) + 1)
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, repeat, times in zip(calls, repeats, taken, strict=True):
            start = time.thread_time_ns()
            for _ in range(repeat):
                call()
            times.append((time.thread_time_ns() - start) / repeat / 1e9)
    return [median(times) for times in taken]


def _row(figure: str, ours_s: float, peer_s: float, peer: str) -> dict[str, Any]:
    return {
        "bench": "kurtogram",
        "figure": figure,
        "unit": "us per channel-window",
        "ours": ours_s * 1e6,
        "peer": peer_s * 1e6,
        "peer_name": peer,
        "ratio": peer_s / ours_s,
    }
