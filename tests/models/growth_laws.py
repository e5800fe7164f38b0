"""Levels that grow by known laws until they pass a boundary, for tests of forecasts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BOUNDARY = 4.5
HOUR_S = 3600.0


def linear(rng: np.random.Generator, part: np.ndarray) -> np.ndarray:
    return 1.0 + 3.5 * part


def exponential(rng: np.random.Generator, part: np.ndarray) -> np.ndarray:
    return 4.5**part


def late(rng: np.random.Generator, part: np.ndarray) -> np.ndarray:
    """Flat at first, then exponential: as spalls grow."""
    begin = rng.uniform(0.2, 0.5)
    return 4.5 ** np.clip((part - begin) / (1.0 - begin), 0.0, None)


def stepwise(rng: np.random.Generator, part: np.ndarray) -> np.ndarray:
    """Eight to fourteen steps of unequal height, at irregular times."""
    count = int(rng.integers(8, 15))
    at = np.sort(rng.uniform(0.0, 1.0, count))
    heights = rng.exponential(1.0, count)
    heights *= np.log(4.6) / heights.sum()
    return np.exp((heights * (part[:, np.newaxis] >= at)).sum(axis=1))


def fluctuating(rng: np.random.Generator, part: np.ndarray) -> np.ndarray:
    """Exponential on the whole, with a random walk on top."""
    step = np.sqrt(np.diff(part, prepend=0.0))
    return 4.5**part * np.exp(np.cumsum(0.25 * step * rng.standard_normal(len(part))))


LAWS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "linear": linear,
    "exponential": exponential,
    "late": late,
    "stepwise": stepwise,
    "fluctuating": fluctuating,
}


def life(law: str, seed: int, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray, float]:
    """Times (s), measured levels, and the time at which the true level first passes the boundary.

    Noise is multiplicative, half of it autocorrelated over about eight values (temperature, load).
    """
    rng = np.random.default_rng([seed, list(LAWS).index(law)])
    n = int(rng.integers(80, 240))
    part = np.arange(2 * n) / n
    true = LAWS[law](rng, part)
    times_s = np.arange(2 * n) * 6.0 * HOUR_S
    slow = np.zeros(2 * n)
    for i in range(1, 2 * n):
        slow[i] = 0.88 * slow[i - 1] + 0.47 * rng.standard_normal()
    measured = true * np.exp(noise * (0.7 * slow + 0.7 * rng.standard_normal(2 * n)))
    above = np.flatnonzero(true >= BOUNDARY)
    passed_s = float(times_s[above[0]]) if len(above) else np.inf
    return times_s, measured, passed_s


def flat(seed: int, n: int = 150, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A level that only fluctuates, autocorrelated as those of `life`."""
    rng = np.random.default_rng([seed, 99])
    slow = np.zeros(n)
    for i in range(1, n):
        slow[i] = 0.88 * slow[i - 1] + 0.47 * rng.standard_normal()
    return np.arange(n) * 6.0 * HOUR_S, np.exp(noise * (0.7 * slow + 0.7 * rng.standard_normal(n)))
