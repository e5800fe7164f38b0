"""How much power stands at a speed's harmonics, one transform sum each."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence


def comb_level(x: Sequence[float], rate_hz: float, speed_hz: float, harmonics: int) -> float:
    """Mean over harmonics of ln of the power at exactly that frequency."""
    total = 0.0
    n = len(x)
    centre = math.fsum(x) / n
    for h in range(1, harmonics + 1):
        turn = cmath.exp(-2j * math.pi * h * speed_hz / rate_hz)
        phasor, line = 1.0 + 0.0j, 0.0 + 0.0j
        for j, value in enumerate(x):
            line += (value - centre) * (0.5 - 0.5 * math.cos(2 * math.pi * j / n)) * phasor
            phasor *= turn
        total += math.log(abs(line) ** 2 + 1e-12)
    return total / harmonics
