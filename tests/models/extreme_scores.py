"""Healthy scores with known tails, for tests of limits: light, heavy, bounded, correlated, day and night."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

STEP_S = 600.0


def light(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n)


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_t(5, n)


def exponential(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_exponential(n)


def bounded(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.beta(2.0, 5.0, n)


def autocorrelated(rng: np.random.Generator, n: int) -> np.ndarray:
    """An AR(1) process with a correlation time of 100 min."""
    a = np.exp(-STEP_S / 6000.0)
    noise = rng.standard_normal(n + 200) * np.sqrt(1.0 - a * a)
    return lfilter([1.0], [1.0, -a], noise)[200:]


def day_and_night(rng: np.random.Generator, n: int) -> np.ndarray:
    """The spread and the level follow the day, each day somewhat another."""
    t_day = np.arange(n) * STEP_S / 86_400.0
    day = rng.lognormal(0.0, 0.15, int(t_day[-1]) + 2)[t_day.astype(int)]
    cycle = 1.0 + 0.5 * np.sin(2 * np.pi * t_day)
    return cycle * day * (1.0 + 0.3 * rng.standard_normal(n))


FAMILIES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "light": light,
    "exponential": exponential,
    "heavy": heavy,
    "bounded": bounded,
    "autocorrelated": autocorrelated,
    "day and night": day_and_night,
}
